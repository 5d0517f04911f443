package network

import (
	"errors"
	"fmt"
	"time"

	"virga/core/db"
)

// host is a machine that has reported. Generation is no longer used: the numbers of the
// table changes took its place.
type host struct {
	Name       string `db:"name"`
	VTEP       string `db:"vtep"`
	Generation int64  `db:"generation"`
}

func getHost(tx *db.Tx, name string) (host, error) {
	var h host
	err := tx.Get(&h, "SELECT name, vtep, generation FROM hosts WHERE name = ?", name)
	return h, err
}

// bell is the topic that a host's agent listens to.
func bell(host string) string { return "network.node." + host }

// portBell is the topic that rings when the status of a port has changed.
func portBell(id string) string { return "network.port." + id }

// hostsOfNetwork are the hosts that have ports of a network, routers' included.
func hostsOfNetwork(tx *db.Tx, id string) ([]string, error) {
	var names []string
	err := tx.Select(&names, "SELECT DISTINCT host FROM ports WHERE network_id = ? AND host > ''", id)
	return names, err
}

// touchNetwork tells all hosts that carry a network that it changed.
func (s *Service) touchNetwork(tx *db.Tx, id string) error {
	return s.changed(tx, changedNetwork, id, "")
}

// touchPeers tells all hosts that carry a network that other hosts do than before, or have
// other tunnel addresses (see touchCarrier).
func (s *Service) touchPeers(tx *db.Tx, id string) error { return s.changed(tx, changedPeers, id, "") }

// touchGroup tells the hosts that enforce a security group that its rules changed.
func (s *Service) touchGroup(tx *db.Tx, id string) error { return s.changed(tx, changedGroup, id, "") }

// touchRouter tells the host that carries a router that it changed.
func (s *Service) touchRouter(tx *db.Tx, id string) error {
	if id == "" {
		return nil
	}
	var name string
	if err := tx.Get(&name, "SELECT host FROM routers WHERE id = ?", id); err != nil && !errors.Is(err, db.ErrNotFound) {
		return err
	}
	if name == "" {
		return nil
	}
	return s.changed(tx, changedRouter, id, name)
}

// agent is a process that reports for a host.
type agent struct {
	ID               string         `db:"id"`
	Host             string         `db:"host"`
	Type             string         `db:"agent_type"`
	Binary           string         `db:"binary_name"`
	Version          string         `db:"version"`
	Description      string         `db:"description"`
	AvailabilityZone string         `db:"availability_zone"`
	AdminUp          bool           `db:"admin_state_up"`
	Capabilities     []string       `db:"capabilities,json"`
	Configurations   map[string]any `db:"configurations,json"`
	CreatedAt        time.Time      `db:"created_at"`
	StartedAt        time.Time      `db:"started_at"`
	HeartbeatAt      time.Time      `db:"heartbeat_at"`
	// DeadAt is when the agent counts as dead unless a sign of life comes before.
	DeadAt time.Time `db:"dead_at"`
}

var agentColumns = db.Columns(agent{}, "")

func getAgent(tx *db.Tx, id string) (*agent, error) {
	if !printable(id) {
		return nil, agentNotFound(id)
	}
	var a agent
	err := tx.Get(&a, "SELECT "+agentColumns+" FROM agents WHERE id = ?", id)
	if errors.Is(err, db.ErrNotFound) {
		return nil, agentNotFound(id)
	}
	return &a, err
}

// agentOf is the agent of a type on a host, or nil.
func agentOf(tx *db.Tx, host, kind string) (*agent, error) {
	var a agent
	err := tx.Get(&a, "SELECT "+agentColumns+" FROM agents WHERE host = ? AND agent_type = ?", host, kind)
	if errors.Is(err, db.ErrNotFound) {
		return nil, nil
	}
	return &a, err
}

// liveHosts are the hosts of agents that are alive and enabled, those with the fewest
// routers first.
func liveHosts(tx *db.Tx, now time.Time) ([]string, error) {
	var names []string
	err := tx.Select(&names, "SELECT a.host FROM agents a LEFT JOIN routers r ON r.host = a.host"+
		" WHERE a.dead_at > ? AND a.admin_state_up = 1 GROUP BY a.host ORDER BY COUNT(r.id), a.host", now)
	return names, err
}

// deleteAgent forgets an agent, and its host when it was the last there.
func deleteAgent(tx *db.Tx, a *agent) error {
	if _, err := tx.Exec("DELETE FROM agents WHERE id = ?", a.ID); err != nil {
		return err
	}
	_, err := tx.Exec("DELETE FROM hosts WHERE name = ? AND NOT EXISTS (SELECT 1 FROM agents WHERE host = ?)", a.Host, a.Host)
	return err
}

// noteSigns writes that the agents of hosts were heard of, and how long that counts; it
// returns the hosts that there are.
func noteSigns(tx *db.Tx, names []string, seen, until time.Time) (map[string]int64, error) {
	found := make(map[string]int64, len(names))
	return found, inBatches(names, func(marks string, args []any) error {
		if _, err := tx.Exec("UPDATE agents SET heartbeat_at = ?, dead_at = ? WHERE host IN "+marks, append([]any{seen, until}, args...)...); err != nil {
			return fmt.Errorf("note signs of life: %w", err)
		}
		var there []string
		err := tx.Select(&there, "SELECT name FROM hosts WHERE name IN "+marks, args...)
		for _, name := range there {
			found[name] = 0
		}
		return err
	})
}

// hostNames are the names of all hosts.
func hostNames(tx *db.Tx) ([]string, error) {
	var names []string
	err := tx.Select(&names, "SELECT name FROM hosts LIMIT 100000")
	return names, err
}

// agentsOn counts the agents of a host.
func agentsOn(tx *db.Tx, host string) (int, error) {
	var count int
	err := tx.Get(&count, "SELECT COUNT(*) FROM agents WHERE host = ?", host)
	return count, err
}

// zoneRow is an availability zone; it is enabled when one of its agents is.
type zoneRow struct {
	Name    string `db:"availability_zone"`
	Enabled bool   `db:"enabled"`
}

func zoneRows(tx *db.Tx) ([]zoneRow, error) {
	var rows []zoneRow
	err := tx.Select(&rows, "SELECT availability_zone, MAX(admin_state_up) AS enabled FROM agents GROUP BY availability_zone ORDER BY availability_zone LIMIT 1000")
	return rows, err
}
