package identity_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"virga/core/token"
)

// standing tells whether a token is accepted.
func (c *cloud) standing(text string) bool {
	c.t.Helper()
	_, err := c.service.Authenticate(c.t.Context(), text)
	if err != nil && !errors.Is(err, token.ErrInvalid) && !errors.Is(err, token.ErrExpired) {
		c.t.Fatal(err)
	}
	return err == nil
}

// member is a user with a role on a project in a domain of its own.
type member struct {
	admin                              string
	domain, project, user, role, group string
	password                           string
	unscoped, scoped, rescoped         string
}

func newMember(c *cloud) *member {
	c.t.Helper()
	m := &member{admin: c.admin(), password: "pass word"}
	m.domain = c.must(201, "POST", "/v3/domains", m.admin, object{"domain": object{"name": "own"}}).id("domain")
	m.project = c.must(201, "POST", "/v3/projects", m.admin, object{"project": object{"name": "work", "domain_id": m.domain}}).id("project")
	m.user = c.must(201, "POST", "/v3/users", m.admin, object{"user": object{"name": "ann", "domain_id": m.domain, "password": m.password}}).id("user")
	m.role = c.must(201, "POST", "/v3/roles", m.admin, object{"role": object{"name": "worker"}}).id("role")
	m.group = c.must(201, "POST", "/v3/groups", m.admin, object{"group": object{"name": "crew", "domain_id": m.domain}}).id("group")
	c.must(204, "PUT", "/v3/groups/"+m.group+"/users/"+m.user, m.admin, nil)
	c.must(204, "PUT", "/v3/projects/"+m.project+"/groups/"+m.group+"/roles/"+m.role, m.admin, nil)
	m.unscoped = c.login(m.byID(nil))
	m.scoped = c.login(tokenAuth(m.unscoped, onProjectID(m.project)))
	m.rescoped = c.login(tokenAuth(m.scoped, onProjectID(m.project)))
	return m
}

func (m *member) byID(scope any) object {
	body := passwordAuth("", m.password, scope)
	body["auth"].(object)["identity"].(object)["password"] = object{"user": object{"id": m.user, "password": m.password}}
	return body
}

