package compute

import (
	"context"
	"encoding/json"
	"net/http"
	"net/netip"
	"slices"

	"virga/core/api"
)

// networkField is one entry of the field networks.
type networkField struct {
	UUID    string  `json:"uuid"`
	Port    *string `json:"port"`
	FixedIP *string `json:"fixed_ip"`
	Tag     string  `json:"tag"`
}

// maxNICs bounds the interfaces of one server.
const maxNICs = 32

// readNetworks turns the fields networks and security_groups into interfaces to be made,
// asking the network service as the caller.
func (s *Service) readNetworks(ctx context.Context, r *api.Request, in *serverFields, c *createRequest) error {
	groupIDs, err := s.readSecurityGroups(ctx, r, in.SecurityGroups, c)
	if err != nil {
		return err
	}
	var word string
	var list []networkField
	if len(in.Networks) > 0 && in.Networks[0] == '"' {
		if err := json.Unmarshal(in.Networks, &word); err != nil || word != "auto" && word != "none" || r.Version.Before(vNetworksRequired) {
			return api.BadRequest("Invalid input for field/attribute networks. Value: %s. It is 'auto', 'none' or a list.", oneLine(word, 40))
		}
	} else if len(in.Networks) > 0 {
		if err := json.Unmarshal(in.Networks, &list); err != nil {
			return api.BadRequest("Invalid input for field/attribute networks. It is 'auto', 'none' or a list of objects.")
		}
	}
	switch {
	case word == "none":
		return nil
	case len(list) > 0:
		c.nics, err = s.readNetworkList(ctx, r, list, c.max)
	default:
		c.nics, err = s.automaticNetwork(ctx, r, word == "auto")
	}
	for i := range c.nics {
		if c.nics[i].PortID == "" {
			c.nics[i].SecurityGroupIDs = groupIDs
		}
	}
	return err
}

// readSecurityGroups finds the groups that are named by name or id.
func (s *Service) readSecurityGroups(ctx context.Context, r *api.Request, wanted []map[string]string, c *createRequest) ([]string, error) {
	if len(wanted) == 0 {
		return nil, nil
	}
	known, err := s.deps.Networks.SecurityGroups(as(ctx, r), r.ProjectID())
	if err != nil {
		return nil, unavailable("network", err)
	}
	var ids []string
	for _, group := range wanted {
		found, err := pickGroup(known, group["name"], r.ProjectID())
		if err != nil {
			return nil, err
		}
		if !slices.Contains(ids, found.ID) {
			ids = append(ids, found.ID)
			c.row.Detail.SecurityGroups = append(c.row.Detail.SecurityGroups, found.Name)
		}
	}
	return ids, nil
}

// pickGroup finds a group by id or by a name that only one has.
func pickGroup(known []SecurityGroup, name, projectID string) (SecurityGroup, error) {
	var found []SecurityGroup
	for _, g := range known {
		if g.ID == name {
			return g, nil
		}
		if g.Name == name {
			found = append(found, g)
		}
	}
	switch len(found) {
	case 0:
		return SecurityGroup{}, api.BadRequest("Security group %s not found for project %s.", oneLine(name, 255), projectID)
	case 1:
		return found[0], nil
	}
	return SecurityGroup{}, api.Conflict("Multiple security groups found matching '%s'. Use an ID to be more specific.", oneLine(name, 255))
}

// automaticNetwork chooses the one network that the project can use.
func (s *Service) automaticNetwork(ctx context.Context, r *api.Request, auto bool) ([]nicRequest, error) {
	usable, err := s.deps.Networks.UsableNetworks(as(ctx, r), r.ProjectID())
	if err != nil {
		return nil, unavailable("network", err)
	}
	usable = slices.DeleteFunc(usable, func(n Network) bool { return n.External })
	own := slices.DeleteFunc(slices.Clone(usable), func(n Network) bool { return n.ProjectID != r.ProjectID() })
	if len(own) > 0 {
		usable = own
	}
	switch {
	case len(usable) == 0 && auto:
		return nil, api.BadRequest("Unable to automatically allocate a network for project %s", r.ProjectID())
	case len(usable) == 0:
		return nil, nil
	case len(usable) > 1:
		return nil, api.Conflict("Multiple possible networks found, use a Network ID to be more specific.")
	}
	if err := checkNetwork(usable[0]); err != nil {
		return nil, err
	}
	return []nicRequest{requestOn(usable[0])}, nil
}

func requestOn(n Network) nicRequest {
	return nicRequest{NetworkID: n.ID, NetworkName: n.Name, MTU: n.MTU}
}

func checkNetwork(n Network) error {
	if len(n.SubnetIDs) == 0 {
		return api.BadRequest("Network %s requires a subnet in order to boot instances on.", n.ID)
	}
	return nil
}

