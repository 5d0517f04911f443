package image

import (
	"time"

	"virga/core/db"
)

// pending is a deleted image whose data is kept until it is scrubbed.
type pending struct {
	ID    string `db:"id"`
	Owner string `db:"owner"`
	Name  string `db:"name"`
	// Bytes is what its data takes up in stores.
	Bytes     int64     `db:"bytes"`
	DeletedAt time.Time `db:"deleted_at"`
	ScrubAt   time.Time `db:"scrub_at"`
	// Document is the image as it was, to be restored.
	Document pendingDocument `db:"document,json"`
}

// pendingDocument is an image with all that belongs to it.
type pendingDocument struct {
	Image   *image   `json:"image"`
	Members []member `json:"members"`
}

func insertPending(tx *db.Tx, p pending) error { return tx.Insert("image_pending", p) }

// findPending finds a deleted image whose data is kept, or db.ErrNotFound.
func findPending(tx *db.Tx, id string) (pending, error) {
	var p pending
	err := tx.Get(&p, "SELECT "+db.Columns(pending{}, "")+" FROM image_pending WHERE id = ?", id)
	return p, err
}

// listPending lists those with ids greater than after, in the order of their ids.
func listPending(tx *db.Tx, after string, limit int) ([]pending, error) {
	var list []pending
	err := tx.Select(&list, "SELECT "+db.Columns(pending{}, "")+" FROM image_pending WHERE id > ? ORDER BY id LIMIT ?", after, limit)
	return list, err
}

// listToScrub lists the ids of those whose time has come.
func listToScrub(tx *db.Tx, now time.Time, limit int) ([]string, error) {
	var ids []string
	err := tx.Select(&ids, "SELECT id FROM image_pending WHERE scrub_at <= ? ORDER BY scrub_at, id LIMIT ?", now, limit)
	return ids, err
}

// sumPending is how many bytes of a project's deleted images are kept.
func sumPending(tx *db.Tx, owner string) (int64, error) {
	var sizes []int64
	if err := tx.Select(&sizes, "SELECT bytes FROM image_pending WHERE owner = ?", owner); err != nil {
		return 0, err
	}
	var sum int64
	for _, n := range sizes {
		sum += n
	}
	return sum, nil
}

// forgetPending removes the row, or returns db.ErrNotFound.
func forgetPending(tx *db.Tx, id string) error {
	n, err := tx.Exec("DELETE FROM image_pending WHERE id = ?", id)
	return oneRow(n, err)
}

// keepPending has the data of a deleted image wait, restorePending makes it that of the
// image again, scrubPending has it be removed.
func keepPending(tx *db.Tx, id string) error {
	return moveContents(tx, id, contentKept, contentPending)
}

func restorePending(tx *db.Tx, id string) error {
	if _, err := tx.Exec("DELETE FROM image_tombstones WHERE id = ?", id); err != nil {
		return err
	}
	return moveContents(tx, id, contentPending, contentKept)
}

func scrubPending(tx *db.Tx, id string) error {
	return moveContents(tx, id, contentPending, contentDoomed)
}

// moveContents moves the contents of an image from one state to another.
func moveContents(tx *db.Tx, imageID, from, to string) error {
	_, err := tx.Exec("UPDATE image_contents SET state = ? WHERE image_id = ? AND state = ?", to, imageID, from)
	return err
}
