package network

import (
	"errors"
	"fmt"

	"virga/core/db"
)

var floatingIPColumns = db.Columns(floatingIP{}, "")

func getFloatingIP(tx *db.Tx, id string) (*floatingIP, error) {
	if !printable(id) {
		return nil, floatingIPNotFound(id)
	}
	var f floatingIP
	err := tx.Get(&f, "SELECT "+floatingIPColumns+" FROM floating_ips WHERE id = ?", id)
	if errors.Is(err, db.ErrNotFound) {
		return nil, floatingIPNotFound(id)
	}
	return &f, err
}

func floatingIPsWhere(tx *db.Tx, condition string, args ...any) ([]*floatingIP, error) {
	var found []floatingIP
	if err := tx.Select(&found, "SELECT "+floatingIPColumns+" FROM floating_ips WHERE "+condition+" ORDER BY id", args...); err != nil {
		return nil, fmt.Errorf("load floating IPs: %w", err)
	}
	rows := make([]*floatingIP, len(found))
	for i := range found {
		rows[i] = &found[i]
	}
	return rows, nil
}

// floatingIPsOf are the floating IPs that are associated with a port.
func floatingIPsOf(tx *db.Tx, portID string) ([]*floatingIP, error) {
	return floatingIPsWhere(tx, "port_id = ?", portID)
}

// looseFloatingIPs are the floating IPs of an external network that no port has.
func looseFloatingIPs(tx *db.Tx, networkID string) ([]*floatingIP, error) {
	return floatingIPsWhere(tx, "network_id = ? AND port_id = ''", networkID)
}

// floatingIPOn is the id of the floating IP of a port's address; empty when it has none.
func floatingIPOn(tx *db.Tx, portID, fixed string) (string, error) {
	var id string
	err := tx.Get(&id, "SELECT id FROM floating_ips WHERE port_id = ? AND fixed_address = ?", portID, fixed)
	if errors.Is(err, db.ErrNotFound) {
		return "", nil
	}
	return id, err
}

// completeFloatingIPs loads the ports that floating IPs are associated with.
func completeFloatingIPs(tx *db.Tx, rows []*floatingIP) error {
	var ids []string
	for _, f := range rows {
		f.Port = nil
		if f.PortID != "" {
			ids = append(ids, f.PortID)
		}
	}
	byID := map[string]*port{}
	err := inBatches(ids, func(marks string, args []any) error {
		var ports []port
		if err := tx.Select(&ports, "SELECT "+portColumns+" FROM ports WHERE id IN "+marks, args...); err != nil {
			return fmt.Errorf("load ports of floating IPs: %w", err)
		}
		for i := range ports {
			byID[ports[i].ID] = &ports[i]
		}
		return nil
	})
	for _, f := range rows {
		f.Port = byID[f.PortID]
	}
	return err
}

// routerBetween is the router that has a port on the subnet and its gateway on the external network.
func routerBetween(tx *db.Tx, subnetID, networkID string) (string, error) {
	var id string
	err := tx.Get(&id, "SELECT r.id FROM port_addresses a JOIN ports p ON p.id = a.port_id JOIN routers r ON r.id = p.device_id"+
		" WHERE a.subnet_id = ? AND p.device_owner = '"+ownerRouterInterface+"' AND r.gateway_network_id = ? ORDER BY r.created_at, r.id", subnetID, networkID)
	if errors.Is(err, db.ErrNotFound) {
		return "", nil
	}
	return id, err
}

// floatingIPsThrough counts the floating IPs that a router leads to, on one subnet or on all.
func floatingIPsThrough(tx *db.Tx, routerID, subnetID string) (int, error) {
	var count int
	if subnetID == "" {
		err := tx.Get(&count, "SELECT COUNT(*) FROM floating_ips WHERE router_id = ?", routerID)
		return count, err
	}
	err := tx.Get(&count, "SELECT COUNT(*) FROM floating_ips f JOIN port_addresses a ON a.port_id = f.port_id AND a.address = f.fixed_address"+
		" WHERE f.router_id = ? AND a.subnet_id = ?", routerID, subnetID)
	return count, err
}

// deleteFloatingIP removes a floating IP with the port that holds its address.
func deleteFloatingIP(tx *db.Tx, f *floatingIP) error {
	if err := deletePort(tx, f.FloatingPortID); err != nil {
		return err
	}
	if _, err := tx.Exec("DELETE FROM tags WHERE resource_id = ?", f.ID); err != nil {
		return err
	}
	_, err := tx.Exec("DELETE FROM floating_ips WHERE id = ?", f.ID)
	return err
}
