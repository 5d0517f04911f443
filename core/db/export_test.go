package db

import (
	"context"
	"io/fs"
	"time"
)

// MigrateReleased is Migrate with another list of releases.
func (d *DB) MigrateReleased(ctx context.Context, released []Released, name string, files fs.FS, backfills ...Backfill) error {
	return d.migrate(ctx, released, name, files, backfills)
}

// Silence is how long a process may say nothing until it counts as dead.
const Silence = silence

// Statements are the statements of a text.
func Statements(text string) []string { return splitStatements(text) }

// SetSeatTime sets how long a transaction waits for a connection that others use.
func (d *DB) SetSeatTime(to time.Duration) { d.seatTime = to }

// Lanes is how many write transactions of a process run side by side on a server.
const Lanes = lanes
