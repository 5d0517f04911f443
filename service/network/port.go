package network

import (
	"context"
	"slices"
	"strings"

	"virga/core/api"
	"virga/core/authz"
	"virga/core/db"
	"virga/core/feed"
)

// The device owners of ports that the network service itself makes.
const (
	ownerDHCP            = "network:dhcp"
	ownerRouterInterface = "network:router_interface"
	ownerRouterGateway   = "network:router_gateway"
	ownerFloatingIP      = "network:floatingip"
)

// networkOwned tells whether a port belongs to the network service and not to a guest.
func networkOwned(owner string) bool { return strings.HasPrefix(owner, "network:") }

// The states of a port.
const (
	statusActive = "ACTIVE"
	statusDown   = "DOWN"
	statusError  = "ERROR"
)

// port is a connection of a device to a network.
type port struct {
	standard
	NetworkID    string `db:"network_id"`
	Name         string `db:"name"`
	MAC          string `db:"mac_address"`
	AdminUp      bool   `db:"admin_state_up"`
	Status       string `db:"status"`
	StatusDetail string `db:"status_detail"`
	DeviceID     string `db:"device_id"`
	DeviceOwner  string `db:"device_owner"`
	Host         string `db:"host"`
	// MigratingTo is a further host where the port is made ready, because its server is about to go there
	// (binding:profile's migrating_to, as Nova sets it).
	MigratingTo  string         `db:"migrating_to"`
	VNICType     string         `db:"vnic_type"`
	Profile      map[string]any `db:"binding_profile,json"`
	PortSecurity bool           `db:"port_security"`
	Pairs        []addressPair  `db:"address_pairs,json"`
	DHCPOptions  []dhcpOption   `db:"dhcp_options,json"`

	Addresses []address `db:"-"`
	Groups    []string  `db:"-"`
	// Plugged is true when the host that the port is bound to has an agent.
	Plugged bool `db:"-"`
}

// addressPair lets a port send from a further address.
type addressPair struct {
	MAC     string `json:"mac_address"`
	Address string `json:"ip_address"`
}

type loadedPort struct {
	*port
	network *network
	reach
}

// PolicyTarget implements api.Target.
func (l *loadedPort) PolicyTarget() authz.Target { return portTarget(l.port, l.network) }

func portTarget(p *port, n *network) authz.Target {
	target := withNetwork(owned(p.ProjectID), n)
	target["device_owner"], target["device_id"] = p.DeviceOwner, p.DeviceID
	return target
}

func (s *Service) portCollection() *collection[*port] {
	return &collection[*port]{
		one: "port", many: "ports", table: "ports",
		filters: standardFilters(map[string]filter{
			"name": byText("name"), "network_id": byText("network_id"), "mac_address": byText("mac_address"), "admin_state_up": byFlag("admin_state_up"),
			"status": byText("status"), "device_id": byText("device_id"), "device_owner": byText("device_owner"),
			"binding:host_id": byText("host"), "binding:vnic_type": byText("vnic_type"), "port_security_enabled": byFlag("port_security"),
			"fixed_ips": byFixedIPs, "ip_address": byAddress, "subnet_id": byAddressSubnet, "security_groups": byGroups,
		}),
		sorts: standardSorts(map[string]string{"name": "name", "network_id": "network_id", "mac_address": "mac_address", "status": "status",
			"device_id": "device_id", "device_owner": "device_owner", "admin_state_up": "admin_state_up"}),
		visible: func(l *db.List, project string) {
			// Each branch has an index; an OR would have the engine walk the ports of all projects.
			l.Where("id IN (SELECT id FROM (SELECT id FROM ports WHERE project_id = ? UNION ALL"+
				" SELECT p.id FROM networks n JOIN ports p ON p.network_id = n.id WHERE n.project_id = ?) AS seen)", project, project)
		},
		complete: completePorts,
		show:     func(r *api.Request, p *port) any { return showPort(r, p) },
	}
}

