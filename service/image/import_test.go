package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"

	"virga/core/db"
	"virga/core/work"
	source "virga/service/image/store/http"
)

// web is a server for imports, and a Deps that may reach it.
func web(t *testing.T, handler http.HandlerFunc) (base string, bend func(*Deps)) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	return server.URL, func(d *Deps) {
		d.Source = source.NewFetcher(source.Options{Ports: []uint16{uint16(port), 80, 443}, AllowedNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
	}
}

// download asks for an import by URL.
func (c *cloud) download(status int, id, uri string) {
	c.t.Helper()
	c.must(status, alice(), "POST", "/v2/images/"+id+"/import", `{"method":{"name":"web-download","uri":"`+uri+`"}}`)
}

// imported waits for the end of the newest import of an image and returns its task.
func (c *cloud) imported(id string) map[string]any {
	c.t.Helper()
	var task map[string]any
	c.eventually("the import ends", func() bool {
		list, _ := c.must(200, alice(), "GET", "/v2/images/"+id+"/tasks", "")["tasks"].([]any)
		task, _ = list[0].(map[string]any)
		return task["status"] == "success" || task["status"] == "failure"
	})
	return task
}

// clean waits until the store holds so many contents and nothing is left to be removed.
func (c *cloud) clean(stored int) {
	c.t.Helper()
	c.eventually(fmt.Sprintf("the store holds %d contents and no other", stored), func() bool {
		return c.stored() == stored && c.contents(contentKept) == stored && c.contents(contentDoomed)+c.contents(contentIncoming)+c.contents(contentTaken) == 0
	})
}

func TestImportWhatWasStaged(t *testing.T) {
	c := newCloud(t)
	c.run()
	id := c.image(alice(), "")
	path := "/v2/images/" + id
	direct := `{"method":{"name":"glance-direct"},"all_stores":true}`
	if answer := c.must(409, alice(), "POST", path+"/import", direct); !strings.Contains(answer["message"].(string), "Image needs to be staged before") {
		t.Errorf("nothing was staged: %v", answer)
	}
	if w := c.do(alice(), "PUT", path+"/stage", strings.NewReader("staged data"), "Content-Type", octets); w.Code != 204 {
		t.Fatalf("stage: %d %s", w.Code, w.Body)
	}
	if w := c.do(alice(), "PUT", path+"/stage", strings.NewReader("again"), "Content-Type", octets); w.Code != 409 || c.status(id) != statusUploading {
		t.Errorf("staged twice: %d, and the image is %s", w.Code, c.status(id))
	}
	if w := c.do(alice(), "GET", path+"/file", nil); w.Code != 204 {
		t.Errorf("staged data can be downloaded: %d", w.Code)
	}
	w := c.do(alice(), "POST", path+"/import", strings.NewReader(direct))
	if w.Code != 202 {
		t.Fatalf("import: %d %s", w.Code, w.Body)
	}
	task := c.imported(id)
	input, _ := task["input"].(map[string]any)
	if task["status"] != "success" || task["request_id"] != w.Header().Get("X-Openstack-Request-Id") || !strings.Contains(fmt.Sprint(input["import_req"]), "name:glance-direct") {
		t.Errorf("the task: %v", task)
	}
	img := c.must(200, alice(), "GET", path, "")
	if img["status"] != statusActive || img["size"] != 11.0 || img["stores"] != "file" || img["os_glance_failed_import"] != "" || img["os_glance_importing_to_stores"] != "" || img["checksum"] == nil {
		t.Errorf("the image: %v", img)
	}
	if got := c.do(alice(), "GET", path+"/file", nil); got.Body.String() != "staged data" {
		t.Errorf("downloaded %q", got.Body)
	}
	c.clean(1)
}

func TestStagedDataThatIsRefused(t *testing.T) {
	c := newCloud(t)
	c.run()
	id := c.must(201, alice(), "POST", "/v2/images", `{"disk_format":"qcow2","container_format":"bare"}`)["id"].(string)
	c.do(alice(), "PUT", "/v2/images/"+id+"/stage", strings.NewReader("no qcow2"), "Content-Type", octets)
	c.must(202, alice(), "POST", "/v2/images/"+id+"/import", `{"method":{"name":"glance-direct"}}`)
	if task := c.imported(id); task["status"] != "failure" || !strings.Contains(task["message"].(string), "qcow2") {
		t.Errorf("the task: %v", task)
	}
	img := c.must(200, alice(), "GET", "/v2/images/"+id, "")
	if img["status"] != statusQueued || img["os_glance_failed_import"] != "file" {
		t.Errorf("the image: %v", img)
	}
	c.clean(0)
	if w := c.upload(alice(), id, bytes.NewReader(qcow2(nil))); w.Code != 204 {
		t.Errorf("an upload afterwards: %d %s", w.Code, w.Body)
	}
	if img := c.must(200, alice(), "GET", "/v2/images/"+id, ""); img["os_glance_failed_import"] != nil {
		t.Error("the failure is still told")
	}
}

// TestStagingBreaksOff has nothing be left, and be possible again.
func TestStagingBreaksOff(t *testing.T) {
	c := newCloud(t)
	c.run()
	id := c.image(alice(), "")
	broken := io.MultiReader(strings.NewReader("some"), readerFunc(func([]byte) (int, error) { return 0, errors.New("the client is gone") }))
	if w := c.do(alice(), "PUT", "/v2/images/"+id+"/stage", broken, "Content-Type", octets); w.Code != 400 || c.status(id) != statusQueued {
		t.Errorf("%d %s; the image is %s", w.Code, w.Body, c.status(id))
	}
	c.clean(0)
	if w := c.do(alice(), "PUT", "/v2/images/"+id+"/stage", strings.NewReader("all"), "Content-Type", octets, "X-Openstack-Image-Size", "4"); w.Code != 400 {
		t.Errorf("shorter than announced: %d %s", w.Code, w.Body)
	}
	c.clean(0)
	if w := c.do(alice(), "PUT", "/v2/images/"+id+"/stage", strings.NewReader("all"), "Content-Type", octets); w.Code != 204 {
		t.Errorf("again: %d %s", w.Code, w.Body)
	}
	c.must(204, alice(), "DELETE", "/v2/images/"+id, "")
	c.clean(0)
}

func TestImportByURL(t *testing.T) {
	base, bend := web(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/disk" {
			http.Redirect(w, r, "/disk", http.StatusFound)
			return
		}
		_, _ = w.Write([]byte("from the web"))
	})
	c := newCloud(t, bend)
	c.run()
	id := c.image(alice(), "")
	c.download(202, id, base+"/moved")
	if task := c.imported(id); task["status"] != "success" || c.status(id) != statusActive {
		t.Fatalf("the task: %v", task)
	}
	if got := c.do(alice(), "GET", "/v2/images/"+id+"/file", nil); got.Body.String() != "from the web" {
		t.Errorf("downloaded %q", got.Body)
	}
	c.download(409, id, base+"/disk")
	c.clean(1)
	if answer := c.must(200, root(), "GET", "/v2/tasks", ""); len(answer["tasks"].([]any)) != 1 {
		t.Errorf("all tasks: %v", answer)
	}
	c.must(403, alice(), "GET", "/v2/tasks", "")
}

