package wire

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// TestNoHostFits asks for more than the host has: the server's fault says what was missing and by how much, and does not name the host.
func TestNoHostFits(t *testing.T) {
	c := startCloud(t)
	c.furnish(t)
	project := c.ids["wire_project"]
	c.must(t, request{c.admin, "PUT", "/compute/v2.1/os-quota-sets/" + project, `{"quota_set": {"ram": -1}}`, nil}, "")
	before := c.look(t)
	id := c.must(t, request{c.member, "POST", "/compute/v2.1/servers", c.fill(t, server(`"flavorRef": "${giant}"`)), nil}, "server.id")
	fault := c.settled(t, id, "ERROR")
	match := regexp.MustCompile(`^No valid host was found\. 1 host: it has too few MB of memory \((\d+) needed, (\d+) free\)\.`).FindStringSubmatch(fault)
	if match == nil || strings.Contains(fault, "wirehost") {
		t.Fatalf("the fault is %q", fault)
	}
	var needed, free int
	fmt.Sscan(match[1], &needed)
	fmt.Sscan(match[2], &free)
	if needed != 40000000 || free <= 0 {
		t.Errorf("the numbers of %q do not fit together", fault)
	}
	c.must(t, request{c.member, "DELETE", "/compute/v2.1/servers/" + id, "", nil}, "")
	c.mustBe(t, before)
}

// TestQuotasHold fills each quota and asks for one more.
func TestQuotasHold(t *testing.T) {
	c := startCloud(t)
	c.furnish(t)
	project := c.ids["wire_project"]
	c.must(t, request{c.admin, "PUT", "/network/v2.0/quotas/" + project,
		`{"quota": {"network": 2, "subnet": 1, "port": 2, "router": 1, "floatingip": 1, "security_group": 2, "security_group_rule": 1}}`, nil}, "")
	c.must(t, request{c.admin, "PUT", "/compute/v2.1/os-quota-sets/" + project, `{"quota_set": {"instances": 1, "cores": 1, "ram": 64, "key_pairs": 1}}`, nil}, "")
	before := c.look(t)
	for _, w := range []wrong{
		{"networks", "POST", "/network/v2.0/networks", `{"network": {"name": "w"}}`, 409, `network`},
		{"subnets", "POST", "/network/v2.0/subnets", `{"subnet": {"network_id": "${bare_network}", "cidr": "198.51.100.0/24", "ip_version": 4}}`, 409, `subnet`},
		{"ports", "POST", "/network/v2.0/ports", `{"port": {"network_id": "${network}"}}`, 409, `port`},
		{"routers", "POST", "/network/v2.0/routers", `{"router": {"name": "w"}}`, 409, `router`},
		{"floating IPs", "POST", "/network/v2.0/floatingips", `{"floatingip": {"floating_network_id": "${public}"}}`, 409, `floatingip`},
		{"groups", "POST", "/network/v2.0/security-groups", `{"security_group": {"name": "w"}}`, 409, `security_group`},
		{"rules", "POST", "/network/v2.0/security-group-rules", `{"security_group_rule": {"security_group_id": "${group}", "direction": "ingress"}}`, 409, `security_group_rule`},
		{"servers", "POST", "/compute/v2.1/servers", server(`"name": "w"`), 403, `[Qq]uota exceeded for .*instances`},
		{"keys", "POST", "/compute/v2.1/os-keypairs", `{"keypair": {"name": "w", "public_key": "` + publicKey + `"}}`, 403, `[Qq]uota`},
	} {
		t.Run(w.name, func(t *testing.T) { c.refused(t, c.member, w) })
	}
	c.mustBe(t, before)
}

// TestPortQuotaSpoilsAServer has a create fail in its middle: what was made for it goes, the server says why.
func TestPortQuotaSpoilsAServer(t *testing.T) {
	c := startCloud(t)
	c.furnish(t)
	ports := len(c.rows(t, c.member, "/network/v2.0/ports", "ports"))
	c.must(t, request{c.admin, "PUT", "/network/v2.0/quotas/" + c.ids["wire_project"], fmt.Sprintf(`{"quota": {"port": %d}}`, ports), nil}, "")
	before := c.look(t)
	a := c.do(t, request{c.member, "POST", "/compute/v2.1/servers", c.fill(t, server(`"name": "w"`)), nil})
	switch {
	case a.status == 403: // nova's API looks at the port quota before it admits
	case a.status == 202:
		id := a.value(t, "server.id")
		if fault := c.settled(t, id, "ERROR"); !strings.Contains(strings.ToLower(fault), "quota") {
			t.Errorf("the fault is %q", fault)
		}
		c.must(t, request{c.member, "DELETE", "/compute/v2.1/servers/" + id, "", nil}, "")
	default:
		t.Errorf("a server whose port is over the quota: %s", a)
	}
	c.mustBe(t, before)
}
