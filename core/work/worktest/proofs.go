package worktest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"virga/core/db"
	"virga/core/work"
)

// proof is something that must hold at every border.
type proof struct {
	name string
	// borders are where it is made, of a kind.
	borders func(shape work.Shape) []border
	// make starts the operation and returns what went wrong.
	make func(c *trial) error
}

var proofs = []proof{
	{"repeat", everyBorder, repeat},
	{"fail", everyBorder, fail},
	{"time out", everyBorder, timeOut},
	{"host gone", everyBorder, hostGone},
	{"delete", everyBorder, deleteAnyTime},
	{"crash", everyBorder, crash},
	{"undo twice", undoBorders, undoTwice},
	{"crash while undoing", undoBorders, crashWhileUndoing},
}

func everyBorder(shape work.Shape) []border { return bordersTo(shape, len(shape.Steps)-1) }

func undoBorders(shape work.Shape) []border { return bordersTo(shape, lastThatFails(shape)) }

func bordersTo(shape work.Shape, last int) (list []border) {
	for i, step := range shape.Steps[:last+1] {
		list = append(list, border{step, i, false}, border{step, i, true})
	}
	return list
}

// lastThatFails is the index of the last step whose failure undoes the operation.
func lastThatFails(shape work.Shape) int { return min(shape.Pivot, len(shape.Steps)-1) }

// repeat has a step fail in passing, with and without its effect.
func repeat(c *trial) error {
	c.strike(false, func(work.Operation) error { return work.Retry(time.Millisecond, errors.New("a passing fault")) })
	c.start()
	return c.outcome(is(work.Done))
}

// fail has a step fail for good, with and without its effect.
func fail(c *trial) error {
	c.strike(false, func(work.Operation) error { return work.Failf(reason) })
	c.start()
	return c.outcome(c.failable())
}

// timeOut lets the deadline pass while a step is at work.
func timeOut(c *trial) error {
	c.strike(false, func(o work.Operation) error {
		err := c.w.DB().Write(context.Background(), func(tx *db.Tx) error {
			_, err := tx.Exec("UPDATE operations SET deadline = ? WHERE id = ?", time.Now().Add(-time.Second), o.ID)
			return err
		})
		return errors.Join(err, work.Wait(time.Millisecond))
	})
	c.start()
	return c.outcome(c.failable())
}

// hostGone cuts the resource's host off. The operation ends or waits; when the host is back
// everything is as it should be.
func hostGone(c *trial) error {
	c.strike(false, func(o work.Operation) error { c.w.Cut(o.ResourceID); return nil })
	c.start()
	const away = 10 * time.Minute
	for began := time.Now(); time.Since(began) < away; time.Sleep(30 * time.Second) {
		if err := c.owned(); err != nil {
			return fmt.Errorf("while the host is gone: %w", err)
		}
	}
	c.w.Mend()
	return c.outcome(isFinal)
}

// deleteAnyTime deletes the resource while the operation is at work.
func deleteAnyTime(c *trial) error {
	c.strike(false, func(o work.Operation) error { c.w.Delete(o.ResourceID); return nil })
	c.start()
	return c.outcome(isFinal)
}

// crash drops the operation as a process that dies would, and has the next one go on.
func crash(c *trial) error {
	c.strike(false, func(work.Operation) error { return work.ErrCrash })
	return c.survive(is(work.Done))
}

// undoTwice undoes everything, one step of it twice.
func undoTwice(c *trial) error {
	c.strikeBack(func(work.Operation) error { return work.Wait(time.Millisecond) })
	c.start()
	return c.outcome(is(work.Failed))
}

// crashWhileUndoing is crash on the way back.
func crashWhileUndoing(c *trial) error {
	c.strikeBack(func(work.Operation) error { return work.ErrCrash })
	return c.survive(is(work.Failed))
}

// survive starts the operation, waits for the crash and begins the next life.
func (c *trial) survive(may func(work.State) bool) error {
	c.start()
	if err := c.wait("the crash", patience, func() (bool, error) { return c.struck.Load(), nil }); err != nil {
		return err
	}
	c.w.Die()
	c.w.Live()
	return c.outcome(may)
}
