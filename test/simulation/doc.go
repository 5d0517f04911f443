// Package simulation runs a whole cloud in a bubble of fake time and lets everything go
// wrong that can go wrong, as a seed decides.
//
// The services compute, network and placement, the agents of some hosts with the fake
// drivers, and the bus are the shipping ones. Between them stands the director: every
// transaction, every call from one process to another and every bell asks it first and waits
// for its turn. The director gives one turn at a time, in an order that the seed decides,
// and with the turn a verdict: the message is lost, doubled, late, or arrives when its sender
// has long given it up; its answer is lost; the process dies, or its connection to the
// database breaks, before or after the commit; the driver fails. Meanwhile clients create, use
// and delete servers, and hosts are cut off and come back. Because only one thing happens
// at a time and time is fake, a seed always makes the same run.
//
// After the storm everything is mended and left alone. Then no operation may be alive,
// servers, migrations, allocations, ports, guests and taps must be the same sets whoever is
// asked, and what clients were promised must be so. At last all servers are deleted, and
// nothing may be left.
//
// The databases are in memory and outlive the runs, as does what is compiled of the services'
// schemas: a run takes less than a tenth of a second.
//
//	make test-simulation SEEDS=2000
//	SEED=17 go test ./test/simulation -run TestSeeds -v
package simulation
