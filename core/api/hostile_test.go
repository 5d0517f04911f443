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
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"virga/core/api"
	"virga/core/bus"
	"virga/core/clock"
	"virga/core/db"
	"virga/core/token"
)

// open is a schema as lenient as OpenStack's are in places.
var openSchema = fstest.MapFS{"open.json": {Data: []byte(`{"type":"object","properties":{"name":{"type":"string","maxLength":5},
  "n":{"type":"integer","minimum":0},"meta":{"type":"object"}}}`)}}

type openBody struct {
	Name string            `json:"name"`
	N    json.Number       `json:"n"`
	Meta map[string]string `json:"meta"`
}

func lenient(t *testing.T) http.Handler {
	t.Helper()
	tab := table(t)
	tab.Schemas = openSchema
	tab.Routes = []api.Route{
		{Method: "POST", Path: "/things", Policy: "doors:list", Body: "open", Handle: func(_ context.Context, r *api.Request) (any, error) {
			var body openBody
			if err := r.Decode(&body); err != nil {
				return nil, err
			}
			return body, nil
		}},
		{Method: "GET", Path: "/things/{id}", Policy: "doors:list", Handle: func(context.Context, *api.Request) (any, error) { return nil, errors.New("the database says no") }},
	}
	h, err := api.NewHandler(tab)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestReadersOfABodyAgree(t *testing.T) {
	h := lenient(t)
	for body, want := range map[string]string{
		`{"name":"x","meta":{"Key":"1","key":"2"}}`:  "200",
		`{"name":"x","n":12345678901234567890}`:      "200",
		`{"name":"much too long","name":"y"}`:        `"name":"y"`,
		`{"name":"x","na\u006de":"much too long"}`:   `Invalid input for field/attribute name`,
		`{"meta":{"a":"1"},"meta":{}}`:               `"meta":{}`,
		`{"meta":{"a":"1","b":"<","a":"2"},"n":1e2}`: `"n":1e2,"meta":{"a":"2","b":"\u003c"}`,
		`{"name":"x","NAME":"much too long"}`:        `unexpected`,
		`{"name":"a\u0000b"}`:                        `NUL`,
		`{"n":1e999999999}`:                          `out of range`,
		`{"n":1e-999999}`:                            `out of range`,
		`{"n":` + strings.Repeat("9", 2000) + `}`:    `out of range`,
		`{"name":"x"}{"name":"y"}`:                   `JSON`,
	} {
		r := httptest.NewRequestWithContext(token.WithIdentity(t.Context(), identity("mine")), "POST", "/things", strings.NewReader(body))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if got := fmt.Sprint(w.Code, w.Body); !strings.Contains(got, want) || w.Code != 200 && w.Code != 400 {
			t.Errorf("%.60s: %.200s", body, got)
		}
	}
}

// TestTextsThatNoDatabaseKeepsAreTheClientsMistake has handlers fail as a database would
// that is asked for such a text.
func TestTextsThatNoDatabaseKeepsAreTheClientsMistake(t *testing.T) {
	h := lenient(t)
	for path, want := range map[string]int{
		"/things/a%00": 400, "/things/%ff": 400, "/things/a?name=%00": 400, "/things/a?%ff=1": 400, "/things/%C3%A4?name=%C3%B6": 500,
	} {
		r := httptest.NewRequestWithContext(token.WithIdentity(t.Context(), identity("mine")), http.MethodGet, path, nil)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

func TestRepeatedSortKeysAreOne(t *testing.T) {
	paging := api.Paging{Max: 100, Columns: map[string]string{"name": "name_col", "id": "id"}}
	page, err := paging.Read(map[string][]string{"sort_key": strings.Split(strings.Repeat("name,id,", 1000)+"name", ","), "sort_dir": {"desc"}})
	if err != nil || fmt.Sprint(page.Sort) != "[{name_col true} {id false}]" {
		t.Errorf("%v %v", page.Sort, err)
	}
}

// half is a stream that panics in the middle.
type half struct{ read bool }

func (h *half) Read(p []byte) (int, error) {
	if h.read {
		panic("secret")
	}
	h.read = true
	return copy(p, "the first half"), nil
}

func (h *half) Close() error { return nil }

func TestAnswersThatBreakOffAreSeenToDoSo(t *testing.T) {
	tab := table(t)
	tab.Routes = []api.Route{{Method: "GET", Path: "/half", Public: true, Handle: func(context.Context, *api.Request) (any, error) {
		return &api.Response{Stream: &half{}}, nil
	}}}
	h, err := api.NewHandler(tab)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h)
	defer server.Close()
	for name, client := range map[string]*http.Client{"socket": server.Client(), "local": {Transport: api.Local{Handler: h}}} {
		resp, err := client.Get(server.URL + "/half")
		if err != nil {
			continue // the connection was cut before anything was sent
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err == nil {
			t.Errorf("%s: half an answer looks whole: %q", name, body)
		}
	}
}

func TestCausesAreLoggedAndNotTold(t *testing.T) {
	var log strings.Builder
	tab := table(t)
	tab.Log = slog.New(slog.NewTextHandler(&log, nil))
	tab.Routes = []api.Route{
		{Method: "GET", Path: "/known", Public: true, Handle: func(context.Context, *api.Request) (any, error) {
			return nil, api.Unavailable("Not now.").Because(errors.New("secret cause"))
		}},
		{Method: "GET", Path: "/late", Public: true, Handle: func(context.Context, *api.Request) (any, error) {
			return nil, fmt.Errorf("secret: %w", context.DeadlineExceeded)
		}},
		{Method: "GET", Path: "/away", Public: true, Handle: func(context.Context, *api.Request) (any, error) {
			return nil, fmt.Errorf("secret: %w", db.ErrUnavailable)
		}},
		{Method: "GET", Path: "/cut", Public: true, Handle: func(context.Context, *api.Request) (any, error) {
			return nil, fmt.Errorf("secret: %w", bus.ErrUnavailable)
		}},
	}
	h, err := api.NewHandler(tab)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/known", "/late", "/away", "/cut"} {
		log.Reset()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", path, nil))
		if w.Code != 503 || w.Header().Get("Retry-After") == "" || strings.Contains(w.Body.String(), "secret") || !strings.Contains(log.String(), "secret") {
			t.Errorf("%s: %d %s, log %s", path, w.Code, w.Body, log.String())
		}
	}
}

// TestLocalLetsNobodyWait checks that neither side of an in-process call waits for one that is gone.
func TestLocalLetsNobodyWait(t *testing.T) {
	ended := make(chan error, 1)
	client := &http.Client{Transport: api.Local{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/read" {
			w.WriteHeader(http.StatusOK)
			_, err := io.Copy(io.Discard, r.Body)
			ended <- err
			return
		}
		for {
			if _, err := w.Write(make([]byte, 1<<16)); err != nil {
				if r.Context().Err() == nil {
					err = fmt.Errorf("the context lives on: %w", err)
				}
				ended <- err
				return
			}
		}
	})}}
	over := func(what string) {
		t.Helper()
		select {
		case err := <-ended:
			if what != "" && !errors.Is(err, context.Canceled) {
				t.Errorf("%s: the handler saw %v", what, err)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: the handler waits", what)
		}
	}
	get := func(ctx context.Context, path string, body io.Reader) *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://in"+path, body)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	resp := get(t.Context(), "/write", nil)
	_ = resp.Body.Close()
	over("closed early")

	ctx, cancel := context.WithCancel(t.Context())
	resp = get(ctx, "/write", nil)
	cancel()
	over("cancelled and not read")
	if _, err := io.ReadAll(resp.Body); !errors.Is(err, context.Canceled) {
		t.Errorf("the caller read on to %v", err)
	}

	ctx, cancel = context.WithCancel(t.Context())
	reader, writer := io.Pipe()
	resp = get(ctx, "/read", reader)
	cancel()
	over("")
	if _, err := writer.Write([]byte("x")); err == nil {
		t.Error("the request's body is open after the handler's end")
	}
	_ = resp.Body.Close()
}

