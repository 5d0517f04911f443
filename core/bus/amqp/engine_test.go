package amqp_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"virga/core/bus/amqp"
	"virga/core/bus/bustest"
	"virga/core/bus/suite"
	"virga/core/clock"
	"virga/core/db"
	"virga/core/db/dbtest"
	"virga/core/work"
)

// office is a database with the engines of several processes, and what their operations did.
type office struct {
	db    *db.DB
	buses []*amqp.Bus
	// front is the engine of a process that carries nothing: only a bell or the timer tells
	// the others what it has started.
	front *work.Engine

	mu       sync.Mutex
	finished map[string]int
}

type nothing struct{}

// newOffice starts a front process and others that carry operations; they end with the test.
func newOffice(t *testing.T, url string, others int) *office {
	t.Helper()
	o := &office{db: dbtest.OpenEngine(t, "sqlite"), finished: map[string]int{}}
	if err := o.db.Migrate(t.Context(), "work", work.Migrations()); err != nil {
		t.Fatal(err)
	}
	step := func(context.Context, *work.Run[nothing, nothing]) error { return nil }
	kind := work.Kind[nothing, nothing]{Name: "paper", Deadline: time.Hour,
		Steps: []work.Step[nothing, nothing]{{Name: "read", Do: step}, {Name: "sign", Do: step}},
		Finished: func(tx *db.Tx, run *work.Run[nothing, nothing]) error {
			tx.AfterCommit(func() {
				o.mu.Lock()
				defer o.mu.Unlock()
				o.finished[run.Operation.ResourceID]++
			})
			return nil
		}}
	for i := range 1 + others {
		b := open(t, url)
		engine := work.New(work.Config{Service: "office", Owner: fmt.Sprint("process-", i), DB: o.db, Bus: b, Clock: clock.System{}, Log: slog.New(slog.DiscardHandler)})
		if err := engine.Register(kind); err != nil {
			t.Fatal(err)
		}
		o.buses = append(o.buses, b)
		if i == 0 {
			o.front = engine
			continue
		}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- engine.Run(ctx) }()
		t.Cleanup(func() {
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
	return o
}

// order starts operations at the front.
func (o *office) order(t *testing.T, prefix string, count int) {
	t.Helper()
	for i := range count {
		if err := o.db.Write(t.Context(), func(tx *db.Tx) error {
			_, err := o.front.Start(tx, work.Order{Kind: "paper", ResourceID: fmt.Sprint(prefix, i)})
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
}

// done tells whether the operations of a prefix have all ended, none of them twice.
func (o *office) done(t *testing.T, prefix string, count int) bool {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range count {
		switch n := o.finished[fmt.Sprint(prefix, i)]; n {
		case 0:
			return false
		case 1:
		default:
			t.Errorf("operation %s%d has ended %d times", prefix, i, n)
		}
	}
	return true
}

// TestOperationsGoOnWithoutTheBroker has operations started, and left in the middle, while
// the broker is away: the timer finds them.
func TestOperationsGoOnWithoutTheBroker(t *testing.T) {
	bustest.EachOwn(t, func(t *testing.T, broker *bustest.Broker) {
		suite.NoLeaks(t)
		o := newOffice(t, broker.URL(), 2)
		const count = 40
		o.order(t, "before-", count)
		suite.Eventually(t, "operations end", func() bool { return o.done(t, "before-", count) })

		o.order(t, "across-", count)
		broker.Pause(t)
		for _, b := range o.buses {
			away(t, b)
		}
		began := time.Now()
		o.order(t, "during-", count)
		suite.Eventually(t, "operations end without a broker", func() bool { return o.done(t, "across-", count) && o.done(t, "during-", count) })
		t.Logf("%d operations without a broker took %v", count, time.Since(began))

		broker.Resume(t)
		for _, b := range o.buses {
			back(t, b)
		}
		o.order(t, "after-", count)
		suite.Eventually(t, "operations end afterwards", func() bool { return o.done(t, "after-", count) })
		var open int
		if err := o.db.Read(t.Context(), func(tx *db.Tx) error {
			return tx.Get(&open, "SELECT COUNT(*) FROM operations WHERE finished_at = 0")
		}); err != nil || open != 0 {
			t.Errorf("%d operations are left, %v", open, err)
		}
	})
}
