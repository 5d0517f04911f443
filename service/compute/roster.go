package compute

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"virga/core/db"
	"virga/service/compute/orders"
)

const (
	// claimWithin is how long the room that a decision promised stays promised when nothing
	// is heard of the claim.
	claimWithin = 15 * time.Second
	// seenOverlap is how much of the signs of life is read again, because those of several
	// processes are not written in the order of their times.
	seenOverlap = 3 * time.Second
	// seenEvery is how often signs of life are read: processes write them once a second.
	seenEvery = time.Second
)

// roster is the scheduler's copy of all hosts, in memory. Before each decision it reads
// what changed since the one before: rows of hosts by their revision, signs of life by
// their time, capacities and allocations by placement's cursor. It may be late; the claim
// in placement is what counts, and whoever comes too late there chooses again. It holds
// nothing that a restart would lose.
type roster struct {
	// turn lets one request at a time read and decide: a lock whose waiters have a context,
	// because whoever holds it waits for placement and the database.
	turn *semaphore.Weighted
	// refreshes counts the looks at what changed that began: one that began after a decision was
	// asked for is as good for it as its own. Behind says that the last one failed.
	refreshes atomic.Int64
	behind    bool
	hosts     []candidate
	// at is the place of a host in hosts, by its provider's id.
	at map[string]int
	// owners are the ids of providers that placement knows.
	providers map[string]provided

	cursor         string
	known          hostsAt
	seen, seenRead time.Time

	// named is the place of a host in hosts, by its name. Loads were read, and all servers counted, at these times.
	named              map[string]int
	loadsRead, counted time.Time
	// loadsDue has loads be read at the next look, whenever they were read.
	loadsDue atomic.Bool
	// arriving are servers that got a host and may not be counted there yet, by server.
	arriving map[string]arrival

	// promised are servers that got a host and have not claimed it yet, by server.
	promised map[string]promise
	traits   map[string][]string
	// terms are what aggregates say of hosts, by name.
	terms map[string]*terms
	// keys are those of the metadata of all aggregates.
	keys  map[string]bool
	kinds map[string]*hostKind
}

// provided is what placement has of one host.
type provided struct {
	traits []string
	units  []unit
}

// promise is room that a decision gave to a server.
type promise struct {
	providerID string
	resources  map[string]int64
	until      time.Time
	// claimed is true when placement has it; the next look at placement's numbers tells of it.
	claimed bool
}

func newRoster() *roster {
	return &roster{turn: semaphore.NewWeighted(1), at: map[string]int{}, providers: map[string]provided{}, promised: map[string]promise{}, traits: map[string][]string{},
		kinds: map[string]*hostKind{}, named: map[string]int{}, arriving: map[string]arrival{}}
}

// chooseHost decides where a server is to go and keeps the room for it until claimed or
// released is called, or some seconds have passed.
func (s *Service) chooseHost(ctx context.Context, serverID string, w *wish) (*decision, error) {
	w.Seed = serverID
	if len(w.Same)+len(w.Different) > 0 {
		if err := s.db.Read(ctx, func(tx *db.Tx) error { return findPlaces(tx, &w.placeWish) }); err != nil {
			return nil, fmt.Errorf("find the hosts of servers: %w", err)
		}
	}
	for round := 1; ; round++ {
		d, err := s.decide(ctx, serverID, w)
		if err != nil || len(d.unchecked) == 0 {
			return d, err
		}
		s.check(ctx, serverID, w, d.unchecked, round)
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("ask scheduler checks: %w", err)
		}
	}
}

// decide makes one decision, and the promise unless the host that it chose has yet to be asked about.
func (s *Service) decide(ctx context.Context, serverID string, w *wish) (*decision, error) {
	r := s.roster
	asked := r.refreshes.Load()
	if err := r.turn.Acquire(ctx, 1); err != nil {
		return nil, fmt.Errorf("wait for the scheduler: %w", err)
	}
	defer r.turn.Release(1)
	began := time.Now()
	if r.refreshes.Load() == asked || r.behind { // nobody has looked since this was asked for
		if err := r.refresh(ctx, s); err != nil {
			return nil, err
		}
	}
	now := s.clock.Now()
	r.drop(func(server string, p promise) bool { return server == serverID || !now.Before(p.until) })
	d := r.decide(s, w, now)
	if d.Chosen == "" && s.scheduler.countsLoads() && r.loadsRead.Before(now) { // a server may just have left a host
		r.loadsDue.Store(true)
		if err := r.refresh(ctx, s); err != nil {
			return nil, err
		}
		d = r.decide(s, w, now)
	}
	if d.Chosen == "" && !d.hopeful {
		s.scheduler.advise(&d, r.hosts, now)
	}
	s.deciding.Observe(time.Since(began).Seconds())
	if d.Chosen != "" && len(d.unchecked) == 0 {
		r.promised[serverID] = promise{providerID: d.providerID, resources: w.Resources, until: now.Add(claimWithin)}
		r.hold(d.providerID, w.Resources, 1)
		r.arrive(serverID, d.Chosen, d.providerID)
	}
	return &d, nil
}

