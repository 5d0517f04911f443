package image

import (
	"crypto/sha512"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"virga/core/token"
	source "virga/service/image/store/http"
)

// picture is a server's content, which may change.
type picture struct {
	mu   sync.Mutex
	data string
}

func (p *picture) set(data string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.data = data
}

func (p *picture) serve(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	data := p.data
	p.mu.Unlock()
	http.ServeContent(w, r, "disk", time.Time{}, strings.NewReader(data))
}

// located is a cloud whose images may stay at URLs, and a server with one. Members may remove
// places of their own images, as in older Glances.
func located(t *testing.T) (c *cloud, base string, served *picture) {
	t.Helper()
	served = &picture{data: "from the web"}
	base, bend := web(t, served.serve)
	c = newCloud(t, bend, func(d *Deps) {
		d.Remote, d.ShowLocations = d.Source.(Remote), true
		d.PolicyOverrides = map[string]string{"delete_image_location": "rule:context_is_admin or (role:member and project_id:%(project_id)s)"}
	})
	c.run()
	return c, base, served
}

// locate adds a location.
func (c *cloud) locate(status int, id, location, rest string) map[string]any {
	c.t.Helper()
	return c.patch(status, alice(), id, `[{"op":"add","path":"/locations/-","value":{"url":"`+location+`","metadata":{"foo":"bar"}`+rest+`}}]`)
}

func locationsOf(img map[string]any) string { return fmt.Sprint(img["locations"]) }

func TestLocations(t *testing.T) {
	c, base, _ := located(t)
	id := c.image(alice(), "")
	path := "/v2/images/" + id
	if img := c.must(200, alice(), "GET", path, ""); locationsOf(img) != "[]" {
		t.Errorf("without data: %v", img)
	}
	img := c.locate(200, id, base+"/a", "")
	if img["status"] != statusActive || img["size"] != 12.0 || img["virtual_size"] != nil || img["checksum"] != nil || img["stores"] != "http" ||
		locationsOf(img) != "[map[metadata:map[foo:bar store:http] url:"+base+"/a]]" {
		t.Errorf("with a location: %v", img)
	}
	if got := c.do(alice(), "GET", path+"/file", nil); got.Body.String() != "from the web" {
		t.Errorf("downloaded %d %q", got.Code, got.Body)
	}
	if got := c.do(alice(), "GET", path+"/file", nil, "Range", "bytes=5-7"); got.Code != 206 || got.Body.String() != "the" {
		t.Errorf("a part of it: %d %q", got.Code, got.Body)
	}
	c.locate(400, id, base+"/a", "") // twice
	c.locate(200, id, base+"/a#new", "")
	c.patch(200, alice(), id, `[{"op":"replace","path":"/locations","value":[{"url":"`+base+`/a","metadata":{"x":"y"}},{"url":"`+base+`/a#new","metadata":{}}]}]`)
	c.patch(400, alice(), id, `[{"op":"replace","path":"/locations","value":[{"url":"`+base+`/a","metadata":{}}]}]`)
	c.patch(400, alice(), id, `[{"op":"replace","path":"/locations","value":[{"url":"`+base+`/a","metadata":{}},{"url":"`+base+`/b","metadata":{}}]}]`)
	c.patch(403, alice(), id, `[{"op":"replace","path":"/locations","value":[]}]`)
	c.patch(400, alice(), id, `[{"op":"remove","path":"/locations/2"}]`)
	if img := c.patch(200, alice(), id, `[{"op":"remove","path":"/locations/0"}]`); locationsOf(img) != "[map[metadata:map[store:http] url:"+base+"/a#new]]" {
		t.Errorf("without the first: %v", img)
	}
	c.patch(403, alice(), id, `[{"op":"remove","path":"/locations/0"}]`)
	if usage := c.must(200, alice(), "GET", "/v2/info/usage", ""); strings.Contains(fmt.Sprint(usage), "image_size_total") {
		t.Errorf("the usage: %v", usage)
	}
	c.clean(0)
}

