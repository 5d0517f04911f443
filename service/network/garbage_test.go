package network

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestStrangeValuesAreRefusedOrTakenButNeverBreak puts odd values in the place of every
// attribute of a good body, one after the other.
func TestStrangeValuesAreRefusedOrTakenButNeverBreak(t *testing.T) {
	c := newCloud(t)
	c.report(node1, "192.0.2.1")
	out := c.outside()
	n := c.network(admin, "n")
	sub := c.subnet(admin, n, "10.0.0.0/24")
	p := c.port(admin, n, "").text("id")
	router := c.want(201, admin, "POST", "/v2.0/routers", `{"router":{}}`).text("router.id")
	c.want(200, admin, "PUT", "/v2.0/quotas/adminproject", `{"quota":{"network":-1,"subnet":-1,"port":-1,"router":-1,"floatingip":-1,"security_group":-1,"security_group_rule":-1}}`)
	group := c.want(201, admin, "POST", "/v2.0/security-groups", `{"security_group":{"name":"g"}}`).text("security_group.id")
	fip := c.want(201, admin, "POST", "/v2.0/floatingips", `{"floatingip":{"floating_network_id":"`+out+`"}}`).text("floatingip.id")
	odd := []string{`null`, `-1`, `0`, `1e308`, `99999999999999999999`, `""`, `"x"`, `"` + strings.Repeat("é", 255) + `"`, `"\u0000"`, `"\ud800"`, `"%s' OR 1=1"`,
		`[]`, `[null]`, `["x","x"]`, `{}`, `{"a":1}`, `true`, `"::ffff:10.0.0.1"`, `"10.0.0.0/0"`, `"fe80::1%eth0"`, `[{}]`, `[7]`}
	for path, body := range map[string]string{
		"POST /v2.0/networks": `{"network":{"name":"a","description":"b","admin_state_up":true,"shared":false,"router:external":false,"is_default":false,"mtu":1400,"port_security_enabled":true,
			"availability_zone_hints":["nova"],"provider:network_type":"vxlan","provider:physical_network":null,"provider:segmentation_id":null,"project_id":"p"}}`,
		"PUT /v2.0/networks/" + n: `{"network":{"name":"a","mtu":1400,"shared":false,"admin_state_up":true}}`,
		"POST /v2.0/subnets": `{"subnet":{"network_id":"` + n + `","ip_version":4,"cidr":"10.7.0.0/24","gateway_ip":"10.7.0.1","enable_dhcp":true,"name":"a","dns_nameservers":["1.1.1.1"],
			"host_routes":[{"destination":"10.8.0.0/16","nexthop":"10.7.0.9"}],"allocation_pools":[{"start":"10.7.0.10","end":"10.7.0.20"}],"ipv6_ra_mode":null,"ipv6_address_mode":null}}`,
		"PUT /v2.0/subnets/" + sub: `{"subnet":{"name":"a","gateway_ip":"10.0.0.1","allocation_pools":[{"start":"10.0.0.10","end":"10.0.0.20"}],"dns_nameservers":[],"host_routes":[]}}`,
		"POST /v2.0/ports": `{"port":{"network_id":"` + n + `","name":"a","mac_address":"fa:16:3e:11:22:33","device_id":"d","device_owner":"compute:nova","fixed_ips":[{"ip_address":"10.0.0.200"}],
			"security_groups":["` + group + `"],"allowed_address_pairs":[{"ip_address":"10.0.0.0/8","mac_address":"fa:16:3e:11:22:33"}],"extra_dhcp_opts":[{"opt_name":"mtu","opt_value":"1400","ip_version":4}],
			"port_security_enabled":true,"binding:host_id":"n1","binding:vnic_type":"normal","binding:profile":{}}}`,
		"PUT /v2.0/ports/" + p:                                     `{"port":{"name":"a","fixed_ips":[{"subnet_id":"` + sub + `"}],"mac_address":"fa:16:3e:11:22:44","security_groups":[],"binding:host_id":"n1","device_id":"x"}}`,
		"POST /v2.0/routers":                                       `{"router":{"name":"a","admin_state_up":true,"external_gateway_info":{"network_id":"` + out + `","enable_snat":true,"external_fixed_ips":[{"ip_address":"172.24.4.9"}]}}}`,
		"PUT /v2.0/routers/" + router:                              `{"router":{"name":"a","routes":[{"destination":"10.8.0.0/16","nexthop":"10.0.0.9"}],"external_gateway_info":null}}`,
		"PUT /v2.0/routers/" + router + "/add_router_interface":    `{"subnet_id":"` + sub + `"}`,
		"PUT /v2.0/routers/" + router + "/remove_router_interface": `{"subnet_id":"` + sub + `"}`,
		"POST /v2.0/floatingips":                                   `{"floatingip":{"floating_network_id":"` + out + `","floating_ip_address":"172.24.4.8","subnet_id":null,"port_id":"` + p + `","fixed_ip_address":"10.0.0.2"}}`,
		"PUT /v2.0/floatingips/" + fip:                             `{"floatingip":{"port_id":"` + p + `","fixed_ip_address":"10.0.0.2","description":"d"}}`,
		"POST /v2.0/security-groups":                               `{"security_group":{"name":"a","description":"b"}}`,
		"POST /v2.0/security-group-rules": `{"security_group_rule":{"security_group_id":"` + group + `","direction":"ingress","ethertype":"IPv4","protocol":"tcp","port_range_min":1,"port_range_max":2,
			"remote_ip_prefix":"10.0.0.0/8","remote_group_id":null}}`,
		"PUT /v2.0/quotas/p":                `{"quota":{"network":1}}`,
		"PUT /v2.0/networks/" + n + "/tags": `{"tags":["a"]}`,
		"PUT /internal/hosts/n1":            `{"vtep":"192.0.2.1","version":"1","capabilities":[],"configurations":{},"started_at":"2026-01-01T00:00:00Z"}`,
		"PUT /internal/hosts/n1/ports":      `{"` + p + `":{"status":"ACTIVE","detail":"d","floating_ips":[]}}`,
	} {
		method, path, _ := strings.Cut(path, " ")
		as := admin
		if strings.HasPrefix(path, "/internal") {
			as = node1
		}
		var good any
		if err := json.Unmarshal([]byte(body), &good); err != nil {
			t.Fatal(err)
		}
		variants(good, odd, func(text string) {
			if status, got := c.do(as, method, path, text); status >= 500 {
				t.Errorf("%s %s %.300s: %d %v", method, path, text, status, got)
			}
		})
	}
	if state := c.desired(node1, 0); state.Unchanged {
		t.Errorf("state %+v", state)
	}
}

// variants calls try with the value as it is, and with each part of it replaced by each odd text.
func variants(good any, odd []string, try func(text string)) {
	const mark = "\x01mark"
	render := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		return string(text)
	}
	try(render(good))
	var walk func(v any, rebuild func(any) any)
	walk = func(v any, rebuild func(any) any) {
		for _, text := range odd {
			try(strings.ReplaceAll(render(rebuild(mark)), `"\u0001mark"`, text))
		}
		switch container := v.(type) {
		case map[string]any:
			for key, value := range container {
				walk(value, func(inner any) any {
					changed := map[string]any{}
					for k, old := range container {
						changed[k] = old
					}
					changed[key] = inner
					return rebuild(changed)
				})
			}
		case []any:
			for i, value := range container {
				walk(value, func(inner any) any {
					changed := append([]any{}, container...)
					changed[i] = inner
					return rebuild(changed)
				})
			}
		}
	}
	walk(good, func(v any) any { return v })
}
