package compute

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"time"

	"virga/core/db"
)

const (
	// freshFor is how long a look at the network service is taken as still true.
	freshFor = 2 * time.Second
	// refreshAtOnce bounds how many servers a request waits for; more are refreshed after it.
	refreshAtOnce = 50
	// refreshBatch is how many servers one question to the network service is about,
	// refreshRound how many servers one round of the repair loop looks at.
	refreshBatch = 100
	refreshRound = 5000
)

// freshness remembers when the network information of servers was last looked at; it is a
// memory of this process and may be lost.
type freshness struct {
	mu   sync.Mutex
	seen map[string]time.Time
	// wanted are servers to be looked at soon; bell tells that there are some.
	wanted map[string]bool
	bell   chan struct{}
}

func newFreshness() *freshness {
	return &freshness{seen: map[string]time.Time{}, wanted: map[string]bool{}, bell: make(chan struct{}, 1)}
}

// want has servers looked at soon.
func (f *freshness) want(ids []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range ids {
		f.wanted[id] = true
	}
	select {
	case f.bell <- struct{}{}:
	default:
	}
}

// due takes the servers that are to be looked at.
func (f *freshness) due() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	ids := slices.Collect(maps.Keys(f.wanted))
	clear(f.wanted)
	return ids
}

// stale returns those of the ids that were not looked at lately.
func (f *freshness) stale(ids []string, now time.Time) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var old []string
	for _, id := range ids {
		if now.Sub(f.seen[id]) >= freshFor {
			old = append(old, id)
		}
	}
	return old
}

func (f *freshness) note(ids []string, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.seen) > 200_000 {
		clear(f.seen)
	}
	for _, id := range ids {
		f.seen[id] = now
	}
}

func (f *freshness) forget(ids ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range ids {
		delete(f.seen, id)
	}
}

// freshen brings the addresses of the servers of an answer up to date: at once for a few,
// in the background for many. Trouble with the network service leaves them as they were.
func (s *Service) freshen(ctx context.Context, rows []*server) {
	byID := map[string]*server{}
	var ids []string
	for _, row := range rows {
		if len(row.NICs) > 0 {
			byID[row.ID], ids = row, append(ids, row.ID)
		}
	}
	for id, nics := range s.freshNICs(ctx, ids) {
		byID[id].NICs = nics
	}
}

// freshenCards is freshen for rows with cards.
func (s *Service) freshenCards(ctx context.Context, rows []*server, cards []card) {
	at := map[string]int{}
	var ids []string
	for i, row := range rows {
		if cards[i][cardPorts] == "1" {
			at[row.ID], ids = i, append(ids, row.ID)
		}
	}
	for id, nics := range s.freshNICs(ctx, ids) {
		text, err := makeCard(&server{ID: id, NICs: nics})
		if err != nil {
			s.log.WarnContext(ctx, "refresh addresses", "error", err)
			continue
		}
		fresh := readCard(text)
		for _, piece := range []int{cardPorts, cardAddresses, cardGroups} {
			cards[at[id]][piece] = fresh[piece]
		}
	}
}

// freshNICs returns the interfaces that changed of those of a few servers.
func (s *Service) freshNICs(ctx context.Context, ids []string) map[string][]nic {
	ids = s.fresh.stale(ids, s.clock.Now())
	switch {
	case len(ids) == 0:
		return nil
	case len(ids) > refreshAtOnce:
		s.fresh.want(ids)
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	changed, err := s.refreshAddresses(ctx, ids, false)
	if err != nil {
		s.log.WarnContext(ctx, "refresh addresses", "error", err)
		return nil
	}
	return changed
}

// refreshWanted looks at the servers that requests found to be stale, until ctx ends.
func (s *Service) refreshWanted(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.fresh.bell:
		}
		for batch := range slices.Chunk(s.fresh.due(), refreshBatch) {
			if _, err := s.refreshAddresses(ctx, s.fresh.stale(batch, s.clock.Now()), true); err != nil && ctx.Err() == nil {
				s.log.WarnContext(ctx, "refresh addresses", "error", err)
			}
		}
	}
}

// reconcileAddresses goes over the servers, each time a round further.
func (s *Service) reconcileAddresses(ctx context.Context) error {
	for looked := 0; looked < refreshRound; {
		var ids []string
		err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
			ids, err = listLiveIDs(tx, s.addressesAfter, refreshBatch)
			return err
		})
		if err != nil {
			return err
		}
		if len(ids) == 0 {
			s.addressesAfter = ""
			return nil
		}
		looked += len(ids)
		s.addressesAfter = ids[len(ids)-1]
		if _, err := s.refreshAddresses(ctx, s.fresh.stale(ids, s.clock.Now()), true); err != nil {
			return err
		}
	}
	return nil
}

