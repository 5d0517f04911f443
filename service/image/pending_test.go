package image

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"virga/core/clock"
)

// patient is a cloud that keeps the data of deleted images for an hour.
func patient(t *testing.T) (*cloud, *clock.Seeded) {
	t.Helper()
	now := clock.NewSeeded(1, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	return newCloud(t, func(d *Deps) { d.Clock, d.DelayedDelete, d.MaxProjectBytes = now, time.Hour, 10 }), now
}

func (c *cloud) deleted() []string {
	c.t.Helper()
	return itemsOf(c.must(200, root(), "GET", "/internal/pending", ""), "images", "id")
}

func TestDelayedDelete(t *testing.T) {
	c, now := patient(t)
	id := c.active(alice(), `"visibility":"shared","tags":["a"],"colour":"blue"`, "data")
	path := "/v2/images/" + id
	c.must(200, alice(), "POST", path+"/members", `{"member":"b0b"}`)
	before := c.must(200, alice(), "GET", path, "")
	c.must(204, alice(), "DELETE", path, "")
	c.must(404, alice(), "GET", path, "")
	c.must(404, root(), "GET", path, "")
	c.must(404, alice(), "GET", path+"/file", "")
	c.must(409, alice(), "POST", "/v2/images", `{"id":"`+id+`"}`)
	if err := c.s.removeDoomed(t.Context()); err != nil || c.stored() != 1 {
		t.Errorf("the data is gone: %v", err)
	}
	if got := c.deleted(); len(got) != 1 || got[0] != id {
		t.Errorf("deleted images: %v", got)
	}
	for _, who := range []string{"GET /internal/pending", "DELETE /internal/pending/" + id, "POST /internal/pending/" + id + "/restore"} {
		method, where, _ := strings.Cut(who, " ")
		c.must(403, alice(), method, where, "")
	}
	// What is kept counts: deleting is no way around the quota.
	second := c.image(alice(), "")
	if w := c.upload(alice(), second, strings.NewReader("1234567")); w.Code != 413 {
		t.Errorf("more than the project may have: %d", w.Code)
	}
	c.must(200, root(), "POST", "/internal/pending/"+id+"/restore", "")
	after := c.must(200, alice(), "GET", path, "")
	delete(before, "updated_at")
	delete(after, "updated_at")
	if got, want := fmt.Sprint(after), fmt.Sprint(before); got != want {
		t.Errorf("restored:\n%s\nbefore:\n%s", got, want)
	}
	c.must(200, bob(), "GET", path, "")
	if download(c, id) != "data" || len(c.deleted()) != 0 {
		t.Error("it is not as it was")
	}
	c.must(404, root(), "POST", "/internal/pending/"+id+"/restore", "")
	c.must(204, alice(), "DELETE", path, "")
	now.Advance(59 * time.Minute)
	if err := c.s.scrubDue(t.Context()); err != nil || len(c.deleted()) != 1 {
		t.Errorf("before the time: %v", err)
	}
	now.Advance(2 * time.Minute)
	if err := c.s.scrubDue(t.Context()); err != nil || len(c.deleted()) != 0 {
		t.Errorf("when the time has come: %v", err)
	}
	if err := c.s.removeDoomed(t.Context()); err != nil || c.stored() != 0 {
		t.Errorf("the data stays: %v", err)
	}
	c.must(409, alice(), "POST", "/v2/images", `{"id":"`+id+`"}`)
	c.must(404, root(), "POST", "/internal/pending/"+id+"/restore", "")
}

func TestScrubAtOnce(t *testing.T) {
	c, _ := patient(t)
	id := c.active(alice(), "", "data")
	c.must(204, alice(), "DELETE", "/v2/images/"+id, "")
	c.must(204, root(), "DELETE", "/internal/pending/"+id, "")
	c.must(404, root(), "DELETE", "/internal/pending/"+id, "")
	if err := c.s.removeDoomed(t.Context()); err != nil || c.stored() != 0 || len(c.deleted()) != 0 {
		t.Errorf("after it was scrubbed: %v", err)
	}
	queued := c.image(alice(), "")
	c.must(204, alice(), "DELETE", "/v2/images/"+queued, "")
	if len(c.deleted()) != 0 {
		t.Error("an image without data is kept")
	}
}
