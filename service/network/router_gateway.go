package network

import (
	"slices"

	"virga/core/db"
)

// setGateway joins a router to an external network, or parts it from the one it has (nil).
// The row is changed and not stored.
func (s *Service) setGateway(tx *db.Tx, row *router, wanted *gatewayBody, anyProject bool) error {
	if wanted != nil && wanted.NetworkID == row.GatewayNetworkID && row.GatewayPortID != "" {
		return s.changeGateway(tx, row, wanted)
	}
	if wanted != nil {
		if err := s.checkGateway(tx, row, wanted, anyProject); err != nil {
			return err
		}
	}
	if err := s.dropGateway(tx, row); err != nil || wanted == nil {
		return err
	}
	row.SNAT = bool(wanted.SNAT.or(true))
	if err := s.placeRouter(tx, row, ""); err != nil {
		return err
	}
	p := s.routerPort(row, ownerRouterGateway, wanted.NetworkID)
	p.ProjectID = "" // it is the cloud's, so that its addresses stay when projects come and go
	fixed := wanted.FixedIPs
	fixed.Set = fixed.Set && len(fixed.Value) > 0
	if err := s.addRouterPort(tx, row, p, fixed); err != nil {
		return err
	}
	row.GatewayPortID, row.GatewayNetworkID = p.ID, wanted.NetworkID
	return nil
}

// changeGateway keeps the external network and changes the rest.
func (s *Service) changeGateway(tx *db.Tx, row *router, wanted *gatewayBody) error {
	row.SNAT = bool(wanted.SNAT.or(flag(row.SNAT)))
	if len(wanted.FixedIPs.Value) == 0 {
		return nil
	}
	p, err := getPort(tx, row.GatewayPortID)
	if err != nil {
		return err
	}
	if err := completePorts(tx, []*port{p}); err != nil {
		return err
	}
	if err := s.changeAddresses(tx, p, wanted.FixedIPs); err != nil {
		return err
	}
	return s.touchRow(tx, "ports", p.ID)
}

// checkGateway refuses networks that are not external and ranges that overlap with the router's own.
func (s *Service) checkGateway(tx *db.Tx, row *router, wanted *gatewayBody, anyProject bool) error {
	n, err := getNetwork(tx, wanted.NetworkID)
	if err != nil {
		return err
	}
	if !n.External {
		if !anyProject && n.ProjectID != row.ProjectID && !n.Shared {
			return networkNotFound(n.ID)
		}
		return badRequest("router", "Network %s is not an external network", n.ID)
	}
	outside, err := subnetsOn(tx, n.ID)
	if err != nil {
		return err
	}
	inside, _, err := routerSubnets(tx, row.ID)
	if err != nil {
		return err
	}
	inside = slices.DeleteFunc(inside, func(sub *subnet) bool { return sub.NetworkID == row.GatewayNetworkID })
	for _, a := range outside {
		for _, b := range inside {
			if a.cidr().Overlaps(b.cidr()) {
				return overlapError(a, b)
			}
		}
	}
	return nil
}

func overlapError(a, b *subnet) error {
	return badRequest("router", "Cidr %s of subnet %s overlaps with cidr %s of subnet %s", a.CIDRText, a.ID, b.CIDRText, b.ID)
}

// dropGateway takes the gateway away unless floating IPs need it.
func (s *Service) dropGateway(tx *db.Tx, row *router) error {
	if row.GatewayPortID == "" {
		return nil
	}
	used, err := floatingIPsThrough(tx, row.ID, "")
	if err != nil {
		return err
	}
	if used > 0 {
		return conflict("RouterExternalGatewayInUseByFloatingIp", "Gateway cannot be updated for router %s, "+
			"since a gateway to external network %s is required by one or more floating IPs.", row.ID, row.GatewayNetworkID)
	}
	if err := s.dropRouterPort(tx, row.GatewayPortID); err != nil {
		return err
	}
	row.GatewayPortID, row.GatewayNetworkID = "", ""
	return nil
}

// routerPort is a new port of a router's.
func (s *Service) routerPort(row *router, owner, networkID string) *port {
	return &port{standard: s.newStandard(row.ProjectID, bodyStandard{}), NetworkID: networkID, AdminUp: true, Status: statusDown,
		DeviceID: row.ID, DeviceOwner: owner, Host: row.Host, VNICType: vnicNormal}
}

// addRouterPort gives a router's new port its addresses and inserts it.
func (s *Service) addRouterPort(tx *db.Tx, row *router, p *port, fixed given[[]fixedIPBody]) error {
	if err := s.settleMAC(tx, p); err != nil {
		return err
	}
	var err error
	if p.Addresses, err = newIPAM(tx).addresses(p, fixed); err != nil {
		return err
	}
	if p.DeviceOwner == ownerRouterGateway && len(p.Addresses) == 0 {
		return badRequest("router", "Network %s has no subnet for the gateway of router %s", p.NetworkID, row.ID)
	}
	if err := insertPort(tx, p); err != nil {
		return err
	}
	if err := insertAddresses(tx, p); err != nil {
		return err
	}
	return s.portTouches(tx, p)
}

// dropRouterPort removes a router's port.
func (s *Service) dropRouterPort(tx *db.Tx, id string) error {
	p, err := getPort(tx, id)
	if err != nil {
		return err
	}
	if err := completePorts(tx, []*port{p}); err != nil {
		return err
	}
	return s.removePort(tx, p)
}

// placeRouter chooses the host of a router that has none yet: the preferred one where that
// is alive, or the live one with the fewest routers. Without any it stays unplaced until
// an agent reports. The row is changed and not stored.
func (s *Service) placeRouter(tx *db.Tx, row *router, preferred string) error {
	if row.Host != "" {
		return nil
	}
	hosts, err := liveHosts(tx, s.deps.Clock.Now())
	if err != nil || len(hosts) == 0 {
		return err
	}
	if !slices.Contains(hosts, preferred) {
		preferred = hosts[0]
	}
	row.Host = preferred
	return movePorts(tx, row.ID, preferred)
}

// placeRoutersOf places the routers of a network that have no host yet where a guest of
// the network has just arrived.
func (s *Service) placeRoutersOf(tx *db.Tx, networkID, host string) error {
	routers, err := unplacedRouters(tx, networkID)
	if err != nil {
		return err
	}
	return s.placeAll(tx, routers, host)
}

// placeAll places routers and stores it.
func (s *Service) placeAll(tx *db.Tx, routers []*router, host string) error {
	for _, row := range routers {
		if err := s.placeRouter(tx, row, host); err != nil {
			return err
		}
		if row.Host == "" {
			continue
		}
		if err := tx.Update("routers", row, "id"); err != nil {
			return err
		}
		ports, err := portsWhere(tx, "device_id = ? AND device_owner LIKE 'network:router%'", row.ID)
		if err != nil {
			return err
		}
		if err := s.touchRouter(tx, row.ID); err != nil {
			return err
		}
		for _, p := range ports {
			if err := s.touchPeers(tx, p.NetworkID); err != nil {
				return err
			}
		}
	}
	return nil
}
