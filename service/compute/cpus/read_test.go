package cpus

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// words reads "key=value; key=value".
func words(text string) map[string]string {
	found := map[string]string{}
	for pair := range strings.SplitSeq(text, "; ") {
		if key, value, ok := strings.Cut(pair, "="); ok {
			found[key] = value
		}
	}
	return found
}

func read(flavor, image string) (*Wish, error) {
	return Read(Flavor{Name: "f", VCPUs: 4, MemoryMiB: 1024, Specs: words(flavor)}, Image{Name: "i", Properties: words(image)})
}

func TestSets(t *testing.T) {
	for text, want := range map[string]string{"": "", "0-3,^2": "0-1,3", " 4 , 5-6,,9": "4-6,9", "^1-2,0-3": "0,3", "7": "7"} {
		set, err := ParseSet(text)
		if err != nil || set.String() != want {
			t.Errorf("ParseSet(%q) = %s, %v; want %s", text, set, err, want)
		}
	}
	for text, want := range map[string]string{"a": "Invalid inclusion expression 'a'", "^b": "Invalid exclusion expression '^b'",
		"5-2": "Invalid range expression '5-2'", "0-99999999": "Invalid range expression '0-99999999'", "-1": "Invalid range expression '-1'"} {
		if set, err := ParseSet(text); err == nil || err.Error() != want {
			t.Errorf("ParseSet(%q) = %s, %v; want %s", text, set, err, want)
		}
	}
}

func TestTopologies(t *testing.T) {
	for _, test := range []struct {
		flavor, image string
		want          Topology
	}{
		{"", "", Topology{4, 1, 1}},
		{"hw:cpu_cores=2", "", Topology{2, 2, 1}},
		{"hw:cpu_threads=2", "", Topology{2, 1, 2}},
		{"hw:cpu_sockets=1; hw:cpu_cores=2; hw:cpu_threads=2", "", Topology{1, 2, 2}},
		{"hw:cpu_max_sockets=1", "", Topology{1, 4, 1}},
		{"hw:cpu_max_sockets=1; hw:cpu_max_cores=2", "", Topology{1, 2, 2}},
		{"hw:cpu_sockets=4", "hw_cpu_max_sockets=2", Topology{2, 2, 1}},
		{"hw:cpu_cores=4", "hw_cpu_threads=4", Topology{1, 1, 4}},
		{"hw:cpu_sockets=3", "", Topology{4, 1, 1}},
	} {
		w, err := read(test.flavor, test.image)
		if err != nil || w.Topology != test.want {
			t.Errorf("%q with %q: %v, %v; want %v", test.flavor, test.image, w, err, test.want)
		}
	}
}

