package db_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"virga/core/db"
	"virga/core/db/dbtest"
)

// migrateVariable has the test binary migrate the database of that address and end.
const migrateVariable = "VIRGA_TEST_MIGRATE"

func TestMain(m *testing.M) {
	if address := os.Getenv(migrateVariable); address != "" {
		if err := migrateLong(context.Background(), address); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

const longMigrations, tablesOfEach = 12, 3

// long are migrations that take a while: each makes tables, changes one and writes rows, so
// that whatever is done twice is refused or counts twice.
func long() fs.FS {
	files := fstest.MapFS{}
	for i := 1; i <= longMigrations; i++ {
		var text bytes.Buffer
		for j := range tablesOfEach {
			fmt.Fprintf(&text, "CREATE TABLE t%d_%d (id INTEGER PRIMARY KEY, n BIGINT NOT NULL);\n", i, j)
		}
		fmt.Fprintf(&text, "INSERT INTO t%d_0 (id, n) VALUES (%d, 0);\n", i, i)
		fmt.Fprintf(&text, "ALTER TABLE t%d_0 ADD COLUMN more INTEGER NOT NULL DEFAULT 0;\nCREATE UNIQUE INDEX t%d_n ON t%d_0 (n);\n", i, i, i)
		fmt.Fprintf(&text, "UPDATE t%d_0 SET n = n + 1;\n", i)
		files[fmt.Sprintf("%04d_long.sql", i)] = &fstest.MapFile{Data: text.Bytes()}
	}
	return files
}

func migrateLong(ctx context.Context, address string) error {
	d, err := db.Open(ctx, address)
	if err != nil {
		return err
	}
	if err := d.Migrate(ctx, "long", long()); err != nil {
		return err
	}
	return d.Close()
}

// migrator is a process of its own that migrates.
func migrator(t *testing.T, address string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	settled(t, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), migrateVariable+"="+address)
	cmd.Stdout, cmd.Stderr = &bytes.Buffer{}, &bytes.Buffer{}
	return cmd
}

func ended(t *testing.T, cmd *exec.Cmd, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("a process that migrates: %v: %s", err, cmd.Stderr)
	}
}

// checkLong looks whether everything was done once.
func checkLong(t *testing.T, address string) {
	t.Helper()
	d, err := db.Open(t.Context(), address)
	settled(t, err)
	defer func() { _ = d.Close() }()
	var want []int64
	for i := 1; i <= longMigrations; i++ {
		want = append(want, int64(i))
		var n []int64
		settled(t, d.Read(t.Context(), func(tx *db.Tx) error { return tx.Select(&n, fmt.Sprintf("SELECT n FROM t%d_0 WHERE more = 0", i)) }))
		if !slices.Equal(n, []int64{1}) {
			t.Errorf("table %d has %v", i, n)
		}
	}
	if diff := cmp.Diff(want, applied(t, d, "long")); diff != "" {
		t.Error(diff)
	}
}

// TestProcessesMigrateOnce starts processes at the same moment on an empty database.
func TestProcessesMigrateOnce(t *testing.T) {
	eachAddress(t, func(t *testing.T, address string) {
		var all sync.WaitGroup
		for range 5 {
			cmd := migrator(t, address)
			all.Go(func() { ended(t, cmd, cmd.Run()) })
		}
		all.Wait()
		checkLong(t, address)
	})
}

// TestProcessThatDiesInTheMiddleIsNoHindrance kills processes while they migrate, others
// waiting behind them, and has the last one come to the end.
func TestProcessThatDiesInTheMiddleIsNoHindrance(t *testing.T) {
	const rounds = 8
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	chance := rand.New(rand.NewPCG(seed, 0))
	dbtest.Each(t, func(t *testing.T, engine string) {
		address := dbtest.URL(t, engine)
		first := migrator(t, dbtest.URL(t, engine))
		began := time.Now()
		ended(t, first, first.Run())
		whole := time.Since(began)
		for range rounds {
			dying, waiting := migrator(t, address), migrator(t, address)
			settled(t, dying.Start())
			settled(t, waiting.Start())
			<-time.After(time.Duration(chance.Int64N(int64(whole))))
			settled(t, dying.Process.Kill())
			settled(t, waiting.Process.Kill())
			_, _ = dying.Wait(), waiting.Wait()
		}
		var all sync.WaitGroup
		for range 2 {
			cmd := migrator(t, address)
			all.Go(func() { ended(t, cmd, cmd.Run()) })
		}
		all.Wait()
		checkLong(t, address)
	})
}
