package image

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"virga/core/vault"
	source "virga/service/image/store/http"
)

const peerImage = "36d4b546-64a2-4bb9-bdd0-ba676aa48f2c"

// region is an image service elsewhere with one image.
type region struct {
	mu     sync.Mutex
	image  map[string]any
	data   string
	tokens []string
	moved  string
}

func (g *region) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.tokens = append(g.tokens, r.Header.Get("X-Auth-Token"))
	switch {
	case g.moved != "":
		http.Redirect(w, r, g.moved, http.StatusFound)
	case r.URL.Path == "/v2/images/"+peerImage:
		_ = json.NewEncoder(w).Encode(g.image)
	case r.URL.Path == "/v2/images/"+peerImage+"/file":
		_, _ = w.Write([]byte(g.data))
	default:
		http.NotFound(w, r)
	}
}

// regions is a cloud whose catalog has a second region.
func regions(t *testing.T) (*cloud, *region) {
	t.Helper()
	there := &region{data: "from afar", image: map[string]any{"status": "active", "size": 9, "disk_format": "raw", "container_format": "ovf", "hw_cpu_cores": "5",
		"trait:X": "required", "speed": "88mph", "os_glance_secret": "x", "hw_number": "1", "visibility": "public", "owner": "somebody"}}
	server := httptest.NewServer(there)
	t.Cleanup(server.Close)
	safe, err := vault.New(vault.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	c := newCloud(t, func(d *Deps) {
		d.Sealer = safe
		d.Peers = source.NewPeers(func(_ context.Context, name, iface string) (string, error) {
			if name != "Elsewhere" || iface != "public" {
				return "", errors.New("there is no such region")
			}
			return server.URL, nil
		}, nil)
	})
	c.run()
	return c, there
}

// fetch asks for an import from a region.
func (c *cloud) fetch(status int, id, method string) map[string]any {
	c.t.Helper()
	return c.must(status, alice(), "POST", "/v2/images/"+id+"/import", `{"method":{"name":"glance-download",`+method+`}}`, "X-Auth-Token", "alice")
}

const ofPeer = `"glance_region":"Elsewhere","glance_image_id":"` + peerImage + `"`

func TestImportFromAnotherRegion(t *testing.T) {
	c, there := regions(t)
	id := c.must(201, alice(), "POST", "/v2/images", `{"disk_format":"iso","container_format":"bare","hw_cpu_cores":"1","colour":"blue"}`)["id"].(string)
	c.fetch(202, id, ofPeer)
	task := c.imported(id)
	img := c.must(200, alice(), "GET", "/v2/images/"+id, "")
	if task["status"] != "success" || img["status"] != statusActive || img["disk_format"] != "raw" || img["container_format"] != "ovf" || img["hw_cpu_cores"] != "5" ||
		img["trait:X"] != "required" || img["speed"] != nil || img["colour"] != "blue" || img["owner"] != "a11ce" || img["visibility"] != "shared" {
		t.Errorf("the task: %v; the image: %v", task, img)
	}
	if download(c, id) != "from afar" {
		t.Error("it has other data")
	}
	there.mu.Lock()
	defer there.mu.Unlock()
	if strings.Join(there.tokens, " ") != "alice alice" {
		t.Errorf("the tokens: %v", there.tokens)
	}
	text, err := json.Marshal(c.must(200, root(), "GET", "/v2/tasks", ""))
	if err != nil || strings.Contains(string(text), `"token`) {
		t.Errorf("a task tells of the token: %s", text)
	}
}

func TestImportFromAnotherRegionIsRefused(t *testing.T) {
	c, _ := regions(t)
	id := c.image(alice(), "")
	for _, method := range []string{`"glance_image_id":"` + peerImage + `"`, `"glance_region":"Elsewhere"`, `"glance_region":"Elsewhere","glance_image_id":"foo"`,
		`"glance_region":"Elsewhere","glance_image_id":"../../etc/passwd"`, ofPeer + `,"uri":"http://example.org/"`} {
		c.fetch(400, id, method)
	}
	c.must(400, alice(), "POST", "/v2/images/"+id+"/import", `{"method":{"name":"glance-download",`+ofPeer+`}}`) // without a token
	c.must(409, alice(), "POST", "/v2/images/"+c.active(alice(), "", "x")+"/import", `{"method":{"name":"glance-download",`+ofPeer+`}}`, "X-Auth-Token", "alice")
}

func TestImportFromAnotherRegionFails(t *testing.T) {
	c, there := regions(t)
	inside := 0
	victim := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { inside++ }))
	t.Cleanup(victim.Close)
	for name, bend := range map[string]func() string{
		"no such region":    func() string { return `"glance_region":"Nowhere","glance_image_id":"` + peerImage + `"` },
		"no such interface": func() string { return ofPeer + `,"glance_service_interface":"x"` },
		"no such image": func() string {
			return `"glance_region":"Elsewhere","glance_image_id":"00000000-64a2-4bb9-bdd0-ba676aa48f2c"`
		},
		"not active":   func() string { there.image["status"] = "queued"; return ofPeer },
		"no size":      func() string { delete(there.image, "size"); return ofPeer },
		"another size": func() string { there.image["size"] = 8; return ofPeer },
		"another sum": func() string {
			there.image["os_hash_algo"], there.image["os_hash_value"] = "sha512", "ab"
			return ofPeer
		},
		"another format":        func() string { there.image["disk_format"] = "qcow2"; return ofPeer },
		"a format that is none": func() string { there.image["disk_format"] = "x"; return ofPeer },
		"a wrong property":      func() string { there.image["hw_number"] = 5; return ofPeer },
		"too many properties": func() string {
			for i := range 200 {
				there.image["hw_"+strings.Repeat("x", i)] = "x"
			}
			return ofPeer
		},
		"a redirect": func() string { there.moved = victim.URL; return ofPeer },
	} {
		there.mu.Lock()
		was := there.image
		there.image = map[string]any{"status": "active", "size": 9, "disk_format": "raw", "container_format": "bare"}
		method := bend()
		there.mu.Unlock()
		id := c.image(alice(), `"hw_cpu_cores":"1"`)
		c.fetch(202, id, method)
		if task, img := c.imported(id), c.must(200, alice(), "GET", "/v2/images/"+id, ""); task["status"] != "failure" || img["status"] != statusQueued || img["hw_cpu_cores"] != "1" || img["disk_format"] != "raw" {
			t.Errorf("%s: %v %v", name, task, img)
		}
		there.mu.Lock()
		there.image, there.moved = was, ""
		there.mu.Unlock()
	}
	if inside != 0 {
		t.Error("a token went where a redirect leads")
	}
	c.clean(0)
}
