package image

import (
	"fmt"
	"strings"
	"testing"
)

func TestProjectsAreLimited(t *testing.T) {
	c := newCloud(t, func(d *Deps) { d.MaxProjectBytes, d.MaxUploading, d.MaxImages = 3*mebibyte, 2, 4 })
	c.run()
	two := strings.Repeat("x", 2*mebibyte)
	first := c.active(alice(), "", two)
	second := c.image(alice(), "")
	const over = "Resource image_size_total is over limit of 3 due to current usage 2 and delta 2"
	if w := c.upload(alice(), second, strings.NewReader(two)); w.Code != 413 || !strings.Contains(w.Body.String(), over) || c.status(second) != statusQueued {
		t.Errorf("too many bytes: %d %s", w.Code, w.Body)
	}
	if w := c.do(alice(), "PUT", "/v2/images/"+second+"/stage", strings.NewReader(two), "Content-Type", octets); w.Code != 204 {
		t.Fatalf("stage: %d %s", w.Code, w.Body)
	}
	c.must(202, alice(), "POST", "/v2/images/"+second+"/import", `{"method":{"name":"glance-direct"}}`)
	if task := c.imported(second); task["status"] != "failure" || !strings.Contains(task["message"].(string), over) {
		t.Errorf("the import: %v", task)
	}
	c.clean(1)
	slow := c.slowUpload(second)
	third := c.image(alice(), "")
	if w := c.do(alice(), "PUT", "/v2/images/"+third+"/stage", strings.NewReader("x"), "Content-Type", octets); w.Code != 204 {
		t.Fatalf("stage: %d %s", w.Code, w.Body)
	}
	fourth := c.image(alice(), "")
	if w := c.upload(alice(), fourth, strings.NewReader("x")); w.Code != 413 || !strings.Contains(w.Body.String(), "image_count_uploading is over limit of 2") {
		t.Errorf("too many at once: %d %s", w.Code, w.Body)
	}
	got := fmt.Sprint(c.must(200, alice(), "GET", "/v2/info/usage", "")["usage"])
	if got != "map[image_count_total:map[limit:4 usage:4] image_count_uploading:map[limit:2 usage:2] image_size_total:map[limit:3 usage:2]]" {
		t.Errorf("usage %s", got)
	}
	_ = slow.pipe.Close()
	<-slow.answer
	c.must(204, alice(), "DELETE", "/v2/images/"+first, "")
	if w := c.upload(alice(), fourth, strings.NewReader(two)); w.Code != 204 {
		t.Errorf("after the first is gone: %d %s", w.Code, w.Body)
	}
}
