package work

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"virga/core/db"
)

const (
	// pollEvery bounds how late a lost doorbell can make an operation.
	pollEvery = 2 * time.Second
	// endTimeout bounds the giving back of leases when the engine ends.
	endTimeout = 5 * time.Second
)

// Run claims and carries operations until ctx ends, then waits for the steps at hand and
// gives its leases back.
func (e *Engine) Run(ctx context.Context) error {
	bell := e.cfg.Bus.Listen(e.topic())
	defer bell.Close()
	if !e.inherit(ctx) {
		return nil
	}
	e.hands.open(true)
	var workers, house sync.WaitGroup
	defer house.Wait()
	if e.Carries(Conductor) {
		house.Go(func() { e.keepHouse(ctx) })
	}
	house.Go(func() { e.giveSigns(ctx) })
	defer func() {
		e.hands.open(false)
		workers.Wait()
		e.hands.drain()
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
		defer cancel()
		if err := e.releaseLeases(end); err != nil { // they run out by themselves
			e.cfg.Log.Warn("give leases back", "service", e.cfg.Service, "error", err)
		}
	}()
	for {
		next, err := e.dispatch(ctx, &workers)
		if err != nil && ctx.Err() == nil {
			e.cfg.Log.Error("look for due operations", "service", e.cfg.Service, "error", err)
		}
		if !e.pause(ctx, &workers, bell.C, next) {
			return nil
		}
	}
}

// inherit ends the leases of a former life of this process: it is dead, so nobody works under
// them. The database may be away for a while; false when ctx ended.
func (e *Engine) inherit(ctx context.Context) bool {
	for {
		err := e.releaseLeases(ctx)
		if err == nil {
			return true
		}
		if ctx.Err() == nil {
			e.cfg.Log.Warn("end the leases of a former life", "service", e.cfg.Service, "error", err)
		}
		timer := time.NewTimer(pollEvery)
		select {
		case <-ctx.Done():
			timer.Stop()
			return false
		case <-timer.C:
		}
	}
}

// pause takes operations that were started in this process and returns when it is time
// to look for others; false when ctx has ended.
func (e *Engine) pause(ctx context.Context, workers *sync.WaitGroup, bell <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		select { // before all else: whoever started them waits for them here
		case o := <-e.hands.started:
			e.begin(ctx, workers, o)
			continue
		default:
		}
		select {
		case <-ctx.Done():
			return false
		case o := <-e.hands.started:
			e.begin(ctx, workers, o)
			continue
		case <-bell:
		case <-e.hands.look:
		case <-timer.C:
		}
		for _, asks := range []<-chan struct{}{bell, e.hands.look} { // one look is for all who asked
			select {
			case <-asks:
			default:
			}
		}
		return ctx.Err() == nil
	}
}

// begin has a worker carry an operation that was claimed when it was started.
func (e *Engine) begin(ctx context.Context, workers *sync.WaitGroup, o Operation) {
	if o.LeaseUntil.Sub(e.cfg.Clock.Now()) < e.cfg.Lease/2 { // it waited so long that it is better claimed anew
		e.hands.orphan(o)
		e.hands.lookAgain()
		return
	}
	if e.hands.take(o.ID) {
		e.employ(ctx, workers, o.ID, &o)
		return
	}
	e.hands.orphan(o) // who has it will find that it cannot claim it, and asks for another look
}

func (e *Engine) releaseLeases(ctx context.Context) error {
	err := e.cfg.DB.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec("UPDATE operations SET lease_until = 0 WHERE lease_owner = ? AND finished_at = 0", e.cfg.Owner)
		return err
	})
	if err != nil {
		return fmt.Errorf("release leases of %s: %w", e.cfg.Owner, err)
	}
	return nil
}

// due is what the dispatcher needs to know of an operation.
type due struct {
	ID         string    `db:"id"`
	WakeAt     time.Time `db:"wake_at"`
	LeaseUntil time.Time `db:"lease_until"`
	LeaseOwner string    `db:"lease_owner"`
	Epoch      int64     `db:"epoch"`
}

