package suite

import (
	"errors"
	"testing"

	"virga/service/compute/cpus"
	"virga/service/compute/hypervisor"
)

// inNode is a guest with a NUMA node of so much memory.
func (e *env) inNode(t *testing.T, n int, memoryMiB int64) hypervisor.Guest {
	t.Helper()
	guest := e.guest(t, n)
	guest.VCPUs, guest.MemoryMiB = 1, memoryMiB
	guest.CPUs = &cpus.Wish{VCPUs: 1, Topology: cpus.Topology{Sockets: 1, Cores: 1, Threads: 1},
		Cells: []cpus.Cell{{CPUs: cpus.Of(0), MemoryMiB: memoryMiB}}}
	return guest
}

// used is how much of the host's memory guests with NUMA nodes have.
func (e *env) used(t *testing.T) (memoryMiB int64) {
	t.Helper()
	facts, err := e.driver.Facts(t.Context())
	must(t, err)
	if facts.CPUs == nil || len(facts.CPUs.Cells) == 0 || len(facts.CPUs.Shared)+len(facts.CPUs.Dedicated) != facts.VCPUs {
		t.Fatalf("%d processors in the nodes %+v", facts.VCPUs, facts.CPUs)
	}
	for _, cell := range facts.CPUs.Cells {
		memoryMiB += cell.MemoryUse
	}
	return memoryMiB
}

func nodesHaveAPlace(t *testing.T, e *env) {
	guest := e.inNode(t, 1, 64)
	e.run(t, guest)
	place := e.expect(t, guest.ID, hypervisor.Running).Placement
	if place == nil || len(place.Cells) != 1 || place.Cells[0].MemoryMiB != 64 || len(place.Cells[0].SharedSet) == 0 || e.used(t) != 64 {
		t.Fatalf("it is at %+v, %d MiB are used", place, e.used(t))
	}
	e.reopen(t)
	if again := e.expect(t, guest.ID, hypervisor.Running).Placement; again == nil || again.Cells[0].HostCell != place.Cells[0].HostCell || e.used(t) != 64 {
		t.Fatalf("after a restart it is at %+v", again)
	}
	prepared := e.inNode(t, 2, 32)
	prepared.Power = hypervisor.PowerPrepared
	must(t, e.driver.EnsureGuest(t.Context(), prepared))
	if e.used(t) != 96 {
		t.Fatalf("%d MiB are used for a guest that runs and one that is prepared", e.used(t))
	}
	for _, g := range []hypervisor.Guest{guest, prepared} {
		must(t, e.driver.RemoveGuest(t.Context(), g.ID, g.Generation+1))
	}
	if e.used(t) != 0 {
		t.Fatalf("%d MiB are used of nobody", e.used(t))
	}
}

func nodesNeedRoom(t *testing.T, e *env) {
	huge := e.inNode(t, 1, 1<<25)
	var short *cpus.Shortage
	if err := e.driver.EnsureGuest(t.Context(), huge); !errors.Is(err, hypervisor.ErrNoRoom) || !errors.As(err, &short) || short.Needed != 1<<25 || hypervisor.Retryable(err) {
		t.Fatalf("32 TiB: %v", err)
	}
	odd := e.inNode(t, 1, 64)
	odd.CPUs.Cells[0].MemoryMiB = 32
	if err := e.driver.EnsureGuest(t.Context(), odd); !errors.Is(err, hypervisor.ErrInvalid) {
		t.Fatalf("a node that has not all of the memory: %v", err)
	}
	if left := e.Residue(t); len(left) > 0 {
		t.Fatalf("%v is left", left)
	}
}
