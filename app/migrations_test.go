package app

import (
	"path/filepath"
	"testing"

	"virga/core/db"
)

// TestMigrationsAreTended looks whether every part of a cloud says that it lives, as what
// waits for its end has to know: at an orderly end it takes that back.
func TestMigrationsAreTended(t *testing.T) {
	folder := t.TempDir()
	t.Run("a cloud lives", func(t *testing.T) { startOn(t, "sqlite:"+folder) })
	files, err := filepath.Glob(filepath.Join(folder, "*.sqlite"))
	if err != nil || len(files) < 6 {
		t.Fatalf("found %v, %v", files, err)
	}
	for _, file := range files {
		d, err := db.Open(t.Context(), "sqlite:"+file)
		if err != nil {
			t.Fatal(err)
		}
		var owners, alive int
		if err := d.Read(t.Context(), func(tx *db.Tx) error {
			if err := tx.Get(&owners, "SELECT COUNT(*) FROM schema_owners"); err != nil {
				return err
			}
			return tx.Get(&alive, "SELECT COUNT(*) FROM schema_processes")
		}); err != nil || owners == 0 || alive != 0 {
			t.Errorf("%s: %d owners, %d processes live, %v", filepath.Base(file), owners, alive, err)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}