func TestLocationsOfStoredData(t *testing.T) {
	c, base, _ := located(t)
	id := c.active(alice(), "", "from the web")
	img := c.must(200, alice(), "GET", "/v2/images/"+id, "")
	kept := img["locations"].([]any)[0].(map[string]any)["url"].(string)
	if !strings.HasPrefix(kept, "virga+file://file/") || strings.Contains(kept, "/tmp") {
		t.Errorf("the location: %s", kept)
	}
	c.locate(200, id, base+"/a", "")
	c.locate(400, id, kept, "")
	if img := c.patch(200, alice(), id, `[{"op":"remove","path":"/locations/0"}]`); img["stores"] != "http" || img["checksum"] == nil {
		t.Errorf("without what was stored: %v", img)
	}
	c.clean(0)
	if got := c.do(alice(), "GET", "/v2/images/"+id+"/file", nil); got.Body.String() != "from the web" {
		t.Errorf("downloaded %d %q", got.Code, got.Body)
	}
	// What a store keeps cannot be named for another image.
	other := c.image(alice(), "")
	c.locate(400, other, kept, "")
}

// TestLocationsWhoseDataChanges has an image never be read as something else than it was: of
// what its first bytes do not condemn the last ones are missing.
func TestLocationsWhoseDataChanges(t *testing.T) {
	c, base, served := located(t)
	id := c.active(alice(), "", "from the web")
	c.locate(200, id, base+"/a", "")
	c.patch(200, alice(), id, `[{"op":"remove","path":"/locations/0"}]`)
	for name, data := range map[string]string{"other bytes": "FROM the web", "shorter": "from", "longer": "from the web and more", "nothing": ""} {
		served.set(data)
		if got := download(c, id); len(got) == 12 {
			t.Errorf("%s: downloaded %q", name, got)
		}
	}
	raw := c.image(alice(), "")
	served.set(strings.Repeat("x", 4<<16))
	c.locate(200, raw, base+"/b", "")
	served.set(string(qcow2(nil))) // OSSA-2026-002: a raw image that has become a qcow2
	if got := download(c, raw); len(got) == 4<<16 {
		t.Error("a raw image is read as a qcow2")
	}
}

// download reads an image over a connection, which may be cut.
func download(c *cloud, id string) (got string) {
	w := httptest.NewRecorder()
	defer func() {
		if cut := recover(); cut != nil && cut != http.ErrAbortHandler { //nolint:errorlint // a panic's value is no error to unwrap
			panic(cut)
		}
		if w.Code == 200 {
			got = w.Body.String()
		}
	}()
	r := httptest.NewRequestWithContext(token.WithIdentity(c.t.Context(), alice()), "GET", "/v2/images/"+id+"/file", nil)
	c.s.Handler().ServeHTTP(w, r)
	return ""
}

func TestLocationsThatAreRefused(t *testing.T) {
	c, base, _ := located(t)
	id := c.image(alice(), "")
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	for _, location := range []string{"gopher://info.cern.ch", "file:///etc/shadow", "file:///etc/../etc/shadow", "swift+config://x/y", "http://10.0.0.1/", "http://[::1]/", "http://169.254.169.254/latest",
		"http://2130706433/", "http://0x7f.1/", "http://[::ffff:127.0.0.1]/", "http://user:secret@" + u.Host + "/", "http://127.0.0.1:22/", "virga+file://file/x", "", strings.Repeat("x", 300)} {
		c.locate(400, id, location, "")
	}
	for _, patch := range []string{
		`[{"op":"add","path":"/locations","value":{"url":"` + base + `","metadata":{}}}]`, `[{"op":"add","path":"/locations/x","value":{"url":"` + base + `","metadata":{}}}]`,
		`[{"op":"replace","path":"/locations/0","value":{"url":"` + base + `","metadata":{}}}]`, `[{"op":"add","path":"/locations/-","value":{"url":"` + base + `"}}]`,
		`[{"op":"add","path":"/locations/-","value":["` + base + `"]}]`, `[{"op":"add","path":"/locations/-","value":{"url":"` + base + `","metadata":{"x":1}}}]`,
		`[{"op":"add","path":"/locations/-","value":{"url":"` + base + `","metadata":{"x":"` + strings.Repeat("x", 5000) + `"}}}]`,
	} {
		c.patch(400, alice(), id, patch)
	}
	c.must(404, bob(), "PATCH", "/v2/images/"+id, `[{"op":"add","path":"/locations/-","value":{"url":"`+base+`","metadata":{}}}]`, "Content-Type", patchRFC)
	bare := c.must(201, alice(), "POST", "/v2/images", `{}`)["id"].(string)
	c.locate(400, bare, base, "")
	if c.status(id) != statusQueued || c.status(bare) != statusQueued {
		t.Error("an image has become active")
	}
	for i := range maxPlaces {
		c.locate(200, id, base+"/"+strconv.Itoa(i), "")
	}
	c.locate(413, id, base+"/more", "")
	uploading := c.image(alice(), "")
	c.do(alice(), "PUT", "/v2/images/"+uploading+"/stage", strings.NewReader("data"), "Content-Type", octets)
	c.locate(409, uploading, base, "")
}