// TestRightsEndAtOnce takes rights away in every way and looks at tokens that were in the
// cache, right after and after a restart. "scoped" was made from "unscoped", "rescoped"
// from "scoped".
func TestRightsEndAtOnce(t *testing.T) {
	for _, test := range []struct {
		name string
		end  func(c *cloud, m *member)
		// which of the tokens stand after it
		unscoped, scoped, rescoped bool
	}{
		{"nothing", func(*cloud, *member) {}, true, true, true},
		{"first token revoked", func(c *cloud, m *member) {
			c.must(204, "DELETE", "/v3/auth/tokens", m.unscoped, nil, "X-Subject-Token", m.unscoped)
		}, false, false, false},
		{"middle token revoked", func(c *cloud, m *member) {
			c.must(204, "DELETE", "/v3/auth/tokens", m.admin, nil, "X-Subject-Token", m.scoped)
		}, true, false, false},
		{"last token revoked", func(c *cloud, m *member) {
			c.must(204, "DELETE", "/v3/auth/tokens", m.rescoped, nil, "X-Subject-Token", m.rescoped)
		}, true, true, false},
		{"user disabled", func(c *cloud, m *member) {
			c.must(200, "PATCH", "/v3/users/"+m.user, m.admin, object{"user": object{"enabled": false}})
		}, false, false, false},
		{"user disabled and enabled again", func(c *cloud, m *member) {
			c.must(200, "PATCH", "/v3/users/"+m.user, m.admin, object{"user": object{"enabled": false}})
			c.must(200, "PATCH", "/v3/users/"+m.user, m.admin, object{"user": object{"enabled": true}})
		}, false, false, false},
		{"user deleted", func(c *cloud, m *member) { c.must(204, "DELETE", "/v3/users/"+m.user, m.admin, nil) }, false, false, false},
		{"password changed by the user", func(c *cloud, m *member) {
			c.must(204, "POST", "/v3/users/"+m.user+"/password", "", object{"user": object{"original_password": m.password, "password": "new"}})
		}, false, false, false},
		{"password changed by an administrator", func(c *cloud, m *member) {
			c.must(200, "PATCH", "/v3/users/"+m.user, m.admin, object{"user": object{"password": "new"}})
		}, false, false, false},
		{"project disabled", func(c *cloud, m *member) {
			c.must(200, "PATCH", "/v3/projects/"+m.project, m.admin, object{"project": object{"enabled": false}})
		}, true, false, false},
		{"project deleted", func(c *cloud, m *member) { c.must(204, "DELETE", "/v3/projects/"+m.project, m.admin, nil) }, true, false, false},
		{"domain disabled", func(c *cloud, m *member) {
			c.must(200, "PATCH", "/v3/domains/"+m.domain, m.admin, object{"domain": object{"enabled": false}})
		}, false, false, false},
		{"domain deleted", func(c *cloud, m *member) {
			c.must(200, "PATCH", "/v3/domains/"+m.domain, m.admin, object{"domain": object{"enabled": false}})
			c.must(204, "DELETE", "/v3/domains/"+m.domain, m.admin, nil)
		}, false, false, false},
		{"role taken away", func(c *cloud, m *member) {
			c.must(204, "DELETE", "/v3/projects/"+m.project+"/groups/"+m.group+"/roles/"+m.role, m.admin, nil)
		}, true, false, false},
		{"role deleted", func(c *cloud, m *member) { c.must(204, "DELETE", "/v3/roles/"+m.role, m.admin, nil) }, true, false, false},
		{"user taken out of the group", func(c *cloud, m *member) {
			c.must(204, "DELETE", "/v3/groups/"+m.group+"/users/"+m.user, m.admin, nil)
		}, true, false, false},
		{"group deleted", func(c *cloud, m *member) { c.must(204, "DELETE", "/v3/groups/"+m.group, m.admin, nil) }, true, false, false},
		{"time passed", func(c *cloud, _ *member) { c.clock.Advance(time.Hour) }, false, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newCloud(t)
			m := newMember(c)
			check := func(when string) {
				t.Helper()
				for name, want := range map[string][2]any{
					"unscoped": {m.unscoped, test.unscoped}, "scoped": {m.scoped, test.scoped}, "rescoped": {m.rescoped, test.rescoped},
				} {
					if got := c.standing(want[0].(string)); got != want[1] {
						t.Errorf("%s: the %s token stands: %v", when, name, got)
					}
				}
			}
			for _, text := range []string{m.unscoped, m.scoped, m.rescoped} {
				if !c.standing(text) {
					t.Fatal("a fresh token does not stand")
				}
			}
			test.end(c, m)
			check("at once")
			c.restart()
			check("after a restart")
			if !test.scoped {
				if a := c.do("POST", "/v3/auth/tokens", "", tokenAuth(m.scoped, nil)); a.status != 404 {
					t.Errorf("a void token was exchanged: %d", a.status)
				}
			}
		})
	}
}

func TestTokensIssuedAfterAPasswordChangeStand(t *testing.T) {
	c := newCloud(t)
	m := newMember(c)
	// All of it happens in one second of the clock.
	for i, next := range []string{"one", "two", "three"} {
		before := c.login(m.byID(nil))
		c.must(204, "POST", "/v3/users/"+m.user+"/password", "", object{"user": object{"original_password": m.password, "password": next}})
		m.password = next
		after := c.login(m.byID(onProjectID(m.project)))
		if c.standing(before) || !c.standing(after) {
			t.Errorf("change %d: a token from before stands: %v, one from after: %v", i, c.standing(before), c.standing(after))
		}
	}
}

