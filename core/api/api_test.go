package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"virga/core/api"
	"virga/core/api/apitest"
	"virga/core/authz"
	"virga/core/clock"
	"virga/core/db"
	"virga/core/token"
)

// nobodyKnows refuses every token.
type nobodyKnows struct{}

func (nobodyKnows) Authenticate(context.Context, string) (*token.Identity, error) {
	return nil, token.ErrInvalid
}

type door struct{ project string }

func (d door) PolicyTarget() authz.Target { return authz.Target{"project_id": d.project} }
func (d door) HiddenError() error         { return api.NotFound("no such door") }

var schemaFiles = fstest.MapFS{"door.json": {Data: []byte(`{"type":"object","required":["door"],"additionalProperties":false,
  "properties":{"door":{"type":"object","additionalProperties":false,"properties":{"name":{"type":"string","minLength":1,"maxLength":5},"colours":{"type":"array","items":{"type":"string"}}}}}}`)}}

func identity(project string) *token.Identity {
	return &token.Identity{UserID: "u", Project: token.Project{ID: project}, Roles: []token.Role{{Name: "member"}}}
}

func table(t *testing.T) *api.Table {
	t.Helper()
	policy, err := authz.NewEnforcer([]authz.Rule{
		{Name: "doors:get", Check: "role:member and project_id:%(project_id)s"},
		{Name: "doors:list", Check: "role:member"},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	load := func(context.Context, *api.Request) (api.Target, error) { return door{"mine"}, nil }
	echo := func(_ context.Context, r *api.Request) (any, error) {
		return map[string]string{"id": r.Param("id"), "rest": r.Param("rest"), "version": r.Version.String()}, nil
	}
	return &api.Table{
		Service: "doors", Type: "doors", Endpoint: "http://x/doors", Policy: policy, Auth: nobodyKnows{}, Schemas: schemaFiles,
		Log: slog.New(slog.DiscardHandler), Versions: &api.Versions{Service: "doors", Legacy: "X-Doors", Min: api.V(2, 1), Max: api.V(2, 9)},
		Errors: func(e *api.Error, _ *api.Request) (string, []byte) {
			body, _ := json.Marshal(map[string]any{"status": e.Status, "message": e.Message})
			return "application/json", body
		},
		Routes: []api.Route{
			{Method: "GET", Path: "/", Public: true, Handle: echo},
			{Method: "GET", Path: "/doors", Policy: "doors:list", Handle: echo},
			{Method: "POST", Path: "/doors", Policy: "doors:list", Handle: echo, Body: "door", Status: 201},
			{Method: "GET", Path: "/doors/{id}", Policy: "doors:get", Handle: echo, Load: load},
			{Method: "GET", Path: "/doors/detail", Policy: "doors:list", Handle: echo, Until: api.V(2, 4)},
			{Method: "DELETE", Path: "/doors/{id}", Policy: "doors:get", Handle: func(context.Context, *api.Request) (any, error) { return nil, nil }, Load: load},
			{Method: "GET", Path: "/files/{rest...}", Policy: "doors:list", Handle: echo},
			{Method: "GET", Path: "/broken", Policy: "doors:list", Handle: func(context.Context, *api.Request) (any, error) { return nil, errors.New("secret path") }},
			{Method: "GET", Path: "/panics", Policy: "doors:list", Handle: func(context.Context, *api.Request) (any, error) { panic("secret") }},
		},
	}
}

func handler(t *testing.T) (*api.Table, http.Handler) {
	t.Helper()
	tab := table(t)
	h, err := api.NewHandler(tab)
	if err != nil {
		t.Fatal(err)
	}
	return tab, h
}

func TestDerivedTestsHoldForARealTable(t *testing.T) {
	tab, h := handler(t)
	(&apitest.Subject{Table: tab, Handler: h, Owner: identity("mine"), Stranger: identity("other")}).Run(t)
}

func TestAnswers(t *testing.T) {
	_, h := handler(t)
	for _, c := range []struct {
		method, path, version, body string
		status                      int
		want                        string
	}{
		{"GET", "/doors/7", "", "", 200, `"id":"7","rest":"","version":"2.1"`},
		{"GET", "/doors/a%2Fb", "latest", "", 200, `"id":"a/b","rest":"","version":"2.9"`},
		{"GET", "/doors/detail", "2.4", "", 200, `"id":""`},
		{"GET", "/doors/detail", "2.5", "", 200, `"id":"detail"`},
		{"GET", "/doors/", "", "", 200, `"id":""`},
		{"GET", "/files/a/../b//c", "", "", 200, `"rest":"a/../b//c"`},
		{"DELETE", "/doors/7", "", "", 204, ``},
		{"HEAD", "/doors/7", "", "", 200, ``},
		{"POST", "/doors", "", `{"door":{"name":"x"}}`, 201, ``},
		{"POST", "/doors", "", `{"door":{"name":"toolong"}}`, 400, `Invalid input for field/attribute door.name. Value: toolong. 'toolong' is too long`},
		{"POST", "/doors", "", `{"door":{"name":"x","lock":1}}`, 400, `lock`},
		{"POST", "/doors", "", `{"door":{"colours":["red",3]}}`, 400, `door.colours.1. Value: 3. `},
		{"POST", "/doors", "", `{"door":{"name":"` + strings.Repeat("x", 2<<20) + `"}}`, 413, `too large`},
		{"GET", "/broken", "", "", 500, `An unexpected error`},
		{"GET", "/panics", "", "", 500, `An unexpected error`},
		{"GET", "/nothing", "", "", 404, `could not be found`},
	} {
		r := httptest.NewRequestWithContext(token.WithIdentity(t.Context(), identity("mine")), c.method, c.path, strings.NewReader(c.body))
		if c.version != "" {
			r.Header.Set("X-Doors", c.version)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) || strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%s %.40s: %d %s", c.method, c.path, w.Code, w.Body)
		}
	}
}

// TestSlashThatCounts: an empty id at the end of a path names nothing, but a version is the same with a slash.
func TestSlashThatCounts(t *testing.T) {
	tab := table(t)
	tab.SlashCounts = true
	h, err := api.NewHandler(tab)
	if err != nil {
		t.Fatal(err)
	}
	for path, status := range map[string]int{"/doors/": 200, "/doors/7": 200, "/doors/7/": 404, "/doors/detail/": 404, "/files/a/": 200, "/": 200} {
		r := httptest.NewRequestWithContext(token.WithIdentity(t.Context(), identity("mine")), "GET", path, nil)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != status {
			t.Errorf("GET %s: %d %s, want %d", path, w.Code, w.Body, status)
		}
	}
}

// knowsOne accepts one token.
type knowsOne struct{ identity *token.Identity }

func (k knowsOne) Authenticate(_ context.Context, text string) (*token.Identity, error) {
	if text != "good" {
		return nil, token.ErrInvalid
	}
	return k.identity, nil
}

func TestCallsOfAHandlerAreTheCallers(t *testing.T) {
	tab := table(t)
	who := identity("mine")
	tab.Auth = knowsOne{who}
	tab.Routes = []api.Route{{Method: "GET", Path: "/me", Policy: "doors:list", Handle: func(ctx context.Context, r *api.Request) (any, error) {
		if id, ok := token.IdentityFrom(ctx); !ok || id != who || r.Identity != who {
			t.Errorf("the context carries %v", id)
		}
		return nil, nil
	}}}
	h, err := api.NewHandler(tab)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]int{"good": 204, "bad": 401} {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/me", nil)
		r.Header.Set("X-Auth-Token", text)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s: status %d", text, w.Code)
		}
	}
}

