package image

import (
	"errors"
	"time"

	"virga/core/db"
)

// cached is what a process has of an image in its cache, or is to have.
type cached struct {
	ImageID string `db:"image_id"`
	// Owner is the process, by its name in leases; others have caches of their own.
	Owner  string `db:"owner"`
	Cached bool   `db:"cached"` // it is there; else it is queued
	Size   int64  `db:"size"`   // bytes
	Hits   int64  `db:"hits"`
	// UsedAt is when it was last read, as far as that was written down.
	QueuedAt time.Time `db:"queued_at"`
	CachedAt time.Time `db:"cached_at"`
	UsedAt   time.Time `db:"used_at"`
}

// maxCached bounds the images in a cache and its queue.
const maxCached = 10000

// listCached lists what is cached or queued, of one process or, with an empty owner, of all.
func listCached(tx *db.Tx, owner string) ([]cached, error) {
	var list []cached
	text, args := "SELECT "+db.Columns(cached{}, "")+" FROM image_cached", []any{}
	if owner != "" {
		text, args = text+" WHERE owner = ?", []any{owner}
	}
	err := tx.Select(&list, text+" ORDER BY used_at, image_id LIMIT ?", append(args, maxCached)...)
	return list, err
}

// queueCached has a process cache an image, unless it does, or is to.
func queueCached(tx *db.Tx, c cached) error {
	err := tx.Get(new(int), "SELECT hits FROM image_cached WHERE image_id = ? AND owner = ?", c.ImageID, c.Owner)
	if errors.Is(err, db.ErrNotFound) {
		return tx.Insert("image_cached", c)
	}
	return err
}

// updateCached writes what a process has of an image, unless it is to have it no more.
func updateCached(tx *db.Tx, c cached) (int64, error) {
	return tx.Exec("UPDATE image_cached SET cached = ?, size = ?, hits = ?, cached_at = ?, used_at = ? WHERE image_id = ? AND owner = ?",
		c.Cached, c.Size, c.Hits, c.CachedAt, c.UsedAt, c.ImageID, c.Owner)
}

// touchCached notes that an image was read from a cache.
func touchCached(tx *db.Tx, imageID, owner string, hits int64, at time.Time) error {
	_, err := tx.Exec("UPDATE image_cached SET hits = hits + ?, used_at = ? WHERE image_id = ? AND owner = ?", hits, at, imageID, owner)
	return err
}

// dropCached has an image no longer be cached by a process, or by any when owner is empty.
func dropCached(tx *db.Tx, imageID, owner string) error {
	if owner == "" {
		_, err := tx.Exec("DELETE FROM image_cached WHERE image_id = ?", imageID)
		return err
	}
	_, err := tx.Exec("DELETE FROM image_cached WHERE image_id = ? AND owner = ?", imageID, owner)
	return err
}
