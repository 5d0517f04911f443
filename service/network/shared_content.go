package network

import (
	"maps"
	"net/netip"
	"slices"

	"virga/core/db"
)

// sharedContent remembers what many hosts are told alike: who carries a network, and the
// addresses of a group's members. In a network of a thousand hosts each of them asks for
// the same thousand tunnel addresses.
//
// A set that is remembered is kept as the log of changes is read: in the transaction that
// reads new rows the members that they are about are read, too, so that a set is always at
// least as new as the rows that are known. A change that does not say what it is about has
// the set forgotten. The lock is that of the log, so that rows and sets appear at once.
type sharedContent struct {
	changes *changes
	// carried has for each network the tunnel address of each host, members for each group
	// the addresses of each port.
	carried map[string]*sharedSet[netip.Addr]
	members map[string]*sharedSet[netip.Prefix]
}

// maxRemembered bounds how many sets of a kind are remembered.
const maxRemembered = 1000

func newSharedContent(c *changes) *sharedContent {
	return &sharedContent{changes: c, carried: map[string]*sharedSet[netip.Addr]{}, members: map[string]*sharedSet[netip.Prefix]{}}
}

// sharedSet is a set of addresses to which several sources contribute.
type sharedSet[E comparable] struct {
	sources map[string][]E
	count   map[E]int
	// list has the elements in order, each once; nil: it is to be made. Nobody changes it.
	list []E
}

func newSharedSet[E comparable](sources map[string][]E) *sharedSet[E] {
	set := &sharedSet[E]{sources: make(map[string][]E, len(sources)), count: make(map[E]int, len(sources))}
	for source, elements := range sources {
		set.put(source, elements)
	}
	return set
}

// put says what a source contributes from now on.
func (s *sharedSet[E]) put(source string, elements []E) {
	old := s.sources[source]
	if slices.Equal(old, elements) {
		return
	}
	for _, e := range old {
		if s.count[e]--; s.count[e] == 0 {
			delete(s.count, e)
		}
	}
	for _, e := range elements {
		s.count[e]++
	}
	if s.sources[source] = elements; len(elements) == 0 {
		delete(s.sources, source)
	}
	s.list = nil
}

// has tells whether another source than the one named contributes an element.
func (s *sharedSet[E]) has(e E, but string) bool {
	count := s.count[e]
	for _, own := range s.sources[but] {
		if own == e {
			count--
		}
	}
	return count > 0
}

// all are the elements in the order of compare.
func (s *sharedSet[E]) all(compare func(a, b E) int) []E {
	if s.list == nil {
		s.list = slices.SortedFunc(maps.Keys(s.count), compare)
	}
	return s.list
}

// peersOf are the tunnel addresses of the hosts other than one that carry networks, by
// network: from memory, or read in a transaction that began after the moment asOf.
func (s *sharedContent) peersOf(tx *db.Tx, asOf int64, host string, networks []string) (map[string][]netip.Addr, error) {
	sets, err := recall(s.changes, s.carried, tx, asOf, networks, carriersOf, changedPeers, changedNetwork)
	if err != nil {
		return nil, err
	}
	s.changes.mu.Lock()
	defer s.changes.mu.Unlock()
	peers := make(map[string][]netip.Addr, len(sets))
	for id, set := range sets {
		list := set.all(netip.Addr.Compare)
		peers[id] = make([]netip.Addr, 0, len(list))
		for _, vtep := range list {
			if set.has(vtep, host) {
				peers[id] = append(peers[id], vtep)
			}
		}
	}
	return peers, nil
}

// membersOf are the addresses of the members of groups, in order. Nobody changes them.
func (s *sharedContent) membersOf(tx *db.Tx, asOf int64, groups []string) (map[string][]netip.Prefix, error) {
	sets, err := recall(s.changes, s.members, tx, asOf, groups, membersOf, changedMembers)
	if err != nil {
		return nil, err
	}
	s.changes.mu.Lock()
	defer s.changes.mu.Unlock()
	members := make(map[string][]netip.Prefix, len(sets))
	for id, set := range sets {
		members[id] = set.all(netip.Prefix.Compare)
	}
	return members, nil
}

