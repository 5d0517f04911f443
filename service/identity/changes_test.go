package identity_test

import (
	"strings"
	"testing"

	"virga/core/feed"
	"virga/service/identity"
)

func TestChangesAreToldAsKeystoneDoes(t *testing.T) {
	c := newCloud(t)
	root := c.admin()
	c.writeLogins()
	start, err := feed.Latest(t.Context(), c.db)
	if err != nil {
		t.Fatal(err)
	}
	user := c.must(201, "POST", "/v3/users", root, object{"user": object{"name": "eve", "password": "hunter2-s3cret"}}).id("user")
	project := c.must(201, "POST", "/v3/projects", root, object{"project": object{"name": "p"}}).id("project")
	role := c.must(201, "POST", "/v3/roles", root, object{"role": object{"name": "r"}}).id("role")
	group := c.must(201, "POST", "/v3/groups", root, object{"group": object{"name": "g"}}).id("group")
	c.must(204, "PUT", "/v3/projects/"+project+"/users/"+user+"/roles/"+role, root, nil)
	c.must(204, "PUT", "/v3/groups/"+group+"/users/"+user, root, nil)
	c.must(200, "PATCH", "/v3/users/"+user, root, object{"user": object{"password": "hunter3-s3cret"}})
	c.must(200, "PATCH", "/v3/projects/"+project, root, object{"project": object{"description": "d"}})
	c.login(passwordAuth("eve", "hunter3-s3cret", onProjectID(project)))
	c.writeLogins()
	c.must(204, "DELETE", "/v3/users/"+user, root, nil)
	c.must(204, "DELETE", "/v3/projects/"+project, root, nil)
	entries, err := feed.After(t.Context(), c.db, start, 100)
	if err != nil {
		t.Fatal(err)
	}
	for basic, want := range map[bool]string{
		false: "identity.user.created created.user,identity.project.created created.project,identity.role.created created.role,identity.group.created created.group," +
			"identity.role_assignment.created created.role_assignment,identity.group.updated updated.group,identity.user.updated updated.user," +
			"identity.project.updated updated.project,identity.authenticate authenticate,identity.user.deleted deleted.user,identity.project.deleted deleted.project",
		true: "identity.user.created <nil>,identity.project.created <nil>,identity.role.created <nil>,identity.group.created <nil>," +
			"identity.role_assignment.created created.role_assignment,identity.group.updated <nil>,identity.user.updated <nil>," +
			"identity.project.updated <nil>,identity.authenticate authenticate,identity.user.deleted <nil>,identity.project.deleted <nil>",
	} {
		var told []string
		for i := range entries {
			list, err := identity.Notifications("here", basic)(&entries[i])
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range list {
				payload := n.Payload.(map[string]any)
				action := "<nil>"
				if text, ok := payload["action"].(string); ok {
					action = text
				}
				told = append(told, n.EventType+" "+action)
				if n.EventType == "identity.role_assignment.created" && (payload["role"] != role || payload["user"] != user || payload["project"] != project) {
					t.Errorf("an assignment is told as %v", payload)
				}
			}
		}
		if got := strings.Join(told, ","); got != want {
			t.Errorf("basic %t: told\n%s, want\n%s", basic, got, want)
		}
	}
	for _, e := range entries {
		if text := string(e.Before) + string(e.After); strings.Contains(text, "s3cret") || strings.Contains(text, "$2") {
			t.Errorf("%s of %s tells a secret: %s", e.Action, e.Kind, text)
		}
		if (e.Before == nil) != (e.Action == "create" || e.Action == "authenticate") || (e.After == nil) != (e.Action == "delete") {
			t.Errorf("%s of %s: before %s, after %s", e.Action, e.Kind, e.Before, e.After)
		}
	}
}
