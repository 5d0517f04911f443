package attack

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"virga/core/api"
	"virga/test/cloud"
)

// openToAll are the rows below an id of somebody's that say the same of everybody, so that strangers may ask.
var openToAll = map[string]string{
	"GET /compute/v2.1/os-quota-sets/{project_id}/defaults":    "the default quotas are those of the cloud, not of the project",
	"GET /identity/v3/registered_limits/{registered_limit_id}": "limits for all projects are for all to see, as in the field",
}

// shared are the parameters that name nothing of anybody's own.
var shared = []string{"role_id", "implied_role_id", "region_id", "domain_id", "alias", "class", "flavor_id", "resource_class"}

// stranger goes through every row with somebody else's ids.
type stranger struct {
	client *cloud.Client
	victim *estate
}

// TestStrangersGetNothing sends every request of every API with the ids of another project, as a member of a project of her
// own, without a scope, and without a token: all are refused where they name something, and no answer has anything in it
// that is the other's.
func TestStrangersGetNothing(t *testing.T) {
	c := cloud.Start(t)
	victim := furnish(t, c, c.NewUser(t, "victim", "member"), "192.0.2.0/24", marker)
	mallory := c.NewUser(t, "mallory", "manager")
	before := victim.look(t)
	unscoped := c.Authenticate(t, cloud.ByPassword(mallory.Name, mallory.Password), "unscoped")
	all := tables(t)
	for _, prefix := range slices.Sorted(maps.Keys(all)) {
		for _, row := range all[prefix].Routes {
			victim.mustReach(t, c, prefix, all[prefix], &row)
			for _, s := range []stranger{{mallory, victim}, {c.With(unscoped.Header.Get("X-Subject-Token")), victim}, {c.Anonymous(), victim}} {
				s.ask(t, prefix, all[prefix], &row)
			}
		}
	}
	if after := victim.look(t); after != before {
		t.Errorf("what the victim owns was\n%s\nand is now\n%s", before, after)
	}
}

func (s stranger) ask(t *testing.T, prefix string, table *api.Table, row *api.Route) {
	t.Helper()
	path := s.victim.path(t, prefix, row)
	names := slices.DeleteFunc(parameters(row.Path), func(name string) bool { return slices.Contains(shared, name) })
	for _, body := range bodies(t, s.victim, prefix, row) {
		if row.Method != http.MethodGet && len(parameters(row.Path)) == 0 {
			continue // it makes something new, which may be her own
		}
		header := version(prefix, table, row)
		if row.Raw || row.Body == "image_patch" {
			header = append(header, "Content-Type", map[bool]string{true: "application/octet-stream", false: "application/openstack-images-v2.1-json-patch"}[row.Raw])
		}
		a := s.client.Do(t, row.Method, path, body, header...)
		what := row.Method + " " + prefix + row.Path
		named := len(names) > 0 || row.Method != http.MethodGet
		switch {
		case a.Status >= 500:
			t.Errorf("%s as %q: %s", what, s.client.Name, a)
		case named && a.Status < 400 && openToAll[what] == "":
			t.Errorf("%s %s as %q is answered to a stranger: %s", what, path, s.client.Name, a)
		case s.client.Token == "" && a.Status < 400 && !row.Public:
			t.Errorf("%s without a token: %s", what, a)
		}
		if a.Status < 400 {
			s.mustShowNothing(t, what, path, string(a.Body))
		} else if leaked := strings.Contains(string(a.Body), marker) && !strings.Contains(path, marker); leaked {
			t.Errorf("%s: the refusal says what it refuses: %s", what, a)
		}
	}
}

// mustReach shows that the ids of the estate are right: its owner or an administrator gets what strangers do not. Rows for
// node agents are out of both's reach, and a member that an image does not have cannot be shown.
func (e *estate) mustReach(t *testing.T, c *cloud.Cloud, prefix string, table *api.Table, row *api.Route) {
	t.Helper()
	if row.Method != http.MethodGet || strings.HasPrefix(row.Path, "/internal/") || notGranted(row.Path) || row.Policy == "compute:gone" || slices.Contains(outOfReach, prefix+row.Path) {
		return
	}
	path, header := e.path(t, prefix, row), version(prefix, table, row)
	if prefix == "/identity" {
		header = append(header, "X-Subject-Token", e.owner.Token)
	}
	if a := e.owner.Do(t, "GET", path, nil, header...); a.Status < 400 {
		return
	}
	if a := c.Admin.Do(t, "GET", path, nil, header...); a.Status >= 400 {
		t.Errorf("GET %s is refused to its owner and to administrators: %s", path, a)
	}
}

// outOfReach are rows that answer 404 for every estate because there is no such thing in it, or 400 without a query, or 403
// because they are for other services alone.
var outOfReach = []string{"/compute/v2.1/flavors/{flavor_id}/os-extra_specs/{key}", "/compute/v2.1/flavors/{flavor_id}/os-flavor-access", "/compute/v2.1/extensions/{alias}",
	"/compute/v2.1/servers/{server_id}/os-volume_attachments/{volume_id}", "/compute/v2.1/servers/{server_id}/shares/{share_id}", "/compute/v2.1/images/{image_id}/metadata/{key}",
	"/compute/v2.1/os-volumes", "/compute/v2.1/os-volumes/detail", "/compute/v2.1/os-volumes/{volume_id}", "/compute/v2.1/os-snapshots", "/compute/v2.1/os-snapshots/detail",
	"/compute/v2.1/os-snapshots/{snapshot_id}", "/compute/v2.1/os-baremetal-nodes", "/compute/v2.1/os-baremetal-nodes/{node_id}",
	"/compute/v2.1/os-hosts/{host_name}/reboot", "/compute/v2.1/os-hosts/{host_name}/shutdown", "/compute/v2.1/os-hosts/{host_name}/startup",
	"/compute/v2.1/servers/{server_id}/migrations/{migration_id}",
	"/compute/v2.1/os-hypervisors/{hypervisor_id}/search", "/compute/v2.1/os-hypervisors/{hypervisor_id}/servers",
	"/image/v2/images/{image_id}/locations",
	"/placement/allocation_candidates", "/placement/traits/{name}", "/placement/usages"}

