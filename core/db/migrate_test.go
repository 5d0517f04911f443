package db_test

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"virga/core/db"
	"virga/core/db/dbtest"
)

// The migrations of a town: two releases are out, the third is being written.
const (
	townFile    = "CREATE TABLE houses (id VARCHAR(36) PRIMARY KEY, owner VARCHAR(64) NOT NULL);\n"
	holderFile  = "-- The holder is who the owner was.\nALTER TABLE houses ADD COLUMN holder VARCHAR(64) NOT NULL DEFAULT '';\nCREATE INDEX houses_holder ON houses (holder);\n"
	fillFile    = "-- table: houses\n-- key: id\nUPDATE houses SET holder = owner WHERE id BETWEEN ? AND ? AND holder = '';\n"
	unownedFile = "-- needs: 0003\nALTER TABLE houses DROP COLUMN owner;\n"
	roofFile    = "ALTER TABLE houses ADD COLUMN roof INTEGER NOT NULL DEFAULT 0;\n"
)

// town has the first files of the town.
func town(count int) fs.FS {
	files := fstest.MapFS{}
	for i, file := range []struct{ name, text string }{{"0001_town.sql", townFile}, {"0002_holder.sql", holderFile},
		{"0003_holder.backfill.sql", fillFile}, {"0004_owner.contract.sql", unownedFile}, {"0005_roof.sql", roofFile}} {
		if i < count {
			files[file.name] = &fstest.MapFile{Data: []byte(file.text)}
		}
	}
	return files
}

var townReleases = []db.Released{{Release: "v1", Owner: "town", File: "0001_town.sql"}, {Release: "v2", Owner: "town", File: "0002_holder.sql"},
	{Release: "v2", Owner: "town", File: "0003_holder.backfill.sql"}, {Release: "v2", Owner: "other", File: "0009_other.sql"}}

// newcomer is another process on the same tables, which knows so many files.
func newcomer(t *testing.T, address string, count int) (*db.DB, error) {
	t.Helper()
	d, err := db.Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d, d.MigrateReleased(t.Context(), townReleases, "town", town(count))
}

func settled(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// advance goes on until nothing is to be done at once.
func advance(t *testing.T, d *db.DB) {
	t.Helper()
	for range 1000 {
		pending, err := d.Advance(t.Context())
		settled(t, err)
		if !pending {
			return
		}
	}
	t.Fatal("the migrations come to no end")
}

// columns are those of a table.
func columns(t *testing.T, d *db.DB, table string) []string {
	t.Helper()
	text := "SELECT column_name AS name FROM information_schema.columns WHERE table_name = ? AND table_schema = current_schema() ORDER BY 1"
	switch d.Engine() {
	case "sqlite":
		text = "SELECT name FROM pragma_table_info(?) ORDER BY 1"
	case "mysql":
		text = strings.Replace(text, "current_schema()", "DATABASE()", 1)
	}
	var names []string
	settled(t, d.Read(t.Context(), func(tx *db.Tx) error { return tx.Select(&names, text, table) }))
	return names
}

func applied(t *testing.T, d *db.DB, owner string) (versions []int64) {
	t.Helper()
	settled(t, d.Read(t.Context(), func(tx *db.Tx) error {
		return tx.Select(&versions, "SELECT version_id FROM "+owner+"_schema WHERE version_id > 0 ORDER BY version_id")
	}))
	return versions
}

func eachAddress(t *testing.T, test func(t *testing.T, address string)) {
	t.Helper()
	dbtest.Each(t, func(t *testing.T, engine string) { test(t, dbtest.URL(t, engine)) })
}

func addHouses(t *testing.T, d *db.DB, from, to int) {
	t.Helper()
	write(t, d, func(tx *db.Tx) error {
		for i := from; i < to; i++ {
			if _, err := tx.Exec("INSERT INTO houses (id, owner) VALUES (?, ?)", fmt.Sprintf("%05d", i), fmt.Sprint("owner of ", i)); err != nil {
				return err
			}
		}
		return nil
	})
}

func TestFreshTablesGetEverythingAtOnce(t *testing.T) {
	eachAddress(t, func(t *testing.T, address string) {
		d, err := newcomer(t, address, 5)
		settled(t, err)
		if diff := cmp.Diff([]string{"holder", "id", "roof"}, columns(t, d, "houses")); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]int64{1, 2, 3, 4, 5}, applied(t, d, "town")); diff != "" {
			t.Error(diff)
		}
	})
}

