package compute

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// carryOut does what a change says, as an operator would: it knows the change's JSON alone, and nothing of how it was found.
func carryOut(t interface{ Fatalf(string, ...any) }, text []byte, c *candidate, w *wish) {
	var ch struct {
		Kind, Host, Class, Name, Value string
		Amount                         int64
		From, To                       float64
	}
	if err := json.Unmarshal(text, &ch); err != nil {
		t.Fatalf("%v", err)
	}
	u := c.unit(ch.Class)
	without := func(m map[string]string, key string) map[string]string {
		m = maps.Clone(m)
		delete(m, key)
		return m
	}
	is := func(name string) func(string) bool { return func(other string) bool { return other == name } }
	if ch.Host != "" && ch.Host != c.name {
		t.Fatalf("%s is about another host than %s", text, c.name)
	}
	switch ch.Kind {
	case "unset_forced_down":
		c.forcedDown = false
	case "start_service":
		c.downAt = noon.Add(time.Minute)
	case "enable_service":
		c.disabled = false
	case "add_host_to_zone":
		c.zone = ch.Value
	case "availability_zone":
		w.Zone = ch.Value
	case "requested_host":
		w.Host = ch.Host
	case "mend_and_retry":
		w.Excluded = without(w.Excluded, ch.Host)
	case "image_architecture":
		w.Arch = ch.Value
	case "free":
		if u.used -= ch.Amount; ch.Amount <= 0 || u.used+u.held < 0 { // what is promised is freed as well
			t.Fatalf("%s frees more than there is", text)
		}
	case "allocation_ratio":
		if ch.From != u.ratio || ch.To <= ch.From {
			t.Fatalf("%s does not raise the ratio %v", text, u.ratio)
		}
		total := int64(0) // there is one to which the ratio gives the capacity
		for int64(float64(total)*u.ratio) != u.capacity {
			total++
		}
		u.capacity = int64(float64(total) * ch.To)
	case "flavor":
		if w.Resources[ch.Class] != int64(ch.From) {
			t.Fatalf("%s, though %d are wanted", text, w.Resources[ch.Class])
		}
		w.Resources = maps.Clone(w.Resources)
		w.Resources[ch.Class] = int64(ch.To)
	case "add_trait":
		c.traits = slices.Sorted(slices.Values(append([]string{ch.Name}, c.traits...)))
	case "remove_trait":
		c.traits = slices.DeleteFunc(slices.Clone(c.traits), is(ch.Name))
	case "drop_trait":
		w.Required, w.Forbidden = slices.DeleteFunc(slices.Clone(w.Required), is(ch.Name)), slices.DeleteFunc(slices.Clone(w.Forbidden), is(ch.Name))
	case "aggregate_metadata":
		rows := []aggregate{{hosts: []string{c.name}, Metadata: map[string]string{ch.Name: ch.Value}}}
		if c.terms != nil {
			for key, values := range c.terms.values {
				rows = append(rows, aggregate{hosts: []string{c.name}, Metadata: map[string]string{key: strings.Join(values, ",")}})
			}
		}
		c.terms = termsOf(rows)[c.name]
	case "move_servers_away":
		c.load.servers -= ch.Amount
	case "wait_for_work":
		c.load.work -= ch.Amount
	case "drop_extra_spec":
		w.extraSpecs = without(w.extraSpecs, ch.Name)
		w.Specs = without(w.Specs, strings.TrimPrefix(ch.Name, "aggregate_instance_extra_specs:"))
	case "drop_image_property":
		w.Image = without(w.Image, ch.Name)
	case "drop_hint":
		switch ch.Name {
		case "same_host":
			w.Same = nil
		case "different_host":
			w.differentHosts = nil
		case "build_near_host_ip":
			w.Near = netip.Prefix{}
		case "query":
			w.Query = nil
		}
	case "drop_group":
		w.Group = nil
	case "max_server_per_host":
		w.Group = &groupWish{Policy: w.Group.Policy, MaxPerHost: int(ch.To), Hosts: w.Group.Hosts}
	case "move_members_away":
		w.Group = &groupWish{Policy: w.Group.Policy, MaxPerHost: w.Group.MaxPerHost, Hosts: maps.Clone(w.Group.Hosts)}
		if w.Group.Hosts[ch.Host] -= int(ch.Amount); ch.Amount <= 0 || w.Group.Hosts[ch.Host] < 0 {
			t.Fatalf("%s moves members that are not there", text)
		}
	case "move_members_here":
		w.Group = &groupWish{Policy: w.Group.Policy, Hosts: map[string]int{ch.Host: int(ch.Amount)}}
	default:
		t.Fatalf("nobody knows how to do %s", text)
	}
}