// TestImportURLsThatAreRefusedAtOnce has no such URL get as far as a task.
func TestImportURLsThatAreRefusedAtOnce(t *testing.T) {
	_, bend := web(t, func(http.ResponseWriter, *http.Request) {})
	c := newCloud(t, bend)
	id := c.image(alice(), "")
	for name, uri := range map[string]string{
		"file": "file:///etc/passwd", "no scheme": "//example.org/disk", "ftp": "ftp://example.org/disk", "credentials": "http://a:b@example.org/disk", "port": "http://example.org:22/",
		"IPv4 as one number": "http://2130706433/", "hexadecimal": "http://0x7f000001/", "octal": "http://0177.0.0.1/", "short": "http://127.1/",
		"zone": "http://[fe80::1%25lo]/", "no host": "http:///disk", "garbage": "http://exa mple/", "long": "http://example.org/" + strings.Repeat("x", 3000),
	} {
		t.Run(name, func(t *testing.T) { c.download(400, id, uri) })
	}
	for _, body := range []string{
		`{}`, `{"method":{"name":"nothing"}}`, `{"method":{"name":"web-download"}}`, `{"method":{"name":"glance-direct","uri":"http://example.org/"}}`,
		`{"method":{"name":"web-download","uri":"http://example.org/"},"stores":["file"],"all_stores":true}`,
		`{"method":{"name":"web-download","uri":["http://example.org/"]}}`, `{"method":{"name":"web-download","uri":"http://example.org/","glance_region":"x"}}`,
	} {
		c.must(400, alice(), "POST", "/v2/images/"+id+"/import", body)
	}
	c.must(409, alice(), "POST", "/v2/images/"+id+"/import", `{"method":{"name":"web-download","uri":"http://example.org/"},"stores":["other"]}`)
	c.must(404, bob(), "POST", "/v2/images/"+id+"/import", `{"method":{"name":"web-download","uri":"http://example.org/"}}`)
	if c.status(id) != statusQueued {
		t.Errorf("the image is %s", c.status(id))
	}
}

