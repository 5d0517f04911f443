package fleet

import (
	"time"

	"virga/core/db"
)

func putController(tx *db.Tx, c controller) error { return tx.Upsert("controllers", c, "address") }

func deleteControllersBefore(tx *db.Tx, seen time.Time) error {
	_, err := tx.Exec("DELETE FROM controllers WHERE seen_at < ?", seen)
	return err
}

// listControllers lists the addresses seen last.
func listControllers(tx *db.Tx, limit int) ([]controller, error) {
	var rows []controller
	err := tx.Select(&rows, "SELECT "+db.Columns(controller{}, "")+" FROM controllers ORDER BY seen_at DESC, address LIMIT ?", limit)
	return rows, err
}
