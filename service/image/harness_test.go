package image

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"virga/core/bus"
	"virga/core/clock"
	"virga/core/db"
	"virga/core/db/dbtest"
	"virga/core/token"
	"virga/service/image/store"
	"virga/service/image/store/file"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

const octets = "application/octet-stream"

// tokens authenticates by a table of tokens.
type tokens map[string]*token.Identity

func (t tokens) Authenticate(_ context.Context, text string) (*token.Identity, error) {
	if id := t[text]; id != nil {
		return id, nil
	}
	return nil, token.ErrInvalid
}

func person(project string, roles ...string) *token.Identity {
	id := &token.Identity{UserID: "user-of-" + project, Project: token.Project{ID: project}}
	for _, role := range roles {
		id.Roles = append(id.Roles, token.Role{Name: role})
	}
	return id
}

func alice() *token.Identity { return person("a11ce", "member", "reader") }
func bob() *token.Identity   { return person("b0b", "member", "reader") }
func root() *token.Identity  { return person("r007", "admin", "manager", "member", "reader") }
func node() *token.Identity  { return person("", "node") }

// cloud is an image service on a database and a directory of its own.
type cloud struct {
	t     testing.TB
	s     *Service
	db    *db.DB
	store store.Store
	clock clock.Clock
}

func newCloud(t testing.TB, bend ...func(*Deps)) *cloud {
	t.Helper()
	d := dbtest.Open(t)
	contents, err := file.Open(t.TempDir(), clock.System{}.ID)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = contents.Close() })
	deps := Deps{
		DB: d, Bus: bus.NewLocal(), Clock: clock.System{}, Log: slog.New(slog.DiscardHandler), Endpoint: "http://cloud/image",
		Auth: tokens{"alice": alice(), "bob": bob(), "root": root()}, Owner: "test", Store: contents,
	}
	for _, b := range bend {
		b(&deps)
	}
	s, err := New(t.Context(), deps)
	if err != nil {
		t.Fatal(err)
	}
	return &cloud{t, s, d, deps.Store, deps.Clock}
}

// run runs the service's chores until the test ends.
func (c *cloud) run() {
	ctx, cancel := context.WithCancel(c.t.Context())
	done := make(chan error, 1)
	go func() { done <- c.s.Run(ctx) }()
	c.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			c.t.Error(err)
		}
	})
}

// do makes a request; header holds pairs.
func (c *cloud) do(who *token.Identity, method, path string, body io.Reader, header ...string) *httptest.ResponseRecorder {
	c.t.Helper()
	r := httptest.NewRequestWithContext(token.WithIdentity(c.t.Context(), who), method, path, body)
	r.Header.Set("Accept", "application/json")
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	c.s.Handler().ServeHTTP(w, r)
	return w
}

// must is do, expecting a status, with the decoded answer.
func (c *cloud) must(status int, who *token.Identity, method, path, body string, header ...string) map[string]any {
	c.t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	w := c.do(who, method, path, reader, header...)
	if w.Code != status {
		c.t.Fatalf("%s %s %.80s: status %d, want %d: %s", method, path, body, w.Code, status, w.Body)
	}
	var answer map[string]any
	if w.Body.Len() > 0 {
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			c.t.Fatalf("%s %s: %v: %s", method, path, err, w.Body)
		}
	}
	return answer
}

// image creates an image and returns its id.
func (c *cloud) image(who *token.Identity, attributes string) string {
	c.t.Helper()
	body := `{"name":"x","disk_format":"raw","container_format":"bare"`
	if attributes != "" {
		body += "," + attributes
	}
	return c.must(201, who, "POST", "/v2/images", body+"}")["id"].(string)
}

func (c *cloud) patch(status int, who *token.Identity, id, operations string) map[string]any {
	c.t.Helper()
	return c.must(status, who, "PATCH", "/v2/images/"+id, operations, "Content-Type", patchRFC)
}

func (c *cloud) upload(who *token.Identity, id string, data io.Reader) *httptest.ResponseRecorder {
	c.t.Helper()
	return c.do(who, "PUT", "/v2/images/"+id+"/file", data, "Content-Type", octets)
}

