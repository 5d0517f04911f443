package network

import (
	"errors"
	"fmt"
	"net/netip"

	"virga/core/db"
)

var subnetColumns = db.Columns(subnet{}, "")

func getSubnet(tx *db.Tx, id string) (*subnet, error) {
	if !printable(id) {
		return nil, subnetNotFound(id)
	}
	var n subnet
	err := tx.Get(&n, "SELECT "+subnetColumns+" FROM subnets WHERE id = ?", id)
	if errors.Is(err, db.ErrNotFound) {
		return nil, subnetNotFound(id)
	}
	return &n, err
}

// subnetsOn are the subnets of one network, the oldest first.
func subnetsOn(tx *db.Tx, networkID string) ([]*subnet, error) {
	byNetwork, err := subnetsOf(tx, []string{networkID})
	return byNetwork[networkID], err
}

// subnetsOf are the subnets of many networks, by network, the oldest first.
func subnetsOf(tx *db.Tx, networkIDs []string) (map[string][]*subnet, error) {
	found := map[string][]*subnet{}
	err := inBatches(networkIDs, func(marks string, args []any) error {
		var rows []subnet
		if err := tx.Select(&rows, "SELECT "+subnetColumns+" FROM subnets WHERE network_id IN "+marks+" ORDER BY created_at, id", args...); err != nil {
			return fmt.Errorf("load subnets: %w", err)
		}
		for i := range rows {
			found[rows[i].NetworkID] = append(found[rows[i].NetworkID], &rows[i])
		}
		return nil
	})
	return found, err
}

// holderOf is the port that has an address, with its device owner; empty when none has.
func holderOf(tx *db.Tx, subnetID string, a netip.Addr) (port, owner string, err error) {
	var row struct {
		ID    string `db:"id"`
		Owner string `db:"device_owner"`
	}
	err = tx.Get(&row, "SELECT p.id AS id, p.device_owner AS device_owner FROM port_addresses a JOIN ports p ON p.id = a.port_id"+
		" WHERE a.subnet_id = ? AND a.address_key = ?", subnetID, addressKey(a))
	if errors.Is(err, db.ErrNotFound) {
		return "", "", nil
	}
	return row.ID, row.Owner, err
}

// subnetUsed tells whether ports hold addresses of a subnet that do not go with it: DHCP
// ports do, and ports that form their addresses by themselves, but for a router's.
func subnetUsed(tx *db.Tx, n *subnet) (bool, error) {
	text := "SELECT COUNT(*) FROM port_addresses a JOIN ports p ON p.id = a.port_id WHERE a.subnet_id = ? AND p.device_owner <> '" + ownerDHCP + "'"
	if n.slaac() {
		text += " AND p.device_owner IN ('" + ownerRouterInterface + "', '" + ownerRouterGateway + "')"
	}
	var count int
	err := tx.Get(&count, text, n.ID)
	return count > 0, err
}

func deleteSubnet(tx *db.Tx, id string) error {
	for _, text := range []string{
		"DELETE FROM port_addresses WHERE subnet_id = ?",
		"DELETE FROM tags WHERE resource_id = ?",
		"DELETE FROM subnets WHERE id = ?",
	} {
		if _, err := tx.Exec(text, id); err != nil {
			return fmt.Errorf("delete subnet %s: %w", id, err)
		}
	}
	return nil
}
