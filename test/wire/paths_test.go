package wire

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func pathEscape(id string) string { return url.PathEscape(id) }

// strangeIDs are what a client may write where an id belongs.
var strangeIDs = []string{"x", "0", "-1", "None", "null", "%20", "%00", "%0a", "%ff", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "..%2f", "%25", "' OR 1=1 --", "a%2fb",
	"${unknown}", "00000000000000000000000000000000", "é☃", "%F0%9F%92%A9", "*", "%3f", "~", "detail", strings.Repeat("x", 300), strings.Repeat("%41", 3000)}

// TestNoPathBreaksAnything writes strange ids into every path that takes one.
func TestNoPathBreaksAnything(t *testing.T) {
	c := startCloud(t)
	c.furnish(t)
	before := c.look(t)
	for _, path := range []string{
		"/identity/v3/projects/ID", "/identity/v3/users/ID", "/identity/v3/roles/ID", "/identity/v3/domains/ID", "/identity/v3/groups/ID",
		"/identity/v3/services/ID", "/identity/v3/endpoints/ID", "/identity/v3/regions/ID", "/identity/v3/users/ID/projects",
		"/identity/v3/projects/ID/users/ID/roles/ID", "/identity/v3/domains/ID/users/ID/roles/ID",
		"/image/v2/images/ID", "/image/v2/images/ID/file", "/image/v2/images/ID/members", "/image/v2/images/ID/tags/ID", "/image/v2/schemas/ID",
		"/network/v2.0/networks/ID", "/network/v2.0/subnets/ID", "/network/v2.0/ports/ID", "/network/v2.0/routers/ID", "/network/v2.0/floatingips/ID",
		"/network/v2.0/security-groups/ID", "/network/v2.0/security-group-rules/ID", "/network/v2.0/agents/ID", "/network/v2.0/quotas/ID",
		"/network/v2.0/extensions/ID", "/network/v2.0/ID",
		"/compute/v2.1/servers/ID", "/compute/v2.1/servers/ID/ips", "/compute/v2.1/servers/ID/metadata/ID", "/compute/v2.1/servers/ID/os-instance-actions/ID",
		"/compute/v2.1/servers/ID/os-interface/ID", "/compute/v2.1/servers/${server}/metadata/ID", "/compute/v2.1/servers/${server}/os-instance-actions/ID",
		"/compute/v2.1/flavors/ID", "/compute/v2.1/flavors/ID/os-extra_specs/ID", "/compute/v2.1/os-keypairs/ID", "/compute/v2.1/os-hypervisors/ID",
		"/compute/v2.1/os-services/ID", "/compute/v2.1/os-quota-sets/ID", "/compute/ID/servers", "/compute/v2.1/ID",
		"/placement/resource_providers/ID", "/placement/resource_providers/ID/inventories/ID", "/placement/resource_providers/ID/allocations",
		"/placement/allocations/ID", "/placement/traits/ID", "/placement/resource_classes/ID",
		"/ID", "/ID/v3",
	} {
		t.Run(path, func(t *testing.T) {
			for _, id := range strangeIDs {
				to := c.fill(t, strings.ReplaceAll(path, "ID", strings.NewReplacer(" ", "%20", "'", "%27", "é☃", "%C3%A9%E2%98%83").Replace(id)))
				for _, method := range []string{"GET", "DELETE", "HEAD", "OPTIONS"} {
					if method == "DELETE" && (strings.Contains(to, "RegionOne") || strings.Contains(path, "quota")) {
						continue // these would be right
					}
					a := c.do(t, request{c.admin, method, to, "", nil})
					if a.status >= 500 || a.status == http.StatusOK && method == "DELETE" {
						t.Errorf("%s %.200s: %s", method, to, a)
					}
				}
			}
		})
	}
	c.mustBe(t, before)
}

