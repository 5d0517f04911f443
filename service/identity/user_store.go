package identity

import (
	"time"

	"virga/core/db"
	"virga/core/token"
)

// userRow is a user.
type userRow struct {
	ID               string       `db:"id"`
	Name             string       `db:"name"`
	DomainID         string       `db:"domain_id"`
	Enabled          bool         `db:"enabled"`
	DefaultProjectID string       `db:"default_project_id"`
	PasswordHash     token.Secret `db:"password_hash"`
	ValidAfter       int64        `db:"valid_after"`
	// PasswordExpires is when another password has to be chosen; zero for never.
	PasswordExpires time.Time `db:"password_expires_at"`
	PasswordSetAt   time.Time `db:"password_set_at"`
	// FailedLogins counts the log-ins that failed in a row, the last of them at FailedAt.
	FailedLogins int            `db:"failed_logins"`
	FailedAt     time.Time      `db:"failed_at"`
	ActiveAt     time.Time      `db:"active_at"`
	Options      map[string]any `db:"options,json"`
	Extra        map[string]any `db:"extra,json"`
}

func userByID(tx *db.Tx, id string) (userRow, error) {
	var row userRow
	err := tx.Get(&row, "SELECT "+db.Columns(row, "")+" FROM users WHERE id = ?", id)
	return row, err
}

func userByName(tx *db.Tx, domainID, name string) (userRow, error) {
	var row userRow
	err := tx.Get(&row, "SELECT "+db.Columns(row, "")+" FROM users WHERE domain_id = ? AND name = ?", domainID, name)
	return row, err
}

func usersByID(tx *db.Tx, ids []string) ([]userRow, error) {
	return selectIn[userRow](tx, "SELECT "+db.Columns(userRow{}, "")+" FROM users WHERE id IN", ids, "")
}

func insertUser(c *change, row userRow) error {
	if err := c.Insert("users", row); err != nil {
		return err
	}
	return c.record("user", "create", row.ID, nil, documentOfUser(row))
}

func updateUser(c *change, row userRow) error {
	before, err := userByID(c.Tx, row.ID)
	if err != nil {
		return err
	}
	if err := c.Update("users", row, "id"); err != nil {
		return err
	}
	c.forgetUser(row.ID)
	after := documentOfUser(row)
	after.PasswordChanged = before.PasswordHash != row.PasswordHash
	return c.record("user", "update", row.ID, documentOfUser(before), after)
}

// voidTokens makes all tokens void that were issued to the user up to now; a token's time
// of issue has whole seconds, and tokens issued later get a later one (see issueTime).
func (u *userRow) voidTokens(c *change) { u.ValidAfter = max(c.now.Unix(), u.ValidAfter+1) }

// removeUsers deletes users with what hangs on them: memberships, assignments,
// application credentials. The caller has the cache forget them.
func removeUsers(c *change, ids []string) error {
	for _, id := range ids {
		before, err := userByID(c.Tx, id)
		if err != nil {
			return err
		}
		for _, column := range []string{"trustor_id", "trustee_id", "root_trustor_id"} {
			if err := removeTrustsWhere(c, column, id); err != nil {
				return err
			}
		}
		if err := removeCredentialsWhere(c, "user_id", id); err != nil {
			return err
		}
		if err := removeOAuthWhere(c, "user_id", id); err != nil {
			return err
		}
		for _, text := range []string{
			"DELETE FROM memberships WHERE user_id = ?",
			"DELETE FROM assignments WHERE actor_id = ?",
			"DELETE FROM application_credentials WHERE user_id = ?",
			"DELETE FROM access_rules WHERE user_id = ?",
			"DELETE FROM password_history WHERE user_id = ?",
			"DELETE FROM users WHERE id = ?",
		} {
			if _, err := c.Exec(text, id); err != nil {
				return err
			}
		}
		if err := c.record("user", "delete", id, documentOfUser(before), nil); err != nil {
			return err
		}
	}
	return nil
}
