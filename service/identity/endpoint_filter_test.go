package identity_test

import (
	"fmt"
	"strings"
	"testing"
)

// urls are the URLs of the catalog of a token.
func (c *cloud) urls(text string) []string {
	c.t.Helper()
	var urls []string
	catalog, _ := c.must(200, "GET", "/v3/auth/catalog", text, nil).at("catalog").([]any)
	for _, service := range catalog {
		for _, endpoint := range service.(object)["endpoints"].([]any) {
			urls = append(urls, fmt.Sprint(endpoint.(object)["url"]))
		}
	}
	return urls
}

func TestCatalogsShowWhatTheirProjectSees(t *testing.T) {
	c := newCloud(t)
	m, other := newOwner(c), newOwner(c)
	admin := c.admin()
	all := len(c.urls(m.scoped))
	compute := fmt.Sprint(c.must(200, "GET", "/v3/services?type=compute", admin, nil).at("services", 0, "id"))
	endpoint := fmt.Sprint(c.must(200, "GET", "/v3/endpoints?service_id="+compute, admin, nil).at("endpoints", 0, "id"))
	single := "/v3/OS-EP-FILTER/projects/" + m.project + "/endpoints/" + endpoint
	c.must(404, "GET", single, admin, nil)
	c.must(403, "PUT", single, m.scoped, nil)
	c.must(404, "PUT", "/v3/OS-EP-FILTER/projects/"+m.project+"/endpoints/nothing", admin, nil)
	c.must(204, "PUT", single, admin, nil)
	c.must(204, "PUT", single, admin, nil)
	c.must(204, "HEAD", single, admin, nil)
	if got := c.urls(m.scoped); len(got) != 1 || !strings.Contains(got[0], "compute") {
		t.Errorf("the project sees %v", got)
	}
	if got := c.urls(other.scoped); len(got) != all {
		t.Errorf("another project sees %v", got)
	}
	if got := c.must(200, "GET", "/v3/OS-EP-FILTER/endpoints/"+endpoint+"/projects", admin, nil); got.at("projects", 0, "id") != m.project {
		t.Errorf("projects of the endpoint: %s", got.text)
	}

	group := c.must(201, "POST", "/v3/OS-EP-FILTER/endpoint_groups", admin,
		object{"endpoint_group": object{"name": "inner", "filters": object{"interface": "internal"}}}).id("endpoint_group")
	path := "/v3/OS-EP-FILTER/endpoint_groups/" + group
	c.must(204, "PUT", path+"/projects/"+m.project, admin, nil)
	if got := c.urls(m.scoped); len(got) != 2 {
		t.Errorf("with the group the project sees %v", got)
	}
	if got := c.must(200, "GET", "/v3/OS-EP-FILTER/projects/"+m.project+"/endpoints", admin, nil); len(got.at("endpoints").([]any)) != 2 {
		t.Errorf("endpoints of the project: %s", got.text)
	}
	if got := c.must(200, "GET", "/v3/OS-EP-FILTER/projects/"+m.project+"/endpoint_groups", admin, nil); got.at("endpoint_groups", 0, "id") != group {
		t.Errorf("groups of the project: %s", got.text)
	}
	if got := c.must(200, "GET", path+"/endpoints", admin, nil); len(got.at("endpoints").([]any)) != 1 {
		t.Errorf("endpoints of the group: %s", got.text)
	}
	if got := c.must(200, "GET", path+"/projects", admin, nil); got.at("projects", 0, "id") != m.project {
		t.Errorf("projects of the group: %s", got.text)
	}
	c.must(200, "PATCH", path, admin, object{"endpoint_group": object{"filters": object{"interface": "internal", "enabled": false}}})
	if got := c.urls(m.scoped); len(got) != 1 {
		t.Errorf("with a group of none the project sees %v", got)
	}
	c.must(204, "DELETE", path, admin, nil)
	c.must(404, "GET", path, admin, nil)
	c.must(204, "DELETE", single, admin, nil)
	c.must(404, "DELETE", single, admin, nil)
	if got := c.urls(m.scoped); len(got) != all {
		t.Errorf("without associations the project sees %v", got)
	}
	c.must(204, "PUT", single, admin, nil)
	c.must(204, "DELETE", "/v3/endpoints/"+endpoint, admin, nil)
	if got := c.urls(m.scoped); len(got) != all-1 {
		t.Errorf("without the endpoint the project sees %v", got)
	}
	for name, wrong := range map[string]object{
		"no filters": {"name": "x", "filters": object{}}, "odd filter": {"name": "x", "filters": object{"url": "x"}}, "no name": {"filters": object{"interface": "public"}},
		"odd interface": {"name": "x", "filters": object{"interface": "outer"}},
	} {
		if got := c.do("POST", "/v3/OS-EP-FILTER/endpoint_groups", admin, object{"endpoint_group": wrong}); got.status != 400 {
			t.Errorf("%s: %d %s", name, got.status, got.text)
		}
	}
}