func TestIdentityHeadersAreDroppedAtTheEdge(t *testing.T) {
	var seen http.Header
	edge := &api.Edge{Clock: clock.System{}, Fallback: http.NotFoundHandler(), Services: map[string]http.Handler{
		"/doors": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			seen = r.Header
			fmt.Fprint(w, r.URL.Path, " ", r.URL.EscapedPath(), " ", api.RequestID(r.Context()) != "")
		}),
	}}
	r := httptest.NewRequestWithContext(t.Context(), "GET", "/doors/a%2Fb/c", nil)
	r.Header.Set("X-Roles", "admin")
	r.Header.Set("X-Auth-Token", "t")
	w := httptest.NewRecorder()
	edge.ServeHTTP(w, r)
	if w.Body.String() != "/a/b/c /a%2Fb/c true" || seen.Get("X-Roles") != "" || seen.Get("X-Auth-Token") != "t" {
		t.Errorf("%s %v", w.Body, seen)
	}
	if !strings.HasPrefix(w.Header().Get("X-Openstack-Request-Id"), "req-") {
		t.Errorf("headers %v", w.Header())
	}
}

func TestLocalTransportStreamsAndRefusesTransactions(t *testing.T) {
	client := &http.Client{Transport: api.Local{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/panic" {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.Copy(w, r.Body)
	})}}
	long := strings.Repeat("0123456789", 100000)
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://in/x", strings.NewReader(long))
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil || string(body) != long || resp.StatusCode != http.StatusAccepted {
		t.Errorf("status %d, %d bytes, %v", resp.StatusCode, len(body), err)
	}
	req, _ = http.NewRequestWithContext(t.Context(), http.MethodGet, "http://in/panic", nil)
	if resp, err := client.Do(req); err != nil || resp.StatusCode != 500 {
		t.Errorf("a handler that breaks off: %v %v", resp, err)
	}
	d, err := db.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "x"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	_ = d.Write(t.Context(), func(tx *db.Tx) error {
		req, _ := http.NewRequestWithContext(tx.Context(), http.MethodGet, "http://in/x", nil)
		if resp, err := client.Do(req); err == nil {
			_ = resp.Body.Close()
			t.Error("a call was made inside a transaction")
		}
		return nil
	})
}