// TestOldAndNewProcessesLiveTogether goes through an upgrade: the old process writes rows to
// the last, and nothing that it needs goes while it lives.
func TestOldAndNewProcessesLiveTogether(t *testing.T) {
	eachAddress(t, func(t *testing.T, address string) {
		old, err := newcomer(t, address, 1)
		settled(t, err)
		addHouses(t, old, 0, 1234)
		young, err := newcomer(t, address, 4)
		settled(t, err)
		if diff := cmp.Diff([]int64{1, 2}, applied(t, young, "town")); diff != "" {
			t.Fatal(diff)
		}
		advance(t, young)
		if n := unfilled(t, young); n != 0 {
			t.Errorf("%d rows are not filled after a pass", n)
		}
		addHouses(t, old, 2000, 2010) // by somebody who does not know the new column
		if _, err := old.Advance(t.Context()); err != nil {
			t.Errorf("the old process cannot live on: %v", err)
		}
		advance(t, young)
		if diff := cmp.Diff([]int64{1, 2}, applied(t, young, "town")); diff != "" {
			t.Fatalf("while the old process lives: %s", diff)
		}
		forget(t, young, 1)
		advance(t, young)
		if diff := cmp.Diff([]int64{1, 2, 3, 4}, applied(t, young, "town")); diff != "" {
			t.Fatal(diff)
		}
		var holders []string
		settled(t, young.Read(t.Context(), func(tx *db.Tx) error {
			return tx.Select(&holders, "SELECT id FROM houses WHERE holder = ?", "owner of 2003")
		}))
		if diff := cmp.Diff([]string{"02003"}, holders); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"holder", "id"}, columns(t, young, "houses")); diff != "" {
			t.Error(diff)
		}
		if _, err := old.Advance(t.Context()); !errors.Is(err, db.ErrOutdated) {
			t.Errorf("the old process comes back: %v", err)
		}
	})
}

func unfilled(t *testing.T, d *db.DB) (n int) {
	t.Helper()
	settled(t, d.Read(t.Context(), func(tx *db.Tx) error { return tx.Get(&n, "SELECT COUNT(*) FROM houses WHERE holder = ''") }))
	return n
}

// forget has the processes of a level be silent for long.
func forget(t *testing.T, d *db.DB, level int) {
	t.Helper()
	write(t, d, func(tx *db.Tx) error {
		n, err := tx.Exec("UPDATE schema_processes SET seen_at = seen_at - ? WHERE level = ?", 2*db.Silence.Microseconds(), level)
		if n != 1 {
			t.Errorf("%d processes have level %d", n, level)
		}
		return err
	})
}

// TestOnlyTheVersionBeforeStillStarts has programs of each age meet newer tables.
func TestOnlyTheVersionBeforeStillStarts(t *testing.T) {
	eachAddress(t, func(t *testing.T, address string) {
		_, err := newcomer(t, address, 5) // with 4 and 5, which are to be in v3
		settled(t, err)
		if _, err := newcomer(t, address, 3); err != nil {
			t.Errorf("v2 does not start beside v3: %v", err)
		}
		_, err = newcomer(t, address, 1)
		if !errors.Is(err, db.ErrOutdated) || !strings.Contains(fmt.Sprint(err), "town, and those that stop before number 0003") || !strings.Contains(fmt.Sprint(err), "this one stops at 0001") {
			t.Errorf("v1 beside v3: %v", err)
		}
	})
}

// TestBackfillGoesOnWhereItWasLeft has a batch fail in the middle and looks at what is asked for.
func TestBackfillGoesOnWhereItWasLeft(t *testing.T) {
	eachAddress(t, func(t *testing.T, address string) {
		old, err := newcomer(t, address, 1)
		settled(t, err)
		addHouses(t, old, 0, 10)
		forget(t, old, 1)
		d, err := db.Open(t.Context(), address)
		settled(t, err)
		t.Cleanup(func() { _ = d.Close() })
		var asked []string
		trouble := errors.New("trouble")
		fill := db.Backfill{Version: 2, Batch: func(tx *db.Tx, after string, _ int) (string, error) {
			asked = append(asked, after)
			var ids []string
			if err := tx.Select(&ids, "SELECT id FROM houses WHERE id > ? ORDER BY id LIMIT 4", after); err != nil || len(ids) == 0 {
				return "", err
			}
			if _, err := tx.Exec("UPDATE houses SET owner = 'nobody' WHERE id BETWEEN ? AND ?", ids[0], ids[len(ids)-1]); err != nil {
				return "", err
			}
			if len(asked) == 2 {
				return "", trouble
			}
			return ids[len(ids)-1], nil
		}}
		settled(t, d.Migrate(t.Context(), "town", town(1), fill))
		for {
			pending, err := d.Advance(t.Context())
			if err != nil && !errors.Is(err, trouble) {
				t.Fatal(err)
			}
			if err == nil && !pending {
				break
			}
		}
		if want := []string{"", "00003", "00003", "00007", "00009"}; !slices.Equal(asked, want) {
			t.Errorf("asked for %q and not %q", asked, want)
		}
		if diff := cmp.Diff([]int64{1, 2}, applied(t, d, "town")); diff != "" {
			t.Error(diff)
		}
	})
}

