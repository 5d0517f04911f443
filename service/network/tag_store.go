package network

import (
	"fmt"

	"virga/core/db"
)

// loadTags fills in the tags of rows.
func loadTags[R identified](tx *db.Tx, rows []R) error {
	byID, ids := map[string]*standard{}, make([]string, len(rows))
	for i, row := range rows {
		common := row.common()
		byID[common.ID], ids[i] = common, common.ID
	}
	return inBatches(ids, func(marks string, args []any) error {
		var pairs []struct {
			ID  string `db:"resource_id"`
			Tag string `db:"tag"`
		}
		if err := tx.Select(&pairs, "SELECT resource_id, tag FROM tags WHERE resource_id IN "+marks+" ORDER BY resource_id, tag", args...); err != nil {
			return fmt.Errorf("load tags: %w", err)
		}
		for _, pair := range pairs {
			byID[pair.ID].Tags = append(byID[pair.ID].Tags, pair.Tag)
		}
		return nil
	})
}

// replaceTags gives a resource exactly these tags.
func replaceTags(tx *db.Tx, id string, tags []string) error {
	if _, err := tx.Exec("DELETE FROM tags WHERE resource_id = ?", id); err != nil {
		return err
	}
	for _, tag := range tags {
		if _, err := tx.Exec("INSERT INTO tags (resource_id, tag) VALUES (?, ?)", id, tag); err != nil {
			return fmt.Errorf("tag %s: %w", id, err)
		}
	}
	return nil
}

// touchRow raises the revision of a row of any table.
func (s *Service) touchRow(tx *db.Tx, table, id string) error {
	_, err := tx.Exec("UPDATE "+table+" SET revision = revision + 1, updated_at = ? WHERE id = ?", s.deps.Clock.Now(), id)
	return err
}
