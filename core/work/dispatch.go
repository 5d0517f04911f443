package work

import (
	"context"
	"fmt"
	"sync"
	"time"

	"virga/core/db"
)

// pollEvery bounds how late a lost doorbell can make an operation.
const pollEvery = 2 * time.Second

// Run claims and carries operations until ctx ends, then waits for the steps at hand.
func (e *Engine) Run(ctx context.Context) error {
	bell := e.cfg.Bus.Listen(e.topic())
	defer bell.Close()
	if err := e.releaseFormerLeases(ctx); err != nil {
		return err
	}
	var workers sync.WaitGroup
	defer workers.Wait()
	for {
		next, err := e.dispatch(ctx, &workers)
		if err != nil && ctx.Err() == nil {
			e.cfg.Log.Error("look for due operations", "service", e.cfg.Service, "error", err)
		}
		timer := time.NewTimer(next)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-bell.C:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// releaseFormerLeases ends the leases that a former life of this process held: it is
// dead, so nobody works under them.
func (e *Engine) releaseFormerLeases(ctx context.Context) error {
	err := e.cfg.DB.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec("UPDATE operations SET lease_until = 0 WHERE lease_owner = ? AND finished_at = 0", e.cfg.Owner)
		return err
	})
	if err != nil {
		return fmt.Errorf("release former leases of %s: %w", e.cfg.Owner, err)
	}
	return nil
}

// due is what the dispatcher needs to know of an operation.
type due struct {
	ID         string    `db:"id"`
	WakeAt     time.Time `db:"wake_at"`
	LeaseUntil time.Time `db:"lease_until"`
}

// dispatch hands every due operation to a worker and returns when to look again.
func (e *Engine) dispatch(ctx context.Context, workers *sync.WaitGroup) (time.Duration, error) {
	now := e.cfg.Clock.Now()
	var list []due
	err := e.cfg.DB.Read(ctx, func(tx *db.Tx) error {
		return tx.Select(&list, "SELECT id, wake_at, lease_until FROM operations WHERE finished_at = 0 AND wake_at <= ? ORDER BY wake_at LIMIT ?",
			now.Add(pollEvery), 10*e.cfg.Workers)
	})
	if err != nil {
		return pollEvery, err
	}
	next := pollEvery
	for _, o := range list {
		if wait := max(o.WakeAt.Sub(now), o.LeaseUntil.Sub(now)); wait > 0 {
			next = min(next, wait)
			continue
		}
		if !e.take(o.ID) {
			continue
		}
		select {
		case e.slots <- struct{}{}:
		case <-ctx.Done():
			e.leave(o.ID)
			return 0, nil
		}
		workers.Go(func() {
			defer func() {
				<-e.slots
				e.leave(o.ID)
				e.ring() // it may have been signalled while it was in hand
			}()
			e.carry(ctx, o.ID)
		})
	}
	return max(next, time.Millisecond), nil
}

// take marks an operation as being in the hands of this process.
func (e *Engine) take(id string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.busy[id] {
		return false
	}
	e.busy[id] = true
	return true
}

func (e *Engine) leave(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.busy, id)
}

// claim takes the lease by compare-and-set; false when another was faster or the
// operation is no longer due.
func (e *Engine) claim(ctx context.Context, id string) (Operation, bool, error) {
	var o Operation
	claimed := false
	err := e.cfg.DB.Write(ctx, func(tx *db.Tx) error {
		var err error
		claimed = false
		if o, err = Find(tx, id); err != nil {
			return err
		}
		now := e.cfg.Clock.Now()
		if !o.FinishedAt.IsZero() || o.WakeAt.After(now) || o.LeaseUntil.After(now) {
			return nil
		}
		o.LeaseOwner, o.LeaseUntil, o.Epoch, claimed = e.cfg.Owner, now.Add(e.cfg.Lease), o.Epoch+1, true
		_, err = tx.Exec("UPDATE operations SET lease_owner = ?, lease_until = ?, epoch = ? WHERE id = ?",
			o.LeaseOwner, o.LeaseUntil, o.Epoch, id)
		return err
	})
	return o, claimed, err
}
