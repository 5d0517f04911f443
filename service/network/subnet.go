package network

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"virga/core/api"
	"virga/core/authz"
	"virga/core/db"
	"virga/core/feed"
)

const (
	maxNameservers = 5
	maxHostRoutes  = 20
)

// subnet is an address range on a network.
type subnet struct {
	standard
	NetworkID   string   `db:"network_id"`
	Name        string   `db:"name"`
	IPVersion   int      `db:"ip_version"`
	CIDRText    string   `db:"cidr"`
	GatewayText string   `db:"gateway_ip"`
	DHCP        bool     `db:"enable_dhcp"`
	RAMode      string   `db:"ipv6_ra_mode"`
	AddressMode string   `db:"ipv6_address_mode"`
	Pools       []pool   `db:"pools,json"`
	Cursor      string   `db:"address_cursor"`
	DNS         []string `db:"dns_nameservers,json"`
	HostRoutes  []route  `db:"host_routes,json"`
}

// route is a static route in the form of the API.
type route struct {
	Destination string `json:"destination"`
	NextHop     string `json:"nexthop"`
}

// cidr is the range; rows hold valid ones only.
func (n *subnet) cidr() netip.Prefix {
	p, _ := netip.ParsePrefix(n.CIDRText)
	return p
}

// gateway is invalid where the subnet has none.
func (n *subnet) gateway() netip.Addr {
	a, _ := netip.ParseAddr(n.GatewayText)
	return a
}

// slaac tells whether guests form their addresses by themselves.
func (n *subnet) slaac() bool { return n.AddressMode == "slaac" || n.AddressMode == "dhcpv6-stateless" }

type loadedSubnet struct {
	*subnet
	network *network
	reach
}

// PolicyTarget implements api.Target.
func (l *loadedSubnet) PolicyTarget() authz.Target { return withNetwork(owned(l.ProjectID), l.network) }

func (s *Service) subnetCollection() *collection[*subnet] {
	return &collection[*subnet]{
		one: "subnet", many: "subnets", table: "subnets",
		filters: standardFilters(map[string]filter{
			"name": byText("name"), "network_id": byText("network_id"), "ip_version": byNumber("ip_version"), "cidr": byText("cidr"),
			"gateway_ip": byText("gateway_ip"), "enable_dhcp": byFlag("enable_dhcp"), "ipv6_ra_mode": byText("ipv6_ra_mode"),
			"ipv6_address_mode": byText("ipv6_address_mode"), "shared": subnetShared("shared"), "router:external": subnetShared("external"),
			"subnetpool_id": byConstant(""), "segment_id": byConstant(""),
		}),
		sorts: standardSorts(map[string]string{"name": "name", "network_id": "network_id", "ip_version": "ip_version", "cidr": "cidr",
			"gateway_ip": "gateway_ip", "enable_dhcp": "enable_dhcp"}),
		visible: func(l *db.List, project string) {
			l.Where("id IN (SELECT id FROM (SELECT id FROM subnets WHERE project_id = ? UNION ALL"+
				" SELECT s.id FROM networks n JOIN subnets s ON s.network_id = n.id WHERE n.project_id = ? UNION ALL"+
				" SELECT s.id FROM networks n JOIN subnets s ON s.network_id = n.id WHERE n.shared = 1) AS seen)", project, project)
		},
		complete: func(*db.Tx, []*subnet) error { return nil },
		show:     func(_ *api.Request, n *subnet) any { return showSubnet(n) },
	}
}

// subnetShared filters on a boolean of the network that a subnet is on.
func subnetShared(column string) filter {
	return func(l *db.List, values []string) error {
		inner := &db.List{}
		if err := byFlag(column)(inner, values); err != nil {
			return err
		}
		value, _ := api.ParseBool(values[0])
		l.Where("network_id IN (SELECT id FROM networks WHERE "+column+" = ?)", value)
		return nil
	}
}

func (s *Service) subnetLoad(ctx context.Context, r *api.Request) (api.Target, error) {
	id := r.Param("id")
	var loaded *loadedSubnet
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) error {
		sub, err := getSubnet(tx, id)
		if err != nil {
			return err
		}
		n, err := getNetwork(tx, sub.NetworkID)
		if err != nil {
			return err
		}
		seen := seesAll(r) || sub.ProjectID == r.ProjectID() || n.ProjectID == r.ProjectID() || n.Shared
		loaded = &loadedSubnet{sub, n, reach{seen, subnetNotFound(id)}}
		return loadTags(tx, []*subnet{sub})
	})
	return loaded, err
}

func (s *Service) subnetList(ctx context.Context, r *api.Request) (any, error) {
	return list[subnet](ctx, s, r, s.subnetCollection())
}

