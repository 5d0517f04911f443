package image

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha512"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"virga/core/api"
	"virga/core/clock"
	"virga/core/db"
	"virga/core/token"
	"virga/service/image/store"
)

func TestUploadAndDownload(t *testing.T) {
	c := newCloud(t)
	data := string(qcow2(nil))
	id := c.image(alice(), `"disk_format":"qcow2"`)
	if w := c.do(alice(), "GET", "/v2/images/"+id+"/file", nil); w.Code != 204 {
		t.Errorf("before the upload: %d", w.Code)
	}
	if w := c.upload(alice(), id, strings.NewReader(data)); w.Code != 204 || w.Body.Len() != 0 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	sum, strong := md5.Sum([]byte(data)), sha512.Sum512([]byte(data))
	img := c.must(200, alice(), "GET", "/v2/images/"+id, "")
	for name, want := range map[string]any{
		"status": "active", "size": float64(len(data)), "virtual_size": float64(64 << 20), "checksum": hex.EncodeToString(sum[:]),
		"os_hash_algo": "sha512", "os_hash_value": hex.EncodeToString(strong[:]), "stores": "file",
	} {
		if img[name] != want {
			t.Errorf("%s is %v, want %v", name, img[name], want)
		}
	}
	w := c.do(node(), "GET", "/v2/images/"+id+"/file", nil)
	if w.Code != 200 || w.Body.String() != data || w.Header().Get("Content-Md5") != img["checksum"] ||
		w.Header().Get("Content-Length") != fmt.Sprint(len(data)) || w.Header().Get("Content-Type") != octets {
		t.Errorf("download: %d %v, %d bytes", w.Code, w.Header(), w.Body.Len())
	}
	w = c.do(alice(), "HEAD", "/v2/images/"+id+"/file", nil)
	if w.Code != 200 || w.Body.Len() != 0 || w.Header().Get("Content-Length") != fmt.Sprint(len(data)) {
		t.Errorf("HEAD: %d %v", w.Code, w.Header())
	}
	// Attack 11: data that is there is never replaced (OSSA-2016-006).
	if w := c.upload(alice(), id, strings.NewReader(data)); w.Code != 409 {
		t.Errorf("second upload: %d %s", w.Code, w.Body)
	}
	c.patch(403, alice(), id, `[{"op":"replace","path":"/disk_format","value":"raw"}]`)
	c.patch(403, alice(), id, `[{"op":"replace","path":"/locations","value":[]}]`)
	if w := c.do(bob(), "GET", "/v2/images/"+id+"/file", nil); w.Code != 404 {
		t.Errorf("another project downloads: %d", w.Code)
	}
	if w := c.upload(bob(), id, strings.NewReader(data)); w.Code != 404 {
		t.Errorf("another project uploads: %d", w.Code)
	}
}

func TestRanges(t *testing.T) {
	c := newCloud(t)
	id := c.active(alice(), "", "0123456789")
	for header, want := range map[string]string{
		"bytes=0-3":                    "206 0123 bytes 0-3/10",
		"bytes=7-":                     "206 789 bytes 7-9/10",
		"bytes=-2":                     "206 89 bytes 8-9/10",
		"bytes=-99":                    "206 0123456789 bytes 0-9/10",
		"bytes=5-99":                   "206 56789 bytes 5-9/10",
		"bytes=9-9":                    "206 9 bytes 9-9/10",
		"bytes=10-":                    "416",
		"bytes=3-1":                    "416",
		"bytes=-0":                     "416",
		"bytes=a-b":                    "416",
		"bytes=--1":                    "416",
		"lines=1-2":                    "416",
		"bytes":                        "416",
		"bytes=0-18446744073709551616": "416",
		"bytes=0-1,3-4":                "400",
	} {
		w := c.do(alice(), "GET", "/v2/images/"+id+"/file", nil, "Range", header)
		got := fmt.Sprint(w.Code)
		if w.Code == 206 {
			got += " " + w.Body.String() + " " + w.Header().Get("Content-Range")
			if w.Header().Get("Content-Length") != fmt.Sprint(w.Body.Len()) {
				t.Errorf("%s: length %s of %d", header, w.Header().Get("Content-Length"), w.Body.Len())
			}
		}
		if got != want {
			t.Errorf("%s: %s, want %s", header, got, want)
		}
	}
}

