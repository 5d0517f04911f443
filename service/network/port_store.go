package network

import (
	"errors"
	"fmt"

	"virga/core/db"
)

var portColumns = db.Columns(port{}, "")

func getPort(tx *db.Tx, id string) (*port, error) {
	if !printable(id) {
		return nil, portNotFound(id)
	}
	var p port
	err := tx.Get(&p, "SELECT "+portColumns+" FROM ports WHERE id = ?", id)
	if errors.Is(err, db.ErrNotFound) {
		return nil, portNotFound(id)
	}
	return &p, err
}

// portsWhere reads ports by a condition, complete, in the order of their ids.
func portsWhere(tx *db.Tx, condition string, args ...any) ([]*port, error) {
	var found []port
	if err := tx.Select(&found, "SELECT "+portColumns+" FROM ports WHERE "+condition+" ORDER BY id", args...); err != nil {
		return nil, fmt.Errorf("load ports: %w", err)
	}
	rows := make([]*port, len(found))
	for i := range found {
		rows[i] = &found[i]
	}
	return rows, completePorts(tx, rows)
}

func insertPort(tx *db.Tx, p *port) error { return tx.Insert("ports", p) }

// completePorts loads addresses and groups of ports, and whether their hosts have agents.
func completePorts(tx *db.Tx, rows []*port) error {
	byID, ids := map[string]*port{}, make([]string, len(rows))
	for i, p := range rows {
		byID[p.ID], ids[i] = p, p.ID
		p.Addresses, p.Groups = nil, nil
	}
	err := inBatches(ids, func(marks string, args []any) error {
		var addresses []address
		if err := tx.Select(&addresses, "SELECT "+db.Columns(address{}, "")+" FROM port_addresses WHERE port_id IN "+marks+" ORDER BY port_id, place", args...); err != nil {
			return fmt.Errorf("load addresses: %w", err)
		}
		for _, a := range addresses {
			byID[a.PortID].Addresses = append(byID[a.PortID].Addresses, a)
		}
		var pairs []portGroup
		if err := tx.Select(&pairs, "SELECT port_id, security_group_id, host FROM port_groups WHERE port_id IN "+marks+" ORDER BY port_id, security_group_id", args...); err != nil {
			return fmt.Errorf("load security groups of ports: %w", err)
		}
		for _, pair := range pairs {
			byID[pair.PortID].Groups = append(byID[pair.PortID].Groups, pair.GroupID)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return markPlugged(tx, rows)
}

// markPlugged finds out which ports are on hosts that have an agent.
func markPlugged(tx *db.Tx, rows []*port) error {
	hosts := map[string]bool{}
	for _, p := range rows {
		if p.Host != "" {
			hosts[p.Host] = false
		}
	}
	var names []string
	for name := range hosts {
		names = append(names, name)
	}
	if err := inBatches(names, func(marks string, args []any) error {
		var known []string
		if err := tx.Select(&known, "SELECT name FROM hosts WHERE name IN "+marks, args...); err != nil {
			return fmt.Errorf("load hosts: %w", err)
		}
		for _, name := range known {
			hosts[name] = true
		}
		return nil
	}); err != nil {
		return err
	}
	for _, p := range rows {
		p.Plugged = hosts[p.Host]
	}
	return nil
}

// portGroup says that a port is in a security group; the host is the port's.
type portGroup struct {
	PortID  string `db:"port_id"`
	GroupID string `db:"security_group_id"`
	Host    string `db:"host"`
}

// replaceGroups writes the groups of a port; existed tells whether it may have had others.
func replaceGroups(tx *db.Tx, p *port, existed bool) error {
	if existed {
		if _, err := tx.Exec("DELETE FROM port_groups WHERE port_id = ?", p.ID); err != nil {
			return err
		}
	}
	for _, group := range p.Groups {
		if err := tx.Insert("port_groups", portGroup{p.ID, group, p.Host}); err != nil {
			return fmt.Errorf("put port %s into group %s: %w", p.ID, group, err)
		}
	}
	return nil
}

func deletePort(tx *db.Tx, id string) error {
	for _, text := range []string{
		"DELETE FROM port_addresses WHERE port_id = ?",
		"DELETE FROM port_groups WHERE port_id = ?",
		"DELETE FROM tags WHERE resource_id = ?",
		"DELETE FROM ports WHERE id = ?",
	} {
		if _, err := tx.Exec(text, id); err != nil {
			return fmt.Errorf("delete port %s: %w", id, err)
		}
	}
	return nil
}

// portsOnHost counts the ports of a network on a host, but for one and for DHCP's.
func portsOnHost(tx *db.Tx, networkID, host, except string) (int, error) {
	var count int
	err := tx.Get(&count, "SELECT COUNT(*) FROM ports WHERE network_id = ? AND host = ? AND device_owner <> ? AND id <> ?",
		networkID, host, ownerDHCP, except)
	return count, err
}

// guestsOnHost counts the ports of guests of a network on a host, those that are expected there included.
func guestsOnHost(tx *db.Tx, networkID, host string) (int, error) {
	var count int
	err := tx.Get(&count, "SELECT COUNT(*) FROM ports WHERE network_id = ? AND (host = ? OR migrating_to = ?) AND device_owner NOT LIKE 'network:%'",
		networkID, host, host)
	return count, err
}

// dhcpPortOn is the DHCP port of a network on a host with its addresses, or nil.
func dhcpPortOn(tx *db.Tx, networkID, host string) (*port, error) {
	rows, err := portsWhere(tx, "network_id = ? AND host = ? AND device_owner = ?", networkID, host, ownerDHCP)
	if len(rows) == 0 || err != nil {
		return nil, err
	}
	return rows[0], nil
}

// addSlaacAddresses gives every port of a guest its address on a new subnet of which
// guests form addresses by themselves, and returns these ports.
func addSlaacAddresses(tx *db.Tx, n *subnet) ([]*port, error) {
	ports, err := portsWhere(tx, "network_id = ? AND device_owner NOT LIKE 'network:%'", n.NetworkID)
	if err != nil {
		return nil, err
	}
	for _, p := range ports {
		a, err := slaacAddress(n.cidr(), p.MAC)
		if err != nil {
			return nil, err
		}
		row := on(n, a)
		row.PortID, row.NetworkID, row.Place = p.ID, p.NetworkID, len(p.Addresses)
		if err := tx.Insert("port_addresses", row); err != nil {
			return nil, err
		}
		p.Addresses = append(p.Addresses, row)
	}
	return ports, nil
}