// byFixedIPs reads "ip_address=10.0.0.5", "subnet_id=…" and "ip_address_substr=…".
func byFixedIPs(l *db.List, values []string) error {
	var addresses, subnets []string
	for _, value := range values {
		key, wanted, found := strings.Cut(value, "=")
		switch {
		case found && key == "ip_address":
			addresses = append(addresses, wanted)
		case found && key == "subnet_id":
			subnets = append(subnets, wanted)
		case found && key == "ip_address_substr":
			l.Where("id IN (SELECT port_id FROM port_addresses WHERE address LIKE ? ESCAPE '!')",
				"%"+strings.NewReplacer("!", "!!", "%", "!%", "_", "!_").Replace(wanted)+"%")
		default:
			return badValue("fixed_ips", "'%.60s' is none of ip_address=, subnet_id=, ip_address_substr=", value)
		}
	}
	if len(addresses) > 0 {
		if err := byAddress(l, addresses); err != nil {
			return err
		}
	}
	if len(subnets) > 0 {
		return byAddressSubnet(l, subnets)
	}
	return nil
}

func byAddress(l *db.List, values []string) error {
	marks, args := db.In(values)
	l.Where("id IN (SELECT port_id FROM port_addresses WHERE address IN "+marks+")", args...)
	return nil
}

func byAddressSubnet(l *db.List, values []string) error {
	marks, args := db.In(values)
	l.Where("id IN (SELECT port_id FROM port_addresses WHERE subnet_id IN "+marks+")", args...)
	return nil
}

func byGroups(l *db.List, values []string) error {
	marks, args := db.In(values)
	l.Where("id IN (SELECT port_id FROM port_groups WHERE security_group_id IN "+marks+")", args...)
	return nil
}

func (s *Service) portLoad(ctx context.Context, r *api.Request) (api.Target, error) {
	id := r.Param("id")
	var loaded *loadedPort
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) error {
		p, n, err := portWithNetwork(tx, id)
		if err != nil {
			return err
		}
		seen := seesAll(r) || p.ProjectID == r.ProjectID() || n.ProjectID == r.ProjectID()
		loaded = &loadedPort{p, n, reach{seen, portNotFound(id)}}
		if err := loadTags(tx, []*port{p}); err != nil {
			return err
		}
		return completePorts(tx, []*port{p})
	})
	return loaded, err
}

func portWithNetwork(tx *db.Tx, id string) (*port, *network, error) {
	p, err := getPort(tx, id)
	if err != nil {
		return nil, nil, err
	}
	n, err := getNetwork(tx, p.NetworkID)
	return p, n, err
}

func (s *Service) portList(ctx context.Context, r *api.Request) (any, error) {
	if r.Query.Has("binding:host_id") {
		if err := r.May("get_port:binding:host_id", nil); err != nil {
			return nil, err
		}
	}
	return list[port](ctx, s, r, s.portCollection())
}

func (s *Service) portShow(_ context.Context, r *api.Request) (any, error) {
	return shown(r, "port", showPort(r, api.Loaded[*loadedPort](r).port))
}

func (s *Service) portDelete(ctx context.Context, r *api.Request) (any, error) {
	target := api.Loaded[*loadedPort](r)
	return nil, s.write(ctx, func(tx *db.Tx) error {
		p, err := getPort(tx, target.ID)
		if err != nil {
			return err
		}
		if err := checkRevision(r, &p.standard); err != nil {
			return err
		}
		if slices.Contains([]string{ownerRouterInterface, ownerRouterGateway, ownerFloatingIP}, p.DeviceOwner) {
			return conflict("ServicePortInUse", "Port %s cannot be deleted directly via the port API: has device owner %s.", p.ID, p.DeviceOwner)
		}
		if err := completePorts(tx, []*port{p}); err != nil {
			return err
		}
		if err := s.removePort(tx, p); err != nil {
			return err
		}
		return s.record(tx, r, feed.Change{Kind: "port", Action: "delete", ID: p.ID, OwnerProjectID: p.ProjectID, Before: documentOfPort(p)})
	})
}

// removePort takes a port away with everything that hangs on it; floating IPs stay
// without it. The port's addresses and groups must be loaded.
func (s *Service) removePort(tx *db.Tx, p *port) error {
	if err := s.portTouches(tx, p); err != nil {
		return err
	}
	if err := s.touchMembers(tx, p); err != nil {
		return err
	}
	if err := s.releaseFloatingIPs(tx, p.ID); err != nil {
		return err
	}
	if err := deletePort(tx, p.ID); err != nil {
		return err
	}
	if p.Host != "" && p.DeviceOwner != ownerDHCP {
		if err := s.ensureDHCPPort(tx, p.NetworkID, p.Host); err != nil {
			return err
		}
	}
	return s.expectTouches(tx, p, p.MigratingTo)
}

