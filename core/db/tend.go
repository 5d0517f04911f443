package db

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"
)

const (
	// beat is how often a process says that it lives.
	beat = 15 * time.Second
	// silence is how long a process may say nothing until it counts as dead.
	silence = 2 * time.Minute
	// batchSize is how many rows a backfill takes in one transaction.
	batchSize = 500
	// batchPause leaves the database to others between two batches.
	batchPause = 50 * time.Millisecond
)

// tended are the owners whose tables a DB has migrated.
type tended struct {
	mu     sync.Mutex
	owners []*owner
}

func (t *tended) add(o *owner) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.owners = slices.DeleteFunc(t.owners, func(other *owner) bool { return other.name == o.name })
	t.owners = append(t.owners, o)
}

func (t *tended) list() []*owner {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.owners)
}

// processName is for people and differs for every DB.
func processName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%.200s/%d/%.8s", host, os.Getpid(), rand.Text())
}

// Tend runs until ctx ends what belongs to the migrations of all owners while the process
// serves: it says that the process lives, fills and takes away. It returns ErrOutdated when
// the tables have left this program behind, other errors are logged and tried again.
func (d *DB) Tend(ctx context.Context, log *slog.Logger) error {
	for {
		pause := beat
		pending, err := d.Advance(ctx)
		switch {
		case ctx.Err() != nil:
			return d.leave(context.WithoutCancel(ctx))
		case errors.Is(err, ErrOutdated):
			return err
		case err != nil:
			log.Warn("migrations cannot go on now", "error", err)
		case pending:
			pause = batchPause
		}
		if wait(ctx, pause) != nil {
			return d.leave(context.WithoutCancel(ctx))
		}
	}
}

// leave takes the process from the list of the living; a database that is away just now
// forgets it by itself.
func (d *DB) leave(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	err := d.Write(ctx, func(tx *Tx) error {
		_, err := tx.Exec("DELETE FROM schema_processes WHERE process = ?", d.process)
		return err
	})
	if errors.Is(err, ErrUnavailable) || ctx.Err() != nil {
		return nil
	}
	return err
}

// Advance does one round of what Tend does and tells whether the next has something to do
// at once: one batch of each owner's backfills, or a contraction.
func (d *DB) Advance(ctx context.Context) (pending bool, err error) {
	for _, o := range d.tended.list() {
		more, err := d.advance(ctx, o)
		if err != nil {
			return false, fmt.Errorf("advance the migrations of %s: %w", o.name, err)
		}
		pending = pending || more
	}
	return pending, nil
}

// progress is what a process sees of an owner's tables.
type progress struct {
	applied []int64
	// youngest is the lowest level among the living.
	youngest int64
}

func (d *DB) advance(ctx context.Context, o *owner) (pending bool, err error) {
	var at progress
	err = d.Write(ctx, func(tx *Tx) error { at, err = d.say(tx, o); return err })
	if err != nil {
		return false, err
	}
	for i := range o.migrations {
		m := &o.migrations[i]
		if slices.Contains(at.applied, m.version) {
			continue
		}
		switch m.phase {
		case expand:
			return false, fmt.Errorf("%s is not carried out and should be", m)
		case backfill:
			return d.fill(ctx, o, m, at.youngest >= m.version)
		case contract:
			if at.youngest < m.needs {
				return false, nil
			}
			return d.contract(ctx, o, m)
		}
	}
	return false, nil
}

// say notes that this process lives and looks who else does.
func (d *DB) say(tx *Tx, o *owner) (at progress, err error) {
	var oldest int64
	if err := tx.Get(&oldest, "SELECT oldest FROM schema_owners WHERE owner = ?", o.name); err != nil {
		return at, err
	}
	if o.level() < oldest {
		return at, fmt.Errorf("%w: a newer one has migrated the tables of %s", ErrOutdated, o.name)
	}
	now := d.dialect.now()
	there, err := tx.Exec("UPDATE schema_processes SET seen_at = "+now+" WHERE owner = ? AND process = ?", o.name, d.process)
	if err != nil {
		return at, err
	}
	if there == 0 { // it was silent for so long that others have forgotten it
		if _, err := tx.Exec("INSERT INTO schema_processes (owner, process, level, seen_at) VALUES (?, ?, ?, "+now+")", o.name, d.process, o.level()); err != nil {
			return at, err
		}
	}
	if _, err := tx.Exec("DELETE FROM schema_processes WHERE owner = ? AND seen_at < "+now+" - ?", o.name, silence.Microseconds()); err != nil {
		return at, err
	}
	if err := tx.Get(&at.youngest, "SELECT MIN(level) FROM schema_processes WHERE owner = ?", o.name); err != nil {
		return at, err
	}
	return at, tx.Select(&at.applied, "SELECT version_id FROM "+o.name+"_schema WHERE version_id > 0")
}

