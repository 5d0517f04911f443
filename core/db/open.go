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
	"golang.org/x/sync/semaphore"
	_ "modernc.org/sqlite" // the driver for sqlite:
)

// readers is how many SQLite connections may read side by side.
const readers = 4

// A DB holds so many connections to a server at most unless its address says something
// else, keeps so many while it has nothing to do, and none for ever: after a failover the
// name of the server may mean another machine.
const (
	connections    = 8
	maxConnections = 200
	idleTime       = 5 * time.Minute
	connectionLife = 30 * time.Minute
)

// How long a statement waits for a row or a table that another transaction has, before its
// own begins anew. PostgreSQL looks for deadlocks only after a second, in which all wait
// that have met, so it is asked to give up sooner; MariaDB finds them at once, and would
// otherwise wait for fifty seconds, and for a table a day.
const (
	postgresLockTime = 250 * time.Millisecond
	mysqlLockTime    = 3 * time.Second
)

// connectionsSetting is the part of an address that says how many connections a DB holds:
// postgres://…/virga?connections=16.
const connectionsSetting = "connections"

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
	tended  *tended
	// interception is a simulation's; the zero value does nothing.
	interception Interception
	// seats and writeSeats are the connections of read and write.
	seats, writeSeats *semaphore.Weighted
	seatTime          time.Duration
	// lanes are for write transactions side by side; nil where the engine has one anyway.
	lanes *semaphore.Weighted
}

func newDB(d dialect, write, read *sql.DB) *DB {
	db := &DB{dialect: d, write: write, read: read, writes: newStatements(), process: processName(), tended: &tended{}, seatTime: seatTime,
		writeSeats: semaphore.NewWeighted(int64(write.Stats().MaxOpenConnections))}
	db.seats = db.writeSeats
	db.reads = db.writes
	if d.writing() == sql.LevelSerializable {
		db.lanes = semaphore.NewWeighted(lanes)
	}
	if read != write {
		db.reads = newStatements()
		db.seats = semaphore.NewWeighted(int64(read.Stats().MaxOpenConnections))
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
		dsn, size, err := postgresDSN(rawURL)
		if err != nil {
			return nil, err
		}
		pool, err := sql.Open("pgx", dsn)
		if err != nil {
			return nil, fmt.Errorf("open postgres database: %w", err)
		}
		return openServer(ctx, postgres{}, pool, size)
	case "mysql", "mariadb":
		settings, size, err := mysqlConfig(rawURL)
		if err != nil {
			return nil, err
		}
		connector, err := mysqldriver.NewConnector(settings)
		if err != nil {
			return nil, fmt.Errorf("open mysql database: %w", err)
		}
		return openServer(ctx, mysql{}, sql.OpenDB(connector), size)
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
	if err := pingSQLite(ctx, write); err != nil {
		_, _ = write.Close(), read.Close()
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	return newDB(sqlite{}, write, read), nil
}

// sqlitePatience is how long opening goes on while others hold the file.
const sqlitePatience = 10 * time.Second

// pingSQLite makes the first connection, by which a new file gets its write-ahead log. Of several processes that do so at
// the same moment SQLite refuses all but one at once, whatever the busy timeout, lest they wait for each other.
func pingSQLite(ctx context.Context, pool *sql.DB) error {
	began := time.Now()
	for attempt := 1; ; attempt++ {
		err := pool.PingContext(ctx)
		if err == nil || !(sqlite{}).busy(err) || time.Since(began) > sqlitePatience {
			return err
		}
		if err := wait(ctx, pauseAfter(min(attempt, attempts))); err != nil {
			return err
		}
	}
}

// OpenMemory opens an empty database that is nowhere but in memory, on one connection, and
// gone when it is closed: for simulations, which run one transaction at a time and make many
// thousands of them.
func OpenMemory(ctx context.Context) (*DB, error) {
	pool, err := sql.Open("sqlite", ":memory:?_pragma=foreign_keys(1)&_pragma=temp_store(2)&_txlock=immediate")
	if err != nil {
		return nil, fmt.Errorf("open database in memory: %w", err)
	}
	pool.SetMaxOpenConns(1)
	if err := pool.PingContext(ctx); err != nil {
		_ = pool.Close()
		return nil, fmt.Errorf("open database in memory: %w", err)
	}
	return newDB(sqlite{}, pool, pool), nil
}

func openServer(ctx context.Context, d dialect, pool *sql.DB, size int) (*DB, error) {
	pool.SetMaxOpenConns(size)
	pool.SetMaxIdleConns(size) // a new connection costs the server more than many transactions
	pool.SetConnMaxIdleTime(idleTime)
	pool.SetConnMaxLifetime(connectionLife)
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

// poolSize reads how many connections a DB may hold.
func poolSize(query url.Values) (int, error) {
	text := query.Get(connectionsSetting)
	if text == "" {
		return connections, nil
	}
	size, err := strconv.Atoi(text)
	if err != nil || size < 2 || size > maxConnections {
		return 0, fmt.Errorf("open database: %s in the address is a number from 2 to %d, not %q", connectionsSetting, maxConnections, text)
	}
	return size, nil
}

// postgresDSN has no attempt to connect last for minutes, as the driver would, and none to
// get a lock for long.
func postgresDSN(rawURL string) (dsn string, size int, err error) {
	u, err := parseAddress(rawURL)
	if err != nil {
		return "", 0, err
	}
	if size, err = poolSize(u.Query()); err != nil {
		return "", 0, err
	}
	query := u.Query()
	query.Del(connectionsSetting) // the server would be told
	for name, value := range map[string]string{
		"connect_timeout": strconv.Itoa(int(connectTimeout.Seconds())), "lock_timeout": strconv.FormatInt(postgresLockTime.Milliseconds(), 10),
	} {
		if query.Get(name) == "" {
			query.Set(name, value)
		}
	}
	u.RawQuery = query.Encode()
	return u.String(), size, nil
}

// mysqlConfig turns the URL form into the driver's own. Texts compare by their code points,
// trailing blanks included, as in the other engines.
func mysqlConfig(rawURL string) (*mysqldriver.Config, int, error) {
	u, err := parseAddress(rawURL)
	if err != nil {
		return nil, 0, err
	}
	size, err := poolSize(u.Query())
	if err != nil {
		return nil, 0, err
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
	c.Params = map[string]string{"sql_mode": "'ANSI_QUOTES,STRICT_ALL_TABLES'",
		"innodb_lock_wait_timeout": strconv.Itoa(int(mysqlLockTime.Seconds())), "lock_wait_timeout": strconv.Itoa(int(mysqlLockTime.Seconds()))}
	c.Logger = &mysqldriver.NopLogger{} // what it would print comes as errors, too
	return c, size, nil
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
