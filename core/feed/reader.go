package feed

import (
	"context"
	"errors"
	"fmt"
	"time"

	"virga/core/db"
)

// ErrLease is returned to a reader whose place has been taken by another process.
var ErrLease = errors.New("the reader's lease is another's")

// Reader is one lasting reader of a feed, such as the publisher of notifications: its
// position is in the database, and one process at a time is it.
type Reader struct {
	DB *db.DB
	// Name is the reader's, Owner the process's.
	Name, Owner string
	// Lease is how long a claim holds.
	Lease time.Duration
}

type readerRow struct {
	Name       string    `db:"name"`
	Place      int64     `db:"place"`
	Owner      string    `db:"owner"`
	LeaseUntil time.Time `db:"lease_until"`
	UpdatedAt  time.Time `db:"updated_at"`
}

// Claim makes this process the reader and returns its position; held is false while
// another process is. A reader that was never there begins with what is recorded from now on.
func (r Reader) Claim(ctx context.Context, now time.Time) (position int64, held bool, err error) {
	newest, err := Latest(ctx, r.DB)
	if err != nil {
		return 0, false, err
	}
	err = r.DB.Write(ctx, func(tx *db.Tx) error {
		var known readerRow
		err := tx.Get(&known, "SELECT "+db.Columns(known, "")+" FROM feed_readers WHERE name = ?", r.Name)
		mine := readerRow{Name: r.Name, Place: known.Place, Owner: r.Owner, LeaseUntil: now.Add(r.Lease), UpdatedAt: now}
		if errors.Is(err, db.ErrNotFound) {
			mine.Place = newest
			position, held = newest, true
			return tx.Insert("feed_readers", mine)
		}
		if err != nil {
			return err
		}
		position, held = known.Place, known.Owner == r.Owner || !known.LeaseUntil.After(now)
		if !held {
			return nil
		}
		return tx.Update("feed_readers", mine, "name")
	})
	if errors.Is(err, db.ErrDuplicate) { // another process began in the same moment
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("claim reader %s of the feed: %w", r.Name, err)
	}
	return position, held, nil
}

// Advance keeps the position and holds the claim for another lease. ErrLease: another
// process is the reader now.
func (r Reader) Advance(ctx context.Context, position int64, now time.Time) error {
	err := r.DB.Write(ctx, func(tx *db.Tx) error {
		changed, err := tx.Exec("UPDATE feed_readers SET place = ?, lease_until = ?, updated_at = ? WHERE name = ? AND owner = ?",
			position, now.Add(r.Lease), now, r.Name, r.Owner)
		if err == nil && changed == 0 {
			return ErrLease
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("advance reader %s of the feed to %d: %w", r.Name, position, err)
	}
	return nil
}

// Release lets another process be the reader at once.
func (r Reader) Release(ctx context.Context, now time.Time) error {
	return r.DB.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec("UPDATE feed_readers SET lease_until = ? WHERE name = ? AND owner = ?", now, r.Name, r.Owner)
		return err
	})
}
