package compute

import (
	"cmp"
	"math"
	"strings"
)

// weigher prefers some of the hosts that fit to others. What it says of them is brought to the range from 0 to 1 over all that fit,
// multiplied, and added to what the others say (nova/weights.py).
type weigher struct {
	// name is nova's, short what its multiplier and its part of a verdict are called by.
	name, short string
	// multiplier is nova's, unless the settings or a host's aggregates name another one; a negative one prefers what has less.
	multiplier float64
	// fromZero: the range begins at 0, not at the least that a host has.
	fromZero bool
	// negated: the multiplier counts the other way round.
	negated bool
	// weigh makes a wish ready for being asked of many hosts; nil: no host is better than another one.
	weigh func(sc *scheduler, q *question) hostWeight
}

// hostWeight is what a weigher says of a host. It is called for every host that fits: it allocates nothing.
type hostWeight func(c *candidate) float64

// multiplierSuffix follows the short name of a weigher in nova's settings and in the metadata of aggregates.
const multiplierSuffix = "_weight_multiplier"

// weigherTable is every weigher that settings can name. Nova's CrossCellWeigher is not there, because there are no cells; nor is
// MetricsWeigher, because hosts report no metrics.
func weigherTable() []weigher {
	return []weigher{
		{name: "RAMWeigher", short: "ram", multiplier: 1, fromZero: true, weigh: weighFree(classMemory)},
		{name: "CPUWeigher", short: "cpu", multiplier: 1, fromZero: true, weigh: weighFree(classVCPU)},
		{name: "DiskWeigher", short: "disk", multiplier: 1, fromZero: true, weigh: weighFree(classDisk)},
		{name: "IoOpsWeigher", short: "io_ops", multiplier: -1, fromZero: true, weigh: always(func(c *candidate) float64 { return float64(c.load.busy()) })},
		{name: "NumInstancesWeigher", short: "num_instances", multiplier: 0, weigh: always(func(c *candidate) float64 { return float64(c.load.count()) })},
		{name: "BuildFailureWeigher", short: "build_failure", multiplier: 1_000_000, negated: true, weigh: always(func(c *candidate) float64 { return float64(c.load.failures) })},
		{name: "HypervisorVersionWeigher", short: "hypervisor_version", multiplier: 1, weigh: always(weighVersion)},
		{name: "PCIWeigher", short: "pci", multiplier: 1, weigh: func(*scheduler, *question) hostWeight { return nil }}, // no host has devices to hand on
		{name: "ServerGroupSoftAffinityWeigher", short: "soft_affinity", multiplier: 1, weigh: weighGroup("soft-affinity", 1)},
		{name: "ServerGroupSoftAntiAffinityWeigher", short: "soft_anti_affinity", multiplier: 1, weigh: weighGroup("soft-anti-affinity", -1)},
	}
}

func always(weight hostWeight) func(*scheduler, *question) hostWeight {
	return func(*scheduler, *question) hostWeight { return weight }
}

func weighFree(class string) func(*scheduler, *question) hostWeight {
	return always(func(c *candidate) float64 { return float64(c.free(class)) })
}

func weighVersion(c *candidate) float64 {
	if c.kind == nil {
		return 0
	}
	return float64(c.kind.version)
}

// weighGroup counts the members of the server's group on a host.
func weighGroup(policy string, each float64) func(*scheduler, *question) hostWeight {
	return func(_ *scheduler, q *question) hostWeight {
		if q.Group == nil || q.Group.Policy != policy || len(q.Group.Hosts) == 0 {
			return nil
		}
		return func(c *candidate) float64 { return each * float64(q.Group.Hosts[c.name]) }
	}
}

// active is a weigher that is asked, with its place in the table and the multiplier of the settings.
type active struct {
	weigher
	at    int
	times float64
}

// times is what a weigher's part is multiplied with for a host.
func (a *active) multiplierFor(c *candidate) float64 {
	times := a.times
	if c.terms != nil && c.terms.multipliers != nil && !math.IsNaN(c.terms.multipliers[a.at]) {
		times = c.terms.multipliers[a.at]
	}
	if a.negated {
		return -times
	}
	return times
}