// TestNoQueryBreaksAnything asks for lists in strange ways.
func TestNoQueryBreaksAnything(t *testing.T) {
	c := startCloud(t)
	c.furnish(t)
	values := []string{"", "x", "-1", "0", "1.5", "99999999999999999999", "%00", "%ff", "'", "%25", "*", "[", "(((((", "null", "true", "in:", "gt:x", "neq:", "\\", "${unknown}",
		strings.Repeat("x", 2000), "a,b,c", ":", "name:sideways"}
	for path, keys := range map[string][]string{
		"/identity/v3/projects":               {"limit", "marker", "name", "domain_id", "parent_id", "enabled", "tags", "name__contains"},
		"/identity/v3/users":                  {"limit", "marker", "name", "domain_id", "enabled", "password_expires_at"},
		"/identity/v3/role_assignments":       {"user.id", "scope.project.id", "effective", "include_names", "role.id"},
		"/image/v2/images":                    {"limit", "marker", "sort_key", "sort_dir", "sort", "name", "status", "visibility", "size_min", "size_max", "created_at", "tag", "owner", "member_status", "os_hidden", "id"},
		"/network/v2.0/networks":              {"limit", "marker", "sort_key", "sort_dir", "page_reverse", "fields", "name", "id", "shared", "admin_state_up", "mtu", "tags", "router:external", "provider:segmentation_id"},
		"/network/v2.0/ports":                 {"limit", "marker", "sort_key", "fixed_ips", "mac_address", "device_id", "security_groups", "network_id", "binding:host_id"},
		"/network/v2.0/subnets":               {"cidr", "ip_version", "enable_dhcp", "gateway_ip", "network_id"},
		"/network/v2.0/security-group-rules":  {"port_range_min", "protocol", "remote_ip_prefix", "direction"},
		"/network/v2.0/floatingips":           {"floating_ip_address", "port_id", "status", "router_id"},
		"/compute/v2.1/servers/detail":        {"limit", "marker", "sort_key", "sort_dir", "name", "status", "changes-since", "changes-before", "ip", "image", "flavor", "all_tenants", "deleted", "host", "tags", "not-tags", "uuid", "key_name", "created_at"},
		"/compute/v2.1/flavors/detail":        {"limit", "marker", "sort_key", "sort_dir", "is_public", "minRam", "minDisk"},
		"/compute/v2.1/os-keypairs":           {"limit", "marker", "user_id"},
		"/compute/v2.1/os-hypervisors/detail": {"limit", "marker", "hypervisor_hostname_pattern", "with_servers"},
		"/compute/v2.1/os-services":           {"host", "binary"},
		"/compute/v2.1/limits":                {"tenant_id", "reserved"},
		"/placement/resource_providers":       {"name", "uuid", "member_of", "resources", "in_tree", "required"},
		"/placement/allocation_candidates":    {"resources", "limit", "required", "group_policy", "resources1", "in_tree", "member_of"},
		"/placement/traits":                   {"name", "associated"},
		"/placement/usages":                   {"project_id", "user_id", "consumer_type"},
	} {
		t.Run(path, func(t *testing.T) {
			for _, key := range append(keys, "colour", "%00", "") {
				for _, value := range values {
					to := path + "?" + key + "=" + c.fill(t, strings.NewReplacer("[", "%5B", "\\", "%5C").Replace(value))
					a := c.do(t, request{c.admin, "GET", to, "", nil})
					switch {
					case a.status >= 500:
						t.Errorf("GET %.200s: %s", to, a)
					case a.status >= 400:
						if err := styled(path, a); err != nil {
							t.Errorf("GET %.200s: %v: %s", to, err, a)
						}
					}
				}
			}
		})
	}
}

// TestNoHeaderBreaksAnything sends versions, types and conditions that nobody can serve.
func TestNoHeaderBreaksAnything(t *testing.T) {
	c := startCloud(t)
	for _, h := range []struct {
		path, name, value string
		status            int
	}{
		{"/compute/v2.1/servers", "X-OpenStack-Nova-API-Version", "2.999", 406},
		{"/compute/v2.1/servers", "X-OpenStack-Nova-API-Version", "newest", 400},
		{"/compute/v2.1/servers", "OpenStack-API-Version", "compute 3.0", 406},
		{"/placement/resource_providers", "OpenStack-API-Version", "placement 9.9", 406},
		{"/placement/resource_providers", "OpenStack-API-Version", "placement x", 400},
		{"/compute/v2.1/servers", "X-Auth-Token", "nonsense", 401},
		{"/compute/v2.1/servers", "X-Auth-Token", strings.Repeat("g", 20000), 401},
		{"/identity/v3/auth/tokens", "X-Subject-Token", "nonsense", 404},
	} {
		t.Run(h.name+" "+h.value[:min(len(h.value), 20)], func(t *testing.T) {
			a := c.do(t, request{c.admin, "GET", h.path, "", map[string]string{h.name: h.value}})
			if a.status != h.status {
				t.Errorf("%s, want %d", a, h.status)
			} else if err := styled(h.path, a); err != nil {
				t.Errorf("%v: %s", err, a)
			}
		})
	}
	for _, path := range []string{"/identity/v3/projects", "/network/v2.0/networks", "/compute/v2.1/servers", "/placement/resource_providers", "/image/v2/images"} {
		for _, kind := range []string{"text/plain", "application/xml", "application/json; charset=klingon", "nonsense//", ""} {
			a := c.do(t, request{c.admin, "POST", path, `{"x": 1}`, map[string]string{"Content-Type": kind}})
			if a.status >= 500 || a.status < 400 {
				t.Errorf("POST %s as %q: %s", path, kind, a)
			}
		}
	}
	// Identity headers are what the cloud itself puts on requests; from a client they are nothing.
	a := c.do(t, request{"", "GET", "/compute/v2.1/servers", "", map[string]string{"X-Identity-Status": "Confirmed", "X-User-Id": c.ids["wire_user"],
		"X-Project-Id": c.ids["wire_project"], "X-Roles": "admin", "X-Service-Roles": "service"}})
	if a.status != http.StatusUnauthorized {
		t.Errorf("a client that names itself is believed: %s", a)
	}
}
