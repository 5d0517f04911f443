package identity_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/applicationcredentials"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/endpoints"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/groups"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/projects"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/roles"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/users"

	"virga/core/api"
)

// connect logs a client in, over a socket.
func connect(t *testing.T, address string, options gophercloud.AuthOptions) *gophercloud.ServiceClient {
	t.Helper()
	options.IdentityEndpoint = address + "/identity/v3"
	provider, err := openstack.AuthenticatedClient(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	client, err := openstack.NewIdentityV3(provider, gophercloud.EndpointOpts{Region: "RegionOne"})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// TestGophercloud walks a project's life with an unmodified client.
func TestGophercloud(t *testing.T) {
	c := newCloud(t)
	edge := &api.Edge{Clock: c.clock, Services: map[string]http.Handler{"/identity": c.service.Handler()}, Fallback: http.NotFoundHandler()}
	server := httptest.NewServer(edge)
	defer server.Close()
	c.bootstrap(server.URL)
	ctx := t.Context()
	admin := connect(t, server.URL, gophercloud.AuthOptions{
		Username: "admin", Password: adminPassword, DomainName: "Default", TenantName: "admin",
	})
	project, err := projects.Create(ctx, admin, projects.CreateOpts{Name: "lab", Tags: []string{"a"}, Extra: map[string]any{"cost": "7"}}).Extract()
	if err != nil || project.Extra["cost"] != "7" || project.DomainID != "default" {
		t.Fatal(project, err)
	}
	user, err := users.Create(ctx, admin, users.CreateOpts{Name: "eve", DomainID: "default", Password: "secret"}).Extract()
	if err != nil {
		t.Fatal(err)
	}
	group, err := groups.Create(ctx, admin, groups.CreateOpts{Name: "team"}).Extract()
	if err != nil {
		t.Fatal(err)
	}
	if err := users.AddToGroup(ctx, admin, group.ID, user.ID).ExtractErr(); err != nil {
		t.Error(err)
	}
	pages, err := roles.List(admin, roles.ListOpts{Name: "member"}).AllPages(ctx)
	if err != nil {
		t.Fatal(err)
	}
	found, err := roles.ExtractRoles(pages)
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	if err := roles.Assign(ctx, admin, found[0].ID, roles.AssignOpts{UserID: user.ID, ProjectID: project.ID}).ExtractErr(); err != nil {
		t.Error(err)
	}
	pages, err = roles.ListAssignments(admin, roles.ListAssignmentsOpts{UserID: user.ID}).AllPages(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if assignments, err := roles.ExtractRoleAssignments(pages); err != nil || len(assignments) != 1 || assignments[0].Scope.Project.ID != project.ID {
		t.Error(assignments, err)
	}
	walkAsUser(t, server.URL, user.ID, project.ID)
	pages, err = endpoints.List(admin, endpoints.ListOpts{}).AllPages(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if all, err := endpoints.ExtractEndpoints(pages); err != nil || len(all) != 4 {
		t.Error(all, err)
	}
	if err := users.Delete(ctx, admin, user.ID).ExtractErr(); err != nil {
		t.Error(err)
	}
	if _, err := users.Get(ctx, admin, user.ID).Extract(); !gophercloud.ResponseCodeIs(err, http.StatusNotFound) {
		t.Error(err)
	}
}

// walkAsUser logs in with a password, makes an application credential, and logs in with that.
func walkAsUser(t *testing.T, address, userID, projectID string) {
	t.Helper()
	ctx := t.Context()
	own := connect(t, address, gophercloud.AuthOptions{UserID: userID, Password: "secret", TenantID: projectID})
	credential, err := applicationcredentials.Create(ctx, own, userID, applicationcredentials.CreateOpts{Name: "robot"}).Extract()
	if err != nil {
		t.Fatal(err)
	}
	end := time.Date(2200, 1, 2, 3, 4, 5, 678000, time.UTC)
	brief, err := applicationcredentials.Create(ctx, own, userID, applicationcredentials.CreateOpts{Name: "brief", ExpiresAt: &end}).Extract()
	if err != nil || !brief.ExpiresAt.Equal(end) {
		t.Errorf("a credential that ends at %v: %+v, %v", end, brief, err)
	}
	robot := connect(t, address, gophercloud.AuthOptions{ApplicationCredentialID: credential.ID, ApplicationCredentialSecret: credential.Secret})
	text := robot.Token()
	if valid, err := tokens.Validate(ctx, robot, text); err != nil || !valid {
		t.Error(valid, err)
	}
	shown := tokens.Get(ctx, robot, text)
	if project, err := shown.ExtractProject(); err != nil || project.ID != projectID {
		t.Error(project, err)
	}
	if _, err := projects.Create(ctx, robot, projects.CreateOpts{Name: "x"}).Extract(); !gophercloud.ResponseCodeIs(err, http.StatusForbidden) {
		t.Error(err)
	}
	if err := tokens.Revoke(ctx, own, text).Err; err != nil {
		t.Error(err)
	}
	if valid, err := tokens.Validate(ctx, own, text); err != nil || valid {
		t.Error(valid, err)
	}
}
