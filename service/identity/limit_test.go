package identity_test

import (
	"fmt"
	"testing"
)

func TestLimitsAreForWhatIsRegistered(t *testing.T) {
	c := newCloud(t)
	admin := c.admin()
	m, other := newOwner(c), newOwner(c)
	compute := fmt.Sprint(c.must(200, "GET", "/v3/services?type=compute", admin, nil).at("services", 0, "id"))
	cores := object{"service_id": compute, "resource_name": "cores", "default_limit": 10}
	register := func(limits ...object) answer {
		return c.do("POST", "/v3/registered_limits", admin, object{"registered_limits": limits})
	}
	limit := func(of object) answer { return c.do("POST", "/v3/limits", admin, object{"limits": []object{of}}) }
	own := func(project string, more object) object {
		body := object{"service_id": compute, "resource_name": "cores", "resource_limit": 5, "project_id": project}
		for key, value := range more {
			body[key] = value
		}
		return body
	}
	if got := limit(own(m.project, nil)); got.status != 403 {
		t.Errorf("of nothing registered: %s", got.text)
	}
	made := register(cores, object{"service_id": compute, "region_id": "RegionOne", "resource_name": "cores", "default_limit": -1, "description": "d"})
	if made.status != 201 || len(made.at("registered_limits").([]any)) != 2 {
		t.Fatalf("registered %d %s", made.status, made.text)
	}
	if got := register(object{"service_id": compute, "resource_name": "new", "default_limit": 1}, cores); got.status != 409 {
		t.Errorf("twice: %s", got.text)
	}
	if got := c.must(200, "GET", "/v3/registered_limits?resource_name=new", m.scoped, nil); len(got.at("registered_limits").([]any)) != 0 {
		t.Errorf("half of a list was made: %s", got.text)
	}
	registered := "/v3/registered_limits/" + fmt.Sprint(made.at("registered_limits", 0, "id"))
	got := limit(own(m.project, nil))
	if got.status != 201 {
		t.Fatalf("a limit: %s", got.text)
	}
	path := "/v3/limits/" + fmt.Sprint(got.at("limits", 0, "id"))
	if again := limit(own(m.project, nil)); again.status != 409 {
		t.Errorf("twice: %s", again.text)
	}
	if of := limit(own("", object{"project_id": nil, "domain_id": "default"})); of.status != 201 {
		t.Errorf("of a domain: %s", of.text)
	}
	for name, wrong := range map[string]object{
		"both": {"domain_id": "default"}, "neither": {"project_id": nil}, "no such project": {"project_id": "nothing"}, "a number of text": {"resource_limit": "many"},
		"too few": {"resource_limit": -2}, "unknown": {"colour": "red"},
	} {
		if got := limit(own(other.project, wrong)); got.status != 400 {
			t.Errorf("%s: %d %s", name, got.status, got.text)
		}
	}
	if got := c.must(200, "GET", "/v3/limits", m.scoped, nil); len(got.at("limits").([]any)) != 1 || got.at("limits", 0, "resource_name") != "cores" {
		t.Errorf("the member sees %s", got.text)
	}
	if got := c.must(200, "GET", "/v3/limits", other.scoped, nil); len(got.at("limits").([]any)) != 0 {
		t.Errorf("another sees %s", got.text)
	}
	if got := c.must(200, "GET", "/v3/limits?limit=1", admin, nil); len(got.at("limits").([]any)) != 1 || got.at("links", "next") == nil {
		t.Errorf("a page of the administrator's: %s", got.text)
	}
	c.must(200, "GET", path, m.scoped, nil)
	c.must(403, "GET", path, other.scoped, nil)
	c.must(403, "PATCH", path, m.scoped, object{"limit": object{"resource_limit": 100}})
	if got := c.must(200, "PATCH", path, admin, object{"limit": object{"resource_limit": 7}}); got.at("limit", "resource_limit") != 7.0 {
		t.Errorf("changed %s", got.text)
	}
	c.must(403, "DELETE", registered, admin, nil)
	c.must(403, "PATCH", registered, admin, object{"registered_limit": object{"resource_name": "ram"}})
	c.must(200, "PATCH", registered, admin, object{"registered_limit": object{"default_limit": 20}})
	c.must(204, "DELETE", path, admin, nil)
	for _, one := range c.must(200, "GET", "/v3/limits", admin, nil).at("limits").([]any) {
		c.must(204, "DELETE", "/v3/limits/"+fmt.Sprint(one.(object)["id"]), admin, nil)
	}
	c.must(204, "DELETE", registered, admin, nil)
	c.must(404, "GET", registered, m.scoped, nil)
	c.must(200, "GET", "/v3/limits/model", m.scoped, nil)
	c.must(204, "DELETE", "/v3/services/"+compute, admin, nil)
	if got := c.must(200, "GET", "/v3/registered_limits", admin, nil); len(got.at("registered_limits").([]any)) != 0 {
		t.Errorf("of a service that is gone: %s", got.text)
	}
}
