package compute

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// why is a reason for which a host is refused. The order is that of the filters: whoever
// fails later was nearer to fitting.
type why uint8

const (
	whyNone why = iota
	whyForcedDown
	whySilent
	whyDisabled
	whyZone
	whyOtherHost
	whyExcluded
	whyBarred
	whyArch
	whyGroupFull
	whyGroupElsewhere
	whyAggregateSpec
	whyAggregateProject
	whyAggregateImage
	whyNotSame
	whyNotDifferent
	whyFar
	whyQuery
	whyUnplaced
	whyTraitMissing
	whyTraitForbidden
	whyUnits
	whyShortage
)

// filter is the name of the filter that refuses for a reason: nova's where it has one, else that of what asks for
// it in nova's request.
func (w why) filter() string {
	switch w {
	case whyForcedDown, whySilent, whyDisabled:
		return "ComputeFilter"
	case whyZone:
		return "availability_zone"
	case whyOtherHost:
		return "force_hosts"
	case whyExcluded, whyBarred:
		return "ignore_hosts"
	case whyArch:
		return "ImagePropertiesFilter"
	case whyGroupFull:
		return "ServerGroupAntiAffinityFilter"
	case whyGroupElsewhere:
		return "ServerGroupAffinityFilter"
	case whyAggregateSpec:
		return "AggregateInstanceExtraSpecsFilter"
	case whyAggregateProject:
		return "AggregateMultiTenancyIsolation"
	case whyAggregateImage:
		return "AggregateImagePropertiesIsolation"
	case whyNotSame:
		return "SameHostFilter"
	case whyNotDifferent:
		return "DifferentHostFilter"
	case whyFar:
		return "SimpleCIDRAffinityFilter"
	case whyQuery:
		return "JsonFilter"
	}
	return "placement"
}

// miss is why a host does not fit, in numbers; it is put into words only when it is shown.
type miss struct {
	why   why
	class string // of a resource, the trait, or the key of an aggregate's metadata
	// needed and free are of a resource; free is a count of members for groups.
	needed, free, capacity int64
	// lost says of a silent host that it has been so for long.
	lost bool
}

// deficit is what part of the need is missing, in millionths.
func (m *miss) deficit() int64 {
	if m.why != whyShortage || m.needed == 0 {
		return 0
	}
	return (m.needed - m.free) * 1_000_000 / m.needed
}

// judge runs the filters over one host, cheapest first, up to the first that fails.
func judge(c *candidate, q *question, now time.Time) miss {
	switch {
	case c.forcedDown:
		return miss{why: whyForcedDown}
	case !now.Before(c.downAt):
		return miss{why: whySilent, lost: now.Sub(c.seen) >= hostLostAfter}
	case c.disabled:
		return miss{why: whyDisabled}
	case q.Zone != "" && q.Zone != c.zone:
		return miss{why: whyZone}
	case q.Host != "" && q.Host != c.name:
		return miss{why: whyOtherHost}
	}
	if m := exclusionFilter(c, q.wish); m.why != whyNone {
		return m
	}
	if q.arch != "" && !slices.Contains(c.archs, q.arch) {
		return miss{why: whyArch}
	}
	if m := groupFilter(c, q.Group); m.why != whyNone {
		return m
	}
	if m := placeFilter(c, &q.placeWish); m.why != whyNone {
		return m
	}
	if !c.placed {
		return miss{why: whyUnplaced}
	}
	if m := traitFilter(c, q.wish); m.why != whyNone {
		return m
	}
	return resourceFilter(c, q.amount)
}

func exclusionFilter(c *candidate, w *wish) miss {
	if reason, barred := w.Barred[c.name]; barred {
		return miss{why: whyBarred, class: reason}
	}
	if reason, excluded := w.Excluded[c.name]; excluded {
		return miss{why: whyExcluded, class: strings.TrimSuffix(reason, ".")}
	}
	return miss{}
}

func groupFilter(c *candidate, g *groupWish) miss {
	if g == nil {
		return miss{}
	}
	here := g.Hosts[c.name]
	switch {
	case g.Policy == "anti-affinity" && here >= max(g.MaxPerHost, 1):
		return miss{why: whyGroupFull, free: int64(here)}
	case g.Policy == "affinity" && here == 0 && len(g.Hosts) > 0:
		return miss{why: whyGroupElsewhere}
	}
	return miss{}
}

