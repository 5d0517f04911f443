package compute

import (
	"maps"
	"slices"
	"time"

	"virga/core/db"
)

type rateLimitRow struct {
	ProjectID string    `db:"project_id"`
	Rule      string    `db:"rule"`
	FreeAt    time.Time `db:"free_at"`
}

// rateLimitsOf returns by rules when a project's rate limits are free again.
func rateLimitsOf(tx *db.Tx, projectID string) (map[string]time.Time, error) {
	var rows []rateLimitRow
	if err := tx.Select(&rows, "SELECT project_id, rule, free_at FROM rate_limits WHERE project_id = ?", projectID); err != nil {
		return nil, err
	}
	free := map[string]time.Time{}
	for _, row := range rows {
		free[row.Rule] = row.FreeAt
	}
	return free, nil
}

func setRateLimits(tx *db.Tx, projectID string, free map[string]time.Time) error {
	for _, rule := range slices.Sorted(maps.Keys(free)) {
		if err := tx.Upsert("rate_limits", rateLimitRow{projectID, rule, free[rule]}, "project_id", "rule"); err != nil {
			return err
		}
	}
	return nil
}

// purgeRateLimits removes at most limit rows that no longer mean anything.
func purgeRateLimits(tx *db.Tx, now time.Time, limit int) (int, error) {
	var rows []rateLimitRow
	if err := tx.Select(&rows, "SELECT project_id, rule, free_at FROM rate_limits WHERE free_at < ? ORDER BY free_at LIMIT ?", now, limit); err != nil {
		return 0, err
	}
	for _, row := range rows {
		if _, err := tx.Exec("DELETE FROM rate_limits WHERE project_id = ? AND rule = ? AND free_at < ?", row.ProjectID, row.Rule, now); err != nil {
			return 0, err
		}
	}
	return len(rows), nil
}
