package identity_test

import (
	"fmt"
	"strings"
	"testing"
)

func TestTokenOfEachScope(t *testing.T) {
	c := newCloud(t)
	for _, test := range []struct {
		name  string
		scope any
		path  []any
		want  string
	}{
		{"project", onProject("admin"), []any{"token", "project", "name"}, "admin"},
		{"project's domain", onProject("admin"), []any{"token", "project", "domain", "id"}, "default"},
		{"roles", onProject("admin"), []any{"token", "roles", 3, "name"}, "reader"},
		{"catalog", onProject("admin"), []any{"token", "catalog", 0, "endpoints", 0, "url"}, "http://cloud/compute/v2.1"},
		{"user", onProject("admin"), []any{"token", "user", "domain", "name"}, "Default"},
		{"domain", object{"domain": object{"id": "default"}}, []any{"token", "domain", "name"}, "Default"},
		{"domain by name", object{"domain": object{"name": "Default"}}, []any{"token", "domain", "id"}, "default"},
		{"system", onSystem(), []any{"token", "system", "all"}, "true"},
		{"unscoped", "unscoped", []any{"token", "roles"}, "<nil>"},
		{"unscoped object", object{"unscoped": object{}}, []any{"token", "catalog"}, "<nil>"},
		{"no scope", nil, []any{"token", "project"}, "<nil>"},
		{"methods", nil, []any{"token", "methods", 0}, "password"},
		{"issued at", nil, []any{"token", "issued_at"}, "2030-01-02T03:04:05.000000Z"},
		{"expires at", nil, []any{"token", "expires_at"}, "2030-01-02T04:04:05.000678Z"},
	} {
		body := passwordAuth("admin", adminPassword, test.scope)
		issued := c.must(201, "POST", "/v3/auth/tokens", "", body)
		text := issued.header.Get("X-Subject-Token")
		shown := c.must(200, "GET", "/v3/auth/tokens", text, nil, "X-Subject-Token", text)
		for which, a := range map[string]answer{"issued": issued, "validated": shown} {
			if got := fmt.Sprint(a.at(test.path...)); got != test.want {
				t.Errorf("%s, %s: %v, want %v", test.name, which, got, test.want)
			}
		}
	}
}

func TestRefusedAuthentication(t *testing.T) {
	c := newCloud(t)
	long := strings.Repeat("x", 5000)
	methods := strings.TrimSuffix(strings.Repeat(`"password",`, 5000), ",")
	for _, test := range []struct {
		name   string
		body   any
		status int
		want   string
	}{
		{"wrong password", passwordAuth("admin", "wrong", nil), 401, "The request you have made requires authentication."},
		{"unknown user", passwordAuth("nobody", adminPassword, nil), 401, "The request you have made requires authentication."},
		{"long password", passwordAuth("admin", long, nil), 401, "The request you have made requires authentication."},
		{"empty password", passwordAuth("admin", "", nil), 401, "The request you have made requires authentication."},
		{"unknown project", passwordAuth("admin", adminPassword, onProject("nowhere")), 401, "requires authentication"},
		{"project without role", passwordAuth("admin", adminPassword, onProject("service")), 401, "requires authentication"},
		{"unknown domain", passwordAuth("admin", adminPassword, object{"domain": object{"id": "x"}}), 401, "requires authentication"},
		{"two scopes", passwordAuth("admin", adminPassword, object{"system": object{"all": true}, "domain": object{"id": "default"}}), 400, "exactly one"},
		{"garbled token", tokenAuth("gAAAA", nil), 404, "Failed to validate token"},
		{"no method", object{"auth": object{"identity": object{"methods": []string{}}}}, 400, "method"},
		{"unknown method", object{"auth": object{"identity": object{"methods": []string{"magic"}}}}, 401, "unsupported method"},
		{"method without proof", object{"auth": object{"identity": object{"methods": []string{"token"}}}}, 400, "Expecting to find token"},
		{"no identity", object{"auth": object{}}, 400, "identity"},
		{"user without domain", object{"auth": object{"identity": object{"methods": []string{"password"}, "password": object{"user": object{"name": "admin", "password": "x"}}}}}, 400, "domain"},
		{"number as password", `{"auth":{"identity":{"methods":["password"],"password":{"user":{"id":"x","password":5}}}}}`, 400, "password"},
		{"repeated methods", `{"auth":{"identity":{"methods":[` + methods + `],"password":{"user":{"name":"admin","domain":{"id":"default"},"password":"` + adminPassword + `"}}}}}`, 201, "token"},
		{"huge body", `{"auth":{"x":"` + strings.Repeat("y", 200_000) + `"}}`, 413, "too large"},
		{"two users", object{"auth": object{"identity": object{"methods": []string{"password", "token"}, "token": object{"id": "x"}, "password": object{"user": object{"id": "nobody", "password": "x"}}}}}, 401, "requires authentication"},
	} {
		a := c.do("POST", "/v3/auth/tokens", "", test.body)
		if a.status != test.status || !strings.Contains(a.text, test.want) {
			t.Errorf("%s: status %d: %.300s", test.name, a.status, a.text)
		}
		if a.status == 401 && a.header.Get("Www-Authenticate") != `Keystone uri="http://cloud/identity"` {
			t.Errorf("%s: headers %v", test.name, a.header)
		}
	}
}

func TestVersionsAreDiscovered(t *testing.T) {
	c := newCloud(t)
	root := c.must(300, "GET", "/", "", nil)
	if root.at("versions", "values", 0, "links", 0, "href") != "http://cloud/identity/v3/" {
		t.Error(root.text)
	}
	if shown := c.must(200, "GET", "/v3/", "", nil); shown.at("version", "id") != "v3.14" || shown.header.Get("Vary") != "X-Auth-Token" {
		t.Error(shown.text, shown.header)
	}
}

func TestBootstrapChangesOnlyURLs(t *testing.T) {
	c := newCloud(t)
	before := c.admin()
	c.bootstrap("https://elsewhere")
	shown := c.must(200, "GET", "/v3/auth/tokens", before, nil, "X-Subject-Token", before)
	catalog := fmt.Sprint(shown.at("token", "catalog"))
	if strings.Contains(catalog, "http://cloud") || strings.Count(catalog, "https://elsewhere/identity") != 3 {
		t.Error(catalog)
	}
	c.restart()
	if a := c.must(200, "GET", "/v3/auth/tokens", before, nil, "X-Subject-Token", before); len(a.at("token", "catalog").([]any)) != 2 {
		t.Error(a.text)
	}
}
