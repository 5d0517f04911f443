package worktest_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"virga/core/bus"
	"virga/core/clock"
	"virga/core/db"
	"virga/core/db/dbtest"
	"virga/core/work"
	"virga/core/work/worktest"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

// mistake is something that a kind's author may get wrong.
type mistake string

// shop is a small service: things are made of a sketch and a body, and scrapped.
type shop struct {
	t       testing.TB
	db      *db.DB
	bus     *bus.Local
	mistake mistake
	engine  *work.Engine
	die     func()
	mu      sync.Mutex
	hook    worktest.Hook
	cut     bool
	marks   worktest.Set
	made    int
}

type none struct{}

type run = work.Run[none, none]

const thing = "thing 1"

func open(t *testing.T, d *db.DB) *shop { return openWith(t, d, "") }

func openWith(t *testing.T, d *db.DB, m mistake) *shop {
	t.Helper()
	s := &shop{t: t, db: d, bus: bus.NewLocal(), mistake: m, marks: worktest.Set{}}
	if err := d.Migrate(t.Context(), "work", work.Migrations()); err != nil {
		t.Fatal(err)
	}
	s.write(func(tx *db.Tx) error {
		_, err := tx.Exec("CREATE TABLE things (id VARCHAR(64) PRIMARY KEY, state VARCHAR(16) NOT NULL)")
		return err
	})
	s.Live()
	t.Cleanup(func() { s.die() })
	return s
}

func (s *shop) write(fn func(tx *db.Tx) error) {
	s.t.Helper()
	if err := s.db.Write(context.Background(), fn); err != nil {
		s.t.Fatal(err)
	}
}

func (s *shop) Engine() *work.Engine { return s.engine }
func (s *shop) DB() *db.DB           { return s.db }
func (s *shop) Die()                 { s.die() }
func (s *shop) Cut(string)           { s.setCut(true) }
func (s *shop) Mend()                { s.setCut(false) }

func (s *shop) setCut(cut bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut = cut
}

func (s *shop) SetHook(hook worktest.Hook) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hook = hook
}

func (s *shop) Live() {
	s.engine = work.New(work.Config{Service: "shop", Owner: "me", DB: s.db, Bus: s.bus, Clock: clock.System{},
		Log: slog.New(slog.DiscardHandler), Hook: func(o work.Operation, undo, after bool) error {
			s.mu.Lock()
			hook := s.hook
			s.mu.Unlock()
			if hook == nil {
				return nil
			}
			return hook(o, undo, after)
		}})
	if err := s.engine.Register(s.makeThing(), s.scrapThing()); err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.engine.Run(ctx) }()
	s.die = func() { cancel(); <-done; s.die = func() {} }
}

// put makes or removes a mark; nothing can be reached while the shop is cut off.
func (s *shop) put(mark string, there bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.cut:
		return errors.New("nobody answers")
	case there && s.mistake == "not repeatable":
		s.made++
		mark += fmt.Sprint(" number ", s.made)
	}
	delete(s.marks, mark)
	if there {
		s.marks[mark] = true
	}
	return nil
}

func (s *shop) step(part string) work.Step[none, none] {
	step := work.Step[none, none]{Name: part,
		Do:   func(_ context.Context, r *run) error { return s.put(part+" of "+r.Operation.ResourceID, true) },
		Undo: func(_ context.Context, r *run) error { return s.put(part+" of "+r.Operation.ResourceID, false) }}
	if part == "body" && s.mistake == "no undo" {
		step.Undo = nil
	}
	if part == "sketch" && s.mistake == "undo that counts" {
		undone := false
		step.Undo = func(_ context.Context, r *run) error {
			if undone {
				return errors.New("it is undone already")
			}
			undone = true
			return s.put(part+" of "+r.Operation.ResourceID, false)
		}
	}
	return step
}

func (s *shop) makeThing() work.Registrable {
	deadline := time.Hour
	return work.Kind[none, none]{Name: "make", Deadline: deadline, Steps: []work.Step[none, none]{s.step("sketch"), s.step("body")},
		Finished: func(tx *db.Tx, r *run) error { return setState(tx, r.Operation.ResourceID, "ready") },
		Failed: func(tx *db.Tx, r *run, _ string) error {
			if s.mistake == "left in transition" {
				return nil
			}
			return setState(tx, r.Operation.ResourceID, "broken")
		}}
}

func setState(tx *db.Tx, id, state string) error {
	_, err := tx.Exec("UPDATE things SET state = ? WHERE id = ?", state, id)
	return err
}

