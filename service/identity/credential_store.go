package identity

import (
	"errors"

	"virga/core/db"
)

// credentialRow is something that a user proves who they are with at other places than the
// Identity API: an EC2 key pair, a seed of one-time passwords, a certificate.
type credentialRow struct {
	ID        string `db:"id"`
	Type      string `db:"type"`
	UserID    string `db:"user_id"`
	ProjectID string `db:"project_id"`
	// Sealed is the blob, sealed under the cloud's vault.
	Sealed string `db:"blob_sealed"`
	// Access is the accessHash of an EC2 key pair, empty for other types.
	Access string `db:"access_hash"`
	// TrustID and AppCredID name the delegation that the credential was made under: it gives
	// no more than that.
	TrustID   string `db:"trust_id"`
	AppCredID string `db:"app_cred_id"`
	// UsedStep is the newest time step whose one-time password was taken, of seeds.
	UsedStep int64          `db:"used_step"`
	Extra    map[string]any `db:"extra,json"`
}

func credentialByID(tx *db.Tx, id string) (credentialRow, error) {
	var row credentialRow
	err := tx.Get(&row, "SELECT "+db.Columns(row, "")+" FROM credentials WHERE id = ?", id)
	return row, err
}

// credentialByAccess finds an EC2 key pair by its access key.
func credentialByAccess(tx *db.Tx, access string) (credentialRow, error) {
	var row credentialRow
	err := tx.Get(&row, "SELECT "+db.Columns(row, "")+" FROM credentials WHERE access_hash = ?", accessHash(access))
	return row, err
}

// accessTaken tells whether another credential has the access key of a row.
func accessTaken(tx *db.Tx, row credentialRow) (bool, error) {
	var n int
	err := tx.Get(&n, "SELECT COUNT(*) FROM credentials WHERE access_hash = ? AND id <> ?", row.Access, row.ID)
	return row.Access != "" && n > 0, err
}

// credentialsOf reads a user's credentials of a type.
func credentialsOf(tx *db.Tx, userID, kind string) ([]credentialRow, error) {
	var rows []credentialRow
	err := tx.Select(&rows, "SELECT "+db.Columns(credentialRow{}, "")+" FROM credentials WHERE user_id = ? AND type = ? ORDER BY id LIMIT ?", userID, kind, maxList+1)
	return rows, err
}

func insertCredential(c *change, row credentialRow) error {
	if taken, err := accessTaken(c.Tx, row); err != nil || taken {
		return errors.Join(err, db.ErrDuplicate)
	}
	if err := checkSealed(c.Tx, row.Sealed); err != nil {
		return err
	}
	if err := c.Insert("credentials", row); err != nil {
		return err
	}
	return c.record("credential", "create", row.ID, nil, documentOfCredential(row))
}

func updateCredential(c *change, before, row credentialRow) error {
	if taken, err := accessTaken(c.Tx, row); err != nil || taken {
		return errors.Join(err, db.ErrDuplicate)
	}
	if err := checkSealed(c.Tx, row.Sealed); err != nil {
		return err
	}
	if err := c.Update("credentials", row, "id"); err != nil {
		return err
	}
	c.forgetUser(row.UserID)
	return c.record("credential", "update", row.ID, documentOfCredential(before), documentOfCredential(row))
}

func removeCredential(c *change, row credentialRow) error {
	if _, err := c.Exec("DELETE FROM credentials WHERE id = ?", row.ID); err != nil {
		return err
	}
	c.forgetUser(row.UserID)
	return c.record("credential", "delete", row.ID, documentOfCredential(row), nil)
}

// useStep notes that the one-time password of a time step was taken; false when that one or a
// later one was before.
func useStep(tx *db.Tx, id string, step int64) (bool, error) {
	changed, err := tx.Exec("UPDATE credentials SET used_step = ? WHERE id = ? AND used_step < ?", step, id, step)
	return changed == 1, err
}

// removeCredentialsWhere deletes the credentials of a user, a project, a trust or an
// application credential that goes.
func removeCredentialsWhere(c *change, column, id string) error {
	var rows []credentialRow
	if err := c.Select(&rows, "SELECT "+db.Columns(credentialRow{}, "")+" FROM credentials WHERE "+column+" = ?", id); err != nil {
		return err
	}
	for _, row := range rows {
		if err := removeCredential(c, row); err != nil {
			return err
		}
	}
	return nil
}

type credentialDocument struct {
	ID        string  `json:"id"`
	Type      string  `json:"type"`
	UserID    string  `json:"user_id"`
	ProjectID *string `json:"project_id"`
}

// documentOfCredential tells the feed of a credential, and nothing of its blob.
func documentOfCredential(row credentialRow) *credentialDocument {
	return &credentialDocument{ID: row.ID, Type: row.Type, UserID: row.UserID, ProjectID: nullable(row.ProjectID)}
}
