package identity

import (
	"time"

	"virga/core/db"
)

// revocationRow voids a token, or all tokens of the chain that begins with it.
type revocationRow struct {
	AuditID string    `db:"audit_id"`
	Expires time.Time `db:"expires"`
}

// lineageRow says that a token was made from another that was not the first of its chain.
type lineageRow struct {
	AuditID  string    `db:"audit_id"`
	ParentID string    `db:"parent_id"`
	Expires  time.Time `db:"expires"`
}

// revoked tells whether one of a token's audit ids is void.
func revoked(tx *db.Tx, auditIDs []string) (bool, error) {
	if len(auditIDs) == 0 {
		return false, nil
	}
	var n int
	err := tx.Get(&n, "SELECT COUNT(*) FROM revocations WHERE audit_id IN (?, ?)", auditIDs[0], auditIDs[len(auditIDs)-1])
	return n > 0, err
}

// revoke voids the token and all that were made from it. Tokens that were made from the
// first of a chain carry its id; for others the lineage is followed.
func revoke(c *change, auditID string, expires time.Time) error {
	voided := []string{auditID}
	for level := voided; len(level) > 0; {
		children, err := selectIn[string](c.Tx, "SELECT audit_id FROM token_lineage WHERE parent_id IN", level, "")
		if err != nil {
			return err
		}
		voided, level = append(voided, children...), children
	}
	for _, id := range voided {
		if err := c.Upsert("revocations", revocationRow{id, expires}, "audit_id"); err != nil {
			return err
		}
	}
	c.forgetTokens(voided)
	return c.record("token", "revoke", auditID, &tokenDocument{AuditID: auditID, ExpiresAt: expires}, &tokenDocument{AuditID: auditID, ExpiresAt: expires, Revoked: true})
}

// insertLineage remembers what a token was made from, unless that was revoked meanwhile.
func insertLineage(c *change, row lineageRow) (stands bool, err error) {
	var n int
	if err := c.Get(&n, "SELECT COUNT(*) FROM revocations WHERE audit_id = ?", row.ParentID); err != nil || n > 0 {
		return false, err
	}
	return true, c.Insert("token_lineage", row)
}

// pruneTokens forgets what concerns expired tokens only.
func pruneTokens(c *change, before time.Time) error {
	for _, table := range []string{"revocations", "token_lineage"} {
		if _, err := c.Exec("DELETE FROM "+table+" WHERE expires < ?", before); err != nil {
			return err
		}
	}
	return nil
}
