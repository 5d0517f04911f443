package db_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"virga/core/db"
	"virga/core/db/dbtest"
)

// counters makes a table of two rows.
func counters(t *testing.T) *db.DB {
	t.Helper()
	d := dbtest.Open(t)
	if err := d.Write(t.Context(), func(tx *db.Tx) error {
		if _, err := tx.Exec("CREATE TABLE counters (name VARCHAR(20) PRIMARY KEY, n BIGINT NOT NULL)"); err != nil {
			return err
		}
		_, err := tx.Exec("INSERT INTO counters (name, n) VALUES ('a', 1), ('b', 5)")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestOneQueryNeedsNoTransaction(t *testing.T) {
	d := counters(t)
	var n int64
	get := func(tx *db.Tx) error { return tx.Get(&n, "SELECT n FROM counters WHERE name = ?", "b") }
	for range 3 { // the third time it is prepared
		if err := d.ReadOne(t.Context(), get); err != nil || n != 5 {
			t.Fatalf("got %d, %v", n, err)
		}
	}
	if err := d.ReadOne(t.Context(), func(tx *db.Tx) error { return errors.Join(get(tx), get(tx)) }); err == nil {
		t.Error("a second query saw what the first may not have seen")
	}
	if err := d.ReadOne(t.Context(), func(tx *db.Tx) error { _, err := tx.Exec("DELETE FROM counters"); return err }); err == nil {
		t.Error("a reader changed rows")
	}
	if err := d.ReadOne(t.Context(), func(tx *db.Tx) error { return tx.Get(&n, "SELECT n FROM counters WHERE name = ?", "c") }); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestUpdateGetReadsWhatItChanged(t *testing.T) {
	d := counters(t)
	var n int64
	count := func(name string) error {
		return d.Write(t.Context(), func(tx *db.Tx) error {
			return tx.UpdateGet(&n, "counters", "n = n + ?", []any{10}, "n", "name = ?", name)
		})
	}
	if err := count("b"); err != nil || n != 15 {
		t.Errorf("got %d, %v", n, err)
	}
	if err := count("c"); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestListsHaveFewTexts(t *testing.T) {
	texts := map[string]bool{}
	for n := 1; n <= 500; n++ {
		values := make([]string, n)
		for i := range values {
			values[i] = fmt.Sprint(i)
		}
		marks, args := db.In(values)
		texts[marks] = true
		if strings.Count(marks, "?") != len(args) || !slices.Contains(args, any(values[n-1])) || len(args) > 2*n {
			t.Fatalf("%d values: %s, %v", n, marks, args)
		}
	}
	if len(texts) > 11 {
		t.Errorf("%d texts", len(texts))
	}
}
