package compute

import (
	"errors"
	"slices"
	"time"

	"virga/core/db"
	"virga/core/work"
)

// How many servers a host has and how many are worked on is read with signs of life, once a second, of those hosts alone that got
// servers or lost some, and once more before a server is refused for them; in between the scheduler counts what it gave away itself. Several schedulers read the same rows. Where a filter
// has a limit, the transaction that writes the choice counts the host's servers once more (keepCount), so the limit holds for all of them.

const (
	// countAgain is how often all servers are counted, in case that the news of some came too late to be seen.
	countAgain = 10 * time.Minute
	// placesKept is how long it is known which hosts got or lost servers.
	placesKept = 10 * time.Minute
)

// arrival is a server that got a host from this scheduler and may not be counted there yet.
type arrival struct{ host, providerID string }

// loadNews is what was read of the loads of hosts.
type loadNews struct {
	read bool
	// whole: servers are those of all hosts; else of the hosts that changed.
	whole   bool
	changed []string
	servers map[string]int64
	work    map[string]int64
	// failures are of all hosts that have some.
	failures map[string]int64
	// there are the arrivals that are counted now.
	there []string
}

// readLoads reads what changed of the loads of hosts.
func (r *roster) readLoads(tx *db.Tx, whole bool, now time.Time) (n loadNews, err error) {
	if !whole && !r.loadsDue.Load() && now.Sub(r.loadsRead) < seenEvery {
		return n, nil
	}
	n.read, n.whole = true, whole || now.Sub(r.counted) >= countAgain
	if !n.whole {
		if n.changed, err = placesSince(tx, r.loadsRead.Add(-seenOverlap)); err != nil {
			return n, err
		}
	}
	if n.whole || len(n.changed) > 0 {
		if n.servers, err = countServersByHost(tx, n.changed); err != nil {
			return n, err
		}
	}
	if n.work, err = countWorkByHost(tx); err != nil {
		return n, err
	}
	if n.failures, err = listFailures(tx); err != nil || len(r.arriving) == 0 {
		return n, err
	}
	servers := make([]string, 0, len(r.arriving))
	for server := range r.arriving {
		servers = append(servers, server)
	}
	hosts, err := hostsByServer(tx, servers)
	for _, server := range servers {
		if _, promised := r.promised[server]; hosts[server] == r.arriving[server].host || !promised {
			n.there = append(n.there, server)
		}
	}
	return n, err
}

// takeLoads puts what was read into the copy.
func (r *roster) takeLoads(n *loadNews, now time.Time) {
	if !n.read {
		return
	}
	for i := range r.hosts {
		c := &r.hosts[i]
		c.load.work, c.load.failures = n.work[c.name], n.failures[c.name]
		if n.whole {
			c.load.servers = n.servers[c.name]
		}
	}
	for _, name := range n.changed {
		if i, there := r.named[name]; there {
			r.hosts[i].load.servers = n.servers[name]
		}
	}
	for _, server := range n.there {
		r.arrived(server)
	}
	r.loadsRead = now
	r.loadsDue.Store(false)
	if n.whole {
		r.counted = now
	}
}

// arrive counts a server on the host that it got until it is read that it is there.
func (r *roster) arrive(server, host, providerID string) {
	r.arrived(server)
	r.arriving[server] = arrival{host, providerID}
	if i, there := r.at[providerID]; there {
		r.hosts[i].load.promised++
	}
}

// arrived counts a server no more among those that got a host: it is there, or will not come.
func (r *roster) arrived(server string) {
	a, there := r.arriving[server]
	if !there {
		return
	}
	delete(r.arriving, server)
	if i, there := r.at[a.providerID]; there && r.hosts[i].load.promised > 0 {
		r.hosts[i].load.promised--
	}
}

// recount counts the arrivals of all hosts anew.
func (r *roster) recount() {
	for i := range r.hosts {
		r.hosts[i].load.promised = 0
	}
	for _, a := range r.arriving {
		if i, there := r.at[a.providerID]; there {
			r.hosts[i].load.promised++
		}
	}
}

// errHostFull is why a host that was chosen is not taken.
var errHostFull = errors.New("other servers were placed on the host meanwhile")

// keepCount is for the transaction that writes which host a server gets: it counts the host's servers once more, where the decision
// was made with a limit. Of two schedulers that would go beyond the limit together one sees the other's server.
func (s *Service) keepCount(tx *db.Tx, d *decision) error {
	if d.mostServers == nil {
		return nil
	}
	counts, err := countServersByHost(tx, []string{d.Chosen})
	if err != nil {
		return err
	}
	if counts[d.Chosen] >= *d.mostServers {
		s.roster.loadsDue.Store(true)
		return work.Back("schedule", errHostFull)
	}
	return nil
}

// countsLoads tells whether hosts are refused for their loads.
func (sc *scheduler) countsLoads() bool {
	return slices.ContainsFunc([]string{"NumInstancesFilter", "AggregateNumInstancesFilter", "IoOpsFilter", "AggregateIoOpsFilter"}, sc.has)
}

// mostServers is how many servers the filters let a host have; nil: any number.
func (sc *scheduler) mostServers(c *candidate) *int64 {
	var limits []int64
	if sc.has("NumInstancesFilter") {
		limits = append(limits, sc.MaxServers)
	}
	if sc.has("AggregateNumInstancesFilter") {
		limits = append(limits, c.terms.maxServersOr(sc.MaxServers))
	}
	if len(limits) == 0 {
		return nil
	}
	least := slices.Min(limits)
	return &least
}
