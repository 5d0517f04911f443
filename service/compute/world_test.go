package compute_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"

	"virga/core/api"
	"virga/core/token"
	"virga/service/compute"
)

// world is what servers leave outside the compute database: images, ports and allocations,
// kept as the neighbours would keep them, but in memory.
type world struct {
	mu          sync.Mutex
	images      map[string]compute.Image
	networks    map[string]compute.Network
	subnets     []compute.Subnet
	ports       map[string]compute.Port
	groups      map[string][]compute.SecurityGroup
	floating    []compute.FloatingIP
	owned       []compute.ProjectFloatingIP
	providers   map[string]*provider
	allocations map[string]compute.Claim
	made        map[string]*madeImage
	deleted     map[string]bool // images
	nextID      int
	// refuse, if set, is asked before each call by its name.
	refuse func(call string) error
}

type provider struct {
	name       string
	inventory  map[string]compute.Inventory
	aggregates []string
	traits     []string
}

func newWorld() *world {
	return &world{
		images:   map[string]compute.Image{imageID: {ID: imageID, Name: "tiny", Status: "active", DiskFormat: "qcow2", Size: 20 << 20, VirtualSize: 64 << 20, SHA512: "abc"}},
		networks: map[string]compute.Network{networkID: {ID: networkID, Name: "private", ProjectID: projectID, MTU: 1450, SubnetIDs: []string{subnetID}}},
		subnets: []compute.Subnet{{ID: subnetID, NetworkID: networkID, CIDR: "10.0.0.0/24", Gateway: "10.0.0.1", IPVersion: 4, DHCP: true,
			DNS: []string{"10.0.0.2"}}},
		ports: map[string]compute.Port{}, groups: map[string][]compute.SecurityGroup{projectID: {{ID: groupID, Name: "default"}, {ID: webGroupID, Name: "web"}}},
		providers: map[string]*provider{}, allocations: map[string]compute.Claim{},
	}
}

// enter begins a call; whoever calls must say who it is.
func (w *world) enter(ctx context.Context, call string) (func(), error) {
	if _, known := token.IdentityFrom(ctx); !known {
		return func() {}, api.Unauthorized("%s without an identity", call)
	}
	w.mu.Lock()
	refuse := w.refuse
	w.mu.Unlock()
	if refuse != nil {
		if err := refuse(call); err != nil {
			return func() {}, err
		}
	}
	w.mu.Lock()
	return w.mu.Unlock, nil
}

// projectOf is the caller's project.
func projectOf(ctx context.Context) string {
	id, _ := token.IdentityFrom(ctx)
	return id.Project.ID
}

func (w *world) id() string {
	w.nextID++
	return fmt.Sprintf("%08d-0000-4000-8000-%012d", w.nextID, w.nextID)
}

// list tells what servers have left outside, as a set.
func (w *world) list() map[string]bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	found := map[string]bool{}
	for id := range w.allocations {
		found["allocation of "+id] = true
	}
	for _, p := range w.ports {
		switch {
		case p.Profile != nil:
			found["port for "+p.DeviceID] = true
		case p.DeviceID != "":
			found["use of port by "+p.DeviceID] = true
		}
	}
	return found
}

type images struct{ *world }

func (w images) Image(ctx context.Context, id string) (compute.Image, error) {
	leave, err := w.enter(ctx, "image")
	defer leave()
	if err != nil {
		return compute.Image{}, err
	}
	image, there := w.images[id]
	if !there {
		return image, api.NotFound("No image found with ID %s", id)
	}
	return image, nil
}

type networks struct{ *world }

func (w networks) Networks(ctx context.Context, ids []string) ([]compute.Network, error) {
	leave, err := w.enter(ctx, "networks")
	defer leave()
	var found []compute.Network
	for _, id := range ids {
		if n, there := w.networks[id]; there {
			found = append(found, n)
		}
	}
	return found, err
}

func (w networks) UsableNetworks(ctx context.Context, project string) ([]compute.Network, error) {
	leave, err := w.enter(ctx, "networks")
	defer leave()
	var found []compute.Network
	for _, n := range w.networks {
		if n.ProjectID == project || n.Shared {
			found = append(found, n)
		}
	}
	return found, err
}

