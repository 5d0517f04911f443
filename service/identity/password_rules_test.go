package identity_test

import (
	"encoding/base32"
	"regexp"
	"strings"
	"testing"
	"time"

	"virga/service/identity"
)

// withRules is a cloud with rules for passwords, and a user.
func withRules(t *testing.T, rules identity.PasswordRules) (*cloud, *member) {
	t.Helper()
	c := newCloud(t)
	m := newOwner(c)
	c.rules = rules
	c.restart()
	return c, m
}

func byPassword(m *member, password string) object {
	return object{"auth": object{"identity": object{"methods": []string{"password"}, "password": object{"user": object{"id": m.user, "password": password}}}}}
}

func (c *cloud) changePassword(m *member, from, to string) answer {
	c.t.Helper()
	return c.do("POST", "/v3/users/"+m.user+"/password", "", object{"user": object{"original_password": from, "password": to}})
}

func TestFailedLoginsLockAnAccount(t *testing.T) {
	c, m := withRules(t, identity.PasswordRules{LockoutAttempts: 2, LockoutDuration: time.Minute})
	c.must(401, "POST", "/v3/auth/tokens", "", byPassword(m, "wrong"))
	c.must(201, "POST", "/v3/auth/tokens", "", byPassword(m, m.password))
	for range 2 {
		c.must(401, "POST", "/v3/auth/tokens", "", byPassword(m, "wrong"))
	}
	c.must(401, "POST", "/v3/auth/tokens", "", byPassword(m, m.password))
	if got := c.changePassword(m, m.password, "other"); got.status != 401 {
		t.Errorf("a locked account changes its password: %s", got.text)
	}
	c.clock.Advance(61 * time.Second)
	c.must(401, "POST", "/v3/auth/tokens", "", byPassword(m, "wrong"))
	c.must(201, "POST", "/v3/auth/tokens", "", byPassword(m, m.password))
	for range 2 {
		c.must(401, "POST", "/v3/auth/tokens", "", byPassword(m, "wrong"))
	}
	c.must(200, "PATCH", "/v3/users/"+m.user, c.admin(), object{"user": object{"password": "reset"}})
	c.must(201, "POST", "/v3/auth/tokens", "", byPassword(m, "reset"))
	c.must(200, "PATCH", "/v3/users/"+m.user, c.admin(), object{"user": object{"options": object{"ignore_lockout_failure_attempts": true}}})
	for range 3 {
		c.must(401, "POST", "/v3/auth/tokens", "", byPassword(m, "wrong"))
	}
	c.must(201, "POST", "/v3/auth/tokens", "", byPassword(m, "reset"))
}

func TestPasswordsExpire(t *testing.T) {
	c, m := withRules(t, identity.PasswordRules{ExpiresAfter: 24 * time.Hour})
	if got := c.changePassword(m, m.password, "first"); got.status != 204 {
		t.Fatal(got.text)
	}
	got := c.must(201, "POST", "/v3/auth/tokens", "", byPassword(m, "first"))
	if got.at("token", "user", "password_expires_at") == nil {
		t.Errorf("the token tells %s", got.text)
	}
	c.clock.Advance(25 * time.Hour)
	if got := c.must(401, "POST", "/v3/auth/tokens", "", byPassword(m, "first")); !strings.Contains(got.text, "expired and needs to be changed") {
		t.Errorf("told %s", got.text)
	}
	if got := c.must(401, "POST", "/v3/auth/tokens", "", byPassword(m, "wrong")); strings.Contains(got.text, "expired") {
		t.Errorf("a stranger is told %s", got.text)
	}
	if got := c.changePassword(m, "first", "second"); got.status != 204 {
		t.Fatal(got.text)
	}
	c.must(201, "POST", "/v3/auth/tokens", "", byPassword(m, "second"))
}

func TestAPasswordOfAnAdministratorIsChangedFirst(t *testing.T) {
	c, m := withRules(t, identity.PasswordRules{ChangeUponFirstUse: true})
	admin := c.admin()
	c.must(200, "PATCH", "/v3/users/"+m.user, admin, object{"user": object{"password": "given"}})
	c.must(401, "POST", "/v3/auth/tokens", "", byPassword(m, "given"))
	if got := c.changePassword(m, "given", "chosen"); got.status != 204 {
		t.Fatal(got.text)
	}
	c.must(201, "POST", "/v3/auth/tokens", "", byPassword(m, "chosen"))
	c.must(200, "PATCH", "/v3/users/"+m.user, admin, object{"user": object{"password": "given", "options": object{"ignore_change_password_upon_first_use": true}}})
	c.must(201, "POST", "/v3/auth/tokens", "", byPassword(m, "given"))
}