func TestWishes(t *testing.T) {
	yes := true
	quota := int64(-1)
	for _, test := range []struct {
		flavor, image string
		want          Wish
	}{
		{"hw:numa_nodes=2", "", Wish{Cells: []Cell{{CPUs: Set{0, 1}, MemoryMiB: 512}, {CPUs: Set{2, 3}, MemoryMiB: 512}}}},
		{"hw:numa_nodes=2; hw:numa_cpus.0=0; hw:numa_cpus.1=1-3; hw:numa_mem.0=256; hw:numa_mem.1=768", "",
			Wish{Cells: []Cell{{CPUs: Set{0}, MemoryMiB: 256}, {CPUs: Set{1, 2, 3}, MemoryMiB: 768}}}},
		{"", "hw_numa_nodes=1", Wish{Cells: []Cell{{CPUs: Range(4), MemoryMiB: 1024}}}},
		{"hw:cpu_policy=dedicated", "", Wish{Policy: Dedicated, Cells: []Cell{{CPUs: Range(4), Dedicated: Range(4), MemoryMiB: 1024}}}},
		{"", "hw_cpu_policy=dedicated; hw_cpu_thread_policy=require", Wish{Policy: Dedicated, Threads: Require,
			Cells: []Cell{{CPUs: Range(4), Dedicated: Range(4), MemoryMiB: 1024}}}},
		{"hw:cpu_policy=mixed; hw:cpu_dedicated_mask=^0", "", Wish{Policy: Mixed, Cells: []Cell{{CPUs: Range(4), Dedicated: Set{1, 2, 3}, MemoryMiB: 1024}}}},
		{"hw:cpu_policy=mixed; hw:cpu_realtime=yes; hw:cpu_realtime_mask=2-3", "",
			Wish{Policy: Mixed, RealTime: Set{2, 3}, Cells: []Cell{{CPUs: Range(4), Dedicated: Set{2, 3}, MemoryMiB: 1024}}}},
		{"resources:PCPU=4", "", Wish{Policy: Dedicated, Cells: []Cell{{CPUs: Range(4), Dedicated: Range(4), MemoryMiB: 1024}}}},
		{"hw:mem_page_size=large", "hw_mem_page_size=2MB", Wish{PageKiB: 2048, Cells: []Cell{{CPUs: Range(4), MemoryMiB: 1024}}}},
		{"hw:mem_page_size=1GiB; hw:locked_memory=true", "", Wish{PageKiB: 1 << 20, Locked: true, Cells: []Cell{{CPUs: Range(4), MemoryMiB: 1024}}}},
		{"hw:pmu=1; trait:HW_CPU_X86_AVX2=required; trait:HW_CPU_X86_SGX=required", "trait:HW_CPU_X86_AESNI=required; hw_maxphysaddr_mode=emulate; hw_maxphysaddr_bits=42",
			Wish{PMU: &yes, Features: []string{"aes", "avx2"}, Address: &Address{"emulate", 42}}},
		{"quota:cpu_quota=-1; quota:memory_limit=900", "", Wish{Limits: Limits{QuotaUS: &quota, MemoryMiB: 900}}},
	} {
		got, err := read(test.flavor, test.image)
		test.want.VCPUs, test.want.Topology = 4, Topology{4, 1, 1}
		if err != nil || !cmp.Equal(*got, test.want) {
			t.Errorf("%q with %q: %v %s", test.flavor, test.image, err, cmp.Diff(test.want, got))
			continue
		}
		if err := got.Check(4, 1024); err != nil || got.Plain() {
			t.Errorf("%q with %q: Check says %v, Plain %v", test.flavor, test.image, err, got.Plain())
		}
	}
}

