package work

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"runtime/debug"
	"strings"
	"time"

	"virga/core/db"
)

const (
	// alarmAfter is the number of failed calls after which an operator is called.
	alarmAfter = 5
	// asideFor is how long an operation that cannot be loaded is left alone.
	asideFor = time.Minute
	// shortestNap keeps a step that asks for no pause from running in circles.
	shortestNap = 10 * time.Millisecond
)

// carry takes an operation as far as it goes now, after claiming it unless that was done
// before. It tells whether the operation goes on soon.
func (e *Engine) carry(ctx context.Context, id string, claimed *Operation) (soon bool) {
	if claimed == nil {
		o, ok, err := e.claim(ctx, id)
		if err != nil {
			if ctx.Err() == nil {
				e.cfg.Log.Error("claim operation", "operation", id, "error", err)
				e.putAside(ctx, id, err)
			}
			return false
		}
		if !ok {
			return false
		}
		e.hands.adopted(id)
		claimed = &o
	}
	for o := claimed; ctx.Err() == nil; {
		more, err := e.advance(ctx, o)
		switch {
		case err == nil && more && e.carries(o):
			continue
		case err == nil && more: // the next step is for another role
			return false
		case err == nil:
			return o.FinishedAt.IsZero() && o.WakeAt.Before(e.cfg.Clock.Now().Add(pollEvery))
		case errors.Is(err, ErrCrash) || ctx.Err() != nil:
		case errors.Is(err, errLost):
			e.cfg.Log.Info("operation went to somebody else", "operation", id, "kind", o.Kind, "step", o.StepName)
		default: // trouble with the database: the operation is taken up again at the next look
			e.cfg.Log.Error("carry operation", "operation", id, "kind", o.Kind, "step", o.StepName, "error", err)
			e.hands.orphan(*o)
		}
		return false
	}
	return false
}

// putAside keeps a row that cannot even be read from being looked at again and again, and
// from hiding others.
func (e *Engine) putAside(ctx context.Context, id string, err error) {
	if !errors.Is(err, errUnreadable) {
		return
	}
	e.metrics.alarms.WithLabelValues("unknown").Inc()
	if err := e.cfg.DB.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec("UPDATE operations SET wake_at = ? WHERE id = ?", e.cfg.Clock.Now().Add(asideFor), id)
		return err
	}); err != nil {
		e.cfg.Log.Error("put operation aside", "operation", id, "error", err)
	}
}

// errUnreadable is returned when a row does not fit the form of an operation.
var errUnreadable = errors.New("the row cannot be read")

// errLost is returned when the lease went to somebody else; the effects that were made
// are fenced by the epoch and will be repeated by the new owner.
var errLost = errors.New("the lease was lost")

// advance makes one step, forward or back; more tells that the next can follow at once.
func (e *Engine) advance(ctx context.Context, o *Operation) (more bool, err error) {
	kind := e.kindOf(o)
	if !kind.understands(o) {
		e.metrics.alarms.WithLabelValues(o.Kind).Inc()
		e.cfg.Log.Error("operation cannot be loaded; it waits for an operator", "operation", o.ID, "kind", o.Kind, "version", o.Version, "step", o.StepName)
		o.LastError = fmt.Sprintf("this program cannot load version %d of the kind at step %s", o.Version, o.StepName)
		return false, e.nap(ctx, o, asideFor)
	}
	if o.State == Running && o.Step <= kind.pivot {
		switch {
		case o.Cancelled:
			e.turnBack(o, -1, ErrCancelled)
		case o.Recalled:
			e.turnBack(o, -1, ErrRecalled)
		case e.cfg.Clock.Now().After(o.Deadline):
			e.turnBack(o, -1, ErrDeadline)
		}
	}
	if o.State == Undoing {
		return e.stepBack(ctx, kind, o)
	}
	return e.stepForward(ctx, kind, o)
}

