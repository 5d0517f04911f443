package api

import (
	"errors"
	"fmt"
	"net/http"
)

// Error is an answer with a status of 400 or more. Its message is read by users, so it
// names what is wrong and nothing of the inside.
type Error struct {
	// Status is the HTTP status code.
	Status int
	// Code is the API's own word for the error, where it has one: "NetworkNotFound" of
	// the network API, "placement.concurrent_update" of placement.
	Code string
	// Message is a whole sentence.
	Message string
	// Header is added to the answer.
	Header http.Header
	cause  error
	// Mistake says what is wrong with a body that does not fit its schema.
	Mistake *Mistake
}

// Error implements error.
func (e *Error) Error() string {
	if e.cause != nil {
		return fmt.Sprintf("%d %s: %v", e.Status, e.Message, e.cause)
	}
	return fmt.Sprintf("%d %s", e.Status, e.Message)
}

// Unwrap gives the cause to errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.cause }

// WithCode returns the error with the API's own word for it.
func (e *Error) WithCode(code string) *Error {
	with := *e
	with.Code = code
	return &with
}

// Because returns the error with a cause, which is logged and not shown.
func (e *Error) Because(cause error) *Error {
	with := *e
	with.cause = cause
	return &with
}

// Errorf is an error with any status.
func Errorf(status int, format string, args ...any) *Error {
	return &Error{Status: status, Message: fmt.Sprintf(format, args...)}
}

// BadRequest is status 400.
func BadRequest(format string, args ...any) *Error {
	return Errorf(http.StatusBadRequest, format, args...)
}

// Unauthorized is status 401.
func Unauthorized(format string, args ...any) *Error {
	return Errorf(http.StatusUnauthorized, format, args...)
}

// Forbidden is status 403.
func Forbidden(format string, args ...any) *Error {
	return Errorf(http.StatusForbidden, format, args...)
}

// NotFound is status 404.
func NotFound(format string, args ...any) *Error {
	return Errorf(http.StatusNotFound, format, args...)
}

// Conflict is status 409.
func Conflict(format string, args ...any) *Error {
	return Errorf(http.StatusConflict, format, args...)
}

// TooLarge is status 413.
func TooLarge(format string, args ...any) *Error {
	return Errorf(http.StatusRequestEntityTooLarge, format, args...)
}

// Unavailable is status 503 with Retry-After.
func Unavailable(format string, args ...any) *Error {
	e := Errorf(http.StatusServiceUnavailable, format, args...)
	e.Header = http.Header{"Retry-After": {"2"}}
	return e
}

// StatusOf is the status that err is answered with: 500 for anything but an *Error.
func StatusOf(err error) int {
	var e *Error
	if errors.As(err, &e) {
		return e.Status
	}
	return http.StatusInternalServerError
}

// ErrorStyle renders an error in the form of one API.
type ErrorStyle func(e *Error, r *Request) (contentType string, body []byte)
