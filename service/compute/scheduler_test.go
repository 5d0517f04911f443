package compute

import (
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"virga/service/compute/cpus"
	"virga/service/compute/orders"
)

// defaultScheduler has the settings that are there when nobody says anything.
func defaultScheduler() *scheduler {
	sc, err := newScheduler(SchedulerSettings{})
	if err != nil {
		panic(err)
	}
	return sc
}

// decide is a decision of defaultScheduler.
func decide(hosts []candidate, w *wish, now time.Time) decision {
	return defaultScheduler().decide(hosts, w, now)
}

// filterCase is a filter alone, a host and a wish; want is why the host is refused, empty if it is not.
type filterCase struct {
	filter   string
	settings SchedulerSettings
	host     func(*candidate)
	wish     func(*wish)
	want     string
}

func kvmHost(c *candidate) {
	c.kind = newHostKind(&orders.Host{HypervisorType: "QEMU", HypervisorVersion: 7002015, Supported: []orders.Guest{{Arch: "x86_64", Type: "kvm", Mode: "hvm"}, {Arch: "i686", Type: "qemu", Mode: "hvm"}},
		CPU: orders.CPU{Arch: "x86_64", Model: "EPYC", Vendor: "AMD", Features: []string{"avx", "avx2"}, Topology: orders.CPUTopology{Cells: 1, Sockets: 2, Cores: 8, Threads: 2}}})
	c.archs = []string{"x86_64", "i686"}
	c.load = hostLoad{servers: 4, promised: 1, work: 2}
}

func imageOf(properties ...string) func(*wish) {
	return func(w *wish) {
		w.Image = map[string]string{}
		for pair := range slices.Chunk(properties, 2) {
			w.Image[pair[0]] = pair[1]
		}
		w.Arch = architectureOf(w.Image)
	}
}

func specs(pairs ...string) func(*wish) {
	return func(w *wish) {
		w.extraSpecs = map[string]string{}
		for pair := range slices.Chunk(pairs, 2) {
			w.extraSpecs[pair[0]] = pair[1]
		}
		w.aggregateKeys = map[string]bool{"disk": true}
	}
}

func group(policy string, perHost int, members ...string) func(*wish) {
	return func(w *wish) {
		w.Group = &groupWish{Policy: policy, MaxPerHost: perHost, Hosts: map[string]int{}}
		for _, host := range members {
			w.Group.Hosts[host]++
		}
	}
}

// pinnedWish asks for two dedicated processors.
func pinnedWish(w *wish) {
	w.CPUs = &cpus.Wish{VCPUs: 2, Policy: cpus.Dedicated, Cells: []cpus.Cell{{CPUs: cpus.Of(0, 1), Dedicated: cpus.Of(0, 1), MemoryMiB: 64}}}
}

// nodeOf gives a host one NUMA node with those dedicated processors.
func nodeOf(dedicated ...int) func(*candidate) {
	return func(c *candidate) {
		own := cpus.HostCell{Dedicated: cpus.Of(dedicated...), MemoryMiB: 1024}
		for _, cpu := range dedicated {
			own.Siblings = append(own.Siblings, cpus.Of(cpu))
		}
		c.nodes = &hostNodes{host: cpus.Host{Cells: []cpus.HostCell{own}}}
	}
}

// wide gives a host addresses of so many bits.
func wide(bits int) func(*candidate) {
	return func(c *candidate) {
		c.kind = newHostKind(&orders.Host{CPU: orders.CPU{MaxPhysAddr: &cpus.Address{Mode: "emulate", Bits: bits}}})
	}
}

