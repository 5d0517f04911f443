package token

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestSecretsDoNotShow(t *testing.T) {
	const value = "hunter2"
	type record struct {
		Password Secret
		Keys     map[string]Secret
		Pointer  *Secret
	}
	secret := Secret(value)
	shown := record{Password: value, Keys: map[string]Secret{"key": value}, Pointer: &secret}
	var out bytes.Buffer
	slog.New(slog.NewTextHandler(&out, nil)).Info("made", "secret", shown.Password, "record", shown)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("made", "secret", shown.Password, "record", shown)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T %[1]v"} {
		fmt.Fprintf(&out, verb+"\n", shown.Password)
		fmt.Fprintf(&out, verb+"\n", shown)
	}
	data, err := json.Marshal(shown)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(data)
	out.WriteString(fmt.Sprint(fmt.Errorf("log in with %s", shown.Password)))
	for _, leak := range []string{value, fmt.Sprintf("%x", value), fmt.Sprintf("%X", value)} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("%s shows in:\n%s", leak, out.String())
		}
	}
	if !strings.Contains(out.String(), masked) || shown.Password.Reveal() != value {
		t.Error("the secret is neither masked nor revealed on demand")
	}
}

func TestSecretsAreReadFromJSON(t *testing.T) {
	var body struct{ Password Secret }
	if err := json.Unmarshal([]byte(`{"Password":"hunter2"}`), &body); err != nil || body.Password.Reveal() != "hunter2" {
		t.Errorf("read %q, error %v", body.Password.Reveal(), err)
	}
}

func TestIdentityScope(t *testing.T) {
	for want, id := range map[Scope]*Identity{
		ScopeUnscoped: {UserID: "u"},
		ScopeProject:  {Project: Project{ID: "p"}},
		ScopeDomain:   {Domain: Domain{ID: "d"}},
		ScopeSystem:   {System: true},
	} {
		if got := id.Scope(); got != want {
			t.Errorf("scope %s, want %s", got, want)
		}
	}
}

func TestIdentityInContext(t *testing.T) {
	if _, ok := IdentityFrom(context.Background()); ok {
		t.Error("an empty context has an identity")
	}
	if _, ok := IdentityFrom(WithIdentity(context.Background(), nil)); ok {
		t.Error("a nil identity counts as one")
	}
	id := &Identity{UserID: "u"}
	if got, ok := IdentityFrom(WithIdentity(context.Background(), id)); !ok || got != id {
		t.Errorf("got %v, %v", got, ok)
	}
}

func TestAccessRules(t *testing.T) {
	for _, test := range []struct {
		pattern, path string
		want          bool
	}{
		{"/v2.1/servers", "/v2.1/servers", true},
		{"/v2.1/servers", "/v2.1/servers/", false},
		{"/v2.1/servers", "/v2.1/serverss", false},
		{"/v2.1/servers/*", "/v2.1/servers/abc", true},
		{"/v2.1/servers/*", "/v2.1/servers/", false},
		{"/v2.1/servers/*", "/v2.1/servers/abc/action", false},
		{"/v2.1/servers/{server_id}/action", "/v2.1/servers/abc/action", true},
		{"/v2.1/servers/{server_id}/action", "/v2.1/servers/a/b/action", false},
		{"/v2.1/**", "/v2.1/", true},
		{"/v2.1/**", "/v2.1/servers/abc/action", true},
		{"/v2.1/**", "/v3/servers", false},
		{"**", "", true},
		{"**/tags/*", "/a/b/tags/c", true},
		{"/a{b", "/a{b", true},
		{"/a.c", "/abc", false},
		{strings.Repeat("**x", 50), strings.Repeat("x", 2000) + "y", false},
	} {
		id := &Identity{AppCred: AppCred{ID: "a", AccessRules: []AccessRule{{Service: "compute", Method: "GET", Path: test.pattern}}}}
		if got := id.AllowsRequest("compute", "GET", test.path); got != test.want {
			t.Errorf("%q for %q: %v, want %v", test.pattern, test.path, got, test.want)
		}
		if id.AllowsRequest("compute", "POST", test.path) || id.AllowsRequest("image", "GET", test.path) {
			t.Errorf("%q permits another method or service", test.pattern)
		}
	}
	if !(&Identity{}).AllowsRequest("compute", "DELETE", "/anything") {
		t.Error("an identity without access rules is limited")
	}
}
