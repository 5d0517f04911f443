package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"golang.org/x/sync/semaphore"
)

var (
	// ErrNotFound is returned by Get when no row matches.
	ErrNotFound = errors.New("row not found")
	// ErrDuplicate is wrapped by an insert or update that a unique key refuses. PostgreSQL
	// takes no more statements in the transaction then, so it is returned from the function.
	ErrDuplicate = errors.New("row exists already")
)

// attempts is how often a transaction that lost a race is begun anew.
const attempts = 30

// Tx is a transaction. It is used by one goroutine, inside the function that got it.
type Tx struct {
	ctx    context.Context
	db     *DB
	tx     *sql.Tx
	cache  *statements
	commit []func()
	// alone says that the one query of a reader without a transaction was run.
	alone bool
	// fresh are the texts that are worth preparing.
	fresh []string
	// lost is the engine's report of a lost race: whatever is made of it, the
	// transaction cannot go on.
	lost error
}

type inTxKey struct{}

// InTx tells whether ctx belongs to an open transaction, in which no network, bus or
// driver call may be made.
func InTx(ctx context.Context) bool { return ctx.Value(inTxKey{}) != nil }

// Write runs fn in a read-write transaction with serializable isolation. fn may be
// called again when the engine reports a lost race, so it has no effects besides the
// transaction's; those belong into AfterCommit. A race that is lost again and again, a
// database that is away, and one that has no connection to spare for long are
// ErrUnavailable. A commit whose outcome is not known is never repeated.
func (d *DB) Write(ctx context.Context, fn func(*Tx) error) error {
	opts := &sql.TxOptions{Isolation: d.dialect.writing()}
	for attempt := 1; ; attempt++ {
		tx, lost, err := d.runInLane(ctx, attempt, opts, fn)
		if err == nil {
			tx.follow(ctx, d.write)
			return nil
		}
		if !lost {
			return err
		}
		if attempt == attempts {
			return fmt.Errorf("%w: %d attempts lost their race: %s", ErrUnavailable, attempts, err.Error()) // what fn made of it is void
		}
		if err := wait(ctx, pauseAfter(attempt)); err != nil {
			return err
		}
	}
}

const (
	// lanes is how many write transactions of a process run side by side where the engine
	// lets them: with more of them races are lost more often than time is won.
	lanes = 2
	// patience is how many races a transaction may lose until it gets all lanes for itself,
	// so that it can lose only against those of other processes.
	patience = 1
)

// runInLane makes one attempt when there is room beside the other write transactions of
// the process.
func (d *DB) runInLane(ctx context.Context, attempt int, opts *sql.TxOptions, fn func(*Tx) error) (tx *Tx, lost bool, err error) {
	if d.lanes != nil {
		width := int64(1)
		if attempt > patience {
			width = lanes
		}
		if err := d.sit(ctx, d.lanes, width); err != nil {
			return nil, false, fmt.Errorf("begin transaction: %w", d.unavailable(err))
		}
		defer d.lanes.Release(width) // also when fn panics
	}
	return d.run(ctx, d.write, d.writes, opts, fn)
}

// pauseAfter is by chance, so that those who met do not meet again.
func pauseAfter(attempt int) time.Duration {
	return time.Millisecond + rand.N(min(time.Duration(1<<attempt)*time.Millisecond, 200*time.Millisecond))
}

// Read runs fn, once, in a read-only transaction that sees one state of the database. A table
// that is being changed for long is ErrUnavailable.
func (d *DB) Read(ctx context.Context, fn func(*Tx) error) error {
	tx, lost, err := d.run(ctx, d.read, d.reads, d.dialect.reading(), fn)
	switch {
	case err == nil:
		tx.follow(ctx, d.read)
	case lost:
		return fmt.Errorf("%w: %s", ErrUnavailable, err.Error()) // what fn made of it is void
	}
	return err
}

// ReadOne is Read for an fn that runs a single query, which the engine answers without a
// transaction around it: that spares a server two of three round trips. A second query is
// an error.
func (d *DB) ReadOne(ctx context.Context, fn func(*Tx) error) error {
	if InTx(ctx) {
		return errors.New("read: a transaction is open already in this context")
	}
	if err := d.interception.begin(ctx, false); err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	if err := d.sit(ctx, d.seats, 1); err != nil {
		return fmt.Errorf("read: %w", d.unavailable(err))
	}
	defer d.seats.Release(1)
	tx := &Tx{ctx: context.WithValue(ctx, inTxKey{}, true), db: d, cache: d.reads}
	err := fn(tx)
	if tx.lost != nil || err != nil && d.dialect.busy(err) {
		return fmt.Errorf("%w: %s", ErrUnavailable, err.Error()) // what fn made of it is void
	}
	if err == nil {
		tx.follow(ctx, d.read)
	}
	return err
}

// run makes one attempt; lost tells that another may succeed. When it returns, the
// connection is free again.
func (d *DB) run(ctx context.Context, pool *sql.DB, cache *statements, opts *sql.TxOptions, fn func(*Tx) error) (tx *Tx, lost bool, err error) {
	if InTx(ctx) {
		return nil, false, errors.New("begin transaction: one is open already in this context")
	}
	write := opts != nil && !opts.ReadOnly
	if err := d.interception.begin(ctx, write); err != nil {
		return nil, false, fmt.Errorf("begin transaction: %w", err)
	}
	sqlTx, release, err := d.begin(ctx, pool, opts)
	if err != nil {
		return nil, d.dialect.busy(err), fmt.Errorf("begin transaction: %w", d.unavailable(err))
	}
	defer release()
	tx = &Tx{ctx: context.WithValue(ctx, inTxKey{}, true), db: d, tx: sqlTx, cache: cache}
	done := false
	defer func() {
		if !done {
			_ = sqlTx.Rollback()
		}
	}()
	if err := fn(tx); err != nil {
		return nil, tx.lost != nil || d.dialect.busy(err), err
	}
	if tx.lost != nil {
		return nil, true, tx.lost
	}
	done = true
	if err := sqlTx.Commit(); err != nil {
		return nil, d.dialect.busy(err), fmt.Errorf("commit transaction: %w", d.unavailable(err))
	}
	if err := d.interception.committed(ctx, write); err != nil {
		return nil, false, fmt.Errorf("commit transaction: %w", err)
	}
	return tx, false, nil
}

