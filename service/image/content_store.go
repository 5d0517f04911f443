package image

import (
	"errors"
	"time"

	"virga/core/db"
)

// The states of a content.
const (
	contentIncoming = "incoming" // an upload of its owner is running
	contentTaken    = "taken"    // it is complete, and waits to become an image's data
	contentKept     = "kept"     // it is an image's data, or staged for one
	contentPending  = "pending"  // it was that of a deleted image, and is kept for a while
	contentDoomed   = "doomed"   // it is to be removed from the store
)

// content is the row of one content, which is there before its first byte is stored.
type content struct {
	ID      string `db:"id"`
	ImageID string `db:"image_id"`
	State   string `db:"state"`
	// Owner is the process whose upload it is, SeenAt when that process last said that
	// the upload is alive.
	Owner  string    `db:"owner"`
	SeenAt time.Time `db:"seen_at"`
	// Store is the name of the store that it is in; empty for the first.
	Store string `db:"store"`
	// Bytes is how many a staged content has.
	Bytes int64 `db:"bytes"`
}

func insertContent(tx *db.Tx, c content) error { return tx.Insert("image_contents", c) }

// findContent finds a content, or db.ErrNotFound.
func findContent(tx *db.Tx, id string) (content, error) {
	var c content
	err := tx.Get(&c, "SELECT "+db.Columns(content{}, "")+" FROM image_contents WHERE id = ?", id)
	return c, err
}

// listContents lists contents in a state with ids greater than after, in the order of their ids.
func listContents(tx *db.Tx, state, after string, limit int) ([]content, error) {
	var found []content
	err := tx.Select(&found, "SELECT "+db.Columns(content{}, "")+" FROM image_contents WHERE state = ? AND id > ? ORDER BY id LIMIT ?",
		state, after, limit)
	return found, err
}

func setContentState(tx *db.Tx, id, state string) error {
	_, err := tx.Exec("UPDATE image_contents SET state = ? WHERE id = ?", state, id)
	return err
}

// setContentBytes notes how many bytes were staged.
func setContentBytes(tx *db.Tx, id string, bytes int64) error {
	_, err := tx.Exec("UPDATE image_contents SET bytes = ? WHERE id = ?", bytes, id)
	return err
}

// sumStaged is how many bytes are staged for the images of a project.
func sumStaged(tx *db.Tx, owner string) (int64, error) {
	var sizes []int64
	err := tx.Select(&sizes, "SELECT c.bytes FROM images i JOIN image_contents c ON c.image_id = i.id WHERE i.owner = ? AND i.status IN (?, ?) AND c.state = ?",
		owner, statusUploading, statusImporting, contentKept)
	var sum int64
	for _, n := range sizes {
		sum += n
	}
	return sum, err
}

// touchContent notes that an upload is alive.
func touchContent(tx *db.Tx, id string, now time.Time) error {
	_, err := tx.Exec("UPDATE image_contents SET seen_at = ? WHERE id = ?", now, id)
	return err
}

// forgetContent removes the row of a content that the store no longer holds.
func forgetContent(tx *db.Tx, id string) error {
	_, err := tx.Exec("DELETE FROM image_contents WHERE id = ? AND state = ?", id, contentDoomed)
	return err
}

// findUploading returns the image that waits for a content, nil when none does.
func findUploading(tx *db.Tx, contentID string) (*image, error) {
	c, err := findContent(tx, contentID)
	if errors.Is(err, db.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	img, err := findImage(tx, c.ImageID)
	if errors.Is(err, db.ErrNotFound) || err == nil && (img.ContentID != contentID || img.Status != statusSaving && img.Status != statusUploading) {
		return nil, nil
	}
	return img, err
}

// abandonUpload dooms an incoming content and has its image wait for data again. Another
// state of the content means that the upload is over, and nothing is done.
func abandonUpload(tx *db.Tx, id string, now time.Time) (bool, error) {
	c, err := findContent(tx, id)
	if errors.Is(err, db.ErrNotFound) || err == nil && c.State != contentIncoming {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := setContentState(tx, id, contentDoomed); err != nil {
		return false, err
	}
	_, err = tx.Exec("UPDATE images SET status = ?, content_id = '', updated_at = ? WHERE id = ? AND content_id = ? AND status IN (?, ?)",
		statusQueued, now, c.ImageID, id, statusSaving, statusUploading)
	return true, err
}
