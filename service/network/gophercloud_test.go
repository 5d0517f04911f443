package network

import (
	"net/http"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/agents"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/routers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/quotas"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/groups"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/rules"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"

	"virga/core/api"
	"virga/core/token"
)

// callAs hands requests to the service in process, as an identity.
type callAs struct {
	identity *token.Identity
	next     http.RoundTripper
}

func (a callAs) RoundTrip(r *http.Request) (*http.Response, error) {
	return a.next.RoundTrip(r.WithContext(token.WithIdentity(r.Context(), a.identity)))
}

func (c *cloud) gophercloud(as *token.Identity) *gophercloud.ServiceClient {
	provider := &gophercloud.ProviderClient{HTTPClient: http.Client{Transport: callAs{as, api.Local{Handler: c.s.Handler()}}}}
	return &gophercloud.ServiceClient{ProviderClient: provider, Endpoint: "http://x/", ResourceBase: "http://x/v2.0/"}
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestGophercloudUnderstandsUs(t *testing.T) {
	c := newCloud(t)
	c.report(node1, "192.0.2.1")
	out := c.outside()
	client, ctx := c.gophercloud(admin), t.Context()
	n := must[*networks.Network](t)(networks.Create(ctx, client, networks.CreateOpts{Name: "g", AdminStateUp: gophercloud.Enabled}).Extract())
	dhcp := true
	sub := must[*subnets.Subnet](t)(subnets.Create(ctx, client, subnets.CreateOpts{NetworkID: n.ID, CIDR: "10.3.0.0/24", IPVersion: 4, EnableDHCP: &dhcp,
		DNSNameservers: []string{"9.9.9.9"}}).Extract())
	for range 5 {
		must[*ports.Port](t)(ports.Create(ctx, client, ports.CreateOpts{NetworkID: n.ID}).Extract())
	}
	pages := must[[]ports.Port](t)(func() ([]ports.Port, error) {
		all, err := ports.List(client, ports.ListOpts{NetworkID: n.ID, SortKey: "id"}).AllPages(ctx)
		if err != nil {
			return nil, err
		}
		return ports.ExtractPorts(all)
	}())
	if len(pages) != 5 || pages[0].FixedIPs[0].SubnetID != sub.ID || pages[0].CreatedAt.IsZero() {
		t.Errorf("ports %+v", pages)
	}
	r := must[*routers.Router](t)(routers.Create(ctx, client, routers.CreateOpts{Name: "r", GatewayInfo: &routers.GatewayInfo{NetworkID: out}}).Extract())
	if face := must[*routers.InterfaceInfo](t)(routers.AddInterface(ctx, client, r.ID, routers.AddInterfaceOpts{SubnetID: sub.ID}).Extract()); face.PortID == "" {
		t.Errorf("interface %+v", face)
	}
	f := must[*floatingips.FloatingIP](t)(floatingips.Create(ctx, client, floatingips.CreateOpts{FloatingNetworkID: out, PortID: pages[0].ID}).Extract())
	if f.RouterID != r.ID || f.FixedIP != pages[0].FixedIPs[0].IPAddress {
		t.Errorf("floating IP %+v", f)
	}
	var none *string
	if f = must[*floatingips.FloatingIP](t)(floatingips.Update(ctx, client, f.ID, floatingips.UpdateOpts{PortID: none}).Extract()); f.ID == "" {
		t.Errorf("floating IP %+v", f)
	}
	g := must[*groups.SecGroup](t)(groups.Create(ctx, client, groups.CreateOpts{Name: "web"}).Extract())
	rule := must[*rules.SecGroupRule](t)(rules.Create(ctx, client, rules.CreateOpts{SecGroupID: g.ID, Direction: rules.DirIngress, EtherType: rules.EtherType4,
		Protocol: rules.ProtocolTCP, PortRangeMin: 80, PortRangeMax: 80}).Extract())
	if rule.PortRangeMin != 80 || len(g.Rules) != 2 {
		t.Errorf("group %+v, rule %+v", g, rule)
	}
	if q := must[*quotas.QuotaDetailSet](t)(quotas.GetDetail(ctx, client, "adminproject").Extract()); q.Port.Used != 6 || q.Port.Limit != 500 {
		t.Errorf("quota %+v", q.Port)
	}
	all := must[[]agents.Agent](t)(func() ([]agents.Agent, error) {
		page, err := agents.List(client, agents.ListOpts{}).AllPages(ctx)
		if err != nil {
			return nil, err
		}
		return agents.ExtractAgents(page)
	}())
	if len(all) != 1 || !all[0].Alive || all[0].HeartbeatTimestamp.IsZero() {
		t.Errorf("agents %+v", all)
	}
}
