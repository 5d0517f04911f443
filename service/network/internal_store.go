package network

import (
	"fmt"
	"slices"
	"strings"

	"virga/core/db"
	"virga/core/feed"
	"virga/service/network/desired"
)

// loadHostContent reads everything of one host, in a transaction that began after the
// moment asOf of the log.
func loadHostContent(tx *db.Tx, h host, shared *sharedContent, asOf int64) (*hostContent, error) {
	c := newHostContent(h, shared, asOf)
	for _, condition := range []string{"host = ?", "migrating_to = ?"} { // each has an index
		ports, err := portsWhere(tx, condition, h.Name)
		if err != nil {
			return nil, err
		}
		c.sort(ports)
	}
	var err error
	if c.routers, err = routersWhere(tx, "host = ?", h.Name); err != nil {
		return nil, err
	}
	ids := sortedKeys(c.carried())
	if err := c.loadNetworks(tx, ids, ids); err != nil {
		return nil, err
	}
	groups := map[string]bool{}
	for _, p := range c.guests {
		for _, id := range p.Groups {
			groups[id] = true
		}
	}
	return c, c.loadGroups(tx, sortedKeys(groups), nil)
}

// loadHostNews reads what of a host the changes are about, as it is now, with what the host
// has not needed until then: the network of its first port there, the groups of such a
// port, the members of groups that their rules name.
func loadHostNews(tx *db.Tx, h host, rows []changeRow, shared *sharedContent, asOf int64) (*hostContent, error) {
	c, asked := newHostContent(h, shared, asOf), changedIDs(rows)
	if err := c.loadChanged(tx, asked); err != nil {
		return nil, err
	}
	fresh := map[string]bool{} // what the host may not have had before
	for _, id := range slices.Concat(asked[changedPort], c.portsOfRouters()) {
		fresh[id] = true
	}
	// Most news are of members of groups alone: then nothing more is asked.
	needed, told := c.carried(), map[string]bool{}
	networks, groups := map[string]bool{}, map[string]bool{}
	var err error
	if len(needed)+len(asked[changedNetwork])+len(asked[changedPeers]) > 0 {
		if networks, err = networksWithPortsOn(tx, h.Name, fresh); err != nil {
			return nil, err
		}
	}
	if len(c.guests)+len(asked[changedGroup]) > 0 {
		if groups, err = groupsWithPortsOn(tx, h.Name, fresh); err != nil {
			return nil, err
		}
	}
	for id := range needed {
		told[id] = !networks[id]
	}
	for _, id := range slices.Concat(asked[changedNetwork], asked[changedPeers]) {
		told[id] = networks[id] || needed[id]
	}
	for id, tell := range told {
		if tell {
			needed[id] = true
		} else {
			delete(told, id)
		}
	}
	if err := c.loadNetworks(tx, sortedKeys(needed), sortedKeys(told)); err != nil {
		return nil, err
	}
	enforced := map[string]bool{}
	for _, p := range c.guests {
		for _, id := range p.Groups {
			if !groups[id] {
				enforced[id] = true
			}
			groups[id] = true
		}
	}
	for _, id := range asked[changedGroup] {
		if groups[id] {
			enforced[id] = true
		}
	}
	members, err := groupsNamedOn(tx, h.Name, asked[changedMembers])
	if err != nil {
		return nil, err
	}
	return c, c.loadGroups(tx, sortedKeys(enforced), members)
}

// changedIDs are the ids of changed objects by kind, each once.
func changedIDs(rows []changeRow) map[objectKind][]string {
	asked := map[objectKind][]string{}
	seen := map[subject]bool{}
	for _, row := range rows {
		key := subject{row.Kind, row.ObjectID}
		if !seen[key] {
			seen[key] = true
			asked[row.Kind] = append(asked[row.Kind], row.ObjectID)
		}
	}
	return asked
}

