package work_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"virga/core/db"
	"virga/core/work"
)

// family registers the kind paint's parent: "begin" starts two children that paint walls of
// their own, "wait" waits for them, "last" comes after.
func (r *rig) family(last func(ctx context.Context, run *work.Run[params, frame]) error, pivot bool) {
	r.t.Helper()
	r.painted = func(o work.Operation, step string) string { return o.ResourceID + "/" + step }
	kind := work.Kind[params, frame]{Name: "family", Deadline: time.Hour, Steps: []work.Step[params, frame]{
		{Name: "begin",
			Do: func(_ context.Context, run *work.Run[params, frame]) error {
				for _, wall := range []string{"north", "south"} {
					p := params{}
					if run.Params.Refuse == wall {
						p.Refuse = "b"
					}
					run.StartChild(work.Order{Kind: "paint", ResourceKind: "wall", ResourceID: wall, Params: p})
				}
				return nil
			},
			Undo: func(context.Context, *work.Run[params, frame]) error {
				r.world.set("begin was undone among "+join(r.world.list()), true)
				return nil
			}},
		{Name: "wait", Pivot: pivot, Do: func(ctx context.Context, run *work.Run[params, frame]) error { return run.WaitChildren(ctx) }},
		{Name: "last", Do: last},
	}}
	if err := r.engine.Register(kind); err != nil {
		r.t.Fatal(err)
	}
}

func join(marks map[string]bool) string {
	text := ""
	for mark := range marks {
		text += mark
	}
	return text
}

func (r *rig) children(id string) (list []work.Operation) {
	r.t.Helper()
	if err := r.db.Read(r.t.Context(), func(tx *db.Tx) (err error) { list, err = work.Children(tx, id); return err }); err != nil {
		r.t.Fatal(err)
	}
	return list
}

func well(context.Context, *work.Run[params, frame]) error { return nil }

var (
	bothWalls = map[string]bool{"north/a": true, "north/b": true, "north/c": true, "south/a": true, "south/b": true, "south/c": true}
	// bare is what is left when everything was undone, the children before the step that started them.
	bare = map[string]bool{"begin was undone among ": true}
)

func TestParentWaitsForItsChildren(t *testing.T) {
	r := newRig(t, "")
	seen := map[string]bool{}
	r.family(func(context.Context, *work.Run[params, frame]) error { seen = r.world.list(); return nil }, false)
	began := time.Now()
	o := r.run(r.startOn("family", "house"))
	r.expect(o, work.Done, bothWalls)
	if diff := cmp.Diff(bothWalls, seen); diff != "" {
		t.Errorf("the step after the wait saw %s", diff)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s, so the children did not wake their parent", took)
	}
	for _, child := range r.children(o.ID) {
		if child.ParentID != o.ID || child.ParentStep != "begin" || child.State != work.Done {
			t.Errorf("child %+v", child)
		}
	}
}

func TestAFailedChildFailsItsParent(t *testing.T) {
	r := newRig(t, "")
	r.family(well, false)
	r.failed = make(chan string, 10)
	id := ""
	r.write(func(tx *db.Tx) (err error) {
		id, err = r.engine.Start(tx, work.Order{Kind: "family", ResourceID: "house", Params: params{Refuse: "south"}})
		return err
	})
	o := r.run(id)
	r.expect(o, work.Failed, bare)
	if o.Error != "b does not fit" {
		t.Errorf("the parent says %q", o.Error)
	}
	for _, child := range r.children(id) {
		if child.State != work.Failed || child.ParentStep != "" {
			t.Errorf("child %+v", child)
		}
	}
}

// TestUndoReachesFinishedChildren has the parent fail after its children have ended.
func TestUndoReachesFinishedChildren(t *testing.T) {
	r := newRig(t, "")
	r.failed = make(chan string, 10)
	r.family(func(context.Context, *work.Run[params, frame]) error { return work.Failf("no money") }, false)
	o := r.run(r.startOn("family", "house"))
	r.expect(o, work.Failed, bare)
	if reason := <-r.failed; reason != work.ErrRecalled.Error() || o.Error != "no money" {
		t.Errorf("the child says %q, the parent %q", reason, o.Error)
	}
}

// TestFinishedChildrenPastTheirPivotStay is TestUndoReachesFinishedChildren for a kind with
// a point of no return.
func TestFinishedChildrenPastTheirPivotStay(t *testing.T) {
	r := newRig(t, "b")
	r.family(func(context.Context, *work.Run[params, frame]) error { return work.Failf("no money") }, false)
	o := r.run(r.startOn("family", "house"))
	if o.State != work.Failed {
		t.Errorf("the parent is %s", o.State)
	}
	for _, child := range r.children(o.ID) {
		if child.State != work.Done {
			t.Errorf("child %+v", child)
		}
	}
}

