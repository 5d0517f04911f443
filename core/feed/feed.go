// Package feed is the change log: what was changed, by whom and on which request,
// written in the same transaction as the change itself.
//
// It owns the table feed of each service's database. Services record; readers
// (audit, notifications, usage) walk it by sequence number. Everybody above
// core/db may import it.
package feed

import (
	"context"
	"embed"
	"io/fs"
	"time"

	"virga/core/db"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations is the DDL of the feed; its owner in db.Migrate is "feed".
func Migrations() fs.FS {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic("the embedded folder is there: " + err.Error())
	}
	return sub
}

// Change is one entry.
type Change struct {
	// Seq counts up within one database; it is given by the database.
	Seq int64 `db:"seq"`
	// At is when the change was made.
	At time.Time `db:"at"`
	// RequestID is the id of the API request that led to the change.
	RequestID string `db:"request_id"`
	// UserID and ProjectID tell who made it; empty for Virga itself.
	UserID    string `db:"user_id"`
	ProjectID string `db:"project_id"`
	// Kind and ID name the resource, "server" and its id, Action the verb: "create".
	Kind   string `db:"kind"`
	ID     string `db:"resource_id"`
	Action string `db:"action"`
	// Detail holds what matters of the change, without secrets.
	Detail map[string]any `db:"detail,json"`
}

// entry is a change without its number, which the database counts.
type entry struct {
	At        time.Time      `db:"at"`
	RequestID string         `db:"request_id"`
	UserID    string         `db:"user_id"`
	ProjectID string         `db:"project_id"`
	Kind      string         `db:"kind"`
	ID        string         `db:"resource_id"`
	Action    string         `db:"action"`
	Detail    map[string]any `db:"detail,json"`
}

// Record writes a change in the transaction that makes it; Seq is ignored.
func Record(tx *db.Tx, c Change) error {
	return tx.Insert("feed", entry{c.At, c.RequestID, c.UserID, c.ProjectID, c.Kind, c.ID, c.Action, c.Detail})
}

// After returns up to limit changes with numbers greater than seq, oldest first. On
// PostgreSQL and MariaDB a transaction under way may still bring a smaller number: a reader
// that must miss nothing goes back over the newest ones.
func After(ctx context.Context, d *db.DB, seq int64, limit int) ([]Change, error) {
	var changes []Change
	err := d.Read(ctx, func(tx *db.Tx) error {
		return tx.Select(&changes, "SELECT "+db.Columns(Change{}, "")+" FROM feed WHERE seq > ? ORDER BY seq LIMIT ?", seq, limit)
	})
	return changes, err
}

// pruneBatch is how many changes one transaction forgets.
const pruneBatch = 1000

// Prune forgets changes older than before, a batch in each transaction so that writers get
// their turn.
func Prune(ctx context.Context, d *db.DB, before time.Time) error {
	for {
		var old []int64
		err := d.Write(ctx, func(tx *db.Tx) error {
			old = old[:0]
			if err := tx.Select(&old, "SELECT seq FROM feed WHERE at < ? LIMIT ?", before, pruneBatch); err != nil || len(old) == 0 {
				return err
			}
			marks, args := db.In(old)
			_, err := tx.Exec("DELETE FROM feed WHERE seq IN "+marks, args...)
			return err
		})
		if err != nil || len(old) < pruneBatch {
			return err
		}
	}
}
