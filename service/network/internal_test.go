package network

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"virga/core/token"
	"virga/service/network/desired"
	"virga/service/network/fabric"
)

// desired fetches a node's state.
func (c *cloud) desired(node *token.Identity, since int64) desired.State {
	c.t.Helper()
	return c.ask(node, fmt.Sprintf("since=%d&changes=1", since))
}

// desiredSince fetches what is new for a node that has a state.
func (c *cloud) desiredSince(node *token.Identity, state desired.State) desired.State {
	c.t.Helper()
	return c.ask(node, fmt.Sprintf("since=%d&moment=%s&changes=1", state.Generation, state.Moment))
}

// desiredAsBefore does so as an agent that does not understand changes of sets.
func (c *cloud) desiredAsBefore(node *token.Identity, state desired.State) desired.State {
	c.t.Helper()
	return c.ask(node, fmt.Sprintf("since=%d", state.Generation))
}

func (c *cloud) ask(node *token.Identity, query string) desired.State {
	c.t.Helper()
	r := httptest.NewRequestWithContext(token.WithIdentity(c.t.Context(), node), "GET", "/internal/hosts/"+node.UserID[5:]+"/desired?"+query, nil)
	w := httptest.NewRecorder()
	c.s.Handler().ServeHTTP(w, r)
	var state desired.State
	if err := json.NewDecoder(bytes.NewReader(w.Body.Bytes())).Decode(&state); err != nil || w.Code != http.StatusOK {
		c.t.Fatalf("desired state: %d %v %s", w.Code, err, w.Body)
	}
	return state
}

func TestAgentsReportAndDie(t *testing.T) {
	c := newCloud(t)
	c.refused(403, "PolicyNotAuthorized", node2, "PUT", "/internal/hosts/n1", `{}`)
	c.refused(403, "PolicyNotAuthorized", alice, "PUT", "/internal/hosts/n1", `{}`)
	c.refused(404, "HTTPNotFound", node1, "GET", "/internal/hosts/n1/desired", "")
	c.refused(400, "HTTPBadRequest", node1, "PUT", "/internal/hosts/n1", `{"vtep":"nowhere"}`)
	c.report(node1, "192.0.2.1")
	got := c.want(200, admin, "GET", "/v2.0/agents", "")
	if got.text("agents.0.host") != "n1" || got.at("agents.0.alive") != true {
		t.Errorf("agents %v", got)
	}
	if got := c.want(200, alice, "GET", "/v2.0/agents", "").list("agents"); len(got) != 0 {
		t.Errorf("a member sees %v", got)
	}
	c.refused(403, "PolicyNotAuthorized", alice, "PUT", "/v2.0/agents/"+got.text("agents.0.id"), `{"agent":{"admin_state_up":false}}`)
	c.clock.Advance(11 * time.Second)
	if got := c.want(200, admin, "GET", "/v2.0/agents?alive=false", ""); got.at("agents.0.alive") != false {
		t.Errorf("a silent agent %v", got)
	}
	if got := c.want(200, alice, "GET", "/v2.0/availability_zones?resource=router", ""); got.text("availability_zones.0.name") != "nova" || len(got.list("availability_zones")) != 1 {
		t.Errorf("zones %v", got)
	}
	path := "/v2.0/agents/" + got.text("agents.0.id")
	if got := c.want(200, admin, "PUT", path, `{"agent":{"admin_state_up":false}}`); got.at("agent.admin_state_up") != false {
		t.Errorf("disabled agent %v", got)
	}
	c.want(204, admin, "DELETE", path, "")
	c.refused(404, "AgentNotFound", admin, "GET", path, "")
}

