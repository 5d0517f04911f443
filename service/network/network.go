package network

import (
	"context"
	"errors"
	"regexp"

	"virga/core/api"
	"virga/core/authz"
	"virga/core/db"
	"virga/core/feed"
)

// network is a layer 2 broadcast domain.
type network struct {
	standard
	Name            string   `db:"name"`
	AdminUp         bool     `db:"admin_state_up"`
	Shared          bool     `db:"shared"`
	External        bool     `db:"external"`
	IsDefault       bool     `db:"is_default"`
	MTU             int      `db:"mtu"`
	PortSecurity    bool     `db:"port_security"`
	Type            string   `db:"network_type"`
	PhysicalNetwork string   `db:"physical_network"`
	SegmentationID  int      `db:"segmentation_id"`
	SegmentKey      string   `db:"segment_key"`
	AZHints         []string `db:"az_hints,json"`
	// HostGateway: hosts that carry this flat network own its gateway address, and
	// HostNAT: they masquerade what leaves it. Only seeded networks have them.
	HostGateway bool `db:"host_gateway"`
	HostNAT     bool `db:"host_nat"`

	SubnetIDs []string `db:"-"`
	Zones     []string `db:"-"`
}

// PolicyTarget implements api.Target.
func (n *network) PolicyTarget() authz.Target {
	target := owned(n.ProjectID)
	target["shared"], target["router:external"] = n.Shared, n.External
	return withNetwork(target, n)
}

type loadedNetwork struct {
	*network
	reach
}

func (s *Service) networkCollection() *collection[*network] {
	return &collection[*network]{
		one: "network", many: "networks", table: "networks",
		filters: standardFilters(map[string]filter{
			"name": byText("name"), "admin_state_up": byFlag("admin_state_up"), "shared": byFlag("shared"),
			"router:external": byFlag("external"), "is_default": byFlag("is_default"), "mtu": byNumber("mtu"),
			"port_security_enabled": byFlag("port_security"), "status": byConstant("ACTIVE"),
			"provider:network_type": byText("network_type"), "provider:physical_network": byText("physical_network"),
			"provider:segmentation_id": byNumber("segmentation_id"),
		}),
		sorts: standardSorts(map[string]string{"name": "name", "admin_state_up": "admin_state_up", "mtu": "mtu", "shared": "shared"}),
		visible: func(l *db.List, project string) {
			l.Where("(project_id = ? OR shared = 1 OR external = 1)", project)
		},
		complete: completeNetworks,
		without:  map[string]func(*db.Tx, []*network) error{"availability_zones": loadSubnetsOf}, // one look for each host that carries it
		show:     func(r *api.Request, n *network) any { return showNetwork(r, n) },
	}
}

func (s *Service) networkLoad(ctx context.Context, r *api.Request) (api.Target, error) {
	id := r.Param("id")
	n, err := s.findNetwork(ctx, id)
	if err != nil {
		return nil, err
	}
	seen := seesAll(r) || n.ProjectID == r.ProjectID() || n.Shared || n.External
	return &loadedNetwork{n, reach{seen, networkNotFound(id)}}, nil
}

// findNetwork reads one network outside of a transaction.
func (s *Service) findNetwork(ctx context.Context, id string) (*network, error) {
	var n *network
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
		if n, err = getNetwork(tx, id); err != nil {
			return err
		}
		if err := completeNetworks(tx, []*network{n}); err != nil {
			return err
		}
		return loadTags(tx, []*network{n})
	})
	return n, err
}

func (s *Service) networkList(ctx context.Context, r *api.Request) (any, error) {
	// To filter by what may not be seen would show it in parts.
	for _, attribute := range []string{"provider:network_type", "provider:physical_network", "provider:segmentation_id"} {
		if r.Query.Has(attribute) {
			if err := r.May("get_network:"+attribute, nil); err != nil {
				return nil, err
			}
		}
	}
	return list[network](ctx, s, r, s.networkCollection())
}

func (s *Service) networkShow(_ context.Context, r *api.Request) (any, error) {
	return shown(r, "network", showNetwork(r, api.Loaded[*loadedNetwork](r).network))
}

