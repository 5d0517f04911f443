package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"
)

// session is one connection, or a transaction on it.
type session interface {
	ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, text string, args ...any) *sql.Row
}

// schema is the right to change tables, which one process has at a time: what is done with
// it, and the kit's own tables, by which processes know what was done.
//
//   - OWNER_schema has a row for each migration that was carried out.
//   - schema_owners has the oldest level that a program may have, and on engines that keep
//     a table's change whatever becomes of the transaction how far a migration has come.
//   - schema_processes has the level of each process that lives, or was alive lately.
//   - schema_backfills has the place that a backfill has reached.
type schema struct {
	session
	dialect dialect
	// conn begins transactions where the session is none.
	conn *sql.Conn
}

// kitTables are made where they are missing. They change only by additions that older
// programs do not notice.
const kitTables = `
CREATE TABLE IF NOT EXISTS schema_owners (
  owner VARCHAR(64) PRIMARY KEY, oldest BIGINT NOT NULL, doing BIGINT NOT NULL, done BIGINT NOT NULL, unsure INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS schema_processes (
  owner VARCHAR(64) NOT NULL, process VARCHAR(255) NOT NULL, level BIGINT NOT NULL, seen_at BIGINT NOT NULL, PRIMARY KEY (owner, process)
);
CREATE TABLE IF NOT EXISTS schema_backfills (
  owner VARCHAR(64) NOT NULL, version BIGINT NOT NULL, reached VARCHAR(255) NOT NULL, alone INTEGER NOT NULL, PRIMARY KEY (owner, version)
);`

// exec runs a statement with ? as the placeholder.
func (s *schema) exec(ctx context.Context, text string, args ...any) error {
	_, err := s.ExecContext(ctx, s.dialect.bind(text), args...)
	return err
}

// prepare makes the kit's tables and the owner's row.
func (s *schema) prepare(ctx context.Context, owner string) error {
	for _, text := range append(splitStatements(kitTables), s.dialect.versionTable(owner+"_schema")) {
		if err := s.exec(ctx, text); err != nil {
			return fmt.Errorf("make the tables of migrations: %w", err)
		}
	}
	var there int
	if err := s.QueryRowContext(ctx, s.dialect.bind("SELECT COUNT(*) FROM schema_owners WHERE owner = ?"), owner).Scan(&there); err != nil || there > 0 {
		return err
	}
	return s.exec(ctx, "INSERT INTO schema_owners (owner, oldest, doing, done, unsure) VALUES (?, 0, 0, 0, 0)", owner)
}

// schemaState is what the tables of an owner have come to.
type schemaState struct {
	applied []int64
	oldest  int64
}

func (s *schema) state(ctx context.Context, owner string) (schemaState, error) {
	var state schemaState
	if err := s.QueryRowContext(ctx, s.dialect.bind("SELECT oldest FROM schema_owners WHERE owner = ?"), owner).Scan(&state.oldest); err != nil {
		return state, err
	}
	rows, err := s.QueryContext(ctx, "SELECT version_id FROM "+owner+"_schema WHERE version_id > 0")
	if err != nil {
		return state, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var version int64
		if err := rows.Scan(&version); err != nil {
			return state, err
		}
		state.applied = append(state.applied, version)
	}
	return state, rows.Err()
}

// record notes that a migration was carried out.
func (s *schema) record(ctx context.Context, owner string, version, oldest int64) error {
	return s.together(ctx, func(s *schema) error {
		applied := s.dialect.bind("INSERT INTO " + owner + "_schema (version_id, is_applied) VALUES (?, ?)")
		if _, err := s.ExecContext(ctx, applied, version, true); err != nil {
			return err
		}
		return s.exec(ctx, "UPDATE schema_owners SET oldest = ?, doing = 0, done = 0, unsure = 0 WHERE owner = ?", oldest, owner)
	})
}

// announce notes that a process of a level lives.
func (s *schema) announce(ctx context.Context, owner, process string, level int64) error {
	return s.together(ctx, func(s *schema) error {
		if err := s.exec(ctx, "DELETE FROM schema_processes WHERE owner = ? AND process = ?", owner, process); err != nil {
			return err
		}
		return s.exec(ctx, "INSERT INTO schema_processes (owner, process, level, seen_at) VALUES (?, ?, ?, "+s.dialect.now()+")", owner, process, level)
	})
}

