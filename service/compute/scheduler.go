package compute

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
)

// SchedulerSettings are how hosts are chosen, with nova's defaults where they say nothing.
type SchedulerSettings struct {
	// Filters are nova's names of filters in the order in which they are asked; nil: those of this cloud that ask nothing
	// unless a server, a flavor or an aggregate does.
	Filters []string
	// Weighers are nova's names of weighers; nil: all.
	Weighers []string
	// Multipliers are by the short names of weighers: ram, cpu, io_ops.
	Multipliers map[string]float64
	// Subset is among how many of the best hosts chance chooses (host_subset_size); 0: one.
	Subset int
	// KeepOrder takes hosts of the same weight in the order of their names, instead of by chance.
	KeepOrder bool
	// Attempts is on how many hosts a server is tried (max_attempts); 0: 3.
	Attempts int
	// MaxServers and MaxWork are of a host (max_instances_per_host, max_io_ops_per_host); 0: 50 and 8.
	MaxServers, MaxWork int64
	// IsolatedHosts are for IsolatedImages, and for these alone unless SharedIsolatedHosts.
	IsolatedHosts, IsolatedImages []string
	SharedIsolatedHosts           bool
	// DefaultArch is the architecture of images that name none; empty: any.
	DefaultArch string
	// ImageNamespace and ImageSeparator begin the image properties that aggregates can be kept for; empty: all of them.
	ImageNamespace, ImageSeparator string
	// Checks are asked about hosts that all filters let pass, in their order.
	Checks []SchedulerCheck
}

// scheduler chooses hosts.
type scheduler struct {
	SchedulerSettings
	filters  []hostFilter
	weighers []active
	checks   []*hostCheck
	pool     sync.Pool // of *buffers
}

const (
	defaultAttempts   = 3
	defaultMaxServers = 50
	defaultMaxWork    = 8
	// maxSubset bounds the hosts among which chance chooses.
	maxSubset = 1000
)

// newScheduler refuses settings that mean nothing.
func newScheduler(settings SchedulerSettings) (*scheduler, error) {
	sc := &scheduler{SchedulerSettings: settings}
	if sc.Attempts < 0 || sc.MaxServers < 0 || sc.MaxWork < 0 || sc.Subset < 0 || sc.Subset > maxSubset {
		return nil, fmt.Errorf("scheduler: numbers of attempts, servers and hosts are not negative, and chance chooses among %d hosts at most", maxSubset)
	}
	sc.Attempts = orElse(sc.Attempts, defaultAttempts)
	sc.MaxServers, sc.MaxWork = orElse(sc.MaxServers, defaultMaxServers), orElse(sc.MaxWork, defaultMaxWork)
	sc.Subset = orElse(sc.Subset, 1)
	sc.DefaultArch = canonicalArch(sc.DefaultArch)
	if sc.ImageSeparator == "" {
		sc.ImageSeparator = "."
	}
	if err := sc.nameFilters(); err != nil {
		return nil, err
	}
	if err := sc.nameWeighers(); err != nil {
		return nil, err
	}
	if err := sc.nameChecks(); err != nil {
		return nil, err
	}
	if len(sc.IsolatedHosts)+len(sc.IsolatedImages) > 0 && !sc.has("IsolatedHostsFilter") {
		return nil, errors.New("isolated_hosts, isolated_images: there are some, but IsolatedHostsFilter is not one of the filters")
	}
	return sc, nil
}

func orElse[T int | int64](n, otherwise T) T {
	if n == 0 {
		return otherwise
	}
	return n
}

// has tells whether a filter is asked.
func (sc *scheduler) has(name string) bool {
	return slices.ContainsFunc(sc.filters, func(f hostFilter) bool { return f.name == name })
}

// nameFilters finds the filters that the settings name.
func (sc *scheduler) nameFilters() error {
	table := filterTable()
	var chosen []hostFilter
	if sc.Filters == nil {
		chosen = slices.DeleteFunc(slices.Clone(table), func(f hostFilter) bool { return !f.standard })
	}
	for _, name := range sc.Filters {
		at := slices.IndexFunc(table, func(f hostFilter) bool { return f.name == name })
		if at < 0 {
			var known []string
			for i := range table {
				known = append(known, table[i].name)
			}
			return fmt.Errorf("enabled_filters: %q is no filter; there are %s", name, strings.Join(known, ", "))
		}
		if slices.ContainsFunc(chosen, func(f hostFilter) bool { return f.name == name }) {
			return fmt.Errorf("enabled_filters: the filter %s is named twice", name)
		}
		chosen = append(chosen, table[at])
	}
	sc.filters = slices.Concat(boundaries(), chosen, room())
	return nil
}

// nameWeighers finds the weighers that the settings name, and their multipliers.
func (sc *scheduler) nameWeighers() error {
	table := weigherTable()
	var names, shorts []string
	for i := range table {
		names, shorts = append(names, table[i].name), append(shorts, table[i].short)
	}
	for _, name := range sc.Weighers {
		if !slices.Contains(names, name) {
			return fmt.Errorf("weight_classes: %q is no weigher; there are %s", name, strings.Join(names, ", "))
		}
	}
	for _, short := range slices.Sorted(maps.Keys(sc.Multipliers)) {
		if x := sc.Multipliers[short]; !slices.Contains(shorts, short) || math.IsNaN(x) || math.IsInf(x, 0) {
			return fmt.Errorf("weight multipliers: %v is no multiplier of a weigher %q; there are %s", x, short, strings.Join(shorts, ", "))
		}
	}
	for i := range table {
		if sc.Weighers != nil && !slices.Contains(sc.Weighers, table[i].name) {
			continue
		}
		times, given := sc.Multipliers[table[i].short]
		if !given {
			times = table[i].multiplier
		}
		sc.weighers = append(sc.weighers, active{weigher: table[i], at: i, times: times})
	}
	return nil
}
