package responder

import (
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/iana"

	"virga/service/network/fabric"
)

// Lease is what one guest is told about its place on the network.
type Lease struct {
	Address    netip.Prefix // the guest's address and the length of its subnet's prefix
	Gateway    netip.Addr   // optional
	DNS        []netip.Addr
	MTU        int // bytes; 0: not told
	Hostname   string
	Domain     string
	Seconds    uint32         // how long the lease lasts
	Routes     []fabric.Route // of the subnet
	Options    []Option       // further options, applied last
	NextServer netip.Addr     // boot server (siaddr); optional
}

// outgoing is an answer and where it goes.
type outgoing struct {
	message *dhcpv4.DHCPv4
	to      netip.AddrPort
	mac     string // not empty: the guest cannot answer ARP yet
}

const (
	dhcpClientPort = 68
	maxDHCPRequest = 4096
)

// serveDHCP answers until the socket is closed.
func (r *Responder) serveDHCP() {
	log := r.config.Log.With("network", r.config.NetworkID)
	buffer := make([]byte, maxDHCPRequest)
	for {
		n, from, err := r.dhcp.Receive(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			log.Warn("DHCP socket ended", "error", err)
			return
		}
		if from.Port() != dhcpClientPort {
			continue
		}
		request, err := dhcpv4.FromBytes(buffer[:n])
		if err != nil {
			continue // noise of a guest
		}
		out, ok := answer(request, r.config.Leases(), r.config.Addresses)
		if !ok {
			continue
		}
		if err := r.dhcp.Send(out.message.ToBytes(), out.to, out.mac); err != nil {
			log.Warn("DHCP answer lost", "mac", request.ClientHWAddr.String(), "error", err)
		}
	}
}

// answer computes the reply to one request (RFC 2131 section 4.3); ok is false when silence is the answer.
func answer(request *dhcpv4.DHCPv4, leases map[string]Lease, own []netip.Prefix) (out outgoing, ok bool) {
	if request.OpCode != dhcpv4.OpcodeBootRequest || request.HWType != iana.HWTypeEthernet || len(request.ClientHWAddr) != 6 || !isZero(request.GatewayIPAddr) {
		return out, false
	}
	lease, known := leases[request.ClientHWAddr.String()]
	if !known || !lease.Address.Addr().Is4() {
		return out, false
	}
	server, found := serverFor(lease, own)
	if !found {
		return out, false
	}
	if chosen := request.ServerIdentifier(); !isZero(chosen) && toAddr(chosen) != server {
		return out, false // the guest took another server's offer
	}
	kind := dhcpv4.MessageTypeAck
	switch request.MessageType() {
	case dhcpv4.MessageTypeDiscover:
		kind = dhcpv4.MessageTypeOffer
	case dhcpv4.MessageTypeRequest:
		if wanted := wantedAddress(request); wanted != lease.Address.Addr() {
			return refuse(request, server)
		}
	case dhcpv4.MessageTypeInform:
		if toAddr(request.ClientIPAddr) != lease.Address.Addr() {
			return out, false
		}
	default: // release and decline change nothing: the address stays the port's
		return out, false
	}
	reply, err := grant(request, lease, server, kind)
	if err != nil {
		return out, false
	}
	return outgoing{message: reply, to: netip.AddrPortFrom(destination(request, lease), dhcpClientPort), mac: neighbour(request)}, true
}

// serverFor is the DHCP port's address in the lease's subnet.
func serverFor(lease Lease, own []netip.Prefix) (netip.Addr, bool) {
	for _, prefix := range own {
		if prefix.Addr().Is4() && prefix.Contains(lease.Address.Addr()) {
			return prefix.Addr(), true
		}
	}
	return netip.Addr{}, false
}

// wantedAddress is what the guest asks for: the requested address, or, when renewing, the one it has.
func wantedAddress(request *dhcpv4.DHCPv4) netip.Addr {
	if requested := request.RequestedIPAddress(); requested != nil {
		return toAddr(requested)
	}
	return toAddr(request.ClientIPAddr)
}

func refuse(request *dhcpv4.DHCPv4, server netip.Addr) (outgoing, bool) {
	message, err := dhcpv4.NewReplyFromRequest(request,
		dhcpv4.WithMessageType(dhcpv4.MessageTypeNak), dhcpv4.WithOption(dhcpv4.OptServerIdentifier(server.AsSlice())))
	if err != nil {
		return outgoing{}, false
	}
	message.SetBroadcast()
	return outgoing{message: message, to: broadcast()}, true
}

