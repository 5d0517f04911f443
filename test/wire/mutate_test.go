package wire

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sort"
	"strings"
	"testing"
)

// making is a request that makes something, right as it stands.
type making struct {
	name  string
	admin bool
	path  string
	body  string
	// made is where the answer has the new thing's id, gone the path that removes it (%s is the id); empty: nothing is made.
	made, gone string
	// method is POST unless said otherwise.
	method string
	// costly bodies have a password hashed with each request: fewer variants of them are tried.
	costly bool
}

func makings() []making {
	return []making{
		{name: "token", costly: true, path: "/identity/v3/auth/tokens", body: `{"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": "wire",
			"domain": {"id": "default"}, "password": "` + password + `"}}}, "scope": {"project": {"name": "wire", "domain": {"id": "default"}}}}}`},
		{name: "project", admin: true, path: "/identity/v3/projects", made: "project.id", gone: "/identity/v3/projects/%s",
			body: `{"project": {"name": "w", "domain_id": "default", "description": "d", "enabled": true, "parent_id": null, "tags": ["a"], "options": {}}}`},
		{name: "user", admin: true, costly: true, path: "/identity/v3/users", made: "user.id", gone: "/identity/v3/users/%s",
			body: `{"user": {"name": "w", "domain_id": "default", "password": "p", "enabled": true, "email": "w@example.org", "default_project_id": "${wire_project}"}}`},
		{name: "role", admin: true, path: "/identity/v3/roles", made: "role.id", gone: "/identity/v3/roles/%s",
			body: `{"role": {"name": "w", "description": "d", "domain_id": null}}`},
		{name: "region", admin: true, path: "/identity/v3/regions", made: "region.id", gone: "/identity/v3/regions/%s",
			body: `{"region": {"id": "w", "description": "d", "parent_region_id": "RegionOne"}}`},
		{name: "service", admin: true, path: "/identity/v3/services", made: "service.id", gone: "/identity/v3/services/%s",
			body: `{"service": {"type": "w", "name": "w", "enabled": true}}`},
		{name: "image", path: "/image/v2/images", made: "id", gone: "/image/v2/images/%s",
			body: `{"name": "w", "disk_format": "raw", "container_format": "bare", "min_disk": 0, "min_ram": 0, "visibility": "private", "protected": false, "tags": ["a"], "os_hidden": false, "colour": "blue"}`},
		{name: "network", path: "/network/v2.0/networks", made: "network.id", gone: "/network/v2.0/networks/%s",
			body: `{"network": {"name": "w", "description": "d", "admin_state_up": true, "mtu": 1400, "port_security_enabled": true, "availability_zone_hints": []}}`},
		{name: "subnet", path: "/network/v2.0/subnets", made: "subnet.id", gone: "/network/v2.0/subnets/%s",
			body: `{"subnet": {"network_id": "${bare_network}", "cidr": "198.51.100.0/24", "ip_version": 4, "name": "w", "gateway_ip": "198.51.100.1", "enable_dhcp": true,
				"allocation_pools": [{"start": "198.51.100.10", "end": "198.51.100.20"}], "dns_nameservers": ["192.0.2.53"], "host_routes": [{"destination": "203.0.113.0/24", "nexthop": "198.51.100.9"}]}}`},
		{name: "port", path: "/network/v2.0/ports", made: "port.id", gone: "/network/v2.0/ports/%s",
			body: `{"port": {"network_id": "${network}", "name": "w", "admin_state_up": true, "device_id": "d", "device_owner": "o", "security_groups": ["${group}"],
				"fixed_ips": [{"subnet_id": "${subnet}"}], "allowed_address_pairs": [{"ip_address": "192.0.2.99"}], "extra_dhcp_opts": [{"opt_name": "26", "opt_value": "1400"}]}}`},
		{name: "router", path: "/network/v2.0/routers", made: "router.id", gone: "/network/v2.0/routers/%s",
			body: `{"router": {"name": "w", "admin_state_up": true, "external_gateway_info": {"network_id": "${public}"}}}`},
		{name: "floating IP", path: "/network/v2.0/floatingips", made: "floatingip.id", gone: "/network/v2.0/floatingips/%s",
			body: `{"floatingip": {"floating_network_id": "${public}", "port_id": "${port}", "fixed_ip_address": "192.0.2.10", "description": "d"}}`},
		{name: "group", path: "/network/v2.0/security-groups", made: "security_group.id", gone: "/network/v2.0/security-groups/%s",
			body: `{"security_group": {"name": "w", "description": "d", "stateful": true}}`},
		{name: "rule", path: "/network/v2.0/security-group-rules", made: "security_group_rule.id", gone: "/network/v2.0/security-group-rules/%s",
			body: `{"security_group_rule": {"security_group_id": "${group}", "direction": "ingress", "ethertype": "IPv4", "protocol": "udp", "port_range_min": 53, "port_range_max": 54, "remote_ip_prefix": "192.0.2.0/24"}}`},
		{name: "flavor", admin: true, path: "/compute/v2.1/flavors", made: "flavor.id", gone: "/compute/v2.1/flavors/%s",
			body: `{"flavor": {"name": "w", "id": "auto", "ram": 64, "vcpus": 1, "disk": 1, "OS-FLV-EXT-DATA:ephemeral": 0, "swap": 0, "rxtx_factor": 1.0, "os-flavor-access:is_public": true, "description": "d"}}`},
		{name: "key", path: "/compute/v2.1/os-keypairs", made: "keypair.name", gone: "/compute/v2.1/os-keypairs/%s",
			body: `{"keypair": {"name": "w", "type": "ssh", "public_key": "` + publicKey + `"}}`},
		{name: "server", path: "/compute/v2.1/servers", made: "server.id", gone: "/compute/v2.1/servers/%s",
			body: `{"server": {"name": "w", "imageRef": "${image}", "flavorRef": "${flavor}", "networks": [{"uuid": "${network}"}], "key_name": "wire", "user_data": "eA==",
				"metadata": {"a": "b"}, "security_groups": [{"name": "wire"}], "config_drive": true, "min_count": 1, "max_count": 1, "availability_zone": "nova"}}`},
		{name: "provider", admin: true, path: "/placement/resource_providers", made: "uuid", gone: "/placement/resource_providers/%s",
			body: `{"name": "w", "parent_provider_uuid": null}`},
		{name: "allocation", admin: true, path: "/placement/allocations/${unknown}", method: "PUT",
			body: `{"allocations": {"${provider}": {"resources": {"VCPU": 1}}}, "project_id": "p", "user_id": "u", "consumer_generation": null, "consumer_type": "INSTANCE"}`},
		{name: "inventory", admin: true, path: "/placement/resource_providers/${provider}/inventories", method: "PUT",
			body: `{"resource_provider_generation": 99, "inventories": {"VCPU": {"total": 1, "reserved": 0, "min_unit": 1, "max_unit": 1, "step_size": 1, "allocation_ratio": 1.0}}}`},
	}
}

