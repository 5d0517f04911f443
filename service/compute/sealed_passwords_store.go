package compute

import (
	"fmt"
	"time"

	"virga/core/db"
)

// serverPassword is a password on its way to a guest.
type serverPassword struct {
	ServerID  string    `db:"server_id"`
	Purpose   string    `db:"purpose"`
	Sealed    string    `db:"sealed"`
	CreatedAt time.Time `db:"created_at"`
}

func upsertPassword(tx *db.Tx, row serverPassword) error {
	if err := tx.Upsert("server_passwords", row, "server_id", "purpose"); err != nil {
		return fmt.Errorf("keep a password of server %s: %w", row.ServerID, err)
	}
	return nil
}

func listPasswords(tx *db.Tx, serverIDs []string) (rows []serverPassword, err error) {
	if len(serverIDs) == 0 {
		return nil, nil
	}
	marks, args := db.In(serverIDs)
	err = tx.Select(&rows, "SELECT "+db.Columns(serverPassword{}, "")+" FROM server_passwords WHERE server_id IN "+marks, args...)
	return rows, err
}

func deletePasswords(tx *db.Tx, serverIDs ...string) error {
	if len(serverIDs) == 0 {
		return nil
	}
	marks, args := db.In(serverIDs)
	if _, err := tx.Exec("DELETE FROM server_passwords WHERE server_id IN "+marks, args...); err != nil {
		return fmt.Errorf("forget passwords of servers: %w", err)
	}
	return nil
}

// serversWithOldPasswords are servers with passwords from before a time, at most limit.
func serversWithOldPasswords(tx *db.Tx, before time.Time, limit int) (ids []string, err error) {
	err = tx.Select(&ids, "SELECT DISTINCT server_id FROM server_passwords WHERE created_at < ? ORDER BY server_id LIMIT ?", before, limit)
	return ids, err
}

// detailText is the column detail of a server as it stands there.
type detailText struct {
	ID   string `db:"id"`
	Text string `db:"detail"`
}

func detailsBehind(tx *db.Tx, after string, limit int) (rows []detailText, err error) {
	err = tx.Select(&rows, "SELECT id, detail FROM servers WHERE id > ? ORDER BY id LIMIT ?", after, limit)
	return rows, err
}

func replaceDetail(tx *db.Tx, id, text string) error {
	_, err := tx.Exec("UPDATE servers SET detail = ? WHERE id = ?", text, id)
	return err
}

// rebuildText is what a row of a rebuild has in JSON.
type rebuildText struct {
	ID         string    `db:"id"`
	ServerID   string    `db:"resource_id"`
	Params     string    `db:"params"`
	Frame      string    `db:"frame"`
	FinishedAt time.Time `db:"finished_at"`
}

func rebuildsBehind(tx *db.Tx, after string, limit int) (rows []rebuildText, err error) {
	err = tx.Select(&rows, "SELECT "+db.Columns(rebuildText{}, "")+" FROM operations WHERE kind = ? AND id > ? ORDER BY id LIMIT ?", opRebuild, after, limit)
	return rows, err
}

func replaceRebuild(tx *db.Tx, id, params, frame string) error {
	_, err := tx.Exec("UPDATE operations SET params = ?, frame = ? WHERE id = ?", params, frame, id)
	return err
}
