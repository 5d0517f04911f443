package attack

import (
	"net/http"
	"strings"
	"testing"

	"virga/test/cloud"
)

func tokenAttacks() []attack {
	return []attack{
		{"OSSA-2016-008 CVE-2016-4911", "a token made from a revoked one", revokedChain},
		{"OSSA-2016-005 CVE-2015-7546", "a token with other letters", bentTokens},
		{"OSSA-2012-016", "rescoping to live longer", rescopedExpiry},
		{"OSSA-2012-019", "a token of a disabled user", disabledUser},
		{"OSSN-0032", "a token of a disabled project", disabledProject},
		{"OSSA-2012-014", "a token whose role was taken away", removedRole},
		{"OSSN-0034", "a token from before a new password", changedPassword},
		{"", "a scope without a role", foreignScope},
		{"", "another's token as the subject", foreignSubject},
		{"OSSA-2021-003 CVE-2021-38155", "finding out who has an account", accountsAreHidden},
		{"OSSA-2014-013 CVE-2014-2828", "one method ten thousand times", manyMethods},
		{"OSSA-2012-002", "passwords of a megabyte", longPasswords},
		{"", "a domain's token in the projects of others", domainScope},
		{"", "a role of one's own domain that is called admin", borrowedRoleName},
		{"", "making oneself administrator", selfPromotion},
	}
}

// everywhere are requests of each service that any member may make.
var everywhere = []string{"/identity/v3/auth/projects", "/compute/v2.1/servers", "/network/v2.0/networks", "/image/v2/images"}

// mustBeDead fails the test if any service takes the token.
func mustBeDead(t *testing.T, s *scene, token string) {
	t.Helper()
	for _, path := range everywhere {
		refused(t, "GET "+path, s.With(token).Do(t, "GET", path, nil), http.StatusUnauthorized)
	}
	refused(t, "a new token from it", s.Authenticate(t, cloud.ByToken(token), nil), http.StatusNotFound)
}

func mustLive(t *testing.T, s *scene, token string) {
	t.Helper()
	for _, path := range everywhere {
		if a := s.With(token).Do(t, "GET", path, nil); !a.OK() {
			t.Fatalf("GET %s before the attack: %s", path, a)
		}
	}
}

func revokedChain(t *testing.T, s *scene) {
	u := s.NewUser(t, "chain", "member")
	child := s.Authenticate(t, cloud.ByToken(u.Token), cloud.InProject(u.Project)).Header.Get("X-Subject-Token")
	grandchild := s.Authenticate(t, cloud.ByToken(child), cloud.InProject(u.Project)).Header.Get("X-Subject-Token")
	padded := child + "=" // another text of the same token, which a cache keeps apart
	for _, token := range []string{child, grandchild} {
		mustLive(t, s, token)
	}
	_ = s.With(padded).Do(t, "GET", everywhere[0], nil)
	if a := u.Do(t, "DELETE", "/identity/v3/auth/tokens", nil, "X-Subject-Token", u.Token); !a.OK() {
		t.Fatalf("revoke: %s", a)
	}
	for _, token := range []string{u.Token, child, grandchild, padded, u.Token + "="} {
		mustBeDead(t, s, token)
	}
}

func bentTokens(t *testing.T, s *scene) {
	good := s.mallory.owner.Token
	for at := 8; at < len(good)-2; at += len(good) / 12 {
		letter := "A"
		if good[at] == 'A' {
			letter = "B"
		}
		bent := good[:at] + letter + good[at+1:]
		refused(t, "a letter changed", s.With(bent).Do(t, "GET", everywhere[1], nil), http.StatusUnauthorized)
	}
	for _, bent := range []string{good[:len(good)/2], good + good, "=" + good, strings.ToUpper(good), "null", "%20", strings.Repeat("g", 30_000), strings.Repeat("=", 200)} {
		refused(t, "a bent token", s.With(bent).Do(t, "GET", everywhere[1], nil), http.StatusUnauthorized)
	}
}

func rescopedExpiry(t *testing.T, s *scene) {
	u := s.mallory.owner
	first := s.Authenticate(t, cloud.ByPassword(u.Name, u.Password), "unscoped")
	second := s.Authenticate(t, cloud.ByToken(first.Header.Get("X-Subject-Token")), cloud.InProject(u.Project))
	if a, b := first.Value("token.expires_at"), second.Value("token.expires_at"); a == "" || a != b {
		t.Errorf("the first token ends %s and the one made from it %s", a, b)
	}
}

