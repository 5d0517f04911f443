package compute

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"virga/core/db"
	"virga/service/compute/orders"
)

const (
	// hostLostAfter is how long a host is silent until nobody waits for it any more. It
	// counts as down long before: at the time that its last sign of life promised.
	hostLostAfter = 60 * time.Second
	// defaultZone is where hosts are that nobody put elsewhere.
	defaultZone = "nova"
)

// host is a row of the table hosts: a machine that runs guests.
type host struct {
	Num          int64       `db:"num"`
	Name         string      `db:"name"`
	ServiceID    string      `db:"service_id"`
	HypervisorID string      `db:"hypervisor_id"` // also the resource provider's id
	HostName     string      `db:"hostname"`      // that of the facts
	Zone         string      `db:"zone"`
	Facts        orders.Host `db:"facts,json"`
	Disabled     bool        `db:"disabled"`
	Reason       string      `db:"disabled_reason"`
	ForcedDown   bool        `db:"forced_down"`
	// Generation is the newest of the host's orders.
	Generation int64 `db:"generation"`
	// Provided is the digest of what placement was told of the host.
	// It is empty when placement is to be told again.
	Provided string `db:"provided"`
	// Revision grows with every change that the scheduler must know of.
	Revision int64     `db:"revision"`
	LastSeen time.Time `db:"last_seen"`
	// DownAt is when the host counts as down unless a sign of life comes before.
	DownAt    time.Time `db:"down_at"`
	CreatedAt time.Time `db:"created_at"`
	UpdatedAt time.Time `db:"updated_at"`
}

// newHost is a host without its number, which the database counts.
type newHost struct {
	Name         string      `db:"name"`
	ServiceID    string      `db:"service_id"`
	HypervisorID string      `db:"hypervisor_id"`
	HostName     string      `db:"hostname"`
	Zone         string      `db:"zone"`
	Facts        orders.Host `db:"facts,json"`
	Disabled     bool        `db:"disabled"`
	Reason       string      `db:"disabled_reason"`
	ForcedDown   bool        `db:"forced_down"`
	Generation   int64       `db:"generation"`
	Provided     string      `db:"provided"`
	Revision     int64       `db:"revision"`
	LastSeen     time.Time   `db:"last_seen"`
	DownAt       time.Time   `db:"down_at"`
	CreatedAt    time.Time   `db:"created_at"`
	UpdatedAt    time.Time   `db:"updated_at"`
}

// up tells whether the host gives signs of life.
func (h *host) up(now time.Time) bool { return !h.ForcedDown && now.Before(h.DownAt) }

// lost tells whether the host has been silent for so long that nobody waits for it.
func (h *host) lost(now time.Time) bool {
	return h.ForcedDown || !h.up(now) && now.Sub(h.LastSeen) >= hostLostAfter
}

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

// hostBrief is what lists of servers tell of a host.
type hostBrief struct {
	Name       string    `db:"name"`
	HostName   string    `db:"hostname"`
	Zone       string    `db:"zone"`
	Disabled   bool      `db:"disabled"`
	ForcedDown bool      `db:"forced_down"`
	DownAt     time.Time `db:"down_at"`
}