// TestTableChangeThatWasCutOffIsRepeated puts MariaDB where a process leaves it that dies
// behind a change of a table and before it could note that.
func TestTableChangeThatWasCutOffIsRepeated(t *testing.T) {
	if !slices.Contains(dbtest.Engines(t), "mysql") {
		return // the others take back what is not committed, see TestProcessesMigrateOnce
	}
	address := dbtest.URL(t, "mysql")
	d, err := newcomer(t, address, 1)
	settled(t, err)
	write(t, d, func(tx *db.Tx) error {
		_, err := tx.Exec("ALTER TABLE houses ADD COLUMN holder VARCHAR(64) NOT NULL DEFAULT ''")
		return err
	})
	if _, err := newcomer(t, address, 2); err == nil {
		t.Error("a column that is there by mistake is taken for the migration's own")
	}
	if _, err := newcomer(t, address, 2); err == nil {
		t.Error("at the second time it is taken for the migration's own")
	}
	write(t, d, func(tx *db.Tx) error {
		_, err := tx.Exec("UPDATE schema_owners SET doing = 2, done = 0, unsure = 1 WHERE owner = 'town'")
		return err
	})
	_, err = newcomer(t, address, 2)
	settled(t, err)
	if diff := cmp.Diff([]int64{1, 2}, applied(t, d, "town")); diff != "" {
		t.Error(diff)
	}
}

func TestFilesThatAreNoMigrationsAreRefused(t *testing.T) {
	d := dbtest.OpenEngine(t, "sqlite")
	for name, text := range map[string]string{
		"1_short.sql":              townFile,
		"0001_Town.sql":            townFile,
		"0001_town.later.sql":      townFile,
		"0001_back.sql":            "-- +goose Up\n" + townFile + "-- +goose Down\nDROP TABLE houses;\n",
		"0002_fill.backfill.sql":   "UPDATE houses SET owner = '' WHERE id BETWEEN ? AND ?;\n",
		"0003_fill.backfill.sql":   "-- table: houses\n-- key: id\nUPDATE houses SET owner = '';\n",
		"0004_fill.backfill.sql":   "-- table: houses\n-- key: id; DROP\nUPDATE houses SET owner = '' WHERE id BETWEEN ? AND ?;\n",
		"0005_less.contract.sql":   "ALTER TABLE houses DROP COLUMN owner;\n",
		"0006_itself.contract.sql": "-- needs: 0006\nALTER TABLE houses DROP COLUMN owner;\n",
	} {
		if err := d.Migrate(t.Context(), "town", fstest.MapFS{name: {Data: []byte(text)}}); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	two := fstest.MapFS{"0001_a.sql": {Data: []byte(townFile)}, "0001_b.sql": {Data: []byte(roofFile)}}
	if err := d.Migrate(t.Context(), "town", two); err == nil {
		t.Error("two files of a number are taken")
	}
}

func TestStatementsAreCut(t *testing.T) {
	got := db.Statements("-- +goose Up\nCREATE TABLE a (\n  b TEXT DEFAULT ';--', -- odd; isn't it\n  c \"d;\"\n);\n\nINSERT INTO a VALUES ('it''s; ');-- the end")
	want := []string{"CREATE TABLE a (\n  b TEXT DEFAULT ';--', \n  c \"d;\"\n)", "INSERT INTO a VALUES ('it''s; ')"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestMigrationWaitsForABackup has a transaction hold a table that is to be changed for a
// while; others can use the table meanwhile.
func TestMigrationWaitsForABackup(t *testing.T) {
	dbtest.EachServer(t, func(t *testing.T, engine string) {
		address := dbtest.URL(t, engine)
		old, err := newcomer(t, address, 1)
		settled(t, err)
		addHouses(t, old, 0, 3)
		count := func(tx *db.Tx) error { var n int; return tx.Get(&n, "SELECT COUNT(*) FROM houses") }
		holds, enough, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
		go func() {
			done <- old.Read(t.Context(), func(tx *db.Tx) error {
				err := count(tx)
				close(holds)
				<-enough
				return err
			})
		}()
		<-holds
		migrated := make(chan error, 1)
		go func() { _, err := newcomer(t, address, 2); migrated <- err }()
		for range 3 { // each would wait for the backup if the migration did not give way
			settled(t, old.Read(t.Context(), count))
			<-time.After(500 * time.Millisecond)
		}
		select {
		case err := <-migrated:
			t.Errorf("the migration did not wait: %v", err)
		default:
		}
		close(enough)
		settled(t, <-done)
		settled(t, <-migrated)
	})
}