// call runs a step's function under a context that ends before the lease does.
func (e *Engine) call(ctx context.Context, o *Operation, fn stepFunc, undo bool) (effects, error) {
	ctx, cancel := context.WithTimeout(ctx, o.LeaseUntil.Sub(e.cfg.Clock.Now())-e.cfg.Lease/10)
	defer cancel()
	ctx, trust, broken := e.doubt.under(ctx)
	defer trust()
	if e.cfg.Hook != nil {
		if err := e.cfg.Hook(*o, undo, false); err != nil {
			return effects{}, err
		}
	}
	var made effects
	var err error
	if fn != nil {
		err = e.guard(o, func() (err error) {
			made, err = fn(ctx, e, o)
			return err
		})
	}
	if e.cfg.Hook != nil {
		if hookErr := e.cfg.Hook(*o, undo, true); hookErr != nil {
			return effects{}, hookErr
		}
	}
	if err != nil && broken() {
		err = fmt.Errorf("%w: %w", errDoubt, err)
	}
	return made, err
}

// errPanic is what a panic of a step becomes: one broken kind must not end the process,
// which would meet the same operation at its next start.
var errPanic = errors.New("an unexpected error stopped the operation")

// guard turns a panic in code of the kind's into an error.
func (e *Engine) guard(o *Operation, fn func() error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			e.cfg.Log.Error("step of operation panicked", "operation", o.ID, "kind", o.Kind, "step", o.StepName,
				"cause", cause, "stack", string(debug.Stack()))
			err = errPanic
		}
	}()
	return fn()
}

func (e *Engine) stepForward(ctx context.Context, kind *compiled, o *Operation) (bool, error) {
	step := kind.steps[o.Step]
	began := e.cfg.Clock.Now()
	made, stepErr := e.call(ctx, o, step.do, false)
	if errors.Is(stepErr, ErrCrash) || errors.Is(stepErr, errDoubt) || ctx.Err() != nil {
		return false, errors.Join(stepErr, ctx.Err())
	}
	e.metrics.steps.WithLabelValues(o.Kind, step.name).Observe(e.cfg.Clock.Now().Sub(began).Seconds())
	tries := step.tries
	if stepErr == nil {
		more, err := e.entered(ctx, kind, o, made)
		if err == nil || errors.Is(err, errLost) || ctx.Err() != nil {
			return more, err
		}
		// The writes were refused. Unless they say what is to be done the step is called
		// again until the deadline, so that a passing fault of the database costs time only.
		stepErr, tries = err, math.MaxInt
	}
	return e.stumble(ctx, kind, o, stepErr, tries)
}

// stumble does what the error of a step forward asks for.
func (e *Engine) stumble(ctx context.Context, kind *compiled, o *Operation, stepErr error, tries int) (bool, error) {
	result := asOutcome(stepErr)
	if result != nil && result.kind == outcomeWait {
		return false, e.nap(ctx, o, kind.rest(o, result.after, e.cfg.Clock.Now()))
	}
	o.stumbled(stepErr)
	if o.Step <= kind.pivot {
		switch {
		case result != nil && result.kind == outcomeBack:
			return true, e.goBack(ctx, kind, o, result)
		case result != nil && result.kind == outcomeFail, o.Tries >= tries:
			return true, e.fail(ctx, o, stepErr)
		}
	}
	wait := backoff(o.ID, o.Tries)
	if result != nil && result.kind == outcomeRetry {
		wait = result.after
	}
	e.alarm(o, stepErr, o.Step > kind.pivot)
	return false, e.nap(ctx, o, kind.rest(o, wait, e.cfg.Clock.Now()))
}

// maxLastError is the room that LastError has.
const maxLastError = 1000

// stumbled counts a failed call of the current step and keeps what it said.
func (o *Operation) stumbled(err error) {
	o.Tries++
	text := strings.ToValidUTF8(strings.ReplaceAll(err.Error(), "\x00", ""), "?")
	o.LastError = strings.ToValidUTF8(text[:min(len(text), maxLastError)], "") // no rune is cut in two
}

