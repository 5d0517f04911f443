package linux

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"

	"virga/service/network/fabric"
)

// flowFilter adapts a function to the netlink library's filter.
type flowFilter func(*netlink.ConntrackFlow) bool

// MatchConntrackFlow implements netlink.CustomConntrackFilter.
func (f flowFilter) MatchConntrackFlow(flow *netlink.ConntrackFlow) bool { return f(flow) }

// cutFlows deletes the current namespace's connections of a zone for which forbidden says so.
func cutFlows(zone uint16, forbidden func(*netlink.ConntrackFlow) bool) error {
	err := cutWhere(func(flow *netlink.ConntrackFlow) bool { return flow.Zone == zone && forbidden(flow) })
	if err != nil {
		return fmt.Errorf("zone %d: %w", zone, err)
	}
	return nil
}

// cutWhere does it for all zones. Looking through the table takes time even when it is empty, so both families are looked at in one pass,
// and a second one is made for a family in which there is something to delete.
func cutWhere(forbidden func(*netlink.ConntrackFlow) bool) error {
	flows, err := netlink.ConntrackTableList(netlink.ConntrackTable, netlink.FAMILY_ALL)
	if err != nil {
		return fmt.Errorf("list connections: %w", err)
	}
	families := map[netlink.InetFamily]bool{}
	for _, flow := range flows {
		if forbidden(flow) {
			families[netlink.InetFamily(flow.FamilyType)] = true
		}
	}
	var failures []error
	for family := range families {
		if _, err := netlink.ConntrackDeleteFilters(netlink.ConntrackTable, family, flowFilter(forbidden)); err != nil {
			failures = append(failures, fmt.Errorf("cut connections: %w", err))
		}
	}
	return errors.Join(failures...)
}

// sweep makes sure that no connection bears a number that no port has: a process that was killed while it removed a port may have left some.
// Where the tables are gone the numbers are not known, and running guests' connections are left alone; false then, when there are any.
func sweep(numbers map[string]int, known bool) (bool, error) {
	has := map[int]bool{0: true}
	for _, number := range numbers {
		has[number] = true
	}
	found := false
	err := cutWhere(func(flow *netlink.ConntrackFlow) bool {
		sender, receiver := admittedBy(flow)
		orphan := !has[sender] || !has[receiver]
		found = found || orphan
		return orphan && known
	})
	return err == nil && (known || !found), err
}

// admittedBy reads from a connection's mark the numbers of the ports whose rules admitted it on the sender's and the receiver's side; 0 is none.
func admittedBy(flow *netlink.ConntrackFlow) (sender, receiver int) {
	if flow.Mark&ctmarkOurs != ctmarkOurs {
		return 0, 0
	}
	return int(flow.Mark&markInMask) >> 16, int(flow.Mark & markOutMask)
}

// forbids tells whether a tracked connection was admitted by this port and would not be any more.
func (f portFilter) forbids(flow *netlink.ConntrackFlow) bool {
	sender, receiver := admittedBy(flow)
	sent, received := sender == f.number, receiver == f.number
	if f.number == 0 || !sent && !received {
		return false
	}
	if f.closed {
		return true
	}
	if f.open { // nothing is asked any more; the answers would pass as well
		return false
	}
	opened := fabric.Flow{
		Source: toAddr(flow.Forward.SrcIP), Destination: toAddr(flow.Forward.DstIP),
		Protocol: int(flow.Forward.Protocol), DestinationPort: int(flow.Forward.DstPort),
	}
	if sent && !(f.mayUse(opened.Source) && (implied(opened) || fabric.Permits(f.rules, f.members, fabric.Egress, opened))) {
		return true
	}
	return received && !(f.mayUse(opened.Destination) && fabric.Permits(f.rules, f.members, fabric.Ingress, opened))
}

// mayUse tells whether an address is one that the port may send from; multicast and broadcast destinations are nobody's, but every guest's.
func (f portFilter) mayUse(address netip.Addr) bool {
	if address.IsUnspecified() || address.IsMulticast() || address.IsLinkLocalUnicast() && address.Is6() {
		return true
	}
	return slices.ContainsFunc(f.sources, func(s fabric.Source) bool { return s.Prefix.Contains(address) })
}

// implied is what every guest may open without a rule: DHCP and metadata.
func implied(flow fabric.Flow) bool {
	if flow.Protocol == fabric.ProtoTCP {
		return flow.Destination == fabric.MetadataAddress() && flow.DestinationPort == 80
	}
	return flow.Protocol == fabric.ProtoUDP && (flow.DestinationPort == 67 || flow.DestinationPort == 547)
}

func toAddr(ip net.IP) netip.Addr {
	address, _ := netip.AddrFromSlice(ip)
	return address.Unmap()
}
