package cpus

import "slices"

// Host is what a host has for guests, and what of that its guests have.
type Host struct {
	// Shared are the processors that guests share, Dedicated those of which each is one guest's.
	Shared    Set `json:"shared"`
	Dedicated Set `json:"dedicated,omitempty"`
	// Confined says that guests which share are to be on Shared alone; else the host's scheduler decides.
	Confined bool       `json:"confined,omitempty"`
	Cells    []HostCell `json:"cells,omitempty"`
	// Features are those that the processors of guests can have, in libvirt's names.
	Features []string `json:"features,omitempty"`
	// Address says that the width of guests' physical addresses can be chosen.
	Address bool `json:"maxphysaddr,omitempty"`
}

// HostCell is a NUMA node of a host.
type HostCell struct {
	ID        int   `json:"id"`
	Shared    Set   `json:"shared,omitempty"`
	Dedicated Set   `json:"dedicated,omitempty"`
	MemoryMiB int64 `json:"memory_mb"`
	// Siblings are the processors for guests by cores.
	Siblings []Set   `json:"siblings,omitempty"`
	Pages    []Pages `json:"pages,omitempty"`

	// What guests with NUMA nodes have of it.
	Pinned    Set   `json:"pinned,omitempty"`
	SharedUse int   `json:"shared_used,omitempty"`
	MemoryUse int64 `json:"memory_used_mb,omitempty"`
}

// Pages counts pages of one size, all of them and those that guests have.
type Pages struct {
	SizeKiB int64 `json:"size_kib"`
	Total   int64 `json:"total"`
	Used    int64 `json:"used,omitempty"`
}

// Placement is where on its host a guest's nodes are, in their order.
type Placement struct {
	Cells []Placed `json:"cells"`
	// Emulator are the processors of the hypervisor's own threads; none: those of the guest.
	Emulator Set `json:"emulator,omitempty"`
}

// Placed is where one node of a guest is.
type Placed struct {
	HostCell int `json:"host_cell"`
	// Pins are the host's processors by the guest's; the others share those of the cell.
	Pins map[int]int `json:"pins,omitempty"`
	// PageKiB is the size of the pages beneath its memory; 0: whatever the host takes.
	PageKiB   int64 `json:"page_kib,omitempty"`
	MemoryMiB int64 `json:"memory_mb"`
	// Shared is how many of its processors share, SharedSet the host's that they are on.
	Shared    int `json:"shared,omitempty"`
	SharedSet Set `json:"shared_set,omitempty"`
}

// PinnedCPUs are the host's processors that are the guest's alone.
func (p *Placement) PinnedCPUs() Set {
	all := slices.Clone(p.Emulator)
	for _, cell := range p.Cells {
		for _, cpu := range cell.Pins {
			all = append(all, cpu)
		}
	}
	return Of(all...)
}

// HasThreads tells whether some core of the host has more than one processor for guests.
func (h *Host) HasThreads() bool {
	for i := range h.Cells {
		if h.Cells[i].threads() > 1 {
			return true
		}
	}
	return false
}

// Use counts a guest's placement as used.
func (h *Host) Use(p *Placement) {
	if p == nil {
		return
	}
	pinned := p.PinnedCPUs()
	for i := range h.Cells {
		cell := &h.Cells[i]
		cell.Pinned = cell.Pinned.Or(pinned.And(cell.Dedicated))
		for _, placed := range p.Cells {
			if placed.HostCell == cell.ID {
				cell.SharedUse, cell.MemoryUse = cell.SharedUse+placed.Shared, cell.MemoryUse+placed.MemoryMiB
				cell.usePages(&placed)
			}
		}
	}
}

func (c *HostCell) usePages(placed *Placed) {
	if len(c.Pages) == 0 {
		return
	}
	size := placed.PageKiB
	if size == 0 {
		size = c.pageSizes()[0]
	}
	for i := range c.Pages {
		if c.Pages[i].SizeKiB == size {
			c.Pages[i].Used += placed.MemoryMiB << 10 / size
		}
	}
}

// Clone is a host whose use can be counted apart.
func (h *Host) Clone() *Host {
	other := *h
	other.Cells = slices.Clone(h.Cells)
	for i := range other.Cells {
		other.Cells[i].Pages = slices.Clone(other.Cells[i].Pages)
	}
	return &other
}

// threads is the greatest number of processors of one core.
func (c *HostCell) threads() int {
	most := 1
	for _, core := range c.Siblings {
		most = max(most, len(core))
	}
	return most
}

// free are the dedicated processors that no guest has.
func (c *HostCell) free() Set { return c.Dedicated.Without(c.Pinned) }

// freeCores are the free dedicated processors by cores.
func (c *HostCell) freeCores() (cores []Set) {
	free := c.free()
	for _, core := range c.Siblings {
		if left := core.And(free); len(left) > 0 {
			cores = append(cores, left)
		}
	}
	return cores
}

// pageSizes are the sizes of pages, in KiB, smallest first.
func (c *HostCell) pageSizes() (sizes []int64) {
	for _, pages := range c.Pages {
		sizes = append(sizes, pages.SizeKiB)
	}
	slices.Sort(sizes)
	return sizes
}

// freeMiB is what is left of pages of a size; known is false when there are none of that size.
func (c *HostCell) freeMiB(size int64) (free int64, known bool) {
	for _, pages := range c.Pages {
		if pages.SizeKiB == size {
			return max(0, pages.Total-pages.Used) * size >> 10, true
		}
	}
	return 0, false
}
