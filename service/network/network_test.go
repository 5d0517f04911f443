package network

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"virga/core/bus"
	"virga/core/clock"
	"virga/core/db/dbtest"
	"virga/core/token"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

type nobodyKnows struct{}

func (nobodyKnows) Authenticate(context.Context, string) (*token.Identity, error) {
	return nil, token.ErrInvalid
}

// cloud is a network service on a database of its own, used through its API.
type cloud struct {
	t     testing.TB
	s     *Service
	bus   *bus.Local
	clock *clock.Seeded
}

func newCloud(t testing.TB) *cloud {
	t.Helper()
	c := &cloud{t: t, bus: bus.NewLocal(), clock: clock.NewSeeded(1, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))}
	var err error
	c.s, err = New(t.Context(), Deps{DB: dbtest.Open(t), Bus: c.bus, Clock: c.clock, Log: slog.New(slog.DiscardHandler), Auth: nobodyKnows{}, Endpoint: "http://x/network"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func who(user, project string, roles ...string) *token.Identity {
	id := &token.Identity{UserID: user, Project: token.Project{ID: project}}
	for _, role := range roles {
		id.Roles = append(id.Roles, token.Role{Name: role})
	}
	return id
}

var (
	admin   = who("root", "adminproject", "admin", "manager", "member", "reader")
	alice   = who("alice", "red", "member", "reader")
	bob     = who("bob", "blue", "member", "reader")
	watcher = who("watcher", "red", "reader")
	compute = who("compute", "services", "service", "admin", "manager", "member", "reader")
	node1   = who("node:n1", "", "node")
	node2   = who("node:n2", "", "node")
)

// object is a decoded answer.
type object map[string]any

func (o object) at(path string) any {
	var value any = map[string]any(o)
	for key := range strings.SplitSeq(path, ".") {
		switch v := value.(type) {
		case map[string]any:
			value = v[key]
		case []any:
			i := int(key[0] - '0')
			if i >= len(v) {
				return nil
			}
			value = v[i]
		default:
			return nil
		}
	}
	return value
}

func (o object) text(path string) string {
	s, _ := o.at(path).(string)
	return s
}

func (o object) list(path string) []any {
	l, _ := o.at(path).([]any)
	return l
}

func (c *cloud) do(as *token.Identity, method, path, body string, header ...string) (int, object) {
	r := httptest.NewRequestWithContext(token.WithIdentity(c.t.Context(), as), method, path, bytes.NewReader([]byte(body)))
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	c.s.Handler().ServeHTTP(w, r)
	var o object
	if w.Body.Len() > 0 {
		if err := json.Unmarshal(w.Body.Bytes(), &o); err != nil {
			c.t.Errorf("%s %s: %v: %s", method, path, err, w.Body)
		}
	}
	return w.Code, o
}

// want makes a call that must have the status.
func (c *cloud) want(status int, as *token.Identity, method, path, body string) object {
	c.t.Helper()
	got, o := c.do(as, method, path, body)
	if got != status {
		c.t.Fatalf("%s %s %.200s: status %d, want %d: %v", method, path, body, got, status, o)
	}
	return o
}

// refused makes a call that must fail with the status and the exception.
func (c *cloud) refused(status int, exception string, as *token.Identity, method, path, body string) {
	c.t.Helper()
	got, o := c.do(as, method, path, body)
	if got != status || o.text("NeutronError.type") != exception || o.text("NeutronError.message") == "" {
		c.t.Errorf("%s %s %.200s: status %d %v, want %d %s", method, path, body, got, o, status, exception)
	}
}

func (c *cloud) network(as *token.Identity, name string) string {
	c.t.Helper()
	return c.want(http.StatusCreated, as, "POST", "/v2.0/networks", `{"network":{"name":"`+name+`"}}`).text("network.id")
}

func (c *cloud) subnet(as *token.Identity, network, cidr string) string {
	c.t.Helper()
	version := "4"
	if strings.Contains(cidr, ":") {
		version = "6"
	}
	return c.want(http.StatusCreated, as, "POST", "/v2.0/subnets",
		`{"subnet":{"network_id":"`+network+`","ip_version":`+version+`,"cidr":"`+cidr+`"}}`).text("subnet.id")
}

func (c *cloud) port(as *token.Identity, network, more string) object {
	c.t.Helper()
	return c.want(http.StatusCreated, as, "POST", "/v2.0/ports", `{"port":{"network_id":"`+network+`"`+more+`}}`)["port"].(map[string]any)
}

func (c *cloud) report(node *token.Identity, vtep string) {
	c.t.Helper()
	c.want(http.StatusOK, node, "PUT", "/internal/hosts/"+strings.TrimPrefix(node.UserID, "node:"), `{"version":"1","vtep":"`+vtep+`"}`)
}

func (c *cloud) seed() {
	c.t.Helper()
	if err := c.s.Seed(c.t.Context(), SeedParams{AdminProjectID: "adminproject", ExternalCIDR: "172.24.4.0/24", PrivateCIDR: "10.0.0.0/24", HostNAT: true}); err != nil {
		c.t.Fatal(err)
	}
}
