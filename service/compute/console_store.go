package compute

import (
	"time"

	"virga/core/db"
)

// consoleToken is a row of the table console_tokens: leave to connect to a console once.
type consoleToken struct {
	Digest   string `db:"digest"` // SHA-256 of the token, in hexadecimal
	ServerID string `db:"server_id"`
	// Host is where the server was; the token is good for no other.
	Host      string    `db:"host"`
	Kind      string    `db:"kind"`
	UserID    string    `db:"user_id"`
	ExpiresAt time.Time `db:"expires_at"`
}

var consoleTokenColumns = db.Columns(consoleToken{}, "")

func insertConsoleToken(tx *db.Tx, row consoleToken) error { return tx.Insert("console_tokens", row) }

func findConsoleToken(tx *db.Tx, digest string) (*consoleToken, error) {
	row := &consoleToken{}
	err := tx.Get(row, "SELECT "+consoleTokenColumns+" FROM console_tokens WHERE digest = ?", digest)
	return row, err
}

// deleteConsoleToken tells whether the token was there: of several at once one has it.
func deleteConsoleToken(tx *db.Tx, digest string) (bool, error) {
	n, err := tx.Exec("DELETE FROM console_tokens WHERE digest = ?", digest)
	return n > 0, err
}

// purgeConsoleTokens removes tokens that expired before a moment.
func purgeConsoleTokens(tx *db.Tx, before time.Time) error {
	_, err := tx.Exec("DELETE FROM console_tokens WHERE expires_at < ?", before)
	return err
}
