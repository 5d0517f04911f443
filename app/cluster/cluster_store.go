package cluster

import (
	"errors"
	"time"

	"virga/core/db"
)

type cloudRow struct {
	Place     int64     `db:"place"`
	ID        string    `db:"id"`
	KeyCheck  string    `db:"key_check"`
	CreatedAt time.Time `db:"created_at"`
}

// readCloud returns the cloud, with an empty id when there is none, and the id of the data
// folder that owned the database before there were clouds.
func readCloud(tx *db.Tx) (row cloudRow, former string, err error) {
	err = tx.Get(&row, "SELECT "+db.Columns(row, "")+" FROM clouds WHERE place = ?", 1)
	if err != nil && !errors.Is(err, db.ErrNotFound) {
		return row, "", err
	}
	err = tx.Get(&former, "SELECT folder_id FROM data_folders WHERE place = ?", 1)
	if errors.Is(err, db.ErrNotFound) {
		err = nil
	}
	return row, former, err
}

// haveCloud returns the cloud; fresh becomes it when there is none.
func haveCloud(tx *db.Tx, fresh cloudRow) (cloudRow, error) {
	row, _, err := readCloud(tx)
	if err != nil || row.ID != "" {
		return row, err
	}
	return fresh, tx.Insert("clouds", fresh)
}

type factRow struct {
	Name string `db:"name"`
	Fact string `db:"fact"`
}

func findFact(tx *db.Tx, name string) (fact string, err error) {
	err = tx.Get(&fact, "SELECT fact FROM facts WHERE name = ?", name)
	if errors.Is(err, db.ErrNotFound) {
		err = nil
	}
	return fact, err
}

// haveFact returns a fact; proposed becomes it when there is none.
func haveFact(tx *db.Tx, name, proposed string) (string, error) {
	fact, err := findFact(tx, name)
	if err != nil || fact != "" {
		return fact, err
	}
	return proposed, tx.Insert("facts", factRow{name, proposed})
}

func saveFact(tx *db.Tx, name, fact string) error {
	return tx.Upsert("facts", factRow{name, fact}, "name")
}

// secretRow is a sealed secret.
type secretRow struct {
	Name    string `db:"name"`
	Version int64  `db:"version"`
	Sealed  string `db:"sealed"`
}

// findSecret returns a secret, with the version 0 when there is none.
func findSecret(tx *db.Tx, name string) (secretRow, error) {
	row := secretRow{Name: name}
	err := tx.Get(&row, "SELECT "+db.Columns(row, "")+" FROM sealed_secrets WHERE name = ?", name)
	if errors.Is(err, db.ErrNotFound) {
		err = nil
	}
	return row, err
}

// findSecretOf is findSecret for who has the key of a key check; errStaleKey when that is not the
// cloud's any more.
func findSecretOf(tx *db.Tx, name, check string) (secretRow, error) {
	now, err := findKeyCheck(tx)
	if err != nil {
		return secretRow{}, err
	}
	if now != check {
		return secretRow{}, errStaleKey
	}
	return findSecret(tx, name)
}

func findKeyCheck(tx *db.Tx) (check string, err error) {
	err = tx.Get(&check, "SELECT key_check FROM clouds WHERE place = ?", 1)
	return check, err
}

func replaceKeyCheck(tx *db.Tx, check string) error {
	_, err := tx.Exec("UPDATE clouds SET key_check = ? WHERE place = ?", check, 1)
	return err
}

// listSecrets returns all secrets; there are a handful.
func listSecrets(tx *db.Tx) (rows []secretRow, err error) {
	err = tx.Select(&rows, "SELECT "+db.Columns(secretRow{}, "")+" FROM sealed_secrets ORDER BY name")
	return rows, err
}

// replaceSealed writes the same secret sealed otherwise, which is no other version of it.
func replaceSealed(tx *db.Tx, name, sealed string) error {
	_, err := tx.Exec("UPDATE sealed_secrets SET sealed = ? WHERE name = ?", sealed, name)
	return err
}

// handoverRow is the key that came after the one with the id Former.
type handoverRow struct {
	Former    string    `db:"former"`
	Sealed    string    `db:"sealed"`
	CreatedAt time.Time `db:"created_at"`
}

// listHandovers returns what each former key has sealed, by its id.
func listHandovers(tx *db.Tx) (map[string]string, error) {
	var rows []handoverRow
	if err := tx.Select(&rows, "SELECT "+db.Columns(handoverRow{}, "")+" FROM key_handovers"); err != nil {
		return nil, err
	}
	found := make(map[string]string, len(rows))
	for _, row := range rows {
		found[row.Former] = row.Sealed
	}
	return found, nil
}

func deleteHandovers(tx *db.Tx) (count int, err error) {
	if err := tx.Get(&count, "SELECT COUNT(*) FROM key_handovers"); err != nil {
		return 0, err
	}
	_, err = tx.Exec("DELETE FROM key_handovers")
	return count, err
}

// saveSecret writes a secret with the next version.
func saveSecret(tx *db.Tx, row secretRow) error {
	row.Version++
	if row.Version == 1 {
		return tx.Insert("sealed_secrets", row)
	}
	return tx.Update("sealed_secrets", row, "name")
}

func secretVersion(tx *db.Tx, name string) (version int64, err error) {
	err = tx.Get(&version, "SELECT version FROM sealed_secrets WHERE name = ?", name)
	if errors.Is(err, db.ErrNotFound) {
		err = nil
	}
	return version, err
}

// upsertProcess writes what a process says of itself.
func upsertProcess(tx *db.Tx, row processRow) error { return tx.Upsert("processes", row, "id") }

func deleteProcess(tx *db.Tx, id string) error {
	_, err := tx.Exec("DELETE FROM processes WHERE id = ?", id)
	return err
}

// pruneProcesses forgets processes that were not seen since the time.
func pruneProcesses(tx *db.Tx, before time.Time) error {
	_, err := tx.Exec("DELETE FROM processes WHERE seen_at < ?", before)
	return err
}

// listProcesses returns those seen since the time, the latest first, at most limit.
func listProcesses(tx *db.Tx, since time.Time, limit int) ([]processRow, error) {
	var rows []processRow
	err := tx.Select(&rows, "SELECT "+db.Columns(processRow{}, "")+" FROM processes WHERE seen_at >= ? ORDER BY seen_at DESC, id LIMIT ?", since, limit)
	return rows, err
}