func filterCases() map[string]filterCase {
	aggregate := func(pairs ...string) func(*candidate) {
		return func(c *candidate) {
			metadata := map[string]string{}
			for pair := range slices.Chunk(pairs, 2) {
				metadata[pair[0]] = pair[1]
			}
			kvmHost(c)
			inAggregate(metadata)(c)
		}
	}
	isolated := SchedulerSettings{IsolatedHosts: []string{"h"}, IsolatedImages: []string{"i"}}
	elsewhere := SchedulerSettings{IsolatedHosts: []string{"x"}, IsolatedImages: []string{"i"}}
	shared := SchedulerSettings{IsolatedHosts: []string{"h"}, IsolatedImages: []string{"i"}, SharedIsolatedHosts: true}
	image := func(w *wish) { w.imageID = "i" }
	return map[string]filterCase{
		"all hosts": {filter: "AllHostsFilter", host: func(c *candidate) { c.disabled = true }},
		"disabled":  {filter: "ComputeFilter", host: func(c *candidate) { c.disabled = true }, want: "its compute service is disabled"},

		"isolated image, isolated host": {filter: "IsolatedHostsFilter", settings: isolated, wish: image},
		"isolated image, another host":  {filter: "IsolatedHostsFilter", settings: elsewhere, wish: image, want: "it is not one of the hosts that the image is kept to"},
		"another image, isolated host":  {filter: "IsolatedHostsFilter", settings: isolated, want: "it is kept for other images"},
		"another image, another host":   {filter: "IsolatedHostsFilter", settings: elsewhere},
		"another image, shared host":    {filter: "IsolatedHostsFilter", settings: shared},
		"no images, isolated host":      {filter: "IsolatedHostsFilter", settings: SchedulerSettings{IsolatedHosts: []string{"h"}}, wish: image, want: "it is kept for other images"},

		"image without wishes":     {filter: "ImagePropertiesFilter", wish: imageOf("img_hv_requested_version", ">=99")},
		"image of an architecture": {filter: "ImagePropertiesFilter", wish: imageOf("hw_architecture", "amd64")},
		"image of another one":     {filter: "ImagePropertiesFilter", wish: imageOf("architecture", "aarch64"), want: "it cannot run guests of architecture aarch64"},
		"image of a default":       {filter: "ImagePropertiesFilter", settings: SchedulerSettings{DefaultArch: "arm64"}, want: "it cannot run guests of architecture aarch64"},
		"image of a hypervisor":    {filter: "ImagePropertiesFilter", wish: imageOf("img_hv_type", "KVM", "hw_vm_mode", "hv")},
		"image of an old property": {filter: "ImagePropertiesFilter", wish: imageOf("hypervisor_type", "xen"), want: "it cannot run guests as the image asks for: hypervisor type xen"},
		"image of a mode":          {filter: "ImagePropertiesFilter", wish: imageOf("vm_mode", "exe"), want: "it cannot run guests as the image asks for: virtual machine mode exe"},
		"image of no such pair":    {filter: "ImagePropertiesFilter", wish: imageOf("architecture", "i686", "img_hv_type", "kvm"), want: "it cannot run guests as the image asks for: architecture i686, hypervisor type kvm"},
		"image of a version":       {filter: "ImagePropertiesFilter", wish: imageOf("hw_vm_mode", "hvm", "img_hv_requested_version", ">=7.2, <8")},
		"image of a newer version": {filter: "ImagePropertiesFilter", wish: imageOf("hw_vm_mode", "hvm", "hypervisor_version_requires", ">=7.2.16"), want: "its hypervisor is of version 7.2.15, the image asks for >=7.2.16"},
		"image of no version":      {filter: "ImagePropertiesFilter", wish: imageOf("hw_vm_mode", "hvm", "img_hv_requested_version", "new"), want: "its hypervisor is of version 7.2.15, the image asks for new"},

		"anti-affinity":           {filter: "ServerGroupAntiAffinityFilter", wish: group("anti-affinity", 0, "h"), want: "it runs 1 members of the server group already"},
		"anti-affinity, two each": {filter: "ServerGroupAntiAffinityFilter", wish: group("anti-affinity", 2, "h")},
		"anti-affinity, not it":   {filter: "ServerGroupAntiAffinityFilter", wish: group("affinity", 0, "x")},
		"affinity":                {filter: "ServerGroupAffinityFilter", wish: group("affinity", 0, "x"), want: "it runs no member of the server group"},
		"affinity, here":          {filter: "ServerGroupAffinityFilter", wish: group("affinity", 0, "h")},
		"affinity, first":         {filter: "ServerGroupAffinityFilter", wish: group("affinity", 0)},
		"affinity, soft":          {filter: "ServerGroupAffinityFilter", wish: group("soft-affinity", 0, "x")},

		"unscoped spec":               {filter: "AggregateInstanceExtraSpecsFilter", host: aggregate("disk", "ssd"), wish: specs("disk", "ssd")},
		"unscoped spec, other":        {filter: "AggregateInstanceExtraSpecsFilter", host: aggregate("disk", "hdd"), wish: specs("disk", "ssd"), want: "its aggregates do not have what the flavor wants of disk"},
		"unscoped spec of nobody":     {filter: "AggregateInstanceExtraSpecsFilter", wish: specs("colour", "red")},
		"spec of another scope":       {filter: "AggregateInstanceExtraSpecsFilter", wish: specs("hw:disk", "ssd")},
		"image namespace":             {filter: "AggregateImagePropertiesIsolation", settings: SchedulerSettings{ImageNamespace: "os"}, host: aggregate("os.type", "a", "type", "a"), wish: imageOf("os.type", "a", "type", "b")},
		"image namespace, other":      {filter: "AggregateImagePropertiesIsolation", settings: SchedulerSettings{ImageNamespace: "os"}, host: aggregate("os.type", "a"), wish: imageOf("os.type", "b"), want: "its aggregates are kept for images with another os.type"},
		"aggregate's flavor":          {filter: "AggregateTypeAffinityFilter", host: aggregate("instance_type", "m1, m2"), wish: func(w *wish) { w.flavor = "m2" }},
		"aggregate's flavor, other":   {filter: "AggregateTypeAffinityFilter", host: aggregate("instance_type", "m1, m2"), wish: func(w *wish) { w.flavor = "m3" }, want: "its aggregates are kept for other flavors"},
		"aggregate without flavors":   {filter: "AggregateTypeAffinityFilter", host: aggregate("disk", "ssd"), wish: func(w *wish) { w.flavor = "m3" }},
		"aggregate's servers":         {filter: "AggregateNumInstancesFilter", host: aggregate("max_instances_per_host", "5"), want: "it has 5 servers, 5 are allowed"},
		"aggregate's servers, no":     {filter: "AggregateNumInstancesFilter", host: aggregate("max_instances_per_host", "few")},
		"aggregate's servers, not":    {filter: "AggregateNumInstancesFilter", settings: SchedulerSettings{MaxServers: 5}, want: "it has 5 servers, 5 are allowed"},
		"aggregate's work":            {filter: "AggregateIoOpsFilter", host: aggregate("max_io_ops_per_host", "3"), want: "it makes, moves or copies 3 servers now, 3 at a time are allowed"},
		"aggregate's work, more":      {filter: "AggregateIoOpsFilter", settings: SchedulerSettings{MaxWork: 2}, host: aggregate("max_io_ops_per_host", "4")},
		"servers":                     {filter: "NumInstancesFilter", settings: SchedulerSettings{MaxServers: 5}, want: "it has 5 servers, 5 are allowed"},
		"servers, not of aggregates":  {filter: "NumInstancesFilter", host: aggregate("max_instances_per_host", "1")},
		"work":                        {filter: "IoOpsFilter", settings: SchedulerSettings{MaxWork: 3}, want: "it makes, moves or copies 3 servers now, 3 at a time are allowed"},
		"work, not so much":           {filter: "IoOpsFilter", settings: SchedulerSettings{MaxWork: 4}},
		"capability":                  {filter: "ComputeCapabilitiesFilter", wish: specs("capabilities:cpu_info:features", "<all-in> avx avx2", "hypervisor_version", ">= 7002000", "free_ram_mb", ">= 1024")},
		"capability of the processor": {filter: "ComputeCapabilitiesFilter", wish: specs("capabilities:cpu_info:topology:cores", "== 8", "capabilities:cpu_info:vendor", "<or> Intel <or> AMD")},
		"capability, other":           {filter: "ComputeCapabilitiesFilter", wish: specs("capabilities:hypervisor_type", "s== xen"), want: "its hypervisor_type is QEMU, which is not what the flavor wants"},
		"capability, unscoped":        {filter: "ComputeCapabilitiesFilter", wish: specs("num_instances", "<= 4"), want: "its num_instances is 5, which is not what the flavor wants"},
		"capability of nobody":        {filter: "ComputeCapabilitiesFilter", wish: specs("capabilities:colour", "red"), want: "it tells nothing of what the flavor wants: colour"},
		"unscoped of nobody":          {filter: "ComputeCapabilitiesFilter", wish: specs("colour", "red", "trait:X", "required")},
		"address bits of a host":      {filter: "ComputeCapabilitiesFilter", host: wide(46), wish: specs("hw:maxphysaddr_bits", "42")},
		"too few address bits":        {filter: "ComputeCapabilitiesFilter", host: wide(39), wish: specs("hw:maxphysaddr_bits", "42"), want: "its cpu_info:maxphysaddr:bits is 39, which is not what the flavor wants"},
		"address bits":                {filter: "ComputeCapabilitiesFilter", wish: specs("hw:maxphysaddr_bits", "42"), want: "it tells nothing of what the flavor wants: cpu_info:maxphysaddr:bits"},

		"devices":             {filter: "PciPassthroughFilter", wish: specs("pci_passthrough:alias", "gpu:1"), want: "it hands no PCI devices on to guests, the flavor asks for gpu:1"},
		"no devices":          {filter: "PciPassthroughFilter", wish: specs("hw:cpu_policy", "shared")},
		"a host of no nodes":  {filter: "NUMATopologyFilter", wish: pinnedWish, want: "1 NUMA nodes needed, 0 free (1 too few)"},
		"a host with nodes":   {filter: "NUMATopologyFilter", wish: pinnedWish, host: nodeOf(0, 1)},
		"a host of few":       {filter: "NUMATopologyFilter", wish: pinnedWish, host: nodeOf(1), want: "2 dedicated processors in one NUMA node needed, 1 free (1 too few)"},
		"no nodes wished for": {filter: "NUMATopologyFilter"},

		"no filter": {filter: "AllHostsFilter", wish: specs("pci_passthrough:alias", "gpu:1", "capabilities:colour", "red")},

		"query for a version": {filter: "JsonFilter", wish: func(w *wish) {
			w.Query, _ = parseHostQuery(`["and",[">=","$hypervisor_version",7002000],["=","$num_io_ops",3],["=","$cpu_info.vendor","AMD"]]`)
		}},
	}
}