// follow does what comes after a commit. It may begin other transactions.
func (t *Tx) follow(ctx context.Context, pool *sql.DB) {
	for _, then := range t.commit {
		then()
	}
	for _, text := range t.fresh {
		t.cache.prepare(ctx, pool, text)
	}
}

// begin waits for its turn, takes a connection that lives and begins. Connections of the
// pool may have broken while nobody used them, and a server that has many clients may have
// none to spare for a moment; a transaction without a statement can be begun anew.
func (d *DB) begin(ctx context.Context, pool *sql.DB, opts *sql.TxOptions) (*sql.Tx, func(), error) {
	seats := d.seats
	if pool == d.write {
		seats = d.writeSeats
	}
	if err := d.sit(ctx, seats, 1); err != nil {
		return nil, nil, err
	}
	for attempt := 0; ; attempt++ {
		tx, err := pool.BeginTx(ctx, opts)
		switch {
		case err == nil:
			return tx, func() { seats.Release(1) }, nil
		case attempt < fullAttempts && d.dialect.full(err):
			if err = wait(ctx, fullPause); err == nil {
				continue
			}
		case attempt < maxConnections && !unreached(err) && (away(err) || d.dialect.away(err)):
			continue
		}
		seats.Release(1)
		return nil, nil, err
	}
}

const (
	// seatTime is how long a transaction waits for a connection that others use.
	seatTime = 30 * time.Second
	// fullPause and fullAttempts say how a server is asked that takes no more connections.
	fullPause    = 100 * time.Millisecond
	fullAttempts = 30
)

// sit waits for n seats, of which each connection of a pool is one, first come, first served.
func (d *DB) sit(ctx context.Context, seats *semaphore.Weighted, n int64) error {
	if seats.TryAcquire(n) {
		return nil
	}
	waiting, cancel := context.WithTimeout(ctx, d.seatTime)
	defer cancel()
	err := seats.Acquire(waiting, n)
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("%w: all its connections were in use for %s", ErrUnavailable, d.seatTime)
	}
	return err
}

// Context is the context of the transaction; InTx is true of it.
func (t *Tx) Context() context.Context { return t.ctx }

// AfterCommit has then called once the transaction is committed: doorbells go here.
func (t *Tx) AfterCommit(then func()) { t.commit = append(t.commit, then) }

// Exec runs a statement and returns how many rows it changed. A refused unique key
// is ErrDuplicate.
func (t *Tx) Exec(text string, args ...any) (int64, error) {
	if t.tx == nil {
		return 0, errors.New("change rows: there is no transaction")
	}
	bound, err := bindArgs(args)
	if err != nil {
		return 0, err
	}
	text = t.db.dialect.bind(text)
	var result sql.Result
	if stmt := t.statement(text); stmt != nil {
		result, err = t.tx.StmtContext(t.ctx, stmt).ExecContext(t.ctx, bound...)
	} else {
		result, err = t.tx.ExecContext(t.ctx, text, bound...)
	}
	if err != nil {
		return 0, t.wrap(err)
	}
	return result.RowsAffected()
}

// query runs a query; the caller closes the rows.
func (t *Tx) query(text string, args ...any) (*sql.Rows, error) {
	bound, err := bindArgs(args)
	if err != nil {
		return nil, err
	}
	text = t.db.dialect.bind(text)
	stmt := t.statement(text)
	if t.tx == nil {
		return t.queryAlone(stmt, text, bound)
	}
	if stmt != nil {
		rows, err := t.tx.StmtContext(t.ctx, stmt).QueryContext(t.ctx, bound...)
		return rows, t.wrap(err)
	}
	rows, err := t.tx.QueryContext(t.ctx, text, bound...)
	return rows, t.wrap(err)
}

// queryAlone runs the one query that comes without a transaction.
func (t *Tx) queryAlone(stmt *sql.Stmt, text string, args []any) (rows *sql.Rows, err error) {
	if t.alone {
		return nil, errors.New("query: there was one already, and no transaction makes them see the same")
	}
	t.alone = true
	if stmt != nil {
		rows, err = stmt.QueryContext(t.ctx, args...)
	} else {
		rows, err = t.db.read.QueryContext(t.ctx, text, args...)
	}
	return rows, t.wrap(err)
}

// statement finds the prepared statement for text, or nil.
func (t *Tx) statement(text string) *sql.Stmt {
	stmt, wanted := t.cache.find(text)
	if wanted && !slices.Contains(t.fresh, text) {
		t.fresh = append(t.fresh, text)
	}
	return stmt
}

// wrap classifies an error of the engine.
func (t *Tx) wrap(err error) error {
	switch {
	case err == nil:
		return nil
	case t.db.dialect.duplicate(err):
		return fmt.Errorf("%w: %w", ErrDuplicate, err)
	case t.db.dialect.busy(err):
		t.lost = err
	}
	return t.db.unavailable(err)
}