// TestCancelReachesChildren cancels the parent while its children are at every border.
func TestCancelReachesChildren(t *testing.T) {
	for _, step := range []string{"a", "b", "c"} {
		for _, after := range []bool{false, true} {
			r := newRig(t, "")
			r.failed = make(chan string, 10)
			r.family(well, false)
			hits := 0
			r.hook = func(o work.Operation, undo, isAfter bool) error {
				if o.ResourceID != "north" || o.StepName != step || undo || isAfter != after {
					return nil
				}
				hits++
				return r.db.Write(t.Context(), func(tx *db.Tx) error { return r.engine.Preempt(tx, "house", "") })
			}
			o := r.run(r.startOn("family", "house"))
			r.expect(o, work.Failed, bare)
			if o.Error != work.ErrCancelled.Error() || hits == 0 {
				t.Errorf("%s after=%t: %q, cancelled %d times", step, after, o.Error, hits)
			}
		}
	}
}

// TestBackStartsChildrenAnew has the parent begin again: the first children are undone, the
// new ones alone are waited for.
func TestBackStartsChildrenAnew(t *testing.T) {
	r := newRig(t, "")
	r.failed = make(chan string, 10)
	backs := 0
	r.family(func(context.Context, *work.Run[params, frame]) error {
		if backs++; backs == 1 {
			return work.Back("begin", errors.New("other colours"))
		}
		return nil
	}, false)
	o := r.run(r.startOn("family", "house"))
	want := map[string]bool{"begin was undone among ": true}
	for mark := range bothWalls {
		want[mark] = true
	}
	r.expect(o, work.Done, want)
	var states []work.State
	for _, child := range r.children(o.ID) {
		states = append(states, child.State)
	}
	slices.Sort(states)
	if diff := cmp.Diff([]work.State{work.Done, work.Done, work.Failed, work.Failed}, states); diff != "" {
		t.Error(diff)
	}
}

// TestAChildMayWaitForOthersOnItsParentsResource has a child wait until it is alone, but for
// those that wait for it.
func TestAChildMayWaitForOthersOnItsParentsResource(t *testing.T) {
	r := newRig(t, "")
	generation := func(name, child string) work.Kind[params, frame] {
		return work.Kind[params, frame]{Name: name, Deadline: time.Hour, Steps: []work.Step[params, frame]{
			{Name: "begin", Do: func(_ context.Context, run *work.Run[params, frame]) error {
				run.StartChild(work.Order{Kind: child, ResourceID: "house"})
				return nil
			}},
			{Name: "wait", Do: func(ctx context.Context, run *work.Run[params, frame]) error { return run.WaitChildren(ctx) }},
		}}
	}
	alone := one("child", func(ctx context.Context, run *work.Run[params, frame]) error {
		return r.engine.WaitForOthers(ctx, run.Operation)
	})
	if err := r.engine.Register(generation("grandparent", "parent"), generation("parent", "child"), alone); err != nil {
		t.Fatal(err)
	}
	r.expect(r.run(r.startOn("grandparent", "house")), work.Done, nothing)
}

// TestChildrenAreKeptAsLongAsTheirParent forgets what ended long ago.
func TestChildrenAreKeptAsLongAsTheirParent(t *testing.T) {
	r := newRig(t, "")
	stop := make(chan struct{})
	r.family(func(context.Context, *work.Run[params, frame]) error {
		close(stop)
		return work.Wait(time.Hour)
	}, false)
	id := r.startOn("family", "house")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.engine.Run(ctx) }()
	<-stop
	cancel()
	<-done
	forget := func() (gone int) {
		r.write(func(tx *db.Tx) error {
			ids, err := work.Forget(tx, time.Now().Add(time.Hour), 10)
			gone = len(ids)
			return err
		})
		return gone
	}
	if gone := forget(); gone != 0 || len(r.children(id)) != 2 {
		t.Errorf("%d were forgotten under their parent", gone)
	}
	r.write(func(tx *db.Tx) error { return r.engine.Abandon(tx, id, "test") })
	if gone := forget(); gone != 3 || len(r.children(id)) != 0 {
		t.Errorf("%d of 3 were forgotten", gone)
	}
	events := 0
	r.write(func(tx *db.Tx) error { return tx.Get(&events, "SELECT COUNT(*) FROM operation_events") })
	if events != 0 {
		t.Errorf("%d events are left of operations that were forgotten", events)
	}
}