// entered ends the current step well and enters the next, or ends the operation.
func (e *Engine) entered(ctx context.Context, kind *compiled, o *Operation, made effects) (bool, error) {
	event := e.event(o, false, nil)
	last := o.Step == len(kind.steps)-1
	next := *o
	next.Tries, next.LastError = 0, ""
	rest := time.Duration(0)
	if last {
		next.State, next.FinishedAt = Done, event.FinishedAt
	} else {
		next.Step++
		next.StepName, next.StepStartedAt = kind.steps[next.Step].name, event.FinishedAt
		if rest = kind.steps[next.Step].rest; rest > 0 {
			rest = max(kind.rest(&next, rest, event.FinishedAt), shortestNap)
		}
	}
	err := e.store(ctx, &next, &event, rest, func(tx *db.Tx) error {
		if err := e.write(tx, o, made); err != nil || !last {
			return err
		}
		if err := kind.finish(tx, &next); err != nil {
			return err
		}
		return e.cfg.Ended(tx, next)
	})
	if err != nil {
		return false, err
	}
	*o = next
	if last {
		e.ended(o)
	}
	return !last && rest == 0, nil
}

// write writes what a step of o asked for.
func (e *Engine) write(tx *db.Tx, o *Operation, made effects) error {
	for _, fn := range made.commit {
		if err := fn(tx); err != nil {
			return err
		}
	}
	for _, order := range made.children {
		if _, err := e.start(tx, order, o); err != nil {
			return err
		}
	}
	return nil
}

// fail notes why and turns the operation round at its current step.
func (e *Engine) fail(ctx context.Context, o *Operation, reason error) error {
	event := e.event(o, false, reason)
	e.turnBack(o, -1, reason)
	return e.store(ctx, o, &event, 0, nil)
}

// goBack turns the operation round until the step that the outcome names.
func (e *Engine) goBack(ctx context.Context, kind *compiled, o *Operation, result *outcome) error {
	target := -1
	for i, step := range kind.steps[:o.Step+1] {
		if step.name == result.step {
			target = i
		}
	}
	if target < 0 {
		return e.fail(ctx, o, fmt.Errorf("go back to step %q, which is not before %q: %w", result.step, o.StepName, result.err))
	}
	event := e.event(o, false, result.err)
	e.turnBack(o, target, result.err)
	return e.store(ctx, o, &event, 0, nil)
}

func (e *Engine) turnBack(o *Operation, target int, reason error) {
	o.State, o.BackTo, o.Tries, o.LastError, o.StepStartedAt = Undoing, target, 0, "", e.cfg.Clock.Now()
	o.Error = reason.Error()
}

// stepBack undoes the current step and moves to the one before it; at the end of the
// way the operation begins again or has failed.
func (e *Engine) stepBack(ctx context.Context, kind *compiled, o *Operation) (bool, error) {
	waiting, err := e.recall(ctx, o)
	if err != nil {
		return false, err
	}
	if waiting {
		return false, e.nap(ctx, o, childrenPause)
	}
	made, stepErr := e.call(ctx, o, kind.steps[o.Step].undo, true)
	if errors.Is(stepErr, ErrCrash) || errors.Is(stepErr, errDoubt) || ctx.Err() != nil {
		return false, errors.Join(stepErr, ctx.Err())
	}
	if stepErr != nil {
		return false, e.stumbleBack(ctx, o, stepErr)
	}
	event := e.event(o, true, nil)
	next := *o
	next.Tries, next.LastError, next.StepStartedAt = 0, "", event.FinishedAt
	switch {
	case next.Step == next.BackTo && !next.Cancelled && !next.Recalled:
		next.State, next.BackTo, next.Error = Running, -1, ""
	case next.Step == 0:
		next.State, next.FinishedAt = Failed, event.FinishedAt
		switch {
		case next.Cancelled:
			next.Error = ErrCancelled.Error()
		case next.Recalled:
			next.Error = ErrRecalled.Error()
		}
	default:
		next.Step--
	}
	next.StepName = kind.steps[next.Step].name
	err = e.store(ctx, &next, &event, 0, func(tx *db.Tx) error {
		if err := e.write(tx, o, effects{commit: made.commit}); err != nil || next.State != Failed {
			return err
		}
		if err := kind.fail(tx, &next, next.Error); err != nil {
			return err
		}
		return e.cfg.Ended(tx, next)
	})
	if errors.Is(err, errLost) || err != nil && ctx.Err() != nil {
		return false, err
	}
	if err != nil {
		return false, e.stumbleBack(ctx, o, err)
	}
	*o = next
	if o.State == Failed {
		e.ended(o)
	}
	return o.State != Failed, nil
}

