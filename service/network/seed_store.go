package network

import "virga/core/db"

// seededBefore tells whether something was seeded once, whether or not it is still there.
func seededBefore(tx *db.Tx, name string) (bool, error) {
	var count int
	err := tx.Get(&count, "SELECT COUNT(*) FROM seeded WHERE name = ?", name)
	return count > 0, err
}

func markSeeded(tx *db.Tx, name, id string) error {
	_, err := tx.Exec("INSERT INTO seeded (name, resource_id) VALUES (?, ?)", name, id)
	return err
}
