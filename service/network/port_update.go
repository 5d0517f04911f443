package network

import (
	"context"
	"slices"

	"virga/core/api"
	"virga/core/db"
	"virga/core/feed"
)

func (s *Service) portUpdate(ctx context.Context, r *api.Request) (any, error) {
	target := api.Loaded[*loadedPort](r)
	body, err := single[portBody](r, "port")
	if err != nil {
		return nil, err
	}
	wanted := *target.port
	if err := body.apply(&wanted); err != nil {
		return nil, err
	}
	if err := body.may(r, "update_port", portTarget(&wanted, target.network)); err != nil {
		return nil, err
	}
	var p *port
	err = s.write(ctx, func(tx *db.Tx) (err error) {
		if p, err = getPort(tx, target.ID); err != nil {
			return err
		}
		if err := checkRevision(r, &p.standard); err != nil {
			return err
		}
		if err := completePorts(tx, []*port{p}); err != nil {
			return err
		}
		if err := loadTags(tx, []*port{p}); err != nil {
			return err
		}
		before := documentOfPort(p)
		if err := s.changePort(tx, r, p, &body); err != nil {
			return err
		}
		return s.record(tx, r, feed.Change{Kind: "port", Action: "update", ID: p.ID, OwnerProjectID: p.ProjectID, Before: before, After: documentOfPort(p)})
	})
	if err != nil {
		return nil, err
	}
	return shown(r, "port", showPort(r, p))
}

// changePort writes what an update gives into the row and lets the hosts that see the
// port before or after know.
func (s *Service) changePort(tx *db.Tx, r *api.Request, p *port, body *portBody) error {
	before := *p
	if err := body.apply(p); err != nil {
		return err
	}
	if err := s.checkPortChange(tx, r, &before, p, body); err != nil {
		return err
	}
	var err error
	if body.Groups.Set || before.PortSecurity != p.PortSecurity {
		wanted := body.Groups
		if !wanted.Set {
			wanted = given[[]string]{Set: true, Value: p.Groups}
		}
		if p.Groups, err = s.settleGroups(tx, p, wanted, seesAll(r)); err != nil {
			return err
		}
	}
	if err := normalizePairs(p); err != nil {
		return err
	}
	if body.FixedIPs.Set {
		if err := s.changeAddresses(tx, p, body.FixedIPs); err != nil {
			return err
		}
		if err := s.moveInterface(tx, &before, p); err != nil {
			return err
		}
	}
	if p.Host != before.Host {
		p.Status, p.StatusDetail = statusDown, ""
	}
	p.MigratingTo = expectedOn(p)
	s.touch(&p.standard)
	return s.storeChange(tx, &before, p)
}

// checkPortChange refuses changes that would make the port lie about what it is.
func (s *Service) checkPortChange(tx *db.Tx, r *api.Request, before, p *port, body *portBody) error {
	routerPort := slices.Contains([]string{ownerRouterInterface, ownerRouterGateway, ownerFloatingIP}, before.DeviceOwner)
	addressed := body.FixedIPs.Set && before.DeviceOwner != ownerRouterInterface
	if routerPort && (p.DeviceID != before.DeviceID || p.DeviceOwner != before.DeviceOwner || p.Host != before.Host || addressed) {
		return servicePortInUse(before)
	}
	if before.Host != "" && p.DeviceID != before.DeviceID && p.DeviceID != "" && !seesAll(r) {
		return conflict("PortInUse", "Unable to complete operation on port %s for network %s. Port already has an attached device %s.",
			p.ID, p.NetworkID, before.DeviceID)
	}
	if body.MAC.Set && !body.MAC.Null {
		mac, err := parseMAC(body.MAC.Value)
		if err != nil {
			return badValue("mac_address", "%s", err)
		}
		if mac != before.MAC {
			if p.MAC = mac; before.Host != "" && before.Status == statusActive {
				return conflict("PortBound", "Unable to complete operation on port %s, port is already bound, port type: %s, old_mac %s, new_mac %s.",
					p.ID, "bridge", before.MAC, mac)
			}
			if err := s.settleMAC(tx, p); err != nil {
				return err
			}
		}
	}
	groups := len(p.Groups) > 0
	if body.Groups.Set {
		groups = len(body.Groups.Value) > 0
	}
	return checkSecurity(p, groups)
}