func TestLocationsWithSums(t *testing.T) {
	c, base, served := located(t)
	sum := fmt.Sprintf("%x", sha512.Sum512([]byte("from the web")))
	said := func(checksum, algo, value string) string {
		return `,"validation_data":{"checksum":"` + checksum + `","os_hash_algo":"` + algo + `","os_hash_value":"` + value + `"}`
	}
	md5 := "78a54ef2a3a1d1a5b8a9a5cbb31bd7c6"
	id := c.image(alice(), "")
	c.locate(409, id, base, said(md5, "sha256", sum))
	c.locate(409, id, base, said("xyz", "sha512", sum))
	c.locate(409, id, base, said(md5, "sha512", "ab"))
	img := c.locate(200, id, base, said("", "sha512", sum))
	if img["os_hash_value"] != sum || img["os_hash_algo"] != "sha512" || strings.Contains(fmt.Sprint(img["locations"]), "validation") {
		t.Errorf("the image: %v", img)
	}
	for _, other := range []string{said("", "sha512", strings.Repeat("ab", 64)), said("", "sha256", sum), said(md5, "sha512", sum)} {
		c.locate(409, id, base+"#new", other)
	}
	c.locate(200, id, base+"#new", said("", "sha512", sum))
	if download(c, id) != "from the web" {
		t.Error("it cannot be downloaded")
	}
	served.set("from the bad")
	if got := download(c, id); len(got) == 12 {
		t.Errorf("what has another sum is downloaded: %q", got)
	}
}

func TestLocationsThatAreNotShown(t *testing.T) {
	c := newCloud(t)
	id := c.active(alice(), "", "data")
	if _, shown := c.must(200, alice(), "GET", "/v2/images/"+id, "")["locations"]; shown {
		t.Error("locations are shown")
	}
	for _, op := range []string{`{"op":"remove","path":"/locations/0"}`, `{"op":"add","path":"/locations/-","value":{"url":"http://example.org/","metadata":{}}}`} {
		c.patch(403, alice(), id, "["+op+"]")
	}
	queued := c.image(alice(), "")
	c.must(403, alice(), "POST", "/v2/images/"+queued+"/locations", `{"url":"http://example.org/"}`)
}

// service is another service, which acts for itself.
func service() *token.Identity { return person("5e41ce", "service", "admin") }