// stumbleBack has an undo called again later, for ever.
func (e *Engine) stumbleBack(ctx context.Context, o *Operation, stepErr error) error {
	if result := asOutcome(stepErr); result != nil && result.kind == outcomeWait {
		return e.nap(ctx, o, result.after)
	}
	o.stumbled(stepErr)
	e.alarm(o, stepErr, true)
	return e.nap(ctx, o, backoff(o.ID, o.Tries))
}

// store writes what a step led to, if the lease still holds, and reads back what came
// from outside meanwhile: signals and cancellation. With rest the lease is given back for so
// long, or until a signal comes.
func (e *Engine) store(ctx context.Context, o *Operation, event *Event, rest time.Duration, also func(*db.Tx) error) error {
	return e.cfg.DB.Write(ctx, func(tx *db.Tx) error {
		if also != nil {
			if err := e.guard(o, func() error { return also(tx) }); err != nil {
				return err
			}
		}
		now := e.cfg.Clock.Now()
		leaseUntil := now.Add(e.cfg.Lease)
		switch {
		case !o.FinishedAt.IsZero():
			leaseUntil = time.Time{}
		case rest > 0:
			leaseUntil, o.WakeAt = time.Time{}, now.Add(max(rest, shortestNap))
		case !e.carries(o):
			leaseUntil = time.Time{}
			tx.AfterCommit(e.ring) // whoever has the role takes it from here
		}
		said, err := e.writeRow(tx, o, rest > 0, leaseUntil, now)
		if err != nil {
			return err
		}
		o.LeaseUntil = leaseUntil
		if event != nil {
			if err := tx.Insert("operation_events", *event); err != nil {
				return err
			}
		}
		if !o.FinishedAt.IsZero() { // whoever waits for its end looks again
			return e.wakeAfter(tx, o)
		}
		if rest > 0 {
			return e.wakeIfSignalled(tx, o, said)
		}
		o.Signals, o.Cancelled, o.Recalled = said.Signals, said.Cancelled, said.Recalled
		return nil
	})
}

// writeRow writes what a step changed of the row, if the lease still holds, and returns what
// came from outside meanwhile unless the operation ends.
func (e *Engine) writeRow(tx *db.Tx, o *Operation, resting bool, leaseUntil, now time.Time) (said outside, err error) {
	set := "state = ?, step = ?, step_name = ?, step_started_at = ?, back_to = ?, tries = ?, last_error = ?, frame = ?, error = ?," +
		" lease_until = ?, updated_at = ?"
	values := []any{o.State, o.Step, o.StepName, o.StepStartedAt, o.BackTo, o.Tries, o.LastError, o.Frame, o.Error, leaseUntil, now}
	if resting {
		set, values = set+", wake_at = ?", append(values, o.WakeAt)
	}
	if o.FinishedAt.IsZero() {
		err = tx.UpdateGet(&said, "operations", set, values, outsideColumns, leased, o.ID, o.LeaseOwner, o.Epoch)
	} else {
		var changed int64
		changed, err = tx.Exec("UPDATE operations SET "+set+", finished_at = ? WHERE "+leased, append(values, o.FinishedAt, o.ID, o.LeaseOwner, o.Epoch)...)
		if err == nil && changed == 0 {
			err = db.ErrNotFound
		}
	}
	switch {
	case errors.Is(err, db.ErrNotFound):
		return said, errLost
	case err != nil:
		return said, fmt.Errorf("store operation %s: %w", o.ID, err)
	}
	return said, nil
}

