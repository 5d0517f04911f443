package identity_test

import (
	"fmt"
	"testing"
)

func TestAccessRulesAreKeptForTheirUser(t *testing.T) {
	c := newCloud(t)
	m, other := newOwner(c), newOwner(c)
	rules := "/v3/users/" + m.user + "/access_rules"
	make := func(name string, rule object) answer {
		return c.do("POST", "/v3/users/"+m.user+"/application_credentials", m.scoped, object{"application_credential": object{"name": name, "access_rules": []object{rule}}})
	}
	ips := object{"service": "compute", "method": "GET", "path": "/v2.1/servers/*/ips"}
	first := make("one", ips)
	id := fmt.Sprint(first.at("application_credential", "access_rules", 0, "id"))
	if again := make("two", ips); again.at("application_credential", "access_rules", 0, "id") != id {
		t.Errorf("a rule that says the same is another: %s", again.text)
	}
	if named := make("three", object{"id": id}); named.at("application_credential", "access_rules", 0, "path") != ips["path"] {
		t.Errorf("named by its id: %s", named.text)
	}
	if got := c.must(200, "GET", rules, m.scoped, nil); len(got.at("access_rules").([]any)) != 1 {
		t.Errorf("listed %s", got.text)
	}
	c.must(200, "GET", rules+"/"+id, m.scoped, nil)
	c.must(403, "GET", rules, other.scoped, nil)
	c.must(403, "GET", rules+"/"+id, other.scoped, nil)
	c.must(404, "GET", "/v3/users/"+other.user+"/access_rules/"+id, other.scoped, nil)
	for name, wrong := range map[string]object{"nothing": {}, "half": {"service": "compute", "path": "/"}, "odd method": {"service": "x", "path": "/", "method": "LOOK"}} {
		if got := make(name, wrong); got.status != 400 {
			t.Errorf("%s: %d %s", name, got.status, got.text)
		}
	}
	if got := c.do("POST", "/v3/users/"+other.user+"/application_credentials", other.scoped,
		object{"application_credential": object{"name": "x", "access_rules": []object{{"id": id}}}}); got.status != 404 {
		t.Errorf("another's rule: %d %s", got.status, got.text)
	}
	c.must(403, "DELETE", rules+"/"+id, m.scoped, nil)
	for _, one := range c.must(200, "GET", "/v3/users/"+m.user+"/application_credentials", m.scoped, nil).at("application_credentials").([]any) {
		c.must(204, "DELETE", "/v3/users/"+m.user+"/application_credentials/"+fmt.Sprint(one.(object)["id"]), m.scoped, nil)
	}
	c.must(204, "DELETE", rules+"/"+id, m.scoped, nil)
	c.must(404, "DELETE", rules+"/"+id, m.scoped, nil)
}
