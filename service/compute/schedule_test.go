package compute

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// roomy is a host that is up and has free memory as given, in MiB.
func roomy(name string, freeMiB int64, change ...func(*candidate)) candidate {
	c := candidate{name: name, zone: defaultZone, providerID: "provider of " + name, seen: noon, downAt: noon.Add(10 * time.Second), archs: []string{"x86_64"},
		placed: true, traits: []string{"COMPUTE_NODE", "HW_CPU_X86_AVX2"}, hash: hashOf(name), units: []unit{
			{class: classDisk, capacity: 1000, min: 1, max: 1000, step: 1},
			{class: classMemory, capacity: 2 * freeMiB, used: freeMiB, min: 1, max: 2 * freeMiB, step: 1},
			{class: classVCPU, capacity: 64, min: 1, max: 16, step: 1}}}
	for _, f := range change {
		f(&c)
	}
	return c
}

func small() *wish {
	return &wish{Resources: map[string]int64{classVCPU: 1, classMemory: 512, classDisk: 1}, Seed: "s"}
}

func TestFirstFailingReason(t *testing.T) {
	for name, test := range map[string]struct {
		host func(*candidate)
		wish func(*wish)
		want string
	}{
		"forced down":   {host: func(c *candidate) { c.forcedDown = true }, want: "its compute service is forced down"},
		"silent":        {host: func(c *candidate) { c.seen, c.downAt = noon.Add(-12*time.Second), noon.Add(-time.Second) }, want: "its compute service has not reported for 12 seconds"},
		"disabled":      {host: func(c *candidate) { c.disabled = true }, want: "its compute service is disabled"},
		"zone":          {wish: func(w *wish) { w.Zone = "east" }, want: "it is in availability zone nova, not in east"},
		"host":          {wish: func(w *wish) { w.Host = "other" }, want: "another host was asked for"},
		"barred":        {wish: func(w *wish) { w.Barred = map[string]string{"h": leavesHost} }, want: "the server is to leave it"},
		"excluded":      {wish: func(w *wish) { w.Excluded = map[string]string{"h": "no space left."} }, want: "it failed before: no space left"},
		"architecture":  {wish: func(w *wish) { w.Arch = "arm64" }, want: "it cannot run guests of architecture aarch64"},
		"anti-affinity": {wish: func(w *wish) { w.Group = &groupWish{Policy: "anti-affinity", Hosts: map[string]int{"h": 1}} }, want: "it runs 1 members of the server group already"},
		"affinity":      {wish: func(w *wish) { w.Group = &groupWish{Policy: "affinity", Hosts: map[string]int{"x": 1}} }, want: "it runs no member of the server group"},
		"no provider":   {host: func(c *candidate) { c.placed, c.units = false, nil }, want: "placement has no inventory of it"},
		"trait missing": {wish: func(w *wish) { w.Required = []string{"CUSTOM_FAST"} }, want: "it lacks the trait CUSTOM_FAST"},
		"trait there":   {wish: func(w *wish) { w.Forbidden = []string{"HW_CPU_X86_AVX2"} }, want: "it has the trait HW_CPU_X86_AVX2"},
		"memory":        {wish: func(w *wish) { w.Resources[classMemory] = 4096 }, want: "4096 MB of memory needed, 1024 free (3072 too few)"},
		"promised":      {host: func(c *candidate) { c.units[1].held = 800 }, want: "512 MB of memory needed, 224 free (288 too few)"},
		"one server":    {wish: func(w *wish) { w.Resources[classVCPU] = 20 }, want: "20 VCPUs needed, one server can have 16 at most"},
		"other class":   {wish: func(w *wish) { w.Resources["VGPU"] = 2 }, want: "2 units of VGPU needed, 0 free (2 too few)"},
		"fits":          {want: ""},
	} {
		t.Run(name, func(t *testing.T) {
			c, w := roomy("h", 1024), small()
			if test.host != nil {
				test.host(&c)
			}
			if test.wish != nil {
				test.wish(w)
			}
			d := decide([]candidate{c}, w, noon)
			if d.Hosts[0].Reason != test.want || d.Hosts[0].Fits != (test.want == "") || (d.Chosen == "h") != (test.want == "") {
				t.Errorf("decision %+v", d)
			}
			if test.want != "" && (!strings.HasPrefix(d.explain(), "No valid host was found. 1 host: ") || strings.Contains(d.explain(), "h:")) {
				t.Errorf("explained: %s", d.explain())
			}
		})
	}
}

func TestShortageHasItsNumbers(t *testing.T) {
	w := small()
	w.Resources[classMemory] = 4096
	d := decide([]candidate{roomy("h", 1024)}, w, noon)
	want := verdict{Host: "h", Reason: "4096 MB of memory needed, 1024 free (3072 too few)", Filter: "placement", Class: classMemory, Needed: 4096, Free: 1024, Capacity: 2048}
	if diff := cmp.Diff(want, d.Hosts[0]); diff != "" {
		t.Error(diff)
	}
}

