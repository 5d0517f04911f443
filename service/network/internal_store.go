package network

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"virga/core/db"
	"virga/core/feed"
	"virga/service/network/desired"
)

// loadHostContent reads everything of one host.
func loadHostContent(tx *db.Tx, h host) (*hostContent, error) {
	c := &hostContent{host: h, dhcp: map[string]*port{}, routerPorts: map[string][]*port{}}
	ports, err := portsWhere(tx, "host = ?", h.Name)
	if err != nil {
		return nil, err
	}
	wanted := map[string]bool{}
	for _, p := range ports {
		switch p.DeviceOwner {
		case ownerDHCP:
			c.dhcp[p.NetworkID] = p
			continue
		case ownerRouterInterface, ownerRouterGateway:
			c.routerPorts[p.DeviceID] = append(c.routerPorts[p.DeviceID], p)
		default:
			c.guests = append(c.guests, p)
		}
		wanted[p.NetworkID] = true
	}
	ids := sortedKeys(wanted)
	if c.networks, err = networksOf(tx, ids); err != nil {
		return nil, err
	}
	if c.subnets, err = subnetsOf(tx, ids); err != nil {
		return nil, err
	}
	if c.peers, err = peersOf(tx, ids, h.Name); err != nil {
		return nil, err
	}
	if c.routers, err = routersWhere(tx, "host = ?", h.Name); err != nil {
		return nil, err
	}
	if err := c.loadFloatingIPs(tx); err != nil {
		return nil, err
	}
	return c, c.loadGroups(tx)
}

// peersOf are the tunnel addresses of the other hosts that carry networks, by network.
func peersOf(tx *db.Tx, ids []string, host string) (map[string][]netip.Addr, error) {
	peers := map[string][]netip.Addr{}
	err := inBatches(ids, func(marks string, args []any) error {
		var rows []struct {
			NetworkID string `db:"network_id"`
			VTEP      string `db:"vtep"`
		}
		if err := tx.Select(&rows, "SELECT DISTINCT p.network_id AS network_id, h.vtep AS vtep FROM ports p JOIN hosts h ON h.name = p.host"+
			" WHERE p.network_id IN "+marks+" AND p.host <> ? AND h.vtep <> '' ORDER BY p.network_id, h.vtep", append(args, host)...); err != nil {
			return fmt.Errorf("load peers: %w", err)
		}
		for _, row := range rows {
			if a, err := netip.ParseAddr(row.VTEP); err == nil {
				peers[row.NetworkID] = append(peers[row.NetworkID], a)
			}
		}
		return nil
	})
	return peers, err
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

// loadGroups reads the rules of the guests' groups and the members of the groups that
// these rules name.
func (c *hostContent) loadGroups(tx *db.Tx) error {
	groups, remotes := map[string]bool{}, map[string]bool{}
	for _, p := range c.guests {
		for _, id := range p.Groups {
			groups[id] = true
		}
	}
	var err error
	if c.rules, err = rulesOf(tx, sortedKeys(groups)); err != nil {
		return err
	}
	for _, rule := range c.rules {
		if rule.RemoteGroupID != "" {
			remotes[rule.RemoteGroupID] = true
		}
	}
	c.sets, err = membersOf(tx, sortedKeys(remotes))
	return err
}

// membersOf are the addresses of the ports in groups, with those of their allowed pairs. A
// pair that is everything makes nobody a member.
func membersOf(tx *db.Tx, groups []string) (map[string][]netip.Prefix, error) {
	sets := map[string][]netip.Prefix{}
	for _, id := range groups {
		sets[id] = []netip.Prefix{}
	}
	err := inBatches(groups, func(marks string, args []any) error {
		var rows []struct {
			GroupID string `db:"security_group_id"`
			Address string `db:"address"`
		}
		if err := tx.Select(&rows, "SELECT g.security_group_id AS security_group_id, a.address AS address FROM port_groups g JOIN port_addresses a"+
			" ON a.port_id = g.port_id WHERE g.security_group_id IN "+marks+" ORDER BY g.security_group_id, a.address_key", args...); err != nil {
			return fmt.Errorf("load members of groups: %w", err)
		}
		for _, row := range rows {
			if a, err := netip.ParseAddr(row.Address); err == nil {
				sets[row.GroupID] = append(sets[row.GroupID], netip.PrefixFrom(a, a.BitLen()))
			}
		}
		var paired []struct {
			GroupID string `db:"security_group_id"`
			Pairs   string `db:"address_pairs"`
		}
		if err := tx.Select(&paired, "SELECT g.security_group_id AS security_group_id, p.address_pairs AS address_pairs FROM port_groups g JOIN ports p"+
			" ON p.id = g.port_id WHERE g.security_group_id IN "+marks+" AND p.address_pairs NOT IN ('[]', 'null')", args...); err != nil {
			return fmt.Errorf("load address pairs of groups: %w", err)
		}
		for _, row := range paired {
			var pairs []addressPair
			if err := json.Unmarshal([]byte(row.Pairs), &pairs); err != nil {
				return fmt.Errorf("read address pairs: %w", err)
			}
			for _, pair := range pairs {
				if prefix, ok := pairPrefix(pair); ok && prefix.Bits() > 0 {
					sets[row.GroupID] = append(sets[row.GroupID], prefix)
				}
			}
		}
		return nil
	})
	return sets, err
}

// touchNeighbours raises the generations of a host and of all that share a network with it.
func (s *Service) touchNeighbours(tx *db.Tx, name string) error {
	var names []string
	if err := tx.Select(&names, "SELECT DISTINCT host FROM ports WHERE host > '' AND network_id IN (SELECT network_id FROM ports WHERE host = ?)", name); err != nil {
		return err
	}
	if !slices.Contains(names, name) {
		names = append(names, name)
	}
	return s.touchHosts(tx, names)
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
