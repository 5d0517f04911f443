package network

import (
	"fmt"
	"time"

	"virga/core/db"
)

// objectKind says what a change is about.
type objectKind string

const (
	// changedPort is a guest's port, changedRouter a router with its ports and floating IPs.
	changedPort   objectKind = "port"
	changedRouter objectKind = "router"
	// changedNetwork is a network with all that follows from it for ports and routers on it;
	// changedPeers says only that other hosts carry it than before.
	changedNetwork objectKind = "network"
	changedPeers   objectKind = "peers"
	// changedGroup is a security group's rules, changedMembers its members' addresses.
	changedGroup   objectKind = "group"
	changedMembers objectKind = "members"
	// changedHost is everything on a host.
	changedHost objectKind = "host"
)

// changeRow says that an object changed: for one host, or for all that have to do with it.
type changeRow struct {
	Seq      int64      `db:"seq"`
	Kind     objectKind `db:"kind"`
	ObjectID string     `db:"object_id"`
	Host     string     `db:"host"`
	// Touched says of a set which of its members the change is about, and is empty when it may
	// be any of them (see part).
	Touched string `db:"touched"`

	// part is Touched as read, or nil. At is when this process read the row, and read counts
	// the rows that it had read then.
	part *part
	at   time.Time
	read int64
}

// newChange is a change without its number, which the database counts.
type newChange struct {
	Kind     objectKind `db:"kind"`
	ObjectID string     `db:"object_id"`
	Host     string     `db:"host"`
	Touched  string     `db:"touched"`
}

// maxTouched is the room that Touched has, in bytes.
const maxTouched = 2000

const changeColumns = "seq, kind, object_id, host, touched"

func insertChange(tx *db.Tx, row newChange) error {
	if err := tx.Insert("changes", row); err != nil {
		return fmt.Errorf("note change of %s %s: %w", row.Kind, row.ObjectID, err)
	}
	return nil
}

// changesFrom lists the changes from number seq on, and those in gaps.
func changesFrom(tx *db.Tx, seq int64, gaps []int64) ([]changeRow, error) {
	var rows []changeRow
	text, args := "SELECT "+changeColumns+" FROM changes WHERE seq >= ?", []any{seq}
	if len(gaps) > 0 {
		marks, more := db.In(gaps)
		text, args = text+" OR seq IN "+marks, append(args, more...)
	}
	err := tx.Select(&rows, text+" ORDER BY seq", args...)
	return readParts(rows), err
}

// lastChanges lists the newest changes, newest first.
func lastChanges(tx *db.Tx, limit int) ([]changeRow, error) {
	var rows []changeRow
	err := tx.Select(&rows, "SELECT "+changeColumns+" FROM changes ORDER BY seq DESC LIMIT ?", limit)
	return readParts(rows), err
}

func readParts(rows []changeRow) []changeRow {
	for i := range rows {
		rows[i].part = readPart(rows[i].Touched)
		rows[i].Touched = ""
	}
	return rows
}

// pruneChanges forgets old changes.
func pruneChanges(tx *db.Tx) error {
	newest, err := lastChanges(tx, 1)
	if err != nil || len(newest) == 0 {
		return err
	}
	_, err = tx.Exec("DELETE FROM changes WHERE seq <= ?", newest[0].Seq-changesKept)
	return err
}

// hostsThatSee are the hosts which a change for all concerns.
func hostsThatSee(tx *db.Tx, kind objectKind, ids []string) ([]string, error) {
	text := "SELECT DISTINCT host FROM ports WHERE host > '' AND network_id IN "
	switch kind {
	case changedGroup:
		text = "SELECT DISTINCT host FROM port_groups WHERE host > '' AND security_group_id IN "
	case changedMembers:
		text = "SELECT DISTINCT g.host AS host FROM security_group_rules r JOIN port_groups g ON g.security_group_id = r.security_group_id" +
			" WHERE g.host > '' AND r.remote_group_id IN "
	}
	var names []string
	err := inBatches(ids, func(marks string, args []any) error { return tx.Select(&names, text+marks, args...) })
	if err != nil {
		return nil, fmt.Errorf("find hosts that see %s: %w", kind, err)
	}
	return names, nil
}

// groupsReferringTo are the groups that have a rule whose remote side is the group.
func groupsReferringTo(tx *db.Tx, id string) ([]string, error) {
	var ids []string
	err := tx.Select(&ids, "SELECT DISTINCT security_group_id FROM security_group_rules WHERE remote_group_id = ?", id)
	return ids, err
}

// networksWithPortsOn are the networks that have ports on a host, its DHCP ports and the
// ports in except apart.
func networksWithPortsOn(tx *db.Tx, host string, except map[string]bool) (map[string]bool, error) {
	var rows []portOnNetwork
	found := map[string]bool{}
	err := tx.Select(&rows, "SELECT id, network_id FROM ports WHERE host = ? AND device_owner <> ?", host, ownerDHCP)
	if err != nil {
		return nil, err
	}
	expected, err := expectedRows(tx, host)
	for _, row := range append(rows, expected...) {
		if !except[row.ID] {
			found[row.NetworkID] = true
		}
	}
	return found, err
}

// groupsWithPortsOn are the groups of the ports on a host, those in except apart.
func groupsWithPortsOn(tx *db.Tx, host string, except map[string]bool) (map[string]bool, error) {
	var rows []portGroup
	found := map[string]bool{}
	err := tx.Select(&rows, "SELECT port_id, security_group_id, host FROM port_groups WHERE host = ?", host)
	if err != nil {
		return nil, err
	}
	expected, err := expectedGroups(tx, host)
	for _, row := range append(rows, expected...) {
		if !except[row.PortID] {
			found[row.GroupID] = true
		}
	}
	return found, err
}

// groupsNamedOn are those of the groups that a rule in force on a host names as its remote side.
func groupsNamedOn(tx *db.Tx, host string, ids []string) ([]string, error) {
	var found []string
	err := inBatches(ids, func(marks string, args []any) error {
		return tx.Select(&found, "SELECT DISTINCT remote_group_id FROM security_group_rules WHERE remote_group_id IN "+marks+
			" AND security_group_id IN (SELECT security_group_id FROM port_groups WHERE host = ?)", append(args, host)...)
	})
	return found, err
}
