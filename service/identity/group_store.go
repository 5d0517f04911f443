package identity

import (
	"virga/core/db"
)

// groupRow is a group of users.
type groupRow struct {
	ID          string         `db:"id"`
	Name        string         `db:"name"`
	DomainID    string         `db:"domain_id"`
	Description string         `db:"description"`
	Extra       map[string]any `db:"extra,json"`
}

// membershipRow says that a user is in a group.
type membershipRow struct {
	UserID  string `db:"user_id"`
	GroupID string `db:"group_id"`
}

func groupByID(tx *db.Tx, id string) (groupRow, error) {
	var row groupRow
	err := tx.Get(&row, "SELECT "+db.Columns(row, "")+" FROM identity_groups WHERE id = ?", id)
	return row, err
}

func groupsByID(tx *db.Tx, ids []string) ([]groupRow, error) {
	return selectIn[groupRow](tx, "SELECT "+db.Columns(groupRow{}, "")+" FROM identity_groups WHERE id IN", ids, "")
}

func insertGroup(c *change, row groupRow) error {
	if err := c.Insert("identity_groups", row); err != nil {
		return err
	}
	return c.record("group", "create", row.ID, nil, documentOfGroup(row))
}

func updateGroup(c *change, row groupRow) error {
	before, err := groupByID(c.Tx, row.ID)
	if err != nil {
		return err
	}
	if err := c.Update("identity_groups", row, "id"); err != nil {
		return err
	}
	return c.record("group", "update", row.ID, documentOfGroup(before), documentOfGroup(row))
}

// removeGroups deletes groups with their memberships and assignments.
func removeGroups(c *change, ids []string) error {
	for _, id := range ids {
		before, err := groupByID(c.Tx, id)
		if err != nil {
			return err
		}
		for _, text := range []string{
			"DELETE FROM memberships WHERE group_id = ?",
			"DELETE FROM assignments WHERE actor_id = ?",
			"DELETE FROM identity_groups WHERE id = ?",
		} {
			if _, err := c.Exec(text, id); err != nil {
				return err
			}
		}
		if err := c.record("group", "delete", id, documentOfGroup(before), nil); err != nil {
			return err
		}
	}
	c.forgetAll()
	return nil
}

func isMember(tx *db.Tx, row membershipRow) (bool, error) {
	var n int
	err := tx.Get(&n, "SELECT COUNT(*) FROM memberships WHERE user_id = ? AND group_id = ?", row.UserID, row.GroupID)
	return n > 0, err
}

func insertMembership(c *change, row membershipRow) error {
	if err := c.Upsert("memberships", row, "user_id", "group_id"); err != nil {
		return err
	}
	c.forgetUser(row.UserID)
	return c.record("group_member", "create", row.GroupID, nil, documentOfMembership(row))
}

// removeMembership tells whether there was one.
func removeMembership(c *change, row membershipRow) (bool, error) {
	n, err := c.Exec("DELETE FROM memberships WHERE user_id = ? AND group_id = ?", row.UserID, row.GroupID)
	if err != nil || n == 0 {
		return false, err
	}
	c.forgetUser(row.UserID)
	return true, c.record("group_member", "delete", row.GroupID, documentOfMembership(row), nil)
}

// membersOf lists the memberships of groups.
func membersOf(tx *db.Tx, groupIDs []string) ([]membershipRow, error) {
	return selectIn[membershipRow](tx, "SELECT user_id, group_id FROM memberships WHERE group_id IN", groupIDs, "ORDER BY user_id")
}

// idsInDomain lists the ids of a table's rows that a domain owns.
func idsInDomain(tx *db.Tx, table, domainID string) ([]string, error) {
	var ids []string
	err := tx.Select(&ids, "SELECT id FROM "+table+" WHERE domain_id = ? ORDER BY id", domainID)
	return ids, err
}

// whereMember cuts a list of groups down to those that a user is in.
func whereMember(list *db.List, userID string) {
	list.Where("id IN (SELECT group_id FROM memberships WHERE user_id = ?)", userID)
}

// whereIn cuts a list of users down to the members of a group.
func whereIn(list *db.List, groupID string) {
	list.Where("id IN (SELECT user_id FROM memberships WHERE group_id = ?)", groupID)
}
