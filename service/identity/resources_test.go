package identity_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// names lists the names in a collection.
func (a answer) names(collection string) []string {
	var names []string
	list, _ := a.at(collection).([]any)
	for _, one := range list {
		names = append(names, fmt.Sprint(one.(map[string]any)["name"]))
	}
	slices.Sort(names)
	return names
}

func TestBadInputGetsItsStatus(t *testing.T) {
	c := newCloud(t)
	admin := c.admin()
	user := c.must(201, "POST", "/v3/users", admin, object{"user": object{"name": "u"}}).id("user")
	role := c.must(200, "GET", "/v3/roles?name=member", admin, nil).at("roles", 0, "id").(string)
	adminRole := c.must(200, "GET", "/v3/roles?name=admin", admin, nil).at("roles", 0, "id").(string)
	project := c.must(201, "POST", "/v3/projects", admin, object{"project": object{"name": "p"}}).id("project")
	child := c.must(201, "POST", "/v3/projects", admin, object{"project": object{"name": "child", "parent_id": project}}).id("project")
	domain := c.must(201, "POST", "/v3/domains", admin, object{"domain": object{"name": "d"}}).id("domain")
	domainRole := c.must(201, "POST", "/v3/roles", admin, object{"role": object{"name": "dr", "domain_id": domain}}).id("role")
	fixed := c.must(201, "POST", "/v3/projects", admin, object{"project": object{"name": "fixed", "options": object{"immutable": true}}}).id("project")
	service := c.must(201, "POST", "/v3/services", admin, object{"service": object{"type": "t"}}).id("service")
	for _, test := range []struct {
		method, path string
		body         any
		status       int
		want         string
	}{
		{"GET", "/v3/users/nobody", nil, 404, "Could not find user: nobody."},
		{"GET", "/v3/projects/none", nil, 404, "Could not find project: none."},
		{"GET", "/v3/domains/" + project, nil, 404, "Could not find domain"},
		{"POST", "/v3/users", object{"user": object{}}, 400, "name"},
		{"POST", "/v3/users", object{"user": object{"name": ""}}, 400, "name"},
		{"POST", "/v3/users", object{"user": object{"name": "  "}}, 400, "name"},
		{"POST", "/v3/users", object{"user": object{"name": 5}}, 400, "name"},
		{"POST", "/v3/users", object{"user": object{"name": strings.Repeat("x", 256)}}, 400, "name"},
		{"POST", "/v3/users", object{"user": object{"name": "v", "domain_id": "gone"}}, 404, "Could not find domain: gone."},
		{"POST", "/v3/users", object{"user": object{"name": "v", "password": strings.Repeat("x", 5000)}}, 400, "password"},
		{"POST", "/v3/users", object{"user": object{"name": "v", "note": strings.Repeat("x", 20_000)}}, 400, "further attributes"},
		{"POST", "/v3/users", object{"user": object{"name": "v", "options": object{"favourite_colour": "red"}}}, 400, "options"},
		{"POST", "/v3/users", object{"user": object{"name": "v", "default_project_id": domain}}, 400, "cannot be a domain"},
		{"POST", "/v3/users", object{"user": object{"name": "u"}}, 409, "Duplicate entry found with name u at domain ID default."},
		{"PATCH", "/v3/users/" + user, object{"user": object{"domain_id": domain}}, 400, "Cannot change Domain ID"},
		{"PATCH", "/v3/users/" + user, object{"user": object{"name": "admin"}}, 409, "Duplicate"},
		{"POST", "/v3/users/" + user + "/password", object{"user": object{"original_password": "x", "password": "y"}}, 401, "requires authentication"},
		{"POST", "/v3/users/gone/password", object{"user": object{"original_password": "x", "password": "y"}}, 401, "requires authentication"},
		{"POST", "/v3/projects", object{"project": object{"name": "p"}}, 409, "it is not permitted to have two projects"},
		{"POST", "/v3/projects", object{"project": object{"name": strings.Repeat("x", 65)}}, 400, "name"},
		{"POST", "/v3/projects", object{"project": object{"name": "q", "domain_id": "gone"}}, 400, "Could not find domain: gone."},
		{"POST", "/v3/projects", object{"project": object{"name": "q", "parent_id": "gone"}}, 400, "Could not find project: gone."},
		{"POST", "/v3/projects", object{"project": object{"name": "q", "parent_id": domain}}, 400, "parent in a different domain"},
		{"POST", "/v3/projects", object{"project": object{"name": "q", "tags": []string{"a,b"}}}, 400, "tags"},
		{"PATCH", "/v3/projects/" + child, object{"project": object{"parent_id": "default"}}, 403, "Update of `parent_id` is not allowed."},
		{"PATCH", "/v3/projects/" + child, object{"project": object{"is_domain": true}}, 400, "Update of `is_domain` is not allowed."},
		{"PATCH", "/v3/projects/" + child, object{"project": object{}}, 400, "project"},
		{"PATCH", "/v3/projects/" + project, object{"project": object{"enabled": false}}, 403, "subtree contains enabled projects"},
		{"DELETE", "/v3/projects/" + project, nil, 403, "not a leaf"},
		{"DELETE", "/v3/projects/" + fixed, nil, 403, "immutable"},
		{"PATCH", "/v3/projects/" + fixed, object{"project": object{"name": "x"}}, 403, "immutable"},
		{"PUT", "/v3/projects/" + project + "/tags/a%2Cb", nil, 400, "tag"},
		{"GET", "/v3/projects/" + project + "/tags/none", nil, 404, "Could not find project tag: none."},
		{"GET", "/v3/projects/" + project + "?parents_as_list&parents_as_ids", nil, 400, "at the same time"},
		{"DELETE", "/v3/domains/" + domain, nil, 403, "Cannot delete a domain that is enabled, please disable it first."},
		{"POST", "/v3/domains", object{"domain": object{"name": "Default"}}, 409, "Duplicate"},
		{"POST", "/v3/domains", object{"domain": object{"name": "x", "explicit_domain_id": "../x"}}, 400, "UUID"},
		{"PUT", "/v3/projects/" + project + "/users/" + user + "/roles/none", nil, 404, "Could not find role: none."},
		{"PUT", "/v3/projects/none/users/" + user + "/roles/" + role, nil, 404, "Could not find project: none."},
		{"PUT", "/v3/projects/" + project + "/users/none/roles/" + role, nil, 404, "Could not find user: none."},
		{"PUT", "/v3/projects/" + project + "/users/" + user + "/roles/" + domainRole, nil, 403, "must be in the same domain"},
		{"DELETE", "/v3/projects/" + project + "/users/" + user + "/roles/" + role, nil, 404, "Could not find role assignment with role: " + role},
		{"HEAD", "/v3/projects/" + project + "/users/" + user + "/roles/" + role, nil, 404, ""},
		{"PUT", "/v3/roles/" + role + "/implies/" + adminRole, nil, 403, "cannot be an implied roles."},
		{"PUT", "/v3/roles/" + role + "/implies/" + role, nil, 403, "cannot be an implied roles."},
		{"PUT", "/v3/roles/" + role + "/implies/" + domainRole, nil, 403, "cannot be an implied roles."},
		{"GET", "/v3/roles/" + role + "/implies/" + adminRole, nil, 404, "does not imply"},
		{"POST", "/v3/roles", object{"role": object{"name": "member"}}, 409, "Duplicate"},
		{"GET", "/v3/role_assignments?user.id=a&group.id=b", nil, 400, "Specify a user or group, not both"},
		{"GET", "/v3/role_assignments?include_subtree", nil, 400, "scope.project.id must be specified"},
		{"DELETE", "/v3/regions/RegionOne", nil, 403, "Unable to delete region RegionOne"},
		{"PUT", "/v3/regions/RegionOne", object{"region": object{}}, 409, "Duplicate ID, RegionOne"},
		{"PATCH", "/v3/regions/RegionOne", object{"region": object{"parent_region_id": "RegionOne"}}, 400, "circular"},
		{"POST", "/v3/regions", object{"region": object{"parent_region_id": "none"}}, 404, "Could not find region: none."},
		{"POST", "/v3/services", object{"service": object{"name": "x"}}, 400, "type"},
		{"POST", "/v3/endpoints", object{"endpoint": object{"service_id": "none", "interface": "public", "url": "http://x"}}, 400, "Could not find service: none."},
		{"POST", "/v3/endpoints", object{"endpoint": object{"service_id": service, "interface": "secret", "url": "http://x"}}, 400, "interface"},
		{"POST", "/v3/endpoints", object{"endpoint": object{"service_id": service, "interface": "public", "url": "x"}}, 400, "url"},
		{"POST", "/v3/endpoints", object{"endpoint": object{"service_id": service, "interface": "public", "url": "http://x/%(admin_token)s"}}, 400, "invalid URL"},
		{"GET", "/v3/users?limit=-1", nil, 400, "limit"},
		{"GET", "/v3/users?marker=none", nil, 400, "Marker none could not be found."},
		{"GET", "/v3/users?sort_key=password_hash", nil, 400, "sort"},
		{"GET", "/v3/users?enabled=maybe", nil, 400, "enabled"},
		{"PUT", "/v3/users", nil, 405, "not allowed"},
		{"GET", "/v3/nothing", nil, 404, "could not be found"},
	} {
		a := c.do(test.method, test.path, admin, test.body)
		if a.status != test.status || !strings.Contains(a.text, test.want) {
			t.Errorf("%s %s: status %d, want %d %q: %.300s", test.method, test.path, a.status, test.status, test.want, a.text)
		}
		if a.status >= 400 && test.method != "HEAD" && fmt.Sprint(a.at("error", "code")) != fmt.Sprint(a.status) {
			t.Errorf("%s %s: not keystone's style: %s", test.method, test.path, a.text)
		}
	}
}