// mustDo carries out changes and looks whether the host fits then.
func mustDo(t interface{ Fatalf(string, ...any) }, sc *scheduler, changes []change, c candidate, w wish) {
	c.units = slices.Clone(c.units)
	for i := range changes {
		text, err := json.Marshal(changes[i])
		if err != nil || changes[i].Text == "" || changes[i].Text == changes[i].Kind {
			t.Fatalf("change %+v: %v", changes[i], err)
		}
		carryOut(t, text, &c, &w)
	}
	if d := sc.decide([]candidate{c}, &w, noon); d.Chosen != c.name {
		t.Fatalf("after %+v it is still refused: %+v", changes, d.Hosts)
	}
}

// faultyHost draws a host against which much can be had at once.
func faultyHost(t *rapid.T, i int) candidate {
	rarely := func(name string) bool { return rapid.IntRange(0, 3).Draw(t, name) == 0 }
	return roomy(fmt.Sprint("h", i), 1024, func(c *candidate) {
		c.forcedDown, c.disabled = rarely("forced down"), rarely("disabled")
		if rarely("silent") {
			c.downAt = noon
		}
		c.placed = rapid.IntRange(0, 19).Draw(t, "placed") > 0
		c.zone = rapid.SampledFrom([]string{defaultZone, "east"}).Draw(t, "zone")
		c.traits = rapid.SampledFrom([][]string{nil, {"COMPUTE_NODE"}, {"COMPUTE_NODE", "CUSTOM_FAST"}, {"HW_CPU_X86_AVX2"}}).Draw(t, "traits")
		c.ip = netip.MustParseAddr("192.0.2.7")
		empty := rarely("empty")
		for k := range c.units {
			u := &c.units[k]
			u.ratio = rapid.SampledFrom([]float64{0, 1, 1.5, 4}).Draw(t, "ratio")
			u.capacity = int64(float64(rapid.Int64Range(0, 3000).Draw(t, "total")) * max(u.ratio, 1))
			if u.used, u.held = 0, 0; !empty {
				u.used = rapid.Int64Range(0, u.capacity).Draw(t, "used")
				u.held = rapid.Int64Range(0, u.capacity-u.used).Draw(t, "held")
			}
			u.max = rapid.Int64Range(0, 3000).Draw(t, "max")
			u.min, u.step = rapid.Int64Range(1, 20).Draw(t, "min"), rapid.Int64Range(1, 5).Draw(t, "step")
		}
		if rarely("terms") {
			inAggregate(map[string]string{"ssd": "true", "tier": "1,2", "filter_tenant_id": "other", "hw_disk_bus": "virtio"})(c)
		}
	})
}

