package network

import (
	"errors"
	"fmt"
	"net/netip"

	"virga/core/db"
)

// address is one address of a port. The primary key (subnet, address) makes it exact:
// whatever races, an address belongs to one port.
type address struct {
	PortID    string `db:"port_id"`
	NetworkID string `db:"network_id"`
	SubnetID  string `db:"subnet_id"`
	Text      string `db:"address"`
	Key       string `db:"address_key"`
	Place     int    `db:"place"`
}

// addr is the address; rows hold valid ones only.
func (a *address) addr() netip.Addr {
	parsed, _ := netip.ParseAddr(a.Text)
	return parsed
}

var errPoolEmpty = errors.New("no address is left in the pools")

// freeAddress finds an address that nobody has and moves the subnet's cursor onto it.
// The pools are walked round and round, so that an address that was given back rests
// before it is somebody else's.
func freeAddress(tx *db.Tx, n *subnet) (netip.Addr, error) {
	for _, part := range walk(n.Pools, n.Cursor) {
		found, err := firstGap(tx, n.ID, part)
		if errors.Is(err, errPoolEmpty) {
			continue
		}
		if err != nil {
			return found, err
		}
		n.Cursor = addressKey(found)
		_, err = tx.Exec("UPDATE subnets SET address_cursor = ? WHERE id = ?", n.Cursor, n.ID)
		return found, err
	}
	return netip.Addr{}, errPoolEmpty
}

// walk orders the pools so that what comes after the cursor is first.
func walk(pools []pool, cursor string) []pool {
	at, err := fromKey(cursor)
	if err != nil {
		return pools
	}
	var after, before []pool
	for _, p := range pools {
		switch {
		case p.Start.Compare(at) > 0:
			after = append(after, p)
		case p.End.Compare(at) <= 0:
			before = append(before, p)
		default:
			after = append(after, pool{at.Next(), p.End})
			before = append(before, pool{p.Start, at})
		}
	}
	return append(after, before...)
}

// firstGap is the lowest address of the range that is not in use.
func firstGap(tx *db.Tx, subnetID string, p pool) (netip.Addr, error) {
	candidate := p.Start
	for limit := 4; ; limit = 512 {
		var used []string
		if err := tx.Select(&used, "SELECT address_key FROM port_addresses WHERE subnet_id = ? AND address_key >= ? AND address_key <= ?"+
			" ORDER BY address_key LIMIT ?", subnetID, addressKey(candidate), addressKey(p.End), limit); err != nil {
			return candidate, fmt.Errorf("look for a free address on %s: %w", subnetID, err)
		}
		for _, key := range used {
			if key != addressKey(candidate) {
				return candidate, nil
			}
			if candidate == p.End {
				return candidate, errPoolEmpty
			}
			candidate = candidate.Next()
		}
		if len(used) < limit {
			return candidate, nil
		}
	}
}

// insertAddresses writes the addresses of a port in their order.
func insertAddresses(tx *db.Tx, p *port) error {
	for i := range p.Addresses {
		a := &p.Addresses[i]
		a.PortID, a.NetworkID, a.Place = p.ID, p.NetworkID, i
		if err := tx.Insert("port_addresses", a); err != nil {
			return fmt.Errorf("give port %s address %s: %w", p.ID, a.Text, err)
		}
	}
	return nil
}

func addressTaken(a netip.Addr, subnetID string) error {
	return conflict("IpAddressAlreadyAllocated", "IP address %s already allocated in subnet %s", a, subnetID)
}

// replaceAddresses gives a port exactly the addresses of the row.
func replaceAddresses(tx *db.Tx, p *port) error {
	if _, err := tx.Exec("DELETE FROM port_addresses WHERE port_id = ?", p.ID); err != nil {
		return err
	}
	return insertAddresses(tx, p)
}

// macTaken tells whether a port of the network has the Ethernet address.
func macTaken(tx *db.Tx, networkID, mac string) (bool, error) {
	var count int
	err := tx.Get(&count, "SELECT COUNT(*) FROM ports WHERE network_id = ? AND mac_address = ?", networkID, mac)
	return count > 0, err
}
