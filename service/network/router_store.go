package network

import (
	"errors"
	"fmt"
	"net/netip"

	"virga/core/db"
)

var routerColumns = db.Columns(router{}, "")

func getRouter(tx *db.Tx, id string) (*router, error) {
	if !printable(id) {
		return nil, routerNotFound(id)
	}
	var n router
	err := tx.Get(&n, "SELECT "+routerColumns+" FROM routers WHERE id = ?", id)
	if errors.Is(err, db.ErrNotFound) {
		return nil, routerNotFound(id)
	}
	return &n, err
}

// routersWhere reads routers by a condition, in the order of their ids.
func routersWhere(tx *db.Tx, condition string, args ...any) ([]*router, error) {
	var found []router
	if err := tx.Select(&found, "SELECT "+routerColumns+" FROM routers WHERE "+condition+" ORDER BY id", args...); err != nil {
		return nil, fmt.Errorf("load routers: %w", err)
	}
	rows := make([]*router, len(found))
	for i := range found {
		rows[i] = &found[i]
	}
	return rows, nil
}

// unplacedRouters are the routers without host that have a port on the network; on any
// network when it is empty.
func unplacedRouters(tx *db.Tx, networkID string) ([]*router, error) {
	inner := "SELECT device_id FROM ports WHERE device_owner IN ('" + ownerRouterInterface + "', '" + ownerRouterGateway + "')"
	if networkID == "" {
		return routersWhere(tx, "host = '' AND id IN ("+inner+")")
	}
	return routersWhere(tx, "host = '' AND id IN ("+inner+" AND network_id = ?)", networkID)
}

// completeRouters loads the gateways' addresses and the zones of routers.
func completeRouters(tx *db.Tx, rows []*router) error {
	byPort, ids := map[string]*router{}, []string{}
	hosts := map[string]string{}
	for _, n := range rows {
		n.Gateway, n.Zones = nil, nil
		if n.GatewayPortID != "" {
			byPort[n.GatewayPortID] = n
			ids = append(ids, n.GatewayPortID)
		}
		if n.Host != "" {
			hosts[n.Host] = ""
		}
	}
	err := inBatches(ids, func(marks string, args []any) error {
		var addresses []address
		if err := tx.Select(&addresses, "SELECT "+db.Columns(address{}, "")+" FROM port_addresses WHERE port_id IN "+marks+" ORDER BY port_id, place", args...); err != nil {
			return fmt.Errorf("load gateways: %w", err)
		}
		for _, a := range addresses {
			byPort[a.PortID].Gateway = append(byPort[a.PortID].Gateway, a)
		}
		return nil
	})
	if err != nil || len(hosts) == 0 {
		return err
	}
	if err := zonesOf(tx, hosts); err != nil {
		return err
	}
	for _, n := range rows {
		if zone := hosts[n.Host]; zone != "" {
			n.Zones = []string{zone}
		}
	}
	return nil
}

// zonesOf fills in the availability zones of hosts.
func zonesOf(tx *db.Tx, hosts map[string]string) error {
	names := make([]string, 0, len(hosts))
	for name := range hosts {
		names = append(names, name)
	}
	return inBatches(names, func(marks string, args []any) error {
		var rows []struct {
			Host string `db:"host"`
			Zone string `db:"availability_zone"`
		}
		if err := tx.Select(&rows, "SELECT host, availability_zone FROM agents WHERE host IN "+marks, args...); err != nil {
			return err
		}
		for _, row := range rows {
			hosts[row.Host] = row.Zone
		}
		return nil
	})
}

// interfacesOf are the ports that join a router to networks, the gateway not among them.
func interfacesOf(tx *db.Tx, id string) ([]*port, error) {
	return portsWhere(tx, "device_id = ? AND device_owner = ?", id, ownerRouterInterface)
}

// routerSubnets are the subnets that a router has a port on, the gateway's included, and
// its own addresses.
func routerSubnets(tx *db.Tx, id string) ([]*subnet, []netip.Addr, error) {
	ports, err := portsWhere(tx, "device_id = ? AND device_owner IN ('"+ownerRouterInterface+"', '"+ownerRouterGateway+"')", id)
	if err != nil {
		return nil, nil, err
	}
	var own []netip.Addr
	var ids []string
	for _, p := range ports {
		for i := range p.Addresses {
			own = append(own, p.Addresses[i].addr())
			ids = append(ids, p.Addresses[i].SubnetID)
		}
	}
	var subnets []*subnet
	err = inBatches(ids, func(marks string, args []any) error {
		var rows []subnet
		if err := tx.Select(&rows, "SELECT "+subnetColumns+" FROM subnets WHERE id IN "+marks, args...); err != nil {
			return err
		}
		for i := range rows {
			subnets = append(subnets, &rows[i])
		}
		return nil
	})
	return subnets, own, err
}

// movePorts binds all ports of a router to a host.
func movePorts(tx *db.Tx, routerID, host string) error {
	_, err := tx.Exec("UPDATE ports SET host = ?, status = ? WHERE device_id = ? AND device_owner LIKE 'network:router%'", host, statusDown, routerID)
	return err
}

func deleteRouter(tx *db.Tx, id string) error {
	if _, err := tx.Exec("DELETE FROM tags WHERE resource_id = ?", id); err != nil {
		return err
	}
	_, err := tx.Exec("DELETE FROM routers WHERE id = ?", id)
	return err
}
