package db_test

import (
	"context"
	"errors"
	"os"
	"testing"

	"virga/core/db"
)

// TestDatabaseInMemory keeps its rows across transactions, also those that were broken off,
// shares them with nobody and leaves no file.
func TestDatabaseInMemory(t *testing.T) {
	t.Chdir(t.TempDir())
	open := func() *db.DB {
		d, err := db.OpenMemory(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = d.Close() })
		return d
	}
	exec := func(ctx context.Context, d *db.DB, text string) error {
		return d.Write(ctx, func(tx *db.Tx) error { _, err := tx.Exec(text); return err })
	}
	one, other := open(), open()
	for _, d := range []*db.DB{one, other} {
		if err := exec(t.Context(), d, "CREATE TABLE things (id INTEGER)"); err != nil {
			t.Fatal(err)
		}
	}
	if err := exec(t.Context(), one, "INSERT INTO things (id) VALUES (1)"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := one.Write(ctx, func(tx *db.Tx) error {
		if _, err := tx.Exec("INSERT INTO things (id) VALUES (2)"); err != nil {
			return err
		}
		cancel()
		_, err := tx.Exec("INSERT INTO things (id) VALUES (3)")
		return err
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the broken transaction: %v", err)
	}
	for d, want := range map[*db.DB]int{one: 1, one.Intercepted(db.Interception{}): 1, other: 0} {
		var rows int
		if err := d.Read(t.Context(), func(tx *db.Tx) error { return tx.Get(&rows, "SELECT COUNT(*) FROM things") }); err != nil || rows != want {
			t.Errorf("%d rows, not %d: %v", rows, want, err)
		}
	}
	if files, err := os.ReadDir("."); err != nil || len(files) > 0 {
		t.Errorf("files: %v %v", files, err)
	}
}
