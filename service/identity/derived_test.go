package identity_test

import (
	"testing"

	"virga/core/api"
	"virga/core/api/apitest"
	"virga/core/token"
)

func TestDerivedTestsHold(t *testing.T) {
	c := newCloud(t)
	admin := c.admin()
	owner, err := c.service.Authenticate(t.Context(), admin)
	if err != nil {
		t.Fatal(err)
	}
	user := c.must(201, "POST", "/v3/users", admin, object{"user": object{"name": "u"}}).id("user")
	group := c.must(201, "POST", "/v3/groups", admin, object{"group": object{"name": "g"}}).id("group")
	project := c.must(201, "POST", "/v3/projects", admin, object{"project": object{"name": "p", "tags": []string{"red"}}}).id("project")
	domain := c.must(201, "POST", "/v3/domains", admin, object{"domain": object{"name": "d"}}).id("domain")
	role := c.must(201, "POST", "/v3/roles", admin, object{"role": object{"name": "r"}}).id("role")
	implied := c.must(201, "POST", "/v3/roles", admin, object{"role": object{"name": "i"}}).id("role")
	service := c.must(201, "POST", "/v3/services", admin, object{"service": object{"type": "t"}}).id("service")
	endpoint := c.must(201, "POST", "/v3/endpoints", admin, object{"endpoint": object{"service_id": service, "interface": "public", "url": "http://x"}}).id("endpoint")
	credential := c.must(201, "POST", "/v3/credentials", admin, object{"credential": object{"type": "cert", "blob": "b"}}).id("credential")
	access, _ := c.keyPair(&member{user: owner.UserID, scoped: admin, project: owner.Project.ID})
	trust := c.must(201, "POST", "/v3/OS-TRUST/trusts", admin, object{"trust": object{
		"trustor_user_id": owner.UserID, "trustee_user_id": user, "impersonation": true}}).id("trust")
	(&apitest.Subject{
		Table: c.service.Table(), Handler: c.service.Handler(), Owner: owner,
		Stranger: &token.Identity{
			UserID: "stranger", UserDomain: token.Domain{ID: "default"}, Roles: []token.Role{{Name: "member"}, {Name: "reader"}},
			Project: token.Project{ID: "elsewhere", DomainID: "elsewhere"},
		},
		Params: func(api.Route) map[string]string {
			return map[string]string{
				"user_id": user, "group_id": group, "project_id": project, "domain_id": domain, "role_id": role, "implied_role_id": implied,
				"service_id": service, "endpoint_id": endpoint, "region_id": "RegionOne", "value": "red",
				"credential_id": credential, "trust_id": trust, "access": access,
			}
		},
		Open: []string{"GET /v3/regions/{region_id}", "GET /v3/credentials", "POST /v3/credentials", "POST /v3/OS-TRUST/trusts"},
	}).Run(t)
}
