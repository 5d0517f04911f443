package schemas

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"virga/core/db"
)

// The descriptions of a schema: one line each for a column, an index, a foreign key.
func descriptions(engine string) []string {
	switch engine {
	case "sqlite":
		return []string{
			`SELECT t.name || '.' || c.name || ' ' || c.type || ' notnull=' || c."notnull" || ' default=' || COALESCE(c.dflt_value, '-') || ' key=' || c.pk
			 FROM sqlite_master t, pragma_table_info(t.name) c WHERE t.type = 'table'`,
			`SELECT t.name || ' index ' || CASE WHEN i.origin = 'c' THEN i.name ELSE i.origin END || ' unique=' || i."unique" || ' ' ||
			 (SELECT group_concat(x.name) FROM pragma_index_info(i.name) x) FROM sqlite_master t, pragma_index_list(t.name) i WHERE t.type = 'table'`,
			`SELECT t.name || '.' || f."from" || ' refers to ' || f."table" || '.' || f."to" || ' ' || f.on_update || ' ' || f.on_delete
			 FROM sqlite_master t, pragma_foreign_key_list(t.name) f WHERE t.type = 'table'`,
		}
	case "postgres":
		return []string{
			`SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || COALESCE(CAST(character_maximum_length AS TEXT), '-') || ' null=' || is_nullable ||
			 ' default=' || COALESCE(column_default, '-') FROM information_schema.columns WHERE table_schema = current_schema()`,
			`SELECT indexdef FROM pg_indexes WHERE schemaname = current_schema()`,
			`SELECT conrelid::regclass || ' ' || pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = current_schema()::regnamespace`,
		}
	}
	return []string{
		`SELECT CONCAT(table_name, '.', column_name, ' ', column_type, ' null=', is_nullable, ' default=', COALESCE(column_default, '-'), ' ', extra, ' ', COALESCE(collation_name, '-'))
		 FROM information_schema.columns WHERE table_schema = DATABASE()`,
		`SELECT CONCAT(table_name, ' index ', index_name, ' unique=', 1 - non_unique, ' ', GROUP_CONCAT(column_name ORDER BY seq_in_index))
		 FROM information_schema.statistics WHERE table_schema = DATABASE() GROUP BY table_name, index_name, non_unique`,
		`SELECT CONCAT(table_name, '.', column_name, ' refers to ', referenced_table_name, '.', referenced_column_name)
		 FROM information_schema.key_column_usage WHERE table_schema = DATABASE() AND referenced_table_name IS NOT NULL`,
	}
}

// describe tells everything about the tables of a part that matters.
func describe(t *testing.T, d *db.DB) (lines []string) {
	t.Helper()
	ok(t, d.Read(t.Context(), func(tx *db.Tx) error {
		for _, text := range descriptions(d.Engine()) {
			if err := tx.Select(&lines, text); err != nil {
				return err
			}
		}
		return nil
	}))
	slices.Sort(lines)
	return lines
}

// tables are those of a part that are its owners' own, with the columns of each.
func tables(t *testing.T, d *db.DB) map[string][]string {
	t.Helper()
	text := `SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = current_schema()`
	switch d.Engine() {
	case "sqlite":
		text = `SELECT t.name || '.' || c.name FROM sqlite_master t, pragma_table_info(t.name) c WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite%'`
	case "mysql":
		text = `SELECT CONCAT(table_name, '.', column_name) FROM information_schema.columns WHERE table_schema = DATABASE()`
	}
	var names []string
	ok(t, d.Read(t.Context(), func(tx *db.Tx) error { return tx.Select(&names, text) }))
	all := map[string][]string{}
	for _, name := range names {
		table, column, _ := strings.Cut(name, ".")
		if !strings.HasSuffix(table, "_schema") && !strings.HasPrefix(table, "schema_") {
			all[table] = append(all[table], column)
		}
	}
	return all
}

// rows reads the columns of tables as texts, a line for each row.
func rows(t *testing.T, d *db.DB, of map[string][]string) (lines []string) {
	t.Helper()
	form := "TEXT"
	if d.Engine() == "mysql" {
		form = "CHAR"
	}
	ok(t, d.Read(t.Context(), func(tx *db.Tx) error {
		for table, columns := range of {
			slices.Sort(columns)
			texts := make([]string, len(columns))
			for i, column := range columns {
				texts[i] = fmt.Sprintf("COALESCE(CAST(%s AS %s), 'NULL')", column, form)
			}
			joined := strings.Join(texts, " || ' | ' || ")
			if d.Engine() == "mysql" {
				joined = "CONCAT(" + strings.Join(texts, ", ' | ', ") + ")"
			}
			var found []string
			if err := tx.Select(&found, "SELECT "+joined+" FROM "+table); err != nil {
				return fmt.Errorf("read table %s: %w", table, err)
			}
			for _, line := range found {
				lines = append(lines, table+": "+line)
			}
		}
		return nil
	}))
	slices.Sort(lines)
	return lines
}

// kept are the tables and columns of before that are there still.
func kept(before, after map[string][]string) map[string][]string {
	both := map[string][]string{}
	for table, columns := range before {
		for _, column := range columns {
			if slices.Contains(after[table], column) {
				both[table] = append(both[table], column)
			}
		}
	}
	return both
}