func (w networks) find(ctx context.Context, call string, fits func(compute.Port) bool) ([]compute.Port, error) {
	leave, err := w.enter(ctx, call)
	defer leave()
	if err != nil {
		return nil, err
	}
	var found []compute.Port
	for _, p := range w.ports {
		if fits(p) {
			found = append(found, p)
		}
	}
	slices.SortFunc(found, func(a, b compute.Port) int { return len(a.ID) - len(b.ID) })
	return found, nil
}

func (w networks) PortsByID(ctx context.Context, ids []string) ([]compute.Port, error) {
	return w.find(ctx, "ports", func(p compute.Port) bool { return slices.Contains(ids, p.ID) })
}

func (w networks) PortsOfDevices(ctx context.Context, ids []string) ([]compute.Port, error) {
	return w.find(ctx, "ports", func(p compute.Port) bool { return slices.Contains(ids, p.DeviceID) })
}

func (w networks) PortsWithAddress(ctx context.Context, network, address string) ([]compute.Port, error) {
	return w.find(ctx, "ports", func(p compute.Port) bool {
		return p.NetworkID == network && slices.ContainsFunc(p.FixedIPs, func(ip compute.FixedIP) bool { return ip.Address == address })
	})
}

func (w networks) CreatePort(ctx context.Context, in compute.NewPort) (compute.Port, error) {
	leave, err := w.enter(ctx, "create port")
	defer leave()
	if err != nil {
		return compute.Port{}, err
	}
	id := w.id()
	groups := in.SecurityGroupIDs
	if groups == nil {
		groups = []string{groupID}
	}
	p := compute.Port{ID: id, NetworkID: in.NetworkID, ProjectID: in.ProjectID, MAC: fmt.Sprintf("fa:16:3e:00:%02x:%02x", w.nextID/256, w.nextID%256),
		Status: "ACTIVE", DeviceID: in.DeviceID, DeviceOwner: in.DeviceOwner, HostID: in.HostID, VIFType: "bridge", Profile: in.Profile, SecurityGroupIDs: groups,
		FixedIPs: []compute.FixedIP{{SubnetID: subnetID, Address: fmt.Sprintf("10.0.%d.%d", w.nextID/250, w.nextID%250+5)}}}
	if len(in.FixedIPs) > 0 {
		p.FixedIPs[0].Address = in.FixedIPs[0].Address
	}
	w.ports[id] = p
	return p, nil
}

func (w networks) UpdatePort(ctx context.Context, id string, change compute.PortChange) (compute.Port, error) {
	leave, err := w.enter(ctx, "update port")
	defer leave()
	if err != nil {
		return compute.Port{}, err
	}
	p, there := w.ports[id]
	if !there {
		return p, api.NotFound("Port %s could not be found.", id)
	}
	for _, field := range []struct{ from, to *string }{{change.DeviceID, &p.DeviceID}, {change.DeviceOwner, &p.DeviceOwner}, {change.HostID, &p.HostID}} {
		if field.from != nil {
			*field.to = *field.from
		}
	}
	if change.Profile != nil {
		if p.Profile = change.Profile; len(p.Profile) == 0 {
			p.Profile = nil
		}
	}
	if change.FixedIPs != nil {
		p.FixedIPs = slices.Clone(*change.FixedIPs)
		for i := range p.FixedIPs {
			if p.FixedIPs[i].Address == "" {
				w.nextID++
				p.FixedIPs[i].Address = fmt.Sprintf("10.0.9.%d", w.nextID)
			}
		}
	}
	if change.SecurityGroupIDs != nil {
		p.SecurityGroupIDs = *change.SecurityGroupIDs
	}
	w.ports[id] = p
	return p, nil
}

func (w networks) DeletePort(ctx context.Context, id string) error {
	leave, err := w.enter(ctx, "delete port")
	defer leave()
	if err == nil {
		delete(w.ports, id)
	}
	return err
}

func (w networks) SubnetsOfNetworks(ctx context.Context, ids []string) ([]compute.Subnet, error) {
	leave, err := w.enter(ctx, "subnets")
	defer leave()
	var found []compute.Subnet
	for _, s := range w.subnets {
		if slices.Contains(ids, s.NetworkID) {
			found = append(found, s)
		}
	}
	return found, err
}

