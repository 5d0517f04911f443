package db_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"virga/core/db"
	"virga/core/db/dbtest"
)

type animal struct {
	ID    string            `db:"id"`
	Name  string            `db:"name"`
	Legs  int               `db:"legs"`
	Tame  bool              `db:"tame"`
	Born  time.Time         `db:"born"`
	Owner string            `db:"owner,null"`
	Tags  map[string]string `db:"tags,json"`
	Photo []byte            `db:"photo"`
}

var migrations = fstest.MapFS{"0001_animals.sql": {Data: []byte(`-- +goose Up
CREATE TABLE animals (
  id VARCHAR(64) PRIMARY KEY, name VARCHAR(255) NOT NULL, legs INTEGER NOT NULL, tame INTEGER NOT NULL,
  born BIGINT NOT NULL, owner VARCHAR(64), tags BIGTEXT, photo BYTES
);
CREATE UNIQUE INDEX animals_name ON animals (name);
`)}}

func open(t *testing.T, engine string) *db.DB {
	t.Helper()
	d := dbtest.OpenEngine(t, engine)
	for range 2 { // a second run finds nothing to do
		if err := d.Migrate(t.Context(), "zoo", migrations); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

// each runs a test on a fresh database of each engine.
func each(t *testing.T, test func(t *testing.T, d *db.DB)) {
	t.Helper()
	dbtest.Each(t, func(t *testing.T, engine string) { test(t, open(t, engine)) })
}

func write(t *testing.T, d *db.DB, fn func(*db.Tx) error) {
	t.Helper()
	if err := d.Write(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func TestRowComesBackAsWritten(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		want := animal{
			ID: "1", Name: "Bär", Legs: 4, Tame: true, Born: time.Date(2020, 1, 2, 3, 4, 5, 6000, time.UTC),
			Tags: map[string]string{"a": "?"}, Photo: []byte{0, 1, 255},
		}
		write(t, d, func(tx *db.Tx) error { return tx.Insert("animals", want) })
		want.Legs, want.Owner = 3, "zoo"
		write(t, d, func(tx *db.Tx) error { return tx.Update("animals", &want, "id") })
		var got animal
		if err := d.Read(t.Context(), func(tx *db.Tx) error {
			return tx.Get(&got, "SELECT "+db.Columns(got, "")+" FROM animals WHERE id = ?", "1")
		}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestErrorsAreClassified(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		write(t, d, func(tx *db.Tx) error { return tx.Insert("animals", animal{ID: "1", Name: "x"}) })
		err := d.Write(t.Context(), func(tx *db.Tx) error { return tx.Insert("animals", animal{ID: "2", Name: "x"}) })
		if !errors.Is(err, db.ErrDuplicate) {
			t.Errorf("second row of the same name: %v", err)
		}
		err = d.Write(t.Context(), func(tx *db.Tx) error { return tx.Update("animals", animal{ID: "9", Name: "y"}, "id") })
		if !errors.Is(err, db.ErrNotFound) {
			t.Errorf("update of no row: %v", err)
		}
		var n string
		err = d.Read(t.Context(), func(tx *db.Tx) error { return tx.Get(&n, "SELECT name FROM animals WHERE id = ?", "9") })
		if !errors.Is(err, db.ErrNotFound) {
			t.Errorf("get of no row: %v", err)
		}
		err = d.Read(t.Context(), func(tx *db.Tx) error { _, err := tx.Exec("DELETE FROM animals"); return err })
		if err == nil {
			t.Error("a read transaction wrote")
		}
	})
}

func TestUpsertReplaces(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		for legs := range 3 {
			write(t, d, func(tx *db.Tx) error { return tx.Upsert("animals", animal{ID: "1", Name: "x", Legs: legs}, "id") })
		}
		var legs []int
		if err := d.Read(t.Context(), func(tx *db.Tx) error { return tx.Select(&legs, "SELECT legs FROM animals") }); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]int{2}, legs); diff != "" {
			t.Error(diff)
		}
	})
}

