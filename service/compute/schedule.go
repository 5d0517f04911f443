package compute

import (
	"cmp"
	"hash/fnv"
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"

	"virga/service/compute/cpus"
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
	// CPUs are what the server asks of processors and memory; nil: nothing but the Resources.
	CPUs *cpus.Wish
	placeWish
	checked checked
	// extraSpecs are all that the flavor has.
	extraSpecs map[string]string
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
	kind                   *hostKind // nil while nothing is known of it
	terms                  *terms    // nil without aggregates
	load                   hostLoad
	// placed is false while placement knows nothing of the host; traits are sorted.
	placed bool
	traits []string
	units  []unit
	hash   uint64
	nodes  *hostNodes
}

// hostLoad is what goes on on a host, in numbers.
type hostLoad struct {
	// servers are those that are there, promised those that got the host and do not count as there yet.
	servers, promised int64
	// work counts the servers that are made, moved, copied or rescued there.
	work int64
	// failures are the servers that could not be made there since one could.
	failures int64
}

func (c *candidate) unit(class string) *unit {
	for i := range c.units {
		if c.units[i].class == class {
			return &c.units[i]
		}
	}
	return nil
}

// free is what a host has left of a resource class.
func (c *candidate) free(class string) int64 {
	if u := c.unit(class); u != nil {
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
	// Weight orders the hosts that fit; it is the sum of Weights, which each weigher that is not indifferent gave, its multiplier included.
	Weight  float64            `json:"weight,omitempty"`
	Weights map[string]float64 `json:"weights,omitempty"`
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
	// unchecked are the best hosts when the chosen one has yet to be asked about.
	unchecked []checkedHost
	// mostServers is how many servers the chosen host may have; nil: any number.
	mostServers *int64
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

// decide chooses a host: the one with the greatest weight of those that fit, or one of the
// greatest where the settings say so. It is pure: the same hosts, wish and time give the
// same decision. It looks at every host once, weighs those that fit, and words only the
// verdicts that are kept.
func (sc *scheduler) decide(hosts []candidate, w *wish, now time.Time) decision {
	q := sc.newQuestion(w, now)
	b := sc.borrow()
	defer sc.giveBack(b)
	p := pick{question: q, total: len(hosts), counts: map[countKey]*tally{}}
	judges := sc.ask(q)
	for i := range hosts {
		if m := judges.judge(&hosts[i]); m.text != "" {
			p.refuse(&hosts[i], m)
		} else {
			b.fits = append(b.fits, &hosts[i])
		}
	}
	p.fitting = len(b.fits)
	scales := sc.weigh(q, b)
	p.best = sc.rank(q, b)
	d := p.decision(scales)
	d.unchecked = sc.toCheck(w, p.best)
	if len(p.best) > 0 {
		d.mostServers = sc.mostServers(p.best[0].host)
	}
	return d
}

// question is a wish, made ready for being asked of many hosts.
type question struct {
	*wish
	now    time.Time
	amount []amountOf
	seed   uint64
}

type amountOf struct {
	class, unit string
	n           int64
}

func (sc *scheduler) newQuestion(w *wish, now time.Time) *question {
	q := &question{wish: w, now: now, seed: hashOf(w.Seed)}
	add := func(class string) {
		if n := w.Resources[class]; n > 0 {
			q.amount = append(q.amount, amountOf{class, unitOf(class), n})
		}
	}
	told := []string{classMemory, classVCPU, classDisk} // the order in which shortages are told
	for _, class := range told {
		add(class)
	}
	var others []string
	for class := range w.Resources {
		if !slices.Contains(told, class) {
			others = append(others, class)
		}
	}
	slices.Sort(others)
	for _, class := range others {
		add(class)
	}
	return q
}

func hashOf(text string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(text)) // a hash takes everything
	return h.Sum64()
}

// lot is the chance by which hosts of the same weight are told apart.
func (q *question) lot(hash uint64) uint64 {
	x := hash ^ q.seed
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// pick gathers a decision host by host.
type pick struct {
	question *question
	total    int
	fitting  int
	best     []ranked  // the best that fit, the chosen one first
	nearest  []refused // the nearest misses, nearest first
	counts   map[countKey]*tally
	last     *tally // the one that lastKey is of: neighbours often fail alike
	lastKey  countKey
	hopeful  bool
}

type refused struct {
	host *candidate
	miss miss
}

// countKey is what refused hosts are counted by.
type countKey struct {
	filter        string
	text, subject string
}

func (p *pick) refuse(c *candidate, m miss) {
	if key := (countKey{m.filter, m.text, m.subject}); p.last == nil || key != p.lastKey {
		if p.lastKey, p.last = key, p.counts[key]; p.last == nil {
			p.last = &tally{Reason: m.text + m.subject, Filter: m.filter, Class: m.class, Needed: m.needed}
			p.counts[key] = p.last
		}
	}
	p.last.count(&m)
	p.hopeful = p.hopeful || m.passing
	p.nearest = insertBounded(p.nearest, refused{c, m}, maxListed, nearer)
}

// count counts a refused host, with the best number.
func (t *tally) count(m *miss) {
	t.Hosts++
	if t.Needed != 0 {
		t.Free, t.Limit = max(t.Free, m.free), max(t.Limit, m.limit)
	}
}

// insertBounded puts an element into a sorted list of bounded length.
func insertBounded[T any](list []T, x T, limit int, before func(a, b *T) bool) []T {
	list = append(list, x)
	for i := len(list) - 1; i > 0 && before(&list[i], &list[i-1]); i-- {
		list[i], list[i-1] = list[i-1], list[i]
	}
	return list[:min(len(list), limit)]
}

// nearer tells whether a was closer to fitting than b.
func nearer(a, b *refused) bool {
	return cmp.Or(cmp.Compare(b.miss.stage, a.miss.stage), cmp.Compare(b.miss.rank, a.miss.rank), cmp.Compare(a.miss.deficit(), b.miss.deficit()),
		strings.Compare(a.host.name, b.host.name)) < 0
}

func (p *pick) decision(scales []scale) decision {
	q := p.question
	d := decision{Seed: q.Seed, Considered: p.total, Fitting: p.fitting, hopeful: p.hopeful}
	if len(p.best) > 0 {
		d.Chosen, d.providerID = p.best[0].host.name, p.best[0].host.providerID
	}
	shown := maxRunnersUp
	if p.total <= maxListed {
		shown = maxListed
	}
	for _, r := range p.best[:min(len(p.best), shown)] {
		d.Hosts = append(d.Hosts, verdict{Host: r.host.name, Fits: true, Weight: rounded(r.score), Weights: contributions(r.host, scales)})
	}
	misses := p.nearest[:min(len(p.nearest), maxListed-len(d.Hosts))]
	slices.SortFunc(misses, func(a, b refused) int { return strings.Compare(a.host.name, b.host.name) })
	for i := range misses {
		d.Hosts = append(d.Hosts, misses[i].verdict(q))
	}
	for _, t := range p.counts {
		d.Refused = append(d.Refused, *t)
	}
	slices.SortFunc(d.Refused, func(a, b tally) int {
		return cmp.Or(cmp.Compare(b.Hosts, a.Hosts), strings.Compare(a.Reason, b.Reason), strings.Compare(a.Filter, b.Filter))
	})
	return d
}

// rounded is a weight as it is shown.
func rounded(x float64) float64 { return math.Round(x*1e6) / 1e6 }

func (r *refused) verdict(q *question) verdict {
	m := &r.miss
	v := verdict{Host: r.host.name, Filter: m.filter, Reason: m.text + m.subject, Class: m.class, Needed: m.needed, Free: m.free, Capacity: m.capacity}
	if m.tell != nil {
		v.Reason = m.tell(r.host, q, m)
	}
	return v
}
