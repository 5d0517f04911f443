package image

import (
	"fmt"
	"strings"
	"testing"

	"virga/core/clock"
	"virga/service/image/store/file"
)

// caching is a cloud with a cache for so many bytes.
func caching(t *testing.T, size int64) (*cloud, *file.Store, string, *picture) {
	t.Helper()
	folder, err := file.Open(t.TempDir(), clock.System{}.ID)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = folder.Close() })
	served := &picture{data: "from the web"}
	base, bend := web(t, served.serve)
	c := newCloud(t, bend, func(d *Deps) {
		d.Remote, d.ShowLocations, d.Cache, d.CacheBytes = d.Source.(Remote), true, folder, size
	})
	return c, folder, base, served
}

// cache tells what is cached and what is queued.
func (c *cloud) cache() (held, queued string) {
	c.t.Helper()
	answer := c.must(200, root(), "GET", "/v2/cache", "")
	var ids []string
	for _, view := range answer["cached_images"].([]any) {
		ids = append(ids, view.(map[string]any)["image_id"].(string))
	}
	return strings.Join(ids, " "), fmt.Sprint(answer["queued_images"])
}

func (c *cloud) tend() {
	c.t.Helper()
	if err := c.s.reconcileCache(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
}

func TestCacheOfWhatIsFarAway(t *testing.T) {
	c, folder, base, served := caching(t, 1000)
	id := c.image(alice(), "")
	c.locate(200, id, base, "")
	if download(c, id) != "from the web" {
		t.Error("it cannot be read")
	}
	if held, queued := c.cache(); held != "" || queued != "["+id+"]" {
		t.Errorf("after it was read: %s, and %s is queued", held, queued)
	}
	c.tend()
	served.set("gone")
	for range 2 {
		if download(c, id) != "from the web" {
			t.Error("it is not read from the cache")
		}
	}
	view := c.must(200, root(), "GET", "/v2/cache", "")["cached_images"].([]any)[0].(map[string]any)
	if view["image_id"] != id || view["hits"] != 2.0 || view["size"] != 12.0 || view["last_accessed"].(float64) < view["last_modified"].(float64) {
		t.Errorf("the view: %v", view)
	}
	c.must(204, alice(), "DELETE", "/v2/images/"+id, "")
	c.tend()
	if _, err := folder.Size(t.Context(), id); err == nil {
		t.Error("a deleted image is still in the cache")
	}
}

func TestCacheOfWhatIsQueued(t *testing.T) {
	c, folder, _, _ := caching(t, 10)
	id, big := c.active(alice(), "", "data"), c.active(alice(), "", "data of more than 10 bytes")
	path := "/v2/cache/" + id
	for _, method := range []string{"PUT", "DELETE"} {
		c.must(403, alice(), method, path, "")
	}
	c.must(403, alice(), "GET", "/v2/cache", "")
	c.must(404, root(), "PUT", "/v2/cache/nothing", "")
	c.must(404, root(), "DELETE", "/v2/cache/nothing", "")
	c.must(400, root(), "PUT", "/v2/cache/"+c.image(alice(), ""), "")
	c.must(400, root(), "PUT", "/v2/cache/"+big, "")
	c.must(202, root(), "PUT", path, "")
	c.must(202, root(), "PUT", path, "")
	if held, queued := c.cache(); held != "" || queued != "["+id+"]" {
		t.Errorf("queued: %s, %s", held, queued)
	}
	c.tend()
	if held, queued := c.cache(); held != id || queued != "[]" {
		t.Errorf("cached: %s, %s", held, queued)
	}
	c.must(202, root(), "PUT", path, "") // which it is already
	c.must(400, root(), "DELETE", "/v2/cache", "", cacheHeader, "invalid")
	c.must(204, root(), "DELETE", "/v2/cache", "", cacheHeader, "queue")
	if held, _ := c.cache(); held != id {
		t.Error("clearing the queue clears the cache")
	}
	c.must(204, root(), "DELETE", "/v2/cache", "", cacheHeader, "cache")
	c.tend()
	if held, _ := c.cache(); held != "" {
		t.Errorf("it still holds %s", held)
	}
	if _, err := folder.Size(t.Context(), id); err == nil {
		t.Error("the file is still there")
	}
	c.must(202, root(), "PUT", path, "")
	c.must(204, root(), "DELETE", path, "")
	if held, queued := c.cache(); held != "" || queued != "[]" {
		t.Errorf("after it was removed: %s, %s", held, queued)
	}
}

// TestCacheIsBounded has what was not read for longest make room.
func TestCacheIsBounded(t *testing.T) {
	c, folder, _, _ := caching(t, 10)
	var ids []string
	for range 3 {
		id := c.active(alice(), "", "data")
		ids = append(ids, id)
		c.must(202, root(), "PUT", "/v2/cache/"+id, "")
		c.tend()
		if download(c, ids[0]) != "data" {
			t.Error("the first cannot be read")
		}
	}
	held, _ := c.cache()
	if !strings.Contains(held, ids[0]) || strings.Contains(held, ids[1]) || !strings.Contains(held, ids[2]) {
		t.Errorf("it holds %s of %v", held, ids)
	}
	usage, err := folder.Usage(t.Context())
	if err != nil || usage.Used > 10 {
		t.Errorf("it has %d bytes: %v", usage.Used, err)
	}
}

// TestCacheThatWasTouched has files that nobody knows be removed, and lost ones be fetched again.
func TestCacheThatWasTouched(t *testing.T) {
	c, folder, _, _ := caching(t, 100)
	id := c.active(alice(), "", "data")
	c.must(202, root(), "PUT", "/v2/cache/"+id, "")
	c.tend()
	if err := folder.Delete(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if download(c, id) != "data" {
		t.Error("it cannot be read")
	}
	if _, err := folder.Put(t.Context(), "stray", strings.NewReader("x"), -1); err != nil {
		t.Fatal(err)
	}
	c.tend()
	if _, err := folder.Size(t.Context(), "stray"); err == nil {
		t.Error("a stray file stays")
	}
	if n, err := folder.Size(t.Context(), id); err != nil || n != 4 {
		t.Errorf("a lost one is not fetched again: %v", err)
	}
}

func TestNoCache(t *testing.T) {
	c := newCloud(t)
	for _, request := range [][2]string{{"GET", "/v2/cache"}, {"DELETE", "/v2/cache"}, {"PUT", "/v2/cache/" + c.active(alice(), "", "data")}, {"DELETE", "/v2/cache/x"}} {
		c.must(404, root(), request[0], request[1], "")
	}
	if w := c.do(nil, "GET", "/", nil); strings.Contains(w.Body.String(), "v2.14") || strings.Contains(w.Body.String(), "v2.16") {
		t.Errorf("the versions: %s", w.Body)
	}
}
