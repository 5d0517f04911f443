package identity

import (
	"encoding/json"

	"virga/core/db"
)

// domainOptionRow is one setting of a domain. Value is JSON, or, of what is not shown, that
// sealed.
type domainOptionRow struct {
	DomainID string `db:"domain_id"`
	Group    string `db:"group_name"`
	Option   string `db:"option_name"`
	Value    string `db:"value_text"`
}

func domainOptions(tx *db.Tx, domainID string) ([]domainOptionRow, error) {
	var rows []domainOptionRow
	err := tx.Select(&rows, "SELECT "+db.Columns(domainOptionRow{}, "")+" FROM domain_options WHERE domain_id = ? ORDER BY group_name, option_name", domainID)
	return rows, err
}

// removeDomainOptions deletes the options of a domain, of one group, or one option alone; the
// number of those that were there.
func removeDomainOptions(c *change, domainID, group, option string) (int64, error) {
	where, args := "domain_id = ?", []any{domainID}
	if group != "" {
		where, args = where+" AND group_name = ?", append(args, group)
	}
	if option != "" {
		where, args = where+" AND option_name = ?", append(args, option)
	}
	return c.Exec("DELETE FROM domain_options WHERE "+where, args...)
}

// configOf is the configuration that rows make, without what is not shown.
func configOf(rows []domainOptionRow) domainConfig {
	config := domainConfig{}
	for _, row := range rows {
		if secretOption(row.Group, row.Option) {
			continue
		}
		if config[row.Group] == nil {
			config[row.Group] = map[string]json.RawMessage{}
		}
		config[row.Group][row.Option] = json.RawMessage(row.Value)
	}
	return config
}
