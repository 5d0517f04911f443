package image

import (
	"strings"
	"testing"

	"virga/core/token"
)

// TestNodeUploadsTheImageItWasToldTo is the right of a node: one image, until it has data, and nothing else.
func TestNodeUploadsTheImageItWasToldTo(t *testing.T) {
	c := newCloud(t)
	data := string(qcow2(nil))
	service := person("", "service", "admin")
	one, two := person("", "node"), person("", "node")
	one.UserID, two.UserID = "node:one", "node:two"
	id, other := c.image(alice(), `"disk_format":"qcow2"`), c.image(alice(), `"disk_format":"qcow2"`)
	if w := c.upload(one, id, strings.NewReader(data)); w.Code != 403 {
		t.Errorf("before it was told to: %d %s", w.Code, w.Body)
	}
	path := "/internal/images/" + id + "/uploader"
	for _, who := range []*token.Identity{alice(), bob(), one, root()} {
		if w := c.do(who, "PUT", path, strings.NewReader(`{"user_id":"node:one"}`)); w.Code != 403 && w.Code != 404 {
			t.Errorf("%s gives the right: %d", who.UserID, w.Code)
		}
	}
	c.must(204, service, "PUT", path, `{"user_id":"node:one"}`)
	c.must(204, service, "PUT", path, `{"user_id":"node:one"}`)
	for what, code := range map[string]int{
		"another node":  c.upload(two, id, strings.NewReader(data)).Code,
		"another image": c.upload(one, other, strings.NewReader(data)).Code,
		"attributes":    c.do(one, "DELETE", "/v2/images/"+id, nil).Code,
	} {
		if code != 403 {
			t.Errorf("%s: %d", what, code)
		}
	}
	c.must(204, service, "DELETE", path, "")
	if w := c.upload(one, id, strings.NewReader(data)); w.Code != 403 {
		t.Errorf("after the right was taken away: %d", w.Code)
	}
	c.must(204, service, "PUT", path, `{"user_id":"node:one"}`)
	if w := c.upload(one, id, strings.NewReader(data)); w.Code != 204 {
		t.Fatalf("the upload: %d %s", w.Code, w.Body)
	}
	if w := c.do(service, "PUT", path, strings.NewReader(`{"user_id":"node:two"}`)); w.Code != 409 {
		t.Errorf("a right to replace data: %d", w.Code)
	}
	if w := c.upload(one, id, strings.NewReader(data)); w.Code != 403 {
		t.Errorf("the right is used up: %d", w.Code)
	}
}
