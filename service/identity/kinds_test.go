package identity_test

import (
	"testing"

	"virga/core/token"
)

// TestTheKindOfTokensChanges changes from sealed to signed tokens and back; nobody is logged out, and what is revoked
// stays so, whatever kind it is of.
func TestTheKindOfTokensChanges(t *testing.T) {
	c := newCloud(t)
	sealed, gone := c.admin(), c.admin()
	ring, err := token.NewSigningRing()
	if err != nil {
		t.Fatal(err)
	}
	c.signing, c.kind = token.NewSigningKeys(ring), token.KindJWS
	c.restart()
	signed, lost := c.admin(), c.admin()
	if !token.IsJWS(signed) || token.IsJWS(sealed) {
		t.Fatalf("before %q, after %q", sealed, signed)
	}
	for name, text := range map[string]string{"sealed": sealed, "signed": signed} {
		shown := c.must(200, "GET", "/v3/auth/tokens", signed, nil, "X-Subject-Token", text)
		if shown.at("token", "user", "name") != "admin" || shown.at("token", "project", "name") != "admin" {
			t.Errorf("%s: %s", name, shown.text)
		}
		if further := c.login(tokenAuth(text, onProject("admin"))); !token.IsJWS(further) {
			t.Errorf("%s: from it %q was made", name, further)
		}
	}
	c.must(204, "DELETE", "/v3/auth/tokens", signed, nil, "X-Subject-Token", lost)
	c.must(204, "DELETE", "/v3/auth/tokens", signed, nil, "X-Subject-Token", gone)
	for _, text := range []string{lost, gone} {
		c.must(401, "GET", "/v3/auth/catalog", text, nil)
		c.must(404, "POST", "/v3/auth/tokens", "", tokenAuth(text, nil))
	}
	next, err := ring.Rotated(5)
	if err != nil {
		t.Fatal(err)
	}
	c.signing.Replace(next)
	c.restart() // whoever starts anew remembers no token
	c.must(200, "GET", "/v3/auth/catalog", signed, nil)
	c.must(401, "GET", "/v3/auth/catalog", lost, nil)
	c.kind = token.KindFernet
	c.restart()
	c.must(200, "GET", "/v3/auth/catalog", signed, nil)
	c.must(401, "GET", "/v3/auth/catalog", signed[:len(signed)-4]+"AAAA", nil)
	if again := c.login(tokenAuth(signed, nil)); token.IsJWS(again) {
		t.Errorf("%q was made", again)
	}
	c.must(200, "PATCH", "/v3/users/"+userOf(c, signed), c.admin(), object{"user": object{"password": "another one"}})
	c.must(401, "GET", "/v3/auth/catalog", signed, nil)
}

// userOf is the user whom a token belongs to.
func userOf(c *cloud, text string) string {
	c.t.Helper()
	return c.must(200, "GET", "/v3/auth/tokens", text, nil, "X-Subject-Token", text).at("token", "user").(map[string]any)["id"].(string)
}
