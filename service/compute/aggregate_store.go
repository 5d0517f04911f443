package compute

import (
	"fmt"
	"time"

	"virga/core/db"
)

// zoneKey is the key of an aggregate's metadata that puts its hosts into an availability zone.
const zoneKey = "availability_zone"

// aggregate is a row of the table aggregates: a group of hosts. Which hosts it has is in
// aggregate_hosts; in which zone a host is therefore, its row tells as well.
type aggregate struct {
	Num       int64             `db:"num"`
	ID        string            `db:"id"`
	Name      string            `db:"name"`
	Metadata  map[string]string `db:"metadata,json"`
	CreatedAt time.Time         `db:"created_at"`
	UpdatedAt time.Time         `db:"updated_at"` // zero: never

	hosts []string
}

// zone is the availability zone that the aggregate puts its hosts into, empty for none.
func (a *aggregate) zone() string { return a.Metadata[zoneKey] }

// newAggregate is an aggregate without its number, which the database counts.
type newAggregate struct {
	ID        string            `db:"id"`
	Name      string            `db:"name"`
	Metadata  map[string]string `db:"metadata,json"`
	CreatedAt time.Time         `db:"created_at"`
	UpdatedAt time.Time         `db:"updated_at"`
}

var aggregateColumns = db.Columns(aggregate{}, "")

// maxAggregates bounds the list of aggregates, which is not paged, and with it their number.
const maxAggregates = 5_000

// aggregateHost is a row of the table aggregate_hosts.
type aggregateHost struct {
	Aggregate int64  `db:"aggregate"`
	Host      string `db:"host"`
}

// listAggregates returns all aggregates with their hosts, in the order in which they were made.
func listAggregates(tx *db.Tx) ([]aggregate, error) {
	var rows []aggregate
	if err := tx.Select(&rows, "SELECT "+aggregateColumns+" FROM aggregates ORDER BY num LIMIT ?", maxAggregates); err != nil {
		return nil, fmt.Errorf("list aggregates: %w", err)
	}
	var members []aggregateHost
	if err := tx.Select(&members, "SELECT aggregate, host FROM aggregate_hosts ORDER BY aggregate, host"); err != nil {
		return nil, fmt.Errorf("list hosts of aggregates: %w", err)
	}
	at := make(map[int64]int, len(rows))
	for i := range rows {
		at[rows[i].Num] = i
	}
	for _, m := range members {
		if i, known := at[m.Aggregate]; known {
			rows[i].hosts = append(rows[i].hosts, m.Host)
		}
	}
	return rows, nil
}

// findAggregate returns an aggregate with its hosts.
func findAggregate(tx *db.Tx, num int64) (*aggregate, error) {
	row := &aggregate{}
	if err := tx.Get(row, "SELECT "+aggregateColumns+" FROM aggregates WHERE num = ?", num); err != nil {
		return nil, err
	}
	err := tx.Select(&row.hosts, "SELECT host FROM aggregate_hosts WHERE aggregate = ? ORDER BY host", num)
	return row, err
}

// aggregatesOfHosts returns the aggregates that have one of the hosts, without their hosts.
func aggregatesOfHosts(tx *db.Tx, names []string) ([]aggregate, error) {
	if len(names) == 0 {
		return nil, nil
	}
	var rows []aggregate
	marks, args := db.In(names)
	err := tx.Select(&rows, "SELECT "+aggregateColumns+" FROM aggregates WHERE num IN (SELECT aggregate FROM aggregate_hosts WHERE host IN "+marks+
		") ORDER BY num", args...)
	return rows, err
}

func countAggregates(tx *db.Tx) (int64, error) {
	var n int64
	err := tx.Get(&n, "SELECT COUNT(*) FROM aggregates")
	return n, err
}

// insertAggregate writes an aggregate and returns it with its number.
func insertAggregate(tx *db.Tx, row newAggregate) (*aggregate, error) {
	if err := tx.Insert("aggregates", row); err != nil {
		return nil, err
	}
	made := &aggregate{}
	err := tx.Get(made, "SELECT "+aggregateColumns+" FROM aggregates WHERE id = ?", row.ID)
	return made, err
}

func updateAggregate(tx *db.Tx, row *aggregate) error { return tx.Update("aggregates", row, "num") }

func deleteAggregate(tx *db.Tx, num int64) error {
	_, err := tx.Exec("DELETE FROM aggregates WHERE num = ?", num)
	return err
}

func addAggregateHost(tx *db.Tx, num int64, host string) error {
	return tx.Insert("aggregate_hosts", aggregateHost{num, host})
}

func removeAggregateHost(tx *db.Tx, num int64, host string) error {
	_, err := tx.Exec("DELETE FROM aggregate_hosts WHERE aggregate = ? AND host = ?", num, host)
	return err
}

// leaveAggregates takes a host that is forgotten out of all aggregates.
func leaveAggregates(tx *db.Tx, host string) error {
	if _, err := tx.Exec("DELETE FROM aggregate_hosts WHERE host = ?", host); err != nil {
		return err
	}
	return noteAggregates(tx)
}

// noteAggregates tells schedulers that aggregates are not as they were.
func noteAggregates(tx *db.Tx) error {
	if _, err := tx.Exec("UPDATE host_changes SET aggregates = aggregates + 1 WHERE id = 1"); err != nil {
		return fmt.Errorf("count changes of aggregates: %w", err)
	}
	return nil
}

// countServersOfHosts counts the servers that are on hosts.
func countServersOfHosts(tx *db.Tx, names []string) (int64, error) {
	if len(names) == 0 {
		return 0, nil
	}
	var n int64
	marks, args := db.In(names)
	err := tx.Get(&n, "SELECT COUNT(*) FROM servers WHERE deleted_at = 0 AND host IN "+marks, args...)
	return n, err
}

// hostsOfServers are the hosts of those of the servers that are a project's.
func hostsOfServers(tx *db.Tx, projectID string, ids []string) (map[string]bool, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var names []string
	marks, args := db.In(ids)
	err := tx.Select(&names, "SELECT DISTINCT host FROM servers WHERE project_id = ? AND deleted_at = 0 AND host <> '' AND id IN "+marks, append([]any{projectID}, args...)...)
	hosts := map[string]bool{}
	for _, name := range names {
		hosts[name] = true
	}
	return hosts, err
}
