package wire

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"virga/app"
	"virga/core/conf"
)

const password = "only for tests"

// cloud is a whole cloud in this process, and its clients.
type cloud struct {
	base   string
	dir    string
	client *http.Client
	log    *journal
	// Tokens: of the administrator, of a user of the project wire, of a user of another project.
	admin, member, stranger string
	ids                     map[string]string
}

// journal keeps what the cloud logs.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// startCloud runs a cloud until the test ends. What it logs as an error is a failure, even if no client saw it.
func startCloud(t *testing.T) *cloud {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	c := &cloud{base: "http://" + address, dir: t.TempDir(), client: &http.Client{Timeout: time.Minute}, log: &journal{}, ids: map[string]string{}}
	settings := &conf.Config{DataDir: filepath.Join(c.dir, "data"), Listen: address, Region: "RegionOne", Host: "wirehost", Virt: "fake",
		ExternalCIDR: "172.24.4.0/24", PrivateCIDR: "10.0.0.0/24", TunnelIP: "127.0.0.1", AdminPassword: password, LogLevel: "info", LogFormat: "text"}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- app.Up(ctx, settings, "test", io.Discard, c.log) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the cloud ended with %v", err)
		}
		for line := range strings.Lines(c.log.String()) {
			if strings.Contains(line, "level=ERROR") || strings.Contains(line, "panic") {
				t.Errorf("in the log: %s", line)
			}
		}
	})
	c.await(t, "the cloud is ready", func() error {
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("the cloud ended: %v\n%s", err, c.log)
		default:
		}
		answer, err := c.client.Get(c.base + "/readyz")
		if err != nil {
			return err
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("readyz: %s", answer.Status)
		}
		return nil
	})
	c.admin = c.login(t, "admin", "admin")
	c.member = c.newUser(t, "wire")
	c.stranger = c.newUser(t, "elsewhere")
	return c
}

// await looks until check returns nil; what is waited for goes on in other goroutines that tell nobody.
func (c *cloud) await(t *testing.T, what string, check func() error) {
	t.Helper()
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("%s: %v", what, err)
		}
	}
}

// answer is what a request got.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a *answer) String() string {
	return fmt.Sprintf("%d %s", a.status, a.body[:min(len(a.body), 600)])
}

// request is one HTTP request; Path begins with the service, body is JSON text or nothing.
type request struct {
	token, method, path, body string
	header                    map[string]string
}

// do sends a request. JSON is assumed where nothing else is said.
func (c *cloud) do(t *testing.T, r request) *answer {
	t.Helper()
	var body io.Reader
	if r.body != "" {
		body = strings.NewReader(r.body)
	}
	wire, err := http.NewRequestWithContext(t.Context(), r.method, c.base+r.path, body)
	if err != nil {
		t.Fatalf("%s %.200s: %v", r.method, r.path, err)
	}
	wire.Header.Set("Accept", "application/json")
	if r.body != "" {
		wire.Header.Set("Content-Type", "application/json")
	}
	if r.token != "" {
		wire.Header.Set("X-Auth-Token", r.token)
	}
	if strings.HasPrefix(r.path, "/compute/") {
		wire.Header.Set("X-OpenStack-Nova-API-Version", "2.87")
	}
	if strings.HasPrefix(r.path, "/placement/") {
		wire.Header.Set("OpenStack-API-Version", "placement 1.38")
	}
	for name, value := range r.header {
		wire.Header.Set(name, value)
	}
	response, err := c.client.Do(wire)
	if err != nil {
		t.Fatalf("%s %.200s: %v", r.method, r.path, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("%s %.200s: %v", r.method, r.path, err)
	}
	return &answer{response.StatusCode, response.Header, text}
}

// must sends a request that has to succeed and reads one value of the answer: "server.id" is {"server": {"id": …}}.
func (c *cloud) must(t *testing.T, r request, value string) string {
	t.Helper()
	a := c.do(t, r)
	if a.status >= 300 {
		t.Fatalf("%s %s %s: %s", r.method, r.path, r.body, a)
	}
	if value == "" {
		return ""
	}
	return a.value(t, value)
}

func (a *answer) value(t *testing.T, path string) string {
	t.Helper()
	var at any
	if err := json.Unmarshal(a.body, &at); err != nil {
		t.Fatalf("%v in %s", err, a)
	}
	for _, key := range strings.Split(path, ".") {
		object, _ := at.(map[string]any)
		at = object[key]
	}
	if at == nil {
		t.Fatalf("no %s in %s", path, a)
	}
	return fmt.Sprint(at)
}

func (c *cloud) login(t *testing.T, user, project string) string {
	t.Helper()
	a := c.do(t, request{method: "POST", path: "/identity/v3/auth/tokens", body: fmt.Sprintf(`{"auth": {"identity": {"methods": ["password"],
		"password": {"user": {"name": %q, "domain": {"id": "default"}, "password": %q}}}, "scope": {"project": {"name": %q, "domain": {"id": "default"}}}}}`,
		user, password, project)})
	if a.status != http.StatusCreated {
		t.Fatalf("log in as %s: %s", user, a)
	}
	return a.header.Get("X-Subject-Token")
}

// newUser makes a project with a member of the same name and returns a token.
func (c *cloud) newUser(t *testing.T, name string) string {
	t.Helper()
	project := c.must(t, request{c.admin, "POST", "/identity/v3/projects", fmt.Sprintf(`{"project": {"name": %q, "domain_id": "default"}}`, name), nil}, "project.id")
	user := c.must(t, request{c.admin, "POST", "/identity/v3/users", fmt.Sprintf(`{"user": {"name": %q, "domain_id": "default", "password": %q}}`, name, password), nil}, "user.id")
	var roles struct {
		Roles []struct{ ID string }
	}
	if err := json.Unmarshal(c.do(t, request{c.admin, "GET", "/identity/v3/roles?name=member", "", nil}).body, &roles); err != nil || len(roles.Roles) != 1 {
		t.Fatalf("roles called member: %v, %v", roles, err)
	}
	c.must(t, request{c.admin, "PUT", "/identity/v3/projects/" + project + "/users/" + user + "/roles/" + roles.Roles[0].ID, "", nil}, "")
	c.ids[name+"_project"], c.ids[name+"_user"] = project, user
	return c.login(t, name, name)
}

// fill puts ids into a text: ${image} becomes the id kept as "image".
func (c *cloud) fill(t *testing.T, text string) string {
	t.Helper()
	for name, id := range c.ids {
		text = strings.ReplaceAll(text, "${"+name+"}", id)
	}
	if at := strings.Index(text, "${"); at >= 0 {
		t.Fatalf("nobody knows the id in %.40s", text[at:])
	}
	return text
}
