package db

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"
)

// ErrOutdated is wrapped when the tables have left this program behind: a newer one has
// migrated them, and this one would not understand them.
var ErrOutdated = errors.New("this version of virga is too old for the database")

// migrationPatience is how long a migration begins anew that meets running transactions: a
// backup, say. It waits for the lock of a table for moments only, because everybody else
// waits behind it.
const migrationPatience = 5 * time.Minute

// owner is who has tables: a service, or a part of the kit.
type owner struct {
	name       string
	migrations []migration
	releases   []level
}

// level is the newest migration that this program knows.
func (o *owner) level() int64 {
	if len(o.migrations) == 0 {
		return 0
	}
	return o.migrations[len(o.migrations)-1].version
}

// Migrate has the tables of one owner (a service, or a part of the kit) as this program
// needs them, by the files in the root of a file system; see the package comment. Tables
// that are too new for this program are ErrOutdated. Each owner keeps its own version
// table. Three words of the DDL are rendered per engine: BIGTEXT (text of any length),
// BYTES (binary) and SEQUENCE (a counting primary key).
func (d *DB) Migrate(ctx context.Context, name string, files fs.FS, backfills ...Backfill) error {
	released, err := Releases()
	if err != nil {
		return fmt.Errorf("migrate %s: %w", name, err)
	}
	return d.migrate(ctx, released, name, files, backfills)
}

func (d *DB) migrate(ctx context.Context, released []Released, name string, files fs.FS, backfills []Backfill) error {
	if !identifier.MatchString(name) {
		return fmt.Errorf("migrate: %q is no name of an owner of tables", name)
	}
	list, err := readMigrations(files, d.dialect.words(), backfills)
	if err != nil {
		return fmt.Errorf("migrate %s: %w", name, err)
	}
	o := &owner{name: name, migrations: list, releases: levels(released, name)}
	began := time.Now()
	for attempt := 1; ; attempt++ {
		err := d.dialect.exclusively(ctx, d.write, func(s *schema) error { return s.expand(ctx, d.process, o) })
		if err == nil {
			break
		}
		if !d.dialect.busy(err) || time.Since(began) > migrationPatience {
			return fmt.Errorf("migrate %s: %w", name, d.unavailable(err))
		}
		if err := wait(ctx, pauseAfter(min(attempt, attempts))); err != nil {
			return fmt.Errorf("migrate %s: %w", name, err)
		}
	}
	d.tended.add(o)
	return nil
}

// expand carries out what has to be there before a process serves, and notes that this
// one does. Tables without a past have nothing to fill and nobody to wait for.
func (s *schema) expand(ctx context.Context, process string, o *owner) error {
	if err := s.prepare(ctx, o.name); err != nil {
		return err
	}
	state, err := s.state(ctx, o.name)
	if err != nil {
		return err
	}
	if o.level() < state.oldest {
		return fmt.Errorf("%w: a newer one has migrated the tables of %s, and those that stop before number %04d cannot use them; this one stops at %04d: install the newer one",
			ErrOutdated, o.name, state.oldest, o.level())
	}
	fresh := len(state.applied) == 0
	for i := range o.migrations {
		m := &o.migrations[i]
		if slices.Contains(state.applied, m.version) || m.phase != expand && !fresh {
			continue
		}
		oldest := max(state.oldest, before(o.releases, m.version))
		if m.phase == contract {
			oldest = max(oldest, m.needs)
		}
		if err := s.apply(ctx, o.name, m, oldest); err != nil {
			return err
		}
		state.oldest = oldest
	}
	return s.announce(ctx, o.name, process, o.level())
}

// apply carries out one migration; a backfill has been carried out by its batches.
func (s *schema) apply(ctx context.Context, owner string, m *migration, oldest int64) error {
	statements := m.statements
	if m.phase == backfill {
		statements = nil
	}
	if err := s.run(ctx, owner, m, statements); err != nil {
		return fmt.Errorf("carry out %s: %w", m, err)
	}
	return s.record(ctx, owner, m.version, oldest)
}

// wait waits, or until ctx ends.
func wait(ctx context.Context, how time.Duration) error {
	timer := time.NewTimer(how)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
