package api_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"virga/core/api"
	"virga/core/token"
)

// bearers knows tokens by heart; those in late have expired.
type bearers struct {
	live, late map[string]*token.Identity
}

func (b bearers) Authenticate(_ context.Context, text string) (*token.Identity, error) {
	switch {
	case b.live[text] != nil:
		return b.live[text], nil
	case b.late[text] != nil:
		return nil, token.ErrExpired
	case text == "trouble":
		return nil, errors.New("no answer")
	}
	return nil, token.ErrInvalid
}

func (b bearers) AuthenticateLate(_ context.Context, text string) (*token.Identity, error) {
	if b.late[text] != nil {
		return b.late[text], nil
	}
	return nil, token.ErrInvalid
}

// TestAServiceFinishesForAUser sends requests with the tokens of a user and of a service.
func TestAServiceFinishesForAUser(t *testing.T) {
	user, service := identity("mine"), &token.Identity{UserID: "s", Roles: []token.Role{{Name: "service"}}}
	ruled := identity("mine")
	ruled.AppCred = token.AppCred{ID: "a", AccessRules: []token.AccessRule{{Service: "doors", Method: "GET", Path: "/doors"}}}
	known := bearers{live: map[string]*token.Identity{"user": user, "service": service, "other": identity("mine"), "ruled": ruled}, late: map[string]*token.Identity{"late": user, "late service": service}}
	tab := table(t)
	tab.Auth = known
	tab.AuthenticateURI = "http://x/identity"
	var seen *token.Identity
	tab.Routes = append(tab.Routes, api.Route{Method: "GET", Path: "/who", Policy: "doors:list", Handle: func(_ context.Context, r *api.Request) (any, error) {
		seen = r.Identity
		return nil, nil
	}})
	h, err := api.NewHandler(tab)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		user, service string
		status        int
	}{
		"a user":                              {"user", "", 204},
		"a user, late":                        {"late", "", 401},
		"a service for a user":                {"user", "service", 204},
		"a service for a user, late":          {"late", "service", 204},
		"somebody else for a user":            {"user", "other", 204},
		"somebody else for a user, late":      {"late", "other", 401},
		"oneself for oneself, late":           {"late", "late", 401},
		"a service whose own token is late":   {"late", "late service", 401},
		"a service that nobody knows":         {"user", "nobody", 401},
		"beyond an access rule":               {"ruled", "", 401},
		"a service beyond an access rule":     {"ruled", "service", 204},
		"oneself beyond an access rule":       {"ruled", "ruled", 401},
		"a service for nobody":                {"", "service", 401},
		"a service for a token that is none":  {"none", "service", 401},
		"a service that cannot be asked for":  {"user", "trouble", 503},
		"a user that cannot be asked for":     {"trouble", "service", 503},
		"a service instead of a user is none": {"none", "", 401},
	} {
		seen = nil
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/who", nil)
		r.Header.Set("X-Auth-Token", c.user)
		r.Header.Set("X-Service-Token", c.service)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.status || (w.Code == 401) != (w.Header().Get("Www-Authenticate") != "") {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		if c.status != 204 {
			continue
		}
		if seen == nil || seen.UserID != "u" || (seen.Service != nil) != (c.service != "") || seen.Service != nil && seen.Service != known.live[c.service] {
			t.Errorf("%s: the request is of %+v", name, seen)
		}
	}
	if user.Service != nil {
		t.Error("the identity that all requests share was changed")
	}
}
