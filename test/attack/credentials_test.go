package attack

import (
	"net/http"
	"testing"

	"virga/test/cloud"
)

const credentialSecret = "a secret of a credential"

func credentialAttacks() []attack {
	return []attack{
		{"OSSA-2026-005 CVE-2026-33551", "a credential that makes a stronger one", strongerCredential},
		{"OSSA-2014-018 CVE-2014-3476", "a credential in another project", credentialScope},
		{"OSSA-2014-022", "a credential that outlives the role", credentialRole},
		{"", "a credential beyond its access rules", accessRules},
		{"", "a credential with more roles than its maker", credentialRoles},
		{"OSSA-2019-006 CVE-2019-19687", "credentials of others", foreignCredentials},
		{"CVE-2012-3426 CVE-2020-12690", "an access token that makes more than it is", accessTokens},
	}
}

// credential makes an application credential and logs in with it.
func credential(t *testing.T, s *scene, u *cloud.Client, more object) *cloud.Client {
	t.Helper()
	body := object{"name": "c", "secret": credentialSecret}
	for key, value := range more {
		body[key] = value
	}
	id := u.Must(t, "POST", "/identity/v3/users/"+u.UserID+"/application_credentials", object{"application_credential": body}, "application_credential.id")
	a := s.Authenticate(t, byCredential(id, credentialSecret), nil)
	if !a.OK() {
		t.Fatalf("log in with a credential: %s", a)
	}
	return s.With(a.Header.Get("X-Subject-Token"))
}

func byCredential(id, secret string) map[string]any {
	return object{"methods": []string{"application_credential"}, "application_credential": object{"id": id, "secret": secret}}
}

// strongerCredential tries to make and unmake credentials by a restricted one, directly and by a token made from its token.
func strongerCredential(t *testing.T, s *scene) {
	u := s.NewUser(t, "credential", "member")
	path := "/identity/v3/users/" + u.UserID + "/application_credentials"
	other := u.Must(t, "POST", path, object{"application_credential": object{"name": "other"}}, "application_credential.id")
	first := credential(t, s, u, nil)
	second := s.Authenticate(t, cloud.ByToken(first.Token), cloud.InProject(u.Project))
	for _, c := range []*cloud.Client{first, s.With(second.Header.Get("X-Subject-Token"))} {
		refuseAll(t, c, []try{
			{"POST", path, object{"application_credential": object{"name": "more"}}},
			{"POST", path, object{"application_credential": object{"name": "more", "unrestricted": true}}},
			{"DELETE", path + "/" + other, nil},
		}, http.StatusForbidden)
	}
	// One that may make others makes none that lives longer than itself.
	mother := credential(t, s, u, object{"name": "mother", "unrestricted": true, "expires_at": "2098-01-01T00:00:00"})
	if until := mother.Must(t, "POST", path, object{"application_credential": object{"name": "child", "expires_at": "2099-01-01T00:00:00"}}, "application_credential.expires_at"); until[:4] != "2098" {
		t.Errorf("the child lives until %s", until)
	}
}

func credentialScope(t *testing.T, s *scene) {
	u := s.NewUser(t, "scope", "member")
	second, name := s.NewProject(t, "second")
	s.Admin.Must(t, "PUT", "/identity/v3/projects/"+second+"/users/"+u.UserID+"/roles/"+s.Role(t, "member"), nil, "")
	c := credential(t, s, u, nil)
	for _, scope := range []any{cloud.InProject(name), object{"project": object{"id": second}}, "unscoped", object{"system": object{"all": true}}, object{"domain": object{"id": "default"}}} {
		refused(t, "another scope by its token", s.Authenticate(t, cloud.ByToken(c.Token), scope), http.StatusUnauthorized)
	}
	id := u.Must(t, "GET", "/identity/v3/users/"+u.UserID+"/application_credentials", nil, "application_credentials.0.id")
	identity := byCredential(id, credentialSecret)
	refused(t, "another scope", s.Authenticate(t, identity, cloud.InProject(name)), http.StatusUnauthorized)
	refused(t, "a wrong secret", s.Authenticate(t, byCredential(id, "x"), nil), http.StatusUnauthorized)
	identity["methods"], identity["token"] = []string{"application_credential", "token"}, cloud.ByToken(u.Token)["token"]
	refused(t, "another scope with a token of the user besides", s.Authenticate(t, identity, cloud.InProject(name)), http.StatusUnauthorized)
}