// TestImportURLsThatLeadInside are CWE-918 in its forms: whatever the answer inside would be,
// the user learns the same, and no such server sees a request.
func TestImportURLsThatLeadInside(t *testing.T) {
	var mu sync.Mutex
	asked := 0
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked++
	}))
	defer inside.Close()
	u, err := url.Parse(inside.URL)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	outside := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.Query().Get("to"), http.StatusFound)
	}))
	defer outside.Close()
	o, err := url.Parse(outside.URL)
	if err != nil {
		t.Fatal(err)
	}
	openPort, err := strconv.ParseUint(o.Port(), 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	names := resolver{"rebound.example": {"93.184.216.34", "127.0.0.1"}, "inside.example": {"127.0.0.1"}, "outside.example": {"127.0.0.2"}}
	c := newCloud(t, func(d *Deps) {
		d.Source = source.NewFetcher(source.Options{Ports: []uint16{uint16(port), uint16(openPort)}, Resolver: names,
			AllowedNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")}})
	})
	c.run()
	for name, host := range map[string]string{
		"loopback": "127.0.0.1", "loopback by name": "inside.example", "link-local": "169.254.169.254", "private": "10.0.0.1", "IPv6 loopback": "[::1]",
		"IPv4 mapped": "[::ffff:127.0.0.1]", "IPv4 compatible": "[::127.0.0.1]", "NAT64": "[64:ff9b::7f00:1]", "unspecified": "0.0.0.0", "unique local": "[fd00::1]",
	} {
		t.Run(name, func(t *testing.T) {
			id := c.image(alice(), "")
			c.download(202, id, "http://"+host+":"+u.Port()+"/")
			if task := c.imported(id); task["status"] != "failure" || task["message"] != new(source.SourceError).Error() {
				t.Errorf("the task: %v", task)
			}
		})
	}
	t.Run("redirect", func(t *testing.T) {
		id := c.image(alice(), "")
		c.download(202, id, "http://127.0.0.2:"+o.Port()+"/?to="+url.QueryEscape(inside.URL))
		if task := c.imported(id); task["status"] != "failure" {
			t.Errorf("the task: %v", task)
		}
	})
	mu.Lock()
	defer mu.Unlock()
	if asked != 0 {
		t.Errorf("a server inside was asked %d times", asked)
	}
	c.clean(0)
}

// resolver knows the addresses of names.
type resolver map[string][]string

// LookupNetIP implements source.Resolver.
func (r resolver) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	var list []netip.Addr
	for _, text := range r[host] {
		list = append(list, netip.MustParseAddr(text))
	}
	return list, nil
}

// TestImportOfASizeBomb has an endless answer end at the bound of an image.
func TestImportOfASizeBomb(t *testing.T) {
	base, bend := web(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.Copy(w, endless(pattern(), -1)) })
	c := newCloud(t, bend, func(d *Deps) { d.MaxImageBytes = 1 << 20 })
	c.run()
	id := c.image(alice(), "")
	c.download(202, id, base)
	if task := c.imported(id); task["status"] != "failure" || !strings.Contains(task["message"].(string), "too large") {
		t.Errorf("the task: %v", task)
	}
	c.clean(0)
}

