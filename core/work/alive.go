package work

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"virga/core/db"
)

// A process that has operations in hand says so in the table operation_carriers as long as it
// lives; the others look, and take over from one that has fallen silent long before its leases
// end. They count their own looks and compare no clocks, and while they cannot look, nobody
// counts as silent. A process that cannot give a sign itself breaks off its steps before the
// others may begin them anew; whatever it does later all the same is fenced by the epoch.
const (
	// signEvery is how often a process gives a sign, and looks for those of others.
	signEvery = 3 * time.Second
	// silentLooks is after how many looks without a new sign a process counts as dead.
	silentLooks = 5
	// doubtAfter is how long a process without a new sign of its own goes on: less than
	// the looks take.
	doubtAfter = 4 * signEvery
	// youngLease is the age up to which a lease is not ended: its owner may have had
	// nothing in hand before, and be about to sign.
	youngLease = 2 * signEvery
)

// carrier is a process that has operations in hand.
type carrier struct {
	Name     string    `db:"name"`
	SignedAt time.Time `db:"signed_at"`
}

// errDoubt ends the steps of a process that the others may count as dead.
var errDoubt = errors.New("this process could not say that it lives")

// doubt is how a process breaks off what it has in hand.
type doubt struct {
	mu     sync.Mutex
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
}

// ease has doubt arise doubtAfter from when the newest sign began, which is so long ago.
func (d *doubt) ease(ago time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.watch(doubtAfter - ago)
}

func (d *doubt) watch(left time.Duration) {
	if d.timer != nil {
		d.timer.Stop()
	}
	if d.ctx == nil || d.ctx.Err() != nil {
		d.ctx, d.cancel = context.WithCancelCause(context.Background())
	}
	cancel := d.cancel
	d.timer = time.AfterFunc(left, func() { cancel(errDoubt) })
}

// rest ends the watch: nothing is in hand.
func (d *doubt) rest() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
	}
	d.ctx = nil
}

// under is ctx until doubt arises; broken tells whether it did.
func (d *doubt) under(ctx context.Context) (until context.Context, done func(), broken func() bool) {
	d.mu.Lock()
	if d.ctx == nil { // this is the first thing in hand, and was claimed just now
		d.watch(doubtAfter)
	}
	doubting := d.ctx
	d.mu.Unlock()
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(doubting, func() { cancel(errDoubt) })
	return ctx, func() { stop(); cancel(nil) }, func() bool { return doubting.Err() != nil }
}

// giveSigns says that the process lives while it has operations in hand, and, when it is a
// conductor, takes over from those that have fallen silent, until ctx ends.
func (e *Engine) giveSigns(ctx context.Context) {
	ticker := time.NewTicker(signEvery)
	defer ticker.Stop()
	defer e.doubt.rest()
	others := silence{}
	var signed time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.hands.woke:
			if e.cfg.Clock.Now().Sub(signed) >= signEvery {
				signed = e.sign(ctx, signed)
			}
			continue
		case <-ticker.C:
		}
		if e.hands.working() {
			signed = e.sign(ctx, signed)
		} else {
			e.doubt.rest()
		}
		if e.Carries(Conductor) {
			e.lookAround(ctx, &others)
		}
	}
}

// sign gives a sign and returns when the newest was given.
func (e *Engine) sign(ctx context.Context, former time.Time) time.Time {
	now := e.cfg.Clock.Now()
	err := e.cfg.DB.Write(ctx, func(tx *db.Tx) error {
		return tx.Upsert("operation_carriers", carrier{e.cfg.Owner, now}, "name")
	})
	if err != nil {
		if ctx.Err() == nil {
			e.cfg.Log.Warn("say that this process carries operations", "service", e.cfg.Service, "error", err)
		}
		return former
	}
	e.doubt.ease(e.cfg.Clock.Now().Sub(now))
	return now
}

// silence counts the looks that found no new sign of a process.
type silence struct {
	looked time.Time
	seen   map[string]carrier
	looks  map[string]int
}

// add takes what a look found and returns those who are silent for long. After a pause all
// are heard anew: who could not look does not know who could not sign.
func (s *silence) add(now time.Time, found []carrier) (silent []carrier) {
	former := s.seen
	if now.Sub(s.looked) > 2*signEvery {
		former = nil
	}
	looks := map[string]int{}
	s.seen = map[string]carrier{}
	for _, c := range found {
		if before, known := former[c.Name]; known && before.SignedAt.Equal(c.SignedAt) {
			looks[c.Name] = s.looks[c.Name] + 1
		}
		s.seen[c.Name] = c
		if looks[c.Name] >= silentLooks {
			silent = append(silent, c)
		}
	}
	s.looked, s.looks = now, looks
	return silent
}

// lookAround looks who lives and takes over from those who do not.
func (e *Engine) lookAround(ctx context.Context, others *silence) {
	var found []carrier
	err := e.cfg.DB.Read(ctx, func(tx *db.Tx) error {
		return tx.Select(&found, "SELECT "+db.Columns(carrier{}, "")+" FROM operation_carriers WHERE name <> ? ORDER BY name", e.cfg.Owner)
	})
	if err == nil {
		for _, c := range others.add(e.cfg.Clock.Now(), found) {
			err = errors.Join(err, e.takeOver(ctx, c))
		}
	}
	if err != nil && ctx.Err() == nil {
		e.cfg.Log.Warn("look for processes that carry no longer", "service", e.cfg.Service, "error", err)
	}
}

// takeOver ends the leases of a process that gives no sign any more, unless it has given one
// just now. Those of a process that never gave one run out by themselves.
func (e *Engine) takeOver(ctx context.Context, c carrier) error {
	var freed int64
	err := e.cfg.DB.Write(ctx, func(tx *db.Tx) (err error) {
		now := e.cfg.Clock.Now()
		freed = 0
		if gone, err := tx.Exec("DELETE FROM operation_carriers WHERE name = ? AND signed_at = ?", c.Name, c.SignedAt); err != nil || gone == 0 {
			return err
		}
		if freed, err = tx.Exec("UPDATE operations SET lease_until = 0 WHERE lease_owner = ? AND lease_until > ? AND lease_until <= ? AND finished_at = 0",
			c.Name, now, now.Add(e.cfg.Lease-youngLease)); err != nil {
			return err
		}
		var young int
		if err := tx.Get(&young, "SELECT COUNT(*) FROM operations WHERE lease_owner = ? AND lease_until > ? AND finished_at = 0", c.Name, now); err != nil {
			return err
		}
		if young > 0 { // they will be older at the next look
			err = tx.Insert("operation_carriers", c)
		}
		tx.AfterCommit(e.ring)
		return err
	})
	if err != nil {
		return fmt.Errorf("take over from %s: %w", c.Name, err)
	}
	if freed > 0 {
		e.cfg.Log.Warn("a process gives no sign any more; its operations go on elsewhere", "service", e.cfg.Service, "process", c.Name, "operations", freed)
	}
	return nil
}
