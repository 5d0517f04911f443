package network

import (
	"fmt"
	"slices"
	"strings"

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

// stillThere tells whether a row that was loaded before the transaction exists in it.
func stillThere(tx *db.Tx, table, id string) error {
	var count int
	if err := tx.Get(&count, "SELECT COUNT(*) FROM "+table+" WHERE id = ?", id); err != nil {
		return err
	}
	if count == 0 {
		return missing("TagResourceNotFound", "Resource %s could not be found.", id)
	}
	return nil
}

// tagFilter is one of the four filters on tags; each value is a list with commas.
func tagFilter(name string) filter {
	return func(l *db.List, values []string) error {
		var tags []string
		for _, value := range values {
			tags = append(tags, strings.Split(value, ",")...)
		}
		marks, args := db.In(tags)
		having := ""
		if name == "tags" || name == "not-tags" {
			having = fmt.Sprintf(" GROUP BY resource_id HAVING COUNT(DISTINCT tag) = %d", len(unique(tags)))
		}
		not := ""
		if strings.HasPrefix(name, "not-") {
			not = "NOT "
		}
		l.Where("id "+not+"IN (SELECT resource_id FROM tags WHERE tag IN "+marks+having+")", args...)
		return nil
	}
}

func unique(list []string) []string { return slices.Compact(slices.Sorted(slices.Values(list))) }
