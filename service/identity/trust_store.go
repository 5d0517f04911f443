package identity

import (
	"time"

	"virga/core/db"
)

// trustRow lets its trustee act on a project with some roles of its trustor.
type trustRow struct {
	ID        string `db:"id"`
	TrustorID string `db:"trustor_id"`
	TrusteeID string `db:"trustee_id"`
	// RootID is the trustor of the first of a chain of trusts.
	RootID    string `db:"root_trustor_id"`
	ProjectID string `db:"project_id"`
	// Impersonation has the trustee's tokens be the trustor's.
	Impersonation bool      `db:"impersonation"`
	Expires       time.Time `db:"expires"`
	// RemainingUses is how many tokens may still be issued, unbounded for any number.
	RemainingUses int64 `db:"remaining_uses"`
	// Redelegations is how many trusts may be chained to this one.
	Redelegations int `db:"redelegation_count"`
	// ParentID is the trust that this one is chained to, or empty.
	ParentID string `db:"redelegated_trust_id"`
	// Roles are the ids of the roles.
	Roles []string       `db:"roles,json"`
	Extra map[string]any `db:"extra,json"`
}

const unbounded = -1

func trustByID(tx *db.Tx, id string) (trustRow, error) {
	var row trustRow
	err := tx.Get(&row, "SELECT "+db.Columns(row, "")+" FROM trusts WHERE id = ?", id)
	return row, err
}

func insertTrust(c *change, row trustRow) error {
	if err := c.Insert("trusts", row); err != nil {
		return err
	}
	return c.record("trust", "create", row.ID, nil, documentOfTrust(row))
}

// useTrust counts a token of a trust; false when there are none left.
func useTrust(tx *db.Tx, id string) (bool, error) {
	changed, err := tx.Exec("UPDATE trusts SET remaining_uses = CASE WHEN remaining_uses > 0 THEN remaining_uses - 1 ELSE remaining_uses END"+
		" WHERE id = ? AND remaining_uses <> 0", id)
	if err != nil || changed > 0 {
		return changed > 0, err
	}
	// An engine may count only rows that it has changed: a trust without a bound is none.
	row, err := trustByID(tx, id)
	return err == nil && row.RemainingUses == unbounded, err
}

// removeTrust deletes a trust with those that are chained to it.
func removeTrust(c *change, row trustRow) error {
	if err := removeTrustsWhere(c, "redelegated_trust_id", row.ID); err != nil {
		return err
	}
	if err := removeCredentialsWhere(c, "trust_id", row.ID); err != nil {
		return err
	}
	if _, err := c.Exec("DELETE FROM trusts WHERE id = ?", row.ID); err != nil {
		return err
	}
	c.forgetUser(row.TrustorID)
	c.forgetUser(row.TrusteeID)
	return c.record("trust", "delete", row.ID, documentOfTrust(row), nil)
}

// removeTrustsWhere deletes the trusts of a user or a project that goes.
func removeTrustsWhere(c *change, column, id string) error {
	var ids []string
	if err := c.Select(&ids, "SELECT id FROM trusts WHERE "+column+" = ? ORDER BY id", id); err != nil {
		return err
	}
	for _, one := range ids {
		row, err := trustByID(c.Tx, one)
		if isGone(err) { // with the one that it was chained to
			continue
		}
		if err == nil {
			err = removeTrust(c, row)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

type trustDocument struct {
	ID            string     `json:"id"`
	TrustorID     string     `json:"trustor_user_id"`
	TrusteeID     string     `json:"trustee_user_id"`
	ProjectID     *string    `json:"project_id"`
	Impersonation bool       `json:"impersonation"`
	ExpiresAt     *time.Time `json:"expires_at"`
	Roles         []string   `json:"roles"`
}

func documentOfTrust(row trustRow) *trustDocument {
	doc := &trustDocument{ID: row.ID, TrustorID: row.TrustorID, TrusteeID: row.TrusteeID, ProjectID: nullable(row.ProjectID),
		Impersonation: row.Impersonation, Roles: row.Roles}
	if !row.Expires.IsZero() {
		doc.ExpiresAt = &row.Expires
	}
	return doc
}