func credentialRole(t *testing.T, s *scene) {
	u := s.NewUser(t, "lost", "member")
	c := credential(t, s, u, nil)
	s.Admin.Must(t, "DELETE", "/identity/v3/projects/"+u.ProjectID+"/users/"+u.UserID+"/roles/"+s.Role(t, "member"), nil, "")
	mustBeDead(t, s, c.Token)
	refused(t, "a new token", s.Authenticate(t, object{"methods": []string{"application_credential"}, "application_credential": object{
		"name": "c", "user": object{"id": u.UserID}, "secret": credentialSecret}}, nil), http.StatusUnauthorized)
}

// accessRules tries what is near to the one allowed request: other methods, longer paths, the same path in other letters, a
// token made from the token.
func accessRules(t *testing.T, s *scene) {
	u := s.mallory.owner
	c := credential(t, s, u, object{"name": "rules", "access_rules": []object{{"service": "network", "method": "GET", "path": "/v2.0/networks/*"}}})
	own := "/network/v2.0/networks/" + s.mallory.ids["networks"]
	if a := c.Do(t, "GET", own, nil); !a.OK() {
		t.Fatalf("what the rule allows: %s", a)
	}
	second := s.With(s.Authenticate(t, cloud.ByToken(c.Token), nil).Header.Get("X-Subject-Token"))
	for _, d := range []*cloud.Client{c, second} {
		refuseAll(t, d, []try{
			{"DELETE", own, nil}, {"PUT", own, object{"network": object{"name": "x"}}}, {"GET", own + "/tags", nil}, {"GET", own + "%2ftags", nil}, {"GET", "/network/v2.0/ports", nil},
			{"GET", "/network/v2.0/networks", nil}, {"GET", "/network//v2.0/networks/x", nil}, {"GET", "/compute/v2.1/servers", nil}, {"GET", "/image/v2/images", nil},
			{"GET", "/network/v2.0/networks/%2e%2e/ports", nil}, {"POST", "/network/v2.0/networks", object{"network": object{}}},
		}, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed)
	}
}

func credentialRoles(t *testing.T, s *scene) {
	u := s.NewUser(t, "roles", "member")
	path := "/identity/v3/users/" + u.UserID + "/application_credentials"
	for _, role := range []object{{"name": "admin"}, {"id": s.Role(t, "admin")}, {"name": "manager"}, {"name": "service"}} {
		refused(t, "a role", u.Do(t, "POST", path, object{"application_credential": object{"name": "x", "roles": []object{role}}}), http.StatusBadRequest)
	}
	reader := credential(t, s, u, object{"name": "reader", "unrestricted": true, "roles": []object{{"name": "reader"}}})
	refused(t, "a role of the user and not of the credential", reader.Do(t, "POST", path, object{"application_credential": object{"name": "x", "roles": []object{{"name": "member"}}}}),
		http.StatusBadRequest, http.StatusForbidden)
	refused(t, "a change by a reading credential", reader.Do(t, "POST", "/network/v2.0/networks", object{"network": object{}}), http.StatusForbidden)
}

func foreignCredentials(t *testing.T, s *scene) {
	u, v := s.mallory.owner, s.victim
	theirs, own := "/identity/v3/users/"+v.owner.UserID+"/application_credentials", "/identity/v3/users/"+u.UserID+"/application_credentials"
	id := v.ids["application_credential_id"]
	refuseAll(t, u, []try{
		{"GET", theirs, nil}, {"GET", theirs + "/" + id, nil}, {"DELETE", theirs + "/" + id, nil}, {"GET", own + "/" + id, nil}, {"DELETE", own + "/" + id, nil},
		{"POST", theirs, object{"application_credential": object{"name": "x"}}},
	}, http.StatusForbidden, http.StatusNotFound)
	// Even an administrator makes none for somebody else: it would be a password for that user.
	refused(t, "for somebody else", s.Admin.Do(t, "POST", theirs, object{"application_credential": object{"name": "x"}}), http.StatusForbidden)
}