func disabledUser(t *testing.T, s *scene) {
	u := s.NewUser(t, "disabled", "member")
	mustLive(t, s, u.Token)
	s.Admin.Must(t, "PATCH", "/identity/v3/users/"+u.UserID, object{"user": object{"enabled": false}}, "")
	mustBeDead(t, s, u.Token)
	s.Admin.Must(t, "PATCH", "/identity/v3/users/"+u.UserID, object{"user": object{"enabled": true}}, "")
	mustBeDead(t, s, u.Token)
	s.Admin.Must(t, "DELETE", "/identity/v3/users/"+u.UserID, nil, "")
	refused(t, "a deleted user", s.Authenticate(t, cloud.ByPassword(u.Name, u.Password), nil), http.StatusUnauthorized)
}

func disabledProject(t *testing.T, s *scene) {
	u := s.NewUser(t, "project", "member")
	mustLive(t, s, u.Token)
	s.Admin.Must(t, "PATCH", "/identity/v3/projects/"+u.ProjectID, object{"project": object{"enabled": false}}, "")
	mustBeDead(t, s, u.Token)
	refused(t, "a new token", s.Authenticate(t, cloud.ByPassword(u.Name, u.Password), cloud.InProject(u.Project)), http.StatusUnauthorized)
}

func removedRole(t *testing.T, s *scene) {
	u := s.NewUser(t, "role", "member")
	mustLive(t, s, u.Token)
	s.Admin.Must(t, "DELETE", "/identity/v3/projects/"+u.ProjectID+"/users/"+u.UserID+"/roles/"+s.Role(t, "member"), nil, "")
	mustBeDead(t, s, u.Token)
}

func changedPassword(t *testing.T, s *scene) {
	u := s.NewUser(t, "password", "member")
	mustLive(t, s, u.Token)
	path := "/identity/v3/users/" + u.UserID + "/password"
	refused(t, "a wrong password", s.Anonymous().Do(t, "POST", path, object{"user": object{"original_password": "x", "password": "y"}}), http.StatusUnauthorized)
	refused(t, "another's password", s.Anonymous().Do(t, "POST", path, object{"user": object{"original_password": s.mallory.owner.Password, "password": "y"}}), http.StatusUnauthorized)
	u.Must(t, "POST", path, object{"user": object{"original_password": u.Password, "password": "the new one"}}, "")
	mustBeDead(t, s, u.Token)
}

func foreignScope(t *testing.T, s *scene) {
	u, v := s.mallory.owner, s.victim.owner
	refused(t, "by password", s.Authenticate(t, cloud.ByPassword(u.Name, u.Password), cloud.InProject(v.Project)), http.StatusUnauthorized)
	for _, scope := range []any{cloud.InProject(v.Project), cloud.InProject("admin"), object{"project": object{"id": v.ProjectID}}, object{"domain": object{"id": "default"}},
		object{"domain": object{"name": "Default"}}, object{"system": object{"all": true}}, object{"OS-TRUST:trust": object{"id": v.UserID}}, object{"project": object{"id": "default"}}} {
		refused(t, "by token", s.Authenticate(t, cloud.ByToken(u.Token), scope), http.StatusUnauthorized)
	}
	// Two methods that prove two people prove nobody.
	both := object{"methods": []string{"token", "password"}, "token": cloud.ByToken(u.Token)["token"], "password": cloud.ByPassword("admin", cloud.AdminPassword)["password"]}
	refused(t, "two people", s.Authenticate(t, both, cloud.InProject(u.Project)), http.StatusUnauthorized)
}

func foreignSubject(t *testing.T, s *scene) {
	u, v := s.mallory.owner, s.NewUser(t, "subject", "member")
	for _, method := range []string{"GET", "HEAD", "DELETE"} {
		refused(t, method, u.Do(t, method, "/identity/v3/auth/tokens", nil, "X-Subject-Token", v.Token), http.StatusForbidden, http.StatusNotFound)
	}
	mustLive(t, s, v.Token)
}

func accountsAreHidden(t *testing.T, s *scene) {
	off := s.NewUser(t, "off", "member")
	s.Admin.Must(t, "PATCH", "/identity/v3/users/"+off.UserID, object{"user": object{"enabled": false}}, "")
	want := s.Authenticate(t, cloud.ByPassword(s.victim.owner.Name, "wrong"), nil)
	for what, identity := range map[string]map[string]any{"nobody": cloud.ByPassword("nobody", "wrong"), "disabled": cloud.ByPassword(off.Name, off.Password),
		"disabled, wrong password": cloud.ByPassword(off.Name, "wrong"),
		"nobody's id":              {"methods": []string{"password"}, "password": object{"user": object{"id": "0123456789abcdef0123456789abcdef", "password": "wrong"}}}} {
		a := s.Authenticate(t, identity, nil)
		if a.Status != http.StatusUnauthorized || string(a.Body) != string(want.Body) {
			t.Errorf("%s: %s, a wrong password: %s", what, a, want)
		}
	}
}