func TestFilters(t *testing.T) {
	tested := map[string]bool{}
	for name, test := range filterCases() {
		tested[test.filter] = true
		t.Run(name, func(t *testing.T) {
			c, w := roomy("h", 1024, kvmHost), small()
			if test.host != nil {
				test.host(&c)
			}
			if test.wish != nil {
				test.wish(w)
			}
			test.settings.Filters = []string{test.filter}
			sc, err := newScheduler(test.settings)
			if err != nil {
				t.Fatal(err)
			}
			d := sc.decide([]candidate{c}, w, noon)
			if v := d.Hosts[0]; v.Reason != test.want || v.Fits != (test.want == "") || !v.Fits && v.Filter != test.filter {
				t.Errorf("verdict %+v, want %q of %s", v, test.want, test.filter)
			}
		})
	}
	for _, name := range []string{"AggregateMultiTenancyIsolation", "SameHostFilter", "DifferentHostFilter", "SimpleCIDRAffinityFilter"} {
		tested[name] = true // see TestPlaces
	}
	for _, f := range filterTable() {
		if !tested[f.name] {
			t.Errorf("no test of %s", f.name)
		}
	}
}

// TestWeighers has each weigher alone tell two hosts apart that differ in what it weighs.
func TestWeighers(t *testing.T) {
	for short, test := range map[string]struct {
		more, less func(*candidate)
		wish       func(*wish)
		// parts are of the host with more and of the one with less, with the multiplier 1.
		parts [2]float64
	}{
		"ram":                {more: func(c *candidate) { c.units[1].used = 0 }, parts: [2]float64{1, 0.5}},
		"cpu":                {more: func(*candidate) {}, less: func(c *candidate) { c.units[2].used, c.units[2].held = 30, 18 }, parts: [2]float64{1, 0.25}},
		"disk":               {more: func(*candidate) {}, less: func(c *candidate) { c.units[0].used = 900 }, parts: [2]float64{1, 0.1}},
		"io_ops":             {more: func(c *candidate) { c.load.work, c.load.promised = 3, 1 }, less: func(c *candidate) { c.load.work = 1 }, parts: [2]float64{1, 0.25}},
		"num_instances":      {more: func(c *candidate) { c.load.servers, c.load.promised = 7, 1 }, less: func(c *candidate) { c.load.servers = 4 }, parts: [2]float64{1, 0}},
		"build_failure":      {more: func(c *candidate) { c.load.failures = 2 }, less: func(c *candidate) { c.load.failures = 1 }, parts: [2]float64{-1, 0}},
		"hypervisor_version": {more: func(c *candidate) { c.kind = &hostKind{version: 8} }, less: func(c *candidate) { c.kind = &hostKind{version: 7} }, parts: [2]float64{1, 0}},
		"soft_affinity":      {wish: group("soft-affinity", 0, "more", "more", "less"), parts: [2]float64{1, 0}},
		"soft_anti_affinity": {wish: group("soft-anti-affinity", 0, "more", "more", "less"), parts: [2]float64{0, 1}},
	} {
		t.Run(short, func(t *testing.T) {
			hosts := []candidate{roomy("more", 1024), roomy("less", 1024)}
			for i, change := range []func(*candidate){test.more, test.less} {
				if change != nil {
					change(&hosts[i])
				}
			}
			w := small()
			if test.wish != nil {
				test.wish(w)
			}
			table := weigherTable()
			at := slices.IndexFunc(table, func(w weigher) bool { return w.short == short })
			for _, times := range []float64{1, -2} {
				sc, err := newScheduler(SchedulerSettings{Weighers: []string{table[at].name}, Multipliers: map[string]float64{short: times}})
				if err != nil {
					t.Fatal(err)
				}
				d := sc.decide(hosts, w, noon)
				want := "more"
				if test.parts[0]*times < test.parts[1]*times {
					want = "less"
				}
				got := map[string]map[string]float64{d.Hosts[0].Host: d.Hosts[0].Weights, d.Hosts[1].Host: d.Hosts[1].Weights}
				parts := map[string]map[string]float64{"more": {short: times * test.parts[0]}, "less": {short: times * test.parts[1]}}
				if diff := cmp.Diff(parts, got); diff != "" || d.Chosen != want {
					t.Errorf("times %v: chose %s\n%s", times, d.Chosen, diff)
				}
			}
		})
	}
}

