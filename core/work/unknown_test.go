package work_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"virga/core/bus"
	"virga/core/clock"
	"virga/core/db"
	"virga/core/work"
)

// TestACommitOfUnknownOutcomeCostsSeconds cuts the connection to the database right after each
// commit in the life of an operation, so that the engine does not learn that it took effect:
// its start, its claims, its steps, its nap. The operation goes on at the next look, though its
// row may say that this very process has it for a minute.
func TestACommitOfUnknownOutcomeCostsSeconds(t *testing.T) {
	for name, idle := range map[string]bool{"claimed at its start": true, "claimed by the dispatcher": false} {
		t.Run(name, func(t *testing.T) {
			lost := 1
			for synctestRun(t, func(t *testing.T) bool { return loseCommit(t, idle, lost) }) {
				lost++
			}
			if lost < 5 {
				t.Errorf("only %d commits were lost", lost-1)
			}
		})
	}
}

// synctestRun calls fn in a bubble.
func synctestRun(t *testing.T, fn func(t *testing.T) bool) (result bool) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { result = fn(t) })
	return result
}

var errCut = errors.New("the connection was cut")

// loseCommit carries an operation of two steps, of which the second waits once, with the
// outcome of one commit unknown; false when there were not so many. With an idle worker the
// operation is claimed when it is started.
func loseCommit(t *testing.T, idle bool, lost int) bool {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	d, err := db.Open(ctx, "sqlite:"+filepath.Join(t.TempDir(), "unknown.sqlite"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	if err := d.Migrate(ctx, "work", work.Migrations()); err != nil {
		t.Fatal(err)
	}
	commits := -1 << 30
	d = d.Intercepted(db.Interception{Committed: func(_ context.Context, write bool) error {
		if write {
			commits++
		}
		if write && commits == lost {
			return errCut
		}
		return nil
	}})
	e := work.New(work.Config{Service: "test", Owner: "me", DB: d, Bus: bus.NewLocal(), Clock: clock.System{}, Log: slog.New(slog.DiscardHandler)})
	waited := false
	if err := e.Register(work.Kind[params, frame]{Name: "short", Deadline: time.Hour, Steps: []work.Step[params, frame]{
		{Name: "first", Do: func(context.Context, *work.Run[params, frame]) error { return nil }},
		{Name: "second", Do: func(context.Context, *work.Run[params, frame]) error {
			if waited {
				return nil
			}
			waited = true
			return work.Wait(time.Second)
		}},
	}}); err != nil {
		t.Fatal(err)
	}
	over := make(chan error, 1)
	run := func() {
		go func() { over <- e.Run(ctx) }()
		synctest.Wait()
	}
	if idle {
		run()
	}
	commits = 0
	err = d.Write(ctx, func(tx *db.Tx) error {
		_, err := e.Start(tx, work.Order{ID: "o", Kind: "short", ResourceID: "r"})
		return err
	})
	if (lost == 1) != errors.Is(err, errCut) {
		t.Fatalf("start: %v", err)
	}
	if !idle {
		run()
	}
	time.Sleep(10 * time.Second)
	var o work.Operation
	if err := d.Read(ctx, func(tx *db.Tx) (err error) { o, err = work.Find(tx, "o"); return err }); err != nil {
		t.Fatal(err)
	}
	if o.State != work.Done {
		t.Errorf("the outcome of commit %d of %d is unknown, and after ten seconds the operation is %s in step %s with a lease until %s", lost, commits, o.State, o.StepName, o.LeaseUntil)
	}
	cancel()
	if err := <-over; err != nil {
		t.Error(err)
	}
	return commits >= lost
}