// reach is a row of schema_backfills.
type reach struct {
	Owner   string `db:"owner"`
	Version int64  `db:"version"`
	// Reached is the last key that was seen; behind it the rows are not filled.
	Reached string `db:"reached"`
	// Alone is false when processes lived at the beginning of this pass that do not know the
	// backfill: they may have written rows in front of Reached that are not filled.
	Alone bool `db:"alone"`
}

// fill carries out one batch of a backfill. A pass that begins when nobody lives any more
// who does not know the backfill is the last.
func (d *DB) fill(ctx context.Context, o *owner, m *migration, alone bool) (pending bool, err error) {
	complete := false
	err = d.Write(ctx, func(tx *Tx) error {
		complete, pending = false, false
		at := reach{Owner: o.name, Version: m.version}
		err := tx.Get(&at, "SELECT "+Columns(at, "")+" FROM schema_backfills WHERE owner = ? AND version = ?", o.name, m.version)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		if at.Reached == "" {
			if err == nil && !alone {
				return nil // one pass is behind it; the next has to wait
			}
			at.Alone = alone
		}
		at.Reached, err = m.batch(tx, at.Reached, batchSize)
		if err != nil {
			return fmt.Errorf("fill by %s: %w", m, err)
		}
		complete, pending = at.Reached == "" && at.Alone, at.Reached != "" || alone
		return tx.Upsert("schema_backfills", at, "owner", "version")
	})
	if err != nil || !complete {
		return pending, err
	}
	return true, d.dialect.exclusively(ctx, d.write, func(s *schema) error {
		state, err := s.state(ctx, o.name)
		if err != nil || slices.Contains(state.applied, m.version) {
			return err
		}
		return s.record(ctx, o.name, m.version, state.oldest)
	})
}

// contract carries out a contraction if it holds still that nobody living minds.
func (d *DB) contract(ctx context.Context, o *owner, m *migration) (done bool, err error) {
	err = d.dialect.exclusively(ctx, d.write, func(s *schema) error {
		state, err := s.state(ctx, o.name)
		if err != nil || slices.Contains(state.applied, m.version) {
			return err
		}
		var youngest int64
		err = s.QueryRowContext(ctx, s.dialect.bind("SELECT COALESCE(MIN(level), 0) FROM schema_processes WHERE owner = ?"), o.name).Scan(&youngest)
		if err != nil || youngest < m.needs {
			return err
		}
		done = true
		return s.apply(ctx, o.name, m, max(state.oldest, m.needs, before(o.releases, m.version)))
	})
	if err != nil {
		return false, d.unavailable(err)
	}
	return done, nil
}

// sqlBatch makes the batches of a statement over the rows of a table, whose two placeholders
// are the first and the last key.
func sqlBatch[K int64 | string](table, key, text string, read func(string) (K, error)) Batch {
	return func(tx *Tx, after string, limit int) (string, error) {
		where, args := "", []any{}
		if after != "" {
			value, err := read(after)
			if err != nil {
				return "", err
			}
			where, args = " WHERE "+key+" > ?", []any{value}
		}
		var keys []K
		if err := tx.Select(&keys, fmt.Sprintf("SELECT %s FROM %s%s ORDER BY %s LIMIT %d", key, table, where, key, limit), args...); err != nil || len(keys) == 0 {
			return "", err
		}
		last := keys[len(keys)-1]
		if _, err := tx.Exec(text, keys[0], last); err != nil || len(keys) < limit {
			return "", err
		}
		return fmt.Sprint(last), nil
	}
}
