package compute

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"virga/service/compute/orders"
)

// anyHosts draws hosts of few sorts, so that some are alike.
func anyHosts(t *rapid.T) []candidate {
	hosts := make([]candidate, rapid.IntRange(0, 60).Draw(t, "hosts"))
	for i := range hosts {
		hosts[i] = roomy(fmt.Sprint("h", i), int64(rapid.IntRange(0, 4).Draw(t, "memory"))*512, func(c *candidate) {
			c.disabled = rapid.IntRange(0, 9).Draw(t, "disabled") == 0
			c.placed = rapid.IntRange(0, 9).Draw(t, "placed") > 0
			c.zone = rapid.SampledFrom([]string{defaultZone, "east"}).Draw(t, "zone")
			c.units[2].used = rapid.Int64Range(0, 64).Draw(t, "vcpus")
			c.load = hostLoad{servers: rapid.Int64Range(0, 4).Draw(t, "servers"), promised: rapid.Int64Range(0, 1).Draw(t, "promised"),
				work: rapid.Int64Range(0, 3).Draw(t, "work"), failures: rapid.Int64Range(0, 1).Draw(t, "failures")}
			c.kind = newHostKind(&orders.Host{HypervisorVersion: rapid.IntRange(7002000, 7002002).Draw(t, "version")})
			if metadata := rapid.SampledFrom([]map[string]string{nil, {"x": "y"}, {"ram_weight_multiplier": "-1"}, {"max_instances_per_host": "2"}}).Draw(t, "aggregate"); metadata != nil {
				inAggregate(metadata)(c)
			}
		})
	}
	return hosts
}

// naive is what a host weighs, or false when it does not fit, straight from nova's rules and without regard to cost.
type naive struct {
	hosts       []candidate
	wish        *wish
	multipliers map[string]float64
}

func (n *naive) fits(c *candidate) bool {
	limit := int64(3)
	if c.terms != nil && slices.Equal(c.terms.values["max_instances_per_host"], []string{"2"}) {
		limit = 2
	}
	return !c.disabled && c.placed && (n.wish.Zone == "" || n.wish.Zone == c.zone) && c.free(classMemory) >= n.wish.Resources[classMemory] && c.free(classVCPU) >= 1 &&
		c.load.servers+c.load.promised < limit
}

// says is what a weigher says of a host, and whether its range begins at 0.
func (n *naive) says(weigher string, c *candidate) (value float64, fromZero bool) {
	switch weigher {
	case "ram":
		return float64(c.units[1].capacity - c.units[1].used), true
	case "cpu":
		return float64(c.units[2].capacity - c.units[2].used), true
	case "disk":
		return 1000, true
	case "io_ops":
		return float64(c.load.work + c.load.promised), true
	case "num_instances":
		return float64(c.load.servers + c.load.promised), false
	case "build_failure":
		return float64(c.load.failures), false
	case "hypervisor_version":
		return float64(c.kind.version), false
	}
	return 0, false
}

func (n *naive) weight(c *candidate) float64 {
	sum := 0.0
	for weigher, multiplier := range n.multipliers {
		var all []float64
		own, fromZero := n.says(weigher, c)
		for i := range n.hosts {
			if n.fits(&n.hosts[i]) {
				value, _ := n.says(weigher, &n.hosts[i])
				all = append(all, value)
			}
		}
		low, high := slices.Min(all), slices.Max(all)
		if fromZero {
			low = 0
		}
		if c.terms != nil && weigher == "ram" && c.terms.values["ram_weight_multiplier"] != nil {
			multiplier = -1
		}
		if weigher == "build_failure" {
			multiplier = -multiplier
		}
		if low != high {
			sum += multiplier * (own - low) / (high - low)
		}
	}
	return sum
}

