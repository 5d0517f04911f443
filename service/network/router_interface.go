package network

import (
	"context"
	"slices"

	"virga/core/api"
	"virga/core/db"
)

func (s *Service) routerAddInterface(ctx context.Context, r *api.Request) (any, error) {
	target := api.Loaded[*loadedRouter](r)
	var body interfaceBody
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	if err := body.check(true); err != nil {
		return nil, err
	}
	var view interfaceView
	err := s.alterRouter(ctx, r, target.ID, "interface.create", func(tx *db.Tx, row *router) (map[string]any, error) {
		join := s.joinSubnet
		if body.PortID != "" {
			join = s.joinPort
		}
		p, err := join(tx, r, row, &body)
		if err != nil {
			return nil, err
		}
		view = showInterface(row, p)
		return map[string]any{"interface": view}, nil
	})
	return view, err
}

// check tells whether exactly one of subnet and port is named; for parting both may be.
func (b *interfaceBody) check(joining bool) error {
	switch {
	case b.SubnetID == "" && b.PortID == "":
		return badRequest("router", "Either subnet_id or port_id must be specified")
	case joining && b.SubnetID != "" && b.PortID != "":
		return badRequest("router", "Cannot specify both subnet-id and port-id")
	}
	return nil
}

// joinSubnet makes a port with the subnet's gateway address.
func (s *Service) joinSubnet(tx *db.Tx, r *api.Request, row *router, body *interfaceBody) (*port, error) {
	n, err := getSubnet(tx, body.SubnetID)
	if err != nil {
		return nil, err
	}
	on, err := getNetwork(tx, n.NetworkID)
	if err != nil {
		return nil, err
	}
	if !seesAll(r) && n.ProjectID != r.ProjectID() && on.ProjectID != r.ProjectID() {
		if !on.Shared && !on.External {
			return nil, subnetNotFound(body.SubnetID)
		}
		// The interface gets the subnet's gateway address, and with it everybody's traffic.
		return nil, api.Forbidden("Only the owner of subnet %s may join a router to it with its gateway address.", n.ID).WithCode("PolicyNotAuthorized")
	}
	if n.GatewayText == "" {
		return nil, badRequest("router", "Subnet for router interface must have a gateway IP")
	}
	if err := s.checkInterface(tx, row, []*subnet{n}); err != nil {
		return nil, err
	}
	if err := s.placeRouterNear(tx, row, n.NetworkID); err != nil {
		return nil, err
	}
	p := s.routerPort(row, ownerRouterInterface, n.NetworkID)
	fixed := given[[]fixedIPBody]{Set: true, Value: []fixedIPBody{{SubnetID: n.ID, Address: n.GatewayText}}}
	return p, s.addRouterPort(tx, row, p, fixed)
}

// joinPort makes a port that exists and is free the router's.
func (s *Service) joinPort(tx *db.Tx, r *api.Request, row *router, body *interfaceBody) (*port, error) {
	p, err := getPort(tx, body.PortID)
	if err != nil {
		return nil, err
	}
	if !seesAll(r) && p.ProjectID != r.ProjectID() {
		return nil, portNotFound(body.PortID)
	}
	if p.DeviceID != "" || networkOwned(p.DeviceOwner) {
		return nil, conflict("PortInUse", "Unable to complete operation on port %s for network %s. Port already has an attached device %s.",
			p.ID, p.NetworkID, p.DeviceID)
	}
	if err := completePorts(tx, []*port{p}); err != nil {
		return nil, err
	}
	if len(p.Addresses) == 0 {
		return nil, badRequest("router", "Router port must have at least one fixed IP")
	}
	all, err := subnetsOn(tx, p.NetworkID)
	if err != nil {
		return nil, err
	}
	own := slices.DeleteFunc(all, func(n *subnet) bool { return !onSubnet(p.Addresses, n.ID) })
	if err := s.checkInterface(tx, row, own); err != nil {
		return nil, err
	}
	if err := s.placeRouterNear(tx, row, p.NetworkID); err != nil {
		return nil, err
	}
	before := *p
	p.DeviceID, p.DeviceOwner, p.Host, p.Status = row.ID, ownerRouterInterface, row.Host, statusDown
	p.Groups, p.PortSecurity, p.Pairs = nil, false, nil
	s.touch(&p.standard)
	return p, s.storeChange(tx, &before, p)
}

