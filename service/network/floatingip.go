package network

import (
	"context"

	"virga/core/api"
	"virga/core/authz"
	"virga/core/db"
	"virga/core/feed"
)

// floatingIP is an external address that can be moved between ports.
type floatingIP struct {
	standard
	NetworkID      string `db:"network_id"`
	Address        string `db:"floating_address"`
	FloatingPortID string `db:"floating_port_id"`
	RouterID       string `db:"router_id"`
	PortID         string `db:"port_id"`
	FixedAddress   string `db:"fixed_address"`
	Status         string `db:"status"`

	// Port is the port that it is associated with.
	Port *port `db:"-"`
}

type loadedFloatingIP struct {
	*floatingIP
	reach
}

// PolicyTarget implements api.Target.
func (l *loadedFloatingIP) PolicyTarget() authz.Target { return owned(l.ProjectID) }

func (s *Service) floatingIPCollection() *collection[*floatingIP] {
	return &collection[*floatingIP]{
		one: "floatingip", many: "floatingips", table: "floating_ips",
		filters: standardFilters(map[string]filter{
			"floating_network_id": byText("network_id"), "floating_ip_address": byText("floating_address"), "router_id": byText("router_id"),
			"port_id": byText("port_id"), "fixed_ip_address": byText("fixed_address"), "status": byText("status"),
		}),
		sorts: standardSorts(map[string]string{"floating_network_id": "network_id", "floating_ip_address": "floating_address",
			"router_id": "router_id", "port_id": "port_id", "fixed_ip_address": "fixed_address", "status": "status"}),
		visible:  func(l *db.List, project string) { l.Where("project_id = ?", project) },
		complete: completeFloatingIPs,
		show:     func(_ *api.Request, f *floatingIP) any { return showFloatingIP(f) },
	}
}

func (s *Service) floatingIPLoad(ctx context.Context, r *api.Request) (api.Target, error) {
	id := r.Param("id")
	var loaded *loadedFloatingIP
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) error {
		f, err := getFloatingIP(tx, id)
		if err != nil {
			return err
		}
		loaded = &loadedFloatingIP{f, reach{seesAll(r) || f.ProjectID == r.ProjectID(), floatingIPNotFound(id)}}
		if err := loadTags(tx, []*floatingIP{f}); err != nil {
			return err
		}
		return completeFloatingIPs(tx, []*floatingIP{f})
	})
	return loaded, err
}

func (s *Service) floatingIPList(ctx context.Context, r *api.Request) (any, error) {
	return list[floatingIP](ctx, s, r, s.floatingIPCollection())
}

func (s *Service) floatingIPShow(_ context.Context, r *api.Request) (any, error) {
	return shown(r, "floatingip", showFloatingIP(api.Loaded[*loadedFloatingIP](r).floatingIP))
}

func (s *Service) floatingIPCreate(ctx context.Context, r *api.Request) (any, error) {
	body, err := single[floatingIPBody](r, "floatingip")
	if err != nil {
		return nil, err
	}
	project, err := ownerOf(r, body.bodyStandard)
	if err != nil {
		return nil, err
	}
	if body.Address.Value != "" {
		if err := r.May("create_floatingip:floating_ip_address", owned(project)); err != nil {
			return nil, err
		}
	}
	fresh := floatingIP{standard: s.newStandard(project, body.bodyStandard), NetworkID: body.NetworkID, Status: statusDown}
	portID := s.deps.Clock.ID()
	var f floatingIP
	err = s.write(ctx, func(tx *db.Tx) error {
		f = fresh
		if err := s.admit(tx, quotaFloatingIP, project, 1); err != nil {
			return err
		}
		if err := s.takeExternalAddress(tx, r, &f, &body, portID); err != nil {
			return err
		}
		if body.PortID.Value != "" {
			if err := s.associate(tx, r, &f, body.PortID.Value, body.FixedAddress.Value); err != nil {
				return err
			}
		} else if body.FixedAddress.Value != "" {
			return badRequest("floatingip", "fixed_ip_address cannot be specified without a port_id")
		}
		if err := tx.Insert("floating_ips", f); err != nil {
			return err
		}
		if err := s.touchRouter(tx, f.RouterID); err != nil {
			return err
		}
		if err := completeFloatingIPs(tx, []*floatingIP{&f}); err != nil {
			return err
		}
		return s.record(tx, r, feed.Change{Kind: "floatingip", Action: "create", ID: f.ID, OwnerProjectID: f.ProjectID, After: showFloatingIP(&f)})
	})
	if err != nil {
		return nil, err
	}
	return map[string]any{"floatingip": showFloatingIP(&f)}, nil
}

