// Package agent is the network service's hand on one host.
//
// It asks the service what should be on its host (package desired), has the fabric driver
// make it so, answers DHCP and metadata on the host's networks through package responder,
// and reports what stands. It is level-triggered: the bell only tells it to ask, a timer
// makes it ask anyway, and now and then everything is ensured anew, which mends what
// somebody else changed. It holds no truth and never talks to a database; ports,
// networks and routers go on working while it is away. What it asks of the driver grows with
// what changed, not with what is on the host: the members of a security group are one
// address set, to which the rules of all ports refer.
//
// Only app imports it.
package agent
