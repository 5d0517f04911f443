package work_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"virga/core/clock"
	"virga/core/db"
	"virga/core/db/dbtest"
	"virga/core/work"
)

// build is a kind of two versions: the old one has the steps lay and roof, the new one dig,
// lay and tile.
func (r *rig) build(version int, older ...work.Registrable) work.Kind[params, frame] {
	kind := work.Kind[params, frame]{Name: "build", Version: version, Older: older, Deadline: time.Hour}
	for _, step := range [][]string{1: {"lay", "roof"}, 2: {"dig", "lay", "tile"}}[version] {
		kind.Steps = append(kind.Steps, work.Step[params, frame]{Name: step,
			Do: func(_ context.Context, run *work.Run[params, frame]) error {
				r.world.set(fmt.Sprintf("%s of version %d", step, version), true)
				if run.Params.Refuse == step {
					return work.Failf("no")
				}
				return nil
			},
			Undo: func(context.Context, *work.Run[params, frame]) error {
				r.world.set(fmt.Sprintf("%s of version %d", step, version), false)
				return nil
			}})
	}
	return kind
}

// TestTheVersionBeforeIsCarriedToItsEnd has a process of the old version die between two
// steps; one of the new version goes on with the old steps, and starts with the new ones.
func TestTheVersionBeforeIsCarriedToItsEnd(t *testing.T) {
	for _, refuse := range []string{"", "roof"} {
		r := newRig(t, "")
		if err := r.engine.Register(r.build(1)); err != nil {
			t.Fatal(err)
		}
		died := make(chan struct{})
		r.hook = func(o work.Operation, _, after bool) error {
			if o.StepName == "roof" && !after {
				close(died)
				return work.ErrCrash
			}
			return nil
		}
		var old string
		r.write(func(tx *db.Tx) (err error) {
			old, err = r.engine.Start(tx, work.Order{Kind: "build", ResourceID: "w1", Params: params{Refuse: refuse}})
			return err
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.engine.Run(ctx) }()
		<-died
		cancel()
		<-done
		r.hook = nil
		r.newEngine("")
		if err := r.engine.Register(r.build(2, r.build(1))); err != nil {
			t.Fatal(err)
		}
		if refuse != "" {
			r.expect(r.run(old), work.Failed, nothing)
			continue
		}
		r.expect(r.run(old), work.Done, map[string]bool{"lay of version 1": true, "roof of version 1": true})
		if o := r.run(r.startOn("build", "w2")); o.Version != 2 || len(r.world.list()) != 5 {
			t.Errorf("a new operation has version %d and the effects %v", o.Version, r.world.list())
		}
	}
}

func TestOlderVersionsAreOlderAndOfTheSameKind(t *testing.T) {
	r := newRig(t, "")
	for name, kind := range map[string]work.Registrable{
		"newer": r.build(1, r.build(2)), "same": r.build(2, r.build(2)), "twice": r.build(2, r.build(1), r.build(1)),
		"stranger": r.build(2, one("other", nil)),
	} {
		if err := r.engine.Register(kind); err == nil {
			t.Errorf("%s: it was registered", name)
		}
	}
}

// TestRecoveryGoesOnWithTheOthers starts over a database with more operations that cannot
// be loaded than the dispatcher reads at a time, all of them due for longer than the good one.
func TestRecoveryGoesOnWithTheOthers(t *testing.T) {
	r := newRig(t, "")
	var strange []string
	var good string
	r.write(func(tx *db.Tx) error {
		for range 350 {
			id, err := r.engine.Start(tx, work.Order{Kind: "paint", ResourceID: "w1"})
			if err != nil {
				return err
			}
			strange = append(strange, id)
		}
		if _, err := tx.Exec("UPDATE operations SET version = 7"); err != nil {
			return err
		}
		if _, err := tx.Exec("UPDATE operations SET frame = '[' WHERE id = ?", strange[0]); err != nil {
			return err
		}
		var err error
		good, err = r.engine.Start(tx, work.Order{Kind: "paint", ResourceID: "w2"})
		return err
	})
	w, registry := newWatch(), prometheus.NewRegistry()
	r.log, r.metrics = w, registry
	r.newEngine("")
	r.expect(r.run(good), work.Done, whole)
	aside := r.find(strange[0])
	if aside.State != work.Running || aside.Step != 0 || aside.LastError == "" || !aside.WakeAt.After(time.Now().Add(30*time.Second)) {
		t.Errorf("the strange one: %+v", aside)
	}
	w.mu.Lock()
	said := w.errors["operation cannot be loaded; it waits for an operator"]
	w.mu.Unlock()
	if alarms := valueOf(t, registry, "virga_operation_alarms_total", "paint"); alarms < 300 || said < 300 { // the first batch, but for what is at hand when the engine stops
		t.Errorf("%v alarms and %d errors in the log", alarms, said)
	}
}

// TestARowThatCannotBeReadIsPutAside stores what is no number where one belongs, as only
// SQLite lets anybody do.
func TestARowThatCannotBeReadIsPutAside(t *testing.T) {
	r := newRigOn(t, dbtest.OpenEngine(t, "sqlite"), "")
	broken := r.start(params{})
	r.exec("UPDATE operations SET tries = 'many' WHERE id = ?", broken)
	good := r.start(params{})
	w, registry := newWatch(), prometheus.NewRegistry()
	r.log, r.metrics = w, registry
	r.newEngine("")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.engine.Run(ctx) }()
	r.await(good, "ended", ended)
	<-w.seen
	for wakeAt := time.Now().UnixMicro(); wakeAt < time.Now().Add(30*time.Second).UnixMicro(); {
		r.write(func(tx *db.Tx) error { return tx.Get(&wakeAt, "SELECT wake_at FROM operations WHERE id = ?", broken) })
	}
	cancel()
	<-done
	if alarms := valueOf(t, registry, "virga_operation_alarms_total", "unknown"); alarms < 1 || alarms > 2 {
		t.Errorf("%v alarms", alarms)
	}
}

