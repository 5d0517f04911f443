package wire

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// lists are the collections that an administrator sees, with the name of the list in the answer.
var lists = []struct{ path, key string }{
	{"/identity/v3/projects", "projects"}, {"/identity/v3/users", "users"}, {"/identity/v3/roles", "roles"}, {"/identity/v3/groups", "groups"},
	{"/identity/v3/domains", "domains"}, {"/identity/v3/regions", "regions"}, {"/identity/v3/services", "services"},
	{"/identity/v3/endpoints", "endpoints"}, {"/identity/v3/role_assignments", "role_assignments"},
	{"/image/v2/images?limit=1000", "images"},
	{"/network/v2.0/networks", "networks"}, {"/network/v2.0/subnets", "subnets"}, {"/network/v2.0/ports", "ports"}, {"/network/v2.0/routers", "routers"},
	{"/network/v2.0/floatingips", "floatingips"}, {"/network/v2.0/security-groups", "security_groups"},
	{"/network/v2.0/security-group-rules", "security_group_rules"}, {"/network/v2.0/quotas", "quotas"},
	{"/compute/v2.1/servers/detail?all_tenants=1", "servers"}, {"/compute/v2.1/flavors/detail?is_public=None", "flavors"},
	{"/compute/v2.1/os-keypairs", "keypairs"},
	{"/placement/resource_providers", "resource_providers"}, {"/placement/traits?name=startswith:CUSTOM", "traits"},
	{"/placement/resource_classes", "resource_classes"},
}

// telling are the fields that must not change by a refused request, and that tell objects apart.
var telling = []string{"id", "uuid", "name", "status", "enabled", "email", "description", "device_id", "device_owner", "fixed_ips", "security_groups",
	"admin_state_up", "cidr", "allocation_pools", "external_gateway_info", "port_id", "user", "role", "scope", "visibility", "min_disk", "tags",
	"protected", "disk_format", "fingerprint", "OS-EXT-STS:vm_state", "OS-EXT-STS:task_state", "metadata", "url", "ram", "vcpus"}

// look lists everything in the cloud, each as a line.
func (c *cloud) look(t *testing.T) map[string]bool {
	t.Helper()
	world := map[string]bool{}
	for _, list := range lists {
		a := c.do(t, request{c.admin, "GET", list.path, "", nil})
		var body map[string]json.RawMessage
		var rows []any
		if err := json.Unmarshal(a.body, &body); err != nil || a.status != 200 {
			t.Fatalf("GET %s: %v: %s", list.path, err, a)
		}
		if err := json.Unmarshal(body[list.key], &rows); err != nil {
			t.Fatalf("GET %s: no list %s: %v", list.path, list.key, err)
		}
		for _, row := range rows {
			world[list.key+" "+describe(row)] = true
			if provider, ok := row.(map[string]any); ok && list.key == "resource_providers" {
				a := c.do(t, request{c.admin, "GET", fmt.Sprintf("/placement/resource_providers/%v/allocations", provider["uuid"]), "", nil})
				var given struct{ Allocations map[string]json.RawMessage }
				if err := json.Unmarshal(a.body, &given); err != nil || a.status != 200 {
					t.Fatalf("allocations of %v: %v: %s", provider["uuid"], err, a)
				}
				for consumer, what := range given.Allocations {
					world["allocation "+consumer+" "+string(what)] = true
				}
			}
		}
	}
	for _, folder := range []string{"images", "guests"} {
		c.lookAtFiles(t, world, folder)
	}
	return world
}

func (c *cloud) lookAtFiles(t *testing.T, world map[string]bool, folder string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(c.dir, "data", folder), func(path string, entry fs.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil
		}
		if err == nil && !entry.IsDir() {
			world["file "+strings.TrimPrefix(path, c.dir)] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func describe(row any) string {
	object, ok := row.(map[string]any)
	if !ok {
		return fmt.Sprint(row)
	}
	if inner, ok := object["keypair"].(map[string]any); ok {
		object = inner
	}
	var words []string
	for _, key := range telling {
		if value := object[key]; value != nil {
			words = append(words, fmt.Sprintf("%s=%v", key, value))
		}
	}
	return strings.Join(words, " ")
}

// mustBe waits until the cloud holds what it held before, no more and no less: what was begun may still be undone.
func (c *cloud) mustBe(t *testing.T, before map[string]bool) {
	t.Helper()
	c.await(t, "nothing is left and nothing is missing", func() error {
		now := c.look(t)
		var change []string
		for line := range now {
			if !before[line] {
				change = append(change, "+ "+line)
			}
		}
		for line := range before {
			if !now[line] {
				change = append(change, "- "+line)
			}
		}
		slices.Sort(change)
		if len(change) > 0 {
			return fmt.Errorf("the difference:\n%s", strings.Join(change, "\n"))
		}
		return nil
	})
}
