package identity

import (
	"strings"
	"time"

	"virga/core/db"
	"virga/core/vault"
)

// sealedColumn is a column whose texts the vault has sealed.
type sealedColumn struct {
	table, column string
	// keys are the columns of the primary key.
	keys []string
	// where narrows the rows to those that are sealed; empty for all.
	where string
	// about is what the text in the row of a key is bound to.
	about func(key []string) string
}

// sealedColumns are all of them.
func sealedColumns() []sealedColumn {
	ofID := func(table, column, what string) sealedColumn {
		return sealedColumn{table: table, column: column, keys: []string{"id"}, about: func(key []string) string { return what + " " + key[0] }}
	}
	return []sealedColumn{
		ofID("credentials", "blob_sealed", "credential"),
		ofID("consumers", "secret_sealed", "consumer"),
		ofID("request_tokens", "secret_sealed", "request token"),
		ofID("access_tokens", "secret_sealed", "access token"),
		{table: "domain_options", column: "value_text", keys: []string{"domain_id", "group_name", "option_name"},
			where: "group_name = 'ldap' AND option_name = 'password'",
			about: func(key []string) string { return aboutOption(key[0], key[1], key[2]) }},
	}
}

// aboutOption is what the value of a secret option is bound to.
func aboutOption(domainID, group, option string) string {
	return "option " + group + "." + option + " of domain " + domainID
}

// rows is the beginning of a query for the rows of a column, up to its first condition.
func (s *sealedColumn) rows(what string) string {
	text := "SELECT " + what + " FROM " + s.table + " WHERE "
	if s.where != "" {
		text += s.where + " AND "
	}
	return text
}

// sealedRow is one sealed text; of a key of fewer columns the others are empty.
type sealedRow struct {
	Key    string `db:"key1"`
	Key2   string `db:"key2"`
	Key3   string `db:"key3"`
	Sealed string `db:"sealed"`
}

func (r *sealedRow) key(columns int) []string { return []string{r.Key, r.Key2, r.Key3}[:columns] }

// sealedOtherwise reads rows that are sealed under other keys than one, after skipping some.
func sealedOtherwise(tx *db.Tx, in *sealedColumn, keyID string, skip, limit int) ([]sealedRow, error) {
	columns := []string{"'' AS key1", "'' AS key2", "'' AS key3", in.column + " AS sealed"}
	for i, name := range in.keys {
		columns[i] = name + columns[i][len("''"):]
	}
	var rows []sealedRow
	err := tx.Select(&rows, in.rows(strings.Join(columns, ", "))+in.column+" NOT LIKE ? ORDER BY "+strings.Join(in.keys, ", ")+" LIMIT ? OFFSET ?",
		keyID+".%", limit, skip)
	return rows, err
}

// updateSealed replaces a sealed text.
func updateSealed(tx *db.Tx, in *sealedColumn, key []string, sealed string) error {
	args := []any{sealed}
	for _, part := range key {
		args = append(args, part)
	}
	_, err := tx.Exec("UPDATE "+in.table+" SET "+in.column+" = ? WHERE "+strings.Join(in.keys, " = ? AND ")+" = ?", args...)
	return err
}

// countSealed is how many texts are sealed under a key.
func countSealed(tx *db.Tx, keyID string) (total int, err error) {
	for _, in := range sealedColumns() {
		var n int
		if err := tx.Get(&n, in.rows("COUNT(*)")+in.column+" LIKE ?", keyID+".%"); err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}

// retiredKeyRow is a key that seals nothing more.
type retiredKeyRow struct {
	KeyID     string    `db:"key_id"`
	RetiredAt time.Time `db:"retired_at"`
}

func retireKey(tx *db.Tx, row retiredKeyRow) error { return tx.Upsert("retired_keys", row, "key_id") }

// checkSealed refuses to store a text that was sealed under a key that is retired meanwhile:
// soon nobody could open it.
func checkSealed(tx *db.Tx, sealed string) error {
	var n int
	if err := tx.Get(&n, "SELECT COUNT(*) FROM retired_keys WHERE key_id = ?", vault.KeyOf(sealed)); err != nil {
		return err
	}
	if n > 0 {
		return keysChange()
	}
	return nil
}
