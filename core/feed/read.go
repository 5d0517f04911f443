package feed

import (
	"context"
	"errors"
	"fmt"
	"time"

	"virga/core/db"
)

// Oldest is the number before the oldest change that is kept.
const Oldest int64 = -1

// ErrForgotten is returned to a reader that has not seen changes which are no longer kept.
var ErrForgotten = errors.New("changes since this number are no longer kept")

const (
	// batch is how many entries get a place in one transaction, and pruneBatch how many
	// one transaction forgets.
	batch      = 500
	pruneBatch = 1000
)

// state is what a reader sees of the feed in one moment.
type state struct {
	Last      int64 `db:"last_place"`
	Forgotten int64 `db:"forgotten_place"`
	// waiting are the keys of the oldest entries without a place, at most a batch.
	waiting []int64
}

func look(tx *db.Tx) (state, error) {
	var s state
	if err := tx.Get(&s, "SELECT last_place, forgotten_place FROM feed_counter WHERE id = 1"); err != nil {
		return s, fmt.Errorf("read the counter of the feed: %w", err)
	}
	return s, tx.Select(&s.waiting, "SELECT seq FROM feed WHERE place IS NULL ORDER BY seq LIMIT ?", batch)
}

// place gives the entries that wait in s their places; false when somebody else has given
// any since.
func place(ctx context.Context, d *db.DB, s state) (done bool, err error) {
	err = d.Write(ctx, func(tx *db.Tx) error {
		if d.Engine() == "postgres" {
			if _, err := tx.Exec("SET TRANSACTION ISOLATION LEVEL READ COMMITTED"); err != nil {
				return err
			}
		}
		mine, err := tx.Exec("UPDATE feed_counter SET last_place = ? WHERE id = 1 AND last_place = ?", s.Last+int64(len(s.waiting)), s.Last)
		if done = mine > 0; err != nil || !done {
			return err
		}
		next := s.Last + 1
		for waiting := s.waiting; len(waiting) > 0; {
			n := 1 // how many have keys without a gap between them
			for n < len(waiting) && waiting[n] == waiting[0]+int64(n) {
				n++
			}
			if _, err := tx.Exec("UPDATE feed SET place = seq + ? WHERE seq >= ? AND seq <= ?", next-waiting[0], waiting[0], waiting[n-1]); err != nil {
				return err
			}
			next, waiting = next+int64(n), waiting[n:]
		}
		return nil
	})
	return done, err
}

// settled calls read in a snapshot in which every entry that was committed before the call
// has its place, or limit entries behind seq have theirs. It does not wait for those that
// come meanwhile: there may be some at every look.
func settled(ctx context.Context, d *db.DB, read func(tx *db.Tx, s state) (enough bool, err error)) error {
	for all := false; ; {
		var s state
		var enough bool
		err := d.Read(ctx, func(tx *db.Tx) (err error) {
			if s, err = look(tx); err != nil {
				return err
			}
			enough, err = read(tx, s)
			return err
		})
		if err != nil || enough || all || len(s.waiting) == 0 {
			return err
		}
		done, err := place(ctx, d, s)
		if err != nil {
			return fmt.Errorf("number changes: %w", err)
		}
		all = done && len(s.waiting) < batch
	}
}

// After returns up to limit changes with numbers greater than seq, oldest first: all that
// were committed before the call. Whoever goes on from the last number it got misses none
// and gets none twice. ErrForgotten: changes behind seq are no longer kept.
func After(ctx context.Context, d *db.DB, seq int64, limit int) ([]Entry, error) {
	var found []Entry
	err := settled(ctx, d, func(tx *db.Tx, s state) (bool, error) {
		if seq != Oldest && seq < s.Forgotten {
			return true, fmt.Errorf("read the feed from %d: %w", seq, ErrForgotten)
		}
		found = found[:0]
		err := tx.Select(&found, "SELECT "+db.Columns(Entry{}, "")+" FROM feed WHERE place > ? ORDER BY place LIMIT ?", seq, limit)
		return len(found) == limit, err
	})
	return found, err
}

// Latest is the number of the newest change, 0 before the first.
func Latest(ctx context.Context, d *db.DB) (int64, error) {
	var last int64
	err := settled(ctx, d, func(_ *db.Tx, s state) (bool, error) {
		last = s.Last
		return false, nil
	})
	return last, err
}

// Prune forgets changes older than before, a batch in each transaction so that writers get
// their turn. Readers that have not seen them are told.
func Prune(ctx context.Context, d *db.DB, before time.Time) error {
	if _, err := Latest(ctx, d); err != nil { // what has no place cannot be missed by its number
		return err
	}
	for {
		var old []int64
		err := d.Write(ctx, func(tx *db.Tx) error {
			old = old[:0]
			if err := tx.Select(&old, "SELECT place FROM feed WHERE at < ? AND place IS NOT NULL LIMIT ?", before, pruneBatch); err != nil || len(old) == 0 {
				return err
			}
			last := int64(0)
			for _, one := range old {
				last = max(last, one)
			}
			if _, err := tx.Exec("UPDATE feed_counter SET forgotten_place = ? WHERE id = 1 AND forgotten_place < ?", last, last); err != nil {
				return err
			}
			marks, args := db.In(old)
			_, err := tx.Exec("DELETE FROM feed WHERE place IN "+marks, args...)
			return err
		})
		if err != nil || len(old) < pruneBatch {
			return err
		}
	}
}
