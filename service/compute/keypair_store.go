package compute

import (
	"time"

	"virga/core/db"
)

// keypair is a row of the table keypairs. The private half is never stored.
type keypair struct {
	Num         int64     `db:"num"`
	UserID      string    `db:"user_id"`
	Name        string    `db:"name"`
	Type        string    `db:"type"`
	PublicKey   string    `db:"public_key"`
	Fingerprint string    `db:"fingerprint"`
	CreatedAt   time.Time `db:"created_at"`
}

// newKeypair is a key pair without its number, which the database counts.
type newKeypair struct {
	UserID      string    `db:"user_id"`
	Name        string    `db:"name"`
	Type        string    `db:"type"`
	PublicKey   string    `db:"public_key"`
	Fingerprint string    `db:"fingerprint"`
	CreatedAt   time.Time `db:"created_at"`
}

var keypairColumns = db.Columns(keypair{}, "")

func insertKeypair(tx *db.Tx, row newKeypair) error { return tx.Insert("keypairs", row) }

func findKeypair(tx *db.Tx, userID, name string) (*keypair, error) {
	row := &keypair{}
	err := tx.Get(row, "SELECT "+keypairColumns+" FROM keypairs WHERE user_id = ? AND name = ?", userID, name)
	return row, err
}

func deleteKeypair(tx *db.Tx, userID, name string) (bool, error) {
	n, err := tx.Exec("DELETE FROM keypairs WHERE user_id = ? AND name = ?", userID, name)
	return n > 0, err
}

func countKeypairs(tx *db.Tx, userID string) (int64, error) {
	var n int64
	err := tx.Get(&n, "SELECT COUNT(*) FROM keypairs WHERE user_id = ?", userID)
	return n, err
}

func listKeypairs(tx *db.Tx, userID, marker string, limit int) ([]keypair, error) {
	l := &db.List{From: "keypairs", Key: "name", Marker: marker, Limit: limit}
	l.Where("user_id = ?", userID)
	var rows []keypair
	err := tx.List(&rows, l)
	return rows, err
}