func (s *shop) scrapThing() work.Registrable {
	const forEver = 1 << 30
	return work.Kind[none, none]{Name: "scrap", Deadline: 1000 * time.Hour, Steps: []work.Step[none, none]{
		{Name: "alone", Tries: forEver, Pivot: true, Do: func(ctx context.Context, r *run) error {
			return s.engine.WaitForOthers(ctx, r.Operation)
		}},
		{Name: "remove", Tries: forEver, Do: func(_ context.Context, r *run) error {
			if s.mistake == "scrap is lost" {
				s.made++
				if s.made == 1 {
					return nil // as if it was done: a repeat is needed
				}
			}
			return errors.Join(s.put("sketch of "+r.Operation.ResourceID, false), s.put("body of "+r.Operation.ResourceID, false))
		}},
		{Name: "forget", Tries: forEver, Do: func(_ context.Context, r *run) error {
			r.InCommit(func(tx *db.Tx) error {
				_, err := tx.Exec("DELETE FROM things WHERE id = ?", r.Operation.ResourceID)
				return err
			})
			return nil
		}},
	}}
}

// Delete cancels what is at work and scraps the thing.
func (s *shop) Delete(id string) {
	s.write(func(tx *db.Tx) error {
		var there int
		if err := tx.Get(&there, "SELECT COUNT(*) FROM things WHERE id = ?", id); err != nil || there == 0 {
			return err
		}
		live, err := work.Unfinished(tx, id)
		if err != nil || slices.ContainsFunc(live[id], func(o work.Operation) bool { return o.Kind == "scrap" }) {
			return err
		}
		o, err := s.engine.Start(tx, work.Order{Kind: "scrap", ResourceID: id})
		if err != nil {
			return err
		}
		return s.engine.Preempt(tx, id, o)
	})
}

func (s *shop) make() string {
	s.write(func(tx *db.Tx) error {
		if _, err := tx.Exec("INSERT INTO things (id, state) VALUES (?, 'making')", thing); err != nil {
			return err
		}
		_, err := s.engine.Start(tx, work.Order{Kind: "make", ResourceID: thing})
		return err
	})
	return thing
}

func (s *shop) states() map[string]string {
	var rows []struct {
		ID    string `db:"id"`
		State string `db:"state"`
	}
	if err := s.db.Read(context.Background(), func(tx *db.Tx) error { return tx.Select(&rows, "SELECT id, state FROM things") }); err != nil {
		s.t.Fatal(err)
	}
	states := map[string]string{}
	for _, row := range rows {
		states[row.ID] = row.State
	}
	return states
}

func (s *shop) Views() (store, world worktest.Set) {
	store = worktest.Set{}
	for id, state := range s.states() {
		if state == "ready" {
			store["sketch of "+id], store["body of "+id] = true, true
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return store, maps.Clone(s.marks)
}

func (s *shop) Transitional() (ids []string) {
	for id, state := range s.states() {
		if state == "making" {
			ids = append(ids, id)
		}
	}
	return ids
}

func subjects() []worktest.Subject[*shop] {
	return []worktest.Subject[*shop]{
		{Kind: "make", Start: func(s *shop) string { return s.make() }},
		{Kind: "scrap",
			Before: func(s *shop) {
				s.make()
				for s.states()[thing] != "ready" {
					time.Sleep(time.Millisecond)
				}
			},
			Start: func(s *shop) string { s.Delete(thing); return thing }},
	}
}

func TestAShopThatIsRight(t *testing.T) { worktest.Run(t, open, subjects()...) }

// TestMistakesAreCaught makes one mistake at a time and names the proof that must complain.
func TestMistakesAreCaught(t *testing.T) {
	for _, c := range []struct {
		mistake     mistake
		kind, proof string
		complaint   string
	}{
		{"not repeatable", "make", "repeat", "number"},
		{"not repeatable", "make", "crash", "number"},
		{"no undo", "make", "fail", "body of thing 1"},
		{"no undo", "make", "time out", "body of thing 1"},
		{"no undo", "make", "delete", ""},
		{"left in transition", "make", "fail", "in transition"},
		{"undo that counts", "make", "undo twice", "in vain"},
		{"scrap is lost", "scrap", "repeat", "sketch of thing 1"},
	} {
		t.Run(string(c.mistake)+"/"+c.kind+"/"+c.proof, func(t *testing.T) {
			t.Parallel()
			for _, subject := range subjects() {
				if subject.Kind != c.kind {
					continue
				}
				said := worktest.Caught(t, func(t *testing.T, d *db.DB) *shop { return openWith(t, d, c.mistake) }, subject, c.proof)
				if c.complaint == "" && said != "" || c.complaint != "" && !strings.Contains(said, c.complaint) {
					t.Errorf("it says %q, want %q in it", said, c.complaint)
				}
			}
		})
	}
}

// TestABorderThatIsNotReachedIsAMistake proves that a fault which never struck is no success.
func TestABorderThatIsNotReachedIsAMistake(t *testing.T) {
	idle := subjects()[1]
	idle.Kind = "make" // it starts the other kind
	if said := worktest.Caught(t, open, idle, "repeat"); !strings.Contains(said, "never came to the border") {
		t.Errorf("it says %q", said)
	}
}
