package cpus

import (
	"cmp"
	"slices"
)

// Topology counts sockets, cores in a socket and threads in a core.
type Topology struct {
	Sockets int `json:"sockets"`
	Cores   int `json:"cores"`
	Threads int `json:"threads"`
}

// unlimited is nova's limit where none is set.
const unlimited = 65536

// topologyBounds are what is preferred of a topology, 0 for no preference, and the most that there may be
// (get_cpu_topology_constraints).
func (a *asked) topologyBounds() (prefer, most Topology, err error) {
	read := func(max string) (flavor, image Topology) {
		for name, into := range map[string][2]*int{"sockets": {&flavor.Sockets, &image.Sockets}, "cores": {&flavor.Cores, &image.Cores},
			"threads": {&flavor.Threads, &image.Threads}} {
			*into[0], *into[1] = a.specInt("hw:cpu_"+max+name), a.propertyInt("hw_cpu_"+max+name)
		}
		return flavor, image
	}
	flavorMost, imageMost := read("max_")
	flavor, image := read("")
	if a.err != nil {
		return prefer, most, a.err
	}
	if imageMost.exceeds(flavorMost.orElse(Topology{1 << 30, 1 << 30, 1 << 30})) {
		return prefer, most, refuse("Image vCPU topology limits (sockets=%d, cores=%d, threads=%d) exceeds the limits of the flavor (sockets=%d, cores=%d, threads=%d)",
			imageMost.Sockets, imageMost.Cores, imageMost.Threads, flavorMost.Sockets, flavorMost.Cores, flavorMost.Threads)
	}
	most = imageMost.orElse(flavorMost).orElse(Topology{unlimited, unlimited, unlimited})
	if flavor.exceeds(most) {
		flavor = Topology{}
	}
	if image.exceeds(most) {
		return prefer, most, refuse("Image vCPU topology (sockets=%d, cores=%d, threads=%d) exceeds the limits of the flavor or image (sockets=%d, cores=%d, threads=%d)",
			image.Sockets, image.Cores, image.Threads, most.Sockets, most.Cores, most.Threads)
	}
	if image != (Topology{}) { // one of the image's makes all of the flavor's void
		return image, most, nil
	}
	return flavor, most, nil
}

func (t Topology) exceeds(most Topology) bool {
	return t.Sockets > most.Sockets || t.Cores > most.Cores || t.Threads > most.Threads
}

// orElse fills what is not set.
func (t Topology) orElse(other Topology) Topology {
	return Topology{cmp.Or(t.Sockets, other.Sockets), cmp.Or(t.Cores, other.Cores), cmp.Or(t.Threads, other.Threads)}
}

// score counts what is as preferred.
func (t Topology) score(prefer Topology) (n int) {
	for _, pair := range [][2]int{{t.Sockets, prefer.Sockets}, {t.Cores, prefer.Cores}, {t.Threads, prefer.Threads}} {
		if pair[1] != 0 && pair[0] == pair[1] {
			n++
		}
	}
	return n
}

// bestTopology chooses among all topologies of so many processors: what is most as preferred, then few threads, then many
// sockets (get_best_cpu_topology).
func bestTopology(vcpus int, prefer, most Topology) (Topology, error) {
	most = Topology{min(vcpus, most.Sockets), min(vcpus, most.Cores), min(vcpus, most.Threads)}
	var possible []Topology
	for sockets := 1; sockets <= most.Sockets; sockets++ {
		if vcpus%sockets != 0 {
			continue
		}
		for cores := 1; cores <= min(most.Cores, vcpus/sockets); cores++ {
			if threads := vcpus / sockets / cores; sockets*cores*threads == vcpus && threads <= most.Threads {
				possible = append(possible, Topology{sockets, cores, threads})
			}
		}
	}
	if vcpus < 1 { // a flavor without processors is not for guests
		return Topology{vcpus, 1, 1}, nil
	}
	if len(possible) == 0 {
		return Topology{}, refuse("Requested vCPU limits %d:%d:%d are impossible to satisfy for vcpus count %d", most.Sockets, most.Cores, most.Threads, vcpus)
	}
	return slices.MinFunc(possible, func(a, b Topology) int {
		return cmp.Or(cmp.Compare(b.score(prefer), a.score(prefer)), cmp.Compare(b.Sockets*b.Cores, a.Sockets*a.Cores), cmp.Compare(b.Sockets, a.Sockets))
	}), nil
}