func TestFailedTransactionLeavesNothing(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		rang := false
		boom := errors.New("boom")
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			tx.AfterCommit(func() { rang = true })
			if err := tx.Insert("animals", animal{ID: "1", Name: "x"}); err != nil {
				return err
			}
			return boom
		})
		var n int
		if readErr := d.Read(t.Context(), func(tx *db.Tx) error { return tx.Get(&n, "SELECT COUNT(*) FROM animals") }); readErr != nil {
			t.Fatal(readErr)
		}
		if !errors.Is(err, boom) || rang || n != 0 {
			t.Errorf("error %v, doorbell %v, %d rows", err, rang, n)
		}
	})
}

func TestNestedTransactionIsRefused(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			if !db.InTx(tx.Context()) {
				t.Error("the context does not know its transaction")
			}
			return d.Read(tx.Context(), func(*db.Tx) error { return nil })
		})
		if err == nil {
			t.Error("a transaction began inside another")
		}
	})
}

func TestWritersDoNotLoseUpdates(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		write(t, d, func(tx *db.Tx) error { return tx.Insert("animals", animal{ID: "1", Name: "x"}) })
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 10 {
					if err := d.Write(context.Background(), func(tx *db.Tx) error {
						var legs int
						if err := tx.Get(&legs, "SELECT legs FROM animals WHERE id = ?", "1"); err != nil {
							return err
						}
						_, err := tx.Exec("UPDATE animals SET legs = ? WHERE id = ?", legs+1, "1")
						return err
					}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		var legs int
		if err := d.Read(t.Context(), func(tx *db.Tx) error { return tx.Get(&legs, "SELECT legs FROM animals") }); err != nil {
			t.Fatal(err)
		}
		if legs != 80 {
			t.Errorf("80 increments gave %d", legs)
		}
	})
}

// TestPagesCoverTheList walks lists of every order in pages and compares with one whole read.
func TestPagesCoverTheList(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		write(t, d, func(tx *db.Tx) error {
			for i := range 23 {
				if err := tx.Insert("animals", animal{ID: fmt.Sprintf("%02d", (i*7)%23), Name: fmt.Sprint(i), Legs: i % 3}); err != nil {
					return err
				}
			}
			return nil
		})
		for _, order := range [][]db.Order{nil, {{Column: "legs"}}, {{Column: "legs", Descending: true}, {Column: "name"}}, {{Column: "id", Descending: true}}} {
			page := func(marker string, limit int, backwards bool) []animal {
				var rows []animal
				if err := d.Read(t.Context(), func(tx *db.Tx) error {
					l := &db.List{From: "animals", Key: "id", Order: order, Marker: marker, Limit: limit, Backwards: backwards}
					l.Where("legs < ?", 2)
					return tx.List(&rows, l)
				}); err != nil {
					t.Fatal(err)
				}
				return rows
			}
			all := page("", 100, false)
			if len(all) != 16 {
				t.Fatalf("%d rows", len(all))
			}
			var walked []animal
			for marker := ""; ; marker = walked[len(walked)-1].ID {
				rows := page(marker, 5, false)
				if len(rows) == 0 {
					break
				}
				walked = append(walked, rows...)
			}
			if diff := cmp.Diff(all, walked); diff != "" {
				t.Errorf("order %v: %s", order, diff)
			}
			if diff := cmp.Diff(all[2:5], page(all[5].ID, 3, true)); diff != "" {
				t.Errorf("backwards, order %v: %s", order, diff)
			}
		}
		err := d.Read(t.Context(), func(tx *db.Tx) error {
			var rows []animal
			return tx.List(&rows, &db.List{From: "animals", Key: "id", Marker: "nobody", Limit: 3})
		})
		if !errors.Is(err, db.ErrMarker) {
			t.Errorf("unknown marker: %v", err)
		}
	})
}
