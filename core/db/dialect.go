package db

import (
	"database/sql"
	"errors"
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
	// bind turns ? placeholders into the engine's own. Texts hold no literal ?.
	bind(text string) string
	// upsert ends an INSERT so that a row with the same keys is updated instead.
	upsert(keys, columns []string) string
	// word renders a type word of the migrations: BIGTEXT, BYTES, SEQUENCE.
	words() *strings.Replacer
	// duplicate and busy classify the engine's errors.
	duplicate(err error) bool
	busy(err error) bool
	isolation() sql.IsolationLevel
}

type sqlite struct{}

func (sqlite) name() string            { return "sqlite" }
func (sqlite) goose() goose.Dialect    { return goose.DialectSQLite3 }
func (sqlite) bind(text string) string { return text }
func (sqlite) words() *strings.Replacer {
	return strings.NewReplacer("BIGTEXT", "TEXT", "BYTES", "BLOB", "SEQUENCE", "INTEGER PRIMARY KEY AUTOINCREMENT")
}
func (sqlite) upsert(keys, columns []string) string { return onConflict(keys, columns) }
func (sqlite) duplicate(err error) bool {
	var e *sqlitedriver.Error
	if !errors.As(err, &e) {
		return false
	}
	return e.Code() == sqlitelib.SQLITE_CONSTRAINT_UNIQUE || e.Code() == sqlitelib.SQLITE_CONSTRAINT_PRIMARYKEY
}
func (sqlite) busy(err error) bool {
	var e *sqlitedriver.Error
	return errors.As(err, &e) && e.Code()&0xff == sqlitelib.SQLITE_BUSY
}

// A write transaction of SQLite begins IMMEDIATE and is serializable by nature.
func (sqlite) isolation() sql.IsolationLevel { return sql.LevelDefault }

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
	for i := range len(text) {
		if text[i] != '?' {
			out.WriteByte(text[i])
			continue
		}
		n++
		out.WriteByte('$')
		out.WriteString(strconv.Itoa(n))
	}
	return out.String()
}
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
func (postgres) isolation() sql.IsolationLevel { return sql.LevelSerializable }

type mysql struct{}

func (mysql) name() string            { return "mysql" }
func (mysql) goose() goose.Dialect    { return goose.DialectMySQL }
func (mysql) bind(text string) string { return text }
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
func (mysql) isolation() sql.IsolationLevel { return sql.LevelSerializable }

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
