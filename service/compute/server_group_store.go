package compute

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"virga/core/db"
)

// serverGroup is a row of the table server_groups.
type serverGroup struct {
	ID         string    `db:"id"`
	ProjectID  string    `db:"project_id"`
	UserID     string    `db:"user_id"`
	Name       string    `db:"name"`
	Policy     string    `db:"policy"`
	MaxPerHost int       `db:"max_per_host"`
	CreatedAt  time.Time `db:"created_at"`
}

var groupColumns = db.Columns(serverGroup{}, "")

func findGroup(tx *db.Tx, id string) (*serverGroup, error) {
	row := &serverGroup{}
	err := tx.Get(row, "SELECT "+groupColumns+" FROM server_groups WHERE id = ?", id)
	return row, err
}

func insertGroup(tx *db.Tx, row *serverGroup) error { return tx.Insert("server_groups", row) }

func deleteGroup(tx *db.Tx, id string) error {
	if _, err := tx.Exec("DELETE FROM server_group_members WHERE group_id = ?", id); err != nil {
		return err
	}
	_, err := tx.Exec("DELETE FROM server_groups WHERE id = ?", id)
	return err
}

// listGroups returns a page of a project's groups, of all projects for an empty id.
func listGroups(tx *db.Tx, projectID string, offset, limit int) ([]serverGroup, error) {
	text, args := "SELECT "+groupColumns+" FROM server_groups", []any{}
	if projectID != "" {
		text, args = text+" WHERE project_id = ?", append(args, projectID)
	}
	var rows []serverGroup
	err := tx.Select(&rows, text+" ORDER BY created_at, id LIMIT ? OFFSET ?", append(args, limit, offset)...)
	return rows, err
}

func countGroups(tx *db.Tx, projectID string) (int64, error) {
	var n int64
	err := tx.Get(&n, "SELECT COUNT(*) FROM server_groups WHERE project_id = ?", projectID)
	return n, err
}

func groupMembers(tx *db.Tx, groupID string) ([]string, error) {
	members := []string{}
	err := tx.Select(&members, "SELECT server_id FROM server_group_members WHERE group_id = ? ORDER BY server_id", groupID)
	return members, err
}

// membersOfGroups returns the members of groups, by group.
func membersOfGroups(tx *db.Tx, groups []serverGroup) (map[string][]string, error) {
	members := map[string][]string{}
	for batch := range slices.Chunk(groups, 500) {
		ids := make([]string, len(batch))
		for i := range batch {
			ids[i] = batch[i].ID
		}
		var rows []struct {
			GroupID  string `db:"group_id"`
			ServerID string `db:"server_id"`
		}
		marks, args := db.In(ids)
		if err := tx.Select(&rows, "SELECT group_id, server_id FROM server_group_members WHERE group_id IN "+marks+" ORDER BY group_id, server_id", args...); err != nil {
			return nil, fmt.Errorf("list members of groups: %w", err)
		}
		for _, row := range rows {
			members[row.GroupID] = append(members[row.GroupID], row.ServerID)
		}
	}
	return members, nil
}

func addGroupMember(tx *db.Tx, groupID, serverID string) error {
	_, err := tx.Exec("INSERT INTO server_group_members (group_id, server_id) VALUES (?, ?)", groupID, serverID)
	return err
}

// groupsOfServers returns the ids of the groups that servers are in.
func groupsOfServers(tx *db.Tx, ids []string) (map[string][]string, error) {
	var rows []struct {
		GroupID  string `db:"group_id"`
		ServerID string `db:"server_id"`
	}
	marks, args := db.In(ids)
	if err := tx.Select(&rows, "SELECT group_id, server_id FROM server_group_members WHERE server_id IN "+marks, args...); err != nil {
		return nil, err
	}
	byServer := map[string][]string{}
	for _, row := range rows {
		byServer[row.ServerID] = append(byServer[row.ServerID], row.GroupID)
	}
	return byServer, nil
}

// groupWishOf is what a server's group asks of the scheduler, nil without a group.
func groupWishOf(tx *db.Tx, serverID string) (*groupWish, error) {
	var g serverGroup
	err := tx.Get(&g, "SELECT "+groupColumns+" FROM server_groups WHERE id IN (SELECT group_id FROM server_group_members WHERE server_id = ?)", serverID)
	if errors.Is(err, db.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return wishOfGroup(tx, &g, serverID)
}

// wishOfGroup is what a server group asks of the scheduler for one member, which may be none yet.
func wishOfGroup(tx *db.Tx, g *serverGroup, serverID string) (*groupWish, error) {
	var rows []struct {
		Host  string `db:"host"`
		Count int    `db:"members"`
	}
	err := tx.Select(&rows, "SELECT host, COUNT(*) AS members FROM servers WHERE deleted_at = 0 AND host <> '' AND id <> ? AND id IN"+
		" (SELECT server_id FROM server_group_members WHERE group_id = ?) GROUP BY host", serverID, g.ID)
	if err != nil {
		return nil, err
	}
	w := &groupWish{Policy: g.Policy, MaxPerHost: g.MaxPerHost, Hosts: map[string]int{}}
	for _, row := range rows {
		w.Hosts[row.Host] = row.Count
	}
	// Those that are on their way to a host count there as well.
	marks, ended := db.In(endedMigrations())
	rows = nil
	err = tx.Select(&rows, "SELECT m.dest_host AS host, COUNT(*) AS members FROM server_group_members g JOIN servers s ON s.id = g.server_id"+
		" JOIN migrations m ON m.server_id = s.id WHERE g.group_id = ? AND s.id <> ? AND s.deleted_at = 0 AND m.dest_host <> '' AND m.dest_host <> s.host"+
		" AND m.status NOT IN "+marks+" GROUP BY m.dest_host", append([]any{g.ID, serverID}, ended...)...)
	for _, row := range rows {
		w.Hosts[row.Host] += row.Count
	}
	return w, err
}