// TestImportOfADeletedImage has the transfer end and nothing be left.
func TestImportOfADeletedImage(t *testing.T) {
	begun, ended := make(chan struct{}), make(chan struct{})
	base, bend := web(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte("some"))
		_ = http.NewResponseController(w).Flush()
		close(begun)
		<-r.Context().Done()
		close(ended)
	})
	c := newCloud(t, bend)
	c.run()
	id := c.image(alice(), "")
	c.download(202, id, base)
	<-begun
	if img := c.must(200, alice(), "GET", "/v2/images/"+id, ""); img["status"] != statusImporting || img["os_glance_importing_to_stores"] != "file" {
		t.Errorf("while it is imported: %v", img)
	}
	c.must(204, alice(), "DELETE", "/v2/images/"+id, "")
	<-ended
	c.clean(0)
	c.eventually("the operation ends", func() bool { return c.unfinished() == 0 })
}

// unfinished counts the live operations.
func (c *cloud) unfinished() int {
	n := 0
	if err := c.db.Read(c.t.Context(), func(tx *db.Tx) error {
		list, err := work.List(tx, true, "", 100)
		n = len(list)
		return err
	}); err != nil {
		c.t.Fatal(err)
	}
	return n
}

// TestImportGoesOnInAnotherLife ends a process in the middle of an import: the next one imports.
func TestImportGoesOnInAnotherLife(t *testing.T) {
	begun := make(chan struct{}, 10)
	var mu sync.Mutex
	times := 0
	base, bend := web(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		times++
		first := times == 1
		mu.Unlock()
		_, _ = w.Write([]byte("the whole "))
		if first {
			_ = http.NewResponseController(w).Flush()
			begun <- struct{}{}
			<-r.Context().Done()
			return
		}
		_, _ = w.Write([]byte("content"))
	})
	c := newCloud(t, bend)
	ctx, die := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.s.Run(ctx) }()
	id := c.image(alice(), "")
	c.download(202, id, base)
	<-begun
	die()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if c.status(id) != statusImporting {
		t.Errorf("between the lives the image is %s", c.status(id))
	}
	// A transfer that was killed leaves its row as it was.
	err := c.db.Write(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec("UPDATE image_contents SET state = ?", contentIncoming)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	next, err := New(t.Context(), c.s.deps)
	if err != nil {
		t.Fatal(err)
	}
	c.s = next
	c.run()
	if task := c.imported(id); task["status"] != "success" {
		t.Errorf("the task: %v", task)
	}
	if got := c.do(alice(), "GET", "/v2/images/"+id+"/file", nil); got.Body.String() != "the whole content" {
		t.Errorf("downloaded %q", got.Body)
	}
	c.clean(1)
}

func TestCopyImage(t *testing.T) {
	c := newCloud(t)
	c.run()
	id := c.active(alice(), "", "data")
	path := "/v2/images/" + id + "/import"
	c.must(403, alice(), "POST", path, `{"method":{"name":"copy-image"},"all_stores":true}`)
	c.refused(400, "Image is already present at store 'file'", "POST", path, `{"method":{"name":"copy-image"},"stores":["file"]}`)
	c.must(202, root(), "POST", path, `{"method":{"name":"copy-image"},"all_stores":true,"all_stores_must_succeed":false}`)
	if task := c.imported(id); task["status"] != "success" || c.status(id) != statusActive {
		t.Errorf("the task: %v", task)
	}
	queued := c.image(alice(), "")
	c.refused(409, "Only images with status active can be targeted for copying", "POST", "/v2/images/"+queued+"/import", `{"method":{"name":"copy-image"}}`)
}
