package libvirt

import (
	"slices"

	"libvirt.org/go/libvirtxml"

	"virga/service/compute/cpus"
)

// What a guest's wish for processors and memory, and its place on the host, are in its definition.

// wish is what the guest asks of processors and memory.
func (def definition) wish() *cpus.Wish {
	if def.guest.CPUs != nil {
		return def.guest.CPUs
	}
	return &cpus.Wish{VCPUs: def.guest.VCPUs, Topology: cpus.Topology{Sockets: def.guest.VCPUs, Cores: 1, Threads: 1}}
}

// vcpu counts the processors. Those that share are confined to the host's shared ones if it has any apart; with NUMA nodes
// each has its own pin.
func (def definition) vcpu() *libvirtxml.DomainVCPU {
	vcpu := &libvirtxml.DomainVCPU{Placement: "static", Value: uint(def.guest.VCPUs)}
	if def.placement == nil {
		vcpu.CPUSet = def.confined.String()
	}
	return vcpu
}

func (def definition) cpu() *libvirtxml.DomainCPU {
	cpu := def.cpus.guestCPU(def.kind, def.arch, def.model)
	if def.guest.Hints.CPUModel != "" {
		cpu = &libvirtxml.DomainCPU{Mode: "custom", Match: "exact", Check: "none",
			Model: &libvirtxml.DomainCPUModel{Fallback: "forbid", Value: def.guest.Hints.CPUModel}}
	}
	wish := def.wish()
	cpu.Topology = &libvirtxml.DomainCPUTopology{Sockets: wish.Topology.Sockets, Cores: wish.Topology.Cores, Threads: wish.Topology.Threads}
	if wish.Address != nil {
		cpu.MaxPhysAddr = &libvirtxml.DomainCPUMaxPhysAddr{Mode: wish.Address.Mode, Bits: uint(wish.Address.Bits)}
	}
	if def.placement == nil {
		return cpu
	}
	cpu.Numa = &libvirtxml.DomainNuma{}
	for i, cell := range wish.Cells {
		id := uint(i)
		node := libvirtxml.DomainCell{ID: &id, CPUs: cell.CPUs.String(), Memory: uint(cell.MemoryMiB << 10), Unit: "KiB"}
		if def.hasLargePages() { // processes beside QEMU that move packets need to see the memory
			node.MemAccess = "shared"
		}
		cpu.Numa.Cell = append(cpu.Numa.Cell, node)
	}
	return cpu
}

// hasLargePages tells whether some of the guest's memory is in pages that are not the host's smallest.
func (def definition) hasLargePages() bool {
	return slices.ContainsFunc(def.placement.Cells, func(p cpus.Placed) bool { return p.PageKiB > smallestPage })
}

// smallestPage is what all architectures that QEMU runs on call an ordinary page, at the least; in KiB. Kernels with
// larger ordinary pages (64 KiB on some ARM) have no smaller ones, and their next size begins at 2 MiB.
const smallestPage = 64

// numaTune binds the memory of each node of the guest to the host's.
func (def definition) numaTune() *libvirtxml.DomainNUMATune {
	if def.placement == nil {
		return nil
	}
	tune := &libvirtxml.DomainNUMATune{}
	var hosts cpus.Set
	for i, placed := range def.placement.Cells {
		hosts = hosts.Or(cpus.Set{placed.HostCell})
		tune.MemNodes = append(tune.MemNodes, libvirtxml.DomainNUMATuneMemNode{CellID: uint(i), Mode: "strict", Nodeset: cpus.Set{placed.HostCell}.String()})
	}
	tune.Memory = &libvirtxml.DomainNUMATuneMemory{Mode: "strict", Nodeset: hosts.String()}
	return tune
}