func TestPaging(t *testing.T) {
	paging := api.Paging{Max: 100, Columns: map[string]string{"name": "name_col"}, Order: []db.Order{{Column: "created", Descending: true}}}
	for query, want := range map[string]string{
		"":                             "{100  false [{created true}]}",
		"limit=5&marker=m":             "{5 m false [{created true}]}",
		"limit=99999999999999":         "{100  false [{created true}]}",
		"sort_key=name&sort_dir=asc":   "{100  false [{name_col false}]}",
		"sort=name:desc":               "{100  false [{name_col true}]}",
		"sort_dir=asc":                 "{100  false [{created false}]}",
		"page_reverse=True":            "{100  true [{created true}]}",
		"limit=-1":                     "400",
		"limit=1000000000000000000000": "400",
		"sort_key=password":            "400",
		"sort_key=name&sort_dir=up":    "400",
	} {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/?"+query, nil)
		page, err := paging.Read(r.URL.Query())
		got := fmt.Sprint(page)
		if err != nil {
			got = fmt.Sprint(api.StatusOf(err))
		}
		if got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
}

func TestWrongRowsAreRefusedAtTheStart(t *testing.T) {
	good := func(context.Context, *api.Request) (any, error) { return nil, nil }
	for name, row := range map[string]api.Route{
		"no policy":      {Method: "GET", Path: "/x", Handle: good},
		"unknown policy": {Method: "GET", Path: "/x", Handle: good, Policy: "doors:fly"},
		"no handler":     {Method: "GET", Path: "/x", Policy: "doors:list"},
		"twice":          {Method: "GET", Path: "/doors", Policy: "doors:list", Handle: good},
	} {
		tab := table(t)
		tab.Routes = append(tab.Routes, row)
		if _, err := api.NewHandler(tab); err == nil {
			t.Errorf("%s: the table was taken", name)
		}
	}
}
