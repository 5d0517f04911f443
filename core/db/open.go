package db

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	_ "github.com/go-sql-driver/mysql" // the driver for mysql://
	_ "github.com/jackc/pgx/v5/stdlib" // the driver for postgres://
	_ "modernc.org/sqlite"             // the driver for sqlite:
)

// readers is how many SQLite connections may read side by side.
const readers = 4

// DB is one database of one service.
type DB struct {
	dialect dialect
	write   *sql.DB
	read    *sql.DB
	writes  statements
	reads   statements
}

// Open opens (and for SQLite creates) the database that rawURL names:
// sqlite:PATH, postgres://… or mysql://user:password@host:port/name. The file of an
// SQLite database is readable by its owner only.
func Open(ctx context.Context, rawURL string) (*DB, error) {
	scheme, rest, _ := strings.Cut(rawURL, ":")
	switch scheme {
	case "sqlite":
		return openSQLite(ctx, rest)
	case "postgres", "postgresql":
		return openServer(ctx, postgres{}, "pgx", rawURL)
	case "mysql", "mariadb":
		dsn, err := mysqlDSN(rawURL)
		if err != nil {
			return nil, err
		}
		return openServer(ctx, mysql{}, "mysql", dsn)
	default:
		return nil, fmt.Errorf("open database: the scheme %q is none of sqlite, postgres, mysql", scheme)
	}
}

func openSQLite(ctx context.Context, path string) (*DB, error) {
	path = strings.TrimPrefix(path, "//")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	if err := file.Close(); err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	pragmas := "_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(10000)" +
		"&_pragma=foreign_keys(1)&_pragma=cache_size(-2000)&_pragma=temp_store(2)"
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + pragmas
	write, err := sql.Open("sqlite", dsn+"&_txlock=immediate")
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	write.SetMaxOpenConns(1)
	read, err := sql.Open("sqlite", dsn+"&_pragma=query_only(1)")
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	read.SetMaxOpenConns(readers)
	read.SetMaxIdleConns(readers)
	if err := write.PingContext(ctx); err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	return &DB{dialect: sqlite{}, write: write, read: read}, nil
}

func openServer(ctx context.Context, d dialect, driver, dsn string) (*DB, error) {
	pool, err := sql.Open(driver, dsn)
	if err != nil {
		return nil, fmt.Errorf("open %s database: %w", d.name(), err)
	}
	pool.SetMaxOpenConns(16)
	pool.SetMaxIdleConns(8)
	if err := pool.PingContext(ctx); err != nil {
		return nil, fmt.Errorf("open %s database: %w", d.name(), err)
	}
	return &DB{dialect: d, write: pool, read: pool}, nil
}

// mysqlDSN turns the URL form into the driver's user:password@tcp(host:port)/name.
func mysqlDSN(rawURL string) (string, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return "", fmt.Errorf("open database: %w", err)
	}
	network, address := "tcp", u.Host
	if socket := u.Query().Get("socket"); socket != "" {
		network, address = "unix", socket
	}
	return fmt.Sprintf("%s@%s(%s)%s?collation=utf8mb4_bin&clientFoundRows=true&sql_mode=%%27ANSI_QUOTES,STRICT_ALL_TABLES%%27",
		u.User.String(), network, address, u.Path), nil
}

// Close ends all connections.
func (d *DB) Close() error {
	err := d.write.Close()
	if d.read != d.write {
		if readErr := d.read.Close(); err == nil {
			err = readErr
		}
	}
	return err
}

// Ping tells whether the database answers.
func (d *DB) Ping(ctx context.Context) error { return d.write.PingContext(ctx) }

// Engine is sqlite, postgres or mysql.
func (d *DB) Engine() string { return d.dialect.name() }

// statements keeps prepared statements by their text: preparing costs more than
// running for the short statements of a control plane.
type statements struct {
	mu     sync.RWMutex
	byText map[string]*sql.Stmt
}

// maxStatements bounds the cache; texts beyond it (lists with unusual filters) are
// prepared for one use.
const maxStatements = 500

func (s *statements) get(ctx context.Context, pool *sql.DB, text string) (*sql.Stmt, bool, error) {
	s.mu.RLock()
	stmt, found := s.byText[text]
	s.mu.RUnlock()
	if found {
		return stmt, true, nil
	}
	s.mu.RLock()
	full := len(s.byText) >= maxStatements
	s.mu.RUnlock()
	if full {
		return nil, false, nil
	}
	stmt, err := pool.PrepareContext(ctx, text)
	if err != nil {
		return nil, false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if other, found := s.byText[text]; found {
		_ = stmt.Close()
		return other, true, nil
	}
	if s.byText == nil {
		s.byText = map[string]*sql.Stmt{}
	}
	s.byText[text] = stmt
	return stmt, true, nil
}
