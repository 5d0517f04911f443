// Package cpus knows what guests can ask of processors and memory, and where on a host that fits: sets of processors,
// sockets, cores and threads, NUMA nodes, processors of a guest's own, large pages.
//
// It owns the rules of nova/virt/hardware.py, as pure functions: Read turns a flavor and an image into a Wish, Fit finds
// a Placement of it on a host's cells. The scheduler and the drivers use the same Fit, so that they mean the same; what
// the driver finds, under its lock, is what counts. It knows nothing of databases, agents or hypervisors, and anything
// in compute may import it.
package cpus
