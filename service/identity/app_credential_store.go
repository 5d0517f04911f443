package identity

import (
	"time"

	"virga/core/db"
	"virga/core/token"
)

// appCredentialRow lets a program act for a user on one project with some of the user's roles.
type appCredentialRow struct {
	ID           string       `db:"id"`
	Name         string       `db:"name"`
	UserID       string       `db:"user_id"`
	ProjectID    string       `db:"project_id"`
	Description  string       `db:"description"`
	SecretHash   token.Secret `db:"secret_hash"`
	Expires      time.Time    `db:"expires"`
	Unrestricted bool         `db:"unrestricted"`
	// Roles are the ids of the roles that it gives, as long as the user has them.
	Roles       []string           `db:"roles,json"`
	AccessRules []token.AccessRule `db:"access_rules,json"`
}

func appCredentialByID(tx *db.Tx, id string) (appCredentialRow, error) {
	var row appCredentialRow
	err := tx.Get(&row, "SELECT "+db.Columns(row, "")+" FROM application_credentials WHERE id = ?", id)
	return row, err
}

func appCredentialByName(tx *db.Tx, userID, name string) (appCredentialRow, error) {
	var row appCredentialRow
	err := tx.Get(&row, "SELECT "+db.Columns(row, "")+" FROM application_credentials WHERE user_id = ? AND name = ?", userID, name)
	return row, err
}

func insertAppCredential(c *change, row appCredentialRow) error {
	if err := c.Insert("application_credentials", row); err != nil {
		return err
	}
	return c.record("application_credential", "create", row.ID, nil, documentOfAppCredential(row))
}

func removeAppCredential(c *change, row appCredentialRow) error {
	if err := removeCredentialsWhere(c, "app_cred_id", row.ID); err != nil {
		return err
	}
	if _, err := c.Exec("DELETE FROM application_credentials WHERE id = ?", row.ID); err != nil {
		return err
	}
	c.forgetUser(row.UserID)
	return c.record("application_credential", "delete", row.ID, documentOfAppCredential(row), nil)
}

// ofUser cuts a list of application credentials down to those of a user.
func ofUser(list *db.List, userID string) { list.Where("user_id = ?", userID) }
