package app

import (
	"errors"

	"virga/core/db"
)

// claimed returns the id of the data folder that the databases belong to; that is folder
// when they belonged to none.
func claimed(tx *db.Tx, folder string) (string, error) {
	var owner string
	err := tx.Get(&owner, "SELECT folder_id FROM data_folders WHERE place = ?", 1)
	if !errors.Is(err, db.ErrNotFound) {
		return owner, err
	}
	_, err = tx.Exec("INSERT INTO data_folders (place, folder_id) VALUES (?, ?)", 1, folder)
	return folder, err
}
