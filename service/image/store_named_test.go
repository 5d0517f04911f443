package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"virga/core/clock"
	"virga/service/image/store"
	"virga/service/image/store/file"
)

// shelf is a second store that can be told to take nothing.
type shelf struct {
	store.Store
	mu   sync.Mutex
	full bool
}

// Put implements store.Store.
func (s *shelf) Put(ctx context.Context, id string, r io.Reader, limit int64) (store.Stored, error) {
	s.mu.Lock()
	full := s.full
	s.mu.Unlock()
	if full {
		return store.Stored{}, fmt.Errorf("put %s: %w", id, store.ErrNoSpace)
	}
	return s.Store.Put(ctx, id, r, limit)
}

func (s *shelf) fill(full bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.full = full
}

// count tells how many contents are on it.
func (s *shelf) count(t *testing.T) int {
	t.Helper()
	list, err := s.List(t.Context(), "", 100)
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// shelved is a cloud whose images have a second store.
func shelved(t *testing.T, bend ...func(*Deps)) (*cloud, *shelf) {
	t.Helper()
	opened, err := file.Open(t.TempDir(), clock.System{}.ID)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = opened.Close() })
	second := &shelf{Store: opened}
	c := newCloud(t, append(bend, func(d *Deps) { d.MoreStores = []NamedStore{{Name: "shelf", Store: second, Path: "/shelf"}} })...)
	c.run()
	return c, second
}

// importStaged imports what is staged for a new image of alice, and returns the image.
func (c *cloud) importStaged(rest string) (id string, img map[string]any) {
	c.t.Helper()
	id = c.image(alice(), "")
	if w := c.do(alice(), "PUT", "/v2/images/"+id+"/stage", strings.NewReader("staged data"), "Content-Type", octets); w.Code != 204 {
		c.t.Fatalf("stage: %d %s", w.Code, w.Body)
	}
	c.must(202, alice(), "POST", "/v2/images/"+id+"/import", `{"method":{"name":"glance-direct"}`+rest+`}`)
	c.imported(id)
	return id, c.must(200, alice(), "GET", "/v2/images/"+id, "")
}

func TestStoresAreListed(t *testing.T) {
	c, _ := shelved(t)
	if got := fmt.Sprint(c.must(200, alice(), "GET", "/v2/info/stores", "")["stores"]); got != "[map[default:true id:file] map[id:shelf]]" {
		t.Errorf("the stores: %s", got)
	}
	c.must(403, alice(), "GET", "/v2/info/stores/detail", "")
	details, _ := c.must(200, root(), "GET", "/v2/info/stores/detail", "")["stores"].([]any)
	if detail, _ := details[1].(map[string]any); detail["type"] != "file" || fmt.Sprint(detail["properties"]) != "map[chunk_size:65536 data_dir:/shelf thin_provisioning:false]" {
		t.Errorf("a store in detail: %v", detail)
	}
	header := c.do(alice(), "POST", "/v2/images", strings.NewReader(`{}`)).Header()
	if header.Get("Openstack-Image-Store-Ids") != "file,shelf" || header.Get("Openstack-Image-Import-Methods") == "" {
		t.Errorf("the headers: %v", header)
	}
}

func TestStoresNeedNamesOfTheirOwn(t *testing.T) {
	for _, name := range []string{"", "file", "http", "a,b"} {
		if checkStores([]NamedStore{{Name: "file"}, {Name: name}}) == nil {
			t.Errorf("a store may be called %q", name)
		}
	}
}

func TestUploadToAStore(t *testing.T) {
	c, second := shelved(t)
	id := c.image(alice(), "")
	path := "/v2/images/" + id
	if w := c.do(alice(), "PUT", path+"/file", strings.NewReader("data"), "Content-Type", octets, "X-Image-Meta-Store", "nowhere"); w.Code != 400 || c.status(id) != statusQueued {
		t.Errorf("to a store that is not there: %d, and the image is %s", w.Code, c.status(id))
	}
	if w := c.do(alice(), "PUT", path+"/file", strings.NewReader("data"), "Content-Type", octets, "X-Image-Meta-Store", "shelf"); w.Code != 204 {
		t.Fatalf("upload: %d %s", w.Code, w.Body)
	}
	if img := c.must(200, alice(), "GET", path, ""); img["stores"] != "shelf" || second.count(t) != 1 || c.stored() != 0 {
		t.Errorf("the image: %v", img)
	}
	if got := c.do(alice(), "GET", path+"/file", nil); got.Body.String() != "data" {
		t.Errorf("downloaded %q", got.Body)
	}
	second.fill(true)
	full := c.image(alice(), "")
	if w := c.do(alice(), "PUT", "/v2/images/"+full+"/file", strings.NewReader("data"), "Content-Type", octets, "X-Image-Meta-Store", "shelf"); w.Code != 413 || c.status(full) != statusQueued {
		t.Errorf("to a full store: %d", w.Code)
	}
	c.must(204, alice(), "DELETE", path, "")
	c.eventually("the shelf is empty", func() bool { return second.count(t) == 0 && c.contents(contentDoomed) == 0 })
}

