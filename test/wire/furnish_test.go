package wire

import (
	"encoding/json"
	"fmt"
	"testing"
)

// furnish gives the member's project one of everything, so that a wrong request is wrong in one respect only. The ids are
// kept by name.
func (c *cloud) furnish(t *testing.T) {
	t.Helper()
	make := func(name, token, path, body, value string) {
		c.ids[name] = c.must(t, request{token, "POST", path, c.fill(t, body), nil}, value)
	}
	make("flavor", c.admin, "/compute/v2.1/flavors", `{"flavor": {"name": "wire.small", "ram": 64, "vcpus": 1, "disk": 1}}`, "flavor.id")
	make("giant", c.admin, "/compute/v2.1/flavors", `{"flavor": {"name": "wire.giant", "ram": 40000000, "vcpus": 1, "disk": 1}}`, "flavor.id")
	c.ids["image"] = c.image(t, "plain", `"disk_format": "raw"`)
	c.ids["image_large"] = c.image(t, "large", `"disk_format": "raw", "min_disk": 50`)
	c.ids["image_hungry"] = c.image(t, "hungry", `"disk_format": "raw", "min_ram": 4096`)
	make("image_queued", c.member, "/image/v2/images", `{"name": "queued", "disk_format": "qcow2", "container_format": "bare"}`, "id")
	make("image_protected", c.member, "/image/v2/images", `{"name": "protected", "protected": true, "disk_format": "raw", "container_format": "bare"}`, "id")
	make("network", c.member, "/network/v2.0/networks", `{"network": {"name": "wire"}}`, "network.id")
	make("subnet", c.member, "/network/v2.0/subnets", `{"subnet": {"network_id": "${network}", "cidr": "192.0.2.0/24", "ip_version": 4}}`, "subnet.id")
	make("bare_network", c.member, "/network/v2.0/networks", `{"network": {"name": "bare"}}`, "network.id")
	make("port", c.member, "/network/v2.0/ports", `{"port": {"network_id": "${network}", "fixed_ips": [{"ip_address": "192.0.2.10"}]}}`, "port.id")
	make("group", c.member, "/network/v2.0/security-groups", `{"security_group": {"name": "wire"}}`, "security_group.id")
	make("rule", c.member, "/network/v2.0/security-group-rules",
		`{"security_group_rule": {"security_group_id": "${group}", "direction": "ingress", "protocol": "tcp", "port_range_min": 22, "port_range_max": 22}}`, "security_group_rule.id")
	c.ids["public"] = c.only(t, c.admin, "/network/v2.0/networks?name=public", "networks")
	c.ids["default_group"] = c.only(t, c.member, "/network/v2.0/security-groups?name=default", "security_groups")
	make("router", c.member, "/network/v2.0/routers", `{"router": {"name": "wire", "external_gateway_info": {"network_id": "${public}"}}}`, "router.id")
	c.must(t, request{c.member, "PUT", c.fill(t, "/network/v2.0/routers/${router}/add_router_interface"), c.fill(t, `{"subnet_id": "${subnet}"}`), nil}, "")
	make("floating", c.member, "/network/v2.0/floatingips", `{"floatingip": {"floating_network_id": "${public}"}}`, "floatingip.id")
	make("foreign_network", c.stranger, "/network/v2.0/networks", `{"network": {"name": "foreign"}}`, "network.id")
	c.must(t, request{c.member, "POST", "/compute/v2.1/os-keypairs", fmt.Sprintf(`{"keypair": {"name": "wire", "type": "ssh", "public_key": %q}}`, publicKey), nil}, "")
	make("server", c.member, "/compute/v2.1/servers",
		`{"server": {"name": "wire", "imageRef": "${image}", "flavorRef": "${flavor}", "networks": [{"uuid": "${network}"}]}}`, "server.id")
	c.settled(t, c.ids["server"], "ACTIVE")
	make("provider", c.admin, "/placement/resource_providers", `{"name": "wire"}`, "uuid")
	c.ids["unknown"] = "0f0f0f0f-0000-4000-8000-0f0f0f0f0f0f"
}

// publicKey is a key that nobody has the private half of.
const publicKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZ wire"

// image makes an active image of one megabyte.
func (c *cloud) image(t *testing.T, name, attributes string) string {
	t.Helper()
	id := c.must(t, request{c.member, "POST", "/image/v2/images", fmt.Sprintf(`{"name": %q, "container_format": "bare", %s}`, name, attributes), nil}, "id")
	c.upload(t, id, make([]byte, 1<<20), 204)
	return id
}

// upload sends an image's data, which is to be answered with the status.
func (c *cloud) upload(t *testing.T, id string, data []byte, status int) *answer {
	t.Helper()
	a := c.do(t, request{c.member, "PUT", "/image/v2/images/" + id + "/file", string(data), map[string]string{"Content-Type": "application/octet-stream"}})
	if a.status != status {
		t.Fatalf("upload to image %s: %s, want %d", id, a, status)
	}
	return a
}

// only returns the id of the one row of a list.
func (c *cloud) only(t *testing.T, token, path, key string) string {
	t.Helper()
	rows := c.rows(t, token, path, key)
	if len(rows) != 1 {
		t.Fatalf("GET %s: %v, want one", path, rows)
	}
	return fmt.Sprint(rows[0]["id"])
}

// settled waits until a server has the status and returns its fault's message.
func (c *cloud) settled(t *testing.T, id, status string) (fault string) {
	t.Helper()
	c.await(t, "server "+id+" becomes "+status, func() error {
		a := c.do(t, request{c.member, "GET", "/compute/v2.1/servers/" + id, "", nil})
		if a.status != 200 {
			return fmt.Errorf("%s", a)
		}
		if now := a.value(t, "server.status"); now != status {
			if now == "ERROR" {
				t.Fatalf("server %s is in ERROR: %s", id, a.value(t, "server.fault.message"))
			}
			return fmt.Errorf("it is %s", now)
		}
		if status == "ERROR" {
			fault = a.value(t, "server.fault.message")
		}
		return nil
	})
	return fault
}

// rows returns a list.
func (c *cloud) rows(t *testing.T, token, path, key string) []map[string]any {
	t.Helper()
	a := c.do(t, request{token, "GET", path, "", nil})
	var body map[string]json.RawMessage
	var rows []map[string]any
	if err := json.Unmarshal(a.body, &body); err != nil || a.status != 200 {
		t.Fatalf("GET %s: %v: %s", path, err, a)
	}
	if err := json.Unmarshal(body[key], &rows); err != nil {
		t.Fatalf("GET %s: no list %s: %v", path, key, err)
	}
	return rows
}