// refreshAddresses asks the network service about the ports of servers and stores what
// changed; it returns the interfaces of the servers that did. Names of security groups that
// are known are asked for again only when renamed is to be found out.
func (s *Service) refreshAddresses(ctx context.Context, ids []string, renamed bool) (map[string][]nic, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	ctx = s.self(ctx)
	// The rows come first: an interface that is attached after them is not taken for one
	// whose port is gone.
	var rows []*server
	if err := s.db.Read(ctx, func(tx *db.Tx) (err error) { rows, err = serversByID(tx, ids); return err }); err != nil {
		return nil, err
	}
	ports, err := s.deps.Networks.PortsOfDevices(ctx, ids)
	if err != nil {
		return nil, err
	}
	portIDs := make([]string, len(ports))
	for i, p := range ports {
		portIDs[i] = p.ID
	}
	var floating []FloatingIP
	if len(portIDs) > 0 {
		if floating, err = s.deps.Networks.FloatingIPsOfPorts(ctx, portIDs); err != nil {
			return nil, err
		}
	}
	seen := map[string]Port{}
	for _, p := range ports {
		seen[p.ID] = p
	}
	known := rows
	if renamed {
		known = nil
	}
	names, err := s.groupNames(ctx, known, ports)
	if err != nil {
		return nil, err
	}
	changed, before := map[string][]nic{}, map[string][]nic{}
	for _, row := range rows {
		updated := renewNICs(row.NICs, seen, floating, names)
		if !sameJSON(updated, row.NICs) {
			changed[row.ID], before[row.ID] = updated, row.NICs
		}
	}
	s.fresh.note(ids, s.clock.Now())
	return changed, s.storeAddresses(ctx, before, changed)
}

// storeAddresses stores what became of the interfaces that servers had before.
func (s *Service) storeAddresses(ctx context.Context, before, changed map[string][]nic) error {
	if len(changed) == 0 {
		return nil
	}
	return s.db.Write(ctx, func(tx *db.Tx) error {
		for id, nics := range changed {
			err := s.alterServer(tx, s.ofRoutine("reconcile_addresses", id), func(row *server) {
				if sameInterfaces(row.NICs, before[id]) { // an attach or detach that came meanwhile counts more
					row.NICs = nics
				}
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// groupNames finds the names of the ports' security groups, where the rows do not have them.
func (s *Service) groupNames(ctx context.Context, known []*server, ports []Port) (map[string]string, error) {
	names := map[string]string{}
	for _, row := range known {
		for _, n := range row.NICs {
			for _, g := range n.Groups {
				names[g.ID] = g.Name
			}
		}
	}
	asked := map[string]bool{}
	for _, p := range ports {
		for _, id := range p.SecurityGroupIDs {
			if names[id] != "" || asked[p.ProjectID] {
				continue
			}
			asked[p.ProjectID] = true
			groups, err := s.deps.Networks.SecurityGroups(ctx, p.ProjectID)
			if err != nil {
				return nil, err
			}
			for _, g := range groups {
				names[g.ID] = g.Name
			}
		}
	}
	return names, nil
}

// renewNICs is the interfaces as the network service has them now; one whose port is gone
// stays away.
func renewNICs(nics []nic, ports map[string]Port, floating []FloatingIP, groupNames map[string]string) []nic {
	var updated []nic
	for _, n := range nics {
		port, there := ports[n.PortID]
		if !there {
			continue
		}
		n.takePort(port, groupNames)
		for i := range n.FixedIPs {
			n.FixedIPs[i].Floating = nil
			for _, f := range floating {
				if f.PortID == n.PortID && f.FixedAddress == n.FixedIPs[i].Address {
					n.FixedIPs[i].Floating = append(n.FixedIPs[i].Floating, f.Address)
				}
			}
			slices.Sort(n.FixedIPs[i].Floating)
		}
		updated = append(updated, n)
	}
	return updated
}

// takePort copies what a port says of itself.
func (n *nic) takePort(port Port, groupNames map[string]string) {
	n.PortID, n.NetworkID, n.MAC, n.Status = port.ID, port.NetworkID, port.MAC, port.Status
	if port.VIFType != "" {
		n.VIFType = port.VIFType
	}
	n.FixedIPs, n.Groups = nil, nil
	for _, ip := range port.FixedIPs {
		n.FixedIPs = append(n.FixedIPs, nicAddress{SubnetID: ip.SubnetID, Address: ip.Address})
	}
	for _, id := range port.SecurityGroupIDs {
		n.Groups = append(n.Groups, groupOfPort{ID: id, Name: groupNames[id]})
	}
}

// sameInterfaces tells whether both are the interfaces of the same ports.
func sameInterfaces(a, b []nic) bool {
	known := map[string]bool{}
	for _, n := range a {
		known[n.PortID] = true
	}
	for _, n := range b {
		if !known[n.PortID] {
			return false
		}
	}
	return len(a) == len(b)
}

func sameJSON(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}
