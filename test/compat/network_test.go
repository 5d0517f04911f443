package compat

import (
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/agents"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/attributestags"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/external"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/extradhcpopts"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/routers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/mtu"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/portsbinding"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/portsecurity"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/provider"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/quotas"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/groups"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/rules"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"
)

// wholeNetwork is a network with what extensions add to it.
type wholeNetwork struct {
	networks.Network
	external.NetworkExternalExt
	portsecurity.PortSecurityExt
	provider.NetworkProviderExt
	mtu.NetworkMTUExt
}

// wholePort is a port with what extensions add to it.
type wholePort struct {
	ports.Port
	extradhcpopts.ExtraDHCPOptsExt
	portsbinding.PortsBindingExt
	portsecurity.PortSecurityExt
}

// networkNamed finds a network by its name.
func networkNamed(t *testing.T, client *gophercloud.ServiceClient, name string) string {
	t.Helper()
	ids := listed(t, networks.List(client, networks.ListOpts{Name: name}), networks.ExtractNetworks, func(n networks.Network) string { return n.ID })
	if len(ids) != 1 {
		t.Fatalf("networks named %s: %q", name, ids)
	}
	return ids[0]
}

func walkNetwork(t *testing.T, admin *clients) {
	client, ctx := admin.network, t.Context()
	var network wholeNetwork
	done(t, networks.Create(ctx, client, mtu.CreateOptsExt{CreateOptsBuilder: portsecurity.NetworkCreateOptsExt{
		CreateOptsBuilder: networks.CreateOpts{Name: "blue", Description: "d"}, PortSecurityEnabled: gophercloud.Enabled}, MTU: 1400}).ExtractInto(&network))
	if network.MTU != 1400 || network.External || !network.PortSecurityEnabled || network.NetworkType != "vxlan" || network.Status != "ACTIVE" {
		t.Errorf("network %+v", network)
	}
	subnet := need(subnets.Create(ctx, client, subnets.CreateOpts{NetworkID: network.ID, Name: "blue", CIDR: "10.30.0.0/24", IPVersion: gophercloud.IPv4,
		AllocationPools: []subnets.AllocationPool{{Start: "10.30.0.10", End: "10.30.0.99"}}, DNSNameservers: []string{"9.9.9.9"},
		HostRoutes: []subnets.HostRoute{{DestinationCIDR: "10.31.0.0/16", NextHop: "10.30.0.5"}}}).Extract())(t)
	if subnet.GatewayIP != "10.30.0.1" || !subnet.EnableDHCP || len(subnet.HostRoutes) != 1 {
		t.Errorf("subnet %+v", subnet)
	}
	six := need(subnets.Create(ctx, client, subnets.CreateOpts{NetworkID: network.ID, CIDR: "fd00:30::/64", IPVersion: gophercloud.IPv6,
		IPv6AddressMode: "slaac", IPv6RAMode: "slaac"}).Extract())(t)
	done(t, subnets.Delete(ctx, client, six.ID).ExtractErr())
	t.Run("security groups", func(t *testing.T) { walkGroups(t, client) })
	t.Run("ports", func(t *testing.T) { walkPorts(t, client, network.ID, subnet.ID) })
	t.Run("routers", func(t *testing.T) { walkRouters(t, client, network.ID, subnet.ID) })
	t.Run("tags", func(t *testing.T) { walkTags(t, client, network.ID) })
	t.Run("operators", func(t *testing.T) { walkNetworkOperators(t, client) })

	name, revision := "green", need(networks.Get(ctx, client, network.ID).Extract())(t).RevisionNumber
	need(networks.Update(ctx, client, network.ID, networks.UpdateOpts{Name: &name, RevisionNumber: &revision}).Extract())(t)
	refused(t, 412, networks.Update(ctx, client, network.ID, networks.UpdateOpts{Name: &name, RevisionNumber: &revision}).Err)
	need(subnets.Update(ctx, client, subnet.ID, subnets.UpdateOpts{DNSNameservers: &[]string{}, EnableDHCP: gophercloud.Disabled}).Extract())(t)
	done(t, networks.Delete(ctx, client, network.ID).ExtractErr())
	refused(t, 404, subnets.Get(ctx, client, subnet.ID).Err)
}

