package db_test

import (
	"context"
	"errors"
	"testing"

	"virga/core/db"
	"virga/core/db/dbtest"
)

// TestInterceptionDecidesAboutTransactions refuses one at its beginning and hides the
// commit of another.
func TestInterceptionDecidesAboutTransactions(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, engine string) {
		d := dbtest.OpenEngine(t, engine)
		gone := errors.New("the process is gone")
		var begin, committed error
		writes := 0
		d = d.Intercepted(db.Interception{
			Begin: func(_ context.Context, write bool) error {
				if write {
					writes++
				}
				return begin
			},
			Committed: func(context.Context, bool) error { return committed },
		})
		count, rang := 0, 0
		put := func() error {
			return d.Write(t.Context(), func(tx *db.Tx) error {
				tx.AfterCommit(func() { rang++ })
				_, err := tx.Exec("INSERT INTO things (id) VALUES (?)", rang)
				return err
			})
		}
		look := func() error {
			return d.Read(t.Context(), func(tx *db.Tx) error { return tx.Get(&count, "SELECT COUNT(*) FROM things") })
		}
		if err := d.Write(t.Context(), func(tx *db.Tx) error { _, err := tx.Exec("CREATE TABLE things (id INTEGER)"); return err }); err != nil {
			t.Fatal(err)
		}
		begin = gone
		if err := errors.Join(put(), look()); !errors.Is(err, gone) {
			t.Errorf("refused at the beginning: %v", err)
		}
		begin, committed = nil, gone
		if err := put(); !errors.Is(err, gone) {
			t.Errorf("hidden commit: %v", err)
		}
		committed = nil
		if err := look(); err != nil || count != 1 || rang != 0 || writes != 3 {
			t.Errorf("%d rows, %d bells, %d writes, %v", count, rang, writes, err)
		}
	})
}