func (s *Service) readNetworkList(ctx context.Context, r *api.Request, list []networkField, count int) ([]nicRequest, error) {
	if len(list) > maxNICs {
		return nil, api.BadRequest("A server can have at most %d network interfaces.", maxNICs)
	}
	ports, err := s.portsOf(ctx, r, list, count)
	if err != nil {
		return nil, err
	}
	var networkIDs []string
	for _, entry := range list {
		id := entry.UUID
		if entry.Port != nil {
			id = ports[*entry.Port].NetworkID
		}
		if !slices.Contains(networkIDs, id) {
			networkIDs = append(networkIDs, id)
		}
	}
	networks, err := s.networksByID(as(ctx, r), networkIDs)
	if err != nil {
		return nil, err
	}
	var nics []nicRequest
	for _, entry := range list {
		request, err := readNetworkEntry(r, entry, ports, networks, count)
		if err != nil {
			return nil, err
		}
		if err := s.checkAddress(as(ctx, r), request); err != nil {
			return nil, err
		}
		nics = append(nics, request)
	}
	return nics, nil
}

// checkAddress refuses an address that is taken already; one that is taken meanwhile fails the create.
func (s *Service) checkAddress(ctx context.Context, request nicRequest) error {
	if request.FixedIP == "" || request.PortID != "" {
		return nil
	}
	taken, err := s.deps.Networks.PortsWithAddress(ctx, request.NetworkID, request.FixedIP)
	switch {
	case err != nil:
		return unavailable("network", err)
	case len(taken) > 0 && taken[0].DeviceID != "":
		return api.BadRequest("Fixed IP %s is already in use on instance %s.", request.FixedIP, taken[0].DeviceID)
	case len(taken) > 0:
		return api.BadRequest("Fixed IP %s is already in use by port %s.", request.FixedIP, taken[0].ID)
	}
	return nil
}

func (s *Service) networksByID(ctx context.Context, ids []string) (map[string]Network, error) {
	networks, err := s.deps.Networks.Networks(ctx, ids)
	if err != nil {
		return nil, unavailable("network", err)
	}
	byID := map[string]Network{}
	for _, n := range networks {
		byID[n.ID] = n
	}
	return byID, nil
}

// portsOf finds the ports that are named; each can be used by one server once.
func (s *Service) portsOf(ctx context.Context, r *api.Request, list []networkField, count int) (map[string]Port, error) {
	var ids []string
	for _, entry := range list {
		if entry.Port == nil {
			continue
		}
		if slices.Contains(ids, *entry.Port) {
			return nil, api.BadRequest("Port %s is named twice.", *entry.Port)
		}
		ids = append(ids, *entry.Port)
	}
	if len(ids) == 0 {
		return nil, nil
	}
	if count > 1 {
		return nil, api.BadRequest("A specific port cannot be given to several servers; ask for one server.")
	}
	found, err := s.deps.Networks.PortsByID(as(ctx, r), ids)
	if err != nil {
		return nil, unavailable("network", err)
	}
	byID := map[string]Port{}
	for _, p := range found {
		byID[p.ID] = p
	}
	for _, id := range ids {
		p, there := byID[id]
		switch {
		case !there || p.ProjectID != r.ProjectID():
			return nil, api.BadRequest("Port id %s could not be found.", id)
		case p.DeviceID != "":
			return nil, api.Conflict("Port %s is still in use.", id)
		case len(p.FixedIPs) == 0:
			return nil, api.BadRequest("Port %s requires a FixedIP in order to be used.", id)
		}
	}
	return byID, nil
}

func readNetworkEntry(r *api.Request, entry networkField, ports map[string]Port, networks map[string]Network, count int) (nicRequest, error) {
	if entry.Tag != "" && !tagsDevices(r.Version) {
		return nicRequest{}, unexpectedField("networks", "tag")
	}
	if entry.Port != nil {
		if entry.FixedIP != nil {
			return nicRequest{}, api.BadRequest("Specified Fixed IP '%s' cannot be used with port '%s': the two cannot be specified together.", *entry.FixedIP, *entry.Port)
		}
		request := requestOn(networks[ports[*entry.Port].NetworkID])
		request.NetworkID, request.PortID, request.Tag = ports[*entry.Port].NetworkID, *entry.Port, entry.Tag
		return request, nil
	}
	network, there := networks[entry.UUID]
	switch {
	case entry.UUID == "":
		return nicRequest{}, api.BadRequest("Bad networks format: network uuid is not in proper format ()")
	case !there:
		return nicRequest{}, api.BadRequest("Network %s could not be found.", entry.UUID)
	case network.External && !network.Shared && network.ProjectID != r.ProjectID() && !r.Can(ruleExternalNetwork, nil):
		return nicRequest{}, api.Errorf(http.StatusForbidden, "It is not allowed to create an interface on external network %s", network.ID)
	}
	if err := checkNetwork(network); err != nil {
		return nicRequest{}, err
	}
	request := requestOn(network)
	request.Tag = entry.Tag
	if entry.FixedIP != nil {
		address, err := netip.ParseAddr(*entry.FixedIP)
		switch {
		case err != nil || address.Zone() != "":
			return nicRequest{}, api.BadRequest("Fixed IP %s is not a valid ip address.", oneLine(*entry.FixedIP, 60))
		case network.ProjectID != r.ProjectID() && !r.Can("context_is_admin", nil):
			// The port is made by an administrator's right, so the network service does not refuse what it refuses users.
			return nicRequest{}, api.Forbidden("Only the owner of network %s may choose addresses on it.", network.ID)
		case count > 1:
			return nicRequest{}, api.BadRequest("A fixed IP cannot be given to several servers; ask for one server.")
		}
		request.FixedIP = address.String()
	}
	return request, nil
}
