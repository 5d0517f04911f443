package hypervisor

import (
	"errors"
	"fmt"
	"reflect"

	"virga/service/compute/cpus"
)

// ErrNoRoom says that the host has no room for the guest's processors and memory as they are wished; another host may.
var ErrNoRoom = errors.New("no room for the guest's processors and memory")

// checkCPUs checks what a guest asks of processors and memory.
func (guest Guest) checkCPUs() error {
	if guest.CPUs == nil {
		return nil
	}
	if err := guest.CPUs.Check(guest.VCPUs, guest.MemoryMiB); err != nil {
		return fmt.Errorf("%w: guest %s: %w", ErrInvalid, guest.ID, err)
	}
	return nil
}

// Place finds a place on the host for a guest's NUMA nodes: the one that it has, as long as its wish is the same or it
// runs, else one beside those of the other guests. It is how drivers keep what EnsureGuest promises of dedicated
// processors; a driver calls it for one guest at a time and stores the answer before the next. It returns the wish
// that holds together with the place.
func Place(host *cpus.Host, guest Guest, had *Guest, has *cpus.Placement, active bool, others []*cpus.Placement) (*cpus.Wish, *cpus.Placement, error) {
	wants := guest.CPUs != nil && len(guest.CPUs.Cells) > 0
	switch {
	case had != nil && active && !sameNodes(had.CPUs, guest.CPUs):
		return had.CPUs, has, nil
	case !wants:
		return guest.CPUs, nil, nil
	case had != nil && has != nil && sameNodes(had.CPUs, guest.CPUs):
		return guest.CPUs, has, nil
	}
	used := host.Clone()
	for _, other := range others {
		used.Use(other)
	}
	place, short := cpus.Fit(used, guest.CPUs, cpus.Ratios{})
	if short != nil {
		return nil, nil, fmt.Errorf("place guest %s: %w: %w", guest.ID, ErrNoRoom, short)
	}
	return guest.CPUs, place, nil
}

// sameNodes tells whether two wishes have the same place.
func sameNodes(a, b *cpus.Wish) bool {
	if a == nil || b == nil {
		return (a == nil || len(a.Cells) == 0) && (b == nil || len(b.Cells) == 0)
	}
	return a.Policy == b.Policy && a.Threads == b.Threads && a.Emulator == b.Emulator && a.PageKiB == b.PageKiB && reflect.DeepEqual(a.Cells, b.Cells)
}