// dispatch hands every due operation to a worker and returns when to look again. Those
// that others work on, or have the role for, are left out by the query, so that they
// cannot hide the rest.
func (e *Engine) dispatch(ctx context.Context, workers *sync.WaitGroup) (time.Duration, error) {
	now := e.cfg.Clock.Now()
	e.hands.forget(now)
	horizon := now.Add(pollEvery)
	limit := 10 * e.cfg.Workers
	own, args := e.ownSteps()
	args = append([]any{horizon, horizon, e.cfg.Owner}, append(args, limit)...)
	var list []due
	err := e.cfg.DB.Read(ctx, func(tx *db.Tx) error {
		return tx.Select(&list, "SELECT "+db.Columns(due{}, "")+" FROM operations WHERE finished_at = 0 AND wake_at <= ?"+
			" AND (lease_until <= ? OR lease_owner = ?) AND "+own+" ORDER BY wake_at LIMIT ?", args...)
	})
	if err != nil {
		return pollEvery, err
	}
	next, employed := pollEvery, false
	for _, o := range list {
		wait := o.WakeAt.Sub(now)
		if !e.free(o.LeaseOwner, o.LeaseUntil, o.ID, o.Epoch, now) {
			wait = max(wait, o.LeaseUntil.Sub(now))
		}
		if wait > 0 {
			next = min(next, wait)
			continue
		}
		if !e.hands.take(o.ID) {
			continue
		}
		employed = true
		if !e.employ(ctx, workers, o.ID, nil) {
			return 0, nil
		}
	}
	if employed && len(list) == limit {
		return 0, nil // there may be more
	}
	return max(next, time.Millisecond), nil
}

// free tells whether nobody works under a lease: it is over, or it is this process's own
// and was let go in trouble.
func (e *Engine) free(owner string, until time.Time, id string, epoch int64, now time.Time) bool {
	return !until.After(now) || owner == e.cfg.Owner && e.hands.orphaned(id, epoch)
}

type operationKey struct{}

// OperationOf is the id of the operation that a step's context belongs to, or empty.
func OperationOf(ctx context.Context) string {
	id, _ := ctx.Value(operationKey{}).(string)
	return id
}

// employ has a worker carry an operation that was taken, as soon as one is idle; claimed
// is the operation when it is claimed already. It is false when ctx ended before.
func (e *Engine) employ(ctx context.Context, workers *sync.WaitGroup, id string, claimed *Operation) bool {
	select {
	case e.slots <- struct{}{}:
	case <-ctx.Done():
		e.hands.leave(id)
		return false
	}
	workers.Go(func() {
		soon := e.carry(context.WithValue(ctx, operationKey{}, id), id, claimed)
		<-e.slots
		if asked := e.hands.leave(id); asked || soon {
			e.hands.lookAgain()
		}
	})
	return true
}

// claim takes the lease by compare-and-set; false when another was faster or the
// operation is no longer due. When the connection breaks at the commit nobody knows
// whether the lease is taken; then it is this process's and free, or it is not taken.
func (e *Engine) claim(ctx context.Context, id string) (Operation, bool, error) {
	var o Operation
	claimed := false
	err := e.cfg.DB.Write(ctx, func(tx *db.Tx) error {
		var err error
		claimed = false
		o, err = Find(tx, id)
		switch {
		case err == nil:
		case errors.Is(err, db.ErrNotFound), errors.Is(err, db.ErrUnavailable), ctx.Err() != nil:
			return err
		default:
			return fmt.Errorf("%w: %w", errUnreadable, err)
		}
		now := e.cfg.Clock.Now()
		if !o.FinishedAt.IsZero() || o.WakeAt.After(now) || !e.carries(&o) || !e.free(o.LeaseOwner, o.LeaseUntil, id, o.Epoch, now) {
			return nil
		}
		o.LeaseOwner, o.LeaseUntil, o.Epoch, claimed = e.cfg.Owner, now.Add(e.cfg.Lease), o.Epoch+1, true
		_, err = tx.Exec("UPDATE operations SET lease_owner = ?, lease_until = ?, epoch = ? WHERE id = ?",
			o.LeaseOwner, o.LeaseUntil, o.Epoch, id)
		return err
	})
	if errors.Is(err, db.ErrNotFound) {
		return o, false, nil // it was finished and forgotten meanwhile
	}
	if claimed && err != nil {
		e.hands.orphan(o)
	}
	return o, claimed, err
}