// takeExternalAddress makes the port that holds the address on the external network.
func (s *Service) takeExternalAddress(tx *db.Tx, r *api.Request, f *floatingIP, body *floatingIPBody, portID string) error {
	n, err := getNetwork(tx, f.NetworkID)
	if err != nil {
		return err
	}
	if !n.External {
		if !seesAll(r) && n.ProjectID != r.ProjectID() && !n.Shared {
			return networkNotFound(n.ID)
		}
		return badRequest("floatingip", "Network %s is not a valid external network", n.ID)
	}
	p := &port{standard: s.newStandard("", bodyStandard{}), NetworkID: n.ID, AdminUp: true, Status: "N/A",
		DeviceID: f.ID, DeviceOwner: ownerFloatingIP, VNICType: vnicNormal}
	p.ID = portID
	if err := s.settleMAC(tx, p); err != nil {
		return err
	}
	m := newIPAM(tx)
	wish, err := externalWish(m, p, body)
	if err != nil {
		return err
	}
	if p.Addresses, err = m.addresses(p, wish); err != nil {
		return err
	}
	for i := range p.Addresses {
		if p.Addresses[i].addr().Is4() {
			f.Address = p.Addresses[i].Text
		}
	}
	if f.Address == "" {
		return conflict("ExternalIpAddressExhausted", "Unable to find any IP address on external network %s.", n.ID)
	}
	f.FloatingPortID = p.ID
	if err := insertPort(tx, p); err != nil {
		return err
	}
	return insertAddresses(tx, p)
}

// externalWish is the address or the subnet that was asked for, and otherwise any IPv4 subnet with addresses left.
func externalWish(m *ipam, p *port, body *floatingIPBody) (given[[]fixedIPBody], error) {
	none := given[[]fixedIPBody]{}
	if body.Address.Value != "" || body.SubnetID.Value != "" {
		return given[[]fixedIPBody]{Set: true, Value: []fixedIPBody{{SubnetID: body.SubnetID.Value, Address: body.Address.Value}}}, nil
	}
	subnets, err := m.on(p.NetworkID)
	if err != nil {
		return none, err
	}
	var v4 []*subnet
	for _, n := range subnets {
		if n.IPVersion == 4 {
			v4 = append(v4, n)
		}
	}
	if len(v4) == 0 {
		return none, badRequest("floatingip", "Network %s does not contain any IPv4 subnet", p.NetworkID)
	}
	m.subnets[p.NetworkID] = v4
	return none, nil
}

// associate finds the port's address and the router that leads from it to the external
// network. The row is changed and not stored.
func (s *Service) associate(tx *db.Tx, r *api.Request, f *floatingIP, portID, fixed string) error {
	p, on, err := portWithNetwork(tx, portID)
	if err != nil {
		return err
	}
	if !seesAll(r) && p.ProjectID != r.ProjectID() && on.ProjectID != r.ProjectID() {
		return portNotFound(portID)
	}
	if p.ProjectID != f.ProjectID && !seesAll(r) {
		return badRequest("floatingip", "Port %s is associated with a different tenant than Floating IP %s and therefore cannot be bound", p.ID, f.ID)
	}
	if err := completePorts(tx, []*port{p}); err != nil {
		return err
	}
	inside, err := fixedAddress(p, fixed)
	if err != nil {
		return err
	}
	other, err := floatingIPOn(tx, p.ID, inside.Text)
	if err != nil {
		return err
	}
	if other != "" && other != f.ID {
		return conflict("FloatingIPPortAlreadyAssociated", "Cannot associate floating IP %s (%s) with port %s using fixed IP %s, "+
			"as that fixed IP already has a floating IP on external network %s.", f.Address, f.ID, p.ID, inside.Text, f.NetworkID)
	}
	routerID, err := routerBetween(tx, inside.SubnetID, f.NetworkID)
	if err != nil {
		return err
	}
	if routerID == "" {
		return missing("ExternalGatewayForFloatingIPNotFound", "External network %s is not reachable from subnet %s.  "+
			"Therefore, cannot associate Port %s with a Floating IP.", f.NetworkID, inside.SubnetID, p.ID)
	}
	f.PortID, f.FixedAddress, f.RouterID, f.Status = p.ID, inside.Text, routerID, statusDown
	return nil
}

// fixedAddress is the address of a port that was named, or its only IPv4 one.
func fixedAddress(p *port, wanted string) (*address, error) {
	if wanted != "" {
		a, err := parseAddress(wanted)
		if err != nil || !a.Is4() {
			return nil, badValue("fixed_ip_address", "'%.60s' is not a valid IP address", wanted)
		}
		for i := range p.Addresses {
			if p.Addresses[i].addr() == a {
				return &p.Addresses[i], nil
			}
		}
		return nil, badRequest("floatingip", "Port %s does not have fixed ip %s", p.ID, a)
	}
	var found *address
	for i := range p.Addresses {
		if !p.Addresses[i].addr().Is4() {
			continue
		}
		if found != nil {
			return nil, badRequest("floatingip", "Port %s has multiple fixed IPv4 addresses.  Must provide a specific IPv4 address when assigning a floating IP", p.ID)
		}
		found = &p.Addresses[i]
	}
	if found == nil {
		return nil, badRequest("floatingip", "Cannot add floating IP to port %s that has no fixed IPv4 addresses", p.ID)
	}
	return found, nil
}

