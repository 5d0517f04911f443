package identity_test

import (
	"encoding/base32"
	"strings"
	"testing"
)

// TestADelegationLeavesNothingBehind has the bearer of a token of a trust, which acts as the trustor, and of one of an
// application credential try to make or see what outlives their token or lies beyond its project.
func TestADelegationLeavesNothingBehind(t *testing.T) {
	c := newCloud(t)
	p := newTrustees(c)
	owner := p.trustor
	users := "/v3/users/" + owner.user
	made := c.must(201, "POST", users+"/application_credentials", owner.scoped, object{"application_credential": object{
		"name": "free", "unrestricted": true, "secret": "s"}})
	application := c.login(object{"auth": object{"identity": object{"methods": []string{"application_credential"},
		"application_credential": object{"id": made.id("application_credential"), "secret": "s"}}}})
	id := c.must(201, "POST", "/v3/OS-TRUST/trusts", owner.scoped, p.body(object{"impersonation": true})).id("trust")
	trust := c.login(p.trustee.byID(onTrust(id)))

	other := c.must(201, "POST", "/v3/projects", owner.admin, object{"project": object{"name": "other"}}).id("project")
	seed := base32.StdEncoding.EncodeToString([]byte(strings.Repeat("s", 20)))
	totp := object{"credential": object{"type": "totp", "user_id": owner.user, "blob": seed}}
	ofUser := c.must(201, "POST", "/v3/credentials", owner.scoped, totp).id("credential")
	ofOther := c.must(201, "POST", "/v3/credentials", owner.scoped, object{"credential": object{"type": "cert", "blob": "x", "project_id": other}}).id("credential")
	pair := c.must(201, "POST", users+"/credentials/OS-EC2", owner.scoped, object{"tenant_id": other})
	access, _ := pair.at("credential", "access").(string)
	c.must(201, "POST", users+"/application_credentials", owner.scoped, object{"application_credential": object{
		"name": "ruled", "access_rules": []object{{"service": "compute", "method": "GET", "path": "/v2.1/servers"}}}})
	rules := c.must(200, "GET", users+"/access_rules", owner.scoped, nil)
	rule, _ := rules.at("access_rules", 0, "id").(string)

	for name, text := range map[string]string{"trust": trust, "application credential": application} {
		mine := c.must(201, "POST", "/v3/credentials", text, object{"credential": object{"type": "cert", "blob": name, "project_id": owner.project}}).id("credential")
		for _, request := range []struct {
			method, path string
			body         any
		}{
			{"POST", "/v3/credentials", totp},
			{"POST", "/v3/credentials", object{"credential": object{"type": "cert", "blob": "x", "project_id": other}}},
			{"GET", "/v3/credentials/" + ofUser, nil}, {"DELETE", "/v3/credentials/" + ofUser, nil},
			{"PATCH", "/v3/credentials/" + ofUser, object{"credential": object{"blob": seed}}}, {"GET", "/v3/credentials/" + ofOther, nil},
			{"PATCH", "/v3/credentials/" + mine, object{"credential": object{"project_id": other}}},
			{"GET", users + "/credentials/OS-EC2/" + access, nil}, {"DELETE", users + "/credentials/OS-EC2/" + access, nil},
			{"POST", users + "/credentials/OS-EC2", object{"tenant_id": other}},
		} {
			if got := c.do(request.method, request.path, text, request.body); got.status != 403 {
				t.Errorf("%s: %s %s: %d %s", name, request.method, request.path, got.status, got.text)
			}
		}
		if got := c.must(200, "GET", "/v3/credentials", text, nil); strings.Contains(got.text, ofUser) || strings.Contains(got.text, ofOther) || !strings.Contains(got.text, mine) {
			t.Errorf("%s sees %s", name, got.text)
		}
		if got := c.must(200, "GET", users+"/credentials/OS-EC2", text, nil); strings.Contains(got.text, access) {
			t.Errorf("%s sees %s", name, got.text)
		}
		c.must(204, "DELETE", "/v3/credentials/"+mine, text, nil)
	}
	credential := users + "/application_credentials/" + made.id("application_credential")
	for _, request := range [][2]string{{"GET", users + "/application_credentials"}, {"GET", credential}, {"DELETE", credential},
		{"GET", users + "/access_rules"}, {"GET", users + "/access_rules/" + rule}, {"DELETE", users + "/access_rules/" + rule}} {
		if got := c.do(request[0], request[1], trust, nil); got.status != 403 {
			t.Errorf("trust: %s %s: %d %s", request[0], request[1], got.status, got.text)
		}
	}
	c.must(403, "POST", users+"/application_credentials", trust, object{"application_credential": object{"name": "more"}})
	// What the documents say that an unrestricted application credential may, it may.
	c.must(201, "POST", users+"/application_credentials", application, object{"application_credential": object{"name": "more"}})
}
