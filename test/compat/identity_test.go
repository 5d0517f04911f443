package compat

import (
	"slices"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/applicationcredentials"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/catalog"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/domains"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/endpoints"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/groups"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/osinherit"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/projects"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/regions"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/roles"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/services"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/users"
)

func walkIdentity(t *testing.T, admin *clients, options gophercloud.AuthOptions) {
	client, ctx := admin.identity, t.Context()
	domain := need(domains.Create(ctx, client, domains.CreateOpts{Name: "compat", Description: "d"}).Extract())(t)
	project := need(projects.Create(ctx, client, projects.CreateOpts{Name: "parent", DomainID: domain.ID, Tags: []string{"a", "b"}, Extra: map[string]any{"cost": "7"}}).Extract())(t)
	child := need(projects.Create(ctx, client, projects.CreateOpts{Name: "child", ParentID: project.ID, DomainID: domain.ID}).Extract())(t)
	user := need(users.Create(ctx, client, users.CreateOpts{Name: "una", DomainID: domain.ID, Password: "first secret", DefaultProjectID: project.ID}).Extract())(t)
	group := need(groups.Create(ctx, client, groups.CreateOpts{Name: "team", DomainID: domain.ID}).Extract())(t)
	role := need(roles.Create(ctx, client, roles.CreateOpts{Name: "tester"}).Extract())(t)
	if project.DomainID != domain.ID || child.ParentID != project.ID || !user.Enabled || project.Extra["cost"] != "7" {
		t.Errorf("made: %+v %+v %+v", project, child, user)
	}
	t.Run("projects", func(t *testing.T) { walkProjects(t, client, domain.ID, project.ID) })
	t.Run("assignments", func(t *testing.T) { walkAssignments(t, client, project, child, user.ID, group.ID, role.ID) })
	t.Run("catalog", func(t *testing.T) { walkCatalog(t, client) })
	t.Run("user", func(t *testing.T) { walkUser(t, admin, options, user, project.ID) })

	refused(t, 403, domains.Delete(ctx, client, domain.ID).ExtractErr())
	done(t, users.Delete(ctx, client, user.ID).ExtractErr())
	done(t, groups.Delete(ctx, client, group.ID).ExtractErr())
	done(t, roles.Delete(ctx, client, role.ID).ExtractErr())
	done(t, projects.Delete(ctx, client, child.ID).ExtractErr())
	need(domains.Update(ctx, client, domain.ID, domains.UpdateOpts{Enabled: gophercloud.Disabled}).Extract())(t)
	done(t, domains.Delete(ctx, client, domain.ID).ExtractErr())
	refused(t, 404, domains.Get(ctx, client, domain.ID).Err)
	refused(t, 404, projects.Get(ctx, client, project.ID).Err)
}

func walkProjects(t *testing.T, client *gophercloud.ServiceClient, domainID, id string) {
	ctx := t.Context()
	name := func(p projects.Project) string { return p.Name }
	equal(t, "projects of the domain", listed(t, projects.List(client, projects.ListOpts{DomainID: domainID}), projects.ExtractProjects, name), "child", "parent")
	equal(t, "projects below", listed(t, projects.List(client, projects.ListOpts{ParentID: id}), projects.ExtractProjects, name), "child")
	equal(t, "projects with both tags", listed(t, projects.List(client, projects.ListOpts{Tags: "a,b"}), projects.ExtractProjects, name), "parent")
	equal(t, "projects without the tag", listed(t, projects.List(client, projects.ListOpts{DomainID: domainID, NotTags: "a"}), projects.ExtractProjects, name), "child")
	description := "changed"
	changed := need(projects.Update(ctx, client, id, projects.UpdateOpts{Description: &description, Tags: &[]string{"c"}}).Extract())(t)
	if changed.Description != "changed" || !slices.Equal(changed.Tags, []string{"c"}) {
		t.Errorf("changed: %+v", changed)
	}
	tags := need(projects.ListTags(ctx, client, id).Extract())(t)
	equal(t, "tags", tags.Tags, "c")
}

