package placement

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"virga/core/clock"
	"virga/core/db"
	"virga/core/db/dbtest"
)

// copied is what a scheduler makes of the answers.
type copied map[string]string

func (c copied) take(view followView) {
	if view.Whole {
		clear(c)
	}
	for _, p := range view.Providers {
		c[p.UUID] = fmt.Sprint(view.Names[p.Traits], p.Aggregates, p.Resources)
	}
	for _, uuid := range view.Gone {
		delete(c, uuid)
	}
}

func (c copied) lines() []string {
	var lines []string
	for uuid, text := range c {
		lines = append(lines, uuid+" "+text)
	}
	slices.Sort(lines)
	return lines
}

// TestFollowersKeepACopy makes random changes; whoever takes the answers one after the
// other has what one who asks for everything gets.
func TestFollowersKeepACopy(t *testing.T) {
	d := dbtest.Open(t)
	if err := d.Migrate(t.Context(), "placement", folder(migrationFiles, "migrations")); err != nil {
		t.Fatal(err)
	}
	ids := clock.NewSeeded(7, time.Unix(0, 0))
	random := rand.New(rand.NewPCG(5, 6))
	known := newImage(d, ids)
	ask := func(cursor string) (view followView) {
		if err := known.look(t.Context(), func(f *forest) error { view = f.changesSince(known.name, cursor); return nil }); err != nil {
			t.Fatal(err)
		}
		return view
	}
	follower, cursor, partial := copied{}, "", 0
	for round := range 150 {
		if err := d.Write(t.Context(), func(tx *db.Tx) error { return changeSomething(tx, random, ids) }); err != nil {
			t.Fatal(err)
		}
		if round == 100 { // another process answers from now on
			known = newImage(d, ids)
		}
		view := ask(cursor)
		if view.Whole != (cursor == "" || round == 100) {
			t.Fatalf("round %d: whole is %v", round, view.Whole)
		}
		if !view.Whole && len(view.Providers) < len(known.forest.nodes) {
			partial++
		}
		follower.take(view)
		cursor = view.Cursor
		all := copied{}
		all.take(ask(""))
		if diff := cmp.Diff(all.lines(), follower.lines()); diff != "" {
			t.Fatalf("round %d:\n%s", round, diff)
		}
		if again := ask(cursor); again.Whole || len(again.Providers)+len(again.Gone) > 0 {
			t.Fatalf("round %d: nothing changed, yet the answer is %+v", round, again)
		}
	}
	if partial < 50 {
		t.Errorf("only %d answers were partial", partial)
	}
}
