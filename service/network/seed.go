package network

import (
	"context"
	"fmt"
	"net/netip"

	"virga/core/db"
	"virga/core/feed"
)

// SeedParams says what a fresh cloud's first networks are like.
type SeedParams struct {
	// AdminProjectID owns everything that is seeded.
	AdminProjectID string
	// ExternalCIDR is the range of the network "public", for instance 172.24.4.0/24.
	ExternalCIDR string
	// PrivateCIDR is the range of the network "private", for instance 10.0.0.0/24.
	PrivateCIDR string
	// HostNAT has hosts masquerade what leaves "public", so that guests reach what the
	// host reaches.
	HostNAT bool
}

// Seed gives a fresh cloud an external network "public" (flat, on the physical network of
// the same name, its gateway address the host's own), a network "private" and the router
// "router1" between them. What was seeded once is never made again, also when it was
// deleted since.
func (s *Service) Seed(ctx context.Context, params SeedParams) error {
	err := s.write(ctx, func(tx *db.Tx) error {
		external, err := s.seedNetwork(tx, "public", params, func(n *network) (*subnetBody, error) {
			n.External, n.IsDefault, n.Type, n.PhysicalNetwork, n.MTU = true, true, typeFlat, "public", s.deps.PhysicalMTU
			n.HostGateway, n.HostNAT = true, params.HostNAT
			return externalSubnet(params.ExternalCIDR)
		})
		if err != nil {
			return err
		}
		private, err := s.seedNetwork(tx, "private", params, func(n *network) (*subnetBody, error) {
			n.Type, n.MTU = typeVXLAN, s.deps.PhysicalMTU-vxlanOverhead
			body := &subnetBody{IPVersion: 4}
			body.CIDR = given[string]{Set: true, Value: params.PrivateCIDR}
			return body, nil
		})
		if err != nil {
			return err
		}
		return s.seedRouter(tx, params, external, private)
	})
	if err != nil {
		return fmt.Errorf("seed networks: %w", err)
	}
	return nil
}

// externalSubnet has the first address as gateway and the tenth to the 250th, as far as
// the range goes, to give out.
func externalSubnet(text string) (*subnetBody, error) {
	cidr, err := parseCIDR(text)
	if err != nil {
		return nil, err
	}
	body := &subnetBody{IPVersion: 4}
	body.CIDR = given[string]{Set: true, Value: cidr.String()}
	body.DHCP = given[flag]{Set: true, Value: false}
	first, last := nth(cidr, 10), nth(cidr, 250)
	if whole := hostRange(cidr); whole.contains(first) {
		if !whole.contains(last) {
			last = whole.End
		}
		body.Pools = given[[]poolBody]{Set: true, Value: []poolBody{{first.String(), last.String()}}}
	}
	return body, nil
}

// nth is the address n places after the first of a range.
func nth(cidr netip.Prefix, n int) netip.Addr {
	a := cidr.Masked().Addr()
	for range n {
		a = a.Next()
	}
	return a
}

// seedNetwork makes a network with one subnet, unless that was done before. It returns
// the subnet, or nil when it is not there any more or was there already.
func (s *Service) seedNetwork(tx *db.Tx, name string, params SeedParams, shape func(n *network) (*subnetBody, error)) (*subnet, error) {
	if done, err := seededBefore(tx, name); done || err != nil {
		return nil, err
	}
	n := &network{standard: s.newStandard(params.AdminProjectID, bodyStandard{}), Name: name, AdminUp: true, PortSecurity: true, AZHints: []string{}}
	body, err := shape(n)
	if err != nil {
		return nil, err
	}
	if err := allocateSegment(tx, n); err != nil {
		return nil, err
	}
	if err := insertNetwork(tx, n); err != nil {
		return nil, err
	}
	row := &subnet{standard: s.newStandard(params.AdminProjectID, bodyStandard{}), NetworkID: n.ID, Name: name + "-subnet",
		IPVersion: int(body.IPVersion), DHCP: bool(body.DHCP.or(true)), DNS: []string{}, HostRoutes: []route{}}
	if err := row.fill(body); err != nil {
		return nil, err
	}
	if err := s.addSubnet(tx, row); err != nil {
		return nil, err
	}
	document, err := networkDocument(tx, n.ID)
	if err != nil {
		return nil, err
	}
	for _, c := range []feed.Change{
		{Kind: "network", Action: "create", ID: n.ID, OwnerProjectID: n.ProjectID, After: document, OperationID: "seed"},
		{Kind: "subnet", Action: "create", ID: row.ID, OwnerProjectID: row.ProjectID, After: showSubnet(row), OperationID: "seed"},
	} {
		if err := s.record(tx, nil, c); err != nil {
			return nil, err
		}
	}
	return row, markSeeded(tx, name, n.ID)
}

// seedRouter joins the two networks when both were made just now.
func (s *Service) seedRouter(tx *db.Tx, params SeedParams, external, private *subnet) error {
	const name = "router1"
	if done, err := seededBefore(tx, name); done || err != nil {
		return err
	}
	if external == nil || private == nil {
		return markSeeded(tx, name, "")
	}
	row := &router{standard: s.newStandard(params.AdminProjectID, bodyStandard{}), Name: name, AdminUp: true, Status: statusActive, SNAT: true,
		Routes: []route{}, AZHints: []string{}}
	if err := tx.Insert("routers", row); err != nil {
		return err
	}
	if err := s.setGateway(tx, row, &gatewayBody{NetworkID: external.NetworkID}, true); err != nil {
		return err
	}
	p := s.routerPort(row, ownerRouterInterface, private.NetworkID)
	fixed := given[[]fixedIPBody]{Set: true, Value: []fixedIPBody{{SubnetID: private.ID, Address: private.GatewayText}}}
	if err := s.addRouterPort(tx, row, p, fixed); err != nil {
		return err
	}
	if err := tx.Update("routers", row, "id"); err != nil {
		return err
	}
	document, err := routerDocument(tx, row.ID)
	if err != nil {
		return err
	}
	c := feed.Change{Kind: "router", Action: "create", ID: row.ID, OwnerProjectID: row.ProjectID, After: document, OperationID: "seed"}
	if err := s.record(tx, nil, c); err != nil {
		return err
	}
	return markSeeded(tx, name, row.ID)
}
