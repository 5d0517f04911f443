package cpus

import (
	"cmp"
	"fmt"
	"slices"
)

// Shortage is why a wish does not fit: what is missing, how much is needed and how much there is.
type Shortage struct {
	What         string
	Needed, Free int64
}

// Error implements error.
func (s *Shortage) Error() string {
	return fmt.Sprintf("%d %s needed, %d free", s.Needed, s.What, s.Free)
}

// What a Shortage may be of.
const (
	shortNodes     = "NUMA nodes"
	shortCPUs      = "processors in one NUMA node"
	shortDedicated = "dedicated processors in one NUMA node"
	shortMemory    = "MB of memory in one NUMA node"
	shortCores     = "processors on cores as the thread policy wants them in one NUMA node"
)

// Ratios say how often a node's processors and memory can be given to guests that share; 0: no bound.
type Ratios struct{ CPU, Memory float64 }

// Fit places a guest's NUMA nodes on nodes of the host, a node of the host for each, the least used first, as nova's
// numa_fit_instance_to_host does. A wish without nodes has no placement and always fits. The host is left as it is.
func Fit(host *Host, w *Wish, ratios Ratios) (*Placement, *Shortage) {
	if len(w.Cells) == 0 {
		return nil, nil
	}
	if len(host.Cells) < len(w.Cells) {
		return nil, &Shortage{shortNodes, int64(len(w.Cells)), int64(len(host.Cells))}
	}
	f := &fitting{host: inOrder(host, w), wish: w}
	f.fits = make([][]*fit, len(w.Cells))
	for i := range w.Cells {
		f.fits[i] = make([]*fit, len(f.host))
		for j := range f.host {
			found, short := fitCell(&f.host[j], w, i, ratios)
			f.fits[i][j] = found
			f.note(short)
		}
	}
	chosen := f.choose()
	if chosen == nil {
		if f.short == nil { // each fits somewhere, all of them together do not
			f.short = &Shortage{shortNodes, int64(len(w.Cells)), int64(f.together())}
		}
		return nil, f.short
	}
	p := &Placement{}
	for _, found := range chosen {
		p.Cells = append(p.Cells, found.placed)
		p.Emulator = p.Emulator.Or(found.reserved)
	}
	return p, nil
}

// fit is how one node of the guest fits on one of the host.
type fit struct {
	placed   Placed
	reserved Set
}

// fitting is a search for places of all nodes of a guest.
type fitting struct {
	host  []HostCell
	wish  *Wish
	fits  [][]*fit // by the guest's node and the host's; nil: it does not fit
	short *Shortage
}

// note keeps the shortage that lacks least.
func (f *fitting) note(short *Shortage) {
	if short != nil && (f.short == nil || short.Needed-short.Free < f.short.Needed-f.short.Free) {
		f.short = short
	}
}

// inOrder sorts the host's nodes as nova tries them: for dedicated processors those with most of them free, else those
// that are used least, and then those with more memory.
func inOrder(host *Host, w *Wish) []HostCell {
	cells := slices.Clone(host.Cells)
	if len(cells) == len(w.Cells) {
		return cells
	}
	slices.SortStableFunc(cells, func(a, b HostCell) int {
		order := cmp.Compare(a.SharedUse, b.SharedUse)
		if w.Pinned() {
			order = cmp.Compare(len(b.free()), len(a.free()))
		}
		return cmp.Or(order, cmp.Compare(b.MemoryMiB-b.MemoryUse, a.MemoryMiB-a.MemoryUse))
	})
	return cells
}

// choose gives each node of the guest the first node of the host that leaves room for those behind it.
func (f *fitting) choose() []*fit {
	taken := make([]bool, len(f.host))
	var chosen []*fit
	for i := range f.fits {
		at := -1
		for j := range f.host {
			if f.fits[i][j] == nil || taken[j] {
				continue
			}
			taken[j] = true
			if f.match(i+1, taken) == len(f.fits)-i-1 {
				at = j
				break
			}
			taken[j] = false
		}
		if at < 0 {
			return nil
		}
		chosen = append(chosen, f.fits[i][at])
	}
	return chosen
}

// together is how many nodes of the guest can have a node of the host each.
func (f *fitting) together() int { return f.match(0, make([]bool, len(f.host))) }

// match counts how many of the guest's nodes from one on can have nodes of the host that are not taken (Kuhn's matching).
func (f *fitting) match(from int, taken []bool) (count int) {
	owner := make([]int, len(f.host))
	for j := range owner {
		owner[j] = -1
	}
	var try func(i int, seen []bool) bool
	try = func(i int, seen []bool) bool {
		for j := range f.host {
			if f.fits[i][j] == nil || taken[j] || seen[j] {
				continue
			}
			seen[j] = true
			if owner[j] < 0 || try(owner[j], seen) {
				owner[j] = i
				return true
			}
		}
		return false
	}
	for i := from; i < len(f.fits); i++ {
		if try(i, make([]bool, len(f.host))) {
			count++
		}
	}
	return count
}

