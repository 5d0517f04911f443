package compute

import (
	"cmp"
	"hash/fnv"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// The resource classes of placement that a server takes.
const (
	classVCPU   = "VCPU"
	classMemory = "MEMORY_MB"
	classDisk   = "DISK_GB"
)

// wish is what the scheduler is asked for.
type wish struct {
	Resources map[string]int64
	// Zone and Host bind the choice; empty: any.
	Zone, Host string
	// Arch is the image's architecture; empty: any.
	Arch string
	// Required and Forbidden are traits of placement.
	Required, Forbidden []string
	// Excluded are hosts that failed before, with why; Barred are those that cannot be meant, with why.
	Excluded, Barred map[string]string
	Group            *groupWish
	placeWish
	// Seed decides between hosts of the same weight, so that servers that are placed at the
	// same time do not all meet on one.
	Seed string
	// flavor, imageID and hints are what the wish was made from, for those who read the decision.
	flavor, imageID string
	hints           map[string][]string
}

// groupWish is what a server group asks for; Hosts counts its members by host.
type groupWish struct {
	Policy     string
	MaxPerHost int
	Hosts      map[string]int
}

// unit is what a host has of one resource class: what may be taken in all, what is taken,
// what was promised to servers that have not taken it yet, and the bounds of one server.
type unit struct {
	class                string
	capacity, used, held int64
	min, max, step       int64
	// ratio is how many times what there is may be taken; 0: not known.
	ratio float64
}

func (u *unit) free() int64 { return u.capacity - u.used - u.held }

// candidate is a host as the scheduler sees it.
type candidate struct {
	name, zone, providerID string
	forcedDown, disabled   bool
	seen, downAt           time.Time
	archs                  []string
	hostName               string
	ip                     netip.Addr
	terms                  *terms // nil without aggregates
	// placed is false while placement knows nothing of the host; traits are sorted.
	placed bool
	traits []string
	units  []unit
	hash   uint64
}

func (c *candidate) unit(class string) *unit {
	for i := range c.units {
		if c.units[i].class == class {
			return &c.units[i]
		}
	}
	return nil
}

// weight orders the hosts that fit: free memory in MiB.
func (c *candidate) weight() int64 {
	if u := c.unit(classMemory); u != nil {
		return u.free()
	}
	return 0
}

// verdict is what the scheduler found of one host: the first thing that failed, with both
// numbers where there are numbers.
type verdict struct {
	Host   string `json:"host"`
	Fits   bool   `json:"fits"`
	Reason string `json:"reason,omitempty"`
	// Filter is what refused the host, by nova's name of it.
	Filter string `json:"filter,omitempty"`
	// Class, Needed, Free and Capacity are set when a resource is what failed.
	Class    string `json:"class,omitempty"`
	Needed   int64  `json:"needed,omitempty"`
	Free     int64  `json:"free,omitempty"`
	Capacity int64  `json:"capacity,omitempty"`
	// Remedy is what would have made the host fit; it is told where no host does.
	Remedy *remedy `json:"remedy,omitempty"`
	// Weight orders the hosts that fit: free memory in MiB.
	Weight int64 `json:"weight,omitempty"`
}

// tally counts the hosts that a filter refused for one reason.
type tally struct {
	Reason string `json:"reason"`
	Hosts  int    `json:"hosts"`
	Filter string `json:"filter,omitempty"`
	// Class and Needed are set when a resource is what failed; Free is the most that any of the hosts has free, Limit the most
	// that any of them gives to one server.
	Class  string `json:"class,omitempty"`
	Needed int64  `json:"needed,omitempty"`
	Free   int64  `json:"free,omitempty"`
	Limit  int64  `json:"limit,omitempty"`
}

// decision is the scheduler's answer. Every host is counted: in Fitting or in one of
// Refused. Of at most maxListed hosts each has its verdict in Hosts; of more there are the
// chosen one, the next best and the nearest misses.
type decision struct {
	Chosen     string    `json:"chosen,omitempty"`
	Seed       string    `json:"seed,omitempty"`
	Considered int       `json:"considered"`
	Fitting    int       `json:"fitting"`
	Refused    []tally   `json:"refused,omitempty"`
	Hosts      []verdict `json:"hosts"`
	// Smallest is the smallest change of all by which some host would have fitted.
	Smallest *remedy `json:"smallest_change,omitempty"`

	providerID string
	// wish is what was asked for.
	wish *wish
	// hopeful is true when a host that was there a short while ago may come back.
	hopeful bool
}

const (
	// maxListed is how many hosts a decision lists.
	maxListed = 20
	// maxRunnersUp is how many of them are hosts that fit as well, when there are more hosts.
	maxRunnersUp = 5
)

// decide chooses a host: the one with the greatest weight of those that fit. It is pure:
// the same hosts, wish and time give the same decision. It looks at every host once and
// words only the verdicts that are kept.
func decide(hosts []candidate, w *wish, now time.Time) decision {
	p := newPick(w, len(hosts))
	for i := range hosts {
		p.take(&hosts[i], judge(&hosts[i], &p.question, now))
	}
	return p.decision(now)
}

// question is a wish, made ready for being asked of many hosts.
type question struct {
	*wish
	arch   string
	amount []amountOf
	seed   uint64
}

type amountOf struct {
	class string
	n     int64
}

func newQuestion(w *wish) question {
	q := question{wish: w, seed: hashOf(w.Seed)}
	if w.Arch != "" {
		q.arch = canonicalArch(w.Arch)
	}
	for _, class := range []string{classMemory, classVCPU, classDisk} { // the order in which shortages are told
		if n := w.Resources[class]; n > 0 {
			q.amount = append(q.amount, amountOf{class, n})
		}
	}
	var others []amountOf
	for class, n := range w.Resources {
		if class != classMemory && class != classVCPU && class != classDisk && n > 0 {
			others = append(others, amountOf{class, n})
		}
	}
	slices.SortFunc(others, func(a, b amountOf) int { return strings.Compare(a.class, b.class) })
	q.amount = append(q.amount, others...)
	return q
}

func hashOf(text string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(text)) // a hash takes everything
	return h.Sum64()
}

