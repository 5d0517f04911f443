package work_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"virga/core/db"
	"virga/core/db/dbtest"
	"virga/core/work"
)

// startKind registers a kind of one step with this Do and starts an operation of it.
func (r *rig) startKind(kind work.Kind[params, frame]) string {
	r.t.Helper()
	if err := r.engine.Register(kind); err != nil {
		r.t.Fatal(err)
	}
	return r.startOn(kind.Name, kind.Name)
}

func (r *rig) startOn(kind, resource string) (id string) {
	r.t.Helper()
	r.write(func(tx *db.Tx) (err error) {
		id, err = r.engine.Start(tx, work.Order{Kind: kind, ResourceID: resource})
		return err
	})
	return id
}

func (r *rig) write(fn func(tx *db.Tx) error) {
	r.t.Helper()
	if err := r.db.Write(context.Background(), fn); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) exec(text string, args ...any) {
	r.t.Helper()
	r.write(func(tx *db.Tx) error { _, err := tx.Exec(text, args...); return err })
}

func one(name string, do func(ctx context.Context, run *work.Run[params, frame]) error) work.Kind[params, frame] {
	return work.Kind[params, frame]{Name: name, Deadline: time.Hour, Steps: []work.Step[params, frame]{{Name: "only", Do: do}}}
}

// TestOthersOperationsHideNothing has more operations in other processes' hands than the
// dispatcher reads at a time, all of them due for longer.
func TestOthersOperationsHideNothing(t *testing.T) {
	r := newRig(t, "")
	var id string
	r.write(func(tx *db.Tx) error {
		for range 400 {
			other, err := r.engine.Start(tx, work.Order{Kind: "paint"})
			if err != nil {
				return err
			}
			if _, err := tx.Exec("UPDATE operations SET lease_owner = 'other', lease_until = ?, epoch = 1 WHERE id = ?",
				time.Now().Add(time.Hour), other); err != nil {
				return err
			}
		}
		var err error
		id, err = r.engine.Start(tx, work.Order{Kind: "paint"})
		return err
	})
	r.expect(r.run(id), work.Done, whole)
}

func TestWaitingOperationFailsAtItsDeadline(t *testing.T) {
	for name, pause := range map[string]error{"wait": work.Wait(time.Hour), "retry": work.Retry(time.Hour, errors.New("not yet"))} {
		r := newRig(t, "")
		kind := one(name, func(context.Context, *work.Run[params, frame]) error { return pause })
		kind.Deadline = 100 * time.Millisecond
		o := r.run(r.startKind(kind))
		r.expect(o, work.Failed, nothing)
		if o.Error != work.ErrDeadline.Error() {
			t.Errorf("%s: %q", name, o.Error)
		}
	}
}

func TestPanicsAreFailures(t *testing.T) {
	r := newRig(t, "")
	kind := one("panic", func(context.Context, *work.Run[params, frame]) error { panic("secret") })
	kind.Steps[0].Tries = 1
	if o := r.run(r.startKind(kind)); o.State != work.Failed || o.Error == "" || o.Error == "secret" {
		t.Errorf("%s %q", o.State, o.Error)
	}
	calls := 0
	o := r.run(r.startKind(one("commit", func(_ context.Context, run *work.Run[params, frame]) error {
		calls++
		if calls == 1 {
			run.InCommit(func(*db.Tx) error { panic("secret") })
		}
		return nil
	})))
	r.expect(o, work.Done, nothing)
}

func TestWritesOfAStepMayDecide(t *testing.T) {
	r := newRig(t, "")
	o := r.run(r.startKind(one("refuse", func(_ context.Context, run *work.Run[params, frame]) error {
		run.InCommit(func(*db.Tx) error { return work.Failf("the quota is used up") })
		return nil
	})))
	r.expect(o, work.Failed, nothing)
	if o.Error != "the quota is used up" {
		t.Errorf("reason %q", o.Error)
	}
}

// TestStrangeRowsAreLeftAlone changes the row as a newer or older program would have
// written it.
func TestStrangeRowsAreLeftAlone(t *testing.T) {
	for name, change := range map[string]string{
		"version": "UPDATE operations SET version = 2", "step": "UPDATE operations SET step_name = 'z'",
		"parameters": "UPDATE operations SET params = '{'", "kind": "UPDATE operations SET kind = 'z'",
	} {
		r := newRig(t, "")
		id := r.start(params{})
		r.exec(change)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		done := make(chan error, 1)
		go func() { done <- r.engine.Run(ctx) }()
		var o work.Operation
		for o.WakeAt.Before(time.Now().Add(30*time.Second)) && ctx.Err() == nil { // until it was put aside
			if err := r.db.Read(t.Context(), func(tx *db.Tx) (err error) { o, err = work.Find(tx, id); return err }); err != nil {
				t.Fatal(err)
			}
		}
		cancel()
		<-done
		if len(r.world.list()) > 0 || o.State != work.Running || o.Step != 0 || o.WakeAt.IsZero() {
			t.Errorf("%s: state %s, step %d, effects %v", name, o.State, o.Step, r.world.list())
		}
	}
}

func TestLeasesAreGivenBackAtTheEnd(t *testing.T) {
	r := newRig(t, "")
	entered := make(chan struct{})
	id := r.startKind(one("long", func(ctx context.Context, _ *work.Run[params, frame]) error {
		close(entered)
		<-ctx.Done()
		return ctx.Err()
	}))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.engine.Run(ctx) }()
	<-entered
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	var o work.Operation
	if err := r.db.Read(t.Context(), func(tx *db.Tx) (err error) { o, err = work.Find(tx, id); return err }); err != nil {
		t.Fatal(err)
	}
	if !o.LeaseUntil.IsZero() || o.Tries != 0 || o.State != work.Running {
		t.Errorf("%+v", o)
	}
}