func (s *Service) subnetShow(_ context.Context, r *api.Request) (any, error) {
	return shown(r, "subnet", showSubnet(api.Loaded[*loadedSubnet](r).subnet))
}

func (s *Service) subnetCreate(ctx context.Context, r *api.Request) (any, error) {
	requests, bulk, err := bodies[subnetBody](r, "subnet", "subnets")
	if err != nil {
		return nil, err
	}
	rows := make([]*subnet, len(requests))
	for i := range requests {
		if rows[i], err = s.newSubnet(ctx, r, &requests[i]); err != nil {
			return nil, err
		}
	}
	err = s.write(ctx, func(tx *db.Tx) error {
		if err := admitAll(s, tx, quotaSubnet, rows); err != nil {
			return err
		}
		for _, row := range rows {
			if err := s.addSubnet(tx, row); err != nil {
				return err
			}
			if err := s.record(tx, r, feed.Change{Kind: "subnet", Action: "create", ID: row.ID, OwnerProjectID: row.ProjectID, After: showSubnet(row)}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	views := make([]any, len(rows))
	for i, row := range rows {
		views[i] = showSubnet(row)
	}
	return created("subnet", "subnets", bulk, views), nil
}

// newSubnet makes the row that a create asks for.
func (s *Service) newSubnet(ctx context.Context, r *api.Request, body *subnetBody) (*subnet, error) {
	project, err := ownerOf(r, body.bodyStandard)
	if err != nil {
		return nil, err
	}
	n, err := s.findNetwork(ctx, body.NetworkID)
	if err != nil {
		return nil, err
	}
	if err := r.May("create_subnet", withNetwork(owned(project), n)); err != nil {
		if !seesAll(r) && n.ProjectID != r.ProjectID() && !n.Shared && !n.External {
			return nil, networkNotFound(n.ID)
		}
		return nil, err
	}
	row := &subnet{standard: s.newStandard(project, body.bodyStandard), NetworkID: n.ID, Name: body.Name.Value,
		IPVersion: int(body.IPVersion), DHCP: bool(body.DHCP.or(true)), RAMode: body.RAMode.Value, AddressMode: body.AddressMode.Value,
		DNS: listed(body.DNS.Value), HostRoutes: listed(body.HostRoutes.Value)}
	return row, row.fill(body)
}

// fill settles range, gateway and pools, and refuses what does not fit together.
func (n *subnet) fill(body *subnetBody) error {
	if body.CIDR.Value == "" {
		return badRequest("subnets", "a subnetpool must be specified in the absence of a cidr")
	}
	cidr, err := parseCIDR(body.CIDR.Value)
	if err != nil {
		return badValue("cidr", "%s", err)
	}
	if (n.IPVersion == 4) != cidr.Addr().Is4() {
		return badInput("cidr '%s' does not match the ip_version '%d'", cidr, n.IPVersion)
	}
	if cidr.Addr().IsMulticast() || cidr.Addr().IsLoopback() || cidr.Bits() == 0 {
		return badInput("cidr '%s' cannot be used for a subnet", cidr)
	}
	n.CIDRText = cidr.String()
	gateway := cidr.Addr().Next()
	if cidr.Addr().BitLen() == cidr.Bits() {
		gateway = netip.Addr{}
	}
	if body.Gateway.Set {
		if gateway, err = n.wantedGateway(body.Gateway); err != nil {
			return err
		}
	}
	n.setGateway(gateway)
	n.Pools = defaultPools(cidr, gateway)
	if body.Pools.Set && !body.Pools.Null {
		if n.Pools, err = wantedPools(body.Pools.Value, cidr, gateway); err != nil {
			return err
		}
	}
	return n.check()
}

func (n *subnet) setGateway(gateway netip.Addr) {
	n.GatewayText = ""
	if gateway.IsValid() {
		n.GatewayText = gateway.String()
	}
}

// wantedGateway reads gateway_ip; null is no gateway.
func (n *subnet) wantedGateway(text given[string]) (netip.Addr, error) {
	if text.Null || text.Value == "" {
		return netip.Addr{}, nil
	}
	gateway, err := parseAddress(text.Value)
	if err != nil {
		return gateway, badValue("gateway_ip", "%s", err)
	}
	cidr := n.cidr()
	if gateway.Is4() != cidr.Addr().Is4() {
		return gateway, badInput("gateway_ip '%s' does not match the ip_version '%d'", gateway, n.IPVersion)
	}
	if !hostRange(cidr).contains(gateway) && !(gateway.Is6() && (gateway.IsLinkLocalUnicast() || gateway == cidr.Addr())) {
		return gateway, badInput("Gateway is not valid on subnet")
	}
	return gateway, nil
}

func wantedPools(texts []poolBody, cidr netip.Prefix, gateway netip.Addr) ([]pool, error) {
	pools := make([]pool, len(texts))
	for i, text := range texts {
		start, err := parseAddress(text.Start)
		if err != nil {
			return nil, refuse("InvalidAllocationPool", "The allocation pool %.60s-%.60s is not valid.", text.Start, text.End)
		}
		end, err := parseAddress(text.End)
		if err != nil {
			return nil, refuse("InvalidAllocationPool", "The allocation pool %.60s-%.60s is not valid.", text.Start, text.End)
		}
		pools[i] = pool{start, end}
	}
	return sortedPools(pools), checkPools(pools, cidr, gateway)
}

// check refuses name servers, routes and IPv6 modes that do not fit.
func (n *subnet) check() error {
	if len(n.DNS) > maxNameservers {
		return refuse("DNSNameServersExhausted",
			"Unable to complete operation for %s. The number of DNS nameservers exceeds the limit %d.", n.ID, maxNameservers)
	}
	for i, text := range n.DNS {
		a, err := parseAddress(text)
		if err != nil {
			return badValue("dns_nameservers", "%s", err)
		}
		if a.Is4() != (n.IPVersion == 4) {
			return badInput("dns_nameserver '%s' does not match the ip_version '%d'", a, n.IPVersion)
		}
		n.DNS[i] = a.String()
		if slices.Contains(n.DNS[:i], n.DNS[i]) {
			return badValue("dns_nameservers", "Duplicate nameserver '%s'", a)
		}
	}
	if len(n.HostRoutes) > maxHostRoutes {
		return refuse("HostRoutesExhausted",
			"Unable to complete operation for %s. The number of host routes exceeds the limit %d.", n.ID, maxHostRoutes)
	}
	for i := range n.HostRoutes {
		if err := n.HostRoutes[i].normalize(); err != nil {
			return badValue("host_routes", "%s", err)
		}
		if hop, _ := netip.ParseAddr(n.HostRoutes[i].NextHop); hop.Is4() != (n.IPVersion == 4) {
			return badInput("host_routes nexthop '%s' does not match the ip_version '%d'", hop, n.IPVersion)
		}
	}
	return n.checkModes()
}

// checkModes refuses combinations of IPv6 modes as the network API does.
func (n *subnet) checkModes() error {
	if n.RAMode == "" && n.AddressMode == "" {
		return nil
	}
	switch {
	case n.IPVersion == 4:
		return badInput("ipv6_ra_mode or ipv6_address_mode cannot be set when ip_version is set to 4")
	case !n.DHCP:
		return badInput("ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False")
	case n.RAMode != "" && n.AddressMode != "" && n.RAMode != n.AddressMode:
		return badInput("ipv6_ra_mode set to '%s' with ipv6_address_mode set to '%s' is not valid. "+
			"If both attributes are set, they must be the same value", n.RAMode, n.AddressMode)
	case n.slaac() && n.cidr().Bits() != 64:
		return badInput("Invalid CIDR %s for IPv6 address mode. OpenStack uses the EUI-64 address format, which requires the prefix to be /64", n.CIDRText)
	}
	return nil
}

// normalize gives a route its usual form.
func (t *route) normalize() error {
	destination, err := parseCIDR(t.Destination)
	if err != nil {
		return err
	}
	hop, err := parseAddress(t.NextHop)
	if err != nil {
		return err
	}
	if hop.Is4() != destination.Addr().Is4() {
		return fmt.Errorf("destination %s and nexthop %s are of different families", destination, hop)
	}
	t.Destination, t.NextHop = destination.String(), hop.String()
	return nil
}

// addSubnet inserts a subnet that overlaps with no other of its network.
func (s *Service) addSubnet(tx *db.Tx, row *subnet) error {
	n, err := getNetwork(tx, row.NetworkID)
	if err != nil {
		return err
	}
	if row.IPVersion == 6 && n.MTU < 1280 {
		return badInput("MTU %d of network %s is below 1280, the least for IPv6", n.MTU, n.ID)
	}
	others, err := subnetsOn(tx, row.NetworkID)
	if err != nil {
		return err
	}
	for _, other := range others {
		if other.cidr().Overlaps(row.cidr()) {
			return badInput("Requested subnet with cidr: %s for network: %s overlaps with another subnet", row.CIDRText, row.NetworkID)
		}
	}
	if err := tx.Insert("subnets", row); err != nil {
		return err
	}
	if row.slaac() {
		ports, err := addSlaacAddresses(tx, row)
		if err != nil {
			return err
		}
		for _, p := range ports {
			if err := s.touchMembers(tx, p); err != nil {
				return err
			}
		}
	}
	return s.subnetsChanged(tx, row.NetworkID)
}

// subnetsChanged brings what depends on a network's subnets up to date: DHCP ports and hosts.
func (s *Service) subnetsChanged(tx *db.Tx, networkID string) error {
	hosts, err := hostsOfNetwork(tx, networkID)
	if err != nil {
		return err
	}
	for _, host := range hosts {
		if err := s.ensureDHCPPort(tx, networkID, host); err != nil {
			return err
		}
	}
	return s.touchNetwork(tx, networkID)
}

func (s *Service) subnetUpdate(ctx context.Context, r *api.Request) (any, error) {
	target := api.Loaded[*loadedSubnet](r)
	body, err := single[subnetBody](r, "subnet")
	if err != nil {
		return nil, err
	}
	var row *subnet
	err = s.write(ctx, func(tx *db.Tx) (err error) {
		before, err := subnetDocument(tx, target.ID)
		if err != nil {
			return err
		}
		if row, err = getSubnet(tx, target.ID); err != nil {
			return err
		}
		if err := checkRevision(r, &row.standard); err != nil {
			return err
		}
		if err := changeSubnet(tx, row, &body); err != nil {
			return err
		}
		s.touch(&row.standard)
		if err := tx.Update("subnets", row, "id"); err != nil {
			return err
		}
		if err := s.subnetsChanged(tx, row.NetworkID); err != nil {
			return err
		}
		if err := loadTags(tx, []*subnet{row}); err != nil {
			return err
		}
		return s.record(tx, r, feed.Change{Kind: "subnet", Action: "update", ID: row.ID, OwnerProjectID: row.ProjectID, Before: before, After: showSubnet(row)})
	})
	if err != nil {
		return nil, err
	}
	return shown(r, "subnet", showSubnet(row))
}

// changeSubnet writes what an update gives into the row.
func changeSubnet(tx *db.Tx, row *subnet, body *subnetBody) error {
	body.Name.into(&row.Name)
	body.Description.into(&row.Description)
	setFlag(body.DHCP, &row.DHCP)
	if body.DNS.Set {
		row.DNS = listed(body.DNS.Value)
	}
	if body.HostRoutes.Set {
		row.HostRoutes = listed(body.HostRoutes.Value)
	}
	gateway, pools := row.gateway(), row.Pools
	var err error
	if body.Gateway.Set {
		if gateway, err = row.wantedGateway(body.Gateway); err != nil {
			return err
		}
	}
	if body.Pools.Set && !body.Pools.Null {
		if pools, err = wantedPools(body.Pools.Value, row.cidr(), gateway); err != nil {
			return err
		}
	}
	if err := checkPools(pools, row.cidr(), gateway); err != nil {
		return err
	}
	if gateway != row.gateway() {
		if err := gatewayFree(tx, row); err != nil {
			return err
		}
	}
	row.setGateway(gateway)
	row.Pools, row.Cursor = pools, ""
	return row.check()
}

// gatewayFree refuses to change a gateway that a router's interface has as its address.
func gatewayFree(tx *db.Tx, row *subnet) error {
	if !row.gateway().IsValid() {
		return nil
	}
	port, owner, err := holderOf(tx, row.ID, row.gateway())
	if err != nil {
		return err
	}
	if port != "" && owner == ownerRouterInterface {
		return conflict("GatewayIpInUse", "Current gateway ip %s already in use by port %s. Unable to update.", row.GatewayText, port)
	}
	return nil
}

func (s *Service) subnetDelete(ctx context.Context, r *api.Request) (any, error) {
	target := api.Loaded[*loadedSubnet](r)
	return nil, s.write(ctx, func(tx *db.Tx) error {
		row, err := getSubnet(tx, target.ID)
		if err != nil {
			return err
		}
		if err := checkRevision(r, &row.standard); err != nil {
			return err
		}
		used, err := subnetUsed(tx, row)
		if err != nil {
			return err
		}
		if used {
			return conflict("SubnetInUse",
				"Unable to complete operation on subnet %s: One or more ports have an IP allocation from this subnet.", row.ID)
		}
		before, err := subnetDocument(tx, row.ID)
		if err != nil {
			return err
		}
		if err := deleteSubnet(tx, row.ID); err != nil {
			return err
		}
		if err := s.subnetsChanged(tx, row.NetworkID); err != nil {
			return err
		}
		return s.record(tx, r, feed.Change{Kind: "subnet", Action: "delete", ID: row.ID, OwnerProjectID: row.ProjectID, Before: before})
	})
}
