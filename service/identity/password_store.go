package identity

import (
	"time"

	"virga/core/db"
	"virga/core/token"
)

// passwordRow is a password that a user had.
type passwordRow struct {
	ID     string       `db:"id"`
	UserID string       `db:"user_id"`
	SetAt  time.Time    `db:"set_at"`
	Hash   token.Secret `db:"password_hash"`
}

// passwordHistory are the hashes of a user's last passwords, the present one apart.
func passwordHistory(tx *db.Tx, userID string, count int) ([]token.Secret, error) {
	var rows []passwordRow
	err := tx.Select(&rows, "SELECT "+db.Columns(passwordRow{}, "")+" FROM password_history WHERE user_id = ? ORDER BY set_at DESC, id LIMIT ?", userID, count-1)
	var hashes []token.Secret
	for _, row := range rows {
		hashes = append(hashes, row.Hash)
	}
	return hashes, err
}

// insertPassword keeps a password and forgets those before the last count.
func insertPassword(c *change, row passwordRow, count int) error {
	if err := c.Insert("password_history", row); err != nil {
		return err
	}
	var ids []string
	if err := c.Select(&ids, "SELECT id FROM password_history WHERE user_id = ? ORDER BY set_at DESC, id", row.UserID); err != nil {
		return err
	}
	for _, id := range ids[min(count, len(ids)):] {
		if _, err := c.Exec("DELETE FROM password_history WHERE id = ?", id); err != nil {
			return err
		}
	}
	return nil
}

// setLogins notes how often logging in failed, when last, and when the user last did. What is
// remembered of the user's tokens does not depend on it.
func setLogins(tx *db.Tx, userID string, failed int, failedAt, activeAt time.Time) error {
	_, err := tx.Exec("UPDATE users SET failed_logins = ?, failed_at = ?, active_at = ? WHERE id = ?", failed, failedAt, activeAt, userID)
	return err
}