// together runs statements in one transaction; the session may be one already.
func (s *schema) together(ctx context.Context, fn func(*schema) error) error {
	if s.conn == nil {
		return fn(s)
	}
	tx, err := s.conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := fn(&schema{session: tx, dialect: s.dialect}); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// run carries out the statements of a migration.
func (s *schema) run(ctx context.Context, owner string, m *migration, statements []string) error {
	if s.conn != nil {
		return s.runOneByOne(ctx, owner, m, statements)
	}
	for i, text := range statements {
		if err := s.exec(ctx, text); err != nil {
			return fmt.Errorf("statement %d: %w", i+1, err)
		}
	}
	return nil
}

// runOneByOne is for an engine that commits with every change of a table: it notes each
// statement, so that a migration goes on where a process that died has left it. Only of
// the statement at hand then it is not known whether it took effect; it is repeated, and
// that the engine finds it done already is no error.
func (s *schema) runOneByOne(ctx context.Context, owner string, m *migration, statements []string) error {
	var doing int64
	var done int
	var unsure bool
	err := s.QueryRowContext(ctx, "SELECT doing, done, unsure FROM schema_owners WHERE owner = ?", owner).Scan(&doing, &done, &unsure)
	if err != nil {
		return err
	}
	if doing != m.version {
		done, unsure = 0, false
	}
	note := func(s *schema, done int, unsure bool) error {
		return s.exec(ctx, "UPDATE schema_owners SET doing = ?, done = ?, unsure = ? WHERE owner = ?", m.version, done, unsure, owner)
	}
	for ; done < len(statements); done++ {
		text := statements[done]
		if !changesTables(text) { // rows, and the note with them
			err = s.together(ctx, func(s *schema) error { return errors.Join(s.exec(ctx, text), note(s, done+1, false)) })
		} else if err = note(s, done, true); err == nil {
			err = s.exec(ctx, text)
			if refused := new(mysqldriver.MySQLError); errors.As(err, &refused) && !s.dialect.away(err) {
				if unsure && doneAlready(refused) {
					err = nil
				} else {
					err = errors.Join(err, note(s, done, false))
				}
			}
		}
		if err != nil {
			return fmt.Errorf("statement %d: %w", done+1, err)
		}
		unsure = false
	}
	return nil
}

// changesTables tells a change of a table from one of its rows.
func changesTables(text string) bool {
	word, _, _ := strings.Cut(text, " ")
	switch strings.ToUpper(word) {
	case "CREATE", "ALTER", "DROP", "RENAME":
		return true
	}
	return false
}

// doneAlready tells that a change of a table finds its own effect.
func doneAlready(err *mysqldriver.MySQLError) bool {
	switch err.Number {
	case 1050, 1060, 1061: // table, column, index exists
		return true
	case 1051, 1054, 1091: // table, column, what is to be dropped does not exist
		return true
	}
	return false
}

// exclusively runs fn in one transaction, which is what keeps others out.
func (sqlite) exclusively(ctx context.Context, pool *sql.DB, fn func(*schema) error) error {
	return inTransaction(ctx, pool, sqlite{}, fn)
}

// exclusively runs fn in one transaction that holds a lock of the schema. It goes with the
// connection, however the process ends.
func (postgres) exclusively(ctx context.Context, pool *sql.DB, fn func(*schema) error) error {
	return inTransaction(ctx, pool, postgres{}, func(s *schema) error {
		const lock = "SELECT pg_advisory_xact_lock(hashtextextended('virga migrates ' || current_schema(), 0))"
		if err := s.exec(ctx, lock); err != nil {
			return fmt.Errorf("wait for other processes that migrate: %w", err)
		}
		return fn(s)
	})
}

func inTransaction(ctx context.Context, pool *sql.DB, d dialect, fn func(*schema) error) error {
	mode := &sql.TxOptions{}
	if d.name() == "postgres" {
		mode.Isolation = sql.LevelReadCommitted // what was committed while it waited for the lock counts
	}
	tx, err := pool.BeginTx(ctx, mode)
	if err != nil {
		return err
	}
	if err := fn(&schema{session: tx, dialect: d}); err != nil {
		_ = tx.Rollback()
		return err
	}
	return tx.Commit()
}

// lockTurn is how long one question for MariaDB's lock waits.
const lockTurn = 5 * time.Second

// exclusively runs fn with a lock of the database's name. It goes with the connection, and
// that with the process, but not before the statement at hand is at its end.
func (mysql) exclusively(ctx context.Context, pool *sql.DB, fn func(*schema) error) (err error) {
	conn, err := pool.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	const name = "CONCAT('virga migrates ', MD5(DATABASE()))"
	for got := false; !got; {
		var answer sql.NullInt64 // 0 after the time, NULL on an error
		if err := conn.QueryRowContext(ctx, "SELECT GET_LOCK("+name+", ?)", lockTurn.Seconds()).Scan(&answer); err != nil {
			return fmt.Errorf("wait for other processes that migrate: %w", err)
		}
		got = answer.Int64 == 1
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	defer func() {
		_, freed := conn.ExecContext(context.WithoutCancel(ctx), "DO RELEASE_LOCK("+name+")")
		if freed != nil {
			_ = conn.Raw(func(any) error { return driver.ErrBadConn }) // the lock must not stay with a connection of the pool
			err = errors.Join(err, freed)
		}
	}()
	s := &schema{session: conn, dialect: mysql{}, conn: conn}
	if err := haveCollation(ctx, conn); err != nil {
		return err
	}
	return fn(s)
}

// haveCollation has tables compare texts as the other engines do: case and trailing blanks matter.
func haveCollation(ctx context.Context, conn *sql.Conn) error {
	var version, collation string
	if err := conn.QueryRowContext(ctx, "SELECT VERSION(), @@collation_database").Scan(&version, &collation); err != nil {
		return fmt.Errorf("find out the server's version: %w", err)
	}
	if collation == mysqlCollation(version) {
		return nil
	}
	if _, err := conn.ExecContext(ctx, "ALTER DATABASE "+mysqlTexts(version)); err != nil {
		return fmt.Errorf("set the database's collation: %w", err)
	}
	return nil
}