func TestFurtherAttributesAreKept(t *testing.T) {
	c := newCloud(t)
	admin := c.admin()
	made := c.must(201, "POST", "/v3/users", admin, object{"user": object{"name": "u", "email": "u@x", "description": "d", "id": "mine"}})
	path := "/v3/users/" + made.id("user")
	c.must(200, "PATCH", path, admin, object{"user": object{"email": nil, "phone": 5}})
	shown := c.must(200, "GET", path, admin, nil)
	if shown.at("user", "description") != "d" || shown.at("user", "email") != nil || shown.at("user", "phone") != 5.0 || made.id("user") == "mine" {
		t.Error(shown.text)
	}
	if strings.Contains(shown.text, "hash") || len(made.id("user")) != 32 {
		t.Error(shown.text)
	}
}

func TestListsFilterAndPage(t *testing.T) {
	c := newCloud(t)
	admin := c.admin()
	for _, name := range []string{"ann", "bob", "Bert", "a_c", "abc"} {
		c.must(201, "POST", "/v3/users", admin, object{"user": object{"name": name, "enabled": name != "bob"}})
	}
	for _, tag := range [][2]string{{"p1", "red"}, {"p2", "green"}, {"p3", "red,green"}} {
		c.must(201, "POST", "/v3/projects", admin, object{"project": object{"name": tag[0], "tags": strings.Split(tag[1], ",")}})
	}
	for query, want := range map[string]string{
		"users?name=ann":                     "ann",
		"users?name=nobody":                  "",
		"users?name__contains=_":             "a_c",
		"users?name__icontains=BE":           "Bert",
		"users?name__startswith=a":           "a_c abc admin ann",
		"users?name__endswith=c":             "a_c abc",
		"users?enabled=false":                "bob",
		"users?domain_id=other":              "",
		"users?unknown=1&name=ann":           "ann",
		"users?name=' OR 1=1 --":             "",
		"projects?tags=red":                  "p1 p3",
		"projects?tags=red,green":            "p3",
		"projects?tags-any=red,green":        "p1 p2 p3",
		"projects?not-tags-any=red,green":    "admin service",
		"projects?not-tags=red,green":        "admin p1 p2 service",
		"projects?is_domain=true":            "Default",
		"projects?parent_id=default&name=p1": "p1",
		"roles?name__contains=e":             "manager member reader service",
		"domains?name=Default":               "Default",
		"services?type=compute":              "nova",
	} {
		collection, _, _ := strings.Cut(query, "?")
		a := c.must(200, "GET", "/v3/"+strings.ReplaceAll(query, " ", "%20"), admin, nil)
		if got := strings.Join(a.names(collection), " "); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	var walked []string
	path := "/v3/users?limit=2&sort_key=name"
	for range 5 {
		a := c.must(200, "GET", path, admin, nil)
		walked = append(walked, a.names("users")...)
		next, more := a.at("links", "next").(string)
		if !more {
			break
		}
		path = strings.TrimPrefix(next, "http://cloud/identity")
	}
	if len(walked) != 6 || len(slices.Compact(slices.Sorted(slices.Values(walked)))) != 6 {
		t.Errorf("pages have %v", walked)
	}
}

func TestProjectTree(t *testing.T) {
	c := newCloud(t)
	admin := c.admin()
	user := c.must(200, "GET", "/v3/users?name=admin", admin, nil).at("users", 0, "id").(string)
	role := c.must(200, "GET", "/v3/roles?name=member", admin, nil).at("roles", 0, "id").(string)
	// On all projects of the domain, at any depth.
	c.must(204, "PUT", "/v3/OS-INHERIT/domains/default/users/"+user+"/roles/"+role+"/inherited_to_projects", admin, nil)
	parent, ids := "default", []string{}
	for i := range 4 {
		parent = c.must(201, "POST", "/v3/projects", admin, object{"project": object{"name": fmt.Sprint("level", i), "parent_id": parent}}).id("project")
		ids = append(ids, parent)
	}
	c.must(403, "POST", "/v3/projects", admin, object{"project": object{"name": "deep", "parent_id": parent}})
	up := c.must(200, "GET", "/v3/projects/"+ids[2]+"?parents_as_ids", admin, nil)
	if up.at("project", "parents", ids[1], ids[0]) == nil {
		t.Error(up.text)
	}
	down := c.must(200, "GET", "/v3/projects/"+ids[0]+"?subtree_as_list&parents_as_list", admin, nil)
	if list, _ := down.at("project", "subtree").([]any); len(list) != 3 || down.at("project", "subtree", 0, "project", "id") != ids[1] {
		t.Error(down.text)
	}
	if ids4 := c.must(200, "GET", "/v3/projects/"+ids[0]+"?subtree_as_ids", admin, nil); ids4.at("project", "subtree", ids[1], ids[2]) == nil {
		t.Error(ids4.text)
	}
	deepest := c.must(201, "POST", "/v3/auth/tokens", "", passwordAuth("admin", adminPassword, onProjectID(ids[3])))
	if deepest.at("token", "roles", 0, "name") != "member" {
		t.Error(deepest.text)
	}
	for _, id := range slices.Backward(ids) {
		c.must(200, "PATCH", "/v3/projects/"+id, admin, object{"project": object{"enabled": false}})
	}
	c.must(403, "PATCH", "/v3/projects/"+ids[3], admin, object{"project": object{"enabled": true}})
	c.must(400, "POST", "/v3/projects", admin, object{"project": object{"name": "x", "parent_id": ids[0]}})
}

func TestRoleAssignmentsAreListed(t *testing.T) {
	c := newCloud(t)
	m := newMember(c)
	member := c.must(200, "GET", "/v3/roles?name=member", m.admin, nil).at("roles", 0, "id").(string)
	reader := c.must(200, "GET", "/v3/roles?name=reader", m.admin, nil).at("roles", 0, "id").(string)
	c.must(204, "PUT", "/v3/OS-INHERIT/domains/"+m.domain+"/users/"+m.user+"/roles/"+member+"/inherited_to_projects", m.admin, nil)
	c.must(204, "PUT", "/v3/domains/"+m.domain+"/users/"+m.user+"/roles/"+reader, m.admin, nil)
	c.must(204, "PUT", "/v3/system/users/"+m.user+"/roles/"+reader, m.admin, nil)
	for query, want := range map[string]int{
		"user.id=" + m.user:           3, // inherited, domain, system
		"group.id=" + m.group:         1,
		"effective&user.id=" + m.user: 5, // worker by the group, member and reader by inheritance, domain, system
		"effective&user.id=" + m.user + "&scope.project.id=" + m.project:          3,
		"effective&scope.project.id=" + m.project + "&role.id=" + reader:          1,
		"scope.project.id=" + m.project:                                           1,
		"scope.project.id=" + m.project + "&include_subtree":                      1,
		"scope.domain.id=" + m.domain:                                             2,
		"scope.domain.id=" + m.domain + "&scope.OS-INHERIT:inherited_to=projects": 1,
		"scope.system=all":                2,
		"role.id=" + m.role:               1,
		"role.id=nothing":                 0,
		"scope.project.id=none&effective": 0,
	} {
		a := c.must(200, "GET", "/v3/role_assignments?"+query, m.admin, nil)
		if list, _ := a.at("role_assignments").([]any); len(list) != want {
			t.Errorf("%s: %d assignments, want %d: %s", query, len(list), want, a.text)
		}
	}
	named := c.must(200, "GET", "/v3/role_assignments?include_names&effective&scope.project.id="+m.project+"&role.id="+reader, m.admin, nil)
	for path, want := range map[string]string{"user": "ann", "role": "reader"} {
		if named.at("role_assignments", 0, path, "name") != want {
			t.Error(named.text)
		}
	}
	if named.at("role_assignments", 0, "scope", "project", "domain", "name") != "own" {
		t.Error(named.text)
	}
	c.must(403, "GET", "/v3/role_assignments", m.scoped, nil)
	// A reader of the domain sees its assignments alone.
	scoped := c.login(m.byID(object{"domain": object{"id": m.domain}}))
	seen := c.must(200, "GET", "/v3/role_assignments", scoped, nil)
	if list, _ := seen.at("role_assignments").([]any); len(list) != 3 {
		t.Error(seen.text)
	}
}

// TestRolesOfDomainsCountForWhatTheyImply: they may imply any role, but no token and no list of
// effective assignments shows them.
func TestRolesOfDomainsCountForWhatTheyImply(t *testing.T) {
	c := newCloud(t)
	admin := c.admin()
	domain := c.must(201, "POST", "/v3/domains", admin, object{"domain": object{"name": "d"}}).id("domain")
	other := c.must(201, "POST", "/v3/domains", admin, object{"domain": object{"name": "e"}}).id("domain")
	project := c.must(201, "POST", "/v3/projects", admin, object{"project": object{"name": "p", "domain_id": domain}}).id("project")
	user := c.must(201, "POST", "/v3/users", admin, object{"user": object{"name": "u", "domain_id": domain}}).id("user")
	newRole := func(name, in string) string {
		return c.must(201, "POST", "/v3/roles", admin, object{"role": object{"name": name, "domain_id": in}}).id("role")
	}
	role, elsewhere := newRole("r", domain), newRole("r", other)
	member := c.must(200, "GET", "/v3/roles?name=member", admin, nil).at("roles", 0, "id").(string)
	c.must(204, "PUT", "/v3/projects/"+project+"/users/"+user+"/roles/"+role, admin, nil)
	effective := "/v3/role_assignments?effective&user.id=" + user
	if list := c.must(200, "GET", effective, admin, nil); len(list.at("role_assignments").([]any)) != 0 {
		t.Errorf("a role of a domain is effective: %s", list.text)
	}
	c.must(201, "PUT", "/v3/roles/"+role+"/implies/"+elsewhere, admin, nil)
	c.must(201, "PUT", "/v3/roles/"+role+"/implies/"+member, admin, nil)
	list := c.must(200, "GET", effective+"&include_names", admin, nil)
	if !strings.Contains(list.text, `"name":"member"`) || strings.Contains(list.text, `"name":"r"`) {
		t.Errorf("effective are %s", list.text)
	}
}

func TestDomainManagersStayInTheirDomain(t *testing.T) {
	c := newCloud(t)
	m := newMember(c)
	manager := c.must(200, "GET", "/v3/roles?name=manager", m.admin, nil).at("roles", 0, "id").(string)
	member := c.must(200, "GET", "/v3/roles?name=member", m.admin, nil).at("roles", 0, "id").(string)
	adminRole := c.must(200, "GET", "/v3/roles?name=admin", m.admin, nil).at("roles", 0, "id").(string)
	adminUser := c.must(200, "GET", "/v3/users?name=admin", m.admin, nil).at("users", 0, "id").(string)
	c.must(204, "PUT", "/v3/domains/"+m.domain+"/users/"+m.user+"/roles/"+manager, m.admin, nil)
	text := c.login(m.byID(object{"domain": object{"id": m.domain}}))
	made := c.must(201, "POST", "/v3/users", text, object{"user": object{"name": "new"}})
	if made.at("user", "domain_id") != m.domain {
		t.Error(made.text)
	}
	project := c.must(201, "POST", "/v3/projects", text, object{"project": object{"name": "new"}}).id("project")
	c.must(204, "PUT", "/v3/projects/"+project+"/users/"+made.id("user")+"/roles/"+member, text, nil)
	if a := c.must(200, "GET", "/v3/users", text, nil); strings.Join(a.names("users"), " ") != "ann new" {
		t.Error(a.text)
	}
	for _, test := range [][2]string{
		{"PUT", "/v3/projects/" + project + "/users/" + made.id("user") + "/roles/" + adminRole},
		{"PUT", "/v3/projects/" + project + "/users/" + adminUser + "/roles/" + member},
		{"PUT", "/v3/system/users/" + m.user + "/roles/" + member},
		{"GET", "/v3/users/" + adminUser},
		{"DELETE", "/v3/users/" + adminUser},
		{"GET", "/v3/users/nobody"},
		{"GET", "/v3/services"},
		{"DELETE", "/v3/domains/" + m.domain},
	} {
		if a := c.do(test[0], test[1], text, nil); a.status != 403 {
			t.Errorf("%s %s: status %d", test[0], test[1], a.status)
		}
	}
	c.must(403, "POST", "/v3/users", text, object{"user": object{"name": "x", "domain_id": "default"}})
	c.must(403, "POST", "/v3/projects", text, object{"project": object{"name": "x", "domain_id": "default"}})
	c.must(403, "POST", "/v3/projects", text, object{"project": object{"name": "x", "is_domain": true}})
}

func TestApplicationCredentials(t *testing.T) {
	c := newCloud(t)
	m := newMember(c)
	path := "/v3/users/" + m.user + "/application_credentials"
	member := c.must(200, "GET", "/v3/roles?name=member", m.admin, nil).at("roles", 0, "id").(string)
	c.must(204, "PUT", "/v3/projects/"+m.project+"/users/"+m.user+"/roles/"+member, m.admin, nil)
	scoped := c.login(m.byID(onProjectID(m.project)))
	login := func(a answer) object {
		return object{"auth": object{"identity": object{"methods": []string{"application_credential"}, "application_credential": object{
			"id": a.id("application_credential"), "secret": a.at("application_credential", "secret"),
		}}}}
	}
	made := c.must(201, "POST", path, scoped, object{"application_credential": object{"name": "ci", "roles": []object{{"name": "reader"}}}})
	text := c.login(login(made))
	shown := c.must(200, "GET", "/v3/auth/tokens", text, nil, "X-Subject-Token", text)
	if roles, _ := shown.at("token", "roles").([]any); len(roles) != 1 || shown.at("token", "project", "id") != m.project ||
		shown.at("token", "application_credential", "restricted") != true {
		t.Error(shown.text)
	}
	if list := c.must(200, "GET", path, scoped, nil); strings.Contains(list.text, "secret") || len(list.names("application_credentials")) != 1 {
		t.Error(list.text)
	}
	// Nothing stronger comes out of it.
	c.must(403, "POST", path, text, object{"application_credential": object{"name": "more"}})
	c.must(403, "DELETE", path+"/"+made.id("application_credential"), text, nil)
	c.must(401, "POST", "/v3/auth/tokens", "", tokenAuth(text, "unscoped"))
	c.must(401, "POST", "/v3/auth/tokens", "", tokenAuth(text, onSystem()))
	again := c.must(201, "POST", "/v3/auth/tokens", "", tokenAuth(text, nil))
	if roles, _ := again.at("token", "roles").([]any); len(roles) != 1 {
		t.Error(again.text)
	}
	// An unrestricted one makes others, but not with more roles, and not past access rules.
	free := c.login(login(c.must(201, "POST", path, scoped, object{"application_credential": object{"name": "free", "unrestricted": true, "roles": []object{{"name": "reader"}}}})))
	c.must(400, "POST", path, free, object{"application_credential": object{"name": "x", "roles": []object{{"name": "member"}}}})
	c.must(201, "POST", path, free, object{"application_credential": object{"name": "child"}})
	ruled := c.login(login(c.must(201, "POST", path, scoped, object{"application_credential": object{
		"name": "ruled", "unrestricted": true, "access_rules": []object{{"service": "identity", "method": "POST", "path": "/v3/users/**"}},
	}})))
	c.must(403, "POST", path, ruled, object{"application_credential": object{"name": "unruled"}})
	c.must(401, "GET", "/v3/auth/projects", ruled, nil)
	c.must(403, "POST", path, c.login(m.byID(nil)), object{"application_credential": object{"name": "unscoped"}})
	c.must(403, "POST", path, m.admin, object{"application_credential": object{"name": "foreign"}})
	c.must(409, "POST", path, scoped, object{"application_credential": object{"name": "ci"}})
	c.must(400, "POST", path, scoped, object{"application_credential": object{"name": "old", "expires_at": "2001-01-01T00:00:00"}})
	c.must(204, "DELETE", path+"/"+made.id("application_credential"), scoped, nil)
	if c.standing(text) {
		t.Error("a token of a deleted credential stands")
	}
	c.must(401, "POST", "/v3/auth/tokens", "", login(made))
}

func TestCatalogFollowsItsChanges(t *testing.T) {
	c := newCloud(t)
	admin := c.admin()
	service := c.must(201, "POST", "/v3/services", admin, object{"service": object{"type": "object-store", "name": "swift"}}).id("service")
	endpoint := c.must(201, "POST", "/v3/endpoints", admin, object{"endpoint": object{
		"service_id": service, "interface": "public", "region": "RegionTwo", "url": "http://x/AUTH_$(project_id)s",
	}}).id("endpoint")
	project := c.must(200, "GET", "/v3/projects?name=admin", admin, nil).at("projects", 0, "id").(string)
	shown := c.must(200, "GET", "/v3/auth/catalog", admin, nil)
	if !strings.Contains(shown.text, "http://x/AUTH_"+project) {
		t.Error(shown.text)
	}
	system := c.login(passwordAuth("admin", adminPassword, onSystem()))
	if a := c.must(200, "GET", "/v3/auth/tokens", system, nil, "X-Subject-Token", system); strings.Contains(a.text, "AUTH_") {
		t.Error("an endpoint that needs a project is shown without one")
	}
	c.must(403, "GET", "/v3/auth/catalog", system, nil)
	if a := c.must(200, "GET", "/v3/auth/tokens?nocatalog", admin, nil, "X-Subject-Token", admin); a.at("token", "catalog") != nil {
		t.Error(a.text)
	}
	c.must(200, "PATCH", "/v3/endpoints/"+endpoint, admin, object{"endpoint": object{"enabled": false}})
	if a := c.must(200, "GET", "/v3/auth/catalog", admin, nil); strings.Contains(a.text, "AUTH_") {
		t.Error(a.text)
	}
	c.must(204, "DELETE", "/v3/services/"+service, admin, nil)
	c.must(404, "GET", "/v3/endpoints/"+endpoint, admin, nil)
	c.must(204, "DELETE", "/v3/regions/RegionTwo", admin, nil)
}

func TestWhatATokenCanDo(t *testing.T) {
	c := newCloud(t)
	m := newMember(c)
	if a := c.must(200, "GET", "/v3/auth/projects", m.unscoped, nil); strings.Join(a.names("projects"), " ") != "work" {
		t.Error(a.text)
	}
	if a := c.must(200, "GET", "/v3/auth/domains", m.admin, nil); strings.Join(a.names("domains"), " ") != "Default" {
		t.Error(a.text)
	}
	if a := c.must(200, "GET", "/v3/auth/system", m.admin, nil); a.at("system", 0, "all") != true {
		t.Error(a.text)
	}
	c.must(200, "GET", "/v3/users/"+m.user, m.unscoped, nil)
	c.must(200, "GET", "/v3/users/"+m.user+"/projects", m.unscoped, nil)
	if a := c.must(200, "GET", "/v3/users/"+m.user+"/groups", m.unscoped, nil); strings.Join(a.names("groups"), " ") != "crew" {
		t.Error(a.text)
	}
	c.must(403, "PATCH", "/v3/users/"+m.user, m.scoped, object{"user": object{"name": "root"}})
	// The default project is the scope where none is asked for, unless it cannot be used.
	c.must(200, "PATCH", "/v3/users/"+m.user, m.admin, object{"user": object{"default_project_id": m.project}})
	if a := c.must(201, "POST", "/v3/auth/tokens", "", m.byID(nil)); a.at("token", "project", "id") != m.project {
		t.Error(a.text)
	}
	c.must(200, "PATCH", "/v3/projects/"+m.project, m.admin, object{"project": object{"enabled": false}})
	if a := c.must(201, "POST", "/v3/auth/tokens", "", m.byID(nil)); a.at("token", "project") != nil {
		t.Error(a.text)
	}
}
