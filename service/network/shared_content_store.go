package network

import (
	"encoding/json"
	"fmt"
	"net/netip"

	"virga/core/db"
)

// carrier is a host that carries a network, with its tunnel address.
type carrier struct {
	NetworkID string `db:"network_id"`
	Host      string `db:"host"`
	VTEP      string `db:"vtep"`
}

const selectCarriers = "SELECT DISTINCT p.network_id AS network_id, p.host AS host, h.vtep AS vtep FROM ports p JOIN hosts h ON h.name = p.host" +
	" WHERE h.vtep <> '' AND p.network_id IN "

// carriersOf are the tunnel addresses of the hosts that carry networks, by network and host.
func carriersOf(tx *db.Tx, networks []string) (map[string]map[string][]netip.Addr, error) {
	found := map[string]map[string][]netip.Addr{}
	err := inBatches(networks, func(marks string, args []any) error { return addCarriers(tx, found, selectCarriers+marks, args) })
	return found, err
}

// carriersAmong are those of the hosts that carry networks.
func carriersAmong(tx *db.Tx, networks, hosts []string) (map[string]map[string][]netip.Addr, error) {
	found := map[string]map[string][]netip.Addr{}
	err := inBatches(networks, func(marks string, args []any) error {
		return inBatches(hosts, func(names string, more []any) error {
			return addCarriers(tx, found, selectCarriers+marks+" AND p.host IN "+names, append(args[:len(args):len(args)], more...))
		})
	})
	return found, err
}

func addCarriers(tx *db.Tx, found map[string]map[string][]netip.Addr, text string, args []any) error {
	var rows []carrier
	if err := tx.Select(&rows, text, args...); err != nil {
		return fmt.Errorf("load carriers of networks: %w", err)
	}
	for _, row := range rows {
		if vtep, err := netip.ParseAddr(row.VTEP); err == nil {
			contribute(found, row.NetworkID, row.Host, vtep)
		}
	}
	return nil
}

// contribute adds an element to what a source contributes to a set.
func contribute[E any](sets map[string]map[string][]E, id, source string, element E) {
	if sets[id] == nil {
		sets[id] = map[string][]E{}
	}
	sets[id][source] = append(sets[id][source], element)
}

// membersOf are the addresses of the ports in groups, with those of their allowed pairs, by
// group and port. A pair that is everything makes nobody a member.
func membersOf(tx *db.Tx, groups []string) (map[string]map[string][]netip.Prefix, error) {
	return membersWhere(tx, "g.security_group_id IN ", groups)
}

// membersAmong is the same of some ports in all their groups.
func membersAmong(tx *db.Tx, ports []string) (map[string]map[string][]netip.Prefix, error) {
	return membersWhere(tx, "g.port_id IN ", ports)
}

func membersWhere(tx *db.Tx, condition string, ids []string) (map[string]map[string][]netip.Prefix, error) {
	found := map[string]map[string][]netip.Prefix{}
	err := inBatches(ids, func(marks string, args []any) error {
		var rows []struct {
			GroupID string `db:"security_group_id"`
			PortID  string `db:"port_id"`
			Address string `db:"address"`
		}
		if err := tx.Select(&rows, "SELECT g.security_group_id AS security_group_id, g.port_id AS port_id, a.address AS address FROM port_groups g"+
			" JOIN port_addresses a ON a.port_id = g.port_id WHERE "+condition+marks+" ORDER BY g.port_id, a.place", args...); err != nil {
			return fmt.Errorf("load members of groups: %w", err)
		}
		for _, row := range rows {
			if a, err := netip.ParseAddr(row.Address); err == nil {
				contribute(found, row.GroupID, row.PortID, netip.PrefixFrom(a, a.BitLen()))
			}
		}
		var paired []struct {
			GroupID string `db:"security_group_id"`
			PortID  string `db:"port_id"`
			Pairs   string `db:"address_pairs"`
		}
		if err := tx.Select(&paired, "SELECT g.security_group_id AS security_group_id, g.port_id AS port_id, p.address_pairs AS address_pairs FROM port_groups g"+
			" JOIN ports p ON p.id = g.port_id WHERE "+condition+marks+" AND p.address_pairs NOT IN ('[]', 'null')", args...); err != nil {
			return fmt.Errorf("load address pairs of groups: %w", err)
		}
		for _, row := range paired {
			var pairs []addressPair
			if err := json.Unmarshal([]byte(row.Pairs), &pairs); err != nil {
				return fmt.Errorf("read address pairs: %w", err)
			}
			for _, prefix := range prefixesOfPairs(pairs) {
				contribute(found, row.GroupID, row.PortID, prefix)
			}
		}
		return nil
	})
	return found, err
}

// prefixesOfPairs are what allowed pairs make a port a member with.
func prefixesOfPairs(pairs []addressPair) []netip.Prefix {
	var prefixes []netip.Prefix
	for _, pair := range pairs {
		if prefix, ok := pairPrefix(pair); ok && prefix.Bits() > 0 {
			prefixes = append(prefixes, prefix)
		}
	}
	return prefixes
}

// vtepOf is the tunnel address of a host, or empty.
func vtepOf(tx *db.Tx, name string) (string, error) {
	var vteps []string
	err := tx.Select(&vteps, "SELECT vtep FROM hosts WHERE name = ?", name)
	if len(vteps) == 0 || err != nil {
		return "", err
	}
	return vteps[0], nil
}

// loadSight reads what a host sees of what many hosts share.
func loadSight(tx *db.Tx, host string) (*sight, error) {
	s := newSight()
	var carried []struct {
		ID   string `db:"id"`
		Type string `db:"network_type"`
	}
	if err := tx.Select(&carried, "SELECT DISTINCT n.id AS id, n.network_type AS network_type FROM ports p JOIN networks n ON n.id = p.network_id"+
		" WHERE p.host = ? AND p.device_owner <> ?", host, ownerDHCP); err != nil {
		return nil, fmt.Errorf("find out what networks host %s carries: %w", host, err)
	}
	for _, n := range carried {
		s.networks[n.ID], s.tunnelled[n.ID] = true, n.Type == typeVXLAN
	}
	var named []struct {
		ID     string `db:"security_group_id"`
		Remote string `db:"remote_group_id"`
	}
	if err := tx.Select(&named, "SELECT DISTINCT g.security_group_id AS security_group_id, COALESCE(r.remote_group_id, '') AS remote_group_id FROM port_groups g"+
		" LEFT JOIN security_group_rules r ON r.security_group_id = g.security_group_id WHERE g.host = ?", host); err != nil {
		return nil, fmt.Errorf("find out what groups host %s enforces: %w", host, err)
	}
	for _, n := range named {
		if s.groups[n.ID] = true; n.Remote != "" {
			s.remotes[n.Remote] = true
		}
	}
	return s, nil
}
