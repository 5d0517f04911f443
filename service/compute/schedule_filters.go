package compute

import (
	"fmt"
	"strings"
)

// hostFilter refuses hosts for a server. Another filter is a file with its ask and a row of filterTable.
type hostFilter struct {
	// name is nova's.
	name string
	// standard filters are asked when the settings name none.
	standard bool
	// ask makes a wish ready for being asked of many hosts; nil: it has nothing against any host.
	ask func(sc *scheduler, q *question) hostJudge
}

// hostJudge finds what is against a host. It is called for every host: it allocates nothing.
type hostJudge func(c *candidate) miss

// filterTable is every filter that settings can name, in the order in which the standard ones are asked.
func filterTable() []hostFilter {
	return []hostFilter{
		{"AllHostsFilter", false, func(*scheduler, *question) hostJudge { return nil }},
		{"ComputeFilter", true, askService},
		{"IsolatedHostsFilter", false, askIsolation},
		{"ImagePropertiesFilter", true, askImageProperties},
		{"ServerGroupAntiAffinityFilter", true, askGroup("anti-affinity")},
		{"ServerGroupAffinityFilter", true, askGroup("affinity")},
		{"AggregateInstanceExtraSpecsFilter", true, askAggregateSpecs},
		{"AggregateMultiTenancyIsolation", true, askAggregateProjects},
		{"AggregateImagePropertiesIsolation", true, askAggregateImages},
		{"AggregateTypeAffinityFilter", false, askAggregateFlavors},
		{"ComputeCapabilitiesFilter", true, askCapabilities},
		{"PciPassthroughFilter", true, askDevices},
		{"NUMATopologyFilter", true, askNUMA},
		{"SameHostFilter", true, askSameHost},
		{"DifferentHostFilter", true, askDifferentHost},
		{"SimpleCIDRAffinityFilter", true, askNearAddress},
		{"JsonFilter", true, askQuery},
		{"NumInstancesFilter", false, askServerCount},
		{"AggregateNumInstancesFilter", false, askServerCountOfAggregates},
		{"IoOpsFilter", false, askWorkCount},
		{"AggregateIoOpsFilter", false, askWorkCountOfAggregates},
	}
}

// boundaries and room are asked whatever the settings say: the first before the filters, the second behind them. Nova has them
// outside its filters as well, so their names are those of the fields of its requests, and placement's. It has no external checks.
func boundaries() []hostFilter {
	return []hostFilter{
		{"availability_zone", true, askZone},
		{"force_hosts", true, askHost},
		{"ignore_hosts", true, askExcluded},
	}
}

func room() []hostFilter {
	return []hostFilter{
		{"placement", true, askPlacement},
		{"scheduler_check", true, askChecks},
	}
}

// miss is why a host does not fit, with numbers; the zero miss is nothing against it.
type miss struct {
	// text and subject behind it are what is said of many hosts alike, and what they are counted by.
	text, subject string
	// tell words it for one host; nil: as for many.
	tell func(c *candidate, q *question, m *miss) string
	// class, needed, free and capacity are of a resource.
	class                  string
	needed, free, capacity int64
	// count and limit are what else there is to be told in numbers.
	count, limit int64
	// rank orders the misses of one filter: more is nearer to fitting.
	rank uint8
	// passing is true of what may be over in a while.
	passing bool

	// filter and stage are the filter's name and place; the chain fills them in.
	filter string
	stage  uint8
}

// deficit is what part of the need is missing, in millionths.
func (m *miss) deficit() int64 {
	if m.needed == 0 || m.free > m.needed {
		return 0
	}
	return (m.needed - m.free) * 1_000_000 / m.needed
}

// chain are the filters that have something to ask for a wish.
type chain struct {
	judges []hostJudge
	names  []string
	stages []uint8
}

// ask has all filters look at a wish.
func (sc *scheduler) ask(q *question) *chain {
	all := &chain{}
	for i := range sc.filters {
		if judge := sc.filters[i].ask(sc, q); judge != nil {
			all.judges, all.names, all.stages = append(all.judges, judge), append(all.names, sc.filters[i].name), append(all.stages, uint8(i)) //nolint:gosec // there are some dozen
		}
	}
	return all
}

// judge runs the filters over one host up to the first that fails: whoever fails later was nearer to fitting.
func (l *chain) judge(c *candidate) miss {
	for i, judge := range l.judges {
		if m := judge(c); m.text != "" {
			m.filter, m.stage = l.names[i], l.stages[i]
			return m
		}
	}
	return miss{}
}

func askZone(_ *scheduler, q *question) hostJudge {
	if q.Zone == "" {
		return nil
	}
	return func(c *candidate) miss {
		if c.zone == q.Zone {
			return miss{}
		}
		return miss{text: "it is in another availability zone", tell: func(c *candidate, q *question, _ *miss) string {
			return fmt.Sprintf("it is in availability zone %s, not in %s", c.zone, q.Zone)
		}}
	}
}

func askHost(_ *scheduler, q *question) hostJudge {
	if q.Host == "" {
		return nil
	}
	return func(c *candidate) miss {
		if c.name == q.Host {
			return miss{}
		}
		return miss{text: "another host was asked for"}
	}
}

func askExcluded(_ *scheduler, q *question) hostJudge {
	if len(q.Excluded)+len(q.Barred) == 0 {
		return nil
	}
	return func(c *candidate) miss {
		if reason, barred := q.Barred[c.name]; barred {
			return miss{text: reason}
		}
		if reason, failed := q.Excluded[c.name]; failed {
			return miss{text: "it failed before: ", subject: strings.TrimSuffix(reason, "."), rank: 1}
		}
		return miss{}
	}
}