func manyMethods(t *testing.T, s *scene) {
	for _, method := range []string{"password", "token", "nonsense"} {
		identity := object{"methods": strings.Split(strings.Repeat(method+",", 10_000), ","), "password": cloud.ByPassword("nobody", "x")["password"], "token": object{"id": "x"}}
		refused(t, method, s.Authenticate(t, identity, nil), http.StatusUnauthorized, http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusNotFound)
	}
}

func longPasswords(t *testing.T, s *scene) {
	refused(t, "a megabyte", s.Authenticate(t, cloud.ByPassword("admin", strings.Repeat("x", 1<<20)), nil), http.StatusRequestEntityTooLarge)
	refused(t, "100 KB", s.Authenticate(t, cloud.ByPassword("admin", strings.Repeat("x", 100_000)), nil), http.StatusUnauthorized)
	body := object{"user": object{"original_password": "x", "password": strings.Repeat("y", 500_000)}}
	refused(t, "a new password", s.mallory.owner.Do(t, "POST", "/identity/v3/users/"+s.mallory.owner.UserID+"/password", body), http.StatusUnauthorized, http.StatusBadRequest)
}

// newDomain makes a domain with a user who has a role on it, and returns a token of that scope.
func newDomain(t *testing.T, s *scene, role string) (u *cloud.Client, domainID, token string) {
	t.Helper()
	u = s.mallory.owner
	_, name := s.NewProject(t, "domain")
	domainID = s.Admin.Must(t, "POST", "/identity/v3/domains", object{"domain": object{"name": name}}, "domain.id")
	s.Admin.Must(t, "PUT", "/identity/v3/domains/"+domainID+"/users/"+u.UserID+"/roles/"+s.Role(t, role), nil, "")
	a := s.Authenticate(t, cloud.ByToken(u.Token), object{"domain": object{"id": domainID}})
	if !a.OK() {
		t.Fatalf("a token for the domain: %s", a)
	}
	return u, domainID, a.Header.Get("X-Subject-Token")
}

// domainScope asks for everybody's with a token that has roles and no project: what belongs to no project, and lists that
// are narrowed by the caller's project, must not open.
func domainScope(t *testing.T, s *scene) {
	for _, role := range []string{"reader", "member", "manager"} {
		_, _, token := newDomain(t, s, role)
		for _, path := range []string{"/compute/v2.1/servers", "/compute/v2.1/servers/detail", "/compute/v2.1/servers/detail?all_tenants=1", "/compute/v2.1/os-server-groups",
			"/network/v2.0/ports", "/network/v2.0/networks", "/network/v2.0/subnets", "/network/v2.0/routers", "/network/v2.0/floatingips",
			"/network/v2.0/security-groups", "/network/v2.0/security-group-rules", "/image/v2/images", "/image/v2/images?visibility=all",
			"/compute/v2.1/servers/" + s.victim.ids["server_id"], "/identity/v3/users", "/identity/v3/projects"} {
			a := s.With(token).Do(t, "GET", path, nil)
			if a.Status >= 500 || strings.Contains(string(a.Body), marker) || strings.Contains(string(a.Body), s.victim.owner.ProjectID) || strings.Contains(string(a.Body), "device_owner") {
				t.Errorf("GET %s with the role %s on a domain: %s", path, role, a)
			}
		}
	}
}

// borrowedRoleName has the manager of a domain make roles with the names that policies of services trust.
func borrowedRoleName(t *testing.T, s *scene) {
	_, domainID, token := newDomain(t, s, "manager")
	manager := s.With(token)
	project := manager.Do(t, "POST", "/identity/v3/projects", object{"project": object{"name": "p", "domain_id": domainID}})
	user := manager.Do(t, "POST", "/identity/v3/users", object{"user": object{"name": "u", "domain_id": domainID, "password": "p"}})
	if !project.OK() || !user.OK() {
		t.Fatalf("a manager makes a project and a user: %s %s", project, user)
	}
	grants := "/identity/v3/projects/" + project.Value("project.id") + "/users/" + user.Value("user.id") + "/roles/"
	for _, name := range []string{"admin", "ADMIN", "service", "node"} {
		role := manager.Do(t, "POST", "/identity/v3/roles", object{"role": object{"name": name, "domain_id": domainID}})
		refused(t, "a role of the domain called "+name, role, http.StatusForbidden)
		refused(t, "a role of the cloud called "+name, manager.Do(t, "POST", "/identity/v3/roles", object{"role": object{"name": name + " "}}), http.StatusForbidden, http.StatusBadRequest)
	}
	refused(t, "giving the role admin", manager.Do(t, "PUT", grants+s.Role(t, "admin"), nil), http.StatusForbidden)
	refused(t, "having a role imply admin", manager.Do(t, "PUT", "/identity/v3/roles/"+s.Role(t, "member")+"/implies/"+s.Role(t, "admin"), nil), http.StatusForbidden)
	// A role of a domain, which an administrator made, is none of the cloud's.
	role := s.Admin.Must(t, "POST", "/identity/v3/roles", object{"role": object{"name": "admin", "domain_id": domainID}}, "role.id")
	if a := manager.Do(t, "PUT", grants+role, nil); a.Status >= 500 {
		t.Errorf("giving a role of the domain: %s", a)
	}
	s.Admin.Do(t, "PUT", grants+role, nil)
	s.Admin.Must(t, "PUT", grants+s.Role(t, "reader"), nil, "")
	scope := object{"project": object{"id": project.Value("project.id")}}
	a := s.Authenticate(t, object{"methods": []string{"password"}, "password": object{"user": object{"id": user.Value("user.id"), "password": "p"}}}, scope)
	if !a.OK() || strings.Contains(a.Value("token.roles"), "admin") {
		t.Errorf("a role of a domain is in a token: %s", a)
	}
	refused(t, "all servers", s.With(a.Header.Get("X-Subject-Token")).Do(t, "GET", "/compute/v2.1/servers?all_tenants=1", nil), http.StatusForbidden)
}

