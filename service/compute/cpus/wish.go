package cpus

import "fmt"

// Policy says whether a guest's processors are processors of the host that no other guest has.
type Policy string

// The policies; an empty one is Shared.
const (
	Shared    Policy = "shared"
	Dedicated Policy = "dedicated"
	Mixed     Policy = "mixed"
)

// ThreadPolicy says what dedicated processors may have for siblings on their core; an empty one is Prefer.
type ThreadPolicy string

// The policies for threads.
const (
	Prefer  ThreadPolicy = "prefer"
	Isolate ThreadPolicy = "isolate"
	Require ThreadPolicy = "require"
)

// EmulatorPolicy says where the hypervisor's own threads of a guest run; empty: where its processors do.
type EmulatorPolicy string

// The policies for the hypervisor's threads: on the host's shared processors, or on a dedicated one more.
const (
	EmulatorShare   EmulatorPolicy = "share"
	EmulatorIsolate EmulatorPolicy = "isolate"
)

// Page sizes that are no sizes: any one, a large one, the smallest. Others are in KiB, 0 is no wish.
const (
	SmallPages int64 = -1
	LargePages int64 = -2
	AnyPages   int64 = -3
)

// Wish is what a guest asks for. The zero value asks for nothing and leaves all to the host.
type Wish struct {
	VCPUs int `json:"vcpus"`
	// Topology is what the guest sees.
	Topology Topology `json:"topology"`
	// Cells are the guest's NUMA nodes in their order; none: it is not told of any, and its memory is where the host likes.
	Cells    []Cell         `json:"cells,omitempty"`
	Policy   Policy         `json:"policy,omitempty"`
	Threads  ThreadPolicy   `json:"thread_policy,omitempty"`
	Emulator EmulatorPolicy `json:"emulator_threads_policy,omitempty"`
	RealTime Set            `json:"realtime,omitempty"`
	PageKiB  int64          `json:"page_kib,omitempty"`
	Locked   bool           `json:"locked_memory,omitempty"`
	PMU      *bool          `json:"pmu,omitempty"`
	Address  *Address       `json:"maxphysaddr,omitempty"`
	Features []string       `json:"features,omitempty"` // of the processor, in libvirt's names, that the guest must have
	Limits   Limits         `json:"limits,omitzero"`
}

// Cell is a NUMA node of a guest: its processors, those of them that are dedicated, its memory.
type Cell struct {
	CPUs      Set   `json:"cpus,omitempty"`
	Dedicated Set   `json:"dedicated,omitempty"`
	MemoryMiB int64 `json:"memory_mb"`
}

// Address is how many bits physical addresses of the guest have: those of the host ("passthrough"), or Bits ("emulate").
type Address struct {
	Mode string `json:"mode"`
	Bits int    `json:"bits,omitempty"`
}

// Limits bound what a guest may take of the host's time and memory; nil and 0 mean none. Shares are a weight, PeriodUS and
// QuotaUS microseconds. Beyond MemoryMiB the host takes memory back from the guest, and slows it down for that.
type Limits struct {
	Shares    *int64 `json:"cpu_shares,omitempty"`
	PeriodUS  *int64 `json:"cpu_period,omitempty"`
	QuotaUS   *int64 `json:"cpu_quota,omitempty"`
	MemoryMiB int64  `json:"memory_limit,omitempty"`
}

// Pinned tells whether some of the guest's processors are dedicated.
func (w *Wish) Pinned() bool { return w.Policy == Dedicated || w.Policy == Mixed }

// Dedicated counts the processors of the host that are to be the guest's alone.
func (w *Wish) Dedicated() int {
	n := 0
	for _, cell := range w.Cells {
		n += len(cell.Dedicated)
	}
	return n + w.overhead()
}

// Shared counts the guest's processors that share the host's.
func (w *Wish) Shared() int { return w.VCPUs + w.overhead() - w.Dedicated() }

// overhead counts the dedicated processors that the guest does not see.
func (w *Wish) overhead() int {
	if w.Pinned() && w.Emulator == EmulatorIsolate {
		return 1
	}
	return 0
}

// Plain tells whether nothing is asked for but a number of processors.
func (w *Wish) Plain() bool {
	return w.Topology == (Topology{w.VCPUs, 1, 1}) && len(w.Cells) == 0 && w.PMU == nil && w.Address == nil && len(w.Features) == 0 &&
		w.Limits == Limits{} && !w.Locked && len(w.RealTime) == 0
}

// Check returns an error unless the wish is one that Read could have made for a guest of so many processors and so much memory.
func (w *Wish) Check(vcpus int, memoryMiB int64) error {
	if w.VCPUs != vcpus || w.Topology.Sockets*w.Topology.Cores*w.Topology.Threads != vcpus {
		return fmt.Errorf("%d processors as %d:%d:%d and %d", vcpus, w.Topology.Sockets, w.Topology.Cores, w.Topology.Threads, w.VCPUs)
	}
	var seen Set
	memory := int64(0)
	for _, cell := range w.Cells {
		if len(cell.CPUs.And(seen)) > 0 || len(cell.Dedicated.Without(cell.CPUs)) > 0 || cell.MemoryMiB <= 0 {
			return fmt.Errorf("NUMA node of processors %s, dedicated %s, %d MiB", cell.CPUs, cell.Dedicated, cell.MemoryMiB)
		}
		seen, memory = seen.Or(cell.CPUs), memory+cell.MemoryMiB
	}
	switch {
	case len(w.Cells) > 0 && (len(seen.Without(Range(vcpus))) > 0 || len(seen) != vcpus || memory != memoryMiB):
		return fmt.Errorf("NUMA nodes with processors %s and %d MiB of %d and %d MiB", seen, memory, vcpus, memoryMiB)
	case len(w.Cells) == 0 && (w.Pinned() || w.PageKiB != 0):
		return fmt.Errorf("policy %q and page size %d without NUMA nodes", w.Policy, w.PageKiB)
	case w.Limits.MemoryMiB < 0 || len(w.RealTime.Without(Range(vcpus))) > 0:
		return fmt.Errorf("memory limit %d, real-time processors %s", w.Limits.MemoryMiB, w.RealTime)
	}
	return nil
}
