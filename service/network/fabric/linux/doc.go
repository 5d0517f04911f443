// Package linux is the fabric driver that uses nothing but the kernel: bridges, VXLAN, veth pairs, network namespaces, nftables.
//
// It owns every device, namespace and table that it makes and touches no other: devices carry one of the prefixes in
// names.go and an alias that starts with "virga", namespaces are called vnet-ID and vrouter-ID, tables are called virga. It
// does not own addressing, placement or the answers of DHCP and metadata. Only the wiring (app) and the agent's tests import it.
//
// # How a frame is judged
//
// Security groups need connection tracking, and the bridge family's own tracker (nf_conntrack_bridge) is missing in many kernels,
// as are the bridge family's reject and bridge-name expressions. br_netfilter is everywhere, so the work is split:
//
//  1. bridge prerouting (-300), stateless: frames of a guest pass only with its MAC, its addresses, its ARP and ND claims; anything
//     but ARP, IPv4 and IPv6 is dropped (a VLAN tag would slip past br_netfilter). The port's number is written into the packet mark,
//     together with bit 31: "not judged yet". The kernel drops these frames before the bridge learns from them.
//  2. bridge forward (-200): the number of the port that the frame leaves by is added to the mark.
//  3. br_netfilter, turned on per bridge and not by the global sysctl, shows the packet to the inet family. Its prerouting (-300) puts it
//     into the network's conntrack zone, so equal addresses of two networks never meet; the flat and local networks with an address of the
//     host share the host's own zone 0, because they are part of its address space and its NAT must recognise answers. Its forward (-10)
//     lets established connections pass, and sends new ones through the sender's egress and the receiver's ingress chain by verdict maps on the mark.
//     What passes has its mark cleared.
//  4. bridge forward (100): an IP packet of a secured port that still has bit 31 was not seen by the inet family and is dropped. So
//     a host where br_netfilter is off or gone is closed, not open.
//
// A frame from a guest to the host itself is dropped in bridge input; a tenant bridge has no address, IPv6 off before it is up, and
// does not answer ARP.
//
// # How a connection is cut
//
// Established connections pass without a look at the rules, so a rule that goes must take its connections along. Each connection remembers in
// its conntrack mark the numbers of the ports whose rules admitted it. After a port's rules changed, its connections are compared with the
// new rules by the same function that the tests use (fabric.Permits) and those no longer permitted are deleted from the
// table. A TCP connection cannot come back from the middle, in either direction, because a new one has to start with SYN. Adding a rule cuts nothing.
// Ports whose guests came from another host while they ran are the exception, for some minutes: their connections began on a host whose table this one cannot see.
// Routers do likewise: address translations that the desired state no longer contains are deleted.
//
// # What a change costs
//
// The members of a security group are an address set: a pair of named nftables sets, which the rules of all ports refer to. A member that comes
// or goes is one element, whatever the number of ports; when it goes, the connections of the ports that refer to the set are compared in one pass.
// nft reads all chains and sets of a host before it changes anything, so an ordinary port has no anonymous set: few alternatives are rules of their own,
// and what all ports have in common is in sets of the frame.
//
// # What is remembered
//
// A port's rules are applied by one nft transaction for that port, and only when they differ from the last applied ones or when the ruleset's generation
// number shows that somebody else changed anything; then everything is applied again. A set's members are read from the kernel when they are not known,
// and only the difference is written. Port numbers live in the nftables maps, zones in
// the bridges' aliases, so a restarted process continues with the same.
//
// Lock order: Driver.mu is the only lock; verbs are serial.
package linux
