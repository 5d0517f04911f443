package network

import (
	"errors"
	"fmt"

	"virga/core/db"
)

var (
	groupColumns = db.Columns(securityGroup{}, "")
	ruleColumns  = db.Columns(groupRule{}, "")
)

func getGroup(tx *db.Tx, id string) (*securityGroup, error) {
	if !printable(id) {
		return nil, groupNotFound(id)
	}
	var g securityGroup
	err := tx.Get(&g, "SELECT "+groupColumns+" FROM security_groups WHERE id = ?", id)
	if errors.Is(err, db.ErrNotFound) {
		return nil, groupNotFound(id)
	}
	return &g, err
}

// defaultGroupOf is the id of a project's default group, or db.ErrNotFound.
func defaultGroupOf(tx *db.Tx, project string) (string, error) {
	var id string
	err := tx.Get(&id, "SELECT id FROM security_groups WHERE default_of = ?", project)
	return id, err
}

// insertGroup writes a new group with its first rules, which are for any protocol.
func insertGroup(tx *db.Tx, g *securityGroup) error {
	if err := tx.Insert("security_groups", g); err != nil {
		return err
	}
	for _, rule := range g.Rules {
		rule.IdentityKey = rule.identity(-1)
		if err := insertRule(tx, rule); err != nil {
			return err
		}
	}
	return nil
}

// completeGroups loads the rules of groups.
func completeGroups(tx *db.Tx, rows []*securityGroup) error {
	byID, ids := map[string]*securityGroup{}, make([]string, len(rows))
	for i, g := range rows {
		byID[g.ID], ids[i] = g, g.ID
	}
	rules, err := rulesOf(tx, ids)
	for _, rule := range rules {
		byID[rule.GroupID].Rules = append(byID[rule.GroupID].Rules, rule)
	}
	return err
}

// rulesOf are the rules of many groups.
func rulesOf(tx *db.Tx, groups []string) ([]*groupRule, error) {
	var rules []*groupRule
	err := inBatches(groups, func(marks string, args []any) error {
		var rows []groupRule
		if err := tx.Select(&rows, "SELECT "+ruleColumns+" FROM security_group_rules WHERE security_group_id IN "+marks+
			" ORDER BY security_group_id, id", args...); err != nil {
			return fmt.Errorf("load rules: %w", err)
		}
		for i := range rows {
			rules = append(rules, &rows[i])
		}
		return nil
	})
	return rules, err
}

// groupOwners are the projects of groups, by group.
func groupOwners(tx *db.Tx, ids []string) (map[string]string, error) {
	owners := map[string]string{}
	err := inBatches(ids, func(marks string, args []any) error {
		var rows []struct {
			ID        string `db:"id"`
			ProjectID string `db:"project_id"`
		}
		if err := tx.Select(&rows, "SELECT id, project_id FROM security_groups WHERE id IN "+marks, args...); err != nil {
			return err
		}
		for _, row := range rows {
			owners[row.ID] = row.ProjectID
		}
		return nil
	})
	return owners, err
}

func groupUsed(tx *db.Tx, id string) (bool, error) {
	var count int
	err := tx.Get(&count, "SELECT COUNT(*) FROM port_groups WHERE security_group_id = ?", id)
	return count > 0, err
}

func deleteGroup(tx *db.Tx, id string) error {
	for _, text := range []string{
		"DELETE FROM security_group_rules WHERE remote_group_id = ?",
		"DELETE FROM security_group_rules WHERE security_group_id = ?",
		"DELETE FROM tags WHERE resource_id = ?",
		"DELETE FROM security_groups WHERE id = ?",
	} {
		if _, err := tx.Exec(text, id); err != nil {
			return fmt.Errorf("delete security group %s: %w", id, err)
		}
	}
	return nil
}

func getRule(tx *db.Tx, id string) (*groupRule, error) {
	if !printable(id) {
		return nil, groupRuleNotFound(id)
	}
	var rule groupRule
	err := tx.Get(&rule, "SELECT "+ruleColumns+" FROM security_group_rules WHERE id = ?", id)
	if errors.Is(err, db.ErrNotFound) {
		return nil, groupRuleNotFound(id)
	}
	return &rule, err
}

func insertRule(tx *db.Tx, rule *groupRule) error { return tx.Insert("security_group_rules", rule) }

// ruleWithIdentity is the id of the rule that means the same; empty when there is none.
func ruleWithIdentity(tx *db.Tx, key string) (string, error) {
	var id string
	err := tx.Get(&id, "SELECT id FROM security_group_rules WHERE identity_key = ?", key)
	if errors.Is(err, db.ErrNotFound) {
		return "", nil
	}
	return id, err
}

func deleteRule(tx *db.Tx, id string) error {
	_, err := tx.Exec("DELETE FROM security_group_rules WHERE id = ?", id)
	return err
}