// loadChanged reads the ports and routers that changed, and those on networks that did:
// addresses, leases and states follow from their networks. What is not on the host any
// more is noted as gone.
func (c *hostContent) loadChanged(tx *db.Tx, asked map[objectKind][]string) error {
	var ports []*port
	find := func(condition string, ids []string) error {
		return inBatches(ids, func(marks string, args []any) error {
			found, err := portsWhere(tx, condition+marks+" AND (host = ? OR migrating_to = ?)", append(args, c.host.Name, c.host.Name)...)
			ports = append(ports, found...)
			return err
		})
	}
	if err := find("id IN ", asked[changedPort]); err != nil {
		return err
	}
	if err := find("network_id IN ", asked[changedNetwork]); err != nil {
		return err
	}
	routers := slices.Clone(asked[changedRouter])
	for _, p := range ports {
		if p.DeviceOwner == ownerRouterInterface || p.DeviceOwner == ownerRouterGateway {
			routers = append(routers, p.DeviceID)
		}
	}
	slices.Sort(routers)
	routers = slices.Compact(routers)
	if err := find("device_id IN ", routers); err != nil {
		return err
	}
	slices.SortFunc(ports, func(a, b *port) int { return strings.Compare(a.ID, b.ID) })
	c.sort(slices.CompactFunc(ports, func(a, b *port) bool { return a.ID == b.ID }))
	err := inBatches(routers, func(marks string, args []any) error {
		found, err := routersWhere(tx, "id IN "+marks+" AND host = ?", append(args, c.host.Name)...)
		c.routers = append(c.routers, found...)
		return err
	})
	for _, id := range asked[changedPort] {
		if !slices.ContainsFunc(c.guests, func(p *port) bool { return p.ID == id }) {
			c.gonePorts = append(c.gonePorts, id)
		}
	}
	for _, id := range routers {
		if !slices.ContainsFunc(c.routers, func(row *router) bool { return row.ID == id }) {
			c.goneRouters = append(c.goneRouters, id)
		}
	}
	return err
}

// sort puts ports where they belong.
func (c *hostContent) sort(ports []*port) {
	for _, p := range ports {
		switch p.DeviceOwner {
		case ownerDHCP:
			c.dhcp[p.NetworkID] = p
		case ownerRouterInterface, ownerRouterGateway:
			c.routerPorts[p.DeviceID] = append(c.routerPorts[p.DeviceID], p)
		default:
			c.guests = append(c.guests, p)
		}
	}
}

// portsOfRouters are the ids of the ports of the routers that were read.
func (c *hostContent) portsOfRouters() []string {
	var ids []string
	for _, ports := range c.routerPorts {
		for _, p := range ports {
			ids = append(ids, p.ID)
		}
	}
	return ids
}

// carried are the networks of the ports that were read.
func (c *hostContent) carried() map[string]bool {
	carried := map[string]bool{}
	for _, p := range c.guests {
		carried[p.NetworkID] = true
	}
	for _, ports := range c.routerPorts {
		for _, p := range ports {
			carried[p.NetworkID] = true
		}
	}
	return carried
}

// loadNetworks reads networks with what ports on them need, and of those that are told to
// the host also who else carries them.
func (c *hostContent) loadNetworks(tx *db.Tx, ids, told []string) (err error) {
	c.told = told
	if c.networks, err = networksOf(tx, ids); err != nil {
		return err
	}
	if c.subnets, err = subnetsOf(tx, ids); err != nil {
		return err
	}
	if err := inBatches(ids, func(marks string, args []any) error {
		ports, err := portsWhere(tx, "host = ? AND device_owner = '"+ownerDHCP+"' AND network_id IN "+marks, append([]any{c.host.Name}, args...)...)
		c.sort(ports)
		return err
	}); err != nil {
		return err
	}
	if c.peers, err = c.shared.peersOf(tx, c.asOf, c.host.Name, told); err != nil {
		return err
	}
	return c.loadFloatingIPs(tx)
}

func (c *hostContent) loadFloatingIPs(tx *db.Tx) error {
	c.floating = map[string][]*floatingIP{}
	ids := make([]string, len(c.routers))
	for i, row := range c.routers {
		ids[i] = row.ID
	}
	return inBatches(ids, func(marks string, args []any) error {
		rows, err := floatingIPsWhere(tx, "router_id IN "+marks, args...)
		for _, f := range rows {
			c.floating[f.RouterID] = append(c.floating[f.RouterID], f)
		}
		return err
	})
}

// loadGroups reads the rules of groups, and the members of the groups that these rules
// name and of the further ones.
func (c *hostContent) loadGroups(tx *db.Tx, groups, members []string) error {
	c.groups = groups
	remotes := map[string]bool{}
	var err error
	if c.rules, err = rulesOf(tx, groups); err != nil {
		return err
	}
	for _, rule := range c.rules {
		if rule.RemoteGroupID != "" {
			remotes[rule.RemoteGroupID] = true
		}
	}
	for _, id := range members {
		remotes[id] = true
	}
	c.sets, err = c.shared.membersOf(tx, c.asOf, sortedKeys(remotes))
	return err
}

// touchNeighbours tells a host and all that share a network with it that its tunnel
// address changed.
func (s *Service) touchNeighbours(tx *db.Tx, name string) error {
	networks, err := networksWithPortsOn(tx, name, nil)
	if err != nil {
		return err
	}
	for _, id := range sortedKeys(networks) {
		if err := s.touchPeers(tx, id); err != nil {
			return err
		}
	}
	return s.changed(tx, changedHost, "", name)
}

