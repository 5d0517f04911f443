package identity_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"virga/core/bus"
	"virga/core/clock"
	"virga/core/db"
	"virga/core/db/dbtest"
	"virga/core/token"
	"virga/core/vault"
	"virga/service/identity"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

const adminPassword = "correct horse"

// cloud is an identity service on a database of its own.
type cloud struct {
	t       testing.TB
	folder  string
	address string
	clock   *clock.Seeded
	service *identity.Service
	db      *db.DB
	vault   *vault.Safe
	// ring is what the vault opens with.
	ring vault.Ring
	// around is what stands between the service and its database from the next start on.
	around db.Interception
	// owners counts those that newOwner made.
	owners int
	rules  identity.PasswordRules
	// signing are the keys of signed tokens, kind is the kind of new tokens.
	signing *token.SigningKeys
	kind    string
}

func newCloud(t testing.TB) *cloud {
	t.Helper()
	c := &cloud{t: t, folder: t.TempDir(), clock: clock.NewSeeded(1, time.Date(2030, 1, 2, 3, 4, 5, 678000, time.UTC)),
		address: dbtest.URL(t, dbtest.Engine(t))}
	var err error
	c.ring = vault.NewRing()
	if c.vault, err = vault.NewSafe(c.ring); err != nil {
		t.Fatal(err)
	}
	if err := token.SetUpKeys(filepath.Join(c.folder, "keys")); err != nil {
		t.Fatal(err)
	}
	c.start()
	t.Cleanup(func() { _ = c.db.Close() })
	return c
}

// start opens the database and makes the service, as a new process would.
func (c *cloud) start() {
	c.t.Helper()
	ctx := c.t.Context()
	var err error
	if c.db, err = db.Open(ctx, c.address); err != nil {
		c.t.Fatal(err)
	}
	keys, err := token.OpenKeys(filepath.Join(c.folder, "keys"))
	if err != nil {
		c.t.Fatal(err)
	}
	c.service, err = identity.New(ctx, identity.Deps{
		DB: c.db.Intercepted(c.around), Bus: bus.NewLocal(), Clock: c.clock, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
		Endpoint: "http://cloud/identity", Keys: keys, Vault: c.vault, PasswordRules: c.rules, HashCost: 4, Owner: "test",
		SigningKeys: c.signing, TokenKind: c.kind,
	})
	if err != nil {
		c.t.Fatal(err)
	}
	c.bootstrap("http://cloud")
}

func (c *cloud) bootstrap(address string) {
	c.t.Helper()
	if err := c.service.Bootstrap(c.t.Context(), identity.BootstrapParams{
		AdminPassword: adminPassword, Region: "RegionOne", Endpoints: []identity.EndpointParams{
			{ServiceName: "keystone", ServiceType: "identity", Public: address + "/identity", Internal: address + "/identity", Admin: address + "/identity"},
			{ServiceName: "nova", ServiceType: "compute", Public: address + "/compute/v2.1"},
		},
	}); err != nil {
		c.t.Fatal(err)
	}
}

// restart forgets everything that is not on disk.
func (c *cloud) restart() {
	c.t.Helper()
	if err := c.db.Close(); err != nil {
		c.t.Fatal(err)
	}
	c.start()
}

// answer is what a request got.
type answer struct {
	status int
	header http.Header
	body   map[string]any
	text   string
}

// at walks the body: keys of objects, numbers of elements.
func (a answer) at(path ...any) any {
	var at any = a.body
	for _, step := range path {
		switch step := step.(type) {
		case string:
			object, _ := at.(map[string]any)
			at = object[step]
		case int:
			list, _ := at.([]any)
			if step >= len(list) {
				return nil
			}
			at = list[step]
		}
	}
	return at
}

func (a answer) id(key string) string { return fmt.Sprint(a.at(key, "id")) }

func (c *cloud) do(method, path, tokenText string, body any, headers ...string) answer {
	c.t.Helper()
	var reader io.Reader = http.NoBody
	switch b := body.(type) {
	case nil:
	case string:
		reader = bytes.NewBufferString(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			c.t.Fatal(err)
		}
		reader = bytes.NewReader(text)
	}
	r := httptest.NewRequestWithContext(c.t.Context(), method, path, reader)
	if tokenText != "" {
		r.Header.Set("X-Auth-Token", tokenText)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	c.service.Handler().ServeHTTP(w, r)
	a := answer{status: w.Code, header: w.Header(), text: w.Body.String()}
	_ = json.Unmarshal(w.Body.Bytes(), &a.body)
	return a
}

// must expects a status.
func (c *cloud) must(status int, method, path, tokenText string, body any, headers ...string) answer {
	c.t.Helper()
	a := c.do(method, path, tokenText, body, headers...)
	if a.status != status {
		c.t.Fatalf("%s %s: status %d, want %d: %s", method, path, a.status, status, a.text)
	}
	return a
}

type object = map[string]any

func passwordAuth(user, password string, scope any) object {
	auth := object{"identity": object{"methods": []string{"password"}, "password": object{
		"user": object{"name": user, "domain": object{"id": "default"}, "password": password},
	}}}
	if scope != nil {
		auth["scope"] = scope
	}
	return object{"auth": auth}
}

func tokenAuth(text string, scope any) object {
	auth := object{"identity": object{"methods": []string{"token"}, "token": object{"id": text}}}
	if scope != nil {
		auth["scope"] = scope
	}
	return object{"auth": auth}
}

func onProject(name string) object {
	return object{"project": object{"name": name, "domain": object{"name": "Default"}}}
}

func onProjectID(id string) object { return object{"project": object{"id": id}} }

func onSystem() object { return object{"system": object{"all": true}} }

func (c *cloud) login(body object) string {
	c.t.Helper()
	return c.must(201, "POST", "/v3/auth/tokens", "", body).header.Get("X-Subject-Token")
}

func (c *cloud) admin() string {
	c.t.Helper()
	return c.login(passwordAuth("admin", adminPassword, onProject("admin")))
}