func TestOfManyHostsTheNearestAreListedAndAllAreCounted(t *testing.T) {
	var hosts []candidate
	for i := range 500 {
		hosts = append(hosts, roomy(fmt.Sprintf("full-%03d", i), int64(i)))
		hosts = append(hosts, roomy(fmt.Sprintf("off-%03d", i), 4096, func(c *candidate) { c.disabled = true }))
	}
	w := small()
	w.Resources[classMemory] = 600
	d := decide(hosts, w, noon)
	if d.Chosen != "" || d.Considered != 1000 || d.Fitting != 0 || len(d.Hosts) != maxListed {
		t.Fatalf("decision %+v", d)
	}
	want := []tally{{Reason: "it has too few MB of memory", Hosts: 500, Filter: "placement", Class: classMemory, Needed: 600, Free: 499},
		{Reason: "its compute service is disabled", Hosts: 500, Filter: "ComputeFilter"}}
	if diff := cmp.Diff(want, d.Refused); diff != "" {
		t.Error(diff)
	}
	if d.Hosts[0].Host != "full-480" || d.Hosts[19].Host != "full-499" || d.explain() != "No valid host was found. Each of 500 hosts: it has too few MB of memory (600 needed, 499 free at most); each of 500 hosts: its compute service is disabled." {
		t.Errorf("listed %v, explained: %s", d.Hosts, d.explain())
	}
}

func TestTheRoomiestHostIsChosenAndSoftPoliciesGoBefore(t *testing.T) {
	hosts := []candidate{roomy("a", 1000), roomy("b", 3000), roomy("c", 2000)}
	w := small()
	for _, test := range []struct {
		group *groupWish
		want  string
	}{
		{nil, "b"},
		{&groupWish{Policy: "soft-affinity", Hosts: map[string]int{"a": 2, "c": 1}}, "a"},
		{&groupWish{Policy: "soft-anti-affinity", Hosts: map[string]int{"b": 1, "c": 1}}, "a"},
		{&groupWish{Policy: "soft-anti-affinity", Hosts: map[string]int{"b": 1}}, "c"},
	} {
		w.Group = test.group
		if d := decide(hosts, w, noon); d.Chosen != test.want || d.Hosts[0].Host != test.want || d.Fitting != 3 {
			t.Errorf("group %+v: decision %+v", test.group, d)
		}
	}
}

func TestAHostThatMayComeBackGivesHope(t *testing.T) {
	for silent, hopeful := range map[time.Duration]bool{15 * time.Second: true, 2 * time.Minute: false} {
		d := decide([]candidate{roomy("h", 1024, func(c *candidate) { c.seen, c.downAt = noon.Add(-silent), noon.Add(-time.Second) })}, small(), noon)
		if d.hopeful != hopeful {
			t.Errorf("silent for %s: hopeful %v", silent, d.hopeful)
		}
	}
}

// TestServersSpread places servers one after the other on hosts that are alike: none gets
// more than its share; and places many at once that know nothing of each other: they do not
// all meet on one.
func TestServersSpread(t *testing.T) {
	var hosts []candidate
	for i := range 50 {
		hosts = append(hosts, roomy(fmt.Sprint("h", i), 64<<10))
	}
	count := map[string]int{}
	for i := range 500 {
		w := small()
		w.Seed = fmt.Sprint("server ", i)
		d := decide(hosts, w, noon)
		count[d.Chosen]++
		for j := range hosts {
			if hosts[j].name == d.Chosen {
				hosts[j].units[1].used += 512
			}
		}
	}
	for name, n := range count {
		if n != 10 {
			t.Errorf("%s got %d of 500 servers", name, n)
		}
	}
	clear(count)
	for i := range 500 {
		w := small()
		w.Seed = fmt.Sprint("server at once ", i)
		count[decide(hosts, w, noon).Chosen]++
	}
	for name, n := range count {
		if n > 30 {
			t.Errorf("%s was chosen by %d of 500 at once", name, n)
		}
	}
}

// BenchmarkDecision is one decision over 10,000 hosts that differ, explanation included.
func BenchmarkDecision(b *testing.B) {
	var hosts []candidate
	for i := range 10_000 {
		hosts = append(hosts, roomy(fmt.Sprint("host-", i), int64(1024+i%1000*64), func(c *candidate) { c.disabled = i%50 == 0 }))
	}
	for _, test := range []struct {
		name   string
		memory int64
	}{{"fits", 2048}, {"fits nowhere", 1 << 20}} {
		b.Run(test.name, func(b *testing.B) {
			w := small()
			w.Resources[classMemory] = test.memory
			sc, err := newScheduler(SchedulerSettings{})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if d := sc.decide(hosts, w, noon); d.explain() == "" {
					b.Fatal("no explanation")
				}
			}
		})
	}
}
