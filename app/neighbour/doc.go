// Package neighbour holds the clients by which services reach each other: each implements
// an interface that a service declares, over another service's public HTTP API.
//
// Whether the other service is in this process, on another machine or a genuine
// OpenStack one is decided by the api.Client that a constructor gets. The caller's
// identity travels in the context. A refusal comes back as an *api.Error with the
// neighbour's status and message, anything else as an ordinary error.
//
// Only app imports it.
package neighbour

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"virga/core/api"
	"virga/core/bus"
)

// refusal turns a neighbour's error answer into an *api.Error, and one that says that it
// cannot serve now into one that is bus.ErrUnavailable to errors.Is; other errors, and the neighbour's own trouble
// (status 500 and above), stay as they are.
func refusal(err error) error {
	var status *api.StatusError
	switch {
	case !errors.As(err, &status):
		return err
	case status.Status == http.StatusServiceUnavailable:
		return &unavailable{err}
	case status.Status >= http.StatusInternalServerError:
		return err
	}
	return api.Errorf(status.Status, "%s", Message(status.Body)).Because(err)
}

// unavailable is the answer of a neighbour that cannot serve now: to who asked as good as one who cannot be reached.
type unavailable struct{ answer error }

// Error implements error.
func (u *unavailable) Error() string { return u.answer.Error() }

// Unwrap gives the answer and what it amounts to to errors.Is and errors.As.
func (u *unavailable) Unwrap() []error { return []error{u.answer, bus.ErrUnavailable} }

// Message finds the sentence in an error answer of any of the APIs.
func Message(body []byte) string {
	var answer struct {
		Message      string
		NeutronError struct{ Message string }
		Errors       []struct{ Detail string }
	}
	if json.Unmarshal(body, &answer) == nil {
		switch {
		case answer.NeutronError.Message != "":
			return answer.NeutronError.Message
		case len(answer.Errors) > 0 && answer.Errors[0].Detail != "":
			return answer.Errors[0].Detail
		case answer.Message != "":
			return strings.TrimSpace(strings.ReplaceAll(answer.Message, "<br />", "")) // so does Glance end its sentences
		}
	}
	return "The request was refused."
}

// status is the status of a refusal, 0 for other errors.
func status(err error) int {
	var e *api.StatusError
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}
