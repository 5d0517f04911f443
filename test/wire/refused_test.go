package wire

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// wrong is a request that must be refused.
type wrong struct {
	name         string
	method, path string
	body         string
	status       int
	says         string // what the message must match; empty: anything
}

// long is longer than any name may be.
var long = strings.Repeat("x", 256)

// server is a body of POST /servers that is right but for one attribute, which begins the text.
func server(attribute string) string {
	for _, right := range []string{`"name": "w"`, `"imageRef": "${image}"`, `"flavorRef": "${flavor}"`, `"networks": [{"uuid": "${network}"}]`} {
		if key, _, _ := strings.Cut(right, ":"); !strings.HasPrefix(attribute, key+":") {
			attribute += ", " + right
		}
	}
	return `{"server": {` + attribute + `}}`
}

// nested is a value as deep as that.
func nested(depth int) string { return strings.Repeat("[", depth) + strings.Repeat("]", depth) }

// TestWrongRequestsAreRefused asks for one wrong thing after the other, as a user and, where users may not ask at all, as
// administrator.
func TestWrongRequestsAreRefused(t *testing.T) {
	c := startCloud(t)
	c.furnish(t)
	before := c.look(t)
	for _, group := range []struct {
		name  string
		token string
		list  []wrong
	}{
		{"identity as nobody", "", wrongLogins()},
		{"identity", c.admin, wrongForIdentity()},
		{"image", c.member, wrongForImage()},
		{"network", c.member, wrongForNetwork()},
		{"compute", c.member, wrongForCompute()},
		{"flavors", c.admin, wrongForFlavors()},
		{"placement", c.admin, wrongForPlacement()},
		{"operator's things as a user", c.member, notForUsers()},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, w := range group.list {
				t.Run(w.name, func(t *testing.T) { c.refused(t, group.token, w) })
			}
		})
	}
	c.mustBe(t, before)
}

// refused sends the request and looks at the answer.
func (c *cloud) refused(t *testing.T, token string, w wrong) {
	t.Helper()
	header := map[string]string{}
	if w.method == http.MethodPatch && strings.HasPrefix(w.path, "/image/") {
		header["Content-Type"] = "application/openstack-images-v2.1-json-patch"
	}
	if strings.HasSuffix(w.path, "/file") {
		header["Content-Type"] = "application/octet-stream"
	}
	path := c.fill(t, w.path)
	a := c.do(t, request{token, w.method, path, c.fill(t, w.body), header})
	if a.status != w.status {
		t.Errorf("%s %.200s %.300s: %s, want %d", w.method, path, w.body, a, w.status)
		return
	}
	if err := styled(w.path, a); err != nil {
		t.Errorf("%s %.200s %.300s: %v: %s", w.method, path, w.body, err, a)
	}
	if !regexp.MustCompile(c.fill(t, w.says)).Match(a.body) {
		t.Errorf("%s %.200s %.300s: want %s in %s", w.method, path, w.body, w.says, a)
	}
}

func wrongLogins() []wrong {
	const path = "/identity/v3/auth/tokens"
	return []wrong{
		{"no JSON", "POST", path, `{"auth": `, 400, ``},
		{"nothing", "POST", path, `{}`, 400, `auth`},
		{"a list", "POST", path, `[]`, 400, ``},
		{"no methods", "POST", path, `{"auth": {"identity": {}}}`, 400, `methods`},
		{"wrong password", "POST", path, `{"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": "wire", "domain": {"id": "default"}, "password": "guess"}}}}}`, 401, `requires authentication`},
		{"unknown user", "POST", path, `{"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": "nobody", "domain": {"id": "default"}, "password": "guess"}}}}}`, 401, `requires authentication`},
		{"unknown method", "POST", path, `{"auth": {"identity": {"methods": ["prayer"], "prayer": {}}}}`, 401, ``},
		{"a number for a password", "POST", path, `{"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": "wire", "domain": {"id": "default"}, "password": 5}}}}}`, 400, ``},
		{"a user without domain", "POST", path, `{"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": "wire", "password": "x"}}}}}`, 400, ``},
		{"foreign project", "POST", path, `{"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": "wire", "domain": {"id": "default"}, "password": "` + password + `"}}}, "scope": {"project": {"id": "${elsewhere_project}"}}}}`, 401, ``},
		{"two scopes", "POST", path, `{"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": "wire", "domain": {"id": "default"}, "password": "` + password + `"}}}, "scope": {"project": {"id": "${wire_project}"}, "domain": {"id": "default"}}}}`, 400, ``},
		{"a token that is none", "POST", path, `{"auth": {"identity": {"methods": ["token"], "token": {"id": "nonsense"}}}}`, 404, ``},
		{"a password of a megabyte", "POST", path, `{"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": "wire", "domain": {"id": "default"}, "password": "` + strings.Repeat("x", 100000) + `"}}}}}`, 401, ``},
		{"depth", "POST", path, `{"auth": ` + nested(50000) + `}`, 400, ``},
		{"no token", "GET", "/identity/v3/projects", ``, 401, ``},
		{"no token for servers", "GET", "/compute/v2.1/servers", ``, 401, ``},
		{"no token for networks", "GET", "/network/v2.0/networks", ``, 401, ``},
		{"no token for images", "GET", "/image/v2/images", ``, 401, ``},
		{"no token for providers", "GET", "/placement/resource_providers", ``, 401, ``},
	}
}