// decide is a decision over the hosts as they are known.
func (r *roster) decide(s *Service, w *wish, now time.Time) decision {
	w.aggregateKeys = r.keys
	d := s.scheduler.decide(r.hosts, w, now)
	d.wish = w
	return d
}

// lock waits for the turn of who has nothing to wait with.
func (r *roster) lock() (unlock func()) {
	_ = r.turn.Acquire(context.Background(), 1) // it fails with its context alone
	return func() { r.turn.Release(1) }
}

// claimed notes that placement has the server's claim.
func (r *roster) claimed(serverID string) {
	defer r.lock()()
	if p, there := r.promised[serverID]; there {
		p.claimed = true
		r.promised[serverID] = p
	}
}

// released notes that the server does not take its room.
func (r *roster) released(serverID string) {
	defer r.lock()()
	r.drop(func(server string, _ promise) bool { return server == serverID })
}

// drop ends the promises that are over.
func (r *roster) drop(over func(server string, p promise) bool) {
	for server, p := range r.promised {
		if over(server, p) {
			delete(r.promised, server)
			r.hold(p.providerID, p.resources, -1)
			if !p.claimed { // one that is claimed is on its way until it is read that it is there
				r.arrived(server)
			}
		}
	}
}

// hold changes what is promised of a host.
func (r *roster) hold(providerID string, resources map[string]int64, sign int64) {
	i, there := r.at[providerID]
	if !there {
		return
	}
	for class, n := range resources {
		if u := r.hosts[i].unit(class); u != nil {
			u.held += sign * n
		}
	}
}

// refresh reads what changed.
func (r *roster) refresh(ctx context.Context, s *Service) error {
	r.refreshes.Add(1)
	r.behind = true
	var claimed []string
	for server, p := range r.promised {
		if p.claimed { // so it is in what placement tells now
			claimed = append(claimed, server)
		}
	}
	changes, err := s.deps.Placement.Changes(s.self(ctx), r.cursor)
	if err != nil {
		return fmt.Errorf("ask placement for changes: %w", err)
	}
	if err := r.readHosts(ctx, s); err != nil {
		return err
	}
	r.drop(func(server string, _ promise) bool { return slices.Contains(claimed, server) })
	r.take(changes)
	r.behind = false
	return nil
}

// take puts what placement told into the copy.
func (r *roster) take(changes ProviderChanges) {
	r.cursor = changes.Cursor
	if changes.Whole {
		clear(r.providers)
		for i := range r.hosts {
			r.hosts[i].placed, r.hosts[i].units, r.hosts[i].traits = false, nil, nil
		}
	}
	for _, id := range changes.Gone {
		delete(r.providers, id)
		r.place(id)
	}
	for _, p := range changes.Providers {
		known := provided{traits: r.intern(p.Traits), units: make([]unit, 0, len(p.Resources))}
		for class, u := range p.Resources {
			known.units = append(known.units, unit{class: class, capacity: u.Capacity, used: u.Used, min: u.Min, max: u.Max, step: u.Step, ratio: u.Ratio})
		}
		slices.SortFunc(known.units, func(a, b unit) int { return strings.Compare(a.class, b.class) })
		r.providers[p.ID] = known
		r.place(p.ID)
	}
}

// intern keeps one copy of each list of traits; most hosts have the same.
func (r *roster) intern(traits []string) []string {
	key := strings.Join(traits, ",")
	if r.traits[key] == nil {
		r.traits[key] = slices.Sorted(slices.Values(traits))
	}
	return r.traits[key]
}

// place gives a host what placement has of it, with what is promised of that.
func (r *roster) place(providerID string) {
	i, there := r.at[providerID]
	if !there {
		return
	}
	p, known := r.providers[providerID]
	c := &r.hosts[i]
	c.placed, c.traits, c.units = known, p.traits, slices.Clone(p.units)
	for _, promised := range r.promised {
		if promised.providerID == providerID {
			r.hold(providerID, promised.resources, 1)
		}
	}
}

// hostNews is what changed of hosts and aggregates since a roster looked.
type hostNews struct {
	at    hostsAt
	whole bool
	rows  []host
	signs []hostSign
	// aggregates are all that there are, when some of them changed.
	aggregates []aggregate
	loads      loadNews
}

// regrouped tells whether aggregates changed.
func (n *hostNews) regrouped(known hostsAt) bool {
	return n.whole || n.at.Aggregates != known.Aggregates
}