func TestRefusals(t *testing.T) {
	for _, test := range []struct{ flavor, image, want string }{
		{"hw:cpu_max_cores=2", "hw_cpu_max_cores=4", "Image vCPU topology limits (sockets=0, cores=4, threads=0) exceeds the limits of the flavor (sockets=0, cores=2, threads=0)"},
		{"hw:cpu_max_threads=1", "hw_cpu_threads=2", "Image vCPU topology (sockets=0, cores=0, threads=2) exceeds the limits of the flavor or image (sockets=65536, cores=65536, threads=1)"},
		{"hw:cpu_max_sockets=1; hw:cpu_max_cores=1; hw:cpu_max_threads=2", "", "Requested vCPU limits 1:1:2 are impossible to satisfy for vcpus count 4"},
		{"hw:cpu_cores=two", "", "Invalid flavor extra spec. Error: invalid literal for int() with base 10: 'two'"},
		{"", "hw_cpu_cores=two", "Invalid image metadata. Error: invalid literal for int() with base 10: 'two'"},
		{"hw:cpu_policy=shared", "hw_cpu_policy=dedicated", "Image property 'hw_cpu_policy' is not permitted to override CPU pinning policy set against the flavor"},
		{"hw:cpu_policy=mine", "", "CPU policy requested from 'flavor extra specs' is invalid, given: 'mine', available: '('dedicated', 'shared', 'mixed')'."},
		{"hw:cpu_policy=dedicated; hw:cpu_thread_policy=require", "hw_cpu_thread_policy=isolate",
			"Image property 'hw_cpu_thread_policy' is not permitted to override CPU thread pinning policy set against the flavor"},
		{"hw:cpu_thread_policy=prefer", "", "Cannot set cpu thread pinning policy in a non dedicated cpu pinning policy"},
		{"trait:HW_CPU_HYPERTHREADING=required; hw:cpu_thread_policy=require; hw:cpu_policy=dedicated", "",
			"It is not possible to use the 'trait:HW_CPU_HYPERTHREADING' extra spec in combination with the 'hw:cpu_thread_policy' extra spec or 'hw_cpu_thread_policy' image metadata property; use one or the other"},
		{"hw:emulator_threads_policy=isolate", "", "An isolated CPU emulator threads option requires a dedicated CPU policy option."},
		{"hw:cpu_policy=dedicated; hw:cpu_dedicated_mask=1", "", "Cannot specify 'hw:cpu_dedicated_mask' without the 'mixed' policy."},
		{"hw:cpu_policy=mixed; hw:cpu_dedicated_mask=0-3", "", "Mixed instance must have at least 1 pinned vCPU and 1 unpinned vCPU. See 'hw:cpu_dedicated_mask'."},
		{"hw:cpu_policy=mixed; hw:cpu_dedicated_mask=2-9", "", `Mixed instance dedicated vCPU(s) mask is not a subset of vCPUs in the flavor. See "hw:cpu_dedicated_mask"`},
		{"hw:cpu_policy=mixed", "", "Dedicated CPU set can be specified from either 'hw:cpu_dedicated_mask' or 'hw:cpu_realtime_mask' when using 'mixed' CPU policy. 'hw:cpu_dedicated_mask' and 'hw:cpu_realtime_mask' can not be specified at the same time, or be specified with none of them."},
		{"hw:cpu_policy=dedicated; hw:cpu_realtime=true", "", realTimeText},
		{"hw:cpu_realtime=true; hw:cpu_realtime_mask=^0", "", "Cannot set realtime policy in a non dedicated cpu pinning policy"},
		{"resources:PCPU=2", "", "There is a mismatch between the number of PCPUs requested via 'resourcesNN:PCPU' and the flavor); you must allocate exactly flavor.vcpus PCPUs"},
		{"resources:PCPU=4; resources:VCPU=4", "", "It is not possible to specify both 'resources:VCPU' and 'resources:PCPU' extra specs; use one or the other"},
		{"hw:numa_nodes=2", "hw_numa_nodes=2", "Image property 'hw_numa_nodes' is not permitted to override NUMA configuration set against the flavor"},
		{"hw:numa_nodes=zero", "", "The property 'numa_nodes' cannot be 'zero'. It must be a number greater than 0"},
		{"hw:numa_nodes=3", "", "Instance CPUs and/or memory cannot be evenly distributed across instance NUMA nodes. Explicit assignment of CPUs and memory to nodes is required"},
		{"hw:numa_nodes=1; hw:numa_cpus.0=0-3", "", "CPU and memory allocation must be provided for all NUMA nodes"},
		{"hw:numa_nodes=1; hw:numa_cpus.0=0-4; hw:numa_mem.0=1024", "", "CPU number 4 is larger than max 3"},
		{"hw:numa_nodes=2; hw:numa_cpus.0=0-2; hw:numa_cpus.1=2-3; hw:numa_mem.0=512; hw:numa_mem.1=512", "", "CPU number 2 is assigned to two nodes"},
		{"hw:numa_nodes=1; hw:numa_cpus.0=0-1; hw:numa_mem.0=1024", "", "CPU number {2, 3} is not assigned to any node"},
		{"hw:numa_nodes=1; hw:numa_cpus.0=0-3; hw:numa_mem.0=512", "", "512 MB of memory assigned, but expected 1024 MB"},
		{"", "hw_mem_page_size=large", "Page size large forbidden against '<empty>'"},
		{"hw:mem_page_size=2048", "hw_mem_page_size=4", "Page size 4 forbidden against '2048'"},
		{"hw:mem_page_size=huge", "", "Invalid memory page size 'huge'"},
		{"hw:locked_memory=true", "", "locked_memory value in image or flavor is forbidden when mem_page_size is not set."},
		{"hw:mem_page_size=small; hw:locked_memory=true", "hw_locked_memory=false", "locked_memory value in image (False) and flavor (True) conflict. A consistent value is expected if both specified."},
		{"hw:pmu=true", "hw_pmu=false", "Flavor f has hw:pmu extra spec explicitly set to True, conflicting with image i which has hw_pmu explicitly set to False."},
		{"hw:maxphysaddr_mode=dream", "", "Invalid Maxphyaddr mode 'dream'. Allowed values: passthrough, emulate."},
	} {
		if w, err := read(test.flavor, test.image); err == nil || err.Error() != test.want {
			t.Errorf("%q with %q: %v\n got %v\nwant %s", test.flavor, test.image, w, err, test.want)
		}
	}
}