func wrongForIdentity() []wrong {
	return []wrong{
		{"no JSON", "POST", "/identity/v3/projects", `{"project": {"name"`, 400, ``},
		{"no name", "POST", "/identity/v3/projects", `{"project": {}}`, 400, `name`},
		{"empty name", "POST", "/identity/v3/projects", `{"project": {"name": "", "domain_id": "default"}}`, 400, `name`},
		{"long name", "POST", "/identity/v3/projects", `{"project": {"name": "` + long + `", "domain_id": "default"}}`, 400, `name`},
		{"number for a name", "POST", "/identity/v3/projects", `{"project": {"name": 7, "domain_id": "default"}}`, 400, `name`},
		{"enabled is a word", "POST", "/identity/v3/projects", `{"project": {"name": "w", "domain_id": "default", "enabled": "yes"}}`, 400, `enabled`},
		{"unknown domain", "POST", "/identity/v3/projects", `{"project": {"name": "w", "domain_id": "${unknown}"}}`, 400, `${unknown}`},
		{"unknown parent", "POST", "/identity/v3/projects", `{"project": {"name": "w", "domain_id": "default", "parent_id": "${unknown}"}}`, 400, `${unknown}`},
		{"taken name", "POST", "/identity/v3/projects", `{"project": {"name": "wire", "domain_id": "default"}}`, 409, `wire`},
		{"unknown project", "GET", "/identity/v3/projects/${unknown}", ``, 404, `${unknown}`},
		{"change of an unknown project", "PATCH", "/identity/v3/projects/${unknown}", `{"project": {"name": "w"}}`, 404, ``},
		{"delete of an unknown project", "DELETE", "/identity/v3/projects/${unknown}", ``, 404, ``},
		{"user without name", "POST", "/identity/v3/users", `{"user": {"domain_id": "default"}}`, 400, `name`},
		{"long user name", "POST", "/identity/v3/users", `{"user": {"name": "` + long + `", "domain_id": "default"}}`, 400, ``},
		{"user with a list as password", "POST", "/identity/v3/users", `{"user": {"name": "w", "password": []}}`, 400, `password`},
		{"taken user name", "POST", "/identity/v3/users", `{"user": {"name": "wire", "domain_id": "default"}}`, 409, ``},
		{"user of an unknown project", "POST", "/identity/v3/users", `{"user": {"name": "w", "domain_id": "default", "default_project_id": 4}}`, 400, ``},
		{"unknown user", "GET", "/identity/v3/users/${unknown}", ``, 404, ``},
		{"role without name", "POST", "/identity/v3/roles", `{"role": {}}`, 400, `name`},
		{"grant of an unknown role", "PUT", "/identity/v3/projects/${wire_project}/users/${wire_user}/roles/${unknown}", ``, 404, ``},
		{"grant to an unknown user", "PUT", "/identity/v3/projects/${wire_project}/users/${unknown}/roles/${unknown}", ``, 404, ``},
		{"endpoint without service", "POST", "/identity/v3/endpoints", `{"endpoint": {"interface": "public", "url": "http://127.0.0.1", "service_id": "${unknown}"}}`, 400, ``},
		{"endpoint of a strange interface", "POST", "/identity/v3/endpoints", `{"endpoint": {"interface": "private", "url": "http://127.0.0.1", "service_id": "${unknown}"}}`, 400, ``},
		{"service without type", "POST", "/identity/v3/services", `{"service": {"name": "w"}}`, 400, `type`},
		{"unknown path", "GET", "/identity/v3/nonsense", ``, 404, ``},
		{"method that is not there", "PUT", "/identity/v3/projects", `{}`, 405, ``},
	}
}

