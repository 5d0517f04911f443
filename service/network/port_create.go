package network

import (
	"context"
	"net/netip"
	"slices"

	"virga/core/api"
	"virga/core/authz"
	"virga/core/db"
	"virga/core/feed"
)

const (
	vnicNormal      = "normal"
	maxAddressPairs = 10
)

// portPlan is a port to be made, with what can only be settled inside the transaction.
type portPlan struct {
	port   *port
	fixed  given[[]fixedIPBody]
	groups given[[]string]
	// anyGroup is true when the caller may use security groups of other projects.
	anyGroup bool
}

func (s *Service) portCreate(ctx context.Context, r *api.Request) (any, error) {
	requests, bulk, err := bodies[portBody](r, "port", "ports")
	if err != nil {
		return nil, err
	}
	networks, err := s.networksNamed(ctx, requests)
	if err != nil {
		return nil, err
	}
	plans := make([]*portPlan, len(requests))
	rows := make([]*port, len(requests))
	for i := range requests {
		if plans[i], err = s.planPort(r, &requests[i], networks[requests[i].NetworkID]); err != nil {
			return nil, err
		}
		rows[i] = plans[i].port
	}
	err = s.write(ctx, func(tx *db.Tx) error {
		if err := admitAll(s, tx, quotaPort, rows); err != nil {
			return err
		}
		m := newIPAM(tx)
		for i, plan := range plans {
			attempt := *rows[i] // a transaction that is run again begins with the plan as it was
			plan.port = &attempt
			if err := s.addPort(tx, m, plan); err != nil {
				return err
			}
		}
		if err := markPlugged(tx, rowsOf(plans)); err != nil {
			return err
		}
		for _, p := range rowsOf(plans) {
			if err := s.record(tx, r, feed.Change{Kind: "port", Action: "create", ID: p.ID, OwnerProjectID: p.ProjectID, After: documentOfPort(p)}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	views := make([]any, len(plans))
	for i, plan := range plans {
		views[i] = showPort(r, plan.port)
	}
	return created("port", "ports", bulk, views), nil
}

func rowsOf(plans []*portPlan) []*port {
	rows := make([]*port, len(plans))
	for i, plan := range plans {
		rows[i] = plan.port
	}
	return rows
}

// networksNamed reads the networks of new ports; the ones that do not exist are missing.
func (s *Service) networksNamed(ctx context.Context, requests []portBody) (map[string]*network, error) {
	var ids []string
	for _, request := range requests {
		if !slices.Contains(ids, request.NetworkID) && printable(request.NetworkID) {
			ids = append(ids, request.NetworkID)
		}
	}
	var found map[string]*network
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
		found, err = networksOf(tx, ids)
		return err
	})
	return found, err
}

// planPort checks everything about a new port that needs no transaction.
func (s *Service) planPort(r *api.Request, body *portBody, n *network) (*portPlan, error) {
	project, err := ownerOf(r, body.bodyStandard)
	if err != nil {
		return nil, err
	}
	if n == nil || !seesAll(r) && n.ProjectID != r.ProjectID() && !n.Shared && !n.External {
		return nil, networkNotFound(body.NetworkID)
	}
	if !seesAll(r) && n.ProjectID != r.ProjectID() && !n.Shared {
		return nil, api.Forbidden("Policy doesn't allow create_port on an external network to be performed.")
	}
	p := &port{standard: s.newStandard(project, body.bodyStandard), NetworkID: n.ID, Status: statusDown, AdminUp: true,
		PortSecurity: n.PortSecurity, VNICType: vnicNormal}
	if networkOwned(body.DeviceOwner.Value) {
		p.PortSecurity = false
	}
	if err := body.apply(p); err != nil {
		return nil, err
	}
	if err := body.may(r, "create_port", portTarget(p, n)); err != nil {
		return nil, err
	}
	if body.MAC.Value != "" {
		if p.MAC, err = parseMAC(body.MAC.Value); err != nil {
			return nil, badValue("mac_address", "%s", err)
		}
	}
	plan := &portPlan{port: p, fixed: body.FixedIPs, groups: body.Groups, anyGroup: seesAll(r)}
	return plan, checkSecurity(p, len(body.Groups.Value) > 0)
}

// may enforces the rules of the attributes that are given.
func (b *portBody) may(r *api.Request, action string, target authz.Target) error {
	for _, attribute := range []struct {
		given bool
		name  string
	}{
		{b.DeviceOwner.Set, "device_owner"}, {b.MAC.Set && !b.MAC.Null, "mac_address"}, {b.PortSecurity.Set, "port_security_enabled"},
		{b.Host.Set && !b.Host.Null, "binding:host_id"}, {b.Profile.Set && len(b.Profile.Value) > 0, "binding:profile"},
		{b.VNICType.Set, "binding:vnic_type"}, {len(b.Pairs.Value) > 0, "allowed_address_pairs"},
	} {
		if attribute.given {
			if err := r.May(action+":"+attribute.name, target); err != nil {
				return err
			}
		}
	}
	for _, fixed := range b.FixedIPs.Value {
		rule := action + ":fixed_ips:subnet_id"
		if fixed.Address != "" {
			rule = action + ":fixed_ips:ip_address"
		}
		if err := r.May(rule, target); err != nil {
			return err
		}
	}
	return nil
}

// apply writes the simple attributes that are given into the row.
func (b *portBody) apply(p *port) error {
	b.Name.into(&p.Name)
	b.Description.into(&p.Description)
	b.DeviceID.into(&p.DeviceID)
	b.DeviceOwner.into(&p.DeviceOwner)
	b.Host.into(&p.Host)
	b.Profile.into(&p.Profile)
	setFlag(b.AdminUp, &p.AdminUp)
	setFlag(b.PortSecurity, &p.PortSecurity)
	if b.VNICType.Set {
		p.VNICType = b.VNICType.or(vnicNormal)
	}
	if p.VNICType != vnicNormal {
		return badValue("binding:vnic_type", "'%s' is not in ['normal']", p.VNICType)
	}
	if b.DHCPOptions.Set {
		p.DHCPOptions = mergeOptions(p.DHCPOptions, b.DHCPOptions.Value)
		if err := checkDHCPOptions(p.DHCPOptions); err != nil {
			return err
		}
	}
	if b.Pairs.Set {
		p.Pairs = b.Pairs.Value
	}
	return nil
}

// mergeOptions adds and replaces options by name; one whose value is null goes.
func mergeOptions(old []dhcpOption, changes []dhcpOptionBody) []dhcpOption {
	merged := slices.Clone(old)
	for _, change := range changes {
		version := int(change.IPVersion)
		if version == 0 {
			version = 4
		}
		merged = slices.DeleteFunc(merged, func(o dhcpOption) bool { return o.Name == change.Name && o.IPVersion == version })
		if change.Value != nil {
			merged = append(merged, dhcpOption{change.Name, *change.Value, version})
		}
	}
	return merged
}

// checkSecurity refuses groups and address pairs on a port without port security.
func checkSecurity(p *port, withGroups bool) error {
	if !p.PortSecurity && withGroups {
		return conflict("PortSecurityPortHasSecurityGroup",
			"Port has security group associated. Cannot disable port security or IP address until security group is removed.")
	}
	if !p.PortSecurity && len(p.Pairs) > 0 {
		return conflict("AddressPairAndPortSecurityRequired", "Port Security must be enabled in order to have allowed address pairs on a port.")
	}
	return nil
}

// normalizePairs gives address pairs their usual form; a pair without Ethernet address gets the port's.
func normalizePairs(p *port) error {
	if len(p.Pairs) > maxAddressPairs {
		return refuse("AllowedAddressPairExhausted", "The number of allowed address pair exceeds the maximum %d.", maxAddressPairs)
	}
	pairs := make([]addressPair, 0, len(p.Pairs))
	for _, pair := range p.Pairs {
		if pair.MAC == "" {
			pair.MAC = p.MAC
		}
		mac, err := parseMAC(pair.MAC)
		if err != nil {
			return badValue("allowed_address_pairs", "%s", err)
		}
		if a, err := parseAddress(pair.Address); err == nil {
			pair.Address = a.String()
		} else if prefix, err := netip.ParsePrefix(pair.Address); err == nil && !prefix.Addr().Is4In6() {
			pair.Address = prefix.Masked().String()
		} else {
			return badValue("allowed_address_pairs", "'%.60s' is not a valid IP subnet", pair.Address)
		}
		pair.MAC = mac
		if slices.Contains(pairs, pair) {
			return refuse("DuplicateAddressPairInRequest", "Request contains duplicate address pair: mac_address %s ip_address %s.", pair.MAC, pair.Address)
		}
		pairs = append(pairs, pair)
	}
	p.Pairs = pairs
	return nil
}

// addPort settles addresses and groups of a planned port and inserts it.
func (s *Service) addPort(tx *db.Tx, m *ipam, plan *portPlan) error {
	p := plan.port
	if _, err := getNetwork(tx, p.NetworkID); err != nil {
		return err
	}
	if err := s.settleMAC(tx, p); err != nil {
		return err
	}
	if err := normalizePairs(p); err != nil {
		return err
	}
	var err error
	if p.Groups, err = s.settleGroups(tx, p, plan.groups, plan.anyGroup); err != nil {
		return err
	}
	if p.Addresses, err = m.addresses(p, plan.fixed); err != nil {
		return err
	}
	if err := insertPort(tx, p); err != nil {
		return err
	}
	if err := insertAddresses(tx, p); err != nil {
		return err
	}
	if err := replaceGroups(tx, p, false); err != nil {
		return err
	}
	if err := s.touchMembers(tx, p); err != nil {
		return err
	}
	return s.portArrives(tx, p)
}

// portArrives has everything follow that depends on a port's being on a host.
func (s *Service) portArrives(tx *db.Tx, p *port) error {
	if p.Host != "" && !networkOwned(p.DeviceOwner) {
		if err := s.ensureDHCPPort(tx, p.NetworkID, p.Host); err != nil {
			return err
		}
		if err := s.placeRoutersOf(tx, p.NetworkID, p.Host); err != nil {
			return err
		}
	}
	return s.portTouches(tx, p)
}

func (s *Service) settleMAC(tx *db.Tx, p *port) (err error) {
	if p.MAC == "" {
		p.MAC, err = s.freeMAC(tx, p.NetworkID)
		return err
	}
	taken, err := macTaken(tx, p.NetworkID, p.MAC)
	if err == nil && taken {
		err = macInUse(p)
	}
	return err
}

func macInUse(p *port) error {
	return conflict("MacAddressInUse", "Unable to complete operation for network %s. The mac address %s is in use.", p.NetworkID, p.MAC)
}

// settleGroups decides the security groups of a port: those asked for, which must exist
// and belong to the port's project, or the project's default group.
func (s *Service) settleGroups(tx *db.Tx, p *port, wanted given[[]string], anyProject bool) ([]string, error) {
	if !p.PortSecurity || networkOwned(p.DeviceOwner) {
		return nil, nil
	}
	if !wanted.Set || wanted.Null {
		id, err := s.ensureDefaultGroup(tx, p.ProjectID)
		if id == "" || err != nil {
			return nil, err
		}
		return []string{id}, nil
	}
	ids := slices.Compact(slices.Sorted(slices.Values(wanted.Value)))
	owners, err := groupOwners(tx, ids)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		owner, exists := owners[id]
		if !exists || owner != p.ProjectID && !anyProject {
			return nil, groupNotFound(id)
		}
	}
	return ids, nil
}