// statusRow is what is known of the status of a port or router.
type statusRow struct {
	ID        string `db:"id"`
	ProjectID string `db:"project_id"`
	Status    string `db:"status"`
	Detail    string `db:"status_detail"`
}

// maxDetail bounds what an agent may tell of one object, in bytes.
const maxDetail = 2000

// storePortStatuses writes the statuses that differ and rings for each.
func (s *Service) storePortStatuses(tx *db.Tx, host string, report desired.StatusReport) error {
	var rows []statusRow
	if err := tx.Select(&rows, "SELECT id, project_id, status, status_detail FROM ports WHERE host = ?", host); err != nil {
		return err
	}
	for _, row := range rows {
		now, told := report[row.ID]
		detail := strings.ToValidUTF8(now.Detail[:min(len(now.Detail), maxDetail)], "")
		if !told || now.Status == row.Status && detail == row.Detail {
			continue
		}
		if _, err := tx.Exec("UPDATE ports SET status = ?, status_detail = ?, revision = revision + 1, updated_at = ? WHERE id = ?",
			now.Status, detail, s.deps.Clock.Now(), row.ID); err != nil {
			return fmt.Errorf("store status of port %s: %w", row.ID, err)
		}
		if err := s.recordStatus(tx, host, "port", row, now.Status, detail); err != nil {
			return err
		}
		tx.AfterCommit(func() { s.deps.Bus.Ring(portBell(row.ID)) })
	}
	return nil
}

// recordStatus writes into the feed what a host's agent told of a resource.
func (s *Service) recordStatus(tx *db.Tx, host, kind string, row statusRow, status, detail string) error {
	return s.record(tx, nil, byHost(host, feed.Change{Kind: kind, Action: "status", ID: row.ID, OwnerProjectID: row.ProjectID,
		Before: statusDocument{row.ID, row.Status, row.Detail}, After: statusDocument{row.ID, status, detail}}))
}

// storeRouterStatuses writes the statuses of routers, of their ports and floating IPs.
func (s *Service) storeRouterStatuses(tx *db.Tx, host string, report desired.StatusReport) error {
	var rows []statusRow
	if err := tx.Select(&rows, "SELECT id, project_id, status, status_detail FROM routers WHERE host = ?", host); err != nil {
		return err
	}
	for _, row := range rows {
		now, told := report[row.ID]
		if !told {
			continue
		}
		detail := strings.ToValidUTF8(now.Detail[:min(len(now.Detail), maxDetail)], "")
		if now.Status != row.Status || detail != row.Detail {
			if _, err := tx.Exec("UPDATE routers SET status = ?, status_detail = ? WHERE id = ?", now.Status, detail, row.ID); err != nil {
				return fmt.Errorf("store status of router %s: %w", row.ID, err)
			}
			if err := s.recordStatus(tx, host, "router", row, now.Status, detail); err != nil {
				return err
			}
		}
		if _, err := tx.Exec("UPDATE ports SET status = ? WHERE device_id = ? AND device_owner IN ('"+ownerRouterInterface+"', '"+ownerRouterGateway+
			"') AND status <> ?", now.Status, row.ID, now.Status); err != nil {
			return fmt.Errorf("store status of ports of router %s: %w", row.ID, err)
		}
		if err := s.storeFloatingStatuses(tx, host, row.ID, now); err != nil {
			return err
		}
	}
	return nil
}

// storeFloatingStatuses has those floating IPs ACTIVE that the agent lists.
func (s *Service) storeFloatingStatuses(tx *db.Tx, host, routerID string, now desired.Status) error {
	rows, err := floatingIPsWhere(tx, "router_id = ?", routerID)
	if err != nil {
		return err
	}
	for _, f := range rows {
		status := statusDown
		switch {
		case now.Status == statusError:
			status = statusError
		case now.Status == statusActive && slices.Contains(now.FloatingIPs, f.ID):
			status = statusActive
		}
		if status == f.Status {
			continue
		}
		if _, err := tx.Exec("UPDATE floating_ips SET status = ? WHERE id = ?", status, f.ID); err != nil {
			return fmt.Errorf("store status of floating IP %s: %w", f.ID, err)
		}
		if err := s.recordStatus(tx, host, "floatingip", statusRow{ID: f.ID, ProjectID: f.ProjectID, Status: f.Status}, status, ""); err != nil {
			return err
		}
	}
	return nil
}