// lot is the chance by which hosts of the same weight are told apart.
func (q *question) lot(c *candidate) uint64 {
	x := c.hash ^ q.seed
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// better tells whether a is to be preferred to b; both fit.
func (q *question) better(a, b *candidate) bool {
	soft := q.Group != nil && strings.HasPrefix(q.Group.Policy, "soft-")
	if soft {
		if order := groupPreference(q.Group, a.name, b.name); order != 0 {
			return order < 0
		}
	}
	if order := cmp.Compare(b.weight(), a.weight()); order != 0 {
		return order < 0
	}
	if order := cmp.Compare(q.lot(a), q.lot(b)); order != 0 {
		return order < 0
	}
	return a.name < b.name
}

// groupPreference orders hosts by a soft policy: many members first or last.
func groupPreference(g *groupWish, a, b string) int {
	if g.Policy == "soft-affinity" {
		return cmp.Compare(g.Hosts[b], g.Hosts[a])
	}
	return cmp.Compare(g.Hosts[a], g.Hosts[b])
}

// pick gathers a decision host by host.
type pick struct {
	question question
	total    int
	fitting  int
	best     []*candidate // the best that fit, best first
	nearest  []refused    // the nearest misses, nearest first
	counts   map[countKey]*tally
	hopeful  bool
}

type refused struct {
	host *candidate
	miss miss
}

// countKey is what refused hosts are counted by.
type countKey struct {
	why   why
	class string
}

func newPick(w *wish, total int) *pick {
	return &pick{question: newQuestion(w), total: total, counts: map[countKey]*tally{}}
}

func (p *pick) take(c *candidate, m miss) {
	all := p.total <= maxListed
	if m.why == whyNone {
		p.fitting++
		limit := maxRunnersUp
		if all {
			limit = maxListed
		}
		p.best = insertBounded(p.best, c, limit, p.question.better)
		return
	}
	p.count(&m)
	p.hopeful = p.hopeful || m.why == whySilent && !m.lost
	p.nearest = insertBounded(p.nearest, refused{c, m}, maxListed, func(a, b refused) bool { return a.nearer(&b) })
}

// count counts a refused host by its reason, with the best number.
func (p *pick) count(m *miss) {
	key := countKey{m.why, m.class}
	t := p.counts[key]
	if t == nil {
		t = &tally{Reason: key.text(), Filter: m.why.filter()}
		p.counts[key] = t
	}
	t.Hosts++
	switch m.why {
	case whyShortage:
		t.Class, t.Needed, t.Free = m.class, m.needed, max(t.Free, m.free)
	case whyUnits:
		t.Class, t.Needed, t.Limit = m.class, m.needed, max(t.Limit, m.free)
	}
}

// insertBounded puts an element into a sorted list of bounded length.
func insertBounded[T any](list []T, x T, limit int, before func(a, b T) bool) []T {
	if len(list) == limit {
		if !before(x, list[limit-1]) {
			return list
		}
		list = list[:limit-1]
	}
	list = append(list, x)
	for i := len(list) - 1; i > 0 && before(list[i], list[i-1]); i-- {
		list[i], list[i-1] = list[i-1], list[i]
	}
	return list
}

// nearer tells whether a was closer to fitting than b.
func (a *refused) nearer(b *refused) bool {
	if a.miss.why != b.miss.why {
		return a.miss.why > b.miss.why
	}
	if order := cmp.Compare(a.miss.deficit(), b.miss.deficit()); order != 0 {
		return order < 0
	}
	return a.host.name < b.host.name
}

func (p *pick) decision(now time.Time) decision {
	d := decision{Seed: p.question.Seed, Considered: p.total, Fitting: p.fitting, hopeful: p.hopeful}
	if len(p.best) > 0 {
		d.Chosen, d.providerID = p.best[0].name, p.best[0].providerID
	}
	for _, c := range p.best {
		d.Hosts = append(d.Hosts, verdict{Host: c.name, Fits: true, Weight: c.weight()})
	}
	misses := p.nearest[:min(len(p.nearest), maxListed-len(p.best))]
	slices.SortFunc(misses, func(a, b refused) int { return strings.Compare(a.host.name, b.host.name) })
	for i := range misses {
		d.Hosts = append(d.Hosts, misses[i].verdict(&p.question, now))
	}
	for _, t := range p.counts {
		d.Refused = append(d.Refused, *t)
	}
	slices.SortFunc(d.Refused, func(a, b tally) int {
		return cmp.Or(cmp.Compare(b.Hosts, a.Hosts), strings.Compare(a.Reason, b.Reason))
	})
	return d
}