func (s *Service) floatingIPUpdate(ctx context.Context, r *api.Request) (any, error) {
	target := api.Loaded[*loadedFloatingIP](r)
	body, err := single[floatingIPBody](r, "floatingip")
	if err != nil {
		return nil, err
	}
	var f *floatingIP
	err = s.write(ctx, func(tx *db.Tx) (err error) {
		was, err := floatingIPDocument(tx, target.ID)
		if err != nil {
			return err
		}
		if f, err = getFloatingIP(tx, target.ID); err != nil {
			return err
		}
		if err := checkRevision(r, &f.standard); err != nil {
			return err
		}
		before := f.RouterID
		if err := s.changeFloatingIP(tx, r, f, &body); err != nil {
			return err
		}
		s.touch(&f.standard)
		if err := tx.Update("floating_ips", f, "id"); err != nil {
			return err
		}
		for _, id := range []string{before, f.RouterID} {
			if err := s.touchRouter(tx, id); err != nil {
				return err
			}
		}
		if err := loadTags(tx, []*floatingIP{f}); err != nil {
			return err
		}
		if err := completeFloatingIPs(tx, []*floatingIP{f}); err != nil {
			return err
		}
		return s.record(tx, r, feed.Change{Kind: "floatingip", Action: "update", ID: f.ID, OwnerProjectID: f.ProjectID, Before: was, After: showFloatingIP(f)})
	})
	if err != nil {
		return nil, err
	}
	return shown(r, "floatingip", showFloatingIP(f))
}

// changeFloatingIP associates, moves or parts; a body without port_id leaves that as it is.
func (s *Service) changeFloatingIP(tx *db.Tx, r *api.Request, f *floatingIP, body *floatingIPBody) error {
	body.Description.into(&f.Description)
	switch {
	case body.PortID.Set && body.PortID.Value == "":
		if body.FixedAddress.Value != "" {
			return badRequest("floatingip", "fixed_ip_address cannot be specified without a port_id")
		}
		f.PortID, f.FixedAddress, f.RouterID, f.Status = "", "", "", statusDown
	case body.PortID.Set:
		return s.associate(tx, r, f, body.PortID.Value, body.FixedAddress.Value)
	case body.FixedAddress.Value != "" && f.PortID != "":
		return s.associate(tx, r, f, f.PortID, body.FixedAddress.Value)
	case body.FixedAddress.Value != "":
		return badRequest("floatingip", "fixed_ip_address cannot be specified without a port_id")
	}
	return nil
}

func (s *Service) floatingIPDelete(ctx context.Context, r *api.Request) (any, error) {
	target := api.Loaded[*loadedFloatingIP](r)
	return nil, s.write(ctx, func(tx *db.Tx) error {
		f, err := getFloatingIP(tx, target.ID)
		if err != nil {
			return err
		}
		if err := checkRevision(r, &f.standard); err != nil {
			return err
		}
		if err := s.touchRouter(tx, f.RouterID); err != nil {
			return err
		}
		before, err := floatingIPDocument(tx, f.ID)
		if err != nil {
			return err
		}
		if err := deleteFloatingIP(tx, f); err != nil {
			return err
		}
		return s.record(tx, r, feed.Change{Kind: "floatingip", Action: "delete", ID: f.ID, OwnerProjectID: f.ProjectID, Before: before})
	})
}

// dropLooseFloatingIPs deletes those floating IPs of a network that no port has: as in neutron,
// they do not keep a network from being deleted.
func (s *Service) dropLooseFloatingIPs(tx *db.Tx, r *api.Request, networkID string) error {
	rows, err := looseFloatingIPs(tx, networkID)
	if err != nil {
		return err
	}
	for _, f := range rows {
		if err := deleteFloatingIP(tx, f); err != nil {
			return err
		}
		if err := s.record(tx, r, feed.Change{Kind: "floatingip", Action: "delete", ID: f.ID, OwnerProjectID: f.ProjectID, Before: showFloatingIP(f)}); err != nil {
			return err
		}
	}
	return nil
}

// releaseFloatingIPs parts the floating IPs from a port that goes.
func (s *Service) releaseFloatingIPs(tx *db.Tx, portID string) error {
	rows, err := floatingIPsOf(tx, portID)
	if err != nil {
		return err
	}
	for _, f := range rows {
		if err := s.touchRouter(tx, f.RouterID); err != nil {
			return err
		}
		f.PortID, f.FixedAddress, f.RouterID, f.Status = "", "", "", statusDown
		s.touch(&f.standard)
		if err := tx.Update("floating_ips", f, "id"); err != nil {
			return err
		}
	}
	return nil
}
