package identity_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"virga/core/db"
)

// page is how many resources a list shows at most.
const page = 10_000

// fill puts page+1 rows into a table: values has an expression of SQL for each column, in which N is
// a number of five digits.
func (c *cloud) fill(table, values string) {
	c.t.Helper()
	var columns, expressions []string
	for _, part := range strings.Split(values, "; ") {
		column, expression, _ := strings.Cut(part, " = ")
		columns, expressions = append(columns, column), append(expressions, expression)
	}
	const digits = "(SELECT 0 AS d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5" +
		" UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)"
	text := "INSERT INTO " + table + " (" + strings.Join(columns, ", ") + ") SELECT " + strings.Join(expressions, ", ") +
		" FROM (SELECT CONCAT(10000 + a.d + 10 * b.d + 100 * c.d + 1000 * e.d, '') AS N FROM " +
		digits + " a, " + digits + " b, " + digits + " c, " + digits + " e UNION ALL SELECT '20000') AS numbers"
	if err := c.db.Write(c.t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(text)
		return err
	}); err != nil {
		c.t.Fatalf("fill %s: %v", table, err)
	}
}

// crowd is a cloud with more of everything than a list shows, and somebody who sees it all.
func crowd(t *testing.T) (c *cloud, m *member) {
	t.Helper()
	c = newCloud(t)
	m = newOwner(c)
	mine := "user_id = '" + m.user + "'"
	role := "role_id = '" + m.role + "'"
	c.fill("users", "id = CONCAT('u', N); name = CONCAT('user ', N); domain_id = 'default'; enabled = 1; default_project_id = ''; password_hash = '';"+
		" valid_after = 0; options = '{}'; extra = '{}'")
	c.fill("projects", "id = CONCAT('p', N); name = CONCAT('project ', N); domain_id = 'default'; parent_id = 'default'; is_domain = 0; enabled = 1;"+
		" description = ''; options = '{}'; extra = '{}'")
	c.fill("projects", "id = CONCAT('d', N); name = CONCAT('domain ', N); domain_id = ''; parent_id = ''; is_domain = 1; enabled = 1;"+
		" description = ''; options = '{}'; extra = '{}'")
	c.fill("identity_groups", "id = CONCAT('g', N); name = CONCAT('group ', N); domain_id = 'default'; description = ''; extra = '{}'")
	c.fill("memberships", mine+"; group_id = CONCAT('g', N)")
	c.fill("memberships", "user_id = CONCAT('u', N); group_id = 'g10000'")
	c.fill("roles", "id = CONCAT('r', N); name = CONCAT('role ', N); domain_id = ''; description = ''; options = '{}'; extra = '{}'")
	c.fill("assignments", "actor_type = 'user'; actor_id = '"+m.user+"'; target_type = 'project'; target_id = CONCAT('p', N); "+role+"; inherited = 0")
	c.fill("assignments", "actor_type = 'user'; actor_id = '"+m.user+"'; target_type = 'domain'; target_id = CONCAT('d', N); "+role+"; inherited = 0")
	c.fill("assignments", "actor_type = 'user'; actor_id = '"+m.user+"'; target_type = 'project'; target_id = '"+m.project+"'; role_id = CONCAT('r', N); inherited = 0")
	c.fill("regions", "id = CONCAT('region ', N); description = ''; parent_region_id = ''; extra = '{}'")
	c.fill("services", "id = CONCAT('s', N); name = ''; type = 'many'; enabled = 0; description = ''; extra = '{}'")
	c.fill("endpoints", "id = CONCAT('e', N); service_id = 's10000'; region_id = 'RegionOne'; interface = 'public'; url = 'http://x'; enabled = 0; name = ''; extra = '{}'")
	c.fill("application_credentials", "id = CONCAT('a', N); name = CONCAT('credential ', N); "+mine+"; project_id = '"+m.project+"'; description = '';"+
		" secret_hash = ''; expires = 0; unrestricted = 0; roles = '[]'; access_rules = '[]'")
	sealed := "'" + c.vault.Seal([]byte("{}"), "credential x") + "'"
	c.fill("credentials", "id = CONCAT('c', N); type = 'cert'; "+mine+"; project_id = ''; blob_sealed = "+sealed+"; access_hash = ''; trust_id = '';"+
		" app_cred_id = ''; used_step = 0; extra = '{}'")
	c.fill("trusts", "id = CONCAT('t', N); trustor_id = '"+m.user+"'; trustee_id = '"+m.user+"'; root_trustor_id = ''; project_id = '"+m.project+"';"+
		" impersonation = 0; expires = 0; remaining_uses = 0; redelegation_count = 0; redelegated_trust_id = ''; roles = '[]'; extra = '{}'")
	c.fill("access_rules", "id = CONCAT('ar', N); "+mine+"; service = 'x'; method = 'GET'; path = CONCAT('/', N)")
	c.fill("endpoint_groups", "id = CONCAT('eg', N); name = CONCAT('group ', N); description = ''; filters = '{}'")
	c.fill("project_endpoints", "project_id = CONCAT('p', N); endpoint_id = 'e10000'")
	c.fill("project_endpoint_groups", "project_id = '"+m.project+"'; endpoint_group_id = CONCAT('eg', N)")
	c.fill("policies", "id = CONCAT('po', N); type = 'x'; blob_text = '{}'; extra = '{}'")
	c.fill("registered_limits", "id = CONCAT('rl', N); service_id = 's10000'; region_id = ''; resource_name = CONCAT('thing ', N); default_limit = 1; description = ''")
	c.fill("limits", "id = CONCAT('l', N); registered_limit_id = CONCAT('rl', N); project_id = '"+m.project+"'; domain_id = ''; resource_limit = 1; description = ''")
	c.fill("consumers", "id = CONCAT('co', N); description = ''; secret_sealed = ''; extra = '{}'")
	return c, m
}