func TestImportToStores(t *testing.T) {
	c, second := shelved(t)
	id, img := c.importStaged(`,"all_stores":true`)
	if img["status"] != statusActive || img["stores"] != "file,shelf" || img["os_glance_failed_import"] != "" || img["os_glance_importing_to_stores"] != "" {
		t.Errorf("to all stores: %v", img)
	}
	c.eventually("each store has it, and nothing else", func() bool { return c.stored() == 1 && second.count(t) == 1 })
	if _, img = c.importStaged(`,"stores":["shelf"]`); img["stores"] != "shelf" {
		t.Errorf("to one store: %v", img)
	}
	queued := c.image(alice(), "")
	for status, body := range map[int]string{409: `,"stores":["nowhere"]`, 400: `,"stores":["shelf"],"all_stores":true`} {
		c.must(status, alice(), "POST", "/v2/images/"+queued+"/import", `{"method":{"name":"glance-direct"}`+body+`}`)
	}
	c.must(400, alice(), "POST", "/v2/images/"+queued+"/import", `{"method":{"name":"glance-direct"},"stores":["shelf"]}`, "X-Image-Meta-Store", "file")
	c.must(204, alice(), "DELETE", "/v2/images/"+id, "")
	c.eventually("both copies are removed", func() bool { return c.stored() == 0 && second.count(t) == 1 })
}

func TestImportWithAStoreThatTakesNothing(t *testing.T) {
	c, second := shelved(t)
	second.fill(true)
	if _, img := c.importStaged(`,"all_stores":true`); img["status"] != statusQueued || img["os_glance_failed_import"] != "shelf" {
		t.Errorf("where all must succeed: %v", img)
	}
	c.clean(0)
	if _, img := c.importStaged(`,"stores":["shelf","file"],"all_stores_must_succeed":false`); img["status"] != statusActive || img["stores"] != "file" || img["os_glance_failed_import"] != "shelf" {
		t.Errorf("where one is enough: %v", img)
	}
	c.clean(1)
	if _, img := c.importStaged(`,"stores":["shelf"],"all_stores_must_succeed":false`); img["status"] != statusQueued || img["os_glance_failed_import"] != "shelf" {
		t.Errorf("where none takes it: %v", img)
	}
	c.clean(1)
}

func TestCopyToAStoreAndRemoveFromOne(t *testing.T) {
	c, second := shelved(t)
	id := c.active(alice(), "", "data")
	importPath := "/v2/images/" + id + "/import"
	second.fill(true)
	c.must(202, root(), "POST", importPath, `{"method":{"name":"copy-image"},"stores":["shelf"]}`)
	if task := c.imported(id); task["status"] != "failure" {
		t.Errorf("the task: %v", task)
	}
	if img := c.must(200, alice(), "GET", "/v2/images/"+id, ""); img["status"] != statusActive || img["stores"] != "file" || img["os_glance_failed_import"] != "shelf" {
		t.Errorf("after a copy that failed: %v", img)
	}
	second.fill(false)
	c.must(204, root(), "DELETE", "/v2/stores/file/"+c.copyOf(t), "")
	c.must(202, root(), "POST", importPath, `{"method":{"name":"copy-image"},"all_stores":true}`)
	c.eventually("the copy ends", func() bool { return c.unfinished() == 0 })
	if img := c.must(200, alice(), "GET", "/v2/images/"+id, ""); img["stores"] != "file,shelf" {
		t.Errorf("after a copy: %v", img)
	}
	c.must(403, alice(), "DELETE", "/v2/stores/file/"+id, "")
	c.must(404, bob(), "DELETE", "/v2/stores/file/"+id, "")
	c.must(409, root(), "DELETE", "/v2/stores/nowhere/"+id, "")
	c.must(204, root(), "DELETE", "/v2/stores/file/"+id, "")
	c.refused(403, "Cannot delete image data from the only store containing it.", "DELETE", "/v2/stores/shelf/"+id, "")
	if got := c.do(alice(), "GET", "/v2/images/"+id+"/file", nil); got.Body.String() != "data" {
		t.Errorf("downloaded %q", got.Body)
	}
}

// copyOf makes another image that is in both stores.
func (c *cloud) copyOf(t *testing.T) string {
	t.Helper()
	id, img := c.importStaged(`,"all_stores":true`)
	if img["stores"] != "file,shelf" {
		t.Fatalf("the image: %v", img)
	}
	return id
}

// TestDataOfAStoreThatIsGone has an image be read where it still is.
func TestDataOfAStoreThatIsGone(t *testing.T) {
	c, _ := shelved(t)
	id := c.copyOf(t)
	list, err := c.store.List(t.Context(), "", 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range list {
		if err := c.store.Delete(t.Context(), entry.ID); err != nil {
			t.Fatal(err)
		}
	}
	if got := c.do(alice(), "GET", "/v2/images/"+id+"/file", nil); got.Body.String() != "staged data" {
		t.Errorf("downloaded %d %q", got.Code, got.Body)
	}
	if _, err := c.s.storeFor("gone"); err == nil || errors.Is(err, store.ErrNotFound) {
		t.Errorf("a store that is not configured: %v", err)
	}
}
