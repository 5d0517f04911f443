package fleet

import (
	"time"

	"virga/core/api"
	"virga/core/db"
)

func insertToken(tx *db.Tx, t joinToken) error { return tx.Insert("join_tokens", t) }

// findToken finds a token, or db.ErrNotFound.
func findToken(tx *db.Tx, id string) (joinToken, error) {
	var t joinToken
	err := tx.Get(&t, "SELECT "+db.Columns(joinToken{}, "")+" FROM join_tokens WHERE id = ?", id)
	return t, err
}

func updateToken(tx *db.Tx, t joinToken) error { return tx.Update("join_tokens", t, "id") }

func countFailure(tx *db.Tx, id string) error {
	_, err := tx.Exec("UPDATE join_tokens SET failures = failures + 1 WHERE id = ?", id)
	return err
}

func listTokens(tx *db.Tx, page api.Page) ([]joinToken, error) {
	var rows []joinToken
	err := tx.List(&rows, &db.List{From: "join_tokens", Key: "id", Order: page.Sort, Marker: page.Marker, Backwards: page.Reverse, Limit: page.Limit})
	return rows, err
}

// deleteToken removes a token, or returns db.ErrNotFound.
func deleteToken(tx *db.Tx, id string) error {
	n, err := tx.Exec("DELETE FROM join_tokens WHERE id = ?", id)
	if err == nil && n == 0 {
		return db.ErrNotFound
	}
	return err
}

func deleteTokensBefore(tx *db.Tx, expired time.Time) error {
	_, err := tx.Exec("DELETE FROM join_tokens WHERE expires_at < ?", expired)
	return err
}