func TestLocalKnowsTheLength(t *testing.T) {
	client := &http.Client{Transport: api.Local{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "10")
		fmt.Fprint(w, "12345")
		if r.URL.Path == "/whole" {
			fmt.Fprint(w, "67890")
		}
	})}}
	for _, c := range []struct {
		method, path, body string
		whole              bool
	}{{"GET", "/whole", "1234567890", true}, {"GET", "/short", "12345", false}, {"HEAD", "/whole", "", true}} {
		r, _ := http.NewRequestWithContext(t.Context(), c.method, "http://in"+c.path, nil)
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if string(body) != c.body || (err == nil) != c.whole || resp.ContentLength != 10 || resp.Status != "200 OK" {
			t.Errorf("%s %s: %q, %v, length %d, %q", c.method, c.path, body, err, resp.ContentLength, resp.Status)
		}
	}
}

// TestNobodyBringsAnIdentityOrRequestIDFromOutside sends over a socket all that a client can.
func TestNobodyBringsAnIdentityOrRequestIDFromOutside(t *testing.T) {
	edge := &api.Edge{Clock: clock.System{}, Fallback: http.NotFoundHandler(), Services: map[string]http.Handler{
		"/doors": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, known := token.IdentityFrom(r.Context())
			fmt.Fprint(w, known, api.RequestID(r.Context()), len(r.Header["X-Project-Id"]), len(r.Header["X-Roles"]))
		}),
	}}
	server := httptest.NewServer(edge)
	defer server.Close()
	given := "req-00000000-0000-4000-8000-000000000000"
	r, _ := http.NewRequestWithContext(token.WithIdentity(t.Context(), identity("mine")), http.MethodGet, server.URL+"/doors/x", nil)
	r.Header.Set("X-Openstack-Request-Id", given)
	r.Header.Set("x-roles", "admin")
	r.Header["X-Project-Id"] = []string{"a", "b"}
	resp, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if got := string(body); !strings.HasPrefix(got, "falsereq-") || !strings.HasSuffix(got, "0 0") || strings.Contains(got, given) {
		t.Errorf("%s", got)
	}
	if resp.Header.Get("X-Openstack-Global-Request-Id") != given || resp.Header.Get("X-Openstack-Request-Id") == given {
		t.Errorf("%v", resp.Header)
	}
}