func (s *Service) networkCreate(ctx context.Context, r *api.Request) (any, error) {
	requests, bulk, err := bodies[networkBody](r, "network", "networks")
	if err != nil {
		return nil, err
	}
	rows, made := make([]*network, len(requests)), make([]*network, len(requests))
	for i := range requests {
		if rows[i], err = s.newNetwork(r, &requests[i]); err != nil {
			return nil, err
		}
	}
	err = s.write(ctx, func(tx *db.Tx) error {
		if err := admitAll(s, tx, quotaNetwork, rows); err != nil {
			return err
		}
		for i := range rows {
			attempt := *rows[i] // a transaction that is run again begins with the plan as it was
			n := &attempt
			made[i] = n
			if err := allocateSegment(tx, n); err != nil {
				return err
			}
			if err := checkDefaultNetwork(tx, n); err != nil {
				return err
			}
			if err := insertNetwork(tx, n); err != nil {
				return err
			}
			if err := s.record(tx, r, feed.Change{Kind: "network", Action: "create", ID: n.ID, OwnerProjectID: n.ProjectID, After: documentOfNetwork(n)}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	views := make([]any, len(rows))
	for i, n := range made {
		views[i] = showNetwork(r, n)
	}
	return created("network", "networks", bulk, views), nil
}

// newNetwork makes the row that a create asks for, its segment not yet allocated.
func (s *Service) newNetwork(r *api.Request, body *networkBody) (*network, error) {
	project, err := ownerOf(r, body.bodyStandard)
	if err != nil {
		return nil, err
	}
	n := &network{
		standard: s.newStandard(project, body.bodyStandard), Name: body.Name.Value, AdminUp: bool(body.AdminUp.or(true)),
		Shared: bool(body.Shared.Value), External: bool(body.External.Value), IsDefault: bool(body.IsDefault.Value),
		PortSecurity: bool(body.PortSecurity.or(true)), AZHints: listed(body.AZHints.Value),
	}
	if err := body.may(r, "create_network", n.PolicyTarget()); err != nil {
		return nil, err
	}
	if n.Type, n.PhysicalNetwork, n.SegmentationID, err = body.segment(); err != nil {
		return nil, err
	}
	n.MTU, err = s.networkMTU(n.Type, body.MTU)
	return n, err
}

// may enforces the rules of the attributes that are given.
func (b *networkBody) may(r *api.Request, action string, target authz.Target) error {
	for _, attribute := range []struct {
		given bool
		name  string
	}{
		{b.Shared.Set, "shared"}, {b.External.Set, "router:external"}, {b.IsDefault.Set, "is_default"},
		{b.PortSecurity.Set, "port_security_enabled"}, {b.Type.Set, "provider:network_type"},
		{b.PhysicalNetwork.Set, "provider:physical_network"}, {b.SegmentationID.Set, "provider:segmentation_id"},
	} {
		if !attribute.given {
			continue
		}
		// False is what an ordinary network is anyway, so saying so needs no right.
		if action == "create_network" && (attribute.name == "shared" && !bool(b.Shared.Value) ||
			attribute.name == "router:external" && !bool(b.External.Value) || attribute.name == "is_default" && !bool(b.IsDefault.Value)) {
			continue
		}
		if err := r.May(action+":"+attribute.name, target); err != nil {
			return err
		}
	}
	return nil
}

// The types of network, in the words of provider:network_type.
const (
	typeLocal = "local"
	typeFlat  = "flat"
	typeVLAN  = "vlan"
	typeVXLAN = "vxlan"
	// maxVNI and maxVLAN are the greatest segment ids (RFC 7348, IEEE 802.1Q).
	maxVNI  = 1<<24 - 1
	maxVLAN = 4094
	// vxlanOverhead is what the tunnel takes of the physical MTU with IPv4 outside.
	vxlanOverhead = 50
)

var physicalName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

// segment reads the provider attributes; segmentation id 0 means that one is to be allocated.
func (b *networkBody) segment() (kind, physical string, id int, err error) {
	kind, physical, id = b.Type.Value, b.PhysicalNetwork.Value, int(b.SegmentationID.Value)
	withID := b.SegmentationID.Set && !b.SegmentationID.Null
	if kind == "" {
		if physical != "" || withID {
			return "", "", 0, badInput("network_type required")
		}
		return typeVXLAN, "", 0, nil
	}
	needsPhysical := kind == typeFlat || kind == typeVLAN
	switch {
	case kind != typeLocal && kind != typeFlat && kind != typeVLAN && kind != typeVXLAN:
		return "", "", 0, badInput("network_type value '%s' not supported", kind)
	case needsPhysical && physical == "":
		return "", "", 0, badInput("physical_network required for %s provider network", kind)
	case needsPhysical && !physicalName.MatchString(physical):
		return "", "", 0, badInput("physical_network '%s' unknown for %s provider network", physical, kind)
	case !needsPhysical && physical != "":
		return "", "", 0, badInput("provider:physical_network specified for %s network", kind)
	case withID && (kind == typeFlat || kind == typeLocal):
		return "", "", 0, badInput("segmentation_id prohibited for %s provider network", kind)
	case withID && kind == typeVLAN && (id < 1 || id > maxVLAN):
		return "", "", 0, badInput("segmentation_id out of range (1 through %d)", maxVLAN)
	case withID && kind == typeVXLAN && (id < 1 || id > maxVNI):
		return "", "", 0, badInput("segmentation_id out of range (1 through %d)", maxVNI)
	}
	return kind, physical, id, nil
}

// networkMTU is what guests may send: what the type leaves of the physical MTU, or less.
func (s *Service) networkMTU(kind string, asked given[whole]) (int, error) {
	most := s.deps.PhysicalMTU
	if kind == typeVXLAN {
		most -= vxlanOverhead
	}
	mtu := int(asked.or(whole(most)))
	switch {
	case mtu == 0:
		return most, nil
	case mtu < 68:
		return 0, badValue("mtu", "'%d' is too small - must be at least '68'", mtu)
	case mtu > most:
		return 0, badInput("Requested MTU is too big, maximum is %d", most)
	}
	return mtu, nil
}

func (s *Service) networkUpdate(ctx context.Context, r *api.Request) (any, error) {
	target := api.Loaded[*loadedNetwork](r)
	body, err := single[networkBody](r, "network")
	if err != nil {
		return nil, err
	}
	if body.Type.Set || body.PhysicalNetwork.Set || body.SegmentationID.Set {
		return nil, badInput("Plugin does not support updating provider attributes")
	}
	if err := body.may(r, "update_network", target.PolicyTarget()); err != nil {
		return nil, err
	}
	var n *network
	err = s.write(ctx, func(tx *db.Tx) (err error) {
		before, err := networkDocument(tx, target.ID)
		if err != nil {
			return err
		}
		if n, err = getNetwork(tx, target.ID); err != nil {
			return err
		}
		if err := checkRevision(r, &n.standard); err != nil {
			return err
		}
		if err := s.changeNetwork(tx, n, &body); err != nil {
			return err
		}
		s.touch(&n.standard)
		if err := tx.Update("networks", n, "id"); err != nil {
			return err
		}
		if err := s.touchNetwork(tx, n.ID); err != nil {
			return err
		}
		if err := completeNetworks(tx, []*network{n}); err != nil {
			return err
		}
		if err := loadTags(tx, []*network{n}); err != nil {
			return err
		}
		return s.record(tx, r, feed.Change{Kind: "network", Action: "update", ID: n.ID, OwnerProjectID: n.ProjectID, Before: before, After: documentOfNetwork(n)})
	})
	if err != nil {
		return nil, err
	}
	return shown(r, "network", showNetwork(r, n))
}

// changeNetwork writes what an update gives into the row and refuses what is in use.
func (s *Service) changeNetwork(tx *db.Tx, n *network, body *networkBody) error {
	if n.Shared && body.Shared.Set && !bool(body.Shared.Value) {
		used, err := usedByOthers(tx, n)
		if err != nil {
			return err
		}
		if used {
			return conflict("InvalidSharedSetting",
				"Unable to reconfigure sharing settings for network %s. Multiple projects are using it.", n.ID)
		}
	}
	if n.External && body.External.Set && !bool(body.External.Value) {
		used, err := usedAsGateway(tx, n.ID)
		if err != nil {
			return err
		}
		if used {
			return conflict("ExternalNetworkInUse",
				"External network %s cannot be updated to be made non-external, since it has existing gateway ports.", n.ID)
		}
	}
	if body.MTU.Set {
		mtu, err := s.networkMTU(n.Type, body.MTU)
		if err != nil {
			return err
		}
		n.MTU = mtu
	}
	body.Name.into(&n.Name)
	body.Description.into(&n.Description)
	setFlag(body.AdminUp, &n.AdminUp)
	setFlag(body.Shared, &n.Shared)
	setFlag(body.External, &n.External)
	setFlag(body.IsDefault, &n.IsDefault)
	setFlag(body.PortSecurity, &n.PortSecurity)
	if !n.External {
		n.IsDefault = n.IsDefault && !body.External.Set
	}
	return checkDefaultNetwork(tx, n)
}

func setFlag(from given[flag], to *bool) {
	if from.Set && !from.Null {
		*to = bool(from.Value)
	}
}

// checkDefaultNetwork keeps the default external network the only one.
func checkDefaultNetwork(tx *db.Tx, n *network) error {
	if !n.IsDefault || !n.External {
		return nil
	}
	other, err := defaultExternalNetwork(tx, n.ID)
	if errors.Is(err, db.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return conflict("DefaultExternalNetworkExists", "A default external network already exists: %s.", other)
}

func (s *Service) networkDelete(ctx context.Context, r *api.Request) (any, error) {
	target := api.Loaded[*loadedNetwork](r)
	return nil, s.write(ctx, func(tx *db.Tx) error {
		n, err := getNetwork(tx, target.ID)
		if err != nil {
			return err
		}
		if err := checkRevision(r, &n.standard); err != nil {
			return err
		}
		if err := s.dropLooseFloatingIPs(tx, r, n.ID); err != nil {
			return err
		}
		ports, err := lastingPorts(tx, n.ID)
		if err != nil {
			return err
		}
		if len(ports) > 0 {
			return conflict("NetworkInUse", "Unable to complete operation on network %s. "+
				"There are one or more ports still in use on the network, id for these ports is: %s.", n.ID, joined(ports))
		}
		if err := s.touchNetwork(tx, n.ID); err != nil {
			return err
		}
		before, err := networkDocument(tx, n.ID)
		if err != nil {
			return err
		}
		if err := deleteNetwork(tx, n.ID); err != nil {
			return err
		}
		return s.record(tx, r, feed.Change{Kind: "network", Action: "delete", ID: n.ID, OwnerProjectID: n.ProjectID, Before: before})
	})
}