// demandingWish draws a wish that asks for much at once.
func demandingWish(t *rapid.T) *wish {
	often := func(name string) bool { return rapid.Bool().Draw(t, name) }
	w := &wish{Seed: "s", Resources: map[string]int64{classVCPU: rapid.Int64Range(1, 4000).Draw(t, "vcpus"), classMemory: rapid.Int64Range(1, 4000).Draw(t, "memory")}}
	if often("disk") {
		w.Resources[classDisk] = rapid.Int64Range(1, 4000).Draw(t, "disk")
	}
	if rapid.IntRange(0, 4).Draw(t, "gpu") == 0 {
		w.Resources["VGPU"] = 1
	}
	w.Zone = rapid.SampledFrom([]string{"", "east", "west"}).Draw(t, "zone wanted")
	w.Host = rapid.SampledFrom([]string{"", "", "h0", "elsewhere"}).Draw(t, "host wanted")
	w.Arch = rapid.SampledFrom([]string{"", "x86_64", "aarch64"}).Draw(t, "arch")
	w.Required = rapid.SampledFrom([][]string{nil, {"CUSTOM_FAST"}, {"CUSTOM_FAST", "HW_CPU_X86_SSE"}}).Draw(t, "required")
	w.Forbidden = rapid.SampledFrom([][]string{nil, {"CUSTOM_FAST"}, {"COMPUTE_NODE"}}).Draw(t, "forbidden")
	if w.Required != nil {
		w.Forbidden = nil
	}
	w.Excluded = rapid.SampledFrom([]map[string]string{nil, {"h0": "no space left."}}).Draw(t, "failed")
	w.Barred = rapid.SampledFrom([]map[string]string{nil, nil, nil, {"h1": leavesHost}}).Draw(t, "barred")
	if often("project") {
		w.ProjectID = "mine"
	}
	w.Specs = rapid.SampledFrom([]map[string]string{nil, {"ssd": "true", "tier": ">= 5"}, {"tier": "<or> 7 <or> 8"}, {"ssd": "s!= true"}}).Draw(t, "specs")
	w.Image = rapid.SampledFrom([]map[string]string{nil, {"hw_disk_bus": "scsi", "tier": "9"}}).Draw(t, "image")
	if often("same host") {
		w.Same, w.sameHosts = []string{"s"}, map[string]bool{"elsewhere": true}
	}
	if often("different host") {
		w.Different, w.differentHosts = []string{"d"}, map[string]bool{"h0": true}
	}
	if often("near") {
		w.Near = netip.MustParsePrefix("198.51.100.0/24")
	}
	if often("query") {
		w.Query, _ = parseHostQuery(rapid.SampledFrom([]string{`[">=", "$free_ram_mb", 3000]`, `["<", "$free_ram_mb", 500]`, `["<=", "$total_usable_ram_mb", 900]`}).Draw(t, "query text"))
	}
	switch rapid.IntRange(0, 3).Draw(t, "group") {
	case 0:
		w.Group = &groupWish{Policy: "anti-affinity", MaxPerHost: rapid.IntRange(0, 2).Draw(t, "max per host"), Hosts: map[string]int{"h0": 1, "h1": 3}}
	case 1:
		w.Group = &groupWish{Policy: "affinity", Hosts: map[string]int{"elsewhere": 2}}
	}
	return w
}

// TestRemediesHold draws hosts and wishes at which much is wrong at once: whoever carries out what is proposed for a host finds that
// it fits, and so with each of the alternatives; and no host needs fewer changes than the smallest of all.
func TestRemediesHold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var hosts []candidate
		for i := range rapid.IntRange(1, 4).Draw(t, "hosts") {
			hosts = append(hosts, faultyHost(t, i))
		}
		w := demandingWish(t)
		fewest := maxChanges + 1
		d := decide(hosts, w, noon)
		for i := range hosts {
			m := defaultScheduler().remedyOf(&hosts[i], w, noon)
			at := slices.IndexFunc(d.Hosts, func(v verdict) bool { return v.Host == hosts[i].name })
			switch {
			case d.Hosts[at].Fits != (m == nil):
				t.Fatalf("verdict %+v, remedy %+v", d.Hosts[at], m)
			case m == nil:
				fewest = 0
				continue
			case m.Impossible != "":
				continue
			}
			fewest = min(fewest, len(m.Changes))
			mustDo(t, defaultScheduler(), m.Changes, hosts[i], *w)
			for k := range m.Changes {
				for _, other := range m.Changes[k].Or {
					changes := slices.Clone(m.Changes)
					changes[k] = other
					mustDo(t, defaultScheduler(), changes, hosts[i], *w)
				}
			}
		}
		smallest := defaultScheduler().smallestRemedy(hosts, w, noon)
		switch {
		case (smallest == nil) != (fewest == 0 || fewest > maxChanges):
			t.Fatalf("the smallest of all is %+v, one has %d changes", smallest, fewest)
		case smallest != nil && len(smallest.Changes) != fewest:
			t.Fatalf("%+v has not the fewest changes, which are %d", smallest, fewest)
		}
	})
}