func TestDefaultsAreNovas(t *testing.T) {
	want := map[string]float64{"ram": 1, "cpu": 1, "disk": 1, "io_ops": -1, "num_instances": 0, "build_failure": 1e6, "hypervisor_version": 1, "pci": 1, "soft_affinity": 1, "soft_anti_affinity": 1}
	sc, err := newScheduler(SchedulerSettings{})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, w := range sc.weighers {
		got[w.short] = w.times
	}
	if !maps.Equal(want, got) || sc.Attempts != 3 || sc.MaxServers != 50 || sc.MaxWork != 8 || sc.Subset != 1 {
		t.Errorf("%v, %+v", got, sc.SchedulerSettings)
	}
	for _, name := range []string{"ComputeFilter", "ComputeCapabilitiesFilter", "ImagePropertiesFilter", "ServerGroupAntiAffinityFilter", "ServerGroupAffinityFilter"} {
		if !sc.has(name) {
			t.Errorf("%s is not asked", name)
		}
	}
}

// TestAggregatesOverrideMultipliers: the least of a host's aggregates counts, and none of them when one is no number.
func TestAggregatesOverrideMultipliers(t *testing.T) {
	sc, err := newScheduler(SchedulerSettings{Multipliers: map[string]float64{"ram": 2}})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		texts []string
		want  float64
	}{{nil, 2}, {[]string{"-3"}, -3}, {[]string{"5", "4.5"}, 4.5}, {[]string{"5", "much"}, 2}, {[]string{"1,2"}, 2}, {[]string{"0"}, 0}} {
		hosts := []candidate{roomy("a", 1024), roomy("b", 512)}
		var rows []aggregate
		for _, text := range test.texts {
			rows = append(rows, aggregate{Metadata: map[string]string{"ram_weight_multiplier": text}, hosts: []string{"a"}})
		}
		hosts[0].terms = termsOf(rows)["a"]
		d := sc.decide(hosts, small(), noon)
		at := slices.IndexFunc(d.Hosts, func(v verdict) bool { return v.Host == "a" })
		if got := d.Hosts[at].Weights["ram"]; got != test.want {
			t.Errorf("%q: %v, want %v", test.texts, got, test.want)
		}
	}
}

