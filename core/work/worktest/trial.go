package worktest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"virga/core/db"
	"virga/core/work"
)

// trial is one proof at one border of one kind.
type trial struct {
	w      World
	shape  work.Shape
	border border
	start  func()
	// resource is known once the operation was asked for.
	resource string
	// baseline is what the world held before anything was asked for.
	baseline Set
	// struck tells that the border was reached and the fault put there.
	struck atomic.Bool
}

// border is a place where something may happen: before or after the effect of a step.
type border struct {
	step  string
	index int
	after bool
}

// String implements fmt.Stringer.
func (b border) String() string {
	if b.after {
		return "after " + b.step
	}
	return "before " + b.step
}

// reason is what an injected failure says.
const reason = "it cannot be"

// strike has do called once, when the operation comes to the border, forward or back. Its
// error takes the place of the step's own.
func (c *trial) strike(undo bool, do func(o work.Operation) error) {
	c.w.SetHook(func(o work.Operation, u, a bool) error {
		if c.here(o, u, a, undo) && c.struck.CompareAndSwap(false, true) {
			return do(o)
		}
		return nil
	})
}

func (c *trial) here(o work.Operation, undo, after, wantUndo bool) bool {
	return o.Kind == c.shape.Name && undo == wantUndo && o.StepName == c.border.step && after == c.border.after
}

// strikeBack has do called once, at the border of an undo, after everything was done and
// then failed at the last step where that is possible.
func (c *trial) strikeBack(do func(o work.Operation) error) {
	last := c.shape.Steps[lastThatFails(c.shape)]
	var failed atomic.Bool
	c.w.SetHook(func(o work.Operation, undo, after bool) error {
		switch {
		case o.Kind == c.shape.Name && !undo && after && o.StepName == last && failed.CompareAndSwap(false, true):
			return work.Failf(reason)
		case c.here(o, undo, after, true) && c.struck.CompareAndSwap(false, true):
			return do(o)
		}
		return nil
	})
}

// operations reads the operations on the resource.
func (c *trial) operations() (list []work.Operation, err error) {
	err = c.w.DB().Read(context.Background(), func(tx *db.Tx) (err error) {
		list, err = work.OfResource(tx, c.resource, 100)
		return err
	})
	return list, err
}

// The patience of a proof, in the bubble's time.
const (
	longestStep = 5 * time.Second
	// slack is how long after its deadline an operation may take to notice.
	slack    = 15 * time.Second
	patience = 3 * time.Hour
	grace    = 5 * time.Minute
)

// wait lets time pass until what is wished for is true.
func (c *trial) wait(what string, within time.Duration, true func() (bool, error)) error {
	began, pause := time.Now(), time.Millisecond
	for {
		synctest.Wait()
		ok, err := true()
		if err != nil || ok {
			return err
		}
		if time.Since(began) > within {
			return fmt.Errorf("waited %s in vain for %s", within, what)
		}
		time.Sleep(pause)
		pause = min(pause*3/2, longestStep)
	}
}

// owned complains of resources in transition that no live operation will ever bring out of it.
func (c *trial) owned() error {
	synctest.Wait() // what is at work may end between the two looks
	var live map[string][]work.Operation
	resources := c.w.Transitional()
	if err := c.w.DB().Read(context.Background(), func(tx *db.Tx) (err error) {
		live, err = work.Unfinished(tx, resources...)
		return err
	}); err != nil {
		return err
	}
	for _, id := range resources {
		owned := false
		for _, o := range live[id] {
			owned = owned || o.State == work.Undoing || o.Step > c.shape.Pivot && o.Kind == c.shape.Name || o.Deadline.After(time.Now().Add(-slack))
		}
		if !owned {
			return fmt.Errorf("resource %s is in transition and no live operation has a deadline in the future", id)
		}
	}
	return nil
}

// ended waits until no operation on the resource is alive and returns how the one of the
// kind ended.
func (c *trial) ended() (last work.Operation, err error) {
	stands := ""
	err = c.wait("the operations on "+c.resource+" to end", patience, func() (bool, error) {
		list, err := c.operations()
		if err != nil {
			return false, err
		}
		ended := true
		for _, o := range list {
			if o.FinishedAt.IsZero() {
				ended = false
				stands = fmt.Sprintf("%s is %s in step %s: %s", o.Kind, o.State, o.StepName, o.LastError)
			}
			if o.Kind == c.shape.Name {
				last = o
			}
		}
		return ended && last.ID != "", c.owned()
	})
	if err != nil {
		err = fmt.Errorf("%w; %s", err, stands)
	}
	return last, err
}

// views reads both, with time for the hosts to follow.
func (c *trial) views() (store, world Set, err error) {
	synctest.Wait()
	store, world = c.w.Views()
	return store, world, nil
}

// agree waits until both views are the same sets.
func (c *trial) agree() error {
	diff := ""
	err := c.wait("the views to agree", grace, func() (bool, error) {
		store, world, err := c.views()
		diff = cmp.Diff(store, world)
		return diff == "", err
	})
	if err != nil {
		return fmt.Errorf("%w: the store says -, the world holds +\n%s", err, diff)
	}
	if loose := c.w.Transitional(); len(loose) > 0 {
		return fmt.Errorf("no operation is alive, and these are in transition: %v", loose)
	}
	return nil
}

// outcome waits for the end and holds it against what must be, given that the operation
// fails when something makes it fail here.
func (c *trial) outcome(may func(work.State) bool) error {
	last, err := c.ended()
	switch {
	case err != nil:
		return err
	case !c.struck.Load():
		return fmt.Errorf("the operation ended as %s and never came to the border %s", last.State, c.border)
	case !may(last.State):
		return fmt.Errorf("the operation ended as %s: %s", last.State, last.Error)
	}
	return c.agree()
}

func is(want work.State) func(work.State) bool {
	return func(state work.State) bool { return state == want }
}

func isFinal(state work.State) bool { return state == work.Done || state == work.Failed }

// failable is Failed where the kind can still fail, else Done.
func (c *trial) failable() func(work.State) bool {
	if c.border.index <= c.shape.Pivot {
		return is(work.Failed)
	}
	return is(work.Done)
}

// end deletes the resource, waits until all is quiet and finds nothing of it anywhere.
func (c *trial) end() error {
	c.w.SetHook(nil)
	c.w.Mend()
	c.w.Delete(c.resource)
	if _, err := c.ended(); err != nil {
		return err
	}
	diff := ""
	err := c.wait("everything to be gone", grace, func() (bool, error) {
		store, world, err := c.views()
		diff = cmp.Diff([]Set{c.baseline, c.baseline}, []Set{store, world})
		return diff == "", err
	})
	if err != nil {
		return errors.Join(err, errors.New("left behind, in the store and in the world: "+diff))
	}
	return nil
}
