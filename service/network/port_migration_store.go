package network

import "virga/core/db"

// portOnNetwork is a port with its network.
type portOnNetwork struct {
	ID        string `db:"id"`
	NetworkID string `db:"network_id"`
}

// expectedRows are the ports that are expected on a host, with their networks.
func expectedRows(tx *db.Tx, host string) ([]portOnNetwork, error) {
	var rows []portOnNetwork
	err := tx.Select(&rows, "SELECT id, network_id FROM ports WHERE migrating_to = ?", host)
	return rows, err
}

// expectedGroups are the groups of the ports that are expected on a host.
func expectedGroups(tx *db.Tx, host string) ([]portGroup, error) {
	var rows []portGroup
	err := tx.Select(&rows, "SELECT g.port_id, g.security_group_id, g.host FROM port_groups g JOIN ports p ON p.id = g.port_id WHERE p.migrating_to = ?", host)
	return rows, err
}