func TestFiltersAreAskedInTheirOrder(t *testing.T) {
	w := small()
	specs("pci_passthrough:alias", "gpu:1")(w)
	for _, names := range [][]string{{"ComputeFilter", "PciPassthroughFilter"}, {"PciPassthroughFilter", "ComputeFilter"}} {
		sc, err := newScheduler(SchedulerSettings{Filters: names})
		if err != nil {
			t.Fatal(err)
		}
		d := sc.decide([]candidate{roomy("h", 1024, func(c *candidate) { c.disabled = true })}, w, noon)
		if d.Hosts[0].Filter != names[0] || d.Refused[0].Filter != names[0] {
			t.Errorf("%v: %+v", names, d)
		}
	}
}

// TestChanceAmongTheBest: of equal hosts any is chosen, unless their order is to be kept; with a subset also one that weighs less.
func TestChanceAmongTheBest(t *testing.T) {
	hosts := []candidate{roomy("a", 4096), roomy("b", 4096), roomy("c", 4096), roomy("d", 2048), roomy("e", 1024)}
	for _, test := range []struct {
		settings SchedulerSettings
		want     string
	}{{SchedulerSettings{}, "abc"}, {SchedulerSettings{KeepOrder: true}, "a"}, {SchedulerSettings{KeepOrder: true, Subset: 2}, "ab"}, {SchedulerSettings{Subset: 4}, "abcd"}, {SchedulerSettings{Subset: 100}, "abcde"}} {
		sc, err := newScheduler(test.settings)
		if err != nil {
			t.Fatal(err)
		}
		chosen := map[string]bool{}
		for i := range 200 {
			w := small()
			w.Seed = strings.Repeat("s", i)
			d := sc.decide(hosts, w, noon)
			chosen[d.Chosen] = true
			if d.Hosts[0].Host != d.Chosen || len(d.Hosts) != 5 {
				t.Fatalf("decision %+v", d)
			}
		}
		if got := strings.Join(slices.Sorted(maps.Keys(chosen)), ""); got != test.want {
			t.Errorf("%+v: %s chosen, want %s", test.settings, got, test.want)
		}
	}
}

