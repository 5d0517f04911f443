package identity_test

import (
	"fmt"
	"testing"
	"time"

	"virga/service/identity"
)

// TestALostAdministratorComesBack does to the administrator what can be done, and recovers it, twice, beside the service.
func TestALostAdministratorComesBack(t *testing.T) {
	c, _ := withRules(t, identity.PasswordRules{LockoutAttempts: 2, InactiveAfter: 24 * time.Hour})
	const fresh = "another password"
	for name, ruin := range map[string]func(admin, id string){
		"disabled": func(admin, id string) {
			c.must(200, "PATCH", "/v3/users/"+id, admin, object{"user": object{"enabled": false}})
		},
		"deleted": func(admin, id string) { c.must(204, "DELETE", "/v3/users/"+id, admin, nil) },
		"locked": func(_, _ string) {
			for range 3 {
				c.must(401, "POST", "/v3/auth/tokens", "", passwordAuth("admin", "wrong", nil))
			}
		},
		"away for long": func(_, _ string) { c.clock.Advance(48 * time.Hour) },
		"asked for a factor that is lost": func(admin, id string) {
			c.must(200, "PATCH", "/v3/users/"+id, admin, object{"user": object{"options": object{"multi_factor_auth_enabled": true,
				"multi_factor_auth_rules": [][]string{{"password", "totp"}}}}})
		},
		"without roles": func(admin, id string) {
			role := fmt.Sprint(c.must(200, "GET", "/v3/roles?name=admin", admin, nil).at("roles", 0, "id"))
			c.must(204, "DELETE", "/v3/roles/"+role, admin, nil)
		},
		"without a project": func(admin, _ string) {
			project := fmt.Sprint(c.must(200, "GET", "/v3/projects?name=admin", admin, nil).at("projects", 0, "id"))
			c.must(200, "PATCH", "/v3/projects/"+project, admin, object{"project": object{"enabled": false}})
		},
		"without a domain": func(admin, _ string) {
			c.must(200, "PATCH", "/v3/domains/default", admin, object{"domain": object{"enabled": false}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			if err := identity.Recover(t.Context(), identity.Recovery{DB: c.db, Clock: c.clock, Password: adminPassword, HashCost: 4}); err != nil {
				t.Fatal(err)
			}
			c.service.Look(t.Context())
			admin := c.admin()
			id := fmt.Sprint(c.must(200, "GET", "/v3/users?name=admin", admin, nil).at("users", 0, "id"))
			ruin(admin, id)
			if got := c.do("POST", "/v3/auth/tokens", "", passwordAuth("admin", adminPassword, onProject("admin"))); got.status != 401 {
				t.Errorf("the administrator is not lost: %d %s", got.status, got.text)
			}
			for range 2 {
				if err := identity.Recover(t.Context(), identity.Recovery{DB: c.db, Clock: c.clock, Password: fresh, HashCost: 4}); err != nil {
					t.Fatal(err)
				}
			}
			c.service.Look(t.Context())
			c.must(401, "POST", "/v3/auth/tokens", "", passwordAuth("admin", adminPassword, onProject("admin")))
			back := c.login(passwordAuth("admin", fresh, onProject("admin")))
			c.must(200, "GET", "/v3/users", back, nil)
			c.must(201, "POST", "/v3/auth/tokens", "", passwordAuth("admin", fresh, onSystem()))
			c.must(401, "GET", "/v3/users", admin, nil)
			c.restart() // which bootstraps, and changes nothing of it
			c.must(201, "POST", "/v3/auth/tokens", "", passwordAuth("admin", fresh, onProject("admin")))
		})
	}
	if err := identity.Recover(t.Context(), identity.Recovery{DB: c.db, Clock: c.clock}); err == nil {
		t.Error("recovered without a password")
	}
}