// active creates an image with data.
func (c *cloud) active(who *token.Identity, attributes, data string) string {
	c.t.Helper()
	id := c.image(who, attributes)
	if w := c.upload(who, id, strings.NewReader(data)); w.Code != 204 {
		c.t.Fatalf("upload: %d %s", w.Code, w.Body)
	}
	return id
}

func (c *cloud) status(id string) string {
	c.t.Helper()
	return c.must(200, root(), "GET", "/v2/images/"+id, "")["status"].(string)
}

func (c *cloud) stored() int {
	c.t.Helper()
	entries, err := c.store.List(c.t.Context(), "", 1000)
	if err != nil {
		c.t.Fatal(err)
	}
	return len(entries)
}

// contents counts the rows of contents in a state.
func (c *cloud) contents(state string) int {
	c.t.Helper()
	n := 0
	if err := c.db.Read(c.t.Context(), func(tx *db.Tx) error {
		found, err := listContents(tx, state, "", 1000)
		n = len(found)
		return err
	}); err != nil {
		c.t.Fatal(err)
	}
	return n
}

// eventually waits for what other goroutines bring about.
func (c *cloud) eventually(what string, holds func() bool) {
	c.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !holds(); {
		if time.Now().After(deadline) {
			c.t.Fatalf("it does not come about: %s", what)
		}
		<-time.After(2 * time.Millisecond)
	}
}

// names lists the names of the images in an answer to a list request.
func names(answer map[string]any) string {
	var list []string
	for _, img := range answer["images"].([]any) {
		name, _ := img.(map[string]any)["name"].(string)
		list = append(list, name)
	}
	return strings.Join(list, " ")
}

// qcow2 is a minimal valid image of 64 MiB, bent by the caller.
func qcow2(bend func(b []byte)) []byte {
	b := make([]byte, 4<<16)
	copy(b, "QFI\xfb")
	binary.BigEndian.PutUint32(b[4:], 3)
	binary.BigEndian.PutUint32(b[20:], 16)
	binary.BigEndian.PutUint64(b[24:], 64<<20)
	binary.BigEndian.PutUint32(b[36:], 1)
	binary.BigEndian.PutUint64(b[40:], 3<<16)
	binary.BigEndian.PutUint64(b[48:], 1<<16)
	binary.BigEndian.PutUint32(b[56:], 1)
	binary.BigEndian.PutUint32(b[96:], 4)
	binary.BigEndian.PutUint32(b[100:], 112)
	if bend != nil {
		bend(b)
	}
	return b
}

// vmdk is a sparse VMDK whose descriptor has the given extent line.
func vmdk(extent string) []byte {
	b := make([]byte, 64<<10)
	copy(b, "KDMV")
	binary.LittleEndian.PutUint32(b[4:], 3)
	binary.LittleEndian.PutUint64(b[12:], 131072)
	binary.LittleEndian.PutUint64(b[20:], 128)
	binary.LittleEndian.PutUint64(b[28:], 1)
	binary.LittleEndian.PutUint64(b[36:], 20)
	binary.LittleEndian.PutUint64(b[56:], 26)
	copy(b[512:], "# Disk DescriptorFile\nversion=1\nCID=8beeffd5\nparentCID=ffffffff\ncreateType=\"streamOptimized\"\n"+
		extent+"\nddb.adapterType = \"ide\"\n")
	return b
}

// endless yields the bytes again and again, until limit; negative for ever.
func endless(pattern []byte, limit int64) io.Reader {
	at := 0
	return readerFunc(func(p []byte) (int, error) {
		if limit == 0 {
			return 0, io.EOF
		}
		if limit > 0 && int64(len(p)) > limit {
			p = p[:limit]
		}
		n := copy(p, pattern[at:])
		at = (at + n) % len(pattern)
		if limit > 0 {
			limit -= int64(n)
		}
		return n, nil
	})
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func pattern() []byte { return bytes.Repeat([]byte("virga"), 13107) }
