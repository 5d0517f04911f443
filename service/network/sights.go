package network

import (
	"net/netip"
	"time"

	"virga/core/db"
	"virga/service/network/desired"
)

// sight is what a host sees of what many hosts share.
type sight struct {
	// asOf is the moment of the log before it was read.
	asOf int64
	// networks are those of the ports on the host, with tunnels or not, groups those of its
	// ports, and remotes the groups that their rules name.
	networks                   map[string]bool
	tunnelled, groups, remotes map[string]bool
}

// sees tells whether a change that is not of one host alone concerns the host.
func (s *sight) sees(row *changeRow) bool {
	switch row.Kind {
	case changedPeers:
		return s.tunnelled[row.ObjectID]
	case changedMembers:
		return s.remotes[row.ObjectID]
	case changedNetwork:
		return s.networks[row.ObjectID]
	case changedGroup:
		return s.groups[row.ObjectID]
	}
	return true
}

// sights remembers what hosts see: most news are of sets alone, and what a host sees of them
// changes only with its own ports and with the rules of their groups. The lock is the log's.
type sights struct {
	changes *changes
	byHost  map[string]*sight
}

func newSights(c *changes) *sights { return &sights{changes: c, byHost: map[string]*sight{}} }

// of is what a host sees, as far as the log has been read; nil when it is not known. The
// log's lock is held.
func (s *sights) of(host string) *sight {
	known := s.byHost[host]
	if known == nil {
		return nil
	}
	fresh := max(s.changes.hostTouched[host], s.changes.anew) <= known.asOf
	for id := range known.groups {
		fresh = fresh && s.changes.touchedAt(id, changedGroup) <= known.asOf
	}
	if !fresh {
		delete(s.byHost, host)
		return nil
	}
	return known
}

// find is what a host sees: from memory, or read in a transaction that began after the
// moment asOf.
func (s *sights) find(tx *db.Tx, host string, asOf int64) (*sight, error) {
	if known := s.known(host); known != nil {
		return known, nil
	}
	fresh, err := loadSight(tx, host)
	if err != nil {
		return nil, err
	}
	fresh.asOf = asOf
	s.learn(host, fresh)
	return fresh, nil
}

func (s *sights) learn(host string, fresh *sight) {
	s.changes.mu.Lock()
	defer s.changes.mu.Unlock()
	s.byHost[host] = fresh
}

func newSight() *sight {
	return &sight{networks: map[string]bool{}, tunnelled: map[string]bool{}, groups: map[string]bool{}, remotes: map[string]bool{}}
}

// sight is what a host sees of which everything was read.
func (c *hostContent) sight() *sight {
	s := newSight()
	s.asOf = c.asOf
	for _, id := range c.told {
		s.networks[id] = true
		if n := c.networks[id]; n != nil && n.Type == typeVXLAN {
			s.tunnelled[id] = true
		}
	}
	for _, id := range c.groups {
		s.groups[id] = true
	}
	for _, rule := range c.rules {
		if rule.RemoteGroupID != "" {
			s.remotes[rule.RemoteGroupID] = true
		}
	}
	return s
}

func (s *sights) known(host string) *sight {
	s.changes.mu.Lock()
	defer s.changes.mu.Unlock()
	return s.of(host)
}

// setNews is what changes of sets mean for a host: what is new in those that it has, and
// which of the changes can only be told by the whole sets.
type setNews struct {
	members map[string]desired.MemberChange
	peers   map[string]desired.PeerChange
	whole   []changeRow
}

// ofSets tells whether a row is about a set that hosts share.
func (row *changeRow) ofSets() bool {
	return row.Host == "" && (row.Kind == changedPeers || row.Kind == changedMembers)
}

// setNews looks at what rows say that was touched, as the sets are now: whoever had a set as
// of the rows has it as it is now when it takes over what became of these addresses.
func (c *changes) setNews(host string, seen *sight, rows []changeRow) setNews {
	news := setNews{members: map[string]desired.MemberChange{}, peers: map[string]desired.PeerChange{}}
	touched, whole := map[subject]map[netip.Prefix]bool{}, map[subject]bool{}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, row := range rows {
		key := subject{row.Kind, row.ObjectID}
		if !row.ofSets() || !seen.sees(&row) || whole[key] {
			continue
		}
		if row.part == nil || !c.shared.remembers(key) {
			whole[key] = true
			news.whole = append(news.whole, row)
			delete(touched, key)
			continue
		}
		if touched[key] == nil {
			touched[key] = map[netip.Prefix]bool{}
		}
		if row.Kind == changedPeers && row.part.Of == host { // nobody is its own peer
			continue
		}
		for _, address := range row.part.Addresses {
			touched[key][address] = true
		}
	}
	for key, addresses := range touched {
		if key.kind == changedMembers {
			news.members[key.id] = memberChange(c.shared.members[key.id], addresses)
		} else {
			news.peers[key.id] = peerChange(c.shared.carried[key.id], addresses, host)
		}
	}
	return news
}

// remembers tells whether a set is remembered. The log's lock is held.
func (s *sharedContent) remembers(set subject) bool {
	return set.kind == changedMembers && s.members[set.id] != nil || set.kind == changedPeers && s.carried[set.id] != nil
}

func memberChange(set *sharedSet[netip.Prefix], touched map[netip.Prefix]bool) (change desired.MemberChange) {
	for address := range touched {
		if set.has(address, "") {
			change.Added = append(change.Added, address)
		} else {
			change.Removed = append(change.Removed, address)
		}
	}
	return change
}

func peerChange(set *sharedSet[netip.Addr], touched map[netip.Prefix]bool, host string) (change desired.PeerChange) {
	for address := range touched {
		if set.has(address.Addr(), host) {
			change.Added = append(change.Added, address.Addr())
		} else {
			change.Removed = append(change.Removed, address.Addr())
		}
	}
	return change
}

// bellPatience is how much longer than usual a bell for many hosts may take before a sign of
// life tells what it would have told.
const bellPatience = time.Second

// newsSince tells whether a host that was told everything up to a position should ask what
// is new, and from where it may ask the next time when it need not, or nil. Changes of many
// hosts count when the bell that collects them ought to have rung, which takes spread.
func (c *changes) newsSince(from position, host string, sights *sights, spread time.Duration) (news bool, next *position) {
	rows, end, reaches := c.since(from, host)
	if !reaches {
		return true, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	seen, rung, waiting := sights.of(host), c.now().Add(-spread-bellPatience), false
	for _, row := range rows {
		switch {
		case row.Host != "":
			return true, nil
		case seen != nil && !seen.sees(&row):
			continue
		case row.at.Before(rung):
			return true, nil
		}
		waiting = true
	}
	if waiting || end == from {
		return false, nil
	}
	return false, &end
}
