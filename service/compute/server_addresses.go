package compute

import (
	"context"
	"encoding/json"
	"net/netip"
	"slices"

	"virga/core/api"
)

// Up to 2.43 servers get and lose fixed and floating addresses by actions; since then clients
// ask the network service themselves, and so do these actions, as their callers.

// untilProxiesEnded refuses an action that is there up to 2.43.
func untilProxiesEnded(r *api.Request) error {
	if r.Version.AtLeast(vNoAddressActions) {
		return api.NotFound("API version %s is not supported on this method.", r.Version)
	}
	return nil
}

func (s *Service) actionAddFixedIP(ctx context.Context, r *api.Request, row *server, argument json.RawMessage) (any, error) {
	if err := untilProxiesEnded(r); err != nil {
		return nil, err
	}
	var in struct {
		NetworkID string `json:"networkId"`
	}
	if err := json.Unmarshal(argument, &in); err != nil {
		return nil, api.BadRequest("Invalid input for field/attribute addFixedIp.")
	}
	if err := s.checkLock(r, row); err != nil {
		return nil, err
	}
	ports, err := s.deps.Networks.PortsOfDevices(as(ctx, r), []string{row.ID})
	if err != nil {
		return nil, unavailable("network", err)
	}
	for _, p := range ports {
		if p.NetworkID != in.NetworkID || len(p.FixedIPs) == 0 {
			continue
		}
		more := append(slices.Clone(p.FixedIPs), FixedIP{SubnetID: p.FixedIPs[0].SubnetID})
		return s.changeAddresses(ctx, r, row, p.ID, more)
	}
	return nil, api.NotFound("Network could not be found for instance %s.", row.ID)
}

func (s *Service) actionRemoveFixedIP(ctx context.Context, r *api.Request, row *server, argument json.RawMessage) (any, error) {
	if err := untilProxiesEnded(r); err != nil {
		return nil, err
	}
	var in struct {
		Address string `json:"address"`
	}
	if err := json.Unmarshal(argument, &in); err != nil {
		return nil, api.BadRequest("Invalid input for field/attribute removeFixedIp.")
	}
	if err := s.checkLock(r, row); err != nil {
		return nil, err
	}
	ports, err := s.deps.Networks.PortsOfDevices(as(ctx, r), []string{row.ID})
	if err != nil {
		return nil, unavailable("network", err)
	}
	has := func(ip FixedIP) bool { return ip.Address == in.Address }
	for _, p := range ports {
		if slices.ContainsFunc(p.FixedIPs, has) {
			return s.changeAddresses(ctx, r, row, p.ID, slices.DeleteFunc(slices.Clone(p.FixedIPs), has))
		}
	}
	return nil, api.BadRequest("Instance %s does not have fixed IP '%s'.", row.ID, oneLine(in.Address, 60))
}

// changeAddresses gives a port its fixed addresses and has the server's be looked at anew.
func (s *Service) changeAddresses(ctx context.Context, r *api.Request, row *server, portID string, list []FixedIP) (any, error) {
	if _, err := s.deps.Networks.UpdatePort(as(ctx, r), portID, PortChange{FixedIPs: &list}); err != nil {
		return nil, refusedBy("network", err)
	}
	s.fresh.forget(row.ID)
	s.freshen(ctx, []*server{row})
	return accepted(), nil
}

// floatingNamed finds the caller's floating address of that text.
func (s *Service) floatingNamed(ctx context.Context, r *api.Request, address string) (ProjectFloatingIP, error) {
	list, err := s.deps.Networks.ProjectFloatingIPs(as(ctx, r), r.ProjectID())
	if err != nil {
		return ProjectFloatingIP{}, passedOn("network", err)
	}
	for _, f := range list {
		if f.Address == address {
			return f, nil
		}
	}
	return ProjectFloatingIP{}, api.NotFound("floating IP not found")
}

func (s *Service) actionAddFloatingIP(ctx context.Context, r *api.Request, row *server, argument json.RawMessage) (any, error) {
	if err := untilProxiesEnded(r); err != nil {
		return nil, err
	}
	var in struct {
		Address string `json:"address"`
		Fixed   string `json:"fixed_address"`
	}
	if err := json.Unmarshal(argument, &in); err != nil {
		return nil, api.BadRequest("Invalid input for field/attribute addFloatingIp.")
	}
	portID, fixed, err := fixedForFloating(row, in.Address, in.Fixed)
	if err != nil {
		return nil, err
	}
	found, err := s.floatingNamed(ctx, r, in.Address)
	if err != nil {
		return nil, err
	}
	if err := s.deps.Networks.LeadFloatingIP(as(ctx, r), found.ID, portID, fixed); err != nil {
		if status := api.StatusOf(err); status == 404 || status == 409 {
			return nil, api.BadRequest("Unable to associate floating IP %s to fixed IP %s for instance %s. Error: %s", in.Address, fixed, row.ID, err).Because(err)
		}
		return nil, passedOn("network", err)
	}
	s.fresh.forget(row.ID)
	s.freshen(ctx, []*server{row})
	return accepted(), nil
}

// fixedForFloating chooses the fixed address that a floating one is to lead to: the one asked
// for, else the server's first of IPv4.
func fixedForFloating(row *server, floating, wanted string) (portID, address string, err error) {
	if len(row.NICs) == 0 {
		return "", "", api.BadRequest("Instance network is not ready yet")
	}
	some := false
	for _, n := range row.NICs {
		for _, ip := range n.FixedIPs {
			some = true
			parsed, err := netip.ParseAddr(ip.Address)
			if wanted == ip.Address || wanted == "" && err == nil && parsed.Is4() {
				return n.PortID, ip.Address, nil
			}
		}
	}
	switch {
	case !some:
		return "", "", api.BadRequest("No fixed IPs associated to instance")
	case wanted != "":
		return "", "", api.BadRequest("Specified fixed address not assigned to instance")
	}
	return "", "", api.BadRequest("Unable to associate floating IP %s to any fixed IPs for instance %s. Instance has no fixed IPv4 addresses to associate.",
		oneLine(floating, 60), row.ID)
}

func (s *Service) actionRemoveFloatingIP(ctx context.Context, r *api.Request, row *server, argument json.RawMessage) (any, error) {
	if err := untilProxiesEnded(r); err != nil {
		return nil, err
	}
	var in struct {
		Address string `json:"address"`
	}
	if err := json.Unmarshal(argument, &in); err != nil {
		return nil, api.BadRequest("Invalid input for field/attribute removeFloatingIp.")
	}
	found, err := s.floatingNamed(ctx, r, in.Address)
	if err != nil {
		return nil, err
	}
	if found.PortID == "" || !slices.ContainsFunc(row.NICs, func(n nic) bool { return n.PortID == found.PortID }) {
		return nil, api.Conflict("Floating IP %s is not associated with instance %s.", oneLine(in.Address, 60), row.ID)
	}
	if err := s.deps.Networks.LeadFloatingIP(as(ctx, r), found.ID, "", ""); err != nil {
		return nil, passedOn("network", err)
	}
	s.fresh.forget(row.ID)
	s.freshen(ctx, []*server{row})
	return accepted(), nil
}
