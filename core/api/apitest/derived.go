// Package apitest holds the tests that every API passes because its rows say so:
// no row answers without a token, none lets a stranger at another project's resource,
// none has a client's garbage end in a 500. Tests of services import it.
package apitest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"virga/core/api"
	"virga/core/token"
)

// Subject is an API under test.
type Subject struct {
	Table   *api.Table
	Handler http.Handler
	// Owner may use its own resources; Stranger is an ordinary member of another project.
	Owner, Stranger *token.Identity
	// Params gives the values of a row's path parameters so that they name resources of
	// Owner's; a name that is missing gets a random UUID.
	Params func(row api.Route) map[string]string
	// Open lists rows ("GET /flavors/{id}") whose loaded targets strangers may use.
	Open []string
}

var param = regexp.MustCompile(`\{([a-z_]+)(\.\.\.)?\}`)

const nobody = "5f1e3e0a-2b1c-4f6e-9a55-0d6a3c1f9b42"

func (s *Subject) path(row api.Route) string {
	values := map[string]string{}
	if s.Params != nil {
		values = s.Params(row)
	}
	return param.ReplaceAllStringFunc(row.Path, func(m string) string {
		if v := values[strings.Trim(m, "{.}")]; v != "" {
			return v
		}
		return nobody
	})
}

func (s *Subject) call(ctx context.Context, row api.Route, method, body string) *httptest.ResponseRecorder {
	var r *http.Request
	if body == "" {
		r = httptest.NewRequestWithContext(ctx, method, s.path(row), nil)
	} else {
		r = httptest.NewRequestWithContext(ctx, method, s.path(row), strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
	}
	version := row.Since
	if version.IsZero() && s.Table.Versions != nil {
		version = s.Table.Versions.Min
		if !row.Until.IsZero() {
			version = row.Until
		}
	}
	if s.Table.Versions != nil {
		r.Header.Set("OpenStack-API-Version", s.Table.Versions.Service+" "+version.String())
	}
	w := httptest.NewRecorder()
	s.Handler.ServeHTTP(w, r)
	return w
}

// Run runs the derived tests.
func (s *Subject) Run(t *testing.T) {
	t.Run("schemas compile", func(t *testing.T) {
		if err := api.CompileSchemas(s.Table); err != nil {
			t.Error(err)
		}
	})
	for _, row := range s.Table.Routes {
		name := row.Method + " " + row.Path
		t.Run("no token/"+name, func(t *testing.T) { s.noToken(t, row) })
		t.Run("wrong method/"+name, func(t *testing.T) { s.wrongMethod(t, row) })
		if row.Body != "" {
			t.Run("garbage/"+name, func(t *testing.T) { s.garbage(t, row) })
		}
		if row.Load != nil && !s.isOpen(name) {
			t.Run("stranger/"+name, func(t *testing.T) { s.stranger(t, row) })
		}
	}
	t.Run("unknown path", func(t *testing.T) {
		w := httptest.NewRecorder()
		s.Handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/no/such/path/..%2f", nil))
		if w.Code != http.StatusNotFound {
			t.Errorf("status %d", w.Code)
		}
	})
	if v := s.Table.Versions; v != nil {
		t.Run("unknown version", func(t *testing.T) { s.unknownVersion(t, v) })
	}
}

func (s *Subject) isOpen(name string) bool {
	for _, open := range s.Open {
		if open == name {
			return true
		}
	}
	return false
}

func (s *Subject) noToken(t *testing.T, row api.Route) {
	if row.Public {
		return
	}
	if w := s.call(t.Context(), row, row.Method, ""); w.Code != http.StatusUnauthorized {
		t.Errorf("without a token the status is %d: %s", w.Code, w.Body)
	}
}

func (s *Subject) wrongMethod(t *testing.T, row api.Route) {
	w := s.call(t.Context(), row, "BREW", "")
	if w.Code != http.StatusMethodNotAllowed || !strings.Contains(w.Header().Get("Allow"), row.Method) {
		t.Errorf("method BREW: status %d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
}

func (s *Subject) garbage(t *testing.T, row api.Route) {
	ctx := token.WithIdentity(t.Context(), s.Owner)
	for _, body := range []string{"{", "[]", "7", `"\ud800"`, `{"a":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + "}"} {
		w := s.call(ctx, row, row.Method, body)
		if w.Code < 400 || w.Code >= 500 {
			t.Errorf("body %.20q: status %d: %s", body, w.Code, w.Body)
		}
	}
}

func (s *Subject) stranger(t *testing.T, row api.Route) {
	w := s.call(token.WithIdentity(t.Context(), s.Stranger), row, row.Method, "")
	if w.Code != http.StatusForbidden && w.Code != http.StatusNotFound {
		t.Errorf("a stranger gets status %d: %s", w.Code, w.Body)
	}
}

func (s *Subject) unknownVersion(t *testing.T, v *api.Versions) {
	for version, want := range map[string]int{"99.1": http.StatusNotAcceptable, "x": http.StatusBadRequest} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, s.path(s.Table.Routes[0]), nil)
		r.Header.Set("OpenStack-API-Version", v.Service+" "+version)
		w := httptest.NewRecorder()
		s.Handler.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("version %s: status %d, want %d", version, w.Code, want)
		}
	}
}
