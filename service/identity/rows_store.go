package identity

import (
	"slices"

	"virga/core/db"
)

// chunk is how many ids one query asks for; engines bound the number of parameters.
const chunk = 500

// selectIn runs query, which ends with "IN", for ids in chunks and appends order to each.
func selectIn[R any](tx *db.Tx, query string, ids []string, order string) ([]R, error) {
	var rows []R
	for part := range slices.Chunk(ids, chunk) {
		marks, args := db.In(part)
		if err := tx.Select(&rows, query+" "+marks+" "+order, args...); err != nil {
			return nil, err
		}
	}
	return rows, nil
}