func walkAssignments(t *testing.T, client *gophercloud.ServiceClient, project, child *projects.Project, user, group, role string) {
	ctx := t.Context()
	done(t, roles.Assign(ctx, client, role, roles.AssignOpts{UserID: user, ProjectID: project.ID}).ExtractErr())
	done(t, roles.Validate(ctx, client, role, roles.ValidateOpts{UserID: user, ProjectID: project.ID}).ExtractErr())
	done(t, users.AddToGroup(ctx, client, group, user).ExtractErr())
	if member := need(users.IsMemberOfGroup(ctx, client, group, user).Extract())(t); !member {
		t.Error("the user is not in the group")
	}
	done(t, osinherit.Assign(ctx, client, role, osinherit.AssignOpts{GroupID: group, ProjectID: project.ID}).ExtractErr())
	scope := func(a roles.RoleAssignment) string { return a.Scope.Project.ID }
	effective := gophercloud.Enabled
	equal(t, "effective on the child", listed(t, roles.ListAssignments(client, roles.ListAssignmentsOpts{UserID: user, ScopeProjectID: child.ID, Effective: effective}),
		roles.ExtractRoleAssignments, scope), child.ID)
	named := listed(t, roles.ListAssignments(client, roles.ListAssignmentsOpts{UserID: user, IncludeNames: effective}), roles.ExtractRoleAssignments,
		func(a roles.RoleAssignment) string {
			return a.Role.Name + " of " + a.User.Name + " on " + a.Scope.Project.Name
		})
	equal(t, "assignments", named, "tester of una on parent")
	equal(t, "projects of the user", listed(t, users.ListProjects(client, user), projects.ExtractProjects, func(p projects.Project) string { return p.Name }), "child", "parent")
	equal(t, "groups of the user", listed(t, users.ListGroups(client, user), groups.ExtractGroups, func(g groups.Group) string { return g.Name }), "team")
	reader := listed(t, roles.List(client, roles.ListOpts{Name: "reader"}), roles.ExtractRoles, func(r roles.Role) string { return r.ID })
	need(roles.CreateRoleInferenceRule(ctx, client, role, reader[0]).Extract())(t)
	need(roles.GetRoleInferenceRule(ctx, client, role, reader[0]).Extract())(t)
	rules := need(roles.ListRoleInferenceRules(ctx, client).Extract())(t)
	if len(rules.RoleInferenceRuleList) < 4 {
		t.Errorf("inference rules: %+v", rules)
	}
	done(t, roles.DeleteRoleInferenceRule(ctx, client, role, reader[0]).ExtractErr())
	done(t, osinherit.Unassign(ctx, client, role, osinherit.UnassignOpts{GroupID: group, ProjectID: project.ID}).ExtractErr())
	refused(t, 404, roles.Unassign(ctx, client, role, roles.UnassignOpts{GroupID: group, ProjectID: project.ID}).ExtractErr())
}

func walkCatalog(t *testing.T, client *gophercloud.ServiceClient) {
	ctx := t.Context()
	region := need(regions.Create(ctx, client, regions.CreateOpts{ID: "North", Description: "n"}).Extract())(t)
	service := need(services.Create(ctx, client, services.CreateOpts{Type: "weather", Name: "rain"}).Extract())(t)
	endpoint := need(endpoints.Create(ctx, client, endpoints.CreateOpts{Availability: gophercloud.AvailabilityPublic, Region: region.ID, ServiceID: service.ID,
		URL: "http://rain.example/%(project_id)s"}).Extract())(t)
	entries := listed(t, catalog.List(client), catalog.ExtractServiceCatalog, func(e tokens.CatalogEntry) string { return e.Type })
	equal(t, "catalog", entries, "compute", "identity", "image", "network", "placement", "weather")
	need(endpoints.Update(ctx, client, endpoint.ID, endpoints.UpdateOpts{URL: "http://sun.example"}).Extract())(t)
	need(services.Update(ctx, client, service.ID, services.UpdateOpts{Enabled: gophercloud.Disabled}).Extract())(t)
	entries = listed(t, catalog.List(client), catalog.ExtractServiceCatalog, func(e tokens.CatalogEntry) string { return e.Type })
	equal(t, "catalog without a disabled service", entries, "compute", "identity", "image", "network", "placement")
	done(t, endpoints.Delete(ctx, client, endpoint.ID).ExtractErr())
	done(t, services.Delete(ctx, client, service.ID).ExtractErr())
	done(t, regions.Delete(ctx, client, region.ID).ExtractErr())
}

// walkUser is somebody who changes their password and works with application credentials.
func walkUser(t *testing.T, admin *clients, options gophercloud.AuthOptions, user *users.User, projectID string) {
	ctx := t.Context()
	member := listed(t, roles.List(admin.identity, roles.ListOpts{Name: "member"}), roles.ExtractRoles, func(r roles.Role) string { return r.ID })[0]
	done(t, roles.Assign(ctx, admin.identity, member, roles.AssignOpts{UserID: user.ID, ProjectID: projectID}).ExtractErr())
	login := func(password string) *clients {
		t.Helper()
		return connect(t, gophercloud.AuthOptions{IdentityEndpoint: options.IdentityEndpoint, UserID: user.ID, Password: password, TenantID: projectID})
	}
	done(t, users.ChangePassword(ctx, login("first secret").identity, user.ID, users.ChangePasswordOpts{OriginalPassword: "first secret", Password: "second secret"}).ExtractErr())
	own := login("second secret").identity
	end := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	made := need(applicationcredentials.Create(ctx, own, user.ID, applicationcredentials.CreateOpts{Name: "robot", ExpiresAt: &end,
		Roles: []applicationcredentials.Role{{Name: "reader"}}}).Extract())(t)
	seen := need(applicationcredentials.Get(ctx, own, user.ID, made.ID).Extract())(t)
	if !seen.ExpiresAt.Equal(end) || seen.Secret != "" || len(seen.Roles) != 1 {
		t.Errorf("application credential %+v, made to end at %v", seen, end)
	}
	robot := connect(t, gophercloud.AuthOptions{IdentityEndpoint: options.IdentityEndpoint, ApplicationCredentialID: made.ID, ApplicationCredentialSecret: made.Secret}).identity
	text := robot.Token()
	if valid := need(tokens.Validate(ctx, robot, text))(t); !valid {
		t.Error("the robot's token is not valid")
	}
	done(t, applicationcredentials.Delete(ctx, own, user.ID, made.ID).ExtractErr())
	if valid := need(tokens.Validate(ctx, own, text))(t); valid {
		t.Error("the token of a deleted credential is valid")
	}
	refused(t, 403, projects.Create(ctx, own, projects.CreateOpts{Name: "x"}).Err)
}
