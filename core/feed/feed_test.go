package feed_test

import (
	"errors"
	"testing"
	"time"

	"virga/core/db"
	"virga/core/db/dbtest"
	"virga/core/feed"
)

func TestChangesAreReadInOrderAndForgotten(t *testing.T) {
	dbtest.Each(t, testChanges)
}

func testChanges(t *testing.T, engine string) {
	d := dbtest.OpenEngine(t, engine)
	if err := d.Migrate(t.Context(), "feed", feed.Migrations()); err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	record := func(id string, at time.Time, fail error) {
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			if err := feed.Record(tx, feed.Change{At: at, Kind: "server", ID: id, Action: "create", Detail: map[string]any{"n": id}}); err != nil {
				return err
			}
			return fail
		})
		if !errors.Is(err, fail) {
			t.Fatal(err)
		}
	}
	record("a", start, nil)
	record("lost", start, errors.New("rolled back"))
	record("b", start.Add(time.Hour), nil)
	read := func() (ids string) {
		changes, err := feed.After(t.Context(), d, 0, 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range changes {
			ids += c.ID
		}
		return ids
	}
	if got := read(); got != "ab" {
		t.Errorf("read %q", got)
	}
	if err := feed.Prune(t.Context(), d, start.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if got := read(); got != "b" {
		t.Errorf("after pruning %q", got)
	}
	if err := d.Write(t.Context(), func(tx *db.Tx) error {
		for range 2500 {
			if err := feed.Record(tx, feed.Change{At: start, Kind: "server", ID: "old", Action: "update"}); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := feed.Prune(t.Context(), d, start.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if got := read(); got != "b" {
		t.Errorf("after pruning many %.20q", got)
	}
}
