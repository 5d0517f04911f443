package image

import (
	"strings"
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

// TestStagedInAnotherProcess has one process import, and delete, what was staged in another.
func TestStagedInAnotherProcess(t *testing.T) {
	c := newCloud(t)
	deps := c.s.deps
	deps.Owner = "other"
	other, err := New(t.Context(), deps)
	if err != nil {
		t.Fatal(err)
	}
	var ids [2]string
	for i := range ids {
		ids[i] = c.image(alice(), "")
		if w := c.do(alice(), "PUT", "/v2/images/"+ids[i]+"/stage", strings.NewReader("staged"), "Content-Type", octets); w.Code != 204 {
			t.Fatalf("stage: %d", w.Code)
		}
	}
	c.s = other
	c.run()
	c.must(202, alice(), "POST", "/v2/images/"+ids[0]+"/import", `{"method":{"name":"glance-direct"}}`)
	if task := c.imported(ids[0]); task["status"] != "success" || download(c, ids[0]) != "staged" {
		t.Errorf("the task: %v", task)
	}
	c.must(204, alice(), "DELETE", "/v2/images/"+ids[1], "")
	c.clean(1)
}