func TestExpiredTokensAreForServicesOnly(t *testing.T) {
	c := newCloud(t)
	m := newMember(c)
	c.clock.Advance(2 * time.Hour)
	admin := c.admin()
	const path = "/v3/auth/tokens?allow_expired=1"
	c.must(200, "GET", path, admin, nil, "X-Subject-Token", m.scoped)
	c.must(404, "GET", "/v3/auth/tokens", admin, nil, "X-Subject-Token", m.scoped)
	own := c.login(m.byID(nil))
	c.must(404, "GET", path, own, nil, "X-Subject-Token", m.scoped)
	revoked := c.login(m.byID(nil))
	c.must(204, "DELETE", "/v3/auth/tokens", revoked, nil, "X-Subject-Token", revoked)
	c.clock.Advance(40 * time.Hour)
	if err := c.service.Prune(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.must(404, "GET", path, c.admin(), nil, "X-Subject-Token", revoked)
	c.clock.Advance(20 * time.Hour)
	c.must(404, "GET", path, c.admin(), nil, "X-Subject-Token", m.scoped)
}

// TestAServiceFinishesWhatBeganInTime makes requests with the expired token of a user and that of a service beside it.
func TestAServiceFinishesWhatBeganInTime(t *testing.T) {
	c := newCloud(t)
	m, service := newMember(c), newOwner(c)
	role := fmt.Sprint(c.must(200, "GET", "/v3/roles?name=service", m.admin, nil).at("roles", 0, "id"))
	c.must(204, "PUT", "/v3/projects/"+service.project+"/users/"+service.user+"/roles/"+role, m.admin, nil)
	revoked := c.login(m.byID(nil))
	c.clock.Advance(10 * time.Minute)
	c.must(204, "DELETE", "/v3/auth/tokens", revoked, nil, "X-Subject-Token", revoked)
	c.clock.Advance(time.Hour)
	serving := func() string { return c.login(service.byID(onProjectID(service.project))) }
	const path = "/v3/auth/projects"
	c.must(401, "GET", path, m.scoped, nil)
	c.must(200, "GET", path, m.scoped, nil, "X-Service-Token", serving())
	c.must(401, "GET", path, m.scoped, nil, "X-Service-Token", c.login(m.byID(nil)))
	c.must(401, "GET", path, revoked, nil, "X-Service-Token", serving())
	c.clock.Advance(46 * time.Hour)
	c.must(200, "GET", path, m.scoped, nil, "X-Service-Token", serving())
	c.clock.Advance(2 * time.Hour)
	c.must(401, "GET", path, m.scoped, nil, "X-Service-Token", serving())
}

func TestOnlyTheSubjectAndAdministratorsSeeAToken(t *testing.T) {
	c := newCloud(t)
	m := newMember(c)
	admin := c.admin()
	c.must(200, "GET", "/v3/auth/tokens", m.scoped, nil, "X-Subject-Token", m.unscoped)
	c.must(200, "HEAD", "/v3/auth/tokens", admin, nil, "X-Subject-Token", m.unscoped)
	c.must(403, "GET", "/v3/auth/tokens", m.scoped, nil, "X-Subject-Token", admin)
	c.must(403, "DELETE", "/v3/auth/tokens", m.scoped, nil, "X-Subject-Token", admin)
	c.must(404, "GET", "/v3/auth/tokens", admin, nil, "X-Subject-Token", "nonsense")
	c.must(404, "GET", "/v3/auth/tokens", admin, nil)
	c.must(401, "GET", "/v3/auth/tokens", "nonsense", nil, "X-Subject-Token", m.scoped)
}

// TestRevocationHoldsAmongRequests has readers ask all the time while tokens are revoked:
// once the revocation is answered no reader may be let in.
func TestRevocationHoldsAmongRequests(t *testing.T) {
	c := newCloud(t)
	m := newMember(c)
	var wg sync.WaitGroup
	stop := make(chan struct{})
	texts := make([]string, 20)
	for i := range texts {
		texts[i] = c.login(m.byID(onProjectID(m.project)))
	}
	for range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
					_, _ = c.service.Authenticate(t.Context(), texts[i%len(texts)])
				}
			}
		})
	}
	for _, text := range texts {
		c.must(204, "DELETE", "/v3/auth/tokens", text, nil, "X-Subject-Token", text)
		if c.standing(text) {
			t.Error("a revoked token stands")
		}
	}
	close(stop)
	wg.Wait()
	for _, text := range texts {
		if c.standing(text) {
			t.Error("a revoked token came back")
		}
	}
}