func (w networks) FloatingIPsOfPorts(ctx context.Context, ids []string) ([]compute.FloatingIP, error) {
	leave, err := w.enter(ctx, "floating IPs")
	defer leave()
	var found []compute.FloatingIP
	for _, f := range w.floating {
		if slices.Contains(ids, f.PortID) {
			found = append(found, f)
		}
	}
	return found, err
}

func (w networks) SecurityGroups(ctx context.Context, project string) ([]compute.SecurityGroup, error) {
	leave, err := w.enter(ctx, "security groups")
	defer leave()
	return w.groups[project], err
}

type placement struct{ *world }

func (w placement) EnsureProvider(ctx context.Context, id, name string, inventory map[string]compute.Inventory, traits []string) error {
	leave, err := w.enter(ctx, "provider")
	defer leave()
	if err == nil {
		if w.providers[id] == nil {
			w.providers[id] = &provider{}
		}
		w.providers[id].name, w.providers[id].inventory, w.providers[id].traits = name, inventory, traits
	}
	return err
}

func (w placement) ChangeAggregates(ctx context.Context, id string, add, remove []string) error {
	leave, err := w.enter(ctx, "aggregates")
	defer leave()
	switch p := w.providers[id]; {
	case err != nil:
		return err
	case p == nil:
		return api.NotFound("No resource provider with uuid %s found", id)
	default:
		p.aggregates = slices.DeleteFunc(p.aggregates, func(a string) bool { return slices.Contains(add, a) || slices.Contains(remove, a) })
		p.aggregates = append(p.aggregates, add...)
	}
	return nil
}

func (w placement) RemoveProvider(ctx context.Context, id string) error {
	leave, err := w.enter(ctx, "remove provider")
	defer leave()
	if err == nil {
		delete(w.providers, id)
	}
	return err
}

func (w placement) resources(id, but string) map[string]compute.Resource {
	found := map[string]compute.Resource{}
	for class, i := range w.providers[id].inventory {
		r := compute.Resource{Capacity: int64(float64(i.Total-i.Reserved) * i.Ratio), Ratio: i.Ratio}
		for consumer, claim := range w.allocations {
			if claim.ProviderID == id && consumer != but {
				r.Used += claim.Resources[class]
			}
		}
		found[class] = r
	}
	return found
}

func (w placement) Changes(ctx context.Context, _ string) (compute.ProviderChanges, error) {
	leave, err := w.enter(ctx, "changes")
	defer leave()
	if err != nil {
		return compute.ProviderChanges{}, err
	}
	changes := compute.ProviderChanges{Whole: true}
	for id := range w.providers {
		changes.Providers = append(changes.Providers, compute.Provider{ID: id, Traits: w.providers[id].traits, Resources: w.resources(id, "")})
	}
	return changes, nil
}

func (w placement) Claim(ctx context.Context, claim compute.Claim) error {
	leave, err := w.enter(ctx, "claim")
	defer leave()
	if err != nil {
		return err
	}
	has := w.resources(claim.ProviderID, claim.ConsumerID)
	for class, n := range claim.Resources {
		if has[class].Capacity-has[class].Used < n {
			return api.Errorf(http.StatusConflict, "Unable to allocate inventory: %s is exhausted", class)
		}
	}
	w.allocations[claim.ConsumerID] = claim
	return nil
}

func (w placement) Reallocate(ctx context.Context, claims []compute.Claim) error {
	leave, err := w.enter(ctx, "reallocate")
	defer leave()
	if err != nil {
		return err
	}
	next := maps.Clone(w.allocations)
	for _, claim := range claims {
		if delete(next, claim.ConsumerID); len(claim.Resources) > 0 {
			next[claim.ConsumerID] = claim
		}
	}
	before := w.allocations
	w.allocations = next
	for _, claim := range claims {
		if len(claim.Resources) == 0 {
			continue
		}
		for class, r := range w.resources(claim.ProviderID, "") {
			if r.Used > r.Capacity {
				w.allocations = before
				return api.Errorf(http.StatusConflict, "Unable to allocate inventory: %s is exhausted", class)
			}
		}
	}
	return nil
}

func (w placement) Release(ctx context.Context, consumer string) error {
	leave, err := w.enter(ctx, "release")
	defer leave()
	if err == nil {
		delete(w.allocations, consumer)
	}
	return err
}