// scale is a weigher with the range of what it says of the hosts that fit.
type scale struct {
	*active
	weight    hostWeight
	low, span float64
}

// raw is what a weigher says of a host, before it is brought into the range.
func (s *scale) raw(c *candidate) float64 {
	x := s.weight(c)
	if s.fromZero {
		return max(x, 0)
	}
	return x
}

func (s *scale) part(c *candidate, raw float64) float64 {
	return s.multiplierFor(c) * ((raw - s.low) / s.span)
}

// buffers are what a decision needs for each host that fits; decisions use them one after the other.
type buffers struct {
	fits []*candidate
	raw  []float64
	sums []float64
}

func (sc *scheduler) borrow() *buffers {
	if b, ok := sc.pool.Get().(*buffers); ok {
		return b
	}
	return &buffers{}
}

func (sc *scheduler) giveBack(b *buffers) {
	clear(b.fits) // so that hosts that are gone do not stay in memory
	b.fits, b.raw, b.sums = b.fits[:0], b.raw[:0], b.sums[:0]
	sc.pool.Put(b)
}

// weigh weighs the hosts that fit: their sums are behind it in the buffers. It returns the weighers that tell hosts apart.
func (sc *scheduler) weigh(q *question, b *buffers) []scale {
	n := len(b.fits)
	if cap(b.sums) < n {
		b.raw, b.sums = make([]float64, n), make([]float64, n)
	}
	b.raw, b.sums = b.raw[:n], b.sums[:n]
	clear(b.sums)
	overridden := false
	for _, c := range b.fits {
		overridden = overridden || c.terms != nil && c.terms.multipliers != nil
	}
	var scales []scale
	for i := range sc.weighers {
		a := &sc.weighers[i]
		if a.times == 0 && !overridden {
			continue
		}
		s := scale{active: a, weight: a.weigh(sc, q)}
		if s.weight == nil || !s.measure(b) {
			continue
		}
		for i, c := range b.fits {
			b.sums[i] += s.part(c, b.raw[i])
		}
		scales = append(scales, s)
	}
	return scales
}

// measure finds the range of what a weigher says; false: it says the same of all hosts.
func (s *scale) measure(b *buffers) bool {
	if len(b.fits) == 0 {
		return false
	}
	low, high := math.Inf(1), math.Inf(-1)
	for i, c := range b.fits {
		x := s.raw(c)
		b.raw[i] = x
		low, high = min(low, x), max(high, x)
	}
	if s.fromZero {
		low = 0
	}
	s.low, s.span = low, high-low
	return s.span > 0
}

// contributions are what each weigher gave a host.
func contributions(c *candidate, scales []scale) map[string]float64 {
	if len(scales) == 0 {
		return nil
	}
	parts := make(map[string]float64, len(scales))
	for i := range scales {
		s := &scales[i]
		parts[s.short] = rounded(s.part(c, s.raw(c))) + 0 // never -0
	}
	return parts
}

// ranked is a host that fits, with its weight.
type ranked struct {
	host  *candidate
	score float64
	lot   uint64
}

// better tells whether a is to be preferred to b.
func better(a, b *ranked) bool {
	return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.lot, b.lot), strings.Compare(a.host.name, b.host.name)) < 0
}

// rank finds the best of the hosts that fit, the chosen one first.
func (sc *scheduler) rank(q *question, b *buffers) []ranked {
	var best []ranked
	limit := max(maxListed, sc.Subset, sc.asked())
	for i, c := range b.fits {
		r := ranked{host: c, score: b.sums[i]}
		if !sc.KeepOrder {
			r.lot = q.lot(c.hash)
		}
		best = insertBounded(best, r, limit, better)
	}
	if n := min(sc.Subset, len(best)); n > 1 {
		at := int(q.lot(0) % uint64(n)) //nolint:gosec // n is positive, and less than 2^31
		chosen := best[at]
		copy(best[1:at+1], best[:at])
		best[0] = chosen
	}
	return best
}
