package fake

import (
	"virga/service/compute/cpus"
	"virga/service/compute/hypervisor"
)

// SimulateCPUs makes up a host of equal NUMA nodes whose cores have one processor each. Half of each node's memory can be
// had in pages of 2 MiB.
func SimulateCPUs(nodes, processors int, memoryMiB int64, dedicated cpus.Set) *cpus.Host {
	all := cpus.Range(processors)
	host := &cpus.Host{Shared: all.Without(dedicated), Dedicated: all.And(dedicated), Confined: len(dedicated) > 0}
	for id := range nodes {
		from, to := processors*id/nodes, processors*(id+1)/nodes
		own := cpus.Range(to).Without(cpus.Range(from))
		share := memoryMiB / int64(nodes)
		cell := cpus.HostCell{ID: id, Shared: own.And(host.Shared), Dedicated: own.And(host.Dedicated), MemoryMiB: share,
			Pages: []cpus.Pages{{SizeKiB: 4, Total: share << 10 / 4 / 2}, {SizeKiB: 2048, Total: share / 2 / 2}}}
		for _, cpu := range own {
			cell.Siblings = append(cell.Siblings, cpus.Set{cpu})
		}
		host.Cells = append(host.Cells, cell)
	}
	return host
}

// hasPlace tells whether a guest has a place for NUMA nodes.
func (d *Driver) hasPlace(id string) bool {
	r := d.lookup(id)
	return r != nil && r.Placement != nil
}

// places are those of all guests but one.
func (d *Driver) places(except string) (places []*cpus.Placement) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for id, r := range d.guests {
		if id != except && r.Placement != nil {
			places = append(places, r.Placement)
		}
	}
	return places
}

// place finds a place for the guest's NUMA nodes.
func (d *Driver) place(next *record, guest *hypervisor.Guest, last *record) (err error) {
	var had *hypervisor.Guest
	if last != nil {
		had = &last.Guest
	}
	guest.CPUs, next.Placement, err = hypervisor.Place(d.options.CPUs, *guest, had, next.Placement, isActive(next.Power), d.places(guest.ID))
	return err
}

// usedCPUs are the host's processors and memory, with what guests have of them.
func (d *Driver) usedCPUs() *cpus.Host {
	host := d.options.CPUs.Clone()
	for _, place := range d.places("") {
		host.Use(place)
	}
	return host
}