// notGranted are grants that no estate has: on the domain, on the system, inherited.
func notGranted(path string) bool {
	return strings.HasPrefix(path, "/v3/OS-INHERIT/") || strings.HasPrefix(path, "/v3/system/") || strings.HasPrefix(path, "/v3/domains/{domain_id}/")
}

func (s stranger) mustShowNothing(t *testing.T, what, path, body string) {
	t.Helper()
	if strings.Contains(body, marker) {
		t.Errorf("%s as %q shows what is private: %.500s", what, s.client.Name, body)
	}
	for _, name := range []string{"networks", "subnets", "ports", "routers", "floatingips", "security-groups", "security-group-rules", "server_id", "image_id",
		"application_credential_id", "group_id", "uuid", "user_id", "project_id"} {
		if id := s.victim.ids[name]; strings.Contains(body, id) && !strings.Contains(path, id) {
			t.Errorf("%s as %q has the id of %s: %.500s", what, s.client.Name, name, body)
		}
	}
}

func parameters(path string) []string {
	var names []string
	for _, match := range parameter.FindAllStringSubmatch(path, -1) {
		names = append(names, match[1])
	}
	return names
}

// bodies are the right bodies of a row; nil for one that takes none.
func bodies(t *testing.T, e *estate, prefix string, row *api.Route) []any {
	t.Helper()
	switch {
	case row.Raw && row.Method == http.MethodPut:
		return []any{"data"}
	case row.Body == "":
		return []any{nil}
	}
	var list []any
	for _, text := range examples[prefix+" "+row.Body] {
		list = append(list, e.fill(t, text))
	}
	if len(list) == 0 {
		t.Fatalf("%s%s: there is no example of %s", prefix, row.Path, row.Body)
	}
	return list
}

// look is all that the owner sees of the estate.
func (e *estate) look(t *testing.T) string {
	t.Helper()
	var text strings.Builder
	for _, path := range []string{"/network/v2.0/networks", "/network/v2.0/subnets", "/network/v2.0/ports", "/network/v2.0/routers", "/network/v2.0/floatingips",
		"/network/v2.0/security-groups", "/network/v2.0/quotas/" + e.ids["project_id"], "/compute/v2.1/servers/detail", "/compute/v2.1/os-keypairs",
		"/compute/v2.1/os-server-groups", "/compute/v2.1/limits", "/compute/v2.1/servers/" + e.ids["server_id"] + "/os-instance-actions",
		"/image/v2/images/" + e.ids["image_id"], "/image/v2/images/" + e.ids["image_id"] + "/members", "/image/v2/images/" + e.ids["image_id"] + "/file",
		"/identity/v3/users/" + e.ids["user_id"], "/identity/v3/users/" + e.ids["user_id"] + "/application_credentials",
		"/identity/v3/projects/" + e.ids["project_id"]} {
		a := e.owner.Do(t, "GET", path, nil)
		if !a.OK() {
			t.Fatalf("GET %s by its owner: %s", path, a)
		}
		text.WriteString(path + " " + string(a.Body) + "\n")
	}
	return text.String()
}

// TestReadersChangeNothing sends every request that would change something as somebody who may only read in the project.
func TestReadersChangeNothing(t *testing.T) {
	c := cloud.Start(t)
	owner := c.NewUser(t, "owner", "member")
	own := furnish(t, c, owner, "192.0.2.0/24", marker)
	reader := c.UserIn(t, owner.ProjectID, owner.Project, "reader", "reader")
	before := own.look(t)
	all := tables(t)
	for _, prefix := range slices.Sorted(maps.Keys(all)) {
		for _, row := range all[prefix].Routes {
			if row.Method == http.MethodGet || row.Method == http.MethodHead || row.Public || slices.Contains(ofOneself, row.Method+" "+prefix+row.Path) {
				continue
			}
			for _, body := range bodies(t, own, prefix, &row) {
				header := version(prefix, all[prefix], &row)
				if row.Raw {
					header = append(header, "Content-Type", "application/octet-stream")
				}
				// What is gone for everybody (410) is so for readers.
				if a := reader.Do(t, row.Method, own.path(t, prefix, &row), body, header...); a.Status != http.StatusForbidden && a.Status != http.StatusNotFound && a.Status != http.StatusGone {
					t.Errorf("%s %s%s with %v by a reader: %s", row.Method, prefix, row.Path, body, a)
				}
			}
		}
	}
	if after := own.look(t); after != before {
		t.Errorf("what the owner has was\n%s\nand is now\n%s", before, after)
	}
}

// ofOneself are the rows by which users change what belongs to themselves and to no project.
var ofOneself = []string{"DELETE /identity/v3/auth/tokens", "POST /compute/v2.1/os-keypairs",
	"PUT /identity/v3/OS-OAUTH1/authorize/{request_token_id}"}
