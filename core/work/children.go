package work

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"virga/core/db"
)

// Children are operations that a step of another one, the parent, started. They are
// operations like any other, on resources of their own or on the parent's. When the step
// that started them is undone they are recalled first: the live ones stop and undo what
// they did, the finished ones are undone from their last step to the first. One that is
// past its point of no return stays.

// childrenPause is how often a parent looks at its children without being woken by them.
const childrenPause = 10 * time.Second

// ChildError is the reason of an operation that failed because one that it started did.
type ChildError struct{ Child Operation }

// Error is the child's reason, which the owner of the parent's resource gets to read.
func (c *ChildError) Error() string { return c.Child.Error }

// StartChild has an operation started in the transaction that ends the step well and
// returns its id; a step whose frame or effects hold the id mints it before, as order.ID.
func (r *Run[P, F]) StartChild(order Order) string {
	order.ID = cmp.Or(order.ID, r.engine.cfg.Clock.ID())
	r.effects.children = append(r.effects.children, order)
	return order.ID
}

// WaitChildren is a step's condition: it returns a Wait while operations that this one
// started are alive, and Fail with a ChildError when one of them failed or was abandoned.
func (r *Run[P, F]) WaitChildren(ctx context.Context) error {
	children, err := r.engine.childrenOf(ctx, &r.Operation)
	if err != nil {
		return err
	}
	for _, child := range children {
		if child.FinishedAt.IsZero() {
			return Wait(childrenPause)
		}
	}
	for _, child := range children {
		if child.State != Done {
			return Fail(&ChildError{child})
		}
	}
	return nil
}

// Children returns the operations that an operation started, in the order in which they
// began, those of undone steps as well.
func Children(tx *db.Tx, parentID string) ([]Operation, error) {
	var list []Operation
	err := tx.Select(&list, "SELECT "+operationColumns+" FROM operations WHERE parent_id = ? ORDER BY created_at, id", parentID)
	return list, err
}

// childrenOf returns the children that steps which are not undone have started.
func (e *Engine) childrenOf(ctx context.Context, o *Operation) ([]Operation, error) {
	var list []Operation
	err := e.cfg.DB.Read(ctx, func(tx *db.Tx) error {
		return tx.Select(&list, "SELECT "+operationColumns+
			" FROM operations WHERE parent_id = ? AND parent_step <> '' ORDER BY created_at, id", o.ID)
	})
	if err != nil {
		return nil, fmt.Errorf("read the children of operation %s: %w", o.ID, err)
	}
	return list, nil
}

// recall takes the children of the current step back; waiting tells that some are not
// there yet.
func (e *Engine) recall(ctx context.Context, o *Operation) (waiting bool, err error) {
	children, err := e.childrenOf(ctx, o)
	if err != nil {
		return false, err
	}
	var live, done []Operation
	own := false
	for _, child := range children {
		if child.ParentStep != o.StepName {
			continue
		}
		own = true
		switch {
		case child.FinishedAt.IsZero():
			live = append(live, child)
		case child.State == Done && !e.final(&child):
			done = append(done, child)
		}
	}
	if !own {
		return false, nil
	}
	err = e.cfg.DB.Write(ctx, func(tx *db.Tx) error {
		for _, child := range live {
			if err := e.recallLive(tx, &child); err != nil {
				return err
			}
		}
		for _, child := range done {
			if err := e.reopen(tx, &child); err != nil {
				return err
			}
		}
		if len(live)+len(done) > 0 {
			return nil
		}
		_, err := tx.Exec("UPDATE operations SET parent_step = '' WHERE parent_id = ? AND parent_step = ?", o.ID, o.StepName)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("recall the children of operation %s: %w", o.ID, err)
	}
	return len(live)+len(done) > 0, nil
}

// final tells whether a finished operation cannot be undone any more.
func (e *Engine) final(o *Operation) bool {
	kind := e.kindOf(o)
	return kind != nil && kind.pivot < len(kind.steps)
}

func (e *Engine) recallLive(tx *db.Tx, child *Operation) error {
	if child.Recalled {
		return nil
	}
	if _, err := tx.Exec("UPDATE operations SET recalled = 1 WHERE id = ?", child.ID); err != nil {
		return err
	}
	return e.Signal(tx, child.ID)
}

// reopen has a finished operation undone from its last step to the first.
func (e *Engine) reopen(tx *db.Tx, child *Operation) error {
	now := e.cfg.Clock.Now()
	_, err := tx.Exec("UPDATE operations SET state = ?, recalled = 1, back_to = -1, tries = 0, last_error = '', error = ?, step_started_at = ?,"+
		" signals = signals + 1, wake_at = ?, lease_until = 0, updated_at = ?, finished_at = 0 WHERE id = ? AND state = ?",
		Undoing, ErrRecalled.Error(), now, now, now, child.ID, Done)
	tx.AfterCommit(e.ring)
	return err
}

// ancestors are the operations that are the reason for this one, the nearest first.
func ancestors(tx *db.Tx, o *Operation) ([]string, error) {
	var ids []string
	for id := o.ParentID; id != ""; {
		ids = append(ids, id)
		parent, err := Find(tx, id)
		if err != nil {
			return nil, fmt.Errorf("read parent %s of operation %s: %w", id, o.ID, err)
		}
		id = parent.ParentID
	}
	return ids, nil
}