// TestDecisions draws clouds, wishes and multipliers: hosts fit and weigh what nova's rules say, none that weighs more was passed
// over, every host is counted, and the same question has the same answer in any order of hosts.
func TestDecisions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hosts := anyHosts(t)
		w := small()
		w.Resources[classMemory] = rapid.Int64Range(1, 2048).Draw(t, "needed")
		w.Zone = rapid.SampledFrom([]string{"", "east"}).Draw(t, "zone wanted")
		w.Seed = rapid.StringN(0, 4, 4).Draw(t, "seed")
		n := &naive{hosts, w, map[string]float64{}}
		for _, name := range []string{"ram", "cpu", "disk", "io_ops", "num_instances", "build_failure", "hypervisor_version"} {
			n.multipliers[name] = rapid.SampledFrom([]float64{-1, 0, 0.5, 1, 10}).Draw(t, name)
		}
		subset := rapid.IntRange(1, 3).Draw(t, "subset")
		sc, err := newScheduler(SchedulerSettings{Filters: []string{"AggregateNumInstancesFilter", "ComputeFilter"}, MaxServers: 3, Multipliers: n.multipliers, Subset: subset})
		if err != nil {
			t.Fatal(err)
		}
		d := sc.decide(hosts, w, noon)
		var weights []float64
		for i := range hosts {
			if n.fits(&hosts[i]) {
				weights = append(weights, n.weight(&hosts[i]))
			}
		}
		slices.Sort(weights)
		slices.Reverse(weights)
		checkChosen(t, n, &d, weights, subset)
		counted := d.Fitting
		for _, r := range d.Refused {
			counted += r.Hosts
		}
		if counted != len(hosts) || d.Considered != len(hosts) || len(d.Hosts) > maxListed || len(hosts) <= maxListed && len(d.Hosts) != len(hosts) {
			t.Fatalf("%d hosts, %d counted, %d listed", len(hosts), counted, len(d.Hosts))
		}
		slices.Reverse(hosts)
		if again := sc.decide(hosts, w, noon); !cmp.Equal(d, again, cmp.AllowUnexported(decision{})) {
			t.Fatalf("another order of hosts, another decision:\n%s", cmp.Diff(d, again, cmp.AllowUnexported(decision{})))
		}
	})
}

// checkChosen compares a decision with the weights of all that fit, greatest first.
func checkChosen(t *rapid.T, n *naive, d *decision, weights []float64, subset int) {
	const close = 1e-5 // what is shown is rounded
	if d.Fitting != len(weights) || (d.Chosen == "") != (len(weights) == 0) {
		t.Fatalf("%d fit, the decision is %+v", len(weights), d)
	}
	for _, v := range d.Hosts {
		i := slices.IndexFunc(n.hosts, func(c candidate) bool { return c.name == v.Host })
		if v.Fits != n.fits(&n.hosts[i]) {
			t.Fatalf("%+v is wrong of %+v", v, n.hosts[i])
		}
		if !v.Fits {
			continue
		}
		sum := 0.0
		for _, part := range v.Weights {
			sum += part
		}
		if want := n.weight(&n.hosts[i]); math.Abs(want-v.Weight) > close || math.Abs(sum-v.Weight) > close {
			t.Fatalf("%s weighs %v of %v, want %v", v.Host, v.Weight, v.Weights, want)
		}
		if v.Host == d.Chosen && v.Weight < weights[min(subset, len(weights))-1]-close {
			t.Fatalf("chose %+v, the weights are %v", v, weights)
		}
	}
	for i := 2; i < len(d.Hosts) && d.Hosts[i].Fits; i++ {
		if d.Hosts[i].Weight > d.Hosts[i-1].Weight+close {
			t.Fatalf("not in order: %+v", d.Hosts)
		}
	}
}

// TestDecisionsAtOnceDoNotMeet has several decisions use one scheduler side by side: each is that of one alone.
func TestDecisionsAtOnceDoNotMeet(t *testing.T) {
	sc, err := newScheduler(SchedulerSettings{})
	if err != nil {
		t.Fatal(err)
	}
	var hosts []candidate
	for i := range 300 {
		hosts = append(hosts, roomy(fmt.Sprint("h", i), int64(i)))
	}
	t.Run("at once", func(t *testing.T) {
		for i := range 8 {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				w := small()
				w.Resources[classMemory] = int64(10 * (i + 1))
				want := decide(hosts, w, noon)
				for range 50 {
					if d := sc.decide(hosts, w, noon.Add(time.Nanosecond)); !cmp.Equal(d, want, cmp.AllowUnexported(decision{})) {
						t.Fatalf("%s", cmp.Diff(want, d, cmp.AllowUnexported(decision{})))
					}
				}
			})
		}
	})
}
