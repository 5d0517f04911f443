package cpus

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// twoNodes is a host of two nodes, each with processors 8n to 8n+7, of which the first two are shared; cores have as many
// processors as said. A node has 4 GiB, half of it in pages of 2 MiB.
func twoNodes(threads int) *Host {
	h := &Host{}
	for id := range 2 {
		cell := HostCell{ID: id, MemoryMiB: 4096, Pages: []Pages{{SizeKiB: 4, Total: 524288}, {SizeKiB: 2048, Total: 1024}}}
		for cpu := 8 * id; cpu < 8*id+8; cpu += threads {
			core := Set{}
			for sibling := cpu; sibling < cpu+threads; sibling++ {
				core = append(core, sibling)
			}
			cell.Siblings = append(cell.Siblings, core)
			if cpu < 8*id+2 {
				cell.Shared = cell.Shared.Or(core)
			} else {
				cell.Dedicated = cell.Dedicated.Or(core)
			}
		}
		h.Cells = append(h.Cells, cell)
		h.Shared, h.Dedicated = h.Shared.Or(cell.Shared), h.Dedicated.Or(cell.Dedicated)
	}
	return h
}

func TestFit(t *testing.T) {
	for name, test := range map[string]struct {
		flavor  string
		threads int
		pinned  Set // taken before
		want    string
	}{
		"plain":              {flavor: "", want: `null`},
		"one node":           {flavor: "hw:numa_nodes=2", want: `{"cells":[{"host_cell":0,"memory_mb":512,"shared":2,"shared_set":"0-1"},{"host_cell":1,"memory_mb":512,"shared":2,"shared_set":"8-9"}]}`},
		"too much for one":   {flavor: "hw:numa_nodes=1", want: "4 processors in one NUMA node needed, 2 free"},
		"three nodes":        {flavor: "hw:numa_nodes=4", want: "4 NUMA nodes needed, 2 free"},
		"dedicated":          {flavor: "hw:cpu_policy=dedicated", want: `{"cells":[{"host_cell":0,"pins":{"0":2,"1":3,"2":4,"3":5},"memory_mb":1024}]}`},
		"the emptier node":   {flavor: "hw:cpu_policy=dedicated", pinned: Set{2}, want: `{"cells":[{"host_cell":1,"pins":{"0":10,"1":11,"2":12,"3":13},"memory_mb":1024}]}`},
		"both too full":      {flavor: "hw:cpu_policy=dedicated", pinned: Set{2, 3, 4, 10, 11, 12, 13}, want: "4 dedicated processors in one NUMA node needed, 3 free"},
		"split":              {flavor: "hw:cpu_policy=dedicated", threads: 2, pinned: Set{2, 4, 8, 9, 10, 12, 14}, want: `{"cells":[{"host_cell":0,"pins":{"0":3,"1":5,"2":6,"3":7},"memory_mb":1024}]}`},
		"siblings":           {flavor: "hw:cpu_policy=dedicated; hw:cpu_thread_policy=require", threads: 2, pinned: Set{2, 10, 12}, want: `{"cells":[{"host_cell":0,"pins":{"0":4,"1":5,"2":6,"3":7},"memory_mb":1024}]}`},
		"no siblings left":   {flavor: "hw:cpu_policy=dedicated; hw:cpu_thread_policy=require", threads: 2, pinned: Set{2, 4, 10, 12}, want: "4 processors on cores as the thread policy wants them in one NUMA node needed, 2 free"},
		"no threads":         {flavor: "hw:cpu_policy=dedicated; hw:cpu_thread_policy=require", want: "4 processors on cores as the thread policy wants them in one NUMA node needed, 0 free"},
		"isolated":           {flavor: "hw:cpu_policy=dedicated; hw:cpu_thread_policy=isolate", want: `{"cells":[{"host_cell":0,"pins":{"0":2,"1":3,"2":4,"3":5},"memory_mb":1024}]}`},
		"isolated, threads":  {flavor: "hw:cpu_policy=dedicated; hw:cpu_thread_policy=isolate", threads: 2, want: "4 processors on cores as the thread policy wants them in one NUMA node needed, 0 free"},
		"own emulator":       {flavor: "hw:cpu_policy=dedicated; hw:emulator_threads_policy=isolate", want: `{"cells":[{"host_cell":0,"pins":{"0":2,"1":3,"2":4,"3":5},"memory_mb":1024}],"emulator":"6"}`},
		"emulator too much":  {flavor: "hw:cpu_policy=dedicated; hw:emulator_threads_policy=isolate", pinned: Set{2, 3, 10, 11}, want: "5 dedicated processors in one NUMA node needed, 4 free"},
		"mixed":              {flavor: "hw:cpu_policy=mixed; hw:cpu_dedicated_mask=2-3", want: `{"cells":[{"host_cell":0,"pins":{"2":2,"3":3},"memory_mb":1024,"shared":2,"shared_set":"0-1"}]}`},
		"large pages":        {flavor: "hw:mem_page_size=large; hw:numa_nodes=2", want: `{"cells":[{"host_cell":0,"page_kib":2048,"memory_mb":512,"shared":2,"shared_set":"0-1"},{"host_cell":1,"page_kib":2048,"memory_mb":512,"shared":2,"shared_set":"8-9"}]}`},
		"no such pages":      {flavor: "hw:mem_page_size=1GB; hw:numa_nodes=2", want: "512 MB in pages of 1048576 KiB in one NUMA node needed, 0 free"},
		"small pages":        {flavor: "hw:mem_page_size=small; hw:numa_nodes=2", want: `{"cells":[{"host_cell":0,"page_kib":4,"memory_mb":512,"shared":2,"shared_set":"0-1"},{"host_cell":1,"page_kib":4,"memory_mb":512,"shared":2,"shared_set":"8-9"}]}`},
		"unequal nodes":      {flavor: "hw:cpu_policy=dedicated; hw:numa_nodes=2; hw:numa_cpus.0=0; hw:numa_cpus.1=1-3; hw:numa_mem.0=512; hw:numa_mem.1=512", pinned: Set{10, 11, 12, 13, 14}, want: `{"cells":[{"host_cell":1,"pins":{"0":15},"memory_mb":512},{"host_cell":0,"pins":{"1":2,"2":3,"3":4},"memory_mb":512}]}`},
		"not both, one each": {flavor: "hw:cpu_policy=dedicated; hw:numa_nodes=2", pinned: Set{10, 11, 12, 13, 14}, want: "2 dedicated processors in one NUMA node needed, 1 free"},
	} {
		t.Run(name, func(t *testing.T) {
			host := twoNodes(max(1, test.threads))
			host.Use(&Placement{Emulator: test.pinned})
			before := host.Clone()
			w, err := read(test.flavor, "")
			if err != nil {
				t.Fatal(err)
			}
			p, short := Fit(host, w, Ratios{})
			got := ""
			if short != nil {
				got = short.Error()
			} else if text, err := json.Marshal(p); err == nil {
				got = string(text)
			}
			if got != test.want {
				t.Errorf("got %s\nwant %s", got, test.want)
			}
			if !cmp.Equal(host, before) {
				t.Error("Fit changed the host")
			}
		})
	}
}