func TestPoliciesAreForEndpoints(t *testing.T) {
	c := newCloud(t)
	admin := c.admin()
	policy := func(blob string) string {
		return c.must(201, "POST", "/v3/policies", admin, object{"policy": object{"type": "application/json", "blob": blob, "owner": "me"}}).id("policy")
	}
	compute := fmt.Sprint(c.must(200, "GET", "/v3/services?type=compute", admin, nil).at("services", 0, "id"))
	endpoint := fmt.Sprint(c.must(200, "GET", "/v3/endpoints?service_id="+compute, admin, nil).at("endpoints", 0, "id"))
	of := "/v3/endpoints/" + endpoint + "/OS-ENDPOINT-POLICY/policy"
	c.must(404, "GET", of, admin, nil)
	for _, place := range []string{"/services/" + compute, "/services/" + compute + "/regions/RegionOne", "/endpoints/" + endpoint} {
		id := policy(place)
		path := "/v3/policies/" + id + "/OS-ENDPOINT-POLICY"
		c.must(404, "GET", path+place, admin, nil)
		c.must(204, "PUT", path+place, admin, nil)
		c.must(204, "GET", path+place, admin, nil)
		if got := c.must(200, "GET", of, admin, nil); got.id("policy") != id || got.at("policy", "blob") != place || got.at("policy", "owner") != "me" {
			t.Errorf("for %s: %s", place, got.text)
		}
		if got := c.must(200, "GET", path+"/endpoints", admin, nil); got.at("endpoints", 0, "id") != endpoint {
			t.Errorf("endpoints: %s", got.text)
		}
	}
	last := fmt.Sprint(c.must(200, "GET", of, admin, nil).at("policy", "id"))
	c.must(404, "PUT", "/v3/policies/"+last+"/OS-ENDPOINT-POLICY/endpoints/nothing", admin, nil)
	c.must(200, "PATCH", "/v3/policies/"+last, admin, object{"policy": object{"blob": "changed"}})
	c.must(204, "DELETE", "/v3/policies/"+last+"/OS-ENDPOINT-POLICY/endpoints/"+endpoint, admin, nil)
	if got := c.must(200, "GET", of, admin, nil); got.id("policy") == last {
		t.Errorf("still %s", got.text)
	}
	for _, one := range c.must(200, "GET", "/v3/policies", admin, nil).at("policies").([]any) {
		c.must(204, "DELETE", "/v3/policies/"+fmt.Sprint(one.(object)["id"]), admin, nil)
	}
	c.must(404, "GET", of, admin, nil)
	c.must(400, "POST", "/v3/policies", admin, object{"policy": object{"type": "x"}})
}

func TestDomainsHaveConfigurations(t *testing.T) {
	c := newCloud(t)
	admin := c.admin()
	m := newOwner(c)
	domain := c.must(201, "POST", "/v3/domains", admin, object{"domain": object{"name": "d"}}).id("domain")
	path := "/v3/domains/" + domain + "/config"
	config := func(groups object) object { return object{"config": groups} }
	full := object{"identity": object{"driver": "ldap"}, "ldap": object{"url": "ldap://x", "password": "hush"}}
	c.must(404, "GET", path, admin, nil)
	c.must(403, "PUT", path, m.scoped, config(full))
	if got := c.must(201, "PUT", path, admin, config(full)); got.at("config", "ldap", "url") != "ldap://x" || strings.Contains(got.text, "hush") {
		t.Errorf("set %s", got.text)
	}
	c.must(200, "PUT", path, admin, config(full))
	c.must(404, "GET", path+"/ldap/password", admin, nil)
	if got := c.must(200, "GET", path+"/ldap/url", admin, nil); got.at("config", "url") != "ldap://x" {
		t.Errorf("an option: %s", got.text)
	}
	if got := c.must(200, "PATCH", path+"/identity/driver", admin, config(object{"driver": "sql"})); got.at("config", "identity", "driver") != "sql" {
		t.Errorf("changed %s", got.text)
	}
	c.must(404, "PATCH", path+"/identity/list_limit", admin, config(object{"list_limit": 7}))
	c.must(200, "PATCH", path+"/ldap", admin, config(object{"ldap": object{"suffix": "dc=x"}}))
	for name, wrong := range map[string]struct{ path string }{"group": {path + "/nothing"}, "option": {path + "/ldap/nothing"}} {
		if got := c.do("GET", wrong.path, admin, nil); got.status != 403 {
			t.Errorf("%s: %d %s", name, got.status, got.text)
		}
	}
	for name, wrong := range map[string]object{"nothing": {}, "odd group": {"x": object{"y": 1}}, "odd option": {"ldap": object{"y": 1}}, "empty": {"ldap": object{}}} {
		if got := c.do("PATCH", path, admin, config(wrong)); got.status != 403 {
			t.Errorf("%s: %d %s", name, got.status, got.text)
		}
	}
	c.must(403, "PATCH", path+"/ldap", admin, config(object{"identity": object{"driver": "sql"}}))
	c.must(400, "PATCH", path, admin, object{"config": "x"})
	c.must(400, "PATCH", path, admin, object{"config": object{"ldap": "x"}})
	c.must(204, "DELETE", path+"/ldap/url", admin, nil)
	c.must(404, "GET", path+"/ldap/url", admin, nil)
	c.must(204, "DELETE", path+"/ldap", admin, nil)
	c.must(204, "DELETE", path, admin, nil)
	c.must(404, "DELETE", path, admin, nil)
	for _, part := range []string{"/v3/domains/config/default", "/v3/domains/config/ldap/default", "/v3/domains/config/identity/driver/default"} {
		c.must(200, "GET", part, admin, nil)
	}
	c.must(403, "GET", "/v3/domains/config/nothing/default", admin, nil)
}
