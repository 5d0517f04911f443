package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver for postgres://
	_ "modernc.org/sqlite"             // the driver for sqlite:
)

// readers is how many SQLite connections may read side by side.
const readers = 4

// A part of the cloud holds so many connections to a server at most, and keeps so many
// while it has nothing to do.
const (
	connections     = 16
	idleConnections = 8
)

// connectTimeout is how long a server may take to accept a connection.
const connectTimeout = 10 * time.Second

// DB is one database of one service.
type DB struct {
	dialect dialect
	write   *sql.DB
	read    *sql.DB
	writes  *statements
	reads   *statements
	// process names this process among those that use the same tables.
	process string
	tended  tended
	// interception is a simulation's; the zero value does nothing.
	interception Interception
}

func newDB(d dialect, write, read *sql.DB) *DB {
	db := &DB{dialect: d, write: write, read: read, writes: newStatements(), process: processName()}
	db.reads = db.writes
	if read != write {
		db.reads = newStatements()
	}
	return db
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
		dsn, err := postgresDSN(rawURL)
		if err != nil {
			return nil, err
		}
		pool, err := sql.Open("pgx", dsn)
		if err != nil {
			return nil, fmt.Errorf("open postgres database: %w", err)
		}
		return openServer(ctx, postgres{}, pool)
	case "mysql", "mariadb":
		settings, err := mysqlConfig(rawURL)
		if err != nil {
			return nil, err
		}
		connector, err := mysqldriver.NewConnector(settings)
		if err != nil {
			return nil, fmt.Errorf("open mysql database: %w", err)
		}
		return openServer(ctx, mysql{}, sql.OpenDB(connector))
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
		_, _ = write.Close(), read.Close()
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	return newDB(sqlite{}, write, read), nil
}

func openServer(ctx context.Context, d dialect, pool *sql.DB) (*DB, error) {
	pool.SetMaxOpenConns(connections)
	pool.SetMaxIdleConns(idleConnections)
	db := newDB(d, pool, pool)
	if err := db.Ping(ctx); err != nil {
		_ = pool.Close()
		return nil, fmt.Errorf("open %s database: %w", d.name(), err)
	}
	return db, nil
}

// parseAddress reads the address of a server. It may hold a password, so no error shows it.
func parseAddress(rawURL string) (*url.URL, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, errors.New("open database: the address is not a URL")
	}
	return u, nil
}

// postgresDSN has no attempt to connect last for minutes, as the driver would.
func postgresDSN(rawURL string) (string, error) {
	u, err := parseAddress(rawURL)
	if err != nil {
		return "", err
	}
	if query := u.Query(); query.Get("connect_timeout") == "" {
		query.Set("connect_timeout", strconv.Itoa(int(connectTimeout.Seconds())))
		u.RawQuery = query.Encode()
	}
	return u.String(), nil
}

// mysqlConfig turns the URL form into the driver's own. Texts compare by their code points,
// trailing blanks included, as in the other engines.
func mysqlConfig(rawURL string) (*mysqldriver.Config, error) {
	u, err := parseAddress(rawURL)
	if err != nil {
		return nil, err
	}
	c := mysqldriver.NewConfig()
	c.Net, c.Addr = "tcp", u.Host
	if c.Addr != "" && u.Port() == "" {
		c.Addr = net.JoinHostPort(u.Hostname(), "3306")
	}
	if socket := u.Query().Get("socket"); socket != "" {
		c.Net, c.Addr = "unix", socket
	}
	c.User = u.User.Username()
	c.Passwd, _ = u.User.Password()
	c.DBName = strings.TrimPrefix(u.Path, "/")
	c.Timeout = connectTimeout
	c.Collation = "utf8mb4_bin"
	c.ClientFoundRows = true
	c.Params = map[string]string{"sql_mode": "'ANSI_QUOTES,STRICT_ALL_TABLES'"}
	c.Logger = &mysqldriver.NopLogger{} // what it would print comes as errors, too
	return c, nil
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
func (d *DB) Ping(ctx context.Context) error { return d.unavailable(d.write.PingContext(ctx)) }

// Engine is sqlite, postgres or mysql.
func (d *DB) Engine() string { return d.dialect.name() }