// valueOf is a metric's value for a kind.
func valueOf(t *testing.T, registry *prometheus.Registry, name, kind string) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				if family.GetName() == name && label.GetName() == "kind" && label.GetValue() == kind {
					return metric.GetCounter().GetValue() + metric.GetGauge().GetValue()
				}
			}
		}
	}
	return -1
}

// TestUndoThatFailsAgainAndAgainIsAlarmed lets an undo fail six times.
func TestUndoThatFailsAgainAndAgainIsAlarmed(t *testing.T) {
	r := newRig(t, "")
	registry := prometheus.NewRegistry()
	r.metrics = registry
	r.newEngine("")
	refusals := 0
	r.hook = func(o work.Operation, undo, after bool) error {
		if undo && !after && o.StepName == "b" && refusals < 6 {
			refusals++
			hurry := r.db.Write(t.Context(), func(tx *db.Tx) error { return r.engine.Signal(tx, o.ID) })
			return errors.Join(errors.New("not now"), hurry)
		}
		return nil
	}
	r.expect(r.run(r.start(params{Refuse: "c"})), work.Failed, nothing)
	if alarms := valueOf(t, registry, "virga_operation_alarms_total", "paint"); alarms != 2 {
		t.Errorf("%v alarms after %d refusals", alarms, refusals)
	}
}

// TestTheHouseIsKept counts the unfinished and the overdue, and forgets what is long over.
func TestTheHouseIsKept(t *testing.T) {
	r := newRig(t, "")
	old, young := r.run(r.start(params{})), r.run(r.start(params{}))
	r.exec("UPDATE operations SET finished_at = finished_at - ? WHERE id = ?", (2 * time.Hour).Microseconds(), old.ID)
	sleeping := r.start(params{})
	r.exec("UPDATE operations SET wake_at = ?, deadline = ? WHERE id = ?", time.Now().Add(time.Hour), time.Now().Add(-time.Minute), sleeping)
	r.exec("UPDATE operations SET wake_at = ? WHERE id = ?", time.Now().Add(time.Hour), r.start(params{}))
	registry := prometheus.NewRegistry()
	var forgotten []string
	engine := work.New(work.Config{Service: "test", Owner: "me", DB: r.db, Bus: r.bus, Clock: clock.System{}, Log: slog.New(r.log),
		Metrics: registry, Keep: time.Hour, Forgotten: func(_ *db.Tx, ids []string) error { forgotten = append(forgotten, ids...); return nil }})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- engine.Run(ctx) }()
	for there := 1; there > 0 && ctx.Err() == nil; {
		r.write(func(tx *db.Tx) error { return tx.Get(&there, "SELECT COUNT(*) FROM operations WHERE id = ?", old.ID) })
	}
	cancel()
	<-done
	if !slices.Equal(forgotten, []string{old.ID}) {
		t.Errorf("told to be forgotten: %v", forgotten)
	}
	if o := r.find(young.ID); o.State != work.Done {
		t.Errorf("the younger one: %+v", o)
	}
	if unfinished, overdue := valueOf(t, registry, "virga_operations_unfinished", "paint"),
		valueOf(t, registry, "virga_operations_overdue", "paint"); unfinished != 2 || overdue != 1 {
		t.Errorf("%v unfinished, %v overdue", unfinished, overdue)
	}
}