func broadcast() netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{255, 255, 255, 255}), dhcpClientPort)
}

// destination follows RFC 2131 section 4.1: a guest that has its address is answered there, one that asks for a broadcast gets it, and the
// others are answered at the address that they are being given.
func destination(request *dhcpv4.DHCPv4, lease Lease) netip.Addr {
	if toAddr(request.ClientIPAddr) == lease.Address.Addr() {
		return lease.Address.Addr()
	}
	if request.IsBroadcast() {
		return broadcast().Addr()
	}
	return lease.Address.Addr()
}

func neighbour(request *dhcpv4.DHCPv4) string {
	if !isZero(request.ClientIPAddr) || request.IsBroadcast() {
		return ""
	}
	return request.ClientHWAddr.String()
}

// grant renders an offer or acknowledgement.
func grant(request *dhcpv4.DHCPv4, lease Lease, server netip.Addr, kind dhcpv4.MessageType) (*dhcpv4.DHCPv4, error) {
	reply, err := dhcpv4.NewReplyFromRequest(request, dhcpv4.WithMessageType(kind))
	if err != nil {
		return nil, err
	}
	add := reply.UpdateOption
	add(dhcpv4.OptServerIdentifier(server.AsSlice()))
	if request.MessageType() != dhcpv4.MessageTypeInform {
		reply.YourIPAddr = lease.Address.Addr().AsSlice()
		add(dhcpv4.OptIPAddressLeaseTime(time.Duration(lease.Seconds) * time.Second))
	}
	add(dhcpv4.OptSubnetMask(net.CIDRMask(lease.Address.Bits(), 32)))
	if lease.Gateway.Is4() {
		add(dhcpv4.OptRouter(lease.Gateway.AsSlice()))
	}
	if dns := ipv4(lease.DNS); len(dns) > 0 {
		add(dhcpv4.OptDNS(dns...))
	}
	if lease.Hostname != "" {
		add(dhcpv4.OptHostName(lease.Hostname))
	}
	if lease.Domain != "" {
		add(dhcpv4.OptDomainName(lease.Domain))
	}
	if lease.MTU > 0 {
		add(dhcpv4.OptGeneric(dhcpv4.OptionInterfaceMTU, []byte{byte(lease.MTU >> 8), byte(lease.MTU)}))
	}
	add(dhcpv4.OptClasslessStaticRoute(classlessRoutes(lease, server)...))
	if lease.NextServer.Is4() {
		reply.ServerIPAddr = lease.NextServer.AsSlice()
	}
	addOptions(reply, lease.Options)
	return reply, nil
}

// classlessRoutes are option 121 (RFC 3442): the way to metadata, the subnet's routes, and the default route once more, since who reads this option
// ignores the router option.
func classlessRoutes(lease Lease, server netip.Addr) []*dhcpv4.Route {
	route := func(to netip.Prefix, via netip.Addr) *dhcpv4.Route {
		return &dhcpv4.Route{
			Dest:   &net.IPNet{IP: to.Masked().Addr().AsSlice(), Mask: net.CIDRMask(to.Bits(), 32)},
			Router: via.AsSlice(),
		}
	}
	routes := []*dhcpv4.Route{route(netip.PrefixFrom(fabric.MetadataAddress(), 32), server)}
	defaultGiven := false
	for _, r := range lease.Routes {
		if r.Destination.Addr().Is4() && r.NextHop.Is4() {
			routes = append(routes, route(r.Destination, r.NextHop))
			defaultGiven = defaultGiven || r.Destination.Bits() == 0
		}
	}
	if lease.Gateway.Is4() && !defaultGiven {
		routes = append(routes, route(netip.PrefixFrom(netip.IPv4Unspecified(), 0), lease.Gateway))
	}
	return routes
}

func ipv4(addresses []netip.Addr) []net.IP {
	var out []net.IP
	for _, address := range addresses {
		if address.Is4() {
			out = append(out, address.AsSlice())
		}
	}
	return out
}

func isZero(ip net.IP) bool { return ip == nil || ip.IsUnspecified() }

func toAddr(ip net.IP) netip.Addr {
	address, _ := netip.AddrFromSlice(ip)
	return address.Unmap()
}
