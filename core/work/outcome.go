package work

import (
	"errors"
	"fmt"
	"time"
)

// outcome is an error that tells the engine what to do next.
type outcome struct {
	kind  outcomeKind
	after time.Duration
	step  string
	err   error
}

type outcomeKind int

const (
	outcomeWait outcomeKind = iota + 1
	outcomeRetry
	outcomeBack
	outcomeFail
)

// Error implements error.
func (o *outcome) Error() string {
	if o.err == nil {
		return "wait for " + o.after.String()
	}
	return o.err.Error()
}

// Unwrap gives the cause to errors.Is and errors.As.
func (o *outcome) Unwrap() error { return o.err }

// Wait has the step called again when the operation is signalled, or after at most d.
// It counts as no try.
func Wait(d time.Duration) error { return &outcome{kind: outcomeWait, after: d} }

// Retry has the step called again after d; it counts as a try.
func Retry(d time.Duration, err error) error {
	return &outcome{kind: outcomeRetry, after: d, err: err}
}

// Back undoes the current step and those before it down to and including the named one,
// and begins again there: another host is to be chosen.
func Back(step string, err error) error { return &outcome{kind: outcomeBack, step: step, err: err} }

// Fail ends the operation: everything so far is undone and err is its reason, which
// the owner of the resource gets to read.
func Fail(err error) error { return &outcome{kind: outcomeFail, err: err} }

// Failf is Fail of a formatted reason.
func Failf(format string, args ...any) error { return Fail(fmt.Errorf(format, args...)) }

func asOutcome(err error) *outcome {
	var o *outcome
	if errors.As(err, &o) {
		return o
	}
	return nil
}

var (
	// ErrCancelled is the reason of an operation that was cancelled, by a delete for example.
	ErrCancelled = errors.New("the operation was cancelled")
	// ErrRecalled is the reason of an operation that was undone because the one that had
	// started it was.
	ErrRecalled = errors.New("the operation that this one belongs to was undone")
	// ErrDeadline is the reason of an operation that did not end in time.
	ErrDeadline = errors.New("the operation did not finish in time")
)