// recall takes sets from memory and reads the others in a transaction that began after the
// moment asOf; these are remembered when nothing has touched them since.
func recall[E comparable](c *changes, memory map[string]*sharedSet[E], tx *db.Tx, asOf int64, ids []string,
	read func(*db.Tx, []string) (map[string]map[string][]E, error), kinds ...objectKind) (map[string]*sharedSet[E], error) {
	found := make(map[string]*sharedSet[E], len(ids))
	var missing []string
	c.mu.Lock()
	for _, id := range ids {
		if set := memory[id]; set != nil {
			found[id] = set
			continue
		}
		missing = append(missing, id)
	}
	c.mu.Unlock()
	if len(missing) == 0 {
		return found, nil
	}
	fresh, err := read(tx, missing)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(memory) > maxRemembered {
		clear(memory)
	}
	for _, id := range missing {
		found[id] = newSharedSet(fresh[id])
		if c.touchedAt(id, kinds...) <= asOf {
			memory[id] = found[id]
		}
	}
	return found, nil
}

// renewed is what sources contribute now, by set and source: hosts to networks, and ports to
// all groups.
type renewed struct {
	networks, hosts, ports map[string]bool
	carried                map[string]map[string][]netip.Addr
	members                map[string]map[string][]netip.Prefix
}

// renew reads what rows of the log say that changed in remembered sets, in the transaction
// that reads the rows.
func (s *sharedContent) renew(tx *db.Tx, rows []changeRow) (fresh renewed, err error) {
	fresh = renewed{networks: map[string]bool{}, hosts: map[string]bool{}, ports: map[string]bool{}}
	s.changes.mu.Lock()
	for _, row := range rows {
		switch {
		case row.part == nil:
		case row.Kind == changedPeers && s.carried[row.ObjectID] != nil:
			fresh.networks[row.ObjectID], fresh.hosts[row.part.Of] = true, true
		case row.Kind == changedMembers && s.members[row.ObjectID] != nil:
			fresh.ports[row.part.Of] = true
		}
	}
	s.changes.mu.Unlock()
	if len(fresh.networks) > 0 {
		if fresh.carried, err = carriersAmong(tx, sortedKeys(fresh.networks), sortedKeys(fresh.hosts)); err != nil {
			return fresh, err
		}
	}
	if len(fresh.ports) > 0 {
		fresh.members, err = membersAmong(tx, sortedKeys(fresh.ports))
	}
	return fresh, err
}

// take brings remembered sets up to date with rows, or forgets them: when a row does not say
// what it is about, and when the set was not remembered yet as the row was read. The log's
// lock is held.
func (s *sharedContent) take(rows []changeRow, fresh renewed) {
	for _, row := range rows {
		switch row.Kind {
		case changedPeers:
			known := row.part != nil && fresh.networks[row.ObjectID] && fresh.hosts[row.part.Of]
			renewSet(s.carried, row, known, fresh.carried)
		case changedMembers:
			renewSet(s.members, row, row.part != nil && fresh.ports[row.part.Of], fresh.members)
		case changedNetwork:
			if row.Host == "" { // it may be gone
				delete(s.carried, row.ObjectID)
			}
		}
	}
}

func renewSet[E comparable](memory map[string]*sharedSet[E], row changeRow, known bool, fresh map[string]map[string][]E) {
	switch set := memory[row.ObjectID]; {
	case set == nil:
	case known:
		set.put(row.part.Of, fresh[row.ObjectID][row.part.Of])
	default:
		delete(memory, row.ObjectID)
	}
}

// forget has everything read anew. The log's lock is held.
func (s *sharedContent) forget() {
	clear(s.carried)
	clear(s.members)
}