func TestDeactivatedImagesAreForAdministrators(t *testing.T) {
	c := newCloud(t)
	id := c.active(alice(), "", "data")
	c.must(204, alice(), "POST", "/v2/images/"+id+"/actions/deactivate", "")
	c.must(204, alice(), "POST", "/v2/images/"+id+"/actions/deactivate", "")
	for who, want := range map[*token.Identity]int{alice(): 403, node(): 403, root(): 200} {
		if w := c.do(who, "GET", "/v2/images/"+id+"/file", nil); w.Code != want {
			t.Errorf("%s: %d, want %d", who.UserID, w.Code, want)
		}
	}
	c.must(204, alice(), "POST", "/v2/images/"+id+"/actions/reactivate", "")
	if w := c.do(alice(), "GET", "/v2/images/"+id+"/file", nil); w.Code != 200 {
		t.Errorf("reactivated: %d", w.Code)
	}
	c.must(403, alice(), "POST", "/v2/images/"+c.image(alice(), "")+"/actions/deactivate", "")
}

// TestRefusedUploads: whatever is refused leaves the image queued and the store empty.
func TestRefusedUploads(t *testing.T) {
	c := newCloud(t, func(d *Deps) { d.MaxImageBytes, d.MaxVirtualSize = 8<<20, 1<<30 })
	c.run()
	for _, attack := range []struct {
		name, format string
		data         io.Reader
		header       []string
		status       int
		says         string
	}{
		{"1: qcow2 with external data file (OSSA-2024-001)", "qcow2", bytes.NewReader(qcow2(func(b []byte) {
			binary.BigEndian.PutUint64(b[72:], 4)
		})), nil, 415, "data file"},
		{"2: qcow2 with backing file (OSSA-2015-014)", "qcow2", bytes.NewReader(qcow2(func(b []byte) {
			binary.BigEndian.PutUint64(b[8:], 1024)
			binary.BigEndian.PutUint32(b[16:], 11)
			copy(b[1024:], "/etc/shadow")
		})), nil, 415, "backing file"},
		{"3: vmdk with foreign extent (OSSA-2023-002)", "vmdk", bytes.NewReader(vmdk(`RW 131072 FLAT "/etc/shadow" 0`)), nil, 415, "VMDK"},
		{"3: vmdk descriptor alone", "vmdk", strings.NewReader("# Disk DescriptorFile\nversion=1\nRW 1 FLAT \"/etc/shadow\" 0\n"), nil, 415, "names other files"},
		{"4: qcow2 as raw", "raw", bytes.NewReader(qcow2(nil)), nil, 415, "the content is qcow2"},
		{"4: raw as qcow2", "qcow2", strings.NewReader("just bytes"), nil, 415, "not recognised as qcow2"},
		{"5: huge disk in a small image", "qcow2", bytes.NewReader(qcow2(func(b []byte) { binary.BigEndian.PutUint64(b[24:], 1<<50) })), nil, 415, "more than the 1073741824 allowed"},
		{"10: announced too large", "raw", endless(pattern(), -1), []string{"X-Openstack-Image-Size", "9223372036854775807"}, 413, "too large"},
		{"10: without end", "raw", endless(pattern(), -1), nil, 413, "too large"},
		{"shorter than announced", "raw", strings.NewReader("short"), []string{"X-Openstack-Image-Size", "10"}, 400, "image size"},
		{"broken off", "raw", io.MultiReader(endless(pattern(), 1<<20), readerFunc(func([]byte) (int, error) { return 0, io.ErrUnexpectedEOF })), nil, 400, "broke off"},
		{"garbled size", "raw", strings.NewReader("x"), []string{"X-Openstack-Image-Size", "many"}, 400, "size"},
		{"not octets", "raw", strings.NewReader("x"), []string{"Content-Type", "application/json"}, 415, octets},
		{"no such store", "raw", strings.NewReader("x"), []string{"X-Image-Meta-Store", "moon"}, 400, "moon"},
	} {
		t.Run(attack.name, func(t *testing.T) {
			id := c.image(alice(), fmt.Sprintf(`"disk_format":%q`, attack.format))
			w := c.do(alice(), "PUT", "/v2/images/"+id+"/file", attack.data, append([]string{"Content-Type", octets}, attack.header...)...)
			if w.Code != attack.status || !strings.Contains(w.Body.String(), attack.says) {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			img := c.must(200, alice(), "GET", "/v2/images/"+id, "")
			if img["status"] != "queued" || img["size"] != nil || c.stored() != 0 {
				t.Errorf("left: %v, %d contents", img, c.stored())
			}
			// It can be tried again with what is right.
			c.patch(200, alice(), id, `[{"op":"replace","path":"/disk_format","value":"raw"}]`)
			if w := c.upload(alice(), id, strings.NewReader("good")); w.Code != 204 {
				t.Errorf("again: %d %s", w.Code, w.Body)
			}
			c.must(204, alice(), "DELETE", "/v2/images/"+id, "")
			c.eventually("the data is removed", func() bool { return c.stored() == 0 && c.contents(contentDoomed) == 0 })
		})
	}
	id := c.must(201, alice(), "POST", "/v2/images", `{"name":"formless"}`)["id"].(string)
	if w := c.upload(alice(), id, strings.NewReader("x")); w.Code != 400 || !strings.Contains(w.Body.String(), "disk_format, container_format must be set") {
		t.Errorf("without formats: %d %s", w.Code, w.Body)
	}
}

// slowUpload begins an upload that waits for more after its first bytes.
type slowUpload struct {
	pipe   *io.PipeWriter
	answer chan *httptest.ResponseRecorder
}

func (c *cloud) slowUpload(id string) *slowUpload {
	r, w := io.Pipe()
	u := &slowUpload{w, make(chan *httptest.ResponseRecorder, 1)}
	go func() {
		answer := c.upload(alice(), id, r)
		_ = r.Close() // as a server does with the body of a request that is over
		u.answer <- answer
	}()
	if _, err := w.Write([]byte("first")); err != nil {
		c.t.Error(err)
	}
	return u
}

func TestOneUploadAtATime(t *testing.T) {
	c := newCloud(t)
	id := c.image(alice(), "")
	u := c.slowUpload(id)
	if c.status(id) != statusSaving {
		t.Errorf("status %s", c.status(id))
	}
	if w := c.upload(alice(), id, strings.NewReader("second")); w.Code != 409 || !strings.Contains(w.Body.String(), "saving to saving") {
		t.Errorf("second upload: %d %s", w.Code, w.Body)
	}
	// The image can be changed meanwhile.
	c.patch(200, alice(), id, `[{"op":"replace","path":"/name","value":"renamed"}]`)
	_ = u.pipe.Close()
	if w := <-u.answer; w.Code != 204 {
		t.Errorf("first upload: %d %s", w.Code, w.Body)
	}
	img := c.must(200, alice(), "GET", "/v2/images/"+id, "")
	if img["name"] != "renamed" || img["size"] != 5.0 {
		t.Errorf("%v", img)
	}
}

// TestDeleteWhileUploading is attack 9 (OSSA-2015-003).
func TestDeleteWhileUploading(t *testing.T) {
	c := newCloud(t)
	c.run()
	for range 5 {
		id := c.image(alice(), "")
		u := c.slowUpload(id)
		c.must(204, alice(), "DELETE", "/v2/images/"+id, "")
		_, _ = u.pipe.Write(pattern()) // it may be refused
		_ = u.pipe.Close()
		if w := <-u.answer; w.Code != 410 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		c.must(404, alice(), "GET", "/v2/images/"+id, "")
	}
	c.eventually("nothing is left", func() bool {
		return c.stored() == 0 && c.contents(contentIncoming)+c.contents(contentDoomed)+c.contents(contentKept) == 0
	})
}

// deafStore does not notice that a Put is to end, as one that has just written its last byte.
type deafStore struct{ store.Store }

func (d deafStore) Put(ctx context.Context, id string, r io.Reader, limit int64) (store.Stored, error) {
	return d.Store.Put(context.WithoutCancel(ctx), id, r, limit)
}

func TestDeleteAtTheEndOfAnUpload(t *testing.T) {
	c := newCloud(t, func(d *Deps) { d.Store = deafStore{d.Store} })
	id := c.image(alice(), "")
	u := c.slowUpload(id)
	c.must(204, alice(), "DELETE", "/v2/images/"+id, "")
	_ = u.pipe.Close()
	if w := <-u.answer; w.Code != 410 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	c.run()
	c.eventually("the content is removed", func() bool { return c.stored() == 0 && c.contents(contentDoomed) == 0 })
}

// TestUploadsOfADeadProcess has an upload stand still for ever, as kill -9 does, with the
// content stored or not, and starts the service anew on what is left.
func TestUploadsOfADeadProcess(t *testing.T) {
	for _, stored := range []bool{false, true} {
		c := newCloud(t)
		id := c.image(alice(), "")
		contentID := c.clock.ID()
		r := &api.Request{ID: "req"}
		if _, err := c.s.beginReception(t.Context(), r, id, contentID, reception{begin: beginUpload, action: "upload"}); err != nil {
			t.Fatal(err)
		}
		if stored {
			if _, err := c.store.Put(t.Context(), contentID, strings.NewReader("data"), store.NoLimit); err != nil {
				t.Fatal(err)
			}
		}
		if c.status(id) != statusSaving {
			t.Fatal("the upload did not begin")
		}
		c.run()
		c.eventually("the image waits for data again", func() bool { return c.status(id) == statusQueued })
		c.eventually("the store is clean", func() bool { return c.stored() == 0 && c.contents(contentDoomed) == 0 })
		if w := c.upload(alice(), id, strings.NewReader("again")); w.Code != 204 {
			t.Errorf("again: %d %s", w.Code, w.Body)
		}
	}
}

func TestUploadsOfOtherProcesses(t *testing.T) {
	seeded := clock.NewSeeded(1, time.Now())
	c := newCloud(t, func(d *Deps) { d.Clock = seeded })
	id := c.image(alice(), "")
	c.s.deps.Owner = "another"
	if _, err := c.s.beginReception(t.Context(), &api.Request{}, id, "its-content", reception{begin: beginUpload, action: "upload"}); err != nil {
		t.Fatal(err)
	}
	c.s.deps.Owner = "test"
	seeded.Advance(deadAfter - time.Second)
	if err := c.s.recoverUploads(t.Context()); err != nil || c.status(id) != statusSaving {
		t.Errorf("a living process's upload: %v %s", err, c.status(id))
	}
	seeded.Advance(2 * time.Second)
	if err := c.s.recoverUploads(t.Context()); err != nil || c.status(id) != statusQueued {
		t.Errorf("a dead process's upload: %v %s", err, c.status(id))
	}
	// Should it live after all, its end changes nothing.
	if err := c.s.finishUpload(t.Context(), &api.Request{}, id, place{Store: "file", ContentID: "its-content"}, ingestNothing()); api.StatusOf(err) != 409 || c.status(id) != statusQueued {
		t.Errorf("it ends: %v %s", err, c.status(id))
	}
}

func TestLivingUploadsSayThatTheyLive(t *testing.T) {
	seeded := clock.NewSeeded(2, time.Now())
	c := newCloud(t, func(d *Deps) { d.Clock = seeded })
	id := c.image(alice(), "")
	u := c.slowUpload(id)
	seeded.Advance(2 * deadAfter)
	if err := c.s.recoverUploads(t.Context()); err != nil || c.status(id) != statusSaving {
		t.Errorf("%v %s", err, c.status(id))
	}
	var found []content
	if err := c.db.Read(t.Context(), func(tx *db.Tx) (err error) {
		found, err = listContents(tx, contentIncoming, "", 10)
		return err
	}); err != nil || len(found) != 1 || !found[0].SeenAt.Equal(seeded.Now()) {
		t.Errorf("%v %v", found, err)
	}
	_ = u.pipe.CloseWithError(errors.New("gone"))
	<-u.answer
}

// fullStore has no room.
type fullStore struct{ store.Store }

func (fullStore) Put(context.Context, string, io.Reader, int64) (store.Stored, error) {
	return store.Stored{}, fmt.Errorf("put: %w", store.ErrNoSpace)
}

func TestFullStore(t *testing.T) {
	c := newCloud(t, func(d *Deps) { d.Store = fullStore{d.Store} })
	id := c.image(alice(), "")
	if w := c.upload(alice(), id, strings.NewReader("x")); w.Code != 413 || !strings.Contains(w.Body.String(), "full") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if c.status(id) != statusQueued {
		t.Errorf("status %s", c.status(id))
	}
}

// watchedStore tells whether its streams are handed what sendfile needs.
type watchedStore struct {
	store.Store
	reached *bool
}

func (w watchedStore) Get(ctx context.Context, id string, offset, length int64) (io.ReadCloser, int64, error) {
	stream, size, err := w.Store.Get(ctx, id, offset, length)
	return watchedStream{stream, w.reached}, size, err
}

type watchedStream struct {
	io.ReadCloser
	reached *bool
}

func (w watchedStream) WriteTo(to io.Writer) (int64, error) {
	_, *w.reached = to.(io.ReaderFrom)
	return io.Copy(to, w.ReadCloser)
}

const big = 64 << 20

// TestBigImageTakesLittleMemory moves 64 MiB through a real connection both ways.
func TestBigImageTakesLittleMemory(t *testing.T) {
	reached := false
	c := newCloud(t, func(d *Deps) { d.Store = watchedStore{d.Store, &reached} })
	server := httptest.NewServer(c.s.Handler())
	defer server.Close()
	id := c.image(alice(), "")
	call := func(method string, body io.Reader) *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, server.URL+"/v2/images/"+id+"/file", body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Auth-Token", "alice")
		r.Header.Set("Content-Type", octets)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	answer := call("PUT", endless(pattern(), big))
	_ = answer.Body.Close()
	if answer.StatusCode != 204 {
		t.Fatalf("upload: %s", answer.Status)
	}
	answer = call("GET", nil)
	n, err := io.Copy(io.Discard, answer.Body)
	_ = answer.Body.Close()
	if n != big || err != nil || answer.ContentLength != big {
		t.Errorf("download: %d bytes of %d, %v", n, answer.ContentLength, err)
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 8<<20 {
		t.Errorf("moving %d MiB allocated %d KiB", big>>20, grown>>10)
	}
	if !reached {
		t.Error("the stream is not handed the connection")
	}
}

// TestRefusalIsSeenByClientsThatSendFirst sends a whole body before it reads, as most
// clients do.
func TestRefusalIsSeenByClientsThatSendFirst(t *testing.T) {
	c := newCloud(t, func(d *Deps) { d.MaxImageBytes = 1 << 20 })
	server := httptest.NewServer(c.s.Handler())
	defer server.Close()
	for _, path := range []string{"/v2/images/" + c.image(alice(), "") + "/file", "/v2/images/none/file"} {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "PUT %s HTTP/1.1\r\nHost: x\r\nX-Auth-Token: alice\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n", path, octets)
		for range 16 << 4 {
			if _, err := fmt.Fprintf(conn, "%x\r\n%s\r\n", 1<<16, make([]byte, 1<<16)); err != nil {
				t.Fatalf("the connection was cut while sending: %v", err)
			}
		}
		if _, err := fmt.Fprint(conn, "0\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		_ = conn.(*net.TCPConn).CloseWrite()
		answer, err := io.ReadAll(conn)
		_ = conn.Close()
		if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 4") || !strings.Contains(string(answer), "</html>") {
			t.Errorf("%s: %v %.200s", path, err, answer)
		}
	}
}

// TestInProcess uploads and downloads as neighbours in the same process do.
func TestInProcess(t *testing.T) {
	c := newCloud(t)
	client := &http.Client{Transport: api.Local{Handler: c.s.Handler()}}
	id := c.image(alice(), "")
	for _, step := range []struct {
		method string
		body   io.Reader
		status int
		want   string
	}{
		{"PUT", endless([]byte("x"), 3), 204, ""},
		{"GET", nil, 200, "xxx"},
		{"PUT", endless([]byte("y"), 3), 409, "saving"},
	} {
		r, err := http.NewRequestWithContext(token.WithIdentity(t.Context(), alice()), step.method, "http://image/v2/images/"+id+"/file", step.body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", octets)
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if answer.StatusCode != step.status || !strings.Contains(string(body), step.want) || err != nil {
			t.Errorf("%s: %s %s %v", step.method, answer.Status, body, err)
		}
	}
}

func TestLostContentIsNotAnEmptyImage(t *testing.T) {
	c := newCloud(t)
	id := c.active(alice(), "", "data")
	entries, err := c.store.List(t.Context(), "", 1)
	if err != nil || len(entries) != 1 {
		t.Fatal(err)
	}
	if err := c.store.Delete(t.Context(), entries[0].ID); err != nil {
		t.Fatal(err)
	}
	// Glance says so, too: "no content" is not content of no length.
	if w := c.do(alice(), "GET", "/v2/images/"+id+"/file", nil); w.Code != 204 || w.Header().Get("Content-MD5") != "" || w.Body.Len() != 0 {
		t.Errorf("%d %v %q", w.Code, w.Header(), w.Body)
	}
}

func TestOperatorsRulesHold(t *testing.T) {
	c := newCloud(t, func(d *Deps) { d.PolicyOverrides = map[string]string{"download_image": "role:admin"} })
	id := c.active(alice(), "", "data")
	if w := c.do(alice(), "GET", "/v2/images/"+id+"/file", nil); w.Code != 403 {
		t.Errorf("%d", w.Code)
	}
	if w := c.do(root(), "GET", "/v2/images/"+id+"/file", nil); w.Code != 200 {
		t.Errorf("%d", w.Code)
	}
}

// TestUploadThatStandsStill has a client send a part of its data and then nothing more.
func TestUploadThatStandsStill(t *testing.T) {
	c := newCloud(t)
	c.run()
	server := httptest.NewServer(draining{c.s.handler.(draining).inner, 20 * time.Millisecond})
	defer server.Close()
	id := c.image(alice(), "")
	body, feeder := io.Pipe()
	defer func() { _ = feeder.Close() }()
	r, err := http.NewRequestWithContext(t.Context(), "PUT", server.URL+"/v2/images/"+id+"/file", body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Auth-Token", "alice")
	r.Header.Set("Content-Type", octets)
	go func() { _, _ = feeder.Write([]byte("some")) }()
	resp, err := http.DefaultClient.Do(r)
	if err == nil {
		_ = resp.Body.Close()
	}
	if err == nil && resp.StatusCode != 400 {
		t.Errorf("it is answered %s", resp.Status)
	}
	c.eventually("the image waits for data again", func() bool { return c.status(id) == statusQueued })
	c.clean(0)
}

// TestDownloadThatStandsStill has a client that takes nothing any more be cut off, and one
// that goes on get everything.
func TestDownloadThatStandsStill(t *testing.T) {
	c := newCloud(t)
	data := bytes.Repeat([]byte("virga's "), 4<<20)
	id := c.active(alice(), "", string(data))
	ended := make(chan struct{}, 2)
	inner := c.s.handler.(draining).inner
	patience := make(chan time.Duration, 2)
	patience <- 50 * time.Millisecond
	patience <- time.Minute
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() { ended <- struct{}{} }()
		draining{inner, <-patience}.ServeHTTP(w, r)
	}))
	defer server.Close()
	get := func() *http.Response {
		request, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+"/v2/images/"+id+"/file", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X-Auth-Token", "alice")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		return response
	}
	still := get()
	<-ended // without a byte being read
	if n, err := io.Copy(io.Discard, still.Body); err == nil || n == int64(len(data)) {
		t.Errorf("who stood still got %d bytes: %v", n, err)
	}
	_ = still.Body.Close()
	moving := get()
	got, err := io.ReadAll(moving.Body)
	_ = moving.Body.Close()
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("who goes on gets %d bytes: %v", len(got), err)
	}
}
