package network

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"virga/core/db"
)

// host is a machine that has reported; its generation grows with every change of what
// should be on it.
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

// touchHosts raises the generations of hosts and rings their agents once it is committed.
func (s *Service) touchHosts(tx *db.Tx, names []string) error {
	names = slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == "" })
	if err := inBatches(names, func(marks string, args []any) error {
		_, err := tx.Exec("UPDATE hosts SET generation = generation + 1 WHERE name IN "+marks, args...)
		return err
	}); err != nil {
		return fmt.Errorf("raise generations of hosts: %w", err)
	}
	tx.AfterCommit(func() {
		for _, name := range names {
			s.deps.Bus.Ring(bell(name))
		}
	})
	return nil
}

// hostsOfNetwork are the hosts that have ports of a network, routers' included.
func hostsOfNetwork(tx *db.Tx, id string) ([]string, error) {
	var names []string
	err := tx.Select(&names, "SELECT DISTINCT host FROM ports WHERE network_id = ? AND host > ''", id)
	return names, err
}

// touchNetwork raises the generations of all hosts that carry a network.
func (s *Service) touchNetwork(tx *db.Tx, id string) error {
	names, err := hostsOfNetwork(tx, id)
	if err != nil || len(names) == 0 {
		return err
	}
	return s.touchHosts(tx, names)
}

// touchGroup raises the generations of the hosts that enforce a security group.
func (s *Service) touchGroup(tx *db.Tx, id string) error {
	var names []string
	if err := tx.Select(&names, "SELECT DISTINCT host FROM port_groups WHERE security_group_id = ? AND host > ''", id); err != nil || len(names) == 0 {
		return err
	}
	return s.touchHosts(tx, names)
}

// touchReferrers raises the generations of the hosts that enforce a rule whose remote side
// is one of the groups.
func (s *Service) touchReferrers(tx *db.Tx, groups []string) error {
	if len(groups) == 0 {
		return nil
	}
	var names []string
	err := inBatches(groups, func(marks string, args []any) error {
		return tx.Select(&names, "SELECT DISTINCT host FROM port_groups WHERE host > '' AND security_group_id IN"+
			" (SELECT security_group_id FROM security_group_rules WHERE remote_group_id IN "+marks+")", args...)
	})
	if err != nil || len(names) == 0 {
		return err
	}
	return s.touchHosts(tx, names)
}

// touchRouter raises the generation of the host that carries a router.
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
	return s.touchHosts(tx, []string{name})
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

// liveHosts are the hosts of agents that reported since the given time and are enabled,
// those with the fewest routers first.
func liveHosts(tx *db.Tx, since time.Time) ([]string, error) {
	var names []string
	err := tx.Select(&names, "SELECT a.host FROM agents a LEFT JOIN routers r ON r.host = a.host"+
		" WHERE a.heartbeat_at >= ? AND a.admin_state_up = 1 GROUP BY a.host ORDER BY COUNT(r.id), a.host", since)
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
