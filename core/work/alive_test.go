package work_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"virga/core/bus"
	"virga/core/clock"
	"virga/core/db"
	"virga/core/work"
)

// pair is two processes that carry operations of one slow step.
type pair struct {
	t   *testing.T
	db  *db.DB
	bus *bus.Local
	// away has the database refuse the process of that name.
	away map[string]*atomic.Bool
	mu   sync.Mutex
	// did is who has begun the step and when, brokenOff when the first of them had to stop.
	did       []string
	began     []time.Time
	brokenOff time.Time
	engines   []*work.Engine
	ended     chan error
	cancel    context.CancelFunc
}

// withPair starts an operation that the first process carries, for so long as step says.
func withPair(t *testing.T, step time.Duration, test func(p *pair)) {
	synctest.Test(t, func(t *testing.T) {
		d, err := db.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "pair.sqlite"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = d.Close() }()
		if err := d.Migrate(t.Context(), "work", work.Migrations()); err != nil {
			t.Fatal(err)
		}
		p := &pair{t: t, db: d, bus: bus.NewLocal(), away: map[string]*atomic.Bool{}, ended: make(chan error, 2)}
		ctx, cancel := context.WithCancel(t.Context())
		p.cancel = cancel
		for _, name := range []string{"first", "second"} {
			p.run(ctx, name, step)
			if name == "first" {
				if err := d.Write(ctx, func(tx *db.Tx) error {
					_, err := p.engines[0].Start(tx, work.Order{ID: "o", Kind: "slow", ResourceID: "r"})
					return err
				}); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
			}
		}
		test(p)
		cancel()
		for range p.engines {
			if err := <-p.ended; err != nil {
				t.Error(err)
			}
		}
	})
}

func (p *pair) run(ctx context.Context, name string, step time.Duration) {
	away := &atomic.Bool{}
	p.away[name] = away
	d := p.db.Intercepted(db.Interception{Begin: func(context.Context, bool) error {
		if away.Load() {
			return errors.New("the database does not answer")
		}
		return nil
	}})
	e := work.New(work.Config{Service: "test", Owner: name, DB: d, Bus: p.bus, Clock: clock.System{}, Log: slog.New(slog.DiscardHandler)})
	if err := e.Register(work.Kind[params, frame]{Name: "slow", Deadline: time.Hour, Steps: []work.Step[params, frame]{{Name: "only",
		Do: func(ctx context.Context, _ *work.Run[params, frame]) error {
			p.mu.Lock()
			p.did, p.began = append(p.did, name), append(p.began, time.Now())
			p.mu.Unlock()
			timer := time.NewTimer(step)
			defer timer.Stop()
			select {
			case <-ctx.Done():
				p.mu.Lock()
				defer p.mu.Unlock()
				if p.brokenOff.IsZero() {
					p.brokenOff = time.Now()
				}
				return ctx.Err()
			case <-timer.C:
				return nil
			}
		}}}}); err != nil {
		p.t.Fatal(err)
	}
	p.engines = append(p.engines, e)
	go func() { p.ended <- e.Run(ctx) }()
	synctest.Wait()
}

// find reads the operation, and waits for whoever notes what it did.
func (p *pair) find() (o work.Operation) {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.db.Read(context.Background(), func(tx *db.Tx) (err error) { o, err = work.Find(tx, "o"); return err }); err != nil {
		p.t.Fatal(err)
	}
	return o
}

// TestASilentProcessIsTakenOverFrom has the first process lose the database for good: its step
// is broken off, and only then the second one begins it, long before the lease ends.
func TestASilentProcessIsTakenOverFrom(t *testing.T) {
	withPair(t, 40*time.Second, func(p *pair) {
		time.Sleep(5 * time.Second)
		p.away["first"].Store(true)
		time.Sleep(22 * time.Second)
		p.find()
		if len(p.did) != 2 || p.did[1] != "second" {
			t.Fatalf("the step was begun by %v", p.did)
		}
		if p.brokenOff.IsZero() || !p.brokenOff.Before(p.began[1]) {
			t.Errorf("the first one was broken off at %s, the second began at %s", p.brokenOff, p.began[1])
		}
		time.Sleep(45 * time.Second)
		if o := p.find(); o.State != work.Done || o.LeaseOwner != "second" || o.Epoch != 2 || o.Tries != 0 {
			t.Errorf("it went on as %+v", o)
		}
	})
}

// TestASignKeepsALongStep has a step take most of its lease, of which nobody but its process
// can know that it goes on.
func TestASignKeepsALongStep(t *testing.T) {
	withPair(t, 50*time.Second, func(p *pair) {
		time.Sleep(55 * time.Second)
		if o := p.find(); o.State != work.Done || o.LeaseOwner != "first" || o.Epoch != 1 || len(p.did) != 1 {
			t.Errorf("it went on as %+v, begun by %v", o, p.did)
		}
	})
}

// TestNobodyIsSilentWhenNobodyHears takes the database away from both for a while. Nobody takes
// over from a process that could not speak; it goes on by itself, and the try does not count.
func TestNobodyIsSilentWhenNobodyHears(t *testing.T) {
	withPair(t, 30*time.Second, func(p *pair) {
		time.Sleep(5 * time.Second)
		for _, away := range p.away {
			away.Store(true)
		}
		time.Sleep(25 * time.Second)
		for _, away := range p.away {
			away.Store(false)
		}
		time.Sleep(40 * time.Second)
		if o := p.find(); o.State != work.Done || o.LeaseOwner != "first" || o.Tries != 0 || len(p.did) != 2 {
			t.Errorf("it went on as %+v, begun by %v", o, p.did)
		}
	})
}

// TestIdleProcessesAreForgotten has a process that carried something and carries nothing any
// more leave the table, and come back to it.
func TestIdleProcessesAreForgotten(t *testing.T) {
	withPair(t, 4*time.Second, func(p *pair) {
		carriers := func() (names []string) {
			t.Helper()
			if err := p.db.Read(context.Background(), func(tx *db.Tx) error {
				return tx.Select(&names, "SELECT name FROM operation_carriers ORDER BY name")
			}); err != nil {
				t.Fatal(err)
			}
			return names
		}
		if names := carriers(); len(names) != 1 || names[0] != "first" {
			t.Errorf("at work: %v", names)
		}
		time.Sleep(time.Minute)
		if names := carriers(); len(names) != 0 || p.find().State != work.Done {
			t.Errorf("idle: %v", names)
		}
		if err := p.db.Write(context.Background(), func(tx *db.Tx) error {
			_, err := p.engines[0].Start(tx, work.Order{Kind: "slow", ResourceID: "r"})
			return err
		}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if names := carriers(); len(names) != 1 || names[0] != "first" {
			t.Errorf("at work again: %v", names)
		}
	})
}