// leased is the condition under which an engine may write a row, with the arguments id,
// owner of the lease and epoch.
const leased = "id = ? AND lease_owner = ? AND epoch = ? AND finished_at = 0"

// nap gives the lease back until a signal comes or d is over. A signal that came since
// the operation was read ends the nap before it begins.
func (e *Engine) nap(ctx context.Context, o *Operation, d time.Duration) error {
	now := e.cfg.Clock.Now()
	err := e.cfg.DB.Write(ctx, func(tx *db.Tx) error {
		o.WakeAt = now.Add(max(d, shortestNap))
		var said outside
		err := tx.UpdateGet(&said, "operations", "state = ?, tries = ?, last_error = ?, frame = ?, error = ?, back_to = ?, wake_at = ?, lease_until = 0, updated_at = ?",
			[]any{o.State, o.Tries, o.LastError, o.Frame, o.Error, o.BackTo, o.WakeAt, now}, outsideColumns, leased, o.ID, o.LeaseOwner, o.Epoch)
		if errors.Is(err, db.ErrNotFound) {
			return errLost
		}
		if err != nil {
			return err
		}
		return e.wakeIfSignalled(tx, o, said)
	})
	if err != nil {
		return fmt.Errorf("put operation %s to sleep: %w", o.ID, err)
	}
	return nil
}

// wakeIfSignalled ends a nap that began in the transaction, before it begins, when a signal
// came since the operation was read.
func (e *Engine) wakeIfSignalled(tx *db.Tx, o *Operation, said outside) error {
	if said.Signals == o.Signals {
		return nil
	}
	o.WakeAt = e.cfg.Clock.Now()
	_, err := tx.Exec("UPDATE operations SET wake_at = ? WHERE id = ?", o.WakeAt, o.ID)
	return err
}

// outside is what others write to a row that is claimed.
type outside struct {
	Signals   int64 `db:"signals"`
	Cancelled bool  `db:"cancelled"`
	Recalled  bool  `db:"recalled"`
}

const outsideColumns = "signals, cancelled, recalled"

func (e *Engine) event(o *Operation, undo bool, err error) Event {
	event := Event{OperationID: o.ID, Step: o.StepName, Undo: undo, StartedAt: o.StepStartedAt, FinishedAt: e.cfg.Clock.Now()}
	if err != nil {
		event.Error = err.Error()
	}
	return event
}

// ended tells the world about a finished operation.
func (e *Engine) ended(o *Operation) {
	e.metrics.ended.WithLabelValues(o.Kind, string(o.State)).Inc()
	e.metrics.seconds.WithLabelValues(o.Kind, string(o.State)).Observe(o.FinishedAt.Sub(o.CreatedAt).Seconds())
	e.cfg.Log.Info("operation ended", "operation", o.ID, "kind", o.Kind, "resource", o.ResourceID, "state", o.State, "error", o.Error)
}

// alarm notes a failed call; when one that cannot be given up fails again and again an
// operator is called.
func (e *Engine) alarm(o *Operation, err error, forEver bool) {
	level := e.cfg.Log.Warn
	if forEver && o.Tries >= alarmAfter {
		e.metrics.alarms.WithLabelValues(o.Kind).Inc()
		level = e.cfg.Log.Error
	}
	level("step of operation failed", "operation", o.ID, "kind", o.Kind, "step", o.StepName, "state", o.State, "tries", o.Tries, "error", err)
}

// backoff is 0.2 s doubled with each try up to a minute, and up to half of it more, so that
// operations that failed together do not return together. The share is drawn from the id:
// a simulation that runs again sees the same.
func backoff(id string, tries int) time.Duration {
	d := min(200*time.Millisecond<<min(tries-1, 10), time.Minute)
	lot := fnv.New32a()
	_, _ = fmt.Fprint(lot, id, tries) // a hash takes everything
	return d + time.Duration(float64(d/2)*float64(lot.Sum32())/math.MaxUint32)
}
