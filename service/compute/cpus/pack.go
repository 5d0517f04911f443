package cpus

import "slices"

// packing chooses dedicated processors of one node for one node of a guest, by nova's _pack_instance_onto_cores.
type packing struct {
	host     *HostCell
	policy   ThreadPolicy
	cpus     Set // the guest's
	overhead int // how many processors more are reserved
}

// run returns the host's processors by the guest's, and those reserved.
func (p *packing) run() (pins map[int]int, reserved Set, short *Shortage) {
	cores := p.host.freeCores()
	threads := p.host.threads()
	if p.policy == Isolate && threads > 1 || p.policy == Require && threads <= 1 {
		return nil, nil, p.shortage(0)
	}
	least, most := 1, threads
	if p.policy == Require {
		least = 2
	}
	for n := most; n >= least; n-- { // full cores first, so that guests are beside themselves
		usable := coresOf(cores, n)
		if n*len(usable) < len(p.cpus) {
			continue
		}
		if pins, reserved, fits := p.pin(usable, n, cores); fits {
			return pins, reserved, nil
		}
	}
	if p.policy != Require && p.policy != Isolate {
		if pins, reserved, fits := p.pin(split(cores), 1, split(cores)); fits {
			return pins, reserved, nil
		}
	}
	return nil, nil, p.shortage(p.reach(cores, least))
}

func (p *packing) shortage(free int) *Shortage {
	return &Shortage{shortCores, int64(len(p.cpus) + p.overhead), int64(free)}
}

// reach is the most processors that the policy lets one guest have.
func (p *packing) reach(cores []Set, least int) (most int) {
	for n := least; n <= p.host.threads(); n++ {
		most = max(most, n*len(coresOf(cores, n)))
	}
	return min(most, len(p.cpus)+p.overhead-1)
}

// coresOf are the cores with at least n free processors.
func coresOf(cores []Set, n int) []Set {
	return slices.DeleteFunc(slices.Clone(cores), func(core Set) bool { return len(core) < n })
}

// split takes each processor for a core.
func split(cores []Set) (single []Set) {
	for _, core := range cores {
		for _, cpu := range core {
			single = append(single, Set{cpu})
		}
	}
	return single
}

// pin gives the guest n processors of each usable core, and reserves what is left over.
func (p *packing) pin(usable []Set, n int, all []Set) (map[int]int, Set, bool) {
	var hosts Set
	for _, core := range usable {
		hosts = append(hosts, core[:n]...)
	}
	if len(hosts) < len(p.cpus) {
		return nil, nil, false
	}
	pins := map[int]int{}
	for i, cpu := range p.cpus {
		pins[cpu] = hosts[i]
	}
	var reserved Set
	taken := Of(slices.Clone(hosts[:len(p.cpus)])...)
	for _, core := range all {
		for _, cpu := range core.Without(taken) {
			if len(reserved) < p.overhead {
				reserved = append(reserved, cpu)
			}
		}
	}
	return pins, Of(reserved...), len(reserved) == p.overhead
}
