package network

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"virga/core/api"
	"virga/core/api/apitest"
)

func TestDerivedTestsHoldForEveryRow(t *testing.T) {
	c := newCloud(t)
	n := c.network(alice, "n")
	sub := c.subnet(alice, n, "10.1.0.0/24")
	p := c.port(alice, n, "").text("id")
	router := c.want(201, alice, "POST", "/v2.0/routers", `{"router":{"name":"r"}}`).text("router.id")
	group := c.want(201, alice, "POST", "/v2.0/security-groups", `{"security_group":{"name":"g"}}`)
	c.want(200, admin, "PUT", "/v2.0/networks/"+c.network(admin, "ext"), `{"network":{"router:external":true}}`)
	ext := c.want(200, admin, "GET", "/v2.0/networks?name=ext", "").text("networks.0.id")
	c.subnet(admin, ext, "172.24.4.0/24")
	fip := c.want(201, alice, "POST", "/v2.0/floatingips", `{"floatingip":{"floating_network_id":"`+ext+`"}}`).text("floatingip.id")
	ids := map[string]string{"networks": n, "subnets": sub, "ports": p, "routers": router, "floatingips": fip,
		"security-groups": group.text("security_group.id"), "security-group-rules": group.text("security_group.security_group_rules.0.id")}
	(&apitest.Subject{Table: c.s.Table(), Handler: c.s.Handler(), Owner: alice, Stranger: bob, Params: func(row api.Route) map[string]string {
		part := strings.Split(row.Path, "/")
		if len(part) < 3 {
			return nil
		}
		return map[string]string{"id": ids[part[2]], "project_id": "red", "host": "n1", "tag": "t"}
	}}).Run(t)
}

func TestStrangersSeeNothingOfOthers(t *testing.T) {
	c := newCloud(t)
	n := c.network(alice, "secret")
	sub := c.subnet(alice, n, "10.1.0.0/24")
	p := c.port(alice, n, "").text("id")
	for path, exception := range map[string]string{"networks/" + n: "NetworkNotFound", "subnets/" + sub: "SubnetNotFound", "ports/" + p: "PortNotFound",
		"networks/" + n + "/tags": "NetworkNotFound"} {
		c.refused(404, exception, bob, "GET", "/v2.0/"+path, "")
	}
	c.refused(404, "NetworkNotFound", bob, "DELETE", "/v2.0/networks/"+n, "")
	c.refused(404, "NetworkNotFound", bob, "POST", "/v2.0/ports", `{"port":{"network_id":"`+n+`"}}`)
	c.refused(404, "NetworkNotFound", bob, "POST", "/v2.0/subnets", `{"subnet":{"network_id":"`+n+`","ip_version":4,"cidr":"10.9.0.0/24"}}`)
	for _, many := range []string{"networks", "subnets", "ports"} {
		if got := c.want(200, bob, "GET", "/v2.0/"+many+"?project_id=red", "").list(many); len(got) != 0 {
			t.Errorf("bob lists %v", got)
		}
	}
	c.refused(403, "PolicyNotAuthorized", watcher, "POST", "/v2.0/networks", `{"network":{"name":"x"}}`)
	c.refused(403, "PolicyNotAuthorized", watcher, "DELETE", "/v2.0/networks/"+n, "")
	if got := c.want(200, watcher, "GET", "/v2.0/networks/"+n, ""); got.at("network.provider:network_type") != nil {
		t.Errorf("a reader sees the segment: %v", got)
	}
	if got := c.want(200, admin, "GET", "/v2.0/networks/"+n, ""); got.text("network.provider:network_type") != "vxlan" || got.at("network.provider:segmentation_id") == nil {
		t.Errorf("an administrator sees %v", got)
	}
	c.refused(400, "HTTPBadRequest", bob, "POST", "/v2.0/networks", `{"network":{"name":"x","project_id":"red"}}`)
}

func TestDocuments(t *testing.T) {
	c := newCloud(t)
	if got := c.want(200, nil, "GET", "/", "").text("versions.0.links.0.href"); got != "http://x/network/v2.0/" {
		t.Errorf("version link %q", got)
	}
	if got := c.want(200, alice, "GET", "/v2.0/", "").text("resources.0.name"); got != "network" {
		t.Errorf("resources begin with %q", got)
	}
	if got := c.want(200, alice, "GET", "/v2.0/extensions/security-group", "").text("extension.alias"); got != "security-group" {
		t.Errorf("extension %q", got)
	}
	c.refused(404, "ExtensionsNotFound", alice, "GET", "/v2.0/extensions/qos", "")
}

