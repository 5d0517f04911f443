package network

import (
	"net/netip"
	"sync"

	"virga/core/db"
)

// sharedContent remembers what many hosts are told alike: who carries a network, and the
// addresses of a group's members. In a network of a thousand hosts each of them asks for
// the same thousand tunnel addresses at every change.
//
// What it remembers was read in a transaction that began after the log of changes was read
// up to a moment, and counts as long as the log shows no later change of the object: it is
// as fresh as the log was when an answer began.
type sharedContent struct {
	changes    *changes
	mu         sync.Mutex
	carried    map[string]remembered[[]peer]
	membership map[string]remembered[[]netip.Prefix]
}

type remembered[T any] struct {
	// asOf is the moment before the value was read.
	asOf  int64
	value T
}

// peer is a host that carries a network.
type peer struct {
	host string
	vtep netip.Addr
}

// maxRemembered bounds how many objects of a kind are remembered.
const maxRemembered = 1000

func newSharedContent(c *changes) *sharedContent {
	return &sharedContent{changes: c, carried: map[string]remembered[[]peer]{}, membership: map[string]remembered[[]netip.Prefix]{}}
}

// carriers are the hosts with tunnels that carry networks, by network. Nobody changes them.
func (s *sharedContent) carriers(tx *db.Tx, asOf int64, networks []string) (map[string][]peer, error) {
	return recall(s, tx, asOf, s.carried, networks, carriersOf, changedPeers, changedNetwork)
}

// members are the addresses of the members of groups. Nobody changes them.
func (s *sharedContent) members(tx *db.Tx, asOf int64, groups []string) (map[string][]netip.Prefix, error) {
	return recall(s, tx, asOf, s.membership, groups, membersOf, changedMembers)
}

// recall takes from memory what has not changed, and reads the rest in a transaction that
// began after the moment asOf.
func recall[T any](s *sharedContent, tx *db.Tx, asOf int64, memory map[string]remembered[T], ids []string,
	read func(*db.Tx, []string) (map[string]T, error), kinds ...objectKind) (map[string]T, error) {
	found := make(map[string]T, len(ids))
	var missing []string
	s.mu.Lock()
	for _, id := range ids {
		if known, there := memory[id]; there && known.asOf >= s.changes.touchedAt(id, kinds...) {
			found[id] = known.value
			continue
		}
		missing = append(missing, id)
	}
	s.mu.Unlock()
	if len(missing) == 0 {
		return found, nil
	}
	fresh, err := read(tx, missing)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(memory) > maxRemembered {
		clear(memory)
	}
	for _, id := range missing {
		found[id] = fresh[id]
		memory[id] = remembered[T]{asOf, fresh[id]}
	}
	return found, nil
}