func TestSchedulerSettingsThatMeanNothing(t *testing.T) {
	for want, settings := range map[string]SchedulerSettings{
		`"RamFilter" is no filter; there are AllHostsFilter, ComputeFilter, `:  {Filters: []string{"ComputeFilter", "RamFilter"}},
		`the filter ComputeFilter is named twice`:                              {Filters: []string{"ComputeFilter", "ComputeFilter"}},
		`"CrossCellWeigher" is no weigher; there are RAMWeigher, CPUWeigher, `: {Weighers: []string{"CrossCellWeigher"}},
		`1 is no multiplier of a weigher "memory"; there are ram, cpu, `:       {Multipliers: map[string]float64{"memory": 1}},
		`NaN is no multiplier of a weigher "ram"`:                              {Multipliers: map[string]float64{"ram": math.NaN()}},
		`numbers of attempts, servers and hosts are not negative`:              {Attempts: -1},
		`chance chooses among 1000 hosts at most`:                              {Subset: 1001},
		`but IsolatedHostsFilter is not one of the filters`:                    {IsolatedHosts: []string{"h"}},
	} {
		if _, err := newScheduler(settings); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %s", settings, err, want)
		}
	}
}

// TestExtraSpecOperators is nova's table of operators (nova/tests/unit/scheduler/filters/test_extra_specs_ops.py).
func TestExtraSpecOperators(t *testing.T) {
	for _, test := range []struct {
		value, want string
		holds       bool
	}{
		{"1", "1", true}, {"", "1", false}, {"3", "1", false}, {"222", "2", false}, {"4", "> 2", false},
		{"123", "= 123", true}, {"124", "= 123", true}, {"34", "= 234", false}, {"34", "=", false}, {"x", "= 1", false},
		{"123", "s== 123", true}, {"1234", "s== 123", false}, {"1234", "s!= 123", true}, {"123", "s!= 123", false},
		{"1000", "s>= 234", false}, {"234", "s> 1000", true}, {"1000", "s<= 1000", true}, {"2", "s< 12", false}, {"12", "s< 2", true},
		{"12311321", "<in> 11", true}, {"12310321", "<in> 11", false}, {"12", "<or> 11 <or> 12", true}, {"12", "<or> 11 <or> 12 <or>", true}, {"13", "<or> 11 <or> 12", false},
		{"aes mmx aux", "<all-in> aes mmx", true}, {"aes mmx", "<all-in> aes mmx txt", false}, {"2", "<= 10", true}, {"3", "<= 2", false}, {"3", ">= 1", true}, {"3", "!= 3", false}, {"3.0", "== 3", true},
		{"3", ">= three", false}, {"", "", true},
	} {
		s := newSpec("k", test.want)
		if got := s.holds(test.value); got != test.holds {
			t.Errorf("%q %q: %v", test.value, test.want, got)
		}
	}
}