func traitFilter(c *candidate, w *wish) miss {
	for _, trait := range w.Required {
		if _, there := slices.BinarySearch(c.traits, trait); !there {
			return miss{why: whyTraitMissing, class: trait}
		}
	}
	for _, trait := range w.Forbidden {
		if _, there := slices.BinarySearch(c.traits, trait); there {
			return miss{why: whyTraitForbidden, class: trait}
		}
	}
	return miss{}
}

func resourceFilter(c *candidate, amounts []amountOf) miss {
	for _, a := range amounts {
		u := c.unit(a.class)
		switch {
		case u == nil:
			return miss{why: whyShortage, class: a.class, needed: a.n}
		case a.n > u.free():
			return miss{why: whyShortage, class: a.class, needed: a.n, free: max(u.free(), 0), capacity: u.capacity}
		case a.n < u.min || u.max > 0 && a.n > u.max || u.step > 1 && a.n%u.step != 0:
			return miss{why: whyUnits, class: a.class, needed: a.n, free: u.max, capacity: u.capacity}
		}
	}
	return miss{}
}

func (r *refused) verdict(q *question, now time.Time) verdict {
	m := &r.miss
	v := verdict{Host: r.host.name, Filter: m.why.filter()}
	switch m.why {
	case whySilent:
		v.Reason = fmt.Sprintf("its compute service has not reported for %d seconds", int(now.Sub(r.host.seen).Seconds()))
	case whyZone:
		v.Reason = fmt.Sprintf("it is in availability zone %s, not in %s", r.host.zone, q.Zone)
	case whyArch:
		v.Reason = fmt.Sprintf("it cannot run guests of architecture %s", q.arch)
	case whyGroupFull:
		v.Reason = fmt.Sprintf("it runs %d members of the server group already", m.free)
	case whyUnits:
		v.Class, v.Needed, v.Capacity = m.class, m.needed, m.capacity
		v.Reason = fmt.Sprintf("%d %s needed, one server can have %d at most", m.needed, unitOf(m.class), m.free)
	case whyShortage:
		v.Class, v.Needed, v.Free, v.Capacity = m.class, m.needed, m.free, m.capacity
		v.Reason = fmt.Sprintf("%d %s needed, %d free (%d too few)", m.needed, unitOf(m.class), m.free, m.needed-m.free)
	default:
		v.Reason = countKey{m.why, m.class}.text()
	}
	return v
}

// text is a reason without what differs from host to host.
func (k countKey) text() string {
	switch k.why {
	case whyForcedDown:
		return "its compute service is forced down"
	case whySilent:
		return "its compute service does not report"
	case whyDisabled:
		return "its compute service is disabled"
	case whyZone:
		return "it is in another availability zone"
	case whyOtherHost:
		return "another host was asked for"
	case whyExcluded:
		return "it failed before: " + k.class
	case whyBarred:
		return k.class
	case whyArch:
		return "it cannot run guests of that architecture"
	case whyGroupFull:
		return "it runs members of the server group already"
	case whyGroupElsewhere:
		return "it runs no member of the server group"
	case whyAggregateSpec, whyAggregateProject, whyAggregateImage, whyNotSame, whyNotDifferent, whyFar, whyQuery:
		return k.placeText()
	case whyUnplaced:
		return "placement has no inventory of it"
	case whyTraitMissing:
		return "it lacks the trait " + k.class
	case whyTraitForbidden:
		return "it has the trait " + k.class
	case whyUnits:
		return "one server can have less of its " + unitOf(k.class)
	}
	return "it has too few " + unitOf(k.class)
}

func unitOf(class string) string {
	switch class {
	case classVCPU:
		return "VCPUs"
	case classMemory:
		return "MB of memory"
	case classDisk:
		return "GB of disk"
	}
	return "units of " + class
}

// canonicalArch makes one name of the many of one architecture.
func canonicalArch(arch string) string {
	switch arch = strings.ToLower(arch); arch {
	case "amd64", "x86-64":
		return "x86_64"
	case "arm64":
		return "aarch64"
	case "i386", "i486", "i586", "x86", "x86_32":
		return "i686"
	}
	return arch
}