// hostBriefs returns those of the named hosts that are known.
func hostBriefs(tx *db.Tx, names []string) ([]hostBrief, error) {
	var rows []hostBrief
	for batch := range slices.Chunk(names, 500) {
		marks, args := db.In(batch)
		if err := tx.Select(&rows, "SELECT "+db.Columns(hostBrief{}, "")+" FROM hosts WHERE name IN "+marks, args...); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// insertHost writes a host that was not known.
func insertHost(tx *db.Tx, row newHost) (err error) {
	if row.Revision, err = nextHostRevision(tx); err != nil {
		return err
	}
	if err := tx.Insert("hosts", row); err != nil {
		return fmt.Errorf("insert host %s: %w", row.Name, err)
	}
	return nil
}

// updateHost writes a host's row, with a new revision when the scheduler must know.
func updateHost(tx *db.Tx, row *host, forScheduler bool) (err error) {
	if forScheduler {
		if row.Revision, err = nextHostRevision(tx); err != nil {
			return err
		}
	}
	if err := tx.Update("hosts", row, "num"); err != nil {
		return fmt.Errorf("update host %s: %w", row.Name, err)
	}
	return nil
}

// hostsAt counts the changes of hosts and, apart, how many were removed, and the changes of aggregates.
type hostsAt struct {
	Revision   int64 `db:"revision"`
	Removed    int64 `db:"removed"`
	Aggregates int64 `db:"aggregates"`
}

func hostRevision(tx *db.Tx) (hostsAt, error) {
	var at hostsAt
	err := tx.Get(&at, "SELECT revision, removed, aggregates FROM host_changes WHERE id = 1")
	return at, err
}

// nextHostRevision counts on. Whoever counts holds the row until its commit, so that
// revisions appear in their order.
func nextHostRevision(tx *db.Tx) (int64, error) {
	var revision int64
	if err := tx.UpdateGet(&revision, "host_changes", "revision = revision + 1", nil, "revision", "id = 1"); err != nil {
		return 0, fmt.Errorf("count changes of hosts: %w", err)
	}
	return revision, nil
}

func hostsSince(tx *db.Tx, revision int64) ([]host, error) {
	var rows []host
	err := tx.Select(&rows, "SELECT "+hostColumns+" FROM hosts WHERE revision > ?", revision)
	return rows, err
}

// hostSign is when a host was last heard of.
type hostSign struct {
	HypervisorID string    `db:"hypervisor_id"`
	LastSeen     time.Time `db:"last_seen"`
	DownAt       time.Time `db:"down_at"`
}

func signsSince(tx *db.Tx, at time.Time) ([]hostSign, error) {
	var rows []hostSign
	err := tx.Select(&rows, "SELECT hypervisor_id, last_seen, down_at FROM hosts WHERE last_seen >= ?", at)
	return rows, err
}

// noteSigns writes that hosts were heard of, and how long that counts.
func noteSigns(tx *db.Tx, names []string, seen, until time.Time) error {
	for batch := range slices.Chunk(names, 500) {
		marks, args := db.In(batch)
		if _, err := tx.Exec("UPDATE hosts SET last_seen = ?, down_at = ? WHERE name IN "+marks, append([]any{seen, until}, args...)...); err != nil {
			return fmt.Errorf("note signs of life: %w", err)
		}
	}
	return nil
}

// hostGeneration is the newest of a host's orders.
type hostGeneration struct {
	Name       string `db:"name"`
	Generation int64  `db:"generation"`
}

// generationsOf returns the generations of those of the named hosts that are known, of all
// for nil.
func generationsOf(tx *db.Tx, names []string) (map[string]int64, error) {
	var rows []hostGeneration
	if names == nil {
		if err := tx.Select(&rows, "SELECT name, generation FROM hosts LIMIT ?", maxHosts); err != nil {
			return nil, err
		}
	}
	for batch := range slices.Chunk(names, 500) {
		marks, args := db.In(batch)
		if err := tx.Select(&rows, "SELECT name, generation FROM hosts WHERE name IN "+marks, args...); err != nil {
			return nil, err
		}
	}
	found := make(map[string]int64, len(rows))
	for _, r := range rows {
		found[r.Name] = r.Generation
	}
	return found, nil
}

func deleteHost(tx *db.Tx, name string) error {
	if _, err := tx.Exec("DELETE FROM hosts WHERE name = ?", name); err != nil {
		return err
	}
	_, err := tx.Exec("UPDATE host_changes SET removed = removed + 1 WHERE id = 1")
	return err
}

// hostsToProvide returns hosts that placement is to be told of, at most limit.
func hostsToProvide(tx *db.Tx, limit int) ([]host, error) {
	var rows []host
	err := tx.Select(&rows, "SELECT "+hostColumns+" FROM hosts WHERE provided = '' ORDER BY num LIMIT ?", limit)
	return rows, err
}

// setProvided notes what placement knows of a host, unless the host has changed since.
func setProvided(tx *db.Tx, name, digest string) error {
	row, err := findHost(tx, name)
	if errors.Is(err, db.ErrNotFound) {
		return nil
	}
	if err != nil || digestOf(row.Name, row.Facts) != digest {
		return err
	}
	_, err = tx.Exec("UPDATE hosts SET provided = ? WHERE name = ?", digest, name)
	return err
}

// forgetProvided has placement told again of hosts.
func forgetProvided(tx *db.Tx, names []string) error {
	for batch := range slices.Chunk(names, 500) {
		marks, args := db.In(batch)
		if _, err := tx.Exec("UPDATE hosts SET provided = '' WHERE name IN "+marks, args...); err != nil {
			return err
		}
	}
	return nil
}

// nextGeneration counts a host's orders on.
func nextGeneration(tx *db.Tx, name string) (int64, error) {
	var n int64
	if err := tx.UpdateGet(&n, "hosts", "generation = generation + 1", nil, "generation", "name = ?", name); err != nil {
		return 0, fmt.Errorf("count orders of host %s: %w", name, err)
	}
	return n, nil
}

// hostUp tells whether a host is there and not lost: whoever waits for it goes on waiting.
func hostUp(tx *db.Tx, name string, now time.Time) (bool, error) {
	row, err := findHost(tx, name)
	if errors.Is(err, db.ErrNotFound) {
		return false, nil
	}
	return err == nil && !row.lost(now), err
}