// memoryBacking says in which pages the guest's memory is.
func (def definition) memoryBacking() *libvirtxml.DomainMemoryBacking {
	wish := def.wish()
	backing := &libvirtxml.DomainMemoryBacking{}
	if def.placement != nil && def.hasLargePages() {
		backing.MemoryHugePages = &libvirtxml.DomainMemoryHugepages{}
		for i, placed := range def.placement.Cells {
			if placed.PageKiB > smallestPage {
				backing.MemoryHugePages.Hugepages = append(backing.MemoryHugePages.Hugepages,
					libvirtxml.DomainMemoryHugepage{Size: uint(placed.PageKiB), Unit: "KiB", Nodeset: cpus.Set{i}.String()})
			}
		}
	}
	if len(wish.RealTime) > 0 {
		backing.MemoryNosharepages = &libvirtxml.DomainMemoryNosharepages{}
	}
	if wish.Locked || len(wish.RealTime) > 0 {
		backing.MemoryLocked = &libvirtxml.DomainMemoryLocked{}
	}
	if *backing == (libvirtxml.DomainMemoryBacking{}) {
		return nil
	}
	return backing
}

func (def definition) memoryTune() *libvirtxml.DomainMemoryTune {
	if limit := def.wish().Limits.MemoryMiB; limit > 0 {
		return &libvirtxml.DomainMemoryTune{SoftLimit: &libvirtxml.DomainMemoryTuneLimit{Value: uint64(limit), Unit: "MiB"}}
	}
	return nil
}

// realTimePriority is nova's default of realtime_scheduler_priority.
const realTimePriority = 1

// cpuTune bounds the guest's time and pins its processors.
func (def definition) cpuTune() *libvirtxml.DomainCPUTune {
	wish := def.wish()
	tune := &libvirtxml.DomainCPUTune{}
	limited := def.limit(tune, &wish.Limits)
	if def.placement == nil {
		if !limited {
			return nil
		}
		return tune
	}
	emulator := def.placement.Emulator
	if wish.Emulator == cpus.EmulatorShare && len(def.confined) > 0 {
		emulator = def.confined
	}
	fixed := len(emulator) > 0
	for i, placed := range def.placement.Cells {
		for _, vcpu := range wish.Cells[i].CPUs {
			on := placed.SharedSet
			if pin, pinned := placed.Pins[vcpu]; pinned {
				on = cpus.Set{pin}
			}
			tune.VCPUPin = append(tune.VCPUPin, libvirtxml.DomainCPUTuneVCPUPin{VCPU: uint(vcpu), CPUSet: on.String()})
			if !fixed && !wish.RealTime.Has(vcpu) {
				emulator = emulator.Or(on)
			}
		}
	}
	slices.SortFunc(tune.VCPUPin, func(a, b libvirtxml.DomainCPUTuneVCPUPin) int { return int(a.VCPU) - int(b.VCPU) })
	tune.EmulatorPin = &libvirtxml.DomainCPUTuneEmulatorPin{CPUSet: emulator.String()}
	if len(wish.RealTime) > 0 {
		priority := realTimePriority
		tune.VCPUSched = []libvirtxml.DomainCPUTuneVCPUSched{{VCPUs: wish.RealTime.String(), Scheduler: "fifo", Priority: &priority}}
	}
	return tune
}

func (def definition) limit(tune *libvirtxml.DomainCPUTune, limits *cpus.Limits) (limited bool) {
	if limits.Shares != nil {
		tune.Shares = &libvirtxml.DomainCPUTuneShares{Value: uint(*limits.Shares)}
	}
	if limits.PeriodUS != nil {
		tune.Period = &libvirtxml.DomainCPUTunePeriod{Value: uint64(*limits.PeriodUS)}
	}
	if limits.QuotaUS != nil {
		tune.Quota = &libvirtxml.DomainCPUTuneQuota{Value: *limits.QuotaUS}
	}
	return limits.Shares != nil || limits.PeriodUS != nil || limits.QuotaUS != nil
}

// pmu switches the guest's performance counters, if it says anything of them.
func (def definition) pmu() *libvirtxml.DomainFeatureState {
	if def.wish().PMU == nil {
		return nil
	}
	return &libvirtxml.DomainFeatureState{State: map[bool]string{true: "on", false: "off"}[*def.wish().PMU]}
}
