package network

import (
	"errors"
	"fmt"
	"strings"

	"virga/core/api"
	"virga/core/db"
)

// batch bounds the lists that are bound to one statement.
const batch = 500

// inBatches calls fn with the marks and arguments of every so many ids.
func inBatches(ids []string, fn func(marks string, args []any) error) error {
	for len(ids) > 0 {
		some := ids[:min(len(ids), batch)]
		ids = ids[len(some):]
		marks, args := db.In(some)
		if err := fn(marks, args); err != nil {
			return err
		}
	}
	return nil
}

func joined(ids []string) string { return strings.Join(ids, ", ") }

func getNetwork(tx *db.Tx, id string) (*network, error) {
	if !printable(id) {
		return nil, networkNotFound(id)
	}
	var n network
	err := tx.Get(&n, "SELECT "+db.Columns(n, "")+" FROM networks WHERE id = ?", id)
	if errors.Is(err, db.ErrNotFound) {
		return nil, networkNotFound(id)
	}
	return &n, err
}

// networksOf reads many networks at once, by id.
func networksOf(tx *db.Tx, ids []string) (map[string]*network, error) {
	found := map[string]*network{}
	err := inBatches(ids, func(marks string, args []any) error {
		var rows []network
		if err := tx.Select(&rows, "SELECT "+db.Columns(rows, "")+" FROM networks WHERE id IN "+marks, args...); err != nil {
			return err
		}
		for i := range rows {
			found[rows[i].ID] = &rows[i]
		}
		return nil
	})
	return found, err
}

func insertNetwork(tx *db.Tx, n *network) error { return tx.Insert("networks", n) }

// completeNetworks loads the subnets and zones of networks.
func completeNetworks(tx *db.Tx, rows []*network) error {
	if err := loadSubnetsOf(tx, rows); err != nil {
		return err
	}
	byID, ids := networksByID(rows)
	return inBatches(ids, func(marks string, args []any) error {
		var zones []struct {
			NetworkID string `db:"network_id"`
			Zone      string `db:"availability_zone"`
		}
		if err := tx.Select(&zones, "SELECT DISTINCT p.network_id AS network_id, a.availability_zone AS availability_zone FROM ports p JOIN agents a ON a.host = p.host"+
			" WHERE p.network_id IN "+marks+" AND p.device_owner = '"+ownerDHCP+"' ORDER BY availability_zone", args...); err != nil {
			return err
		}
		for _, zone := range zones {
			byID[zone.NetworkID].Zones = append(byID[zone.NetworkID].Zones, zone.Zone)
		}
		return nil
	})
}

// loadSubnetsOf loads the ids of the subnets of networks.
func loadSubnetsOf(tx *db.Tx, rows []*network) error {
	byID, ids := networksByID(rows)
	return inBatches(ids, func(marks string, args []any) error {
		var pairs []struct {
			NetworkID string `db:"network_id"`
			ID        string `db:"id"`
		}
		if err := tx.Select(&pairs, "SELECT network_id, id FROM subnets WHERE network_id IN "+marks+" ORDER BY created_at, id", args...); err != nil {
			return err
		}
		for _, pair := range pairs {
			byID[pair.NetworkID].SubnetIDs = append(byID[pair.NetworkID].SubnetIDs, pair.ID)
		}
		return nil
	})
}

func networksByID(rows []*network) (byID map[string]*network, ids []string) {
	byID, ids = map[string]*network{}, make([]string, len(rows))
	for i, n := range rows {
		byID[n.ID], ids[i] = n, n.ID
	}
	return byID, ids
}

// byConstant filters on an attribute that has the same value everywhere.
func byConstant(value string) filter {
	return func(l *db.List, values []string) error {
		for _, v := range values {
			if v == value {
				return nil
			}
		}
		l.Where("1 = 0")
		return nil
	}
}

// allocateSegment gives the network its segment, or says that the wanted one is taken.
func allocateSegment(tx *db.Tx, n *network) error {
	switch {
	case n.Type == typeVXLAN && n.SegmentationID == 0:
		return allocateNumber(tx, n, "vxlan", maxVNI)
	case n.Type == typeVLAN && n.SegmentationID == 0:
		return allocateNumber(tx, n, "vlan:"+n.PhysicalNetwork, maxVLAN)
	}
	n.SegmentKey = segmentKey(n, n.SegmentationID)
	taken, err := segmentTaken(tx, n.SegmentKey)
	switch {
	case err != nil:
		return err
	case !taken:
		return nil
	case n.Type == typeFlat:
		return conflict("FlatNetworkInUse", "Unable to create the flat network. Physical network %s is in use.", n.PhysicalNetwork)
	case n.Type == typeVLAN:
		return conflict("VlanIdInUse", "Unable to create the network. The VLAN %d on physical network %s is in use.", n.SegmentationID, n.PhysicalNetwork)
	}
	return conflict("TunnelIdInUse", "Unable to create the network. The tunnel ID %d is in use.", n.SegmentationID)
}

