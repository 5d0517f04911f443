package compute

import (
	"fmt"

	"virga/core/db"
)

// placementAggregate is a row of the table placement_aggregates: a host's resource provider may be in an aggregate in
// placement. The row is there before placement is told and goes after it was told the opposite.
type placementAggregate struct {
	Host        string `db:"host"`
	AggregateID string `db:"aggregate_id"`
	// Confirmed says that placement took it.
	Confirmed bool `db:"confirmed"`
}

// mirrorChange is what is to change of one host's aggregates in placement.
type mirrorChange struct {
	host, provider string
	add, remove    []string
}

// maxMirrored bounds how many differences one round looks at.
const maxMirrored = 5_000

// aggregatesToMirror compares what placement was told with the aggregates as they are. Hosts that are not there are left out.
func aggregatesToMirror(tx *db.Tx) ([]mirrorChange, error) {
	type pair struct {
		Host        string `db:"host"`
		Provider    string `db:"hypervisor_id"`
		AggregateID string `db:"aggregate_id"`
	}
	var adds, removes []pair
	err := tx.Select(&adds, "SELECT m.host, h.hypervisor_id, a.id AS aggregate_id FROM aggregate_hosts m JOIN aggregates a ON a.num = m.aggregate JOIN hosts h ON h.name = m.host"+
		" LEFT JOIN placement_aggregates p ON p.host = m.host AND p.aggregate_id = a.id WHERE p.confirmed IS NULL OR p.confirmed = 0 ORDER BY m.host LIMIT ?", maxMirrored)
	if err != nil {
		return nil, fmt.Errorf("find aggregates that placement is to hear of: %w", err)
	}
	err = tx.Select(&removes, "SELECT p.host, h.hypervisor_id, p.aggregate_id FROM placement_aggregates p JOIN hosts h ON h.name = p.host WHERE NOT EXISTS"+
		" (SELECT 1 FROM aggregate_hosts m JOIN aggregates a ON a.num = m.aggregate WHERE m.host = p.host AND a.id = p.aggregate_id) ORDER BY p.host LIMIT ?", maxMirrored)
	if err != nil {
		return nil, fmt.Errorf("find aggregates that placement is to forget: %w", err)
	}
	var changes []mirrorChange
	at := map[string]int{}
	of := func(p pair) *mirrorChange {
		i, known := at[p.Host]
		if !known {
			i = len(changes)
			at[p.Host], changes = i, append(changes, mirrorChange{host: p.Host, provider: p.Provider})
		}
		return &changes[i]
	}
	for _, p := range adds {
		c := of(p)
		c.add = append(c.add, p.AggregateID)
	}
	for _, p := range removes {
		c := of(p)
		c.remove = append(c.remove, p.AggregateID)
	}
	return changes, nil
}

// putMirrored writes rows for what placement is about to be told, or has taken.
func putMirrored(tx *db.Tx, c *mirrorChange, confirmed bool) error {
	for _, id := range c.add {
		if err := tx.Upsert("placement_aggregates", placementAggregate{Host: c.host, AggregateID: id, Confirmed: confirmed}, "host", "aggregate_id"); err != nil {
			return fmt.Errorf("note aggregate %s of host %s: %w", id, c.host, err)
		}
	}
	return nil
}

// forgetMirrored removes the rows of what placement was told to forget.
func forgetMirrored(tx *db.Tx, c *mirrorChange) error {
	for _, id := range c.remove {
		if _, err := tx.Exec("DELETE FROM placement_aggregates WHERE host = ? AND aggregate_id = ?", c.host, id); err != nil {
			return fmt.Errorf("forget aggregate %s of host %s: %w", id, c.host, err)
		}
	}
	return nil
}

// doubtMirrored has placement told again of the aggregates of a host, of all hosts if it is empty.
func doubtMirrored(tx *db.Tx, host string) error {
	_, err := tx.Exec("UPDATE placement_aggregates SET confirmed = 0 WHERE confirmed = 1 AND (host = ? OR ? = '')", host, host)
	return err
}

// goneProvider is a row of the table gone_providers.
type goneProvider struct {
	ID   string `db:"id"`
	Host string `db:"host"`
}

// abandonProvider notes that a host's provider is to go, with what placement was told of its aggregates.
func abandonProvider(tx *db.Tx, h *host) error {
	if _, err := tx.Exec("DELETE FROM placement_aggregates WHERE host = ?", h.Name); err != nil {
		return fmt.Errorf("forget aggregates of host %s: %w", h.Name, err)
	}
	return tx.Insert("gone_providers", goneProvider{ID: h.HypervisorID, Host: h.Name})
}

func listGoneProviders(tx *db.Tx, limit int) ([]goneProvider, error) {
	var rows []goneProvider
	err := tx.Select(&rows, "SELECT id, host FROM gone_providers ORDER BY id LIMIT ?", limit)
	return rows, err
}

func forgetGoneProvider(tx *db.Tx, id string) error {
	_, err := tx.Exec("DELETE FROM gone_providers WHERE id = ?", id)
	return err
}
