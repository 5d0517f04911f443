package compute

import (
	"errors"
	"fmt"
	"time"

	"virga/core/db"
	"virga/service/compute/orders"
)

const (
	// hostDownAfter is how old a host's last report may be: nova's service_down_time.
	hostDownAfter = 60 * time.Second
	// defaultZone is where hosts are that nobody put elsewhere.
	defaultZone = "nova"
)

// host is a row of the table hosts: a machine that runs guests.
type host struct {
	Num          int64       `db:"num"`
	Name         string      `db:"name"`
	ServiceID    string      `db:"service_id"`
	HypervisorID string      `db:"hypervisor_id"` // also the resource provider's id
	Zone         string      `db:"zone"`
	Facts        orders.Host `db:"facts,json"`
	Disabled     bool        `db:"disabled"`
	Reason       string      `db:"disabled_reason"`
	ForcedDown   bool        `db:"forced_down"`
	// Generation is the newest of the host's orders.
	Generation int64 `db:"generation"`
	// Provided is the digest of what placement was told of the host.
	Provided  string    `db:"provided"`
	LastSeen  time.Time `db:"last_seen"`
	CreatedAt time.Time `db:"created_at"`
	UpdatedAt time.Time `db:"updated_at"`
}

// newHost is a host without its number, which the database counts.
type newHost struct {
	Name         string      `db:"name"`
	ServiceID    string      `db:"service_id"`
	HypervisorID string      `db:"hypervisor_id"`
	Zone         string      `db:"zone"`
	Facts        orders.Host `db:"facts,json"`
	Disabled     bool        `db:"disabled"`
	Reason       string      `db:"disabled_reason"`
	ForcedDown   bool        `db:"forced_down"`
	Generation   int64       `db:"generation"`
	Provided     string      `db:"provided"`
	LastSeen     time.Time   `db:"last_seen"`
	CreatedAt    time.Time   `db:"created_at"`
	UpdatedAt    time.Time   `db:"updated_at"`
}

// up tells whether the host reported lately.
func (h *host) up(now time.Time) bool { return !h.ForcedDown && now.Sub(h.LastSeen) < hostDownAfter }

var hostColumns = db.Columns(host{}, "")

func findHost(tx *db.Tx, name string) (*host, error) {
	row := &host{}
	err := tx.Get(row, "SELECT "+hostColumns+" FROM hosts WHERE name = ?", name)
	return row, err
}

// maxHosts bounds lists of hosts that are not paged.
const maxHosts = 20_000

func listHosts(tx *db.Tx) ([]host, error) {
	var rows []host
	err := tx.Select(&rows, "SELECT "+hostColumns+" FROM hosts ORDER BY num LIMIT ?", maxHosts)
	return rows, err
}

// hostsByName returns those of the named hosts that are known.
func hostsByName(tx *db.Tx, names []string) ([]host, error) {
	var rows []host
	for len(names) > 0 {
		batch := names[:min(len(names), 500)]
		names = names[len(batch):]
		marks, args := db.In(batch)
		if err := tx.Select(&rows, "SELECT "+hostColumns+" FROM hosts WHERE name IN "+marks, args...); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// reportHost notes what a host said of itself.
func reportHost(tx *db.Tx, row newHost, now time.Time) error {
	changed, err := tx.Exec("UPDATE hosts SET last_seen = ? WHERE name = ?", now, row.Name)
	if err != nil {
		return fmt.Errorf("note report of host %s: %w", row.Name, err)
	}
	if changed == 0 {
		if err := tx.Insert("hosts", row); err != nil {
			return fmt.Errorf("insert host %s: %w", row.Name, err)
		}
		return nil
	}
	known, err := findHost(tx, row.Name)
	if err != nil {
		return err
	}
	known.Facts = row.Facts
	return updateHost(tx, known)
}

func updateHost(tx *db.Tx, row *host) error {
	if err := tx.Update("hosts", row, "num"); err != nil {
		return fmt.Errorf("update host %s: %w", row.Name, err)
	}
	return nil
}

func deleteHost(tx *db.Tx, name string) error {
	_, err := tx.Exec("DELETE FROM hosts WHERE name = ?", name)
	return err
}

// setProvided notes what placement knows of a host.
func setProvided(tx *db.Tx, name, digest string) error {
	_, err := tx.Exec("UPDATE hosts SET provided = ? WHERE name = ?", digest, name)
	return err
}

// nextGeneration counts a host's orders on.
func nextGeneration(tx *db.Tx, name string) (int64, error) {
	if _, err := tx.Exec("UPDATE hosts SET generation = generation + 1 WHERE name = ?", name); err != nil {
		return 0, fmt.Errorf("count orders of host %s: %w", name, err)
	}
	var n int64
	if err := tx.Get(&n, "SELECT generation FROM hosts WHERE name = ?", name); err != nil {
		return 0, fmt.Errorf("count orders of host %s: %w", name, err)
	}
	return n, nil
}

// hostUp tells whether a host is there and reported lately.
func hostUp(tx *db.Tx, name string, now time.Time) (bool, error) {
	row, err := findHost(tx, name)
	if errors.Is(err, db.ErrNotFound) {
		return false, nil
	}
	return err == nil && row.up(now), err
}