// strange are values that a client may send in the place of any other, as JSON.
var strange = []string{`null`, `""`, `" "`, `"x"`, `"` + strings.Repeat("x", 300) + `"`, `"\u0000"`, `"\ud800"`, `"é☃\u202e"`, `"../../etc/passwd"`, `"' OR 1=1 --"`, `"%s%n${x}"`,
	`0`, `-1`, `1.5`, `1e400`, `9223372036854775808`, `99999999999999999999999`, `true`, `[]`, `[null]`, `[[]]`, `{}`, `{"x": {"y": []}}`,
	strings.Repeat("[", 200) + strings.Repeat("]", 200)}

// TestNoBodyBreaksAnything puts every strange value in the place of every part of a right request. Whatever is taken is
// removed again; whatever is refused is refused in style; in the end nothing is left.
func TestNoBodyBreaksAnything(t *testing.T) {
	c := startCloud(t)
	c.furnish(t)
	before := c.look(t)
	for _, m := range makings() {
		t.Run(m.name, func(t *testing.T) {
			taken, refused := 0, 0
			for _, body := range variants(t, c.fill(t, m.body), m.values()) {
				if c.send(t, m, body) {
					taken++
				} else {
					refused++
				}
			}
			if m.made != "" && taken == 0 || refused == 0 {
				t.Errorf("%d requests were taken and %d refused: the right one is wrong, or every wrong one right", taken, refused)
			}
		})
	}
	c.mustBe(t, before)
}

