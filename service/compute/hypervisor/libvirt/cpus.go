package libvirt

import (
	"context"
	"fmt"
	"sync"

	"libvirt.org/go/libvirtxml"

	"virga/service/compute/cpus"
	"virga/service/compute/hypervisor"
)

// What the host has of processors and memory, and which guest has what of it. The truth is in the guests' manifests.

// CPUConfig says which processors of the host are for which guests, and what the guests' processors are like.
type CPUConfig struct {
	// Dedicated are processors that guests with dedicated ones get, Shared those of all others; neither: all are shared.
	Dedicated, Shared cpus.Set
	// Mode is nova's cpu_mode: "host-model", "host-passthrough", "custom", "none" or empty (host-model with KVM, else all
	// that emulation can do). Models are for "custom": a guest gets the first that has what it needs. Flags are added to
	// any, "-flag" is taken away.
	Mode   string
	Models []string
	Flags  []string
}

func (c *CPUConfig) check() error {
	if both := c.Dedicated.And(c.Shared); len(both) > 0 {
		return fmt.Errorf("processors %s are to be both dedicated and shared", both)
	}
	switch c.Mode {
	case "", "host-model", "host-passthrough", "none":
		if len(c.Models) > 0 {
			return fmt.Errorf("processor models are for the mode custom, not for %q", c.Mode)
		}
	case "custom":
		if len(c.Models) == 0 {
			return fmt.Errorf("the processor mode custom needs a model")
		}
	default:
		return fmt.Errorf("there is no processor mode %q", c.Mode)
	}
	return nil
}

// places are the places of all guests with NUMA nodes.
type places struct {
	mu   sync.Mutex // held from finding a place until it is in the guest's manifest
	byID map[string]*cpus.Placement
}

func (p *places) put(id string, place *cpus.Placement) {
	if p.byID == nil {
		p.byID = map[string]*cpus.Placement{}
	}
	if place == nil {
		delete(p.byID, id)
		return
	}
	p.byID[id] = place
}

// of is the place of a guest; nil: it has none.
func (p *places) of(id string) *cpus.Placement {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.byID[id]
}

// drop forgets the place of a guest that is gone.
func (p *places) drop(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.put(id, nil)
}

// others are the places of all guests but one.
func (p *places) others(id string) (others []*cpus.Placement) {
	for other, place := range p.byID {
		if other != id {
			others = append(others, place)
		}
	}
	return others
}

// place finds a place for a guest's NUMA nodes and has keep write it down. The next guest waits until that is done.
func (d *Driver) place(ctx context.Context, guest *hypervisor.Guest, kept *manifest, active bool, keep func(*cpus.Placement) error) error {
	var had *hypervisor.Guest
	var has *cpus.Placement
	if kept != nil {
		had, has = &kept.Guest, kept.Placement
	}
	wants := guest.CPUs != nil && len(guest.CPUs.Cells) > 0
	if !wants && has == nil {
		return keep(nil)
	}
	if wants && len(guest.CPUs.RealTime) == guest.VCPUs && guest.CPUs.Emulator == cpus.EmulatorShare && len(d.config.CPUs.Shared) == 0 {
		return fmt.Errorf("place guest %s: %w: all its processors run in real time, and no shared ones are set apart for the emulator", guest.ID, hypervisor.ErrNoRoom)
	}
	host := &cpus.Host{}
	if wants {
		answers, err := call(ctx, d.conn, "ask for the host's NUMA nodes", askHost)
		if err != nil {
			return err
		}
		if host, err = d.config.CPUs.host(&answers); err != nil {
			return err
		}
	}
	d.places.mu.Lock()
	defer d.places.mu.Unlock()
	wish, place, err := hypervisor.Place(host, *guest, had, has, active, d.places.others(guest.ID))
	if err != nil {
		return err
	}
	guest.CPUs = wish
	d.places.put(guest.ID, place)
	return keep(place)
}

// host is what libvirt says of the host's processors and memory, as the configuration shares it out.
func (c *CPUConfig) host(answers *hostAnswers) (*cpus.Host, error) {
	online := cpus.Range(int(answers.cpus))
	var cells []libvirtxml.CapsHostNUMACell
	if numa := answers.caps.Host.NUMA; numa != nil && numa.Cells != nil {
		cells, online = numa.Cells.Cells, nil
		for i := range cells {
			online = online.Or(cellCPUs(&cells[i]))
		}
	}
	for option, set := range map[string]cpus.Set{"cpu-dedicated-set": c.Dedicated, "cpu-shared-set": c.Shared} {
		if absent := set.Without(online); len(absent) > 0 {
			return nil, fmt.Errorf("%s names the processors %s, online are %s", option, absent, online)
		}
	}
	host := &cpus.Host{Shared: c.Shared, Dedicated: c.Dedicated, Confined: len(c.Shared) > 0, Address: answers.libvirt >= maxPhysAddrSince}
	if len(c.Shared) == 0 && len(c.Dedicated) == 0 {
		host.Shared = online
	}
	for i := range cells {
		host.Cells = append(host.Cells, cellOf(&cells[i], host))
	}
	return host, nil
}

// maxPhysAddrSince is the first version of libvirt that can choose the width of a guest's addresses.
const maxPhysAddrSince = 8_007_000

func cellCPUs(cell *libvirtxml.CapsHostNUMACell) (set cpus.Set) {
	if cell.CPUS == nil {
		return nil
	}
	for _, cpu := range cell.CPUS.CPUs {
		set = append(set, cpu.ID)
	}
	return cpus.Of(set...)
}

func cellOf(from *libvirtxml.CapsHostNUMACell, host *cpus.Host) cpus.HostCell {
	all := cellCPUs(from)
	cell := cpus.HostCell{ID: from.ID, Shared: all.And(host.Shared), Dedicated: all.And(host.Dedicated)}
	if from.Memory != nil { // KiB, as all that libvirt says of hosts
		cell.MemoryMiB = int64(from.Memory.Size >> 10)
	}
	for _, pages := range from.PageInfo {
		cell.Pages = append(cell.Pages, cpus.Pages{SizeKiB: int64(pages.Size), Total: int64(pages.Count)})
	}
	var seen cpus.Set
	if from.CPUS == nil {
		return cell
	}
	for _, cpu := range from.CPUS.CPUs {
		siblings, err := cpus.ParseSet(cpu.Siblings)
		if err != nil || len(siblings) == 0 { // an old libvirt, or a machine that tells of no cores
			siblings = cpus.Set{cpu.ID}
		}
		core := siblings.And(cell.Shared.Or(cell.Dedicated)).Without(seen)
		if len(core) > 0 {
			cell.Siblings, seen = append(cell.Siblings, core), seen.Or(core)
		}
	}
	return cell
}

// hostCPUs are the host's processors and memory with what guests have of them.
func (d *Driver) hostCPUs(ctx context.Context, answers *hostAnswers, kind string) (*cpus.Host, error) {
	host, err := d.config.CPUs.host(answers)
	if err != nil {
		return nil, err
	}
	if host.Features, err = d.guestFeatures(ctx, kind); err != nil {
		return nil, err
	}
	d.places.mu.Lock()
	defer d.places.mu.Unlock()
	for _, place := range d.places.byID {
		host.Use(place)
	}
	return host, nil
}