func TestAddLocation(t *testing.T) {
	c, base, served := located(t)
	sum := fmt.Sprintf("%x", sha512.Sum512([]byte("from the web")))
	id := c.image(alice(), "")
	path := "/v2/images/" + id + "/locations"
	for status, body := range map[int]string{
		400: `{"url":"` + base + `","validation_data":{"os_hash_algo":"sha512","os_hash_value":"ab"}}`, 403: `{"url":"file:///etc/shadow"}`} {
		c.must(status, alice(), "POST", path, body)
	}
	for _, body := range []string{`{}`, `{"url":5}`, `{"url":"` + base + `","more":1}`, `{"url":"http://127.0.0.1:22/"}`, `{"url":"` + base + `","validation_data":{"os_hash_algo":"md5","os_hash_value":"ab"}}`} {
		c.must(400, alice(), "POST", path, body)
	}
	c.must(404, bob(), "POST", path, `{"url":"`+base+`"}`)
	c.must(202, alice(), "POST", path, `{"url":"`+base+`","validation_data":{"os_hash_algo":"sha512","os_hash_value":"`+sum+`"}}`)
	task := c.imported(id)
	img := c.must(200, alice(), "GET", "/v2/images/"+id, "")
	if task["status"] != "success" || task["type"] != "location_import" || img["status"] != statusActive || img["os_hash_value"] != sum || img["size"] != 12.0 || img["stores"] != "http" {
		t.Errorf("the task: %v; the image: %v", task, img)
	}
	c.must(409, alice(), "POST", path, `{"url":"`+base+`"}`)
	c.must(403, alice(), "GET", path, "")
	if w := c.do(service(), "GET", path, nil); w.Code != 200 || !strings.Contains(w.Body.String(), `[{"url":"`+base+`","metadata":{"store":"http"}}]`) {
		t.Errorf("the locations: %d %s", w.Code, w.Body)
	}
	for name, data := range map[string]string{"another sum": "from the bad", "another format": string(qcow2(nil))} {
		served.set(data)
		wrong := c.image(alice(), "")
		c.must(202, alice(), "POST", "/v2/images/"+wrong+"/locations", `{"url":"`+base+`","validation_data":{"os_hash_algo":"sha512","os_hash_value":"`+sum+`"}}`)
		task, img := c.imported(wrong), c.must(200, alice(), "GET", "/v2/images/"+wrong, "")
		if task["status"] != "failure" || img["status"] != statusQueued || img["os_hash_value"] != nil || img["os_glance_failed_import"] != "http" {
			t.Errorf("%s: %v %v", name, task, img)
		}
	}
	c.clean(0)
}

// TestCopyOfALocation has data that was at a URL come into a store, and be known then.
func TestCopyOfALocation(t *testing.T) {
	c, base, _ := located(t)
	id := c.image(alice(), "")
	c.locate(200, id, base, "")
	c.must(202, root(), "POST", "/v2/images/"+id+"/import", `{"method":{"name":"copy-image"},"stores":["file"]}`)
	c.imported(id)
	if img := c.must(200, alice(), "GET", "/v2/images/"+id, ""); img["stores"] != "file,http" || img["os_hash_value"] == nil {
		t.Errorf("the image: %v", img)
	}
	c.clean(1)
	c.must(204, alice(), "DELETE", "/v2/images/"+id, "")
	c.clean(0)
}

// TestLocationsLeadNowhereInside has no server inside be asked, whoever names it.
func TestLocationsLeadNowhereInside(t *testing.T) {
	asked := false
	inside, _ := web(t, func(http.ResponseWriter, *http.Request) { asked = true })
	c, _, _ := located(t)
	u, err := url.Parse(inside)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	guarded := source.NewFetcher(source.Options{Ports: []uint16{uint16(port)}, AllowedNetworks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}})
	c.s.deps.Remote, c.s.deps.Source = guarded, guarded
	id := c.image(alice(), "")
	for _, who := range []*token.Identity{alice(), root(), service()} {
		c.must(400, who, "PATCH", "/v2/images/"+id, `[{"op":"add","path":"/locations/-","value":{"url":"`+inside+`","metadata":{}}}]`, "Content-Type", patchRFC)
	}
	c.must(202, alice(), "POST", "/v2/images/"+id+"/locations", `{"url":"`+inside+`"}`)
	if task := c.imported(id); task["status"] != "failure" || task["message"] != new(source.SourceError).Error() {
		t.Errorf("the task: %v", task)
	}
	if asked {
		t.Error("a server inside was asked")
	}
}