// TestListsAreBounded asks for lists of which there is more than one answer holds: each says so,
// and those with pages are walked to their end.
func TestListsAreBounded(t *testing.T) {
	c, m := crowd(t)
	t.Run("without pages", func(t *testing.T) { listsWithoutPages(t, c, m) })
	admin := c.login(passwordAuth("admin", adminPassword, onSystem()))
	for path, name := range map[string]string{
		"/v3/users": "users", "/v3/projects": "projects", "/v3/domains": "domains", "/v3/groups": "groups", "/v3/roles": "roles",
		"/v3/regions": "regions", "/v3/services": "services", "/v3/endpoints": "endpoints", "/v3/policies": "policies",
		"/v3/OS-EP-FILTER/endpoint_groups": "endpoint_groups", "/v3/registered_limits": "registered_limits", "/v3/limits": "limits",
		"/v3/OS-OAUTH1/consumers": "consumers", "/v3/groups/g10000/users": "users", "/v3/users/" + m.user + "/groups": "groups",
		"/v3/users/" + m.user + "/application_credentials": "application_credentials", "/v3/users/" + m.user + "/access_rules": "access_rules",
		"/v3/OS-TRUST/trusts": "trusts",
	} {
		first := c.listed(path, admin, name)
		next, _ := first.at("links", "next").(string)
		if len(first.at(name).([]any)) != page || first.at("truncated") != true || next == "" {
			t.Errorf("%s: %d, truncated %v, next %q", path, len(first.at(name).([]any)), first.at("truncated"), next)
			continue
		}
		last := c.listed(strings.TrimPrefix(next, "http://cloud/identity"), admin, name)
		if n := len(last.at(name).([]any)); n == 0 || n > 10 || last.at("truncated") != nil || last.at("links", "next") != nil {
			t.Errorf("%s: the last page has %d, truncated %v", path, n, last.at("truncated"))
		}
		if seen := distinctIDs(first.at(name), last.at(name)); seen != len(first.at(name).([]any))+len(last.at(name).([]any)) {
			t.Errorf("%s: a resource is on two pages", path)
		}
	}
}