// segmentKey is the same for two networks exactly when they would share a wire.
func segmentKey(n *network, id int) string {
	switch n.Type {
	case typeVXLAN:
		return fmt.Sprintf("vxlan:%d", id)
	case typeFlat:
		return "flat:" + n.PhysicalNetwork
	case typeVLAN:
		return fmt.Sprintf("vlan:%s:%d", n.PhysicalNetwork, id)
	}
	return "local:" + n.ID
}

func segmentTaken(tx *db.Tx, key string) (bool, error) {
	var count int
	err := tx.Get(&count, "SELECT COUNT(*) FROM networks WHERE segment_key = ?", key)
	return count > 0, err
}

// allocateNumber goes round the ids, so that one that was freed rests as long as possible.
func allocateNumber(tx *db.Tx, n *network, counter string, most int) error {
	var last int
	if err := tx.Get(&last, "SELECT value FROM counters WHERE name = ?", counter); err != nil && !errors.Is(err, db.ErrNotFound) {
		return err
	}
	for range min(most, 10000) {
		last = last%most + 1
		key := segmentKey(n, last)
		taken, err := segmentTaken(tx, key)
		if err != nil {
			return err
		}
		if !taken {
			n.SegmentationID, n.SegmentKey = last, key
			return tx.Upsert("counters", struct {
				Name  string `db:"name"`
				Value int    `db:"value"`
			}{counter, last}, "name")
		}
	}
	return api.Unavailable("Unable to create the network. No tenant network is available for allocation.").WithCode("NoNetworkAvailable")
}

// defaultExternalNetwork is the id of the default external network other than id.
func defaultExternalNetwork(tx *db.Tx, id string) (string, error) {
	var other string
	err := tx.Get(&other, "SELECT id FROM networks WHERE external = 1 AND is_default = 1 AND id <> ?", id)
	return other, err
}

// usedByOthers tells whether another project than the owner has ports or subnets on a network.
func usedByOthers(tx *db.Tx, n *network) (bool, error) {
	var count int
	err := tx.Get(&count, "SELECT (SELECT COUNT(*) FROM ports WHERE network_id = ? AND project_id <> ? AND project_id <> '')"+
		" + (SELECT COUNT(*) FROM subnets WHERE network_id = ? AND project_id <> ?)", n.ID, n.ProjectID, n.ID, n.ProjectID)
	return count > 0, err
}

// usedAsGateway tells whether routers or floating IPs need the network to be external.
func usedAsGateway(tx *db.Tx, id string) (bool, error) {
	var count int
	err := tx.Get(&count, "SELECT (SELECT COUNT(*) FROM routers WHERE gateway_network_id = ?) + (SELECT COUNT(*) FROM floating_ips WHERE network_id = ?)", id, id)
	return count > 0, err
}

// lastingPorts are some of the ports that keep a network from being deleted.
func lastingPorts(tx *db.Tx, id string) ([]string, error) {
	var ids []string
	err := tx.Select(&ids, "SELECT id FROM ports WHERE network_id = ? AND device_owner <> ? ORDER BY id LIMIT 20", id, ownerDHCP)
	return ids, err
}

// deleteNetwork removes a network with its subnets and the DHCP ports on it.
func deleteNetwork(tx *db.Tx, id string) error {
	for _, text := range []string{
		"DELETE FROM tags WHERE resource_id IN (SELECT id FROM subnets WHERE network_id = ?)",
		"DELETE FROM tags WHERE resource_id IN (SELECT id FROM ports WHERE network_id = ?)",
		"DELETE FROM tags WHERE resource_id = ?",
		"DELETE FROM port_addresses WHERE network_id = ?",
		"DELETE FROM ports WHERE network_id = ?",
		"DELETE FROM subnets WHERE network_id = ?",
		"DELETE FROM networks WHERE id = ?",
	} {
		if _, err := tx.Exec(text, id); err != nil {
			return fmt.Errorf("delete network %s: %w", id, err)
		}
	}
	return nil
}
