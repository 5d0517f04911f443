package identity

import (
	"virga/core/db"
)

// roleRow is a role; DomainID is empty for roles of the whole cloud.
type roleRow struct {
	ID          string         `db:"id"`
	Name        string         `db:"name"`
	DomainID    string         `db:"domain_id"`
	Description string         `db:"description"`
	Options     map[string]any `db:"options,json"`
	Extra       map[string]any `db:"extra,json"`
}

// impliedRow says that who has the prior role has the implied one too.
type impliedRow struct {
	PriorID   string `db:"prior_role_id"`
	ImpliedID string `db:"implied_role_id"`
}

func roleByID(tx *db.Tx, id string) (roleRow, error) {
	var row roleRow
	err := tx.Get(&row, "SELECT "+db.Columns(row, "")+" FROM roles WHERE id = ?", id)
	return row, err
}

func roleByName(tx *db.Tx, domainID, name string) (roleRow, error) {
	var row roleRow
	err := tx.Get(&row, "SELECT "+db.Columns(row, "")+" FROM roles WHERE domain_id = ? AND name = ?", domainID, name)
	return row, err
}

func rolesByID(tx *db.Tx, ids []string) ([]roleRow, error) {
	return selectIn[roleRow](tx, "SELECT "+db.Columns(roleRow{}, "")+" FROM roles WHERE id IN", ids, "ORDER BY name, id")
}

func insertRole(c *change, row roleRow) error {
	if err := c.Insert("roles", row); err != nil {
		return err
	}
	return c.record("role", "create", row.ID, nil, documentOfRole(row))
}

func updateRole(c *change, row roleRow) error {
	before, err := roleByID(c.Tx, row.ID)
	if err != nil {
		return err
	}
	if err := c.Update("roles", row, "id"); err != nil {
		return err
	}
	c.forgetAll()
	return c.record("role", "update", row.ID, documentOfRole(before), documentOfRole(row))
}

// removeRole deletes a role with its assignments and implications.
func removeRole(c *change, id string) error {
	before, err := roleByID(c.Tx, id)
	if err != nil {
		return err
	}
	if err := removeOAuthOfRole(c, id); err != nil {
		return err
	}
	for _, text := range []string{
		"DELETE FROM assignments WHERE role_id = ?",
		"DELETE FROM implied_roles WHERE prior_role_id = ?",
		"DELETE FROM implied_roles WHERE implied_role_id = ?",
		"DELETE FROM roles WHERE id = ?",
	} {
		if _, err := c.Exec(text, id); err != nil {
			return err
		}
	}
	c.forgetAll()
	return c.record("role", "delete", id, documentOfRole(before), nil)
}

func implications(tx *db.Tx) ([]impliedRow, error) {
	var rows []impliedRow
	err := tx.Select(&rows, "SELECT prior_role_id, implied_role_id FROM implied_roles ORDER BY prior_role_id, implied_role_id")
	return rows, err
}

func insertImplication(c *change, row impliedRow) error {
	if err := c.Upsert("implied_roles", row, "prior_role_id", "implied_role_id"); err != nil {
		return err
	}
	c.forgetAll()
	return c.record("role_inference", "create", row.PriorID, nil, documentOfImplication(row))
}

// removeImplication tells whether there was one.
func removeImplication(c *change, row impliedRow) (bool, error) {
	n, err := c.Exec("DELETE FROM implied_roles WHERE prior_role_id = ? AND implied_role_id = ?", row.PriorID, row.ImpliedID)
	if err != nil || n == 0 {
		return false, err
	}
	c.forgetAll()
	return true, c.record("role_inference", "delete", row.PriorID, documentOfImplication(row), nil)
}

// implying returns a role and those that imply it, directly or not, of which only as many are
// looked for as a query can name.
func implying(roleID string, implied []impliedRow) []string {
	turned := make([]impliedRow, len(implied))
	for i, row := range implied {
		turned[i] = impliedRow{PriorID: row.ImpliedID, ImpliedID: row.PriorID}
	}
	all, _ := withImplied([]string{roleID}, turned)
	return all[:min(len(all), maxList)]
}

// withImplied returns the roles and all that they imply, directly or not; because names
// for each implied role the one that implied it.
func withImplied(roleIDs []string, implied []impliedRow) (all []string, because map[string]string) {
	byPrior := map[string][]string{}
	for _, row := range implied {
		byPrior[row.PriorID] = append(byPrior[row.PriorID], row.ImpliedID)
	}
	because = map[string]string{}
	seen := map[string]bool{}
	for _, id := range roleIDs {
		if !seen[id] {
			seen[id] = true
			all = append(all, id)
		}
	}
	for i := 0; i < len(all); i++ {
		for _, next := range byPrior[all[i]] {
			if !seen[next] {
				seen[next], because[next] = true, all[i]
				all = append(all, next)
			}
		}
	}
	return all, because
}