// readNews reads what changed. All aggregates are read when one of them changed, and at no other change.
func (r *roster) readNews(tx *db.Tx, now time.Time) (n hostNews, err error) {
	if n.at, err = hostRevision(tx); err != nil {
		return n, err
	}
	n.whole = r.known.Revision == 0 || n.at.Removed != r.known.Removed
	switch {
	case n.whole:
		n.rows, err = listHosts(tx)
	case n.at.Revision != r.known.Revision:
		n.rows, err = hostsSince(tx, r.known.Revision)
	}
	if err == nil && n.regrouped(r.known) {
		n.aggregates, err = listAggregates(tx)
	}
	if err == nil && !n.whole && now.Sub(r.seenRead) >= seenEvery {
		n.signs, err = signsSince(tx, r.seen.Add(-seenOverlap))
	}
	if err == nil {
		n.loads, err = r.readLoads(tx, n.whole, now)
	}
	return n, err
}

// readHosts takes what changed of hosts and aggregates, and signs of life.
func (r *roster) readHosts(ctx context.Context, s *Service) error {
	var news hostNews
	now := s.clock.Now()
	err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
		news, err = r.readNews(tx, now)
		return err
	})
	if err != nil {
		return fmt.Errorf("read hosts: %w", err)
	}
	if news.whole {
		r.hosts, r.at, r.named = make([]candidate, 0, len(news.rows)), make(map[string]int, len(news.rows)), make(map[string]int, len(news.rows))
	}
	if news.regrouped(r.known) {
		r.terms, r.keys = termsOf(news.aggregates), keysOf(news.aggregates)
		for i := range r.hosts {
			r.hosts[i].terms = r.terms[r.hosts[i].name]
		}
	}
	for i := range news.rows {
		r.put(&news.rows[i])
	}
	if news.whole {
		r.recount()
	}
	r.takeLoads(&news.loads, now)
	for i := range news.signs {
		sign := &news.signs[i]
		if at, there := r.at[sign.HypervisorID]; there {
			r.hosts[at].seen, r.hosts[at].downAt = sign.LastSeen, sign.DownAt
			r.note(sign.LastSeen)
		}
	}
	if news.whole || len(news.signs) > 0 || now.Sub(r.seenRead) >= seenEvery {
		r.seenRead = now
	}
	r.known = news.at
	return nil
}

// note keeps the newest time of a sign of life.
func (r *roster) note(seen time.Time) {
	if seen.After(r.seen) {
		r.seen = seen
	}
}

// put takes a host's row.
func (r *roster) put(row *host) {
	i, there := r.at[row.HypervisorID]
	if !there {
		i = len(r.hosts)
		r.hosts = append(r.hosts, candidate{})
		r.at[row.HypervisorID], r.named[row.Name] = i, i
	}
	r.hosts[i] = candidate{load: r.hosts[i].load, name: row.Name, zone: row.Zone, providerID: row.HypervisorID, forcedDown: row.ForcedDown, disabled: row.Disabled,
		hostName: row.Facts.HostName, terms: r.terms[row.Name], seen: row.LastSeen, downAt: row.DownAt, archs: r.intern(archsOf(&row.Facts)), kind: r.kindOf(&row.Facts), hash: hashOf(row.Name), nodes: nodesOf(&row.Facts)}
	r.hosts[i].ip, _ = netip.ParseAddr(row.Facts.HostIP) // one that cannot be read is near nothing
	r.note(row.LastSeen)
	r.place(row.HypervisorID)
}

// kindOf keeps one copy of what many hosts tell alike.
func (r *roster) kindOf(f *orders.Host) *hostKind {
	key := digestOfKind(f)
	if r.kinds[key] == nil {
		r.kinds[key] = newHostKind(f)
	}
	return r.kinds[key]
}

// archsOf are the architectures that a host can run, in their usual names.
func archsOf(f *orders.Host) []string {
	archs := []string{canonicalArch(f.CPU.Arch)}
	for _, guest := range f.Supported {
		if arch := canonicalArch(guest.Arch); !slices.Contains(archs, arch) {
			archs = append(archs, arch)
		}
	}
	return archs
}

// unplaced finds out which of the hosts placement has no provider of.
func (r *roster) unplaced(ctx context.Context, s *Service) ([]string, error) {
	if err := r.turn.Acquire(ctx, 1); err != nil {
		return nil, fmt.Errorf("wait for the scheduler: %w", err)
	}
	defer r.turn.Release(1)
	if err := r.refresh(ctx, s); err != nil {
		return nil, err
	}
	var names []string
	for i := range r.hosts {
		if !r.hosts[i].placed {
			names = append(names, r.hosts[i].name)
		}
	}
	return names, nil
}