// portTouches tells every host that sees something of a port: its own, and the others of
// its network when the host is new there or the last port leaves it.
func (s *Service) portTouches(tx *db.Tx, p *port) error {
	if p.Host == "" {
		return nil
	}
	kind, id := changedPort, p.ID
	switch p.DeviceOwner {
	case ownerDHCP:
		kind, id = changedNetwork, p.NetworkID
	case ownerRouterInterface, ownerRouterGateway:
		kind, id = changedRouter, p.DeviceID
	}
	if err := s.changed(tx, kind, id, p.Host); err != nil {
		return err
	}
	others, err := portsOnHost(tx, p.NetworkID, p.Host, p.ID)
	if err != nil || others > 0 {
		return err
	}
	return s.touchCarrier(tx, p.NetworkID, p.Host)
}

// ensureDHCPPort gives a network its port for DHCP and metadata on a host as long as a
// guest of the network is there, with one address on every IPv4 subnet that has DHCP.
// A subnet whose pools are used up does without.
func (s *Service) ensureDHCPPort(tx *db.Tx, networkID, host string) error {
	subnets, err := subnetsOn(tx, networkID)
	if err != nil {
		return err
	}
	subnets = slices.DeleteFunc(subnets, func(n *subnet) bool { return !n.DHCP || n.IPVersion != 4 })
	guests, err := guestsOnHost(tx, networkID, host)
	if err != nil {
		return err
	}
	p, err := dhcpPortOn(tx, networkID, host)
	if err != nil {
		return err
	}
	switch {
	case p == nil && (guests == 0 || len(subnets) == 0):
		return nil
	case guests == 0 || len(subnets) == 0:
		if err := deletePort(tx, p.ID); err != nil {
			return err
		}
		return s.changed(tx, changedNetwork, networkID, host)
	case p == nil:
		if p, err = s.newDHCPPort(tx, networkID, host); err != nil {
			return err
		}
	}
	kept := slices.DeleteFunc(slices.Clone(p.Addresses), func(a address) bool {
		return !slices.ContainsFunc(subnets, func(n *subnet) bool { return n.ID == a.SubnetID })
	})
	for _, n := range subnets {
		if onSubnet(kept, n.ID) {
			continue
		}
		if a, err := freeAddress(tx, n); err == nil {
			kept = append(kept, on(n, a))
		} else if err != errPoolEmpty { //nolint:errorlint // the sentinel is returned as it is
			return err
		}
	}
	if slices.Equal(kept, p.Addresses) {
		return nil
	}
	p.Addresses = kept
	if err := replaceAddresses(tx, p); err != nil {
		return err
	}
	return s.changed(tx, changedNetwork, networkID, host)
}

func (s *Service) newDHCPPort(tx *db.Tx, networkID, host string) (*port, error) {
	n, err := getNetwork(tx, networkID)
	if err != nil {
		return nil, err
	}
	p := &port{standard: s.newStandard(n.ProjectID, bodyStandard{}), NetworkID: networkID, AdminUp: true, Status: statusDown,
		DeviceID: "dhcp-" + networkID, DeviceOwner: ownerDHCP, Host: host, VNICType: vnicNormal}
	if p.MAC, err = s.freeMAC(tx, networkID); err != nil {
		return nil, err
	}
	return p, insertPort(tx, p)
}

// freeMAC mints an Ethernet address that no port of the network has.
func (s *Service) freeMAC(tx *db.Tx, networkID string) (string, error) {
	for range 32 {
		mac := mintMAC(s.deps.Clock.ID())
		taken, err := macTaken(tx, networkID, mac)
		if err != nil {
			return "", err
		}
		if !taken {
			return mac, nil
		}
	}
	return "", api.Unavailable("Unable to generate unique mac on network %s.", networkID).WithCode("MacAddressGenerationFailure")
}
