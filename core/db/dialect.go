package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"

	mysqldriver "github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pressly/goose/v3"
	sqlitedriver "modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"
)

// dialect is what differs between the engines. Everything else is written once.
type dialect interface {
	name() string
	goose() goose.Dialect
	// prepare is called before migrations.
	prepare(ctx context.Context, pool *sql.DB) error
	// bind turns ? placeholders into the engine's own.
	bind(text string) string
	// upsert ends an INSERT so that a row with the same keys is updated instead.
	upsert(keys, columns []string) string
	// word renders a type word of the migrations: BIGTEXT, BYTES, SEQUENCE.
	words() *strings.Replacer
	// duplicate and busy classify the engine's errors.
	duplicate(err error) bool
	busy(err error) bool
	// away tells that the server does not serve, by errors of the engine's own.
	away(err error) bool
	// writing and reading are the modes of the two sorts of transactions.
	writing() sql.IsolationLevel
	reading() *sql.TxOptions
}

type sqlite struct{}

func (sqlite) name() string            { return "sqlite" }
func (sqlite) goose() goose.Dialect    { return goose.DialectSQLite3 }
func (sqlite) bind(text string) string { return text }

func (sqlite) prepare(context.Context, *sql.DB) error { return nil }

func (sqlite) words() *strings.Replacer {
	return strings.NewReplacer("BIGTEXT", "TEXT", "BYTES", "BLOB", "SEQUENCE", "INTEGER PRIMARY KEY AUTOINCREMENT")
}
func (sqlite) upsert(keys, columns []string) string { return onConflict(keys, columns) }
func (sqlite) duplicate(err error) bool {
	var e *sqlitedriver.Error
	if !errors.As(err, &e) {
		return false
	}
	return e.Code() == sqlitelib.SQLITE_CONSTRAINT_UNIQUE || e.Code() == sqlitelib.SQLITE_CONSTRAINT_PRIMARYKEY ||
		e.Code() == sqlitelib.SQLITE_CONSTRAINT_ROWID
}
func (sqlite) busy(err error) bool {
	var e *sqlitedriver.Error
	return errors.As(err, &e) && e.Code()&0xff == sqlitelib.SQLITE_BUSY
}

// A write transaction of SQLite begins IMMEDIATE and is serializable by nature; a
// reading one sees the state as of its first query, and its connection refuses writes.
func (sqlite) writing() sql.IsolationLevel { return sql.LevelDefault }
func (sqlite) reading() *sql.TxOptions     { return nil }

type postgres struct{}

func (postgres) name() string         { return "postgres" }
func (postgres) goose() goose.Dialect { return goose.DialectPostgres }
func (postgres) bind(text string) string {
	if !strings.Contains(text, "?") {
		return text
	}
	var out strings.Builder
	out.Grow(len(text) + 16)
	n := 0
	quote := byte(0) // the mark that ends the literal or the quoted name at hand
	for i := range len(text) {
		c := text[i]
		switch {
		case quote != 0:
			if c == quote {
				quote = 0 // a doubled mark opens again at once
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '?':
			n++
			out.WriteByte('$')
			out.WriteString(strconv.Itoa(n))
			continue
		}
		out.WriteByte(c)
	}
	return out.String()
}

func (postgres) prepare(context.Context, *sql.DB) error { return nil }

func (postgres) words() *strings.Replacer {
	return strings.NewReplacer("BIGTEXT", "TEXT", "BYTES", "BYTEA", "SEQUENCE", "BIGSERIAL PRIMARY KEY")
}
func (postgres) upsert(keys, columns []string) string { return onConflict(keys, columns) }
func (postgres) duplicate(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == "23505"
}
func (postgres) busy(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && (e.Code == "40001" || e.Code == "40P01")
}
func (postgres) writing() sql.IsolationLevel { return sql.LevelSerializable }
func (postgres) reading() *sql.TxOptions     { return snapshot() }

type mysql struct{}

func (mysql) name() string            { return "mysql" }
func (mysql) goose() goose.Dialect    { return goose.DialectMySQL }
func (mysql) bind(text string) string { return text }

// prepare has tables compare texts as the other engines do: case and trailing blanks matter.
func (mysql) prepare(ctx context.Context, pool *sql.DB) error {
	var version, collation string
	if err := pool.QueryRowContext(ctx, "SELECT VERSION(), @@collation_database").Scan(&version, &collation); err != nil {
		return fmt.Errorf("find out the server's version: %w", err)
	}
	if collation == mysqlCollation(version) {
		return nil
	}
	if _, err := pool.ExecContext(ctx, "ALTER DATABASE "+mysqlTexts(version)); err != nil {
		return fmt.Errorf("set the database's collation: %w", err)
	}
	return nil
}

// mysqlCollation is the collation of a server's version that compares every character.
func mysqlCollation(version string) string {
	if strings.Contains(version, "MariaDB") {
		return "utf8mb4_nopad_bin"
	}
	return "utf8mb4_0900_bin"
}

// mysqlTexts ends the statement that makes or changes a database.
func mysqlTexts(version string) string {
	return "CHARACTER SET utf8mb4 COLLATE " + mysqlCollation(version)
}

func (mysql) words() *strings.Replacer {
	return strings.NewReplacer("BIGTEXT", "LONGTEXT", "BYTES", "LONGBLOB", "SEQUENCE", "BIGINT AUTO_INCREMENT PRIMARY KEY")
}
func (mysql) upsert(keys, columns []string) string {
	sets := make([]string, len(columns))
	for i, column := range columns {
		sets[i] = column + " = VALUES(" + column + ")"
	}
	if len(sets) == 0 {
		sets = []string{keys[0] + " = " + keys[0]}
	}
	return " ON DUPLICATE KEY UPDATE " + strings.Join(sets, ", ")
}
func (mysql) duplicate(err error) bool {
	var e *mysqldriver.MySQLError
	return errors.As(err, &e) && e.Number == 1062
}
func (mysql) busy(err error) bool {
	var e *mysqldriver.MySQLError
	return errors.As(err, &e) && (e.Number == 1213 || e.Number == 1205 || e.Number == 1020)
}
func (mysql) writing() sql.IsolationLevel { return sql.LevelSerializable }
func (mysql) reading() *sql.TxOptions     { return snapshot() }

// snapshot is the mode in which all queries see one state; without a level PostgreSQL
// would show each query another.
func snapshot() *sql.TxOptions {
	return &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
}

func onConflict(keys, columns []string) string {
	if len(columns) == 0 {
		return " ON CONFLICT (" + strings.Join(keys, ", ") + ") DO NOTHING"
	}
	sets := make([]string, len(columns))
	for i, column := range columns {
		sets[i] = column + " = excluded." + column
	}
	return " ON CONFLICT (" + strings.Join(keys, ", ") + ") DO UPDATE SET " + strings.Join(sets, ", ")
}
