package work_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"virga/core/clock"
	"virga/core/db"
	"virga/core/work"
)

// office is a process with some of the roles over a rig's database.
type office struct {
	name   string
	roles  []string
	engine *work.Engine
	mu     sync.Mutex
	did    []string
	stop   func()
}

// relay is a kind of which every second step is the runner's; the offices note who did what.
func (r *rig) newOffice(name string, roles ...string) *office {
	r.t.Helper()
	o := &office{name: name, roles: roles}
	kind := work.Kind[params, frame]{Name: "relay", Deadline: time.Hour}
	for i, step := range []string{"a", "b", "c", "d"} {
		note := func(what string) error {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.did = append(o.did, what)
			return nil
		}
		kind.Steps = append(kind.Steps, work.Step[params, frame]{Name: step, Role: []string{"", "runner"}[i%2],
			Do: func(_ context.Context, run *work.Run[params, frame]) error {
				if run.Params.Refuse == step {
					return work.Failf("no")
				}
				return note(step)
			},
			Undo: func(context.Context, *work.Run[params, frame]) error { return note("-" + step) },
		})
	}
	o.engine = work.New(work.Config{Service: "test", Owner: name, DB: r.db, Bus: r.bus, Clock: clock.System{}, Log: slog.New(r.log), Roles: roles})
	if err := o.engine.Register(kind); err != nil {
		r.t.Fatal(err)
	}
	return o
}

func (o *office) open(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- o.engine.Run(ctx) }()
	var once sync.Once
	o.stop = func() { once.Do(func() { cancel(); <-done }) }
	t.Cleanup(o.stop)
}

func (r *rig) find(id string) (o work.Operation) {
	r.t.Helper()
	if err := r.db.Read(r.t.Context(), func(tx *db.Tx) (err error) { o, err = work.Find(tx, id); return err }); err != nil {
		r.t.Fatal(err)
	}
	return o
}

// await waits until an operation is as wished for.
func (r *rig) await(id, what string, true func(o work.Operation) bool) work.Operation {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 20*time.Second)
	defer cancel()
	for {
		o := r.find(id)
		if true(o) {
			return o
		}
		select {
		case <-ctx.Done():
			r.t.Fatalf("waited in vain for operation %s to be %s: %+v", id, what, o)
		case <-time.After(time.Millisecond):
		}
	}
}

func ended(o work.Operation) bool { return !o.FinishedAt.IsZero() }

func (r *rig) startRelay(by *office, p params) (id string) {
	r.t.Helper()
	r.write(func(tx *db.Tx) (err error) {
		id, err = by.engine.Start(tx, work.Order{Kind: "relay", ResourceID: "w1", Params: p})
		return err
	})
	return id
}

// TestStepsGoToThoseWhoHaveTheRole has two processes share an operation, there and back.
func TestStepsGoToThoseWhoHaveTheRole(t *testing.T) {
	for refuse, want := range map[string][2][]string{
		"":  {{"a", "c"}, {"b", "d"}},
		"d": {{"a", "c", "-c", "-a"}, {"b", "-d", "-b"}},
	} {
		r := newRig(t, "")
		desk, track := r.newOffice("desk", work.Conductor), r.newOffice("track", "runner")
		desk.open(t)
		track.open(t)
		began := time.Now()
		r.await(r.startRelay(desk, params{Refuse: refuse}), "ended", ended)
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("refuse %q: it took %s, so a bell was missed", refuse, took)
		}
		desk.stop()
		track.stop()
		if diff := cmp.Diff(want, [2][]string{desk.did, track.did}); diff != "" {
			t.Errorf("refuse %q: %s", refuse, diff)
		}
	}
}

// TestOtherRolesHideNothing has more operations wait for another role than the dispatcher
// reads at a time, all of them due for longer.
func TestOtherRolesHideNothing(t *testing.T) {
	for _, role := range []string{work.Conductor, "runner"} {
		t.Run(role, func(t *testing.T) {
			r := newRig(t, "")
			o := r.newOffice("desk", role)
			other, own := "b", "a"
			if role == "runner" {
				other, own = own, other
			}
			place := func(tx *db.Tx, step string) (string, error) {
				id, err := o.engine.Start(tx, work.Order{Kind: "relay"})
				if err != nil {
					return "", err
				}
				_, err = tx.Exec("UPDATE operations SET step = ?, step_name = ? WHERE id = ?", int(step[0]-'a'), step, id)
				return id, err
			}
			var foreign, mine string
			r.write(func(tx *db.Tx) (err error) {
				for range 400 {
					if foreign, err = place(tx, other); err != nil {
						return err
					}
				}
				mine, err = place(tx, own)
				return err
			})
			o.open(t)
			r.await(mine, "a step further", func(o work.Operation) bool { return o.StepName != own })
			if there := r.find(foreign); there.StepName != other || there.Epoch != 0 {
				t.Errorf("an operation of another role was touched: %+v", there)
			}
		})
	}
}

// TestAProcessMayReturnWithOtherRoles restarts the only process with the role that lacked.
func TestAProcessMayReturnWithOtherRoles(t *testing.T) {
	r := newRig(t, "")
	desk := r.newOffice("desk", work.Conductor)
	desk.open(t)
	id := r.startRelay(desk, params{})
	o := r.await(id, "at the runner's step", func(o work.Operation) bool { return o.StepName == "b" })
	if !o.LeaseUntil.IsZero() {
		t.Errorf("the lease is kept until %s", o.LeaseUntil)
	}
	desk.stop()
	for i, roles := range [][]string{{"runner"}, {work.Conductor}, nil} {
		desk = r.newOffice("desk", roles...)
		desk.open(t)
		want := []string{"c", "d", "d"}[i]
		r.await(id, fmt.Sprint("carried by ", roles), func(o work.Operation) bool { return o.StepName == want })
		if i == 2 {
			r.await(id, "ended", ended)
		}
		desk.stop()
	}
}
