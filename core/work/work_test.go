package work_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"virga/core/bus"
	"virga/core/clock"
	"virga/core/db"
	"virga/core/db/dbtest"
	"virga/core/work"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

// world is what the steps of the test's kind have effects on: a set of marks.
type world struct {
	mu    sync.Mutex
	marks map[string]bool
}

func (w *world) set(mark string, there bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if there {
		w.marks[mark] = true
	} else {
		delete(w.marks, mark)
	}
}

func (w *world) list() map[string]bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	found := map[string]bool{}
	for mark := range w.marks {
		found[mark] = true
	}
	return found
}

type params struct{ Refuse string }

type frame struct{ Did, Hosts []string }

// rig is an engine over a fresh database with a kind of three steps, a, b and c.
type rig struct {
	t      *testing.T
	db     *db.DB
	bus    *bus.Local
	world  *world
	hook   func(o work.Operation, undo, after bool) error
	failed chan string
	log    slog.Handler
	// metrics, if set, are the next engine's.
	metrics prometheus.Registerer
	ended   func(tx *db.Tx, o work.Operation) error
	// painted, if set, names the mark of a step; nil: the step's name.
	painted func(o work.Operation, step string) string
	engine  *work.Engine
}

func (r *rig) mark(run *work.Run[params, frame], step string) string {
	if r.painted == nil {
		return step
	}
	return r.painted(run.Operation, step)
}

func newRig(t *testing.T, pivot string) *rig {
	t.Helper()
	return newRigOn(t, dbtest.Open(t), pivot)
}

func newRigOn(t *testing.T, d *db.DB, pivot string) *rig {
	t.Helper()
	if err := d.Migrate(t.Context(), "work", work.Migrations()); err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, db: d, bus: bus.NewLocal(), world: &world{marks: map[string]bool{}}, failed: make(chan string, 1), log: slog.DiscardHandler}
	r.newEngine(pivot)
	return r
}

// newEngine takes the place of a process that died.
func (r *rig) newEngine(pivot string) {
	kind := work.Kind[params, frame]{Name: "paint", Deadline: time.Hour,
		Failed: func(tx *db.Tx, _ *work.Run[params, frame], reason string) error {
			tx.AfterCommit(func() { r.failed <- reason }) // the transaction is repeated when it loses a race
			return nil
		}}
	for _, name := range []string{"a", "b", "c"} {
		kind.Steps = append(kind.Steps, work.Step[params, frame]{
			Name: name, Pivot: name == pivot, Tries: 2,
			Do: func(_ context.Context, run *work.Run[params, frame]) error {
				r.world.set(r.mark(run, name), true)
				run.Frame.Did = append(run.Frame.Did, name)
				if run.Params.Refuse == name {
					return work.Failf("%s does not fit", name)
				}
				return nil
			},
			Undo: func(_ context.Context, run *work.Run[params, frame]) error {
				r.world.set(r.mark(run, name), false)
				return nil
			},
		})
	}
	r.engine = work.New(work.Config{Service: "test", Owner: "me", DB: r.db, Bus: r.bus, Clock: clock.System{}, Log: slog.New(r.log), Metrics: r.metrics, Ended: r.ended,
		Hook: func(o work.Operation, undo, after bool) error {
			if r.hook == nil {
				return nil
			}
			return r.hook(o, undo, after)
		}})
	if err := r.engine.Register(kind); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) start(p params) string {
	r.t.Helper()
	var id string
	if err := r.db.Write(r.t.Context(), func(tx *db.Tx) error {
		var err error
		id, err = r.engine.Start(tx, work.Order{Kind: "paint", ResourceKind: "wall", ResourceID: "w1", Params: p})
		return err
	}); err != nil {
		r.t.Fatal(err)
	}
	return id
}

// run carries operations until the one with id is finished, or until the process "dies".
func (r *rig) run(id string) work.Operation {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 20*time.Second)
	done := make(chan error, 1)
	go func() { done <- r.engine.Run(ctx) }()
	defer func() { cancel(); <-done }()
	for {
		var o work.Operation
		if err := r.db.Read(ctx, func(tx *db.Tx) (err error) { o, err = work.Find(tx, id); return err }); err != nil {
			r.t.Fatal(err)
		}
		if !o.FinishedAt.IsZero() {
			return o
		}
		select {
		case <-ctx.Done():
			r.t.Fatalf("operation stands at %s/%s: %s", o.State, o.StepName, o.Error)
		case <-time.After(time.Millisecond):
		}
	}
}