// send sends one body, looks at the answer and removes what was made; false when it was refused.
func (c *cloud) send(t *testing.T, m making, body string) bool {
	t.Helper()
	token, method := c.member, m.method
	if m.admin {
		token = c.admin
	}
	if method == "" {
		method = http.MethodPost
	}
	path := c.fill(t, m.path)
	a := c.do(t, request{token, method, path, body, nil})
	switch {
	case a.status >= 500:
		t.Errorf("%s %s %.600s: %s", method, path, body, a)
		return false
	case a.status >= 400:
		if err := styled(path, a); err != nil {
			t.Errorf("%s %s %.600s: %v: %s", method, path, body, err, a)
		}
		return false
	}
	if strings.Contains(body, `\u0000`) {
		t.Errorf("%s %s %.600s: a text with a zero in it is taken, which not every database can store", method, path, body)
	}
	if m.made != "" {
		remove := fmt.Sprintf(m.gone, pathEscape(a.value(t, m.made)))
		if m.name == "image" { // one that was asked to be protected is not removed before it is asked to be not
			c.must(t, request{token, "PATCH", remove, `[{"op": "replace", "path": "/protected", "value": false}]`,
				map[string]string{"Content-Type": "application/openstack-images-v2.1-json-patch"}}, "")
		}
		if gone := c.do(t, request{token, "DELETE", remove, "", nil}); gone.status >= 300 {
			t.Errorf("%s %s %.600s made something that cannot be removed: DELETE %s: %s", method, path, body, remove, gone)
		}
	}
	return true
}

// values are the strange values to try.
func (m making) values() []string {
	if m.costly {
		return []string{`null`, `""`, `"\u0000"`, `5`, `[]`, `{}`}
	}
	return strange
}

// variants are the right body itself and every body that differs in one place: a strange value, a part left out, a part too much.
func variants(t *testing.T, right string, strange []string) []string {
	t.Helper()
	var tree any
	if err := json.Unmarshal([]byte(right), &tree); err != nil {
		t.Fatalf("%v in %s", err, right)
	}
	list := []string{right, "", "{", "null", `"x"`, "[]", right + right, strings.ToUpper(right), right[:len(right)-1]}
	for _, place := range places(tree, nil) {
		for _, value := range strange {
			list = append(list, render(replaced(tree, place, raw(value))))
		}
		if len(place) > 0 {
			list = append(list, render(replaced(tree, place, nil)))
		}
		if _, isObject := at(tree, place).(map[string]any); isObject {
			list = append(list, render(replaced(tree, append(slices.Clone(place), "unknown_field"), raw(`"x"`))),
				render(replaced(tree, append(slices.Clone(place), "__proto__"), raw(`{}`))))
		}
	}
	return list
}

// raw is JSON text that is written as it is; nil leaves its place out.
type raw string

// places are the paths to every part of a JSON value, in order.
func places(tree any, to []string) [][]string {
	list := [][]string{to}
	switch tree := tree.(type) {
	case map[string]any:
		for _, key := range sortedKeys(tree) {
			list = append(list, places(tree[key], append(slices.Clone(to), key))...)
		}
	case []any:
		for i := range tree {
			list = append(list, places(tree[i], append(slices.Clone(to), fmt.Sprint(i)))...)
		}
	}
	return list
}

func at(tree any, place []string) any {
	for _, step := range place {
		switch inner := tree.(type) {
		case map[string]any:
			tree = inner[step]
		case []any:
			var i int
			fmt.Sscan(step, &i)
			tree = inner[i]
		}
	}
	return tree
}

// replaced is a copy of the tree with another value in one place.
func replaced(tree any, place []string, value any) any {
	if len(place) == 0 {
		return value
	}
	switch inner := tree.(type) {
	case map[string]any:
		object := map[string]any{}
		for key, part := range inner {
			object[key] = part
		}
		object[place[0]] = replaced(inner[place[0]], place[1:], value)
		return object
	case []any:
		list := slices.Clone(inner)
		var i int
		fmt.Sscan(place[0], &i)
		list[i] = replaced(inner[i], place[1:], value)
		return list
	}
	return value
}

// render writes JSON with the raw parts as they are, which no encoder would do.
func render(tree any) string {
	switch tree := tree.(type) {
	case raw:
		return string(tree)
	case map[string]any:
		var parts []string
		for _, key := range sortedKeys(tree) {
			if tree[key] == nil {
				continue
			}
			name, _ := json.Marshal(key)
			parts = append(parts, string(name)+":"+render(tree[key]))
		}
		return "{" + strings.Join(parts, ",") + "}"
	case []any:
		var parts []string
		for _, part := range tree {
			if part != nil {
				parts = append(parts, render(part))
			}
		}
		return "[" + strings.Join(parts, ",") + "]"
	}
	text, _ := json.Marshal(tree)
	return string(text)
}

func sortedKeys(object map[string]any) []string {
	keys := make([]string, 0, len(object))
	for key := range object {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}