func selfPromotion(t *testing.T, s *scene) {
	u := s.NewUser(t, "ambitious", "manager")
	self, project, admin := "/identity/v3/users/"+u.UserID, "/identity/v3/projects/"+u.ProjectID, "/users/"+u.UserID+"/roles/"+s.Role(t, "admin")
	refuseAll(t, u, []try{
		{"PUT", project + admin, nil}, {"PUT", "/identity/v3/domains/default" + admin, nil}, {"PUT", "/identity/v3/system" + admin, nil},
		{"PUT", "/identity/v3/OS-INHERIT/projects/" + u.ProjectID + admin + "/inherited_to_projects", nil},
		{"PUT", "/identity/v3/projects/" + s.victim.owner.ProjectID + "/users/" + u.UserID + "/roles/" + s.Role(t, "reader"), nil},
		{"PUT", "/identity/v3/roles/" + s.Role(t, "reader") + "/implies/" + s.Role(t, "admin"), nil},
		{"PATCH", self, object{"user": object{"default_project_id": s.victim.owner.ProjectID}}}, {"PATCH", self, object{"user": object{"domain_id": "x"}}},
		{"PATCH", self, object{"user": object{"password": "x"}}}, {"PATCH", project, object{"project": object{"parent_id": s.victim.owner.ProjectID}}},
		{"POST", "/identity/v3/users", object{"user": object{"name": "more", "domain_id": "default", "password": "x"}}},
		{"POST", "/identity/v3/projects", object{"project": object{"name": "more", "domain_id": "default"}}},
		{"POST", "/identity/v3/projects", object{"project": object{"name": "more", "domain_id": "default", "parent_id": u.ProjectID}}},
		{"POST", "/identity/v3/domains", object{"domain": object{"name": "more"}}}, {"POST", "/identity/v3/groups", object{"group": object{"name": "more", "domain_id": "default"}}},
		{"POST", "/identity/v3/roles", object{"role": object{"name": "more"}}}, {"POST", "/identity/v3/regions", object{"region": object{"id": "more"}}},
		{"POST", "/identity/v3/services", object{"service": object{"type": "more"}}},
		{"POST", "/identity/v3/endpoints", object{"endpoint": object{"service_id": s.victim.ids["service_id"], "interface": "public", "url": "http://evil.example"}}},
		{"PUT", "/network/v2.0/quotas/" + u.ProjectID, object{"quota": object{"port": -1}}}, {"PUT", "/compute/v2.1/os-quota-sets/" + u.ProjectID, object{"quota_set": object{"cores": -1}}},
		{"DELETE", "/network/v2.0/quotas/" + u.ProjectID, nil}, {"DELETE", "/compute/v2.1/os-quota-sets/" + u.ProjectID, nil},
		{"PUT", "/compute/v2.1/os-quota-class-sets/default", object{"quota_class_set": object{"cores": -1}}},
		{"POST", "/compute/v2.1/flavors", object{"flavor": object{"name": "more", "ram": 1, "vcpus": 1, "disk": 0}}},
		{"POST", "/compute/v2.1/os-server-external-events", object{"events": []object{{"name": "network-vif-deleted", "server_uuid": s.victim.ids["server_id"], "tag": s.victim.ids["port_id"]}}}},
		{"POST", "/placement/resource_providers", object{"name": "more"}}, {"POST", "/placement/resource_classes", object{"name": "CUSTOM_MORE"}},
		{"POST", "/placement/allocations", object{s.victim.ids["server_id"]: object{"allocations": object{}, "project_id": "p", "user_id": "u", "consumer_generation": 1, "consumer_type": "INSTANCE"}}},
	}, http.StatusForbidden)
}