func wrongForImage() []wrong {
	const images, one = "/image/v2/images", "/image/v2/images/${image}"
	return []wrong{
		{"no JSON", "POST", images, `{"name":`, 400, ``},
		{"a list", "POST", images, `[]`, 400, ``},
		{"long name", "POST", images, `{"name": "` + long + `"}`, 400, `name`},
		{"number for a name", "POST", images, `{"name": 5}`, 400, `name`},
		{"unknown disk format", "POST", images, `{"disk_format": "floppy"}`, 400, `disk_format`},
		{"unknown container format", "POST", images, `{"container_format": "box"}`, 400, `container_format`},
		{"negative min_disk", "POST", images, `{"min_disk": -1}`, 400, `min_disk`},
		{"min_ram beyond all", "POST", images, `{"min_ram": 99999999999999999999}`, 400, `min_ram`},
		{"unknown visibility", "POST", images, `{"visibility": "secret"}`, 400, `visibility`},
		{"an id that is none", "POST", images, `{"id": "me"}`, 400, `id`},
		{"a taken id", "POST", images, `{"id": "${image}"}`, 409, `${image}`},
		{"a number for a property", "POST", images, `{"colour": 5}`, 400, `colour`},
		{"what only the service sets", "POST", images, `{"checksum": "d41d8cd98f00b204e9800998ecf8427e"}`, 403, `checksum`},
		{"a public image of a user", "POST", images, `{"name": "w", "visibility": "public"}`, 403, ``},
		{"depth", "POST", images, `{"name": ` + nested(100000) + `}`, 400, ``},
		{"data without formats", "PUT", images + "/${image}/file", `x`, 409, ``},
		{"data of an unknown image", "PUT", images + "/${unknown}/file", `x`, 404, ``},
		{"data that is no qcow2", "PUT", images + "/${image_queued}/file", `this is no disk`, 415, `qcow2`},
		{"a qcow2 with a backing file", "PUT", images + "/${image_queued}/file", qcow2WithBackingFile("/etc/passwd"), 415, `back`},
		{"download of nothing", "GET", images + "/${unknown}/file", ``, 404, ``},
		{"patch that is no list", "PATCH", one, `{"name": "w"}`, 400, ``},
		{"patch of a long name", "PATCH", one, `[{"op": "replace", "path": "/name", "value": "` + long + `"}]`, 400, `name`},
		{"patch of nothing", "PATCH", one, `[{"op": "replace", "path": "/nothing", "value": "w"}]`, 409, `nothing`},
		{"patch of the depth", "PATCH", one, `[{"op": "add", "path": "/a/b/c", "value": "w"}]`, 400, ``},
		{"patch by an unknown operation", "PATCH", one, `[{"op": "melt", "path": "/name"}]`, 400, ``},
		{"patch of the status", "PATCH", one, `[{"op": "replace", "path": "/status", "value": "active"}]`, 403, `status`},
		{"patch of an unknown image", "PATCH", images + "/${unknown}", `[]`, 404, ``},
		{"removal of a name", "PATCH", one, `[{"op": "remove", "path": "/name"}]`, 403, ``},
		{"delete of a protected image", "DELETE", images + "/${image_protected}", ``, 403, `protected`},
		{"unknown image", "GET", images + "/${unknown}", ``, 404, `${unknown}`},
		{"an image that is no id", "GET", images + "/..%2f..%2fetc%2fpasswd", ``, 404, ``},
		{"negative limit", "GET", images + "?limit=-1", ``, 400, `limit`},
		{"unknown marker", "GET", images + "?marker=${unknown}", ``, 400, ``},
		{"unknown sort key", "GET", images + "?sort_key=colour", ``, 400, ``},
		{"unknown path", "GET", "/image/v2/nonsense", ``, 404, ``},
	}
}

// qcow2WithBackingFile is a header of version 2 that names another file.
func qcow2WithBackingFile(name string) string {
	header := make([]byte, 512)
	copy(header, "QFI\xfb\x00\x00\x00\x02")
	header[15] = 72              // offset of the name
	header[19] = byte(len(name)) // its length
	header[23] = 16              // cluster bits
	header[29] = 0x10            // size: 1 MiB
	copy(header[72:], name)
	return string(header)
}

