package placement_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"virga/core/api"
	"virga/core/api/apitest"
	"virga/core/clock"
	"virga/core/db"
	"virga/core/db/dbtest"
	"virga/core/token"
	"virga/service/placement"
)

// nobody refuses every token; tests call with an identity in the context.
type nobody struct{}

func (nobody) Authenticate(context.Context, string) (*token.Identity, error) {
	return nil, token.ErrInvalid
}

func identity(project string, roles ...string) *token.Identity {
	id := &token.Identity{UserID: "u-" + project, Project: token.Project{ID: project}}
	for _, role := range roles {
		id.Roles = append(id.Roles, token.Role{Name: role})
	}
	return id
}

// cloud is a placement service under test.
type cloud struct {
	t       testing.TB
	db      *db.DB
	service *placement.Service
	caller  *token.Identity
	version string
}

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

func serviceOn(t testing.TB, d *db.DB) *placement.Service {
	t.Helper()
	return serviceAt(t, d, "http://cloud/placement")
}

func serviceAt(t testing.TB, d *db.DB, endpoint string) *placement.Service {
	t.Helper()
	s, err := placement.New(context.Background(), placement.Deps{
		DB: d, Clock: clock.System{}, Log: slog.New(slog.DiscardHandler), Auth: nobody{}, Endpoint: endpoint,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newCloud(t testing.TB) *cloud {
	t.Helper()
	d := dbtest.Open(t)
	return &cloud{t: t, db: d, service: serviceOn(t, d), caller: identity("admin", "admin", "service", "member", "reader"), version: "1.39"}
}

// as is the same cloud for another caller, at the same version.
func (c *cloud) as(caller *token.Identity) *cloud {
	other := *c
	other.caller = caller
	return &other
}

// at is the same cloud at another version; empty: without a version header.
func (c *cloud) at(version string) *cloud {
	other := *c
	other.version = version
	return &other
}

func (c *cloud) send(method, path string, body any) *httptest.ResponseRecorder {
	var text []byte
	switch b := body.(type) {
	case nil:
	case string:
		text = []byte(b)
	default:
		var err error
		if text, err = json.Marshal(b); err != nil {
			panic(err)
		}
	}
	r := httptest.NewRequestWithContext(token.WithIdentity(context.Background(), c.caller), method, path, strings.NewReader(string(text)))
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.version != "" {
		r.Header.Set("OpenStack-API-Version", "placement "+c.version)
	}
	w := httptest.NewRecorder()
	c.service.Handler().ServeHTTP(w, r)
	return w
}

// do sends a request, wants the status and returns the answer's JSON.
func (c *cloud) do(method, path string, body any, status int) object {
	c.t.Helper()
	w := c.send(method, path, body)
	if w.Code != status {
		c.t.Fatalf("%s %s: status %d, want %d: %s", method, path, w.Code, status, w.Body)
	}
	var answer object
	if w.Body.Len() > 0 {
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			c.t.Fatalf("%s %s: %v in %s", method, path, err, w.Body)
		}
	}
	return answer
}

// refused sends a request and wants the status, the code and words of the detail.
func (c *cloud) refused(method, path string, body any, status int, code, words string) {
	c.t.Helper()
	answer := c.do(method, path, body, status)
	e, ok := answer.list("errors")[0].(map[string]any)
	if !ok || e["code"] != code || !strings.Contains(fmt.Sprint(e["detail"]), words) || e["status"] != float64(status) || e["title"] == "" {
		c.t.Errorf("%s %s: %v, want code %s and %q", method, path, e, code, words)
	}
}

// object is a JSON object with shortcuts for what tests look at.
type object map[string]any

func (o object) at(keys ...string) any {
	var value any = map[string]any(o)
	for _, key := range keys {
		inner, ok := value.(map[string]any)
		if !ok {
			return nil
		}
		value = inner[key]
	}
	return value
}

func (o object) list(keys ...string) []any {
	list, _ := o.at(keys...).([]any)
	return list
}

func id(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }

// resources abbreviates {"VCPU": 1}.
type resources map[string]int

// provider makes a provider with inventories; parent 0 makes a root.
func (c *cloud) provider(n, parent int, totals resources, traits ...string) string {
	c.t.Helper()
	body := object{"name": fmt.Sprintf("p%d", n), "uuid": id(n)}
	if parent != 0 {
		body["parent_provider_uuid"] = id(parent)
	}
	c.do("POST", "/resource_providers", body, 200)
	inventories := object{}
	for class, total := range totals {
		inventories[class] = object{"total": total}
	}
	c.do("PUT", "/resource_providers/"+id(n)+"/inventories", object{"resource_provider_generation": 0, "inventories": inventories}, 200)
	if len(traits) > 0 {
		for _, trait := range traits {
			if strings.HasPrefix(trait, "CUSTOM_") {
				c.send("PUT", "/traits/"+trait, nil)
			}
		}
		c.do("PUT", "/resource_providers/"+id(n)+"/traits", object{"resource_provider_generation": 1, "traits": traits}, 200)
	}
	return id(n)
}

// inAggregates puts providers into an aggregate, and that one alone.
func (c *cloud) inAggregates(aggregate string, providers ...string) {
	c.t.Helper()
	for _, p := range providers {
		c.at("1.1").do("PUT", "/resource_providers/"+p+"/aggregates", []string{aggregate}, 200)
	}
}

// allocation is the body that gives a consumer resources of providers.
func allocation(generation any, on map[string]resources) object {
	allocations := object{}
	for provider, amounts := range on {
		allocations[provider] = object{"resources": amounts}
	}
	return object{"allocations": allocations, "project_id": "pr", "user_id": "us", "consumer_generation": generation, "consumer_type": "INSTANCE"}
}

func (c *cloud) usage(provider string) object {
	c.t.Helper()
	usages, _ := c.do("GET", "/resource_providers/"+provider+"/usages", nil, 200)["usages"].(map[string]any)
	return usages
}

func TestDerived(t *testing.T) {
	c := newCloud(t)
	c.provider(1, 0, resources{"VCPU": 4})
	(&apitest.Subject{
		Table: c.service.Table(), Handler: c.service.Handler(), Owner: c.caller, Stranger: identity("other", "member", "reader"),
		Params: func(row api.Route) map[string]string {
			if row.Body == "aggregates_set_1_1" {
				return nil // an empty list is no garbage there: no aggregates
			}
			return map[string]string{"uuid": id(1)}
		},
	}).Run(t)
}

func TestVersionDocumentNeedsNoToken(t *testing.T) {
	c := newCloud(t)
	w := httptest.NewRecorder()
	c.service.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	want := `{"versions":[{"id":"v1.0","max_version":"1.39","min_version":"1.0","status":"CURRENT","links":[{"rel":"self","href":""}]}]}`
	if w.Code != 200 || w.Body.String() != want || w.Header().Get("OpenStack-API-Version") != "placement 1.0" {
		t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
	}
	answer := c.at("1.40").do("GET", "/", nil, 406)
	if e := answer.list("errors")[0].(map[string]any); e["max_version"] != "1.39" || e["min_version"] != "1.0" {
		t.Errorf("unknown version: %v", e)
	}
}

func TestWhoMayDoWhat(t *testing.T) {
	c := newCloud(t)
	reader, service, admin := identity("pr", "reader"), identity("s", "service"), identity("a", "admin")
	system := &token.Identity{UserID: "root", System: true, Roles: []token.Role{{Name: "admin"}}}
	for _, test := range []struct {
		caller       *token.Identity
		method, path string
		status       int
	}{
		{reader, "GET", "/resource_providers", 403},
		{reader, "GET", "/usages?project_id=pr", 200},
		{reader, "GET", "/usages?project_id=other", 403},
		{reader, "GET", "/usages", 403},
		{service, "GET", "/resource_providers", 200},
		{service, "GET", "/usages?project_id=other", 200},
		{admin, "GET", "/allocation_candidates?resources=VCPU:1", 200},
		{admin, "POST", "/reshaper", 403},
		{system, "GET", "/resource_providers", 403},
	} {
		if w := c.as(test.caller).send(test.method, test.path, nil); w.Code != test.status {
			t.Errorf("%s %s by %v: status %d, want %d: %s", test.method, test.path, test.caller.RoleNames(), w.Code, test.status, w.Body)
		}
	}
}

func TestMediaTypes(t *testing.T) {
	c := newCloud(t)
	for _, test := range []struct {
		contentType, accept string
		status              int
	}{{"text/plain", "", 415}, {"", "", 400}, {"application/json; charset=utf-8", "", 200}, {"application/json", "text/html", 200}} {
		r := httptest.NewRequestWithContext(token.WithIdentity(t.Context(), c.caller), "POST", "/resource_providers", strings.NewReader(`{"name":"x`+test.contentType+`"}`))
		r.Header.Set("OpenStack-API-Version", "placement 1.39")
		r.Header.Set("Content-Type", test.contentType)
		r.Header.Set("Accept", test.accept)
		w := httptest.NewRecorder()
		c.service.Handler().ServeHTTP(w, r)
		if w.Code != test.status {
			t.Errorf("%+v: status %d: %s", test, w.Code, w.Body)
		}
	}
	r := httptest.NewRequestWithContext(token.WithIdentity(t.Context(), c.caller), "GET", "/resource_providers", nil)
	r.Header.Set("Accept", "text/html")
	w := httptest.NewRecorder()
	c.service.Handler().ServeHTTP(w, r)
	if w.Code != 406 {
		t.Errorf("accept text/html: status %d", w.Code)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	c := newCloud(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- c.service.Run(ctx) }()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := c.service.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}