var (
	whole   = map[string]bool{"a": true, "b": true, "c": true}
	nothing = map[string]bool{}
)

func (r *rig) expect(o work.Operation, state work.State, marks map[string]bool) {
	r.t.Helper()
	if o.State != state {
		r.t.Errorf("operation is %s (%s), want %s", o.State, o.Error, state)
	}
	if diff := cmp.Diff(marks, r.world.list()); diff != "" {
		r.t.Error(diff)
	}
}

func TestOperationRunsToItsEnd(t *testing.T) {
	r := newRig(t, "")
	o := r.run(r.start(params{}))
	r.expect(o, work.Done, whole)
	if err := r.db.Read(t.Context(), func(tx *db.Tx) error {
		events, err := work.Events(tx, o.ID)
		if len(events) != 3 || events[2].Step != "c" || events[2].FinishedAt.IsZero() {
			t.Errorf("events %+v", events)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

func TestRefusalUndoesEverything(t *testing.T) {
	for _, step := range []string{"a", "b", "c"} {
		r := newRig(t, "")
		o := r.run(r.start(params{Refuse: step}))
		r.expect(o, work.Failed, nothing)
		if reason := <-r.failed; reason != step+" does not fit" {
			t.Errorf("reason %q", reason)
		}
	}
}

// TestDeathAtEveryPoint drops the operation before and after each effect, forward and
// back, and has a new process go on.
func TestDeathAtEveryPoint(t *testing.T) {
	for _, refuse := range []string{"", "c"} {
		for point := range 12 {
			t.Run(fmt.Sprintf("refuse=%s/point=%d", refuse, point), func(t *testing.T) {
				r := newRig(t, "")
				var mu sync.Mutex
				calls, died := 0, make(chan struct{})
				r.hook = func(work.Operation, bool, bool) error {
					mu.Lock()
					defer mu.Unlock()
					calls++
					if calls == point+1 {
						close(died)
						return work.ErrCrash
					}
					return nil
				}
				id := r.start(params{Refuse: refuse})
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error, 1)
				go func() { done <- r.engine.Run(ctx) }()
				reached := refuse != "" || point < 6
				if reached {
					<-died
				}
				cancel()
				<-done
				r.hook = nil
				r.newEngine("")
				o := r.run(id)
				if refuse == "" {
					r.expect(o, work.Done, whole)
				} else {
					r.expect(o, work.Failed, nothing)
				}
			})
		}
	}
}

func TestFailureBeforeAndAfterEachEffect(t *testing.T) {
	for _, step := range []string{"a", "b", "c"} {
		for _, after := range []bool{false, true} {
			r := newRig(t, "")
			hits := 0
			r.hook = func(o work.Operation, undo, isAfter bool) error {
				if o.StepName == step && !undo && isAfter == after {
					hits++
					return work.Failf("injected")
				}
				return nil
			}
			r.expect(r.run(r.start(params{})), work.Failed, nothing)
			if hits != 1 {
				t.Errorf("the failure at %s was injected %d times", step, hits)
			}
		}
	}
}

func TestCancelAtEveryBorder(t *testing.T) {
	for _, pivot := range []string{"", "b"} {
		for _, step := range []string{"a", "b", "c"} {
			r := newRig(t, pivot)
			r.hook = func(o work.Operation, undo, after bool) error {
				if o.StepName == step && !undo && !after {
					return r.db.Write(t.Context(), func(tx *db.Tx) error { return r.engine.Preempt(tx, "w1", "") })
				}
				return nil
			}
			o := r.run(r.start(params{}))
			if step == "c" || (pivot == "b" && step == "b") {
				r.expect(o, work.Done, whole) // the point of no return was passed before anybody looked
				continue
			}
			r.expect(o, work.Failed, nothing)
			if reason := <-r.failed; reason != work.ErrCancelled.Error() {
				t.Errorf("reason %q", reason)
			}
		}
	}
}

func TestUndoIsNeverSkipped(t *testing.T) {
	r := newRig(t, "")
	refusals := 0
	r.hook = func(o work.Operation, undo, after bool) error {
		if undo && !after && o.StepName == "b" && refusals < 3 {
			refusals++
			return errors.New("not now")
		}
		return nil
	}
	r.expect(r.run(r.start(params{Refuse: "c"})), work.Failed, nothing)
	if refusals != 3 {
		t.Errorf("undo was refused %d times", refusals)
	}
}

func TestBackTriesAnotherWay(t *testing.T) {
	r := newRig(t, "")
	kind := work.Kind[params, frame]{Name: "place", Deadline: time.Hour, Steps: []work.Step[params, frame]{
		{Name: "choose", Do: func(_ context.Context, run *work.Run[params, frame]) error {
			run.Frame.Hosts = append(run.Frame.Hosts, fmt.Sprint("host", len(run.Frame.Hosts)))
			return nil
		}},
		{Name: "use",
			Do: func(_ context.Context, run *work.Run[params, frame]) error {
				host := run.Frame.Hosts[len(run.Frame.Hosts)-1]
				r.world.set(host, true)
				if host != "host2" {
					return work.Back("choose", errors.New(host+" is full"))
				}
				return nil
			},
			Undo: func(_ context.Context, run *work.Run[params, frame]) error {
				r.world.set(run.Frame.Hosts[len(run.Frame.Hosts)-1], false)
				return nil
			}},
	}}
	if err := r.engine.Register(kind); err != nil {
		t.Fatal(err)
	}
	var id string
	if err := r.db.Write(t.Context(), func(tx *db.Tx) (err error) {
		id, err = r.engine.Start(tx, work.Order{Kind: "place", ResourceID: "w2"})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	r.expect(r.run(id), work.Done, map[string]bool{"host2": true})
}

func TestSignalDuringTheStepIsNotSleptThrough(t *testing.T) {
	r := newRig(t, "")
	calls := 0
	kind := work.Kind[params, frame]{Name: "listen", Deadline: time.Hour, Steps: []work.Step[params, frame]{
		{Name: "wait", Do: func(ctx context.Context, run *work.Run[params, frame]) error {
			calls++
			if calls == 1 {
				if err := r.db.Write(ctx, func(tx *db.Tx) error { return r.engine.Signal(tx, run.Operation.ID) }); err != nil {
					return err
				}
				return work.Wait(time.Hour)
			}
			return nil
		}},
	}}
	if err := r.engine.Register(kind); err != nil {
		t.Fatal(err)
	}
	var id string
	if err := r.db.Write(t.Context(), func(tx *db.Tx) (err error) {
		id, err = r.engine.Start(tx, work.Order{Kind: "listen", ResourceID: "w3"})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	r.expect(r.run(id), work.Done, nothing)
}

func TestOperatorAbandons(t *testing.T) {
	r := newRig(t, "")
	id := r.start(params{})
	abandon := func() error {
		return r.db.Write(t.Context(), func(tx *db.Tx) error { return r.engine.Abandon(tx, id, "the host burnt") })
	}
	if err := abandon(); err != nil {
		t.Fatal(err)
	}
	o := r.run(id)
	r.expect(o, work.Abandoned, nothing)
	if err := abandon(); !errors.Is(err, work.ErrFinished) {
		t.Errorf("abandon again: %v", err)
	}
}

// TestTheLastErrorStandsInTheRow has a step fail with a long text and cut it off at a whole rune.
func TestTheLastErrorStandsInTheRow(t *testing.T) {
	r := newRig(t, "")
	said := strings.Repeat("ü", 600)
	failures := 0
	r.hook = func(o work.Operation, _, after bool) error {
		if o.StepName != "b" || !after || failures > 0 {
			return nil
		}
		failures++
		return work.Retry(time.Hour, errors.New(said))
	}
	id := r.start(params{})
	kept := make(chan work.Operation, 1)
	go func() { // an operator who looks, and then has the step called at once
		for {
			var o work.Operation
			if err := r.db.Read(t.Context(), func(tx *db.Tx) (err error) { o, err = work.Find(tx, id); return err }); err != nil {
				return
			}
			if o.Tries == 1 && o.LeaseUntil.IsZero() {
				kept <- o
				_ = r.db.Write(t.Context(), func(tx *db.Tx) error { return r.engine.RetryNow(tx, id) })
				return
			}
			<-time.After(time.Millisecond)
		}
	}()
	o := r.run(id)
	r.expect(o, work.Done, whole)
	if waiting := <-kept; waiting.LastError != strings.Repeat("ü", 500) || waiting.Error != "" {
		t.Errorf("while it waits: last error of %d bytes, error %q", len(waiting.LastError), waiting.Error)
	}
	if o.LastError != "" {
		t.Errorf("a step that went well leaves %q", o.LastError)
	}
}
