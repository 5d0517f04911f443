package image

import (
	"errors"

	"virga/core/db"
	"virga/service/image/ingest"
)

// transfer is how moving one content of an import has ended.
type transfer struct {
	ContentID   string          `db:"content_id"`
	OperationID string          `db:"operation_id"`
	Outcome     transferOutcome `db:"outcome,json"`
}

// transferOutcome holds what was taken, or why nothing was.
type transferOutcome struct {
	Result ingest.Result `json:"result"`
	Origin *origin       `json:"origin,omitempty"`
	// Error is what the user reads; empty when all went well. Passing tells that it may go
	// well another time, OfStore that another store may take the data.
	Error   string `json:"error,omitempty"`
	Passing bool   `json:"passing,omitempty"`
	OfStore bool   `json:"of_store,omitempty"`
}

func insertTransfer(tx *db.Tx, t transfer) error { return tx.Insert("image_transfers", t) }

// findTransfer finds how moving a content has ended, or db.ErrNotFound.
func findTransfer(tx *db.Tx, contentID string) (transfer, error) {
	var t transfer
	err := tx.Get(&t, "SELECT "+db.Columns(transfer{}, "")+" FROM image_transfers WHERE content_id = ?", contentID)
	return t, err
}

// forgetTransfers removes what an operation that has ended knew of its contents. Of what was
// taken in for it only that stays which became an image's: a process that died right after a
// transfer had begun leaves one that nobody asks for.
func forgetTransfers(tx *db.Tx, operationID string) error {
	_, err := tx.Exec("UPDATE image_contents SET state = ? WHERE state = ? AND id IN (SELECT content_id FROM image_transfers WHERE operation_id = ?)",
		contentDoomed, contentTaken, operationID)
	if err != nil {
		return err
	}
	_, err = tx.Exec("DELETE FROM image_transfers WHERE operation_id = ?", operationID)
	return err
}

// doomContent has a content that belongs to no image be removed, if it is still known.
func doomContent(tx *db.Tx, id string) error {
	if id == "" {
		return nil
	}
	_, err := findContent(tx, id)
	if errors.Is(err, db.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return setContentState(tx, id, contentDoomed)
}
