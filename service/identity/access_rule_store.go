package identity

import (
	"slices"

	"virga/core/db"
	"virga/core/token"
)

// accessRuleRow is a kind of request that application credentials of a user may be narrowed to.
type accessRuleRow struct {
	ID      string `db:"id"`
	UserID  string `db:"user_id"`
	Service string `db:"service"`
	Method  string `db:"method"`
	Path    string `db:"path"`
}

func accessRuleByID(tx *db.Tx, id string) (accessRuleRow, error) {
	var row accessRuleRow
	err := tx.Get(&row, "SELECT "+db.Columns(row, "")+" FROM access_rules WHERE id = ?", id)
	return row, err
}

// sameAccessRule finds the rule of a user that says the same.
func sameAccessRule(tx *db.Tx, wish accessRuleRow) (accessRuleRow, error) {
	var row accessRuleRow
	err := tx.Get(&row, "SELECT "+db.Columns(row, "")+" FROM access_rules WHERE user_id = ? AND service = ? AND method = ? AND path = ? ORDER BY id",
		wish.UserID, wish.Service, wish.Method, wish.Path)
	return row, err
}

func insertAccessRule(c *change, row accessRuleRow) error {
	if err := c.Insert("access_rules", row); err != nil {
		return err
	}
	return c.record("access_rule", "create", row.ID, nil, accessRuleView{row.ID, row.Service, row.Method, row.Path})
}

func removeAccessRule(c *change, row accessRuleRow) error {
	if _, err := c.Exec("DELETE FROM access_rules WHERE id = ?", row.ID); err != nil {
		return err
	}
	return c.record("access_rule", "delete", row.ID, accessRuleView{row.ID, row.Service, row.Method, row.Path}, nil)
}

// accessRuleUsed tells whether an application credential of its user has the rule.
func accessRuleUsed(tx *db.Tx, row accessRuleRow) (bool, error) {
	var credentials []appCredentialRow
	err := tx.Select(&credentials, "SELECT "+db.Columns(appCredentialRow{}, "")+" FROM application_credentials WHERE user_id = ?", row.UserID)
	return slices.ContainsFunc(credentials, func(credential appCredentialRow) bool {
		return slices.ContainsFunc(credential.AccessRules, func(rule token.AccessRule) bool { return rule.ID == row.ID })
	}), err
}