func servicePortInUse(p *port) error {
	return conflict("ServicePortInUse", "Port %s cannot be changed in this way via the port API: has device owner %s.", p.ID, p.DeviceOwner)
}

// moveInterface lets the router know that one of its interfaces has other addresses. They must
// be on the same subnets: joining and parting are the router's business.
func (s *Service) moveInterface(tx *db.Tx, before, p *port) error {
	if before.DeviceOwner != ownerRouterInterface {
		return nil
	}
	if !slices.Equal(addressSubnets(before), addressSubnets(p)) {
		return servicePortInUse(before)
	}
	row, err := getRouter(tx, p.DeviceID)
	if err != nil {
		return err
	}
	if err := setRoutes(tx, row, row.Routes); err != nil {
		return err
	}
	return s.touchRouter(tx, row.ID)
}

// addressSubnets are the subnets of a port's addresses, sorted, each as often as the port has addresses on it.
func addressSubnets(p *port) []string {
	ids := make([]string, len(p.Addresses))
	for i, a := range p.Addresses {
		ids[i] = a.SubnetID
	}
	slices.Sort(ids)
	return ids
}

// changeAddresses gives the port the addresses that are wanted now; what it has on a
// subnet that is named without address stays.
func (s *Service) changeAddresses(tx *db.Tx, p *port, wanted given[[]fixedIPBody]) error {
	old := p.Addresses
	wishes := slices.Clone(wanted.Value)
	taken := map[string]bool{}
	for _, wish := range wishes {
		taken[wish.Address] = true
	}
	for i := range wishes {
		if wishes[i].Address != "" {
			continue
		}
		for _, a := range old {
			if a.SubnetID == wishes[i].SubnetID && !taken[a.Text] {
				wishes[i].Address, taken[a.Text] = a.Text, true
				break
			}
		}
	}
	var err error
	if p.Addresses, err = newIPAM(tx).addresses(p, given[[]fixedIPBody]{Set: true, Value: wishes}); err != nil {
		return err
	}
	for _, gone := range old {
		if has(p.Addresses, gone.SubnetID, gone.addr()) {
			continue
		}
		used, err := floatingIPOn(tx, p.ID, gone.Text)
		if err != nil {
			return err
		}
		if used != "" {
			return conflict("PortInUse", "Unable to complete operation on port %s for network %s. Its address %s is that of floating IP %s.",
				p.ID, p.NetworkID, gone.Text, used)
		}
	}
	return replaceAddresses(tx, p)
}

// storeChange writes a changed port and tells the hosts before and after.
func (s *Service) storeChange(tx *db.Tx, before, p *port) error {
	moved := before.Host != p.Host
	if moved {
		if err := s.portTouches(tx, before); err != nil {
			return err
		}
	}
	if !slices.Equal(before.Groups, p.Groups) || !slices.Equal(before.Addresses, p.Addresses) || !slices.Equal(before.Pairs, p.Pairs) {
		if err := s.touchMembers(tx, before, p); err != nil {
			return err
		}
	}
	if err := tx.Update("ports", p, "id"); err != nil {
		return err
	}
	if err := replaceGroups(tx, p, true); err != nil {
		return err
	}
	if moved && before.Host != "" {
		if err := s.ensureDHCPPort(tx, p.NetworkID, before.Host); err != nil {
			return err
		}
	}
	if err := s.portArrives(tx, p); err != nil {
		return err
	}
	if err := s.expectChange(tx, before, p); err != nil {
		return err
	}
	return markPlugged(tx, []*port{p})
}
