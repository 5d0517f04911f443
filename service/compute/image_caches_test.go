package compute_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// told are the details of what the feed tells of aggregates' images, in its order.
func (r *rig) told(action string) []map[string]any {
	r.t.Helper()
	var found []map[string]any
	for _, e := range r.changesOf("aggregate", "") {
		if e.Action == action {
			found = append(found, e.Detail)
		}
	}
	return found
}

func TestHostsOfAggregatesCacheImages(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const other = "11111111-1111-4111-8111-111111111112"
	r.world.mu.Lock()
	image := r.world.images[imageID]
	image.ID = other
	r.world.images[other] = image
	r.world.mu.Unlock()
	first, second := r.startNode("host1", 16_384), r.startNode("host2", 16_384)
	away := r.startNode("host3", 16_384)
	second.mu.Lock()
	second.broken = other
	second.mu.Unlock()
	path := r.aggregate("edge", "null")
	for _, host := range []string{"host1", "host2", "host3"} {
		r.do(admin(), latest, "POST", path+"/action", fmt.Sprintf(`{"add_host":{"host":%q}}`, host)).want(200, "")
	}
	away.stop()
	away.call("PUT", "/internal/hosts/host3/alive", map[string]bool{"leaving": true}, nil)
	both := fmt.Sprintf(`{"cache":[{"id":%q},{"id":%q}]}`, imageID, other)
	r.do(admin(), "2.81", "POST", path+"/images", both).want(202, "")
	r.waitFor("two hosts", func() bool { return len(r.told("cache_images.progress")) == 2 })
	if len(r.told("cache_images.end")) != 0 {
		t.Error("it ended without the host that is away")
	}
	away.run()
	r.ringUntil("compute.caches", "the end", func() bool { return len(r.told("cache_images.end")) == 1 })
	if end := fmt.Sprint(r.told("cache_images.end")[0]); end != "map[cached:5 existing:0 failed:1 hosts:3 skipped:0]" {
		t.Errorf("end: %s", end)
	}
	steps := r.told("cache_images.progress")
	at := slices.IndexFunc(steps, func(d map[string]any) bool { return d["host"] == "host2" })
	if at < 0 || fmt.Sprint(steps[at]["images_cached"], steps[at]["images_failed"], steps[at]["errors"]) != fmt.Sprintf("[%s] [%s] map[%s:It is broken.]", imageID, other, other) {
		t.Errorf("steps %v", steps)
	}
	if last := steps[2]; last["host"] != "host3" || fmt.Sprint(last["index"], last["total"]) != "3 3" {
		t.Errorf("the last step %v", last)
	}
	first.mu.Lock()
	if !first.images[imageID] || !first.images[other] {
		t.Errorf("host1 has %v", first.images)
	}
	first.mu.Unlock()
	r.do(admin(), latest, "POST", path+"/images", fmt.Sprintf(`{"cache":[{"id":%q}]}`, imageID)).want(202, "")
	r.waitFor("the second end", func() bool { return len(r.told("cache_images.end")) == 2 })
	if end := fmt.Sprint(r.told("cache_images.end")[1]); !strings.Contains(end, "existing:3") {
		t.Errorf("second end: %s", end)
	}
}

func TestWhichImagesCannotBeCached(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	path := r.aggregate("edge", "null")
	const unknown = "99999999-9999-4999-8999-999999999999"
	r.world.mu.Lock()
	queued := r.world.images[imageID]
	queued.ID, queued.Status = "11111111-1111-4111-8111-111111111113", "queued"
	r.world.images[queued.ID] = queued
	r.world.mu.Unlock()
	one := fmt.Sprintf(`{"cache":[{"id":%q}]}`, imageID)
	for _, test := range []struct {
		version, path, body string
		status              int
		text                string
	}{
		{"2.80", path, one, 404, ""},
		{latest, "/v2.1/os-aggregates/77", one, 404, "Aggregate 77 could not be found."},
		{latest, "/v2.1/os-aggregates/x", one, 400, "id must be an integer"},
		{latest, path, `{"cache":[]}`, 400, ""},
		{latest, path, `{"cache":[{"id":"x"}]}`, 400, ""},
		{latest, path, `{"cache":[{"id":"` + imageID + `"}],"more":1}`, 400, "more"},
		{latest, path, `{"cache":[{"id":"` + imageID + `"},{"id":"` + imageID + `"}]}`, 400, "Duplicate images in request"},
		{latest, path, `{"cache":[{"id":"` + unknown + `"}]}`, 400, "Image " + unknown + " could not be found."},
		{latest, path, `{"cache":[{"id":"` + queued.ID + `"}]}`, 400, "is not active."},
	} {
		r.do(admin(), test.version, "POST", test.path+"/images", test.body).want(test.status, test.text)
	}
	r.do(member(projectID), latest, "POST", path+"/images", one).want(403, "compute:aggregates:images")
	r.do(admin(), latest, "POST", path+"/images", one).want(202, "") // nobody is to do anything
	if n := len(r.told("cache_images.end")); n != 1 {
		t.Errorf("%d ends", n)
	}
}
