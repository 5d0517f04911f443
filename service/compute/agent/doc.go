// Package agent is the compute service's hand on one host.
//
// It asks the service which guests should be on its host (package orders), has the
// hypervisor driver make it so, and reports what came of it. It is level-triggered: the
// bell only tells it to ask, a timer makes it ask anyway, and the driver refuses orders
// that are older than what it has seen. The agent holds no truth: after its death another
// one asks for everything and goes on; guests run through all of this untouched.
//
// One worker per guest carries out the guest's newest order; a newer one interrupts it.
// The package owns no tables and never talks to a database. Only app imports it.
package agent