// listsWithoutPages asks for those that keystone does not page, either.
func listsWithoutPages(t *testing.T, c *cloud, m *member) {
	t.Helper()
	admin := c.login(passwordAuth("admin", adminPassword, onSystem()))
	mine := c.login(m.byID(nil))
	for _, one := range []struct{ path, name, who string }{
		{"/v3/role_assignments", "role_assignments", admin}, {"/v3/role_assignments?effective", "role_assignments", admin},
		{"/v3/role_assignments?include_names&user.id=" + m.user, "role_assignments", admin},
		{"/v3/auth/projects", "projects", mine}, {"/v3/auth/domains", "domains", mine}, {"/v3/users/" + m.user + "/projects", "projects", admin},
		{"/v3/projects/" + m.project + "/users/" + m.user + "/roles", "roles", admin},
		{"/v3/OS-EP-FILTER/endpoints/e10000/projects", "projects", admin},
		{"/v3/OS-EP-FILTER/projects/" + m.project + "/endpoint_groups", "endpoint_groups", admin},
	} {
		got := c.listed(one.path, one.who, one.name)
		if n := len(got.at(one.name).([]any)); n != page || got.at("truncated") != true {
			t.Errorf("%s: %d, truncated %v", one.path, n, got.at("truncated"))
		}
	}
	// What is asked for by role is found, however many assignments there are of other roles.
	got := c.listed("/v3/role_assignments?effective&role.id=r17654", admin, "role_assignments")
	if n := len(got.at("role_assignments").([]any)); n != 1 || got.at("truncated") != nil {
		t.Errorf("of one role there are %d, truncated %v", n, got.at("truncated"))
	}
}

// TestUsersByTheEndOfTheirPasswords asks for users whose passwords end before or after a time.
func TestUsersByTheEndOfTheirPasswords(t *testing.T) {
	c := newCloud(t)
	c.rules.ExpiresAfter = 30 * 24 * time.Hour
	c.restart()
	admin := c.admin()
	c.must(201, "POST", "/v3/users", admin, object{"user": object{"name": "early", "password": "pass word"}})
	c.clock.Advance(10 * time.Minute)
	c.must(201, "POST", "/v3/users", admin, object{"user": object{"name": "late", "password": "pass word"}})
	c.must(201, "POST", "/v3/users", admin, object{"user": object{"name": "never"}})
	between := c.clock.Now().Add(30*24*time.Hour - 5*time.Minute).Format(time.RFC3339)
	for query, want := range map[string]string{"lt:" + between: "early", "lte:" + between: "early", "gt:" + between: "late", "gte:" + between: "late",
		"neq:" + between: "early late", between: "", "eq:" + between: ""} {
		got := c.must(200, "GET", "/v3/users?sort_key=name&name__endswith=e&password_expires_at="+query, admin, nil).names("users")
		got = append(c.must(200, "GET", "/v3/users?name=early&password_expires_at="+query, admin, nil).names("users"), got...)
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	for _, query := range []string{"xx:" + between, "lt:yesterday", "lt:", ""} {
		c.must(400, "GET", "/v3/users?password_expires_at="+query, admin, nil)
	}
}

// listed asks for a list.
func (c *cloud) listed(path, token, name string) answer {
	c.t.Helper()
	got := c.must(200, "GET", strings.ReplaceAll(path, " ", "%20"), token, nil)
	if _, ok := got.at(name).([]any); !ok {
		c.t.Fatalf("%s: no list of %s in %.200s", path, name, got.text)
	}
	return got
}

func distinctIDs(lists ...any) int {
	seen := map[string]bool{}
	for _, list := range lists {
		for _, one := range list.([]any) {
			seen[fmt.Sprint(one.(map[string]any)["id"])] = true
		}
	}
	return len(seen)
}