func wrongForNetwork() []wrong {
	const networks, subnets, ports = "/network/v2.0/networks", "/network/v2.0/subnets", "/network/v2.0/ports"
	const routers, groups, rules, floating = "/network/v2.0/routers", "/network/v2.0/security-groups", "/network/v2.0/security-group-rules", "/network/v2.0/floatingips"
	rule := func(attributes string) string {
		return `{"security_group_rule": {"security_group_id": "${group}", "direction": "ingress", ` + attributes + `}}`
	}
	return []wrong{
		{"no JSON", "POST", networks, `{"network"`, 400, ``},
		{"nothing", "POST", networks, `{}`, 400, ``},
		{"unknown field", "POST", networks, `{"network": {"name": "w", "colour": "blue"}}`, 400, `colour`},
		{"long name", "POST", networks, `{"network": {"name": "` + long + `"}}`, 400, `name`},
		{"list for a name", "POST", networks, `{"network": {"name": ["w"]}}`, 400, `name`},
		{"word for a state", "POST", networks, `{"network": {"admin_state_up": "perhaps"}}`, 400, `admin_state_up`},
		{"another's project", "POST", networks, `{"network": {"name": "w", "project_id": "${elsewhere_project}"}}`, 400, ``},
		{"external by a user", "POST", networks, `{"network": {"name": "w", "router:external": true}}`, 403, ``},
		{"depth", "POST", networks, `{"network": {"name": ` + nested(100000) + `}}`, 400, ``},
		{"unknown network", "GET", networks + "/${unknown}", ``, 404, `${unknown}`},
		{"another's network", "GET", networks + "/${foreign_network}", ``, 404, ``},
		{"network in use", "DELETE", networks + "/${network}", ``, 409, ``},
		{"subnet of an unknown network", "POST", subnets, `{"subnet": {"network_id": "${unknown}", "cidr": "198.51.100.0/24", "ip_version": 4}}`, 404, `${unknown}`},
		{"subnet of another's network", "POST", subnets, `{"subnet": {"network_id": "${foreign_network}", "cidr": "198.51.100.0/24", "ip_version": 4}}`, 404, ``},
		{"strange CIDR", "POST", subnets, `{"subnet": {"network_id": "${network}", "cidr": "somewhere", "ip_version": 4}}`, 400, `cidr`},
		{"overlapping CIDR", "POST", subnets, `{"subnet": {"network_id": "${network}", "cidr": "192.0.2.128/25", "ip_version": 4}}`, 400, `overlap`},
		{"CIDR of the other version", "POST", subnets, `{"subnet": {"network_id": "${network}", "cidr": "2001:db8::/64", "ip_version": 4}}`, 400, ``},
		{"IP version 5", "POST", subnets, `{"subnet": {"network_id": "${network}", "cidr": "198.51.100.0/24", "ip_version": 5}}`, 400, `ip_version`},
		{"pool outside", "POST", subnets, `{"subnet": {"network_id": "${network}", "cidr": "198.51.100.0/24", "ip_version": 4, "allocation_pools": [{"start": "203.0.113.1", "end": "203.0.113.9"}]}}`, 400, ``},
		{"pool backwards", "POST", subnets, `{"subnet": {"network_id": "${network}", "cidr": "198.51.100.0/24", "ip_version": 4, "allocation_pools": [{"start": "198.51.100.9", "end": "198.51.100.1"}]}}`, 400, ``},
		{"gateway in the pool", "POST", subnets, `{"subnet": {"network_id": "${network}", "cidr": "198.51.100.0/24", "ip_version": 4, "gateway_ip": "198.51.100.5", "allocation_pools": [{"start": "198.51.100.1", "end": "198.51.100.9"}]}}`, 409, ``},
		{"port of an unknown network", "POST", ports, `{"port": {"network_id": "${unknown}"}}`, 404, `${unknown}`},
		{"port without network", "POST", ports, `{"port": {}}`, 400, `network_id`},
		{"port with a taken address", "POST", ports, `{"port": {"network_id": "${network}", "fixed_ips": [{"ip_address": "192.0.2.10"}]}}`, 409, `192\.0\.2\.10`},
		{"port with an address from elsewhere", "POST", ports, `{"port": {"network_id": "${network}", "fixed_ips": [{"ip_address": "203.0.113.5"}]}}`, 400, `203\.0\.113\.5`},
		{"port with a strange address", "POST", ports, `{"port": {"network_id": "${network}", "fixed_ips": [{"ip_address": "five"}]}}`, 400, `five`},
		{"port with a strange MAC", "POST", ports, `{"port": {"network_id": "${network}", "mac_address": "12:34"}}`, 400, ``},
		{"port in an unknown group", "POST", ports, `{"port": {"network_id": "${network}", "security_groups": ["${unknown}"]}}`, 404, ``},
		{"port with an address, network without subnet", "POST", ports, `{"port": {"network_id": "${bare_network}", "fixed_ips": [{"ip_address": "10.9.9.9"}]}}`, 400, ``},
		{"router through an inner network", "POST", routers, `{"router": {"name": "w", "external_gateway_info": {"network_id": "${network}"}}}`, 400, `external`},
		{"router through an unknown network", "POST", routers, `{"router": {"name": "w", "external_gateway_info": {"network_id": "${unknown}"}}}`, 404, ``},
		{"interface to nothing", "PUT", routers + "/${router}/add_router_interface", `{}`, 400, ``},
		{"interface to both", "PUT", routers + "/${router}/add_router_interface", `{"subnet_id": "${subnet}", "port_id": "${port}"}`, 400, ``},
		{"interface to an unknown subnet", "PUT", routers + "/${router}/add_router_interface", `{"subnet_id": "${unknown}"}`, 404, ``},
		{"interface twice", "PUT", routers + "/${router}/add_router_interface", `{"subnet_id": "${subnet}"}`, 400, ``},
		{"interface that is not there", "PUT", routers + "/${router}/remove_router_interface", `{"subnet_id": "${unknown}"}`, 404, ``},
		{"router in use", "DELETE", routers + "/${router}", ``, 409, ``},
		{"floating IP of an inner network", "POST", floating, `{"floatingip": {"floating_network_id": "${network}"}}`, 400, `external`},
		{"floating IP of an unknown network", "POST", floating, `{"floatingip": {"floating_network_id": "${unknown}"}}`, 404, ``},
		{"floating IP for an unknown port", "POST", floating, `{"floatingip": {"floating_network_id": "${public}", "port_id": "${unknown}"}}`, 404, ``},
		{"floating IP of the user's choice", "POST", floating, `{"floatingip": {"floating_network_id": "${public}", "floating_ip_address": "203.0.113.5"}}`, 403, ``},
		{"rule without group", "POST", rules, `{"security_group_rule": {"direction": "ingress"}}`, 400, `security_group_id`},
		{"rule of an unknown group", "POST", rules, `{"security_group_rule": {"security_group_id": "${unknown}", "direction": "ingress"}}`, 404, ``},
		{"rule in a strange direction", "POST", rules, `{"security_group_rule": {"security_group_id": "${group}", "direction": "sideways"}}`, 400, `direction`},
		{"ports without protocol", "POST", rules, rule(`"port_range_min": 1, "port_range_max": 2`), 400, ``},
		{"ports backwards", "POST", rules, rule(`"protocol": "tcp", "port_range_min": 9, "port_range_max": 1`), 400, ``},
		{"port beyond all", "POST", rules, rule(`"protocol": "tcp", "port_range_min": 1, "port_range_max": 65536`), 400, ``},
		{"strange protocol", "POST", rules, rule(`"protocol": "smoke"`), 400, `smoke`},
		{"strange prefix", "POST", rules, rule(`"remote_ip_prefix": "all"`), 400, ``},
		{"two remote sides", "POST", rules, rule(`"remote_ip_prefix": "0.0.0.0/0", "remote_group_id": "${group}"`), 400, ``},
		{"unknown remote group", "POST", rules, rule(`"remote_group_id": "${unknown}"`), 404, ``},
		{"the same rule again", "POST", rules, rule(`"protocol": "tcp", "port_range_min": 22, "port_range_max": 22`), 409, ``},
		{"delete of the default group", "DELETE", groups + "/${default_group}", ``, 409, ``},
		{"a second group default", "POST", groups, `{"security_group": {"name": "default"}}`, 409, ``},
		{"unknown group", "GET", groups + "/${unknown}", ``, 404, ``},
		{"unknown port", "DELETE", ports + "/${unknown}", ``, 404, ``},
		{"negative limit", "GET", networks + "?limit=-1", ``, 400, `limit`},
		{"unknown path", "GET", "/network/v2.0/nonsense", ``, 404, ``},
	}
}
