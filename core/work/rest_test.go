package work_test

import (
	"context"
	"testing"
	"time"

	"virga/core/db"
	"virga/core/work"
)

// TestAStepMayBeginWithARest has a step that is first called when a signal came: one during
// the step before, which is not slept through, or one that comes later.
func TestAStepMayBeginWithARest(t *testing.T) {
	for name, early := range map[string]bool{"signal during the step before": true, "signal during the rest": false} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, "")
			signal := func(ctx context.Context, id string) error {
				return r.db.Write(ctx, func(tx *db.Tx) error { return r.engine.Signal(tx, id) })
			}
			rested := make(chan work.Operation, 1)
			kind := work.Kind[params, frame]{Name: "order", Deadline: time.Hour, Steps: []work.Step[params, frame]{
				{Name: "ask", Do: func(ctx context.Context, run *work.Run[params, frame]) error {
					if early {
						return signal(ctx, run.Operation.ID)
					}
					return nil
				}},
				{Name: "hear", Rest: time.Hour, Do: func(_ context.Context, run *work.Run[params, frame]) error {
					rested <- run.Operation
					return nil
				}},
			}}
			if err := r.engine.Register(kind); err != nil {
				t.Fatal(err)
			}
			var id string
			if err := r.db.Write(t.Context(), func(tx *db.Tx) (err error) {
				id, err = r.engine.Start(tx, work.Order{Kind: "order", ResourceID: "w4"})
				return err
			}); err != nil {
				t.Fatal(err)
			}
			if !early {
				go func() { // what was asked answers when the operation rests
					for {
						var o work.Operation
						if err := r.db.ReadOne(t.Context(), func(tx *db.Tx) (err error) { o, err = work.Find(tx, id); return err }); err != nil {
							return
						}
						if o.StepName == "hear" {
							if until := time.Until(o.WakeAt); !o.LeaseUntil.IsZero() || until < 50*time.Minute {
								t.Errorf("the lease ends at %v, and it wakes in %s", o.LeaseUntil, until)
							}
							_ = signal(t.Context(), id)
							return
						}
					}
				}()
			}
			r.expect(r.run(id), work.Done, nothing)
			if o := <-rested; o.Epoch != 2 || o.Tries != 0 {
				t.Errorf("after the rest: epoch %d, %d tries", o.Epoch, o.Tries)
			}
		})
	}
}