// fitCell fits one node of the guest onto one of the host (_numa_fit_instance_cell).
func fitCell(host *HostCell, w *Wish, index int, ratios Ratios) (*fit, *Shortage) {
	cell := &w.Cells[index]
	placed := Placed{HostCell: host.ID, MemoryMiB: cell.MemoryMiB, Shared: len(cell.CPUs) - len(cell.Dedicated)}
	var short *Shortage
	if placed.PageKiB, short = fitMemory(host, w, cell); short != nil {
		return nil, short
	}
	if placed.Shared > len(host.Shared) {
		return nil, &Shortage{shortCPUs, int64(placed.Shared), int64(len(host.Shared))}
	}
	if placed.Shared > 0 {
		placed.SharedSet = host.Shared
	}
	found := &fit{placed: placed}
	if !w.Pinned() || w.Policy == Mixed {
		if short := fitShared(host, &placed, ratios); short != nil {
			return nil, short
		}
	}
	overhead := 0
	if index == 0 { // the hypervisor's threads are beside the guest's first node
		overhead = w.overhead()
	}
	if needed := len(cell.Dedicated) + overhead; needed > 0 {
		if free := len(host.free()); needed > free {
			return nil, &Shortage{shortDedicated, int64(needed), int64(free)}
		}
		pack := packing{host: host, policy: w.Threads, cpus: cell.Dedicated, overhead: overhead}
		if found.placed.Pins, found.reserved, short = pack.run(); short != nil {
			return nil, short
		}
	}
	return found, nil
}

// fitShared bounds what guests share on a node.
func fitShared(host *HostCell, placed *Placed, ratios Ratios) *Shortage {
	most := int64(float64(len(host.Shared)) * ratios.CPU)
	if used := int64(host.SharedUse + placed.Shared); ratios.CPU > 0 && used > most {
		return &Shortage{shortCPUs, int64(placed.Shared), max(0, most-int64(host.SharedUse))}
	}
	most = int64(float64(host.MemoryMiB) * ratios.Memory)
	if ratios.Memory > 0 && host.MemoryUse+placed.MemoryMiB > most {
		return &Shortage{shortMemory, placed.MemoryMiB, max(0, most-host.MemoryUse)}
	}
	return nil
}

// fitMemory chooses the size of pages; 0 where none is asked for.
func fitMemory(host *HostCell, w *Wish, cell *Cell) (int64, *Shortage) {
	sizes := host.pageSizes()
	if w.PageKiB == 0 {
		return 0, fitAnyMemory(host, w, cell, sizes)
	}
	what := "memory pages"
	switch w.PageKiB {
	case SmallPages:
		sizes = sizes[:min(1, len(sizes))]
	case LargePages:
		sizes, what = sizes[min(1, len(sizes)):], "large pages"
	case AnyPages:
	default:
		sizes = []int64{w.PageKiB}
	}
	slices.Reverse(sizes)
	needed := cell.MemoryMiB << 10
	short := &Shortage{What: fmt.Sprintf("MB of %s in one NUMA node", what), Needed: cell.MemoryMiB}
	for _, size := range sizes {
		free, known := host.freeMiB(size)
		if known && cell.MemoryMiB <= free && needed%size == 0 {
			return size, nil
		}
		switch {
		case known && cell.MemoryMiB <= free:
			short = &Shortage{What: fmt.Sprintf("KiB, which are no whole pages of %d KiB,", size), Needed: needed, Free: free << 10}
		case short.Free <= free:
			short = &Shortage{What: fmt.Sprintf("MB in pages of %d KiB in one NUMA node", size), Needed: cell.MemoryMiB, Free: free}
		}
	}
	return 0, short
}

// fitAnyMemory looks for memory of whatever pages: guests with dedicated processors share no memory, others may be given
// more together than there is, none of them more than the node has.
func fitAnyMemory(host *HostCell, w *Wish, cell *Cell, sizes []int64) *Shortage {
	free := host.MemoryMiB
	if w.Pinned() {
		free = max(0, host.MemoryMiB-host.MemoryUse)
	}
	if len(sizes) > 0 && w.Pinned() {
		free, _ = host.freeMiB(sizes[0])
	} else if len(sizes) > 0 {
		free = host.Pages[slices.IndexFunc(host.Pages, func(p Pages) bool { return p.SizeKiB == sizes[0] })].Total * sizes[0] >> 10
	}
	if cell.MemoryMiB > free {
		return &Shortage{shortMemory, cell.MemoryMiB, free}
	}
	return nil
}