func TestAHostLearnsWhatItShouldBe(t *testing.T) {
	c := newCloud(t)
	c.report(node1, "192.0.2.1")
	c.report(node2, "192.0.2.2")
	c.seed()
	c.seed() // changes nothing
	private := c.want(200, admin, "GET", "/v2.0/networks?name=private", "").text("networks.0.id")
	bell := c.bus.Listen("network.node.n1")
	defer bell.Close()
	before := c.desired(node1, 0).Generation
	p := c.port(compute, private, `,"project_id":"red","device_id":"server-1","device_owner":"compute:nova","binding:host_id":"n1","extra_dhcp_opts":[{"opt_name":"67","opt_value":"boot"}]`)
	select {
	case <-bell.C:
	default:
		t.Error("no bell rang")
	}
	if p.text("binding:vif_type") != "bridge" {
		t.Errorf("bound port %v", p)
	}
	state := c.desired(node1, before)
	if state.Unchanged || state.Generation <= before || len(state.Ports) != 1 {
		t.Fatalf("state %+v", state)
	}
	if got := c.desired(node1, state.Generation); !got.Unchanged || len(got.Ports) != 0 {
		t.Errorf("nothing changed, but %+v", got)
	}
	guest := state.Ports[0]
	lease := guest.Leases[0]
	if guest.DeviceID != "server-1" || guest.ProjectID != "red" || lease.Address.String() != "10.0.0.2/24" || lease.Gateway.String() != "10.0.0.1" ||
		lease.MTU != 1450 || lease.Server.String() != "10.0.0.3" || lease.Hostname != "host-10-0-0-2" || string(lease.Options[0].Data) != "boot" ||
		fmt.Sprint(lease.Routes) != "[{169.254.169.254/32 10.0.0.3}]" {
		t.Errorf("guest %+v", guest)
	}
	rules := state.PortRules(&guest)
	if len(rules) != 4 || rules[0].AnyRemote == (rules[0].Direction == "ingress") {
		t.Errorf("rules %+v", rules)
	}
	for _, rule := range rules {
		if rule.Direction == "ingress" && fmt.Sprint(rule.Remotes) != "[10.0.0.2/32]" {
			t.Errorf("members of the default group: %v", rule.Remotes)
		}
	}
	// The second host learns of a peer, and the first of the second's guest in its group.
	c.port(compute, private, `,"project_id":"red","device_owner":"compute:nova","binding:host_id":"n2"`)
	news := c.desired(node1, state.Generation)
	one, two := state.With(news), c.desired(node2, 0)
	if news.Unchanged || len(news.AddressSets) != 0 || len(news.MemberChanges) != 1 || len(news.Networks) != 0 || len(news.PeerChanges) != 1 || len(news.Ports) != 0 ||
		fmt.Sprint(one.AddressSets) != fmt.Sprint(two.AddressSets) || len(two.Networks[0].Peers) != 1 || two.Networks[0].Peers[0].String() != "192.0.2.1" {
		t.Errorf("first %+v, second %+v", one, two)
	}
	routers := append(one.Routers, two.Routers...)
	if len(routers) != 1 || len(routers[0].Interfaces) != 1 || routers[0].Gateway == nil || routers[0].Gateway.NextHops[0].String() != "172.24.4.1" || !routers[0].Gateway.SNAT {
		t.Fatalf("routers %+v", routers)
	}
	for _, n := range append(one.Networks, two.Networks...) {
		if n.External && (n.HostAddress.String() != "172.24.4.1/24" || !n.HostNAT || n.Kind != "flat" || n.DHCPPort != nil) {
			t.Errorf("external network %+v", n)
		}
	}
	c.want(204, admin, "DELETE", "/v2.0/ports/"+p.text("id"), "")
	news = c.desired(node1, one.Generation)
	after := one.With(news)
	if len(after.Ports) != 0 || len(news.GonePorts) != 1 {
		t.Errorf("after the delete %+v", after.Ports)
	}
	for _, n := range after.Networks {
		if n.DHCPPort != nil {
			t.Errorf("DHCP stays on a host without guests: %+v", n)
		}
	}
}

// recast reads one wire form into another by its JSON.
func recast[T any](t *testing.T, from any) T {
	t.Helper()
	var to T
	text, err := json.Marshal(from)
	if err == nil {
		err = json.Unmarshal(text, &to)
	}
	if err != nil {
		t.Fatal(err)
	}
	return to
}

func TestTheDataPlaneTakesWhatIsDesired(t *testing.T) {
	c := newCloud(t)
	c.report(node1, "192.0.2.1")
	c.seed()
	private := c.want(200, admin, "GET", "/v2.0/networks?name=private", "").text("networks.0.id")
	public := c.want(200, admin, "GET", "/v2.0/networks?name=public", "").text("networks.0.id")
	p := c.port(compute, private, `,"project_id":"red","device_owner":"compute:nova","binding:host_id":"n1","allowed_address_pairs":[{"ip_address":"0.0.0.0/0"}]`).text("id")
	c.want(201, admin, "POST", "/v2.0/floatingips", `{"floatingip":{"floating_network_id":"`+public+`","port_id":"`+p+`"}}`)
	state := c.desired(node1, 0)
	if len(state.Networks) != 2 || len(state.Routers) != 1 || len(state.Ports) != 1 {
		t.Fatalf("state %+v", state)
	}
	for _, n := range state.Networks {
		if err := recast[fabric.Network](t, n).Validate(); err != nil {
			t.Error(err)
		}
	}
	for _, r := range state.Routers {
		if wire := recast[fabric.Router](t, r); wire.Validate() != nil || len(wire.FloatingIPs) != 1 || wire.Gateway == nil || wire.Gateway.PortID == "" {
			t.Errorf("%+v: %v", wire, wire.Validate())
		}
	}
	wire := recast[fabric.Port](t, state.Ports[0])
	wire.Rules = recast[[]fabric.Rule](t, state.PortRules(&state.Ports[0]))
	if compiled, err := wire.CompileRules(); err != nil || len(compiled) != 4 || wire.Validate() != nil {
		t.Errorf("%+v: %v", wire, err)
	}
	if set := state.AddressSets[state.Ports[0].SecurityGroups[0]]; len(set) != 1 {
		t.Errorf("a pair of everything made everybody a member: %v", set)
	}
}

