package image

import (
	"testing"
	"time"

	"virga/core/db"
)

// TestUploadOfAProcessTakenForDead has an upload go on that another process has given up: the
// client is told, and nothing is left in the store.
func TestUploadOfAProcessTakenForDead(t *testing.T) {
	c := newCloud(t)
	deps := c.s.deps
	deps.Owner = "other"
	other, err := New(t.Context(), deps)
	if err != nil {
		t.Fatal(err)
	}
	id := c.image(alice(), "")
	u := c.slowUpload(id)
	if err := other.recoverUploads(t.Context()); err != nil || c.status(id) != statusSaving {
		t.Errorf("an upload whose process was heard of is given up: %s, %v", c.status(id), err)
	}
	err = c.db.Write(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec("UPDATE image_contents SET seen_at = ?", c.clock.Now().Add(-deadAfter-time.Second))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, chore := range []func() error{
		func() error { return other.recoverUploads(t.Context()) }, func() error { return other.removeDoomed(t.Context()) },
	} {
		if err := chore(); err != nil {
			t.Fatal(err)
		}
	}
	if c.status(id) != statusQueued {
		t.Errorf("the image is %s", c.status(id))
	}
	_ = u.pipe.Close()
	if w := <-u.answer; w.Code != 409 {
		t.Errorf("the upload is answered %d %s", w.Code, w.Body)
	}
	if c.stored() != 0 || c.contents(contentDoomed)+c.contents(contentKept)+c.contents(contentIncoming) != 0 {
		t.Errorf("%d contents are left in the store", c.stored())
	}
}