func TestOldPasswordsAreNotChosenAgain(t *testing.T) {
	c, m := withRules(t, identity.PasswordRules{History: 2, MinimumAge: time.Minute, Patterns: []*regexp.Regexp{regexp.MustCompile(`.{3,}`)}, Description: "at least 3"})
	c.clock.Advance(61 * time.Second)
	for _, step := range []struct {
		from, to string
		status   int
	}{
		{m.password, "ab", 400}, {m.password, m.password, 400}, {m.password, "one", 204}, {"one", m.password, 400}, {"one", "two", 204}, {"two", "one", 400},
		{"two", m.password, 204},
	} {
		if got := c.changePassword(m, step.from, step.to); got.status != step.status {
			t.Errorf("from %s to %s: %d %s", step.from, step.to, got.status, got.text)
		}
		if step.status == 204 {
			if got := c.changePassword(m, step.to, "early"); got.status != 400 {
				t.Errorf("too early: %d %s", got.status, got.text)
			}
			c.clock.Advance(61 * time.Second)
		}
	}
	if got := c.do("PATCH", "/v3/users/"+m.user, c.admin(), object{"user": object{"password": "x"}}); got.status != 400 || !strings.Contains(got.text, "at least 3") {
		t.Errorf("an administrator sets a short one: %s", got.text)
	}
	c.must(200, "PATCH", "/v3/users/"+m.user, c.admin(), object{"user": object{"password": "one"}})
}

func TestWhoStaysAwayIsLockedOut(t *testing.T) {
	c, m := withRules(t, identity.PasswordRules{InactiveAfter: 24 * time.Hour})
	c.must(201, "POST", "/v3/auth/tokens", "", byPassword(m, m.password))
	c.clock.Advance(20 * time.Hour)
	c.must(201, "POST", "/v3/auth/tokens", "", byPassword(m, m.password))
	c.clock.Advance(20 * time.Hour)
	c.must(201, "POST", "/v3/auth/tokens", "", byPassword(m, m.password))
	c.clock.Advance(25 * time.Hour)
	c.must(401, "POST", "/v3/auth/tokens", "", byPassword(m, m.password))
}

func TestSeveralFactorsAreAskedFor(t *testing.T) {
	c := newCloud(t)
	m := newOwner(c)
	admin := c.admin()
	seed := []byte("12345678901234567890")
	c.must(201, "POST", "/v3/credentials", m.scoped, object{"credential": object{"type": "totp", "user_id": m.user, "blob": base32.StdEncoding.EncodeToString(seed)}})
	options := func(enabled bool, rules ...[]string) {
		c.must(200, "PATCH", "/v3/users/"+m.user, admin, object{"user": object{"options": object{"multi_factor_auth_enabled": enabled, "multi_factor_auth_rules": rules}}})
	}
	second := func(code string) object {
		return object{"auth": object{"identity": object{"methods": []string{"totp"}, "totp": object{"user": object{"id": m.user, "passcode": code}}}}}
	}
	options(true, []string{"password", "totp"}, []string{"password", "retina"})
	got := c.must(401, "POST", "/v3/auth/tokens", "", byPassword(m, m.password))
	receipt := got.header.Get("Openstack-Auth-Receipt")
	if receipt == "" || got.at("receipt", "methods", 0) != "password" || got.at("receipt", "user", "id") != m.user || len(got.at("required_auth_methods").([]any)) != 1 {
		t.Fatalf("after one factor: %s", got.text)
	}
	c.must(401, "POST", "/v3/auth/tokens", "", second(code(seed, c.clock.Now())), "Openstack-Auth-Receipt", receipt[:len(receipt)-8]+"AAAAAAA=")
	c.clock.Advance(30 * time.Second)
	whole := c.must(201, "POST", "/v3/auth/tokens", "", second(code(seed, c.clock.Now())), "Openstack-Auth-Receipt", receipt)
	if methods, _ := whole.at("token", "methods").([]any); len(methods) != 2 {
		t.Errorf("the token has %s", whole.text)
	}
	c.must(201, "POST", "/v3/auth/tokens", "", tokenAuth(whole.header.Get("X-Subject-Token"), onProjectID(m.project)))
	c.clock.Advance(6 * time.Minute)
	c.must(401, "POST", "/v3/auth/tokens", "", second(code(seed, c.clock.Now())), "Openstack-Auth-Receipt", receipt)
	both := byPassword(m, m.password)
	identity := both["auth"].(object)["identity"].(object)
	c.clock.Advance(30 * time.Second)
	identity["methods"] = []string{"password", "totp"}
	identity["totp"] = second(code(seed, c.clock.Now()))["auth"].(object)["identity"].(object)["totp"]
	c.must(201, "POST", "/v3/auth/tokens", "", both)
	other := newOwner(c)
	fresh := c.must(401, "POST", "/v3/auth/tokens", "", byPassword(m, m.password)).header.Get("Openstack-Auth-Receipt")
	c.must(401, "POST", "/v3/auth/tokens", "", byPassword(other, other.password), "Openstack-Auth-Receipt", fresh)
	options(true, []string{"retina"})
	c.must(201, "POST", "/v3/auth/tokens", "", byPassword(m, m.password))
	options(false, []string{"password", "totp"})
	c.must(201, "POST", "/v3/auth/tokens", "", byPassword(m, m.password))
}