func walkGroups(t *testing.T, client *gophercloud.ServiceClient) {
	ctx := t.Context()
	group := need(groups.Create(ctx, client, groups.CreateOpts{Name: "web", Description: "d"}).Extract())(t)
	if len(group.Rules) != 2 {
		t.Errorf("a new group has %d rules", len(group.Rules))
	}
	rule := need(rules.Create(ctx, client, rules.CreateOpts{SecGroupID: group.ID, Direction: rules.DirIngress, EtherType: rules.EtherType4, Protocol: rules.ProtocolTCP,
		PortRangeMin: 80, PortRangeMax: 81, RemoteIPPrefix: "10.0.0.0/8"}).Extract())(t)
	refused(t, 409, rules.Create(ctx, client, rules.CreateOpts{SecGroupID: group.ID, Direction: rules.DirIngress, EtherType: rules.EtherType4, Protocol: rules.ProtocolTCP,
		PortRangeMin: 80, PortRangeMax: 81, RemoteIPPrefix: "10.0.0.0/8"}).Err)
	made := need(rules.CreateBulk(ctx, client, []rules.CreateOpts{
		{SecGroupID: group.ID, Direction: rules.DirEgress, EtherType: rules.EtherType6, Protocol: rules.ProtocolUDP, RemoteGroupID: group.ID},
		{SecGroupID: group.ID, Direction: rules.DirIngress, EtherType: rules.EtherType4, Protocol: rules.ProtocolICMP, PortRangeMin: 8},
	}).Extract())(t)
	if len(made) != 2 {
		t.Errorf("rules made at once: %+v", made)
	}
	equal(t, "rules for tcp", listed(t, rules.List(client, rules.ListOpts{SecGroupID: group.ID, Protocol: "tcp"}), rules.ExtractRules,
		func(r rules.SecGroupRule) string { return r.ID }), rule.ID)
	done(t, rules.Delete(ctx, client, rule.ID).ExtractErr())
	need(groups.Update(ctx, client, group.ID, groups.UpdateOpts{Name: "net"}).Extract())(t)
	done(t, groups.Delete(ctx, client, group.ID).ExtractErr())
	refused(t, 404, groups.Get(ctx, client, group.ID).Err)
}

func walkPorts(t *testing.T, client *gophercloud.ServiceClient, network, subnet string) {
	ctx := t.Context()
	var port wholePort
	done(t, ports.Create(ctx, client, portsbinding.CreateOptsExt{CreateOptsBuilder: extradhcpopts.CreateOptsExt{
		CreateOptsBuilder: ports.CreateOpts{NetworkID: network, Name: "one", MACAddress: "fa:16:3e:12:34:56", FixedIPs: []ports.IP{{SubnetID: subnet, IPAddress: "10.30.0.77"}},
			AllowedAddressPairs: []ports.AddressPair{{IPAddress: "10.30.0.200"}}},
		ExtraDHCPOpts: []extradhcpopts.CreateExtraDHCPOpt{{OptName: "mtu", OptValue: "1300"}}}, VNICType: "normal"}).ExtractInto(&port))
	if port.FixedIPs[0].IPAddress != "10.30.0.77" || port.MACAddress != "fa:16:3e:12:34:56" || len(port.ExtraDHCPOpts) != 1 || port.VIFType != "unbound" ||
		!port.PortSecurityEnabled || len(port.SecurityGroups) != 1 || port.Status != "DOWN" {
		t.Errorf("port %+v", port)
	}
	refused(t, 409, ports.Create(ctx, client, ports.CreateOpts{NetworkID: network, MACAddress: "fa:16:3e:12:34:56"}).Err)
	var open wholePort
	done(t, ports.Update(ctx, client, port.ID, portsecurity.PortUpdateOptsExt{UpdateOptsBuilder: ports.UpdateOpts{SecurityGroups: &[]string{},
		AllowedAddressPairs: &[]ports.AddressPair{}}, PortSecurityEnabled: gophercloud.Disabled}).ExtractInto(&open))
	if open.PortSecurityEnabled || len(open.SecurityGroups) != 0 {
		t.Errorf("opened port %+v", open)
	}
	for range 4 {
		need(ports.Create(ctx, client, ports.CreateOpts{NetworkID: network, Name: "more"}).Extract())(t)
	}
	id := func(p ports.Port) string { return p.ID }
	more := listed(t, ports.List(client, ports.ListOpts{NetworkID: network, Name: "more", Limit: 3, SortKey: "id", SortDir: "asc"}), ports.ExtractPorts, id)
	if len(more) != 4 {
		t.Errorf("%d ports in pages", len(more))
	}
	equal(t, "ports by address", listed(t, ports.List(client, ports.ListOpts{FixedIPs: []ports.FixedIPOpts{{IPAddress: "10.30.0.77"}}}), ports.ExtractPorts, id), port.ID)
	for _, one := range append(more, port.ID) {
		done(t, ports.Delete(ctx, client, one).ExtractErr())
	}
	refused(t, 404, ports.Get(ctx, client, port.ID).Err)
}

