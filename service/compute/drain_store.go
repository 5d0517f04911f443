package compute

import (
	"errors"
	"fmt"
	"time"

	"virga/core/db"
)

// drain is a row of the table host_drains: an operator wants a host to be empty.
type drain struct {
	Host   string `db:"host"`
	Reason string `db:"reason"`
	UserID string `db:"user_id"`
	// WasDisabled and WasReason are what the host was before.
	WasDisabled bool      `db:"was_disabled"`
	WasReason   string    `db:"was_reason"`
	StartedAt   time.Time `db:"started_at"`
}

var drainColumns = db.Columns(drain{}, "")

// findDrain returns a host's drain, or nil.
func findDrain(tx *db.Tx, host string) (*drain, error) {
	d := &drain{}
	err := tx.Get(d, "SELECT "+drainColumns+" FROM host_drains WHERE host = ?", host)
	if errors.Is(err, db.ErrNotFound) {
		return nil, nil
	}
	return d, err
}

func listDrains(tx *db.Tx) ([]drain, error) {
	var rows []drain
	err := tx.Select(&rows, "SELECT "+drainColumns+" FROM host_drains ORDER BY host LIMIT ?", maxHosts)
	return rows, err
}

func insertDrain(tx *db.Tx, d *drain) error {
	if err := tx.Insert("host_drains", d); err != nil {
		return fmt.Errorf("insert drain of host %s: %w", d.Host, err)
	}
	return nil
}

func deleteDrain(tx *db.Tx, host string) error {
	_, err := tx.Exec("DELETE FROM host_drains WHERE host = ?", host)
	return err
}

// serversOnHost returns the servers of a host after one, at most limit.
func serversOnHost(tx *db.Tx, host, after string, limit int) ([]server, error) {
	var rows []server
	err := tx.Select(&rows, "SELECT "+serverColumns+" FROM servers WHERE host = ? AND deleted_at = 0 AND id > ? ORDER BY id LIMIT ?", host, after, limit)
	return rows, err
}

// movesBegun counts the migrations from a host by server and status, of those that began after a time.
func movesBegun(tx *db.Tx, host string, since time.Time) (map[string]map[string]int, error) {
	var rows []struct {
		ServerID string `db:"server_id"`
		Status   string `db:"status"`
		N        int    `db:"n"`
	}
	err := tx.Select(&rows, "SELECT server_id, status, COUNT(*) AS n FROM migrations WHERE source_host = ? AND created_at >= ? GROUP BY server_id, status", host, since)
	counts := map[string]map[string]int{}
	for _, row := range rows {
		if counts[row.ServerID] == nil {
			counts[row.ServerID] = map[string]int{}
		}
		counts[row.ServerID][row.Status] = row.N
	}
	return counts, err
}
