// Package feed is the change log: what was changed, by whom and on which request, what
// it was before and is after, written in the same transaction as the change itself.
//
// It owns the tables feed, feed_counter and feed_readers of each service's database.
// Services record; readers (streams of events, notifications, audit, usage) walk it by
// sequence number. Everybody above core/bus may import it.
//
// # Order
//
// A reader keeps one number, and must neither miss an entry nor see one twice. The number
// that the database counts at the insert cannot be that one: a transaction that inserts
// first may commit last, and a reader that has gone past its number never sees it.
// So entries get a second number, their place, once they are committed, and Seq is the
// place. Whoever reads gives places first: it looks, in one snapshot, at the entries
// without a place and at the counter; then a transaction sets the counter forward if it
// still has the value of the snapshot, and writes the places. The counter's row is locked
// until that transaction is committed, so places become visible in their order, all below
// one before the next; the comparison lets no entry get two. An entry that commits late
// is without a place until somebody reads, and gets one behind everything that was read.
// An entry that one transaction could see of another has the smaller place of the two.
//
// Writers take no lock for this and never wait for readers. The transaction that gives
// places touches single rows by their keys that no other one changes, and on PostgreSQL it runs in READ
// COMMITTED, so that it is no party to the conflicts of serializable transactions.
package feed

import (
	"embed"
	"encoding/json"
	"fmt"
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

// Change is what is recorded.
type Change struct {
	// At is when the change was made.
	At time.Time `db:"at"`
	// RequestID is the id of the API request that led to the change.
	RequestID string `db:"request_id"`
	// UserID and ProjectID tell who made it; empty for Virga itself.
	UserID    string `db:"user_id"`
	ProjectID string `db:"project_id"`
	// OperationID is the durable operation whose step made it, or the name of Virga's own
	// routine; empty for a change that a request made at once.
	OperationID string `db:"operation_id"`
	// Kind and ID name the resource, "server" and its id, Action the verb: "create".
	Kind   string `db:"kind"`
	ID     string `db:"resource_id"`
	Action string `db:"action"`
	// OwnerProjectID is the project that the resource belongs to; empty for what belongs to the cloud.
	OwnerProjectID string `db:"owner_project_id"`
	// Before and After are the resource as its API shows it to administrators, or a form
	// as fit; nil before it was there and after it is gone. Values of keys that speak of
	// secrets are kept as stars.
	Before, After any
	// Detail holds what else matters of the change, without secrets.
	Detail map[string]any
}

// Entry is a recorded change. Its own Before, After and Detail stand in for the change's.
type Entry struct {
	// Seq counts up within one database. It has gaps.
	Seq int64 `db:"place"`
	Change
	// Before and After are JSON documents; nil for none.
	Before json.RawMessage `db:"before_json,json"`
	After  json.RawMessage `db:"after_json,json"`
	Detail map[string]any  `db:"detail,json"`
}

// row is an entry without a place.
type row struct {
	Change
	Before string `db:"before_json,null"`
	After  string `db:"after_json,null"`
	Detail string `db:"detail,null"`
}

// Record writes a change in the transaction that makes it.
func Record(tx *db.Tx, c Change) error {
	r := row{Change: c}
	for _, part := range []struct {
		value any
		to    *string
	}{{c.Before, &r.Before}, {c.After, &r.After}, {c.Detail, &r.Detail}} {
		text, err := document(part.value)
		if err != nil {
			return fmt.Errorf("record %s of %s %s: %w", c.Action, c.Kind, c.ID, err)
		}
		*part.to = text
	}
	return tx.Insert("feed", r)
}