func TestStatusesAreStoredAndRung(t *testing.T) {
	c := newCloud(t)
	c.report(node1, "192.0.2.1")
	c.seed()
	private := c.want(200, admin, "GET", "/v2.0/networks?name=private", "").text("networks.0.id")
	public := c.want(200, admin, "GET", "/v2.0/networks?name=public", "").text("networks.0.id")
	p := c.port(compute, private, `,"project_id":"adminproject","device_owner":"compute:nova","binding:host_id":"n1"`).text("id")
	foreign := c.port(compute, private, `,"device_owner":"compute:nova","binding:host_id":"n2"`)
	if foreign.text("binding:vif_type") != "binding_failed" {
		t.Errorf("a host without agent: %v", foreign)
	}
	bell := c.bus.Listen("network.port." + p)
	defer bell.Close()
	c.want(204, node1, "PUT", "/internal/hosts/n1/ports", `{"`+p+`":{"status":"ACTIVE"},"`+foreign.text("id")+`":{"status":"ACTIVE"},"nothing":{"status":"ERROR"}}`)
	c.refused(400, "HTTPBadRequest", node1, "PUT", "/internal/hosts/n1/ports", `{"`+p+`":{"status":"GREAT"}}`)
	select {
	case <-bell.C:
	default:
		t.Error("no bell rang")
	}
	for id, want := range map[string]string{p: "ACTIVE", foreign.text("id"): "DOWN"} {
		if got := c.want(200, admin, "GET", "/v2.0/ports/"+id, "").text("port.status"); got != want {
			t.Errorf("port %s is %s, want %s", id, got, want)
		}
	}
	fip := c.want(201, admin, "POST", "/v2.0/floatingips", `{"floatingip":{"floating_network_id":"`+public+`","port_id":"`+p+`"}}`)
	state := c.desired(node1, 0)
	if got := state.Routers[0].FloatingIPs; len(got) != 1 || got[0].Fixed.String() != "10.0.0.2" || got[0].Floating.String() != "172.24.4.11" {
		t.Errorf("floating IPs %+v", got)
	}
	router := fip.text("floatingip.router_id")
	c.want(204, node1, "PUT", "/internal/hosts/n1/routers", `{"`+router+`":{"status":"ACTIVE","floating_ips":["`+fip.text("floatingip.id")+`"]}}`)
	if got := c.want(200, admin, "GET", "/v2.0/floatingips/"+fip.text("floatingip.id"), "").text("floatingip.status"); got != "ACTIVE" {
		t.Errorf("floating IP is %s", got)
	}
	for _, item := range c.want(200, admin, "GET", "/v2.0/ports?device_id="+router, "").list("ports") {
		if item.(map[string]any)["status"] != "ACTIVE" {
			t.Errorf("router port %v", item)
		}
	}
	if got := c.want(200, admin, "PUT", "/v2.0/ports/"+p, `{"port":{"binding:host_id":"n2"}}`).text("port.status"); got != "DOWN" {
		t.Errorf("a moved port is %s", got)
	}
}

func TestSeedIsNotMadeAgain(t *testing.T) {
	c := newCloud(t)
	c.seed()
	router := c.want(200, admin, "GET", "/v2.0/routers?name=router1", "").text("routers.0.id")
	sub := c.want(200, admin, "GET", "/v2.0/subnets?name=private-subnet", "").text("subnets.0.id")
	if got := c.want(200, admin, "GET", "/v2.0/subnets?name=public-subnet", ""); got.text("subnets.0.allocation_pools.0.start") != "172.24.4.10" || got.text("subnets.0.allocation_pools.0.end") != "172.24.4.250" {
		t.Errorf("public subnet %v", got)
	}
	c.want(200, admin, "PUT", "/v2.0/routers/"+router+"/remove_router_interface", `{"subnet_id":"`+sub+`"}`)
	c.want(204, admin, "DELETE", "/v2.0/routers/"+router, "")
	for _, name := range []string{"private", "public"} {
		c.want(204, admin, "DELETE", "/v2.0/networks/"+c.want(200, admin, "GET", "/v2.0/networks?name="+name, "").text("networks.0.id"), "")
	}
	c.seed()
	if got := c.want(200, admin, "GET", "/v2.0/networks", "").list("networks"); len(got) != 0 {
		t.Errorf("networks came back: %v", got)
	}
}

func TestRoutersFindAHostWhenOneComes(t *testing.T) {
	c := newCloud(t)
	c.seed()
	c.report(node1, "192.0.2.1")
	if got := c.desired(node1, 0); len(got.Routers) != 1 || len(got.Networks) != 2 {
		t.Fatalf("state %+v", got)
	}
	c.report(node2, "192.0.2.2")
	agent := c.want(200, admin, "GET", "/v2.0/agents?host=n1", "").text("agents.0.id")
	c.want(204, admin, "DELETE", "/v2.0/agents/"+agent, "")
	if got := c.desired(node2, 0); len(got.Routers) != 1 {
		t.Errorf("the router did not move: %+v", got)
	}
}