// watch is a log handler that counts and passes on errors.
type watch struct {
	slog.Handler
	mu     sync.Mutex
	errors map[string]int
	seen   chan string
}

func newWatch() *watch {
	return &watch{Handler: slog.DiscardHandler, errors: map[string]int{}, seen: make(chan string, 100)}
}

func (w *watch) Enabled(context.Context, slog.Level) bool { return true }

func (w *watch) Handle(_ context.Context, record slog.Record) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if record.Level >= slog.LevelError {
		w.errors[record.Message]++
		select {
		case w.seen <- record.Message:
		default:
		}
	}
	return nil
}

// broken has SQLite refuse every change of an operation.
const broken = "CREATE TRIGGER broken BEFORE UPDATE ON operations BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"

// TestTroubleWithTheDatabaseCostsLittleTime breaks the database in the middle of a step
// and mends it: the operation goes on long before its lease runs out.
func TestTroubleWithTheDatabaseCostsLittleTime(t *testing.T) {
	r := newRigOn(t, dbtest.OpenEngine(t, "sqlite"), "")
	w := newWatch()
	r.log = w
	r.newEngine("")
	var once sync.Once
	r.hook = func(o work.Operation, _, after bool) error {
		if o.StepName == "b" && after {
			once.Do(func() { r.exec(broken) })
		}
		return nil
	}
	mended := make(chan struct{})
	go func() {
		defer close(mended)
		for message := range w.seen {
			if message == "carry operation" {
				r.exec("DROP TRIGGER broken")
				return
			}
		}
	}()
	began := time.Now()
	r.expect(r.run(r.start(params{})), work.Done, whole)
	<-mended
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestTroubleWithTheDatabaseIsNoBusyLoop(t *testing.T) {
	r := newRigOn(t, dbtest.OpenEngine(t, "sqlite"), "")
	w := newWatch()
	r.log = w
	r.newEngine("")
	r.start(params{})
	// Leases can be released and nothing else: a disk that is full in the middle of the work.
	r.exec("CREATE TRIGGER broken BEFORE UPDATE OF epoch ON operations BEGIN SELECT RAISE(ABORT, 'the disk is full'); END")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := r.engine.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if n := w.errors["claim operation"]; n == 0 || n > 2 {
		t.Errorf("the claim was tried %d times", n)
	}
}

func TestAbandoningWakesWhoWaits(t *testing.T) {
	r := newRig(t, "")
	waiting := make(chan struct{}, 10)
	first := r.startOn("paint", "w9")
	r.exec("UPDATE operations SET wake_at = ? WHERE id = ?", time.Now().Add(time.Hour), first)
	second := r.startKind(one("w9", func(ctx context.Context, run *work.Run[params, frame]) error {
		err := r.engine.WaitForOthers(ctx, run.Operation)
		waiting <- struct{}{}
		return err
	}))
	go func() {
		<-waiting
		r.write(func(tx *db.Tx) error { return r.engine.Abandon(tx, first, "test") })
	}()
	began := time.Now()
	r.expect(r.run(second), work.Done, nothing)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
}

// TestStartedHereNeedsNoClaim checks that an operation that is started where a worker is
// idle has one epoch from its start to its end.
func TestStartedHereNeedsNoClaim(t *testing.T) {
	r := newRig(t, "")
	r.run(r.start(params{}))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.engine.Run(ctx) }()
	epochs := make(chan int64, 1)
	r.hook = func(o work.Operation, _, after bool) error {
		if o.StepName == "c" && after {
			epochs <- o.Epoch
		}
		return nil
	}
	r.start(params{})
	if epoch := <-epochs; epoch != 1 {
		t.Errorf("epoch %d", epoch)
	}
	cancel()
	<-ended
}

// TestThePreemptedAreWaitedForWhateverTheClock has a delete start in a process whose clock is
// behind that of the one which started what is to be deleted.
func TestThePreemptedAreWaitedForWhateverTheClock(t *testing.T) {
	r := newRig(t, "")
	first := r.startOn("paint", "w9")
	r.exec("UPDATE operations SET created_at = ? WHERE id = ?", time.Now().Add(time.Second), first)
	stood := make(chan work.State, 1)
	remove := r.startKind(one("remove", func(ctx context.Context, run *work.Run[params, frame]) error {
		if err := r.engine.WaitForOthers(ctx, run.Operation); err != nil {
			return err
		}
		select {
		case stood <- r.find(first).State:
		default: // the step is repeated when its writes lose a race
		}
		return nil
	}))
	r.exec("UPDATE operations SET resource_id = 'w9' WHERE id = ?", remove)
	r.write(func(tx *db.Tx) error { return r.engine.Preempt(tx, "w9", remove) })
	r.run(remove)
	if state := <-stood; state != work.Failed {
		t.Errorf("the other was %s", state)
	}
}

// TestTheEndIsToldWhateverItIs has operations of one engine end in all three ways.
func TestTheEndIsToldWhateverItIs(t *testing.T) {
	r := newRig(t, "")
	var mu sync.Mutex
	told := map[string]work.State{}
	r.ended = func(tx *db.Tx, o work.Operation) error {
		mu.Lock()
		defer mu.Unlock()
		told[o.ID] = o.State
		return nil
	}
	r.newEngine("")
	abandoned := r.start(params{})
	r.write(func(tx *db.Tx) error { return r.engine.Abandon(tx, abandoned, "test") })
	done, failed := r.run(r.start(params{})), r.run(r.start(params{Refuse: "b"}))
	mu.Lock()
	defer mu.Unlock()
	want := map[string]work.State{abandoned: work.Abandoned, done.ID: work.Done, failed.ID: work.Failed}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Error(diff)
	}
}