func walkRouters(t *testing.T, client *gophercloud.ServiceClient, network, subnet string) {
	ctx := t.Context()
	public := networkNamed(t, client, "public")
	router := need(routers.Create(ctx, client, routers.CreateOpts{Name: "door", GatewayInfo: &routers.GatewayInfo{NetworkID: public}}).Extract())(t)
	joined := need(routers.AddInterface(ctx, client, router.ID, routers.AddInterfaceOpts{SubnetID: subnet}).Extract())(t)
	port := need(ports.Create(ctx, client, ports.CreateOpts{NetworkID: network}).Extract())(t)
	floating := need(floatingips.Create(ctx, client, floatingips.CreateOpts{FloatingNetworkID: public, PortID: port.ID}).Extract())(t)
	if floating.FixedIP != port.FixedIPs[0].IPAddress || floating.RouterID != router.ID {
		t.Errorf("floating IP %+v of %+v", floating, port)
	}
	refused(t, 409, routers.RemoveInterface(ctx, client, router.ID, routers.RemoveInterfaceOpts{PortID: joined.PortID}).Err)
	refused(t, 409, routers.Delete(ctx, client, router.ID).ExtractErr())
	need(routers.Update(ctx, client, router.ID, routers.UpdateOpts{Routes: &[]routers.Route{{DestinationCIDR: "10.40.0.0/16", NextHop: "10.30.0.9"}}}).Extract())(t)
	need(routers.Update(ctx, client, router.ID, routers.UpdateOpts{Routes: &[]routers.Route{}}).Extract())(t)
	free := need(floatingips.Update(ctx, client, floating.ID, floatingips.UpdateOpts{PortID: new(string)}).Extract())(t)
	if free.PortID != "" || free.RouterID != "" {
		t.Errorf("floating IP of nobody %+v", free)
	}
	equal(t, "floating IPs outside", listed(t, floatingips.List(client, floatingips.ListOpts{FloatingNetworkID: public, FloatingIP: floating.FloatingIP}),
		floatingips.ExtractFloatingIPs, func(f floatingips.FloatingIP) string { return f.ID }), floating.ID)
	done(t, floatingips.Delete(ctx, client, floating.ID).ExtractErr())
	need(routers.RemoveInterface(ctx, client, router.ID, routers.RemoveInterfaceOpts{SubnetID: subnet}).Extract())(t)
	closed := need(routers.Update(ctx, client, router.ID, routers.UpdateOpts{GatewayInfo: &routers.GatewayInfo{}}).Extract())(t)
	if closed.GatewayInfo.NetworkID != "" {
		t.Errorf("a router without a gateway %+v", closed)
	}
	done(t, routers.Delete(ctx, client, router.ID).ExtractErr())
	done(t, ports.Delete(ctx, client, port.ID).ExtractErr())
}

func walkTags(t *testing.T, client *gophercloud.ServiceClient, network string) {
	ctx := t.Context()
	done(t, attributestags.Add(ctx, client, "networks", network, "a").ExtractErr())
	tags := need(attributestags.ReplaceAll(ctx, client, "networks", network, attributestags.ReplaceAllOpts{Tags: []string{"b", "c"}}).Extract())(t)
	equal(t, "tags", tags, "b", "c")
	name := func(n networks.Network) string { return n.ID }
	equal(t, "networks by tags", listed(t, networks.List(client, networks.ListOpts{Tags: "b,c", NotTags: "a"}), networks.ExtractNetworks, name), network)
	if there := need(attributestags.Confirm(ctx, client, "networks", network, "c").Extract())(t); !there {
		t.Error("the tag is not there")
	}
	done(t, attributestags.Delete(ctx, client, "networks", network, "c").ExtractErr())
	done(t, attributestags.DeleteAll(ctx, client, "networks", network).ExtractErr())
	equal(t, "no tags", need(attributestags.List(ctx, client, "networks", network).Extract())(t))
}

func walkNetworkOperators(t *testing.T, client *gophercloud.ServiceClient) {
	ctx := t.Context()
	const project = "0123456789abcdef0123456789abcdef"
	limit := 3
	quota := need(quotas.Update(ctx, client, project, quotas.UpdateOpts{Network: &limit}).Extract())(t)
	detail := need(quotas.GetDetail(ctx, client, project).Extract())(t)
	if quota.Network != 3 || detail.Network.Limit != 3 || detail.Network.Used != 0 || detail.Port.Limit <= 0 {
		t.Errorf("quota %+v, %+v", quota, detail)
	}
	done(t, quotas.Delete(ctx, client, project).ExtractErr())
	all := need(agents.List(client, agents.ListOpts{}).AllPages(ctx))(t)
	for _, agent := range need(agents.ExtractAgents(all))(t) {
		if !agent.Alive || agent.Host == "" {
			t.Errorf("agent %+v", agent)
		}
	}
}