// placeRouterNear places a router that has no host where a guest of the network is, if
// there is one, and anywhere otherwise.
func (s *Service) placeRouterNear(tx *db.Tx, row *router, networkID string) error {
	if row.Host != "" {
		return nil
	}
	hosts, err := hostsOfNetwork(tx, networkID)
	if err != nil {
		return err
	}
	preferred := ""
	if len(hosts) > 0 {
		preferred = hosts[0]
	}
	return s.placeRouter(tx, row, preferred)
}

// checkInterface refuses subnets that the router is joined to already, or that overlap with one.
func (s *Service) checkInterface(tx *db.Tx, row *router, wanted []*subnet) error {
	existing, _, err := routerSubnets(tx, row.ID)
	if err != nil {
		return err
	}
	for _, n := range wanted {
		for _, other := range existing {
			if other.ID == n.ID {
				return badRequest("router", "Router already has a port on subnet %s", n.ID)
			}
			if other.cidr().Overlaps(n.cidr()) {
				return overlapError(n, other)
			}
		}
	}
	return nil
}

func (s *Service) routerRemoveInterface(ctx context.Context, r *api.Request) (any, error) {
	target := api.Loaded[*loadedRouter](r)
	var body interfaceBody
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	if err := body.check(false); err != nil {
		return nil, err
	}
	var view interfaceView
	err := s.alterRouter(ctx, r, target.ID, "interface.delete", func(tx *db.Tx, row *router) (map[string]any, error) {
		p, err := interfaceNamed(tx, row, &body)
		if err != nil {
			return nil, err
		}
		for _, a := range p.Addresses {
			if err := interfaceFree(tx, row, a.SubnetID); err != nil {
				return nil, err
			}
		}
		view = showInterface(row, p)
		return map[string]any{"interface": view}, s.dropRouterPort(tx, p.ID)
	})
	return view, err
}

// interfaceNamed finds the interface that is to go.
func interfaceNamed(tx *db.Tx, row *router, body *interfaceBody) (*port, error) {
	ports, err := interfacesOf(tx, row.ID)
	if err != nil {
		return nil, err
	}
	for _, p := range ports {
		if body.PortID != "" && p.ID != body.PortID {
			continue
		}
		if body.SubnetID != "" && !onSubnet(p.Addresses, body.SubnetID) {
			if body.PortID != "" {
				return nil, conflict("SubnetMismatchForPort", "Subnet on port %s does not match the requested subnet %s.", body.PortID, body.SubnetID)
			}
			continue
		}
		return p, nil
	}
	if body.PortID != "" {
		return nil, missing("RouterInterfaceNotFound", "Router %s does not have an interface with id %s", row.ID, body.PortID)
	}
	return nil, missing("RouterInterfaceNotFoundForSubnet", "Router %s has no interface on subnet %s", row.ID, body.SubnetID)
}

// interfaceFree refuses to part from a subnet that floating IPs or routes need.
func interfaceFree(tx *db.Tx, row *router, subnetID string) error {
	used, err := floatingIPsThrough(tx, row.ID, subnetID)
	if err != nil {
		return err
	}
	if used > 0 {
		return conflict("RouterInterfaceInUseByFloatingIP", "Router interface for subnet %s on router %s cannot be deleted, "+
			"as it is required by one or more floating IPs.", subnetID, row.ID)
	}
	n, err := getSubnet(tx, subnetID)
	if err != nil {
		return err
	}
	for _, t := range row.Routes {
		if hop, err := parseAddress(t.NextHop); err == nil && n.cidr().Contains(hop) {
			return conflict("RouterInterfaceInUseByRoute", "Router interface for subnet %s on router %s cannot be deleted, "+
				"as it is required by one or more routes.", subnetID, row.ID)
		}
	}
	return nil
}
