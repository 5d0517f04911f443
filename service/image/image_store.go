package image

import (
	"errors"
	"maps"
	"slices"
	"time"

	"virga/core/db"
)

// findImage finds an image, or db.ErrNotFound.
func findImage(tx *db.Tx, id string) (*image, error) {
	var img image
	if err := tx.Get(&img, "SELECT "+db.Columns(image{}, "")+" FROM images WHERE id = ?", id); err != nil {
		return nil, err
	}
	return &img, nil
}

// findImageFor finds an image and whether it is shared with the project.
func findImageFor(tx *db.Tx, id, project string) (*image, error) {
	img, err := findImage(tx, id)
	if err != nil || img.Visibility != visibilityShared || project == "" || img.Owner == project {
		return img, err
	}
	_, err = findMember(tx, id, project)
	if errors.Is(err, db.ErrNotFound) {
		return img, nil
	}
	img.callerMember = project
	return img, err
}

// imageIDUsed tells whether an image has or had the id.
func imageIDUsed(tx *db.Tx, id string) (bool, error) {
	var n int
	err := tx.Get(&n, "SELECT COUNT(*) FROM images WHERE id = ?", id)
	if err != nil || n > 0 {
		return n > 0, err
	}
	err = tx.Get(&n, "SELECT COUNT(*) FROM image_tombstones WHERE id = ?", id)
	return n > 0, err
}

// countImages counts the images of a project.
func countImages(tx *db.Tx, owner string) (int, error) {
	var n int
	err := tx.Get(&n, "SELECT COUNT(*) FROM images WHERE owner = ?", owner)
	return n, err
}

// countUploading counts the images of a project that are getting data.
func countUploading(tx *db.Tx, owner string) (int, error) {
	var n int
	err := tx.Get(&n, "SELECT COUNT(*) FROM images WHERE owner = ? AND status IN (?, ?, ?)", owner, statusSaving, statusUploading, statusImporting)
	return n, err
}

// sumSizes is how many bytes the images of a project have in stores, deleted ones included
// while their data is kept.
func sumSizes(tx *db.Tx, owner string) (int64, error) {
	var found []image
	if err := tx.Select(&found, "SELECT size, places FROM images WHERE owner = ? AND size > 0", owner); err != nil {
		return 0, err
	}
	sum, err := sumPending(tx, owner)
	for i := range found {
		sum += found[i].storedBytes()
	}
	return sum, err
}

func insertImage(tx *db.Tx, img *image) error {
	if err := tx.Insert("images", img); err != nil {
		return err
	}
	if err := writeProperties(tx, img); err != nil {
		return err
	}
	return writeTags(tx, img)
}

// updateImage writes an image that was changed since it was read in the same transaction.
func updateImage(tx *db.Tx, was, img *image) error {
	if err := tx.Update("images", img, "id"); err != nil {
		return err
	}
	if !maps.Equal(was.Properties, img.Properties) {
		if err := writeProperties(tx, img); err != nil {
			return err
		}
	}
	if !slices.Equal(was.Tags, img.Tags) {
		return writeTags(tx, img)
	}
	return nil
}

// writeProperties repeats an image's properties in the table that filters look into.
func writeProperties(tx *db.Tx, img *image) error {
	if _, err := tx.Exec("DELETE FROM image_properties WHERE image_id = ?", img.ID); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(img.Properties)) {
		_, err := tx.Exec("INSERT INTO image_properties (image_id, name, value) VALUES (?, ?, ?)", img.ID, name, img.Properties[name])
		if err != nil {
			return err
		}
	}
	return nil
}

// writeTags repeats an image's tags in the table that filters look into.
func writeTags(tx *db.Tx, img *image) error {
	if _, err := tx.Exec("DELETE FROM image_tags WHERE image_id = ?", img.ID); err != nil {
		return err
	}
	for _, tag := range img.Tags {
		if _, err := tx.Exec("INSERT INTO image_tags (image_id, tag) VALUES (?, ?)", img.ID, tag); err != nil {
			return err
		}
	}
	return nil
}

// deleteImage removes an image with all that belongs to it, keeps its id from being used
// again, and dooms its content. Content that is still coming in is left to its upload.
func deleteImage(tx *db.Tx, img *image, now time.Time) error {
	for _, text := range []string{
		"DELETE FROM image_properties WHERE image_id = ?",
		"DELETE FROM image_tags WHERE image_id = ?",
		"DELETE FROM image_members WHERE image_id = ?",
		"DELETE FROM image_cached WHERE image_id = ?",
		"DELETE FROM images WHERE id = ?",
	} {
		if _, err := tx.Exec(text, img.ID); err != nil {
			return err
		}
	}
	if _, err := tx.Exec("INSERT INTO image_tombstones (id, deleted_at) VALUES (?, ?)", img.ID, now); err != nil {
		return err
	}
	_, err := tx.Exec("UPDATE image_contents SET state = ? WHERE image_id = ? AND state = ?", contentDoomed, img.ID, contentKept)
	return err
}
