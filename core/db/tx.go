package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

var (
	// ErrNotFound is returned by Get when no row matches.
	ErrNotFound = errors.New("row not found")
	// ErrDuplicate is wrapped by an insert or update that a unique key refuses.
	ErrDuplicate = errors.New("row exists already")
)

// attempts is how often a transaction that lost a race is begun anew.
const attempts = 10

// Tx is a transaction. It is used by one goroutine, inside the function that got it.
type Tx struct {
	ctx    context.Context
	db     *DB
	tx     *sql.Tx
	pool   *sql.DB
	cache  *statements
	commit []func()
}

type inTxKey struct{}

// InTx tells whether ctx belongs to an open transaction, in which no network, bus or
// driver call may be made.
func InTx(ctx context.Context) bool { return ctx.Value(inTxKey{}) != nil }

// Write runs fn in a read-write transaction with serializable isolation. fn may be
// called again when the engine reports a lost race, so it has no effects besides the
// transaction's; those belong into AfterCommit.
func (d *DB) Write(ctx context.Context, fn func(*Tx) error) error {
	var err error
	for attempt := range attempts {
		err = d.run(ctx, d.write, &d.writes, &sql.TxOptions{Isolation: d.dialect.isolation()}, fn)
		if err == nil || !d.dialect.busy(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(attempt+1) * 5 * time.Millisecond):
		}
	}
	return err
}

// Read runs fn in a read-only transaction that sees one state of the database.
func (d *DB) Read(ctx context.Context, fn func(*Tx) error) error {
	return d.run(ctx, d.read, &d.reads, &sql.TxOptions{ReadOnly: d.dialect.name() != "sqlite"}, fn)
}

func (d *DB) run(ctx context.Context, pool *sql.DB, cache *statements, opts *sql.TxOptions, fn func(*Tx) error) error {
	if InTx(ctx) {
		return errors.New("begin transaction: one is open already in this context")
	}
	sqlTx, err := pool.BeginTx(ctx, opts)
	if err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	tx := &Tx{ctx: context.WithValue(ctx, inTxKey{}, true), db: d, tx: sqlTx, pool: pool, cache: cache}
	done := false
	defer func() {
		if !done {
			_ = sqlTx.Rollback()
		}
	}()
	if err := fn(tx); err != nil {
		return err
	}
	done = true
	if err := sqlTx.Commit(); err != nil {
		return fmt.Errorf("commit transaction: %w", err)
	}
	for _, then := range tx.commit {
		then()
	}
	return nil
}

// Context is the context of the transaction; InTx is true of it.
func (t *Tx) Context() context.Context { return t.ctx }

// AfterCommit has then called once the transaction is committed: doorbells go here.
func (t *Tx) AfterCommit(then func()) { t.commit = append(t.commit, then) }

// Exec runs a statement and returns how many rows it changed. A refused unique key
// is ErrDuplicate.
func (t *Tx) Exec(text string, args ...any) (int64, error) {
	bound, err := bindArgs(args)
	if err != nil {
		return 0, err
	}
	text = t.db.dialect.bind(text)
	stmt, cached, err := t.statement(text)
	if err != nil {
		return 0, t.wrap(err)
	}
	var result sql.Result
	if cached {
		result, err = t.tx.StmtContext(t.ctx, stmt).ExecContext(t.ctx, bound...)
	} else {
		result, err = t.tx.ExecContext(t.ctx, text, bound...)
	}
	if err != nil {
		return 0, t.wrap(err)
	}
	return result.RowsAffected()
}

// Query runs a query; the caller closes the rows.
func (t *Tx) query(text string, args ...any) (*sql.Rows, error) {
	bound, err := bindArgs(args)
	if err != nil {
		return nil, err
	}
	text = t.db.dialect.bind(text)
	stmt, cached, err := t.statement(text)
	if err != nil {
		return nil, t.wrap(err)
	}
	if cached {
		rows, err := t.tx.StmtContext(t.ctx, stmt).QueryContext(t.ctx, bound...)
		return rows, t.wrap(err)
	}
	rows, err := t.tx.QueryContext(t.ctx, text, bound...)
	return rows, t.wrap(err)
}

// statement finds the prepared statement for text. Where the pool has one connection
// (SQLite's writer, taken by this very transaction) a new one is prepared in the
// transaction instead of waiting for ever.
func (t *Tx) statement(text string) (*sql.Stmt, bool, error) {
	t.cache.mu.RLock()
	stmt, found := t.cache.byText[text]
	t.cache.mu.RUnlock()
	if found {
		return stmt, true, nil
	}
	if t.pool.Stats().MaxOpenConnections == 1 {
		t.AfterCommit(func() { _, _, _ = t.cache.get(context.WithoutCancel(t.ctx), t.pool, text) })
		return nil, false, nil
	}
	return t.cache.get(t.ctx, t.pool, text)
}

func (t *Tx) wrap(err error) error {
	if err == nil {
		return nil
	}
	if t.db.dialect.duplicate(err) {
		return fmt.Errorf("%w: %w", ErrDuplicate, err)
	}
	return err
}
