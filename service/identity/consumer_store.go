package identity

import (
	"virga/core/db"
)

// consumerRow is a program that may ask users to hand roles on to it.
type consumerRow struct {
	ID          string         `db:"id"`
	Description string         `db:"description"`
	Sealed      string         `db:"secret_sealed"`
	Extra       map[string]any `db:"extra,json"`
}

func consumerByID(tx *db.Tx, id string) (consumerRow, error) {
	var row consumerRow
	err := tx.Get(&row, "SELECT "+db.Columns(row, "")+" FROM consumers WHERE id = ?", id)
	return row, err
}

func insertConsumer(c *change, row consumerRow) error {
	if err := checkSealed(c.Tx, row.Sealed); err != nil {
		return err
	}
	if err := c.Insert("consumers", row); err != nil {
		return err
	}
	return c.record("consumer", "create", row.ID, nil, documentOfConsumer(row))
}

func updateConsumer(c *change, before, row consumerRow) error {
	if err := c.Update("consumers", row, "id"); err != nil {
		return err
	}
	return c.record("consumer", "update", row.ID, documentOfConsumer(before), documentOfConsumer(row))
}

// removeConsumer deletes a consumer with what users have handed it.
func removeConsumer(c *change, row consumerRow) error {
	if err := removeOAuthWhere(c, "consumer_id", row.ID); err != nil {
		return err
	}
	if _, err := c.Exec("DELETE FROM consumers WHERE id = ?", row.ID); err != nil {
		return err
	}
	return c.record("consumer", "delete", row.ID, documentOfConsumer(row), nil)
}

type consumerDocument struct {
	ID          string         `json:"id"`
	Description string         `json:"description"`
	Extra       map[string]any `json:"extra,omitempty"`
}

func documentOfConsumer(row consumerRow) *consumerDocument {
	return &consumerDocument{ID: row.ID, Description: row.Description, Extra: row.Extra}
}