func TestRatiosBoundWhatGuestsShare(t *testing.T) {
	host := twoNodes(1)
	w, err := read("hw:numa_nodes=2", "")
	if err != nil {
		t.Fatal(err)
	}
	for range 4 {
		p, short := Fit(host, w, Ratios{CPU: 4, Memory: 1})
		if short != nil {
			t.Fatal(short)
		}
		host.Use(p)
	}
	if _, short := Fit(host, w, Ratios{CPU: 4, Memory: 1}); short == nil || short.Error() != "2 processors in one NUMA node needed, 0 free" {
		t.Errorf("the fifth guest: %v", short)
	}
}

// TestNobodySharesADedicatedProcessor places guests until none fits any more.
func TestNobodySharesADedicatedProcessor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		host := twoNodes(rapid.SampledFrom([]int{1, 2}).Draw(t, "threads"))
		taken := Set{}
		for range 8 {
			flavor := rapid.SampledFrom([]string{"hw:cpu_policy=dedicated", "hw:cpu_policy=dedicated; hw:cpu_thread_policy=require",
				"hw:cpu_policy=dedicated; hw:emulator_threads_policy=isolate", "hw:cpu_policy=dedicated; hw:numa_nodes=2", "hw:cpu_policy=mixed; hw:cpu_dedicated_mask=1",
				"hw:cpu_policy=dedicated; hw:mem_page_size=large"}).Draw(t, "flavor")
			w, err := read(flavor, "")
			if err != nil {
				t.Fatal(err)
			}
			p, short := Fit(host, w, Ratios{})
			if short != nil {
				continue
			}
			pinned := p.PinnedCPUs()
			if len(pinned) != w.Dedicated() || len(pinned.And(taken)) > 0 || len(pinned.Without(host.Dedicated)) > 0 {
				t.Fatalf("%s got %s of %s; %s were taken", flavor, pinned, host.Dedicated, taken)
			}
			taken = taken.Or(pinned)
			host.Use(p)
			for _, cell := range host.Cells {
				if cell.Pages[1].Used > cell.Pages[1].Total {
					t.Fatalf("%d of %d large pages are used", cell.Pages[1].Used, cell.Pages[1].Total)
				}
			}
		}
	})
}
