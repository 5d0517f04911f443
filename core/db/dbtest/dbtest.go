package dbtest

import (
	"context"
	"database/sql"
	"fmt"
	"io"
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

// EachServer is Each without SQLite: for what only a server does.
func EachServer(t *testing.T, test func(t *testing.T, engine string)) {
	t.Helper()
	for _, engine := range Engines(t) {
		if engine != "sqlite" {
			t.Run(engine, func(t *testing.T) { test(t, engine) })
		}
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
	// It goes with the server: dropping it takes as long as a test.
	if s.kind.schemas == nil {
		s.exec(t, "CREATE DATABASE "+name)
		return s.kind.url(s.folder, name)
	}
	// A schema takes milliseconds where a database takes a second.
	s.exec(t, "CREATE SCHEMA "+name)
	return s.kind.schemas(s.folder, name)
}

// ServerURL makes a fresh database of an engine and returns the address that db.OpenPart takes.
func ServerURL(t testing.TB, engine string) string {
	t.Helper()
	return running.get(t, engine).fresh(t)
}

// Administer runs a statement with all rights on the server of an engine.
func Administer(t testing.TB, engine, text string) {
	t.Helper()
	running.get(t, engine).exec(t, text)
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
	// orders are words for the script that runs the server.
	orders io.WriteCloser
	ended  <-chan error
	count  atomic.Int64
}

// fresh makes a database that is gone after the test and returns its address.
func (s *server) fresh(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("test_%d", s.count.Add(1))
	s.exec(t, "CREATE DATABASE "+name)
	t.Cleanup(func() { s.exec(t, "DROP DATABASE "+name+s.kind.force) })
	return s.kind.url(s.folder, name)
}

// Server is a database server that one test has for itself, to stop, kill and start it. What
// it has committed it keeps.
type Server struct{ own *server }

// Own starts a server of an engine for one test.
func Own(t testing.TB, engine string) *Server {
	t.Helper()
	k := kinds()[engine]
	s, err := start(k, k.safe)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.admin.Close()
		_ = s.orders.Close()
		if err := <-s.ended; err != nil {
			t.Errorf("the database server ended: %v", err)
		}
	})
	return &Server{s}
}

// URL makes a fresh database and returns its address, which db.OpenPart takes, too. The
// server has to run when the test ends.
func (s *Server) URL(t testing.TB) string {
	t.Helper()
	return s.own.fresh(t)
}

// Stop ends the server as its operator would, connections included.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	s.order(t, "stop")
	for s.own.admin.PingContext(t.Context()) == nil { // it takes connections until it has heard
	}
}

// Kill ends the server as the kernel does when memory is short.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	s.order(t, "kill9")
	for s.own.admin.PingContext(t.Context()) == nil { // it takes connections until it has heard
	}
}

// Start starts the server after Stop or Kill and waits until it answers.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	s.order(t, "start")
	if err := answers(s.own.admin, s.own.ended); err != nil {
		t.Fatal(err)
	}
}

func (s *Server) order(t testing.TB, word string) {
	t.Helper()
	if _, err := fmt.Fprintln(s.own.orders, word); err != nil {
		t.Fatal(err)
	}
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
	k := kinds()[engine]
	started, err := start(k, k.fast)
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
