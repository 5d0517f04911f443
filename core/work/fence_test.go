package work_test

import (
	"context"
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

// TestWhoLostTheLeaseWritesNothing has a worker sleep in the middle of a step until another
// process has carried the operation further; what the sleeper then wants to write is refused.
func TestWhoLostTheLeaseWritesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, err := db.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "fence.sqlite"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = d.Close() }()
		if err := d.Migrate(t.Context(), "work", work.Migrations()); err != nil {
			t.Fatal(err)
		}
		bells := bus.NewLocal()
		var engines []*work.Engine
		for _, owner := range []string{"sleeper", "other"} {
			e := work.New(work.Config{Service: "test", Owner: owner, DB: d, Bus: bells, Clock: clock.System{}, Log: slog.New(slog.DiscardHandler)})
			kind := work.Kind[params, frame]{Name: "long", Deadline: time.Hour, Steps: []work.Step[params, frame]{
				{Name: "first", Do: func(_ context.Context, run *work.Run[params, frame]) error {
					if owner == "sleeper" {
						time.Sleep(10 * time.Minute) // deaf to its context, as a machine that is stopped
					}
					run.Frame.Did = append(run.Frame.Did, owner)
					return nil
				}},
				{Name: "second", Do: func(context.Context, *work.Run[params, frame]) error { return work.Wait(time.Hour) }},
			}}
			if err := e.Register(kind); err != nil {
				t.Fatal(err)
			}
			engines = append(engines, e)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, len(engines))
		go func() { ended <- engines[0].Run(ctx) }()
		synctest.Wait()
		var id string
		if err := d.Write(ctx, func(tx *db.Tx) (err error) {
			id, err = engines[0].Start(tx, work.Order{Kind: "long", ResourceID: "r"})
			return err
		}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		go func() { ended <- engines[1].Run(ctx) }()
		find := func() (o work.Operation) {
			if err := d.Read(ctx, func(tx *db.Tx) (err error) { o, err = work.Find(tx, id); return err }); err != nil {
				t.Fatal(err)
			}
			return o
		}
		time.Sleep(5 * time.Minute)
		between := find()
		if between.StepName != "second" || between.Epoch != 2 || between.LeaseOwner != "other" {
			t.Errorf("nobody took over: %+v", between)
		}
		time.Sleep(10 * time.Minute)
		if after := find(); after.StepName != "second" || after.Epoch != 2 || after.Frame != between.Frame || after.Frame != `{"Did":["other"],"Hosts":null}` {
			t.Errorf("the sleeper wrote: %+v", after)
		}
		var events int
		if err := d.Read(ctx, func(tx *db.Tx) error { return tx.Get(&events, "SELECT COUNT(*) FROM operation_events") }); err != nil || events != 1 {
			t.Errorf("%d steps are noted, %v", events, err)
		}
		cancel()
		for range engines {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	})
}