// TestRemediesInWords has every kind of change proposed.
func TestRemediesInWords(t *testing.T) {
	said := map[string]bool{}
	for name, test := range map[string]struct {
		filters []string
		host    func(*candidate)
		wish    func(*wish)
		want    string
	}{
		"room": {wish: func(w *wish) { w.Resources[classMemory] = 1536 },
			want: "free 512 MB of memory on h, or use a flavor with at most 1024 MB of memory, or raise the allocation ratio of MEMORY_MB on h from 1 to 1.25"},
		"more than there is": {wish: func(w *wish) { w.Resources[classMemory] = 4096 }, want: "use a flavor with at most 1024 MB of memory, or raise the allocation ratio of MEMORY_MB on h from 1 to 2.5"},
		"two shortages": {wish: func(w *wish) { w.Resources[classMemory], w.Resources[classDisk] = 1536, 1001 },
			host: func(c *candidate) { c.units[1].ratio = 0 }, want: "free 512 MB of memory on h, or use a flavor with at most 1024 MB of memory; and use a flavor with at most 1000 GB of disk"},
		"bounds": {wish: func(w *wish) { w.Resources[classVCPU] = 20 }, want: "use a flavor with at most 16 VCPUs"},
		"service and zone": {wish: func(w *wish) { w.Zone = "east" }, host: func(c *candidate) { c.disabled = true },
			want: "ask for availability zone nova instead of east; and enable the compute service of h"},
		"empty host and zone": {wish: func(w *wish) { w.Zone = "east" }, host: func(c *candidate) { c.units[1].used = 0 },
			want: "add h to availability zone east, or ask for availability zone nova instead of east"},
		"group": {wish: func(w *wish) { w.Group = &groupWish{Policy: "anti-affinity", Hosts: map[string]int{"h": 1}} },
			want: "use a server group with max_server_per_host 2 instead of 1, or move 1 member of the server group away from h, or ask without the server group"},
		"affinity": {wish: func(w *wish) { w.Group = &groupWish{Policy: "affinity", Hosts: map[string]int{"x": 2}} },
			want: "move 2 members of the server group to h, or ask without the server group"},
		"silent and forced down": {host: func(c *candidate) { c.forcedDown, c.downAt = true, noon },
			want: "take back that the compute service of h is forced down; and have the compute service of h report again"},
		"another host and one that failed": {wish: func(w *wish) { w.Host, w.Excluded = "x", map[string]string{"h": "no space left."} },
			want: "ask for host h instead of x; and mend on h what failed (no space left) and ask again"},
		"architecture": {wish: func(w *wish) { w.Arch = "arm64" }, want: "use an image for architecture x86_64"},
		"traits": {wish: func(w *wish) {
			w.Required, w.Forbidden = []string{"CUSTOM_FAST", "HW_CPU_X86_SSE"}, []string{"CUSTOM_SLOW"}
		},
			host: func(c *candidate) { c.traits = []string{"CUSTOM_SLOW"} },
			want: "give h the trait CUSTOM_FAST, or use a flavor and an image by which the trait CUSTOM_FAST is not required; " +
				"and use a flavor and an image by which the trait HW_CPU_X86_SSE is not required; " +
				"and take the trait CUSTOM_SLOW from h, or use a flavor and an image by which the trait CUSTOM_SLOW is not forbidden"},
		"hint":        {wish: func(w *wish) { w.Same = []string{"s"} }, want: "ask without the scheduler hint same_host"},
		"other class": {wish: func(w *wish) { w.Resources["VGPU"] = 1 }, want: "use a flavor that asks for no VGPU"},
		"aggregates": {wish: func(w *wish) {
			w.Specs, w.Image, w.ProjectID = map[string]string{"ssd": "s== true", "x": "s!= a"}, map[string]string{"bus": "scsi"}, "mine"
		},
			host: inAggregate(map[string]string{"filter_tenant_id": "p", "bus": "virtio"}),
			want: "set ssd=true in an aggregate of h, or use a flavor without the extra spec aggregate_instance_extra_specs:ssd; " +
				"and use a flavor without the extra spec aggregate_instance_extra_specs:x; and set filter_tenant_id=mine in an aggregate of h; " +
				"and set bus=scsi in an aggregate of h, or use an image without the property bus"},
		"servers and work": {filters: []string{"NumInstancesFilter", "AggregateIoOpsFilter"}, host: func(c *candidate) {
			inAggregate(map[string]string{"max_io_ops_per_host": "2"})(c)
			c.load = hostLoad{servers: 51, promised: 1, work: 4}
		}, want: "move 3 servers away from h; and wait until h has made, moved or copied 4 servers more"},
		"the aggregate's number and the settings'": {filters: []string{"AggregateNumInstancesFilter", "IoOpsFilter"}, host: func(c *candidate) {
			inAggregate(map[string]string{"max_instances_per_host": "1"})(c)
			c.load = hostLoad{servers: 1, work: 8}
		}, want: "move 1 server away from h; and wait until h has made, moved or copied 1 server more"},
		"flavors of aggregates": {filters: []string{"AggregateTypeAffinityFilter"}, host: inAggregate(map[string]string{"instance_type": "other"}),
			wish: func(w *wish) { w.flavor = "small" }, want: "set instance_type=small in an aggregate of h"},
		"capabilities and devices": {wish: func(w *wish) {
			w.extraSpecs = map[string]string{"capabilities:vcpus_total": ">= 1000", "pci_passthrough:alias": "gpu:1", "capabilities:host": "h"}
		}, want: "use a flavor without the extra spec capabilities:vcpus_total; and use a flavor without the extra spec pci_passthrough:alias"},
		"unplaced": {host: func(c *candidate) { c.placed = false }, want: "no change that is known here makes it fit: placement has no inventory of it"},
		"left":     {wish: func(w *wish) { w.Barred = map[string]string{"h": leavesHost} }, want: "no change that is known here makes it fit: the server is to leave it"},
	} {
		t.Run(name, func(t *testing.T) {
			c, w := roomy("h", 1024, func(c *candidate) { c.units[1].ratio, c.units[1].max = 1, 4096 }), small()
			if test.host != nil {
				test.host(&c)
			}
			if test.wish != nil {
				test.wish(w)
			}
			sc, err := newScheduler(SchedulerSettings{Filters: test.filters})
			if err != nil {
				t.Fatal(err)
			}
			m := sc.remedyOf(&c, w, noon)
			if m == nil || m.Text != test.want {
				t.Fatalf("remedy %+v", m)
			}
			if m.Impossible == "" {
				mustDo(t, sc, m.Changes, c, *w)
			}
			for i := range m.Changes {
				for _, ch := range append(m.Changes[i].Or, m.Changes[i]) {
					said[ch.Kind] = true
				}
			}
		})
	}
	for _, kind := range changeOrder() {
		if !said[kind] {
			t.Errorf("no %s was proposed", kind)
		}
	}
}

// BenchmarkSmallestRemedy looks through 10,000 hosts of which none fits.
func BenchmarkSmallestRemedy(b *testing.B) {
	var hosts []candidate
	for i := range 10_000 {
		hosts = append(hosts, roomy(fmt.Sprint("host-", i), int64(1024+i%1000*64), func(c *candidate) { c.disabled = i%50 == 0 }))
	}
	w := small()
	w.Resources[classMemory] = 1 << 20
	for b.Loop() {
		if defaultScheduler().smallestRemedy(hosts, w, noon) == nil {
			b.Fatal("nothing is proposed")
		}
	}
}