func TestListsArePagedSortedFilteredAndReduced(t *testing.T) {
	c := newCloud(t)
	for i := range 7 {
		c.network(alice, fmt.Sprintf("n%d", i))
	}
	var names []string
	path := "/v2.0/networks?sort_key=name&sort_dir=desc&limit=3&fields=name&fields=id"
	pages := 0
	for path != "" {
		page := c.want(200, alice, "GET", strings.TrimPrefix(path, "http://x/network"), "")
		path = ""
		pages++
		for _, item := range page.list("networks") {
			n := item.(map[string]any)
			if len(n) != 2 {
				t.Fatalf("fields: %v", n)
			}
			names = append(names, n["name"].(string))
		}
		for _, link := range page.list("networks_links") {
			if l := link.(map[string]any); l["rel"] == "next" {
				path = l["href"].(string)
			}
		}
	}
	if strings.Join(names, "") != "n6n5n4n3n2n1n0" || pages != 3 {
		t.Errorf("%v in %d pages", names, pages)
	}
	marker := c.want(200, alice, "GET", "/v2.0/networks?name=n3", "").text("networks.0.id")
	back := c.want(200, alice, "GET", "/v2.0/networks?sort_key=name&limit=2&page_reverse=True&marker="+marker, "")
	if back.text("networks.0.name") != "n1" || back.text("networks.1.name") != "n2" {
		t.Errorf("reversed page %v", back)
	}
	if got := c.want(200, alice, "GET", "/v2.0/networks?name=n1&name=n2&admin_state_up=True", "").list("networks"); len(got) != 2 {
		t.Errorf("filter by two names: %v", got)
	}
	for _, query := range []string{"limit=-1", "limit=x", "sort_key=secret", "marker=nothing", "colour=red", "admin_state_up=maybe", "mtu=x", "name=%00"} {
		c.refused(400, "HTTPBadRequest", alice, "GET", "/v2.0/networks?"+query, "")
	}
}

func TestBulkIsAllOrNothing(t *testing.T) {
	c := newCloud(t)
	got := c.want(201, alice, "POST", "/v2.0/networks", `{"networks":[{"name":"a"},{"name":"b"}]}`)
	if len(got.list("networks")) != 2 || got.text("networks.1.name") != "b" {
		t.Errorf("bulk: %v", got)
	}
	n := got.text("networks.0.id")
	c.subnet(alice, n, "10.0.0.0/29")
	body := `{"ports":[` + strings.TrimSuffix(strings.Repeat(`{"network_id":"`+n+`"},`, 6), ",") + `]}`
	c.refused(409, "IpAddressGenerationFailure", alice, "POST", "/v2.0/ports", body)
	if got := c.want(200, alice, "GET", "/v2.0/ports", "").list("ports"); len(got) != 0 {
		t.Errorf("%d ports are left of a bulk that failed", len(got))
	}
}

func TestTagsAndRevisions(t *testing.T) {
	c := newCloud(t)
	n := c.network(alice, "n")
	path := "/v2.0/networks/" + n
	c.want(200, alice, "PUT", path+"/tags", `{"tags":["red","blue","red"]}`)
	c.want(201, alice, "PUT", path+"/tags/green", "")
	c.want(204, alice, "GET", path+"/tags/green", "")
	c.want(204, alice, "DELETE", path+"/tags/red", "")
	c.refused(404, "TagNotFound", alice, "GET", path+"/tags/red", "")
	if got := fmt.Sprint(c.want(200, alice, "GET", path, "").at("network.tags")); got != "[blue green]" {
		t.Errorf("tags %s", got)
	}
	other := c.network(alice, "other")
	c.want(200, alice, "PUT", "/v2.0/networks/"+other+"/tags", `{"tags":["blue"]}`)
	for query, want := range map[string]int{"tags=blue,green": 1, "tags-any=blue,green": 2, "not-tags=blue,green": 1, "not-tags-any=blue,green": 0} {
		if got := c.want(200, alice, "GET", "/v2.0/networks?"+query, "").list("networks"); len(got) != want {
			t.Errorf("%s: %d networks, want %d", query, len(got), want)
		}
	}
	if status, _ := c.do(alice, "PUT", path, `{"network":{"name":"x"}}`, "If-Match", "revision_number=0"); status != http.StatusPreconditionFailed {
		t.Errorf("an old revision: status %d", status)
	}
	revision := c.want(200, alice, "GET", path, "").at("network.revision_number")
	if status, got := c.do(alice, "PUT", path, `{"network":{"name":"x"}}`, "If-Match", fmt.Sprintf("revision_number=%v", revision)); status != 200 || got.text("network.name") != "x" {
		t.Errorf("the current revision: status %d %v", status, got)
	}
	c.want(204, alice, "DELETE", path+"/tags", "")
}
