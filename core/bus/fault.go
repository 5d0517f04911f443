package bus

import (
	"context"
	"errors"
	"fmt"
)

// faults are the errors that keep their meaning on the way from a party to its caller, and
// the codes by which they travel.
var faults = []struct {
	code string
	err  error
}{
	{"nobody", ErrNobody},
	{"unavailable", ErrUnavailable},
	{"too-big", ErrTooBig},
	{"deadline", context.DeadlineExceeded},
	{"canceled", context.Canceled},
}

// CodeOf names what err means to a caller in another process; "failed" when it is the
// party's own error.
func CodeOf(err error) string {
	for _, f := range faults {
		if errors.Is(err, f.err) {
			return f.code
		}
	}
	return "failed"
}

// Fault is the error that a code and a text from another process stand for.
func Fault(code, text string) error {
	for _, f := range faults {
		if f.code == code {
			return &fault{text, f.err}
		}
	}
	return &fault{text, nil}
}

// fault is another's error: a text of its own with a meaning of ours.
type fault struct {
	text    string
	meaning error
}

func (f *fault) Error() string { return f.text }

// Unwrap gives the meaning to errors.Is.
func (f *fault) Unwrap() error { return f.meaning }

// Try calls answer as every party is called: with a panic and an answer that is too big
// turned into errors, and an error reduced to what arrives of it elsewhere.
func Try(ctx context.Context, answer Answer, question string, body []byte) (result []byte, err error) {
	defer func() {
		if cause := recover(); cause != nil { // the party breaks its own answer, not the process
			result, err = nil, Fault("failed", fmt.Sprintf("panic: %v", cause))
		}
	}()
	result, err = answer(ctx, question, body)
	if err != nil {
		return nil, Fault(CodeOf(err), err.Error())
	}
	return result, CheckBody(result)
}

// CheckQuestion tells whether a question cannot be carried.
func CheckQuestion(address, question string, body []byte) error {
	if len(address) > maxName || len(question) > maxName {
		return fmt.Errorf("an address and a question's name may have %d bytes at most", maxName)
	}
	return CheckBody(body)
}

// CheckBody tells whether a body is too big to be carried.
func CheckBody(body []byte) error {
	if len(body) > MaxBody {
		return fmt.Errorf("%d bytes: %w", len(body), ErrTooBig)
	}
	return nil
}

// Asked names a failed call in its error: "ask compute.node.h1 for console: …".
func Asked(address, question string, err error) error {
	return fmt.Errorf("ask %s for %s: %w", address, question, err)
}
