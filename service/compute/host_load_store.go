package compute

import (
	"errors"
	"fmt"
	"time"

	"virga/core/db"
)

// serverPlace is a row of the table server_places: a host that got a server or lost one.
type serverPlace struct {
	Host string    `db:"host"`
	At   time.Time `db:"at"`
}

// notePlaces writes that a server came to or left hosts; empty names are no hosts. Rows are only added, so that nobody waits for
// another one's servers.
func notePlaces(tx *db.Tx, at time.Time, hosts ...string) error {
	for _, host := range hosts {
		if host == "" {
			continue
		}
		if err := tx.Insert("server_places", serverPlace{host, at}); err != nil {
			return fmt.Errorf("note that servers of host %s changed: %w", host, err)
		}
	}
	return nil
}

// placesSince are the hosts that got or lost servers since then.
func placesSince(tx *db.Tx, at time.Time) ([]string, error) {
	var hosts []string
	err := tx.Select(&hosts, "SELECT DISTINCT host FROM server_places WHERE at >= ?", at)
	return hosts, err
}

// purgePlaces forgets what everybody has read long ago, at most limit rows.
func purgePlaces(tx *db.Tx, before time.Time, limit int) (int, error) {
	var seqs []int64
	if err := tx.Select(&seqs, "SELECT seq FROM server_places WHERE at < ? ORDER BY at LIMIT ?", before, limit); err != nil || len(seqs) == 0 {
		return 0, err
	}
	marks, args := db.In(seqs)
	_, err := tx.Exec("DELETE FROM server_places WHERE seq IN "+marks, args...)
	return len(seqs), err
}

// hostCount is a number of a host.
type hostCount struct {
	Host  string `db:"host"`
	Count int64  `db:"n"`
}

func byHost(rows []hostCount) map[string]int64 {
	counts := make(map[string]int64, len(rows))
	for _, row := range rows {
		counts[row.Host] = row.Count
	}
	return counts
}

// countServersByHost counts the servers of the named hosts, of all for nil; hosts without servers are not in it.
func countServersByHost(tx *db.Tx, hosts []string) (map[string]int64, error) {
	var rows []hostCount
	if hosts == nil {
		err := tx.Select(&rows, "SELECT host, COUNT(*) AS n FROM servers WHERE host <> '' AND deleted_at = 0 GROUP BY host")
		return byHost(rows), err
	}
	for begin := 0; begin < len(hosts); begin += 500 {
		marks, args := db.In(hosts[begin:min(begin+500, len(hosts))])
		if err := tx.Select(&rows, "SELECT host, COUNT(*) AS n FROM servers WHERE deleted_at = 0 AND host IN "+marks+" GROUP BY host", args...); err != nil {
			return nil, err
		}
	}
	return byHost(rows), nil
}

// countWorkByHost counts the servers that are made, moved, copied or rescued on each host: nova's io_workload. It costs what the
// operations at hand cost, however many servers there are.
func countWorkByHost(tx *db.Tx) (map[string]int64, error) {
	var rows []hostCount
	marks, args := db.In([]string{opCreate, opRebuild, opResize, opMigrate, opEvacuate, opSnapshot, opBackup, opRescue, opUnshelve})
	err := tx.Select(&rows, "SELECT s.host AS host, COUNT(*) AS n FROM operations o JOIN servers s ON s.id = o.resource_id"+
		" WHERE o.finished_at = 0 AND s.host <> '' AND s.deleted_at = 0 AND o.kind IN "+marks+" GROUP BY s.host", args...)
	return byHost(rows), err
}

// hostsByServer are where servers are that have a host.
func hostsByServer(tx *db.Tx, servers []string) (map[string]string, error) {
	var rows []struct {
		ID   string `db:"id"`
		Host string `db:"host"`
	}
	for begin := 0; begin < len(servers); begin += 500 {
		marks, args := db.In(servers[begin:min(begin+500, len(servers))])
		if err := tx.Select(&rows, "SELECT id, host FROM servers WHERE host <> '' AND deleted_at = 0 AND id IN "+marks, args...); err != nil {
			return nil, err
		}
	}
	hosts := make(map[string]string, len(rows))
	for _, row := range rows {
		hosts[row.ID] = row.Host
	}
	return hosts, nil
}

// hostFailures is a row of the table host_failures.
type hostFailures struct {
	Host     string `db:"host"`
	Failures int64  `db:"failures"`
}

// noteFailure counts a server that could not be made on a host.
func noteFailure(tx *db.Tx, host string) error {
	var n int64
	err := tx.UpdateGet(&n, "host_failures", "failures = failures + 1", nil, "failures", "host = ?", host)
	if errors.Is(err, db.ErrNotFound) {
		err = tx.Insert("host_failures", hostFailures{host, 1})
	}
	if err != nil {
		return fmt.Errorf("count failures of host %s: %w", host, err)
	}
	return nil
}

// forgetFailures is for a host on which a server could be made, and for one that is gone.
func forgetFailures(tx *db.Tx, host string) error {
	if _, err := tx.Exec("DELETE FROM host_failures WHERE host = ?", host); err != nil {
		return fmt.Errorf("forget failures of host %s: %w", host, err)
	}
	return nil
}

func listFailures(tx *db.Tx) (map[string]int64, error) {
	var rows []hostCount
	err := tx.Select(&rows, "SELECT host, failures AS n FROM host_failures LIMIT ?", maxHosts)
	return byHost(rows), err
}
