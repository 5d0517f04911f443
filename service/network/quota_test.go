package network

import (
	"fmt"
	"sync"
	"testing"
)

func TestQuotasAreExactUnderConcurrency(t *testing.T) {
	c := newCloud(t)
	c.want(200, admin, "PUT", "/v2.0/quotas/red", `{"quota":{"network":13}}`)
	var mu sync.Mutex
	statuses := map[string]int{}
	var wait sync.WaitGroup
	for range 100 {
		wait.Go(func() {
			status, got := c.do(alice, "POST", "/v2.0/networks", `{"network":{}}`)
			mu.Lock()
			defer mu.Unlock()
			statuses[fmt.Sprint(status, got.text("NeutronError.type"))]++
		})
	}
	wait.Wait()
	if statuses["201"] != 13 || statuses["409OverQuota"] != 87 {
		t.Errorf("statuses %v", statuses)
	}
	if got := c.want(200, alice, "GET", "/v2.0/quotas/red/details", ""); fmt.Sprint(got.at("quota.network")) != "map[limit:13 reserved:0 used:13]" {
		t.Errorf("details %v", got)
	}
}

func TestQuotasOfEveryKindHold(t *testing.T) {
	c := newCloud(t)
	out := c.outside()
	n := c.network(alice, "n")
	c.subnet(alice, n, "10.0.0.0/24")
	group := c.want(200, alice, "GET", "/v2.0/security-groups", "").text("security_groups.0.id")
	c.want(200, admin, "PUT", "/v2.0/quotas/red", `{"quota":{"network":1,"subnet":1,"port":"0","router":0,"floatingip":0,"security_group":1,"security_group_rule":4}}`)
	for path, body := range map[string]string{
		"networks": `{"network":{}}`, "subnets": `{"subnet":{"network_id":"` + n + `","ip_version":4,"cidr":"10.1.0.0/24"}}`, "ports": `{"port":{"network_id":"` + n + `"}}`,
		"routers": `{"router":{}}`, "floatingips": `{"floatingip":{"floating_network_id":"` + out + `"}}`, "security-groups": `{"security_group":{"name":"x"}}`,
		"security-group-rules": `{"security_group_rule":{"security_group_id":"` + group + `","direction":"ingress"}}`,
	} {
		c.refused(409, "OverQuota", alice, "POST", "/v2.0/"+path, body)
	}
	if got := c.want(200, admin, "GET", "/v2.0/quotas", ""); got.text("quotas.0.project_id") != "red" || got.at("quotas.0.port") != float64(0) {
		t.Errorf("list %v", got)
	}
	c.refused(403, "PolicyNotAuthorized", alice, "PUT", "/v2.0/quotas/red", `{"quota":{"network":1000}}`)
	c.refused(403, "PolicyNotAuthorized", alice, "GET", "/v2.0/quotas/blue", "")
	c.refused(400, "HTTPBadRequest", admin, "PUT", "/v2.0/quotas/red", `{"quota":{"network":-2}}`)
	c.refused(400, "HTTPBadRequest", admin, "PUT", "/v2.0/quotas/red", `{"quota":{"server":1}}`)
	c.want(200, admin, "PUT", "/v2.0/quotas/red", `{"quota":{"force":true,"network":0}}`)
	c.want(204, admin, "DELETE", "/v2.0/quotas/red", "")
	c.refused(404, "TenantQuotaNotFound", admin, "DELETE", "/v2.0/quotas/red", "")
	if got := c.want(200, alice, "GET", "/v2.0/quotas/red", ""); got.at("quota.network") != float64(100) {
		t.Errorf("default %v", got)
	}
}
