package image

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
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

// project is a Limits with the limits of alice's project.
type project map[string]int64

// Of implements Limits.
func (p project) Of(_ context.Context, id string) (map[string]int64, error) {
	if id != "a11ce" {
		return nil, nil
	}
	if p == nil {
		return nil, errors.New("nobody answers")
	}
	return p, nil
}

func TestUnifiedLimits(t *testing.T) {
	c := newCloud(t, func(d *Deps) {
		d.MaxImages = 100
		d.Limits = project{"image_count_total": 2, "image_size_total": 1, "image_stage_total": 1, "image_count_uploading": -1}
	})
	c.run()
	id := c.active(alice(), "", strings.Repeat("x", mebibyte))
	second := c.image(alice(), "")
	if w := c.do(alice(), "POST", "/v2/images", strings.NewReader("{}")); w.Code != 413 || !strings.Contains(w.Body.String(), "image_count_total is over limit of 2 due to current usage 2 and delta 1") {
		t.Errorf("a third image: %d %s", w.Code, w.Body)
	}
	if w := c.upload(alice(), second, strings.NewReader("x")); w.Code != 413 {
		t.Errorf("more data: %d %s", w.Code, w.Body)
	}
	got := fmt.Sprint(c.must(200, alice(), "GET", "/v2/info/usage", "")["usage"])
	if got != "map[image_count_total:map[limit:2 usage:2] image_size_total:map[limit:1 usage:1] image_stage_total:map[limit:1 usage:0]]" {
		t.Errorf("usage %s", got)
	}
	c.must(204, alice(), "DELETE", "/v2/images/"+id, "")
	stage := func(size int) int {
		return c.do(alice(), "PUT", "/v2/images/"+second+"/stage", strings.NewReader(strings.Repeat("x", size)), "Content-Type", octets).Code
	}
	if stage(mebibyte+1) != 413 || stage(mebibyte) != 204 {
		t.Error("the limit of what is staged")
	}
	third := c.image(alice(), "")
	if w := c.do(alice(), "PUT", "/v2/images/"+third+"/stage", endless([]byte("x"), 1), "Content-Type", octets); w.Code != 413 || !strings.Contains(w.Body.String(), "image_stage_total") {
		t.Errorf("more staged data: %d %s", w.Code, w.Body)
	}
	c.image(bob(), "") // whom the settings bind alone
	for range 3 {
		c.image(bob(), "")
	}
}

func TestLimitsThatCannotBeRead(t *testing.T) {
	c := newCloud(t, func(d *Deps) { d.Limits = project(nil) })
	c.must(503, alice(), "POST", "/v2/images", "{}")
	c.image(bob(), "")
}

// TestQuotaIsExact is CVE-2025-69233 in its form for images: many uploads and imports at once
// take no more than there is.
func TestQuotaIsExact(t *testing.T) {
	base, bend := web(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("12345")) })
	c := newCloud(t, bend, func(d *Deps) { d.MaxProjectBytes = 33 })
	c.run()
	var ids []string
	for range 12 {
		ids = append(ids, c.image(alice(), ""))
	}
	var all sync.WaitGroup
	for i, id := range ids {
		all.Go(func() {
			if i%2 == 0 {
				c.upload(alice(), id, strings.NewReader("12345"))
				return
			}
			c.do(alice(), "POST", "/v2/images/"+id+"/import", strings.NewReader(`{"method":{"name":"web-download","uri":"`+base+`"}}`))
		})
	}
	all.Wait()
	c.eventually("the imports end", func() bool { return c.unfinished() == 0 })
	active := 0
	for _, id := range ids {
		if c.status(id) == statusActive {
			active++
		}
	}
	if active != 6 {
		t.Errorf("%d images of 5 bytes are within 33", active)
	}
	c.clean(6)
}
