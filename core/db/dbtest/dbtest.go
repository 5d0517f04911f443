package dbtest

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"virga/core/db"
)

// EnginesVariable is the environment's name of the engines to test with.
const EnginesVariable = "VIRGA_TEST_ENGINES"

// Engines are the engines to test with, as the environment names them.
func Engines(t testing.TB) []string {
	t.Helper()
	named := os.Getenv(EnginesVariable)
	if named == "" {
		return []string{"sqlite"}
	}
	var engines []string
	for engine := range strings.SplitSeq(named, ",") {
		engine = strings.TrimSpace(engine)
		if engine != "sqlite" && engine != "postgres" && engine != "mysql" {
			t.Fatalf("%s: %q is none of sqlite, postgres, mysql", EnginesVariable, engine)
		}
		if !slices.Contains(engines, engine) {
			engines = append(engines, engine)
		}
	}
	return engines
}

// Main runs the tests of a package once for each engine that the environment names, where
// Open is what opens their databases; the result is the exit code:
//
//	func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }
func Main(m *testing.M) int {
	named := os.Getenv(EnginesVariable)
	if !strings.Contains(named, ",") {
		return m.Run()
	}
	defer func() { _ = os.Setenv(EnginesVariable, named) }()
	code := 0
	for engine := range strings.SplitSeq(named, ",") {
		if err := os.Setenv(EnginesVariable, engine); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		fmt.Println("database:", engine)
		code = max(code, m.Run())
	}
	return code
}

// Each runs a test once for each engine, as a subtest with the engine's name.
func Each(t *testing.T, test func(t *testing.T, engine string)) {
	t.Helper()
	for _, engine := range Engines(t) {
		t.Run(engine, func(t *testing.T) { test(t, engine) })
	}
}

// Open opens a fresh database of the first engine that the environment names; it is for
// suites that Main runs once for each.
func Open(t testing.TB) *db.DB {
	t.Helper()
	return OpenEngine(t, Engine(t))
}

// Engine is the first engine that the environment names.
func Engine(t testing.TB) string {
	t.Helper()
	return Engines(t)[0]
}

// OpenEngine opens a fresh database of one engine. It is gone after the test.
func OpenEngine(t testing.TB, engine string) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), URL(t, engine))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// URL makes a fresh database of one engine and returns the address that db.Open takes.
func URL(t testing.TB, engine string) string {
	t.Helper()
	if engine == "sqlite" {
		return "sqlite:" + filepath.Join(t.TempDir(), "test a?.sqlite")
	}
	s := running.get(t, engine)
	name := fmt.Sprintf("test_%d", s.count.Add(1))
	s.exec(t, "CREATE DATABASE "+name)
	t.Cleanup(func() { s.exec(t, "DROP DATABASE "+name+s.kind.force) })
	return s.kind.url(s.folder, name)
}

// running holds the servers of this test process: starting one for each test would take
// longer than the tests.
var running servers

type servers struct {
	mu     sync.Mutex
	byName map[string]*server
	failed map[string]string
}

// server is a database server that belongs to the test process.
type server struct {
	kind   kind
	folder string
	admin  *sql.DB
	count  atomic.Int64
}

func (s *servers) get(t testing.TB, engine string) *server {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if found := s.byName[engine]; found != nil {
		return found
	}
	if why := s.failed[engine]; why != "" {
		t.Fatal(why)
	}
	started, err := start(kinds()[engine])
	if err != nil {
		if s.failed == nil {
			s.failed = map[string]string{}
		}
		s.failed[engine] = fmt.Sprintf("%s is wanted by %s: %v", engine, EnginesVariable, err)
		t.Fatal(s.failed[engine])
	}
	if s.byName == nil {
		s.byName = map[string]*server{}
	}
	s.byName[engine] = started
	return started
}

// exec runs a statement of administration. It also works while a test is being cleaned up.
func (s *server) exec(t testing.TB, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if _, err := s.admin.ExecContext(ctx, text); err != nil {
		t.Errorf("%s: %v", text, err)
	}
}
