package fabric

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Numbers of the protocols that rules treat in a special way (IANA protocol numbers).
const (
	ProtoICMP    = 1
	ProtoTCP     = 6
	ProtoUDP     = 17
	ProtoDCCP    = 33
	ProtoICMPv6  = 58
	ProtoSCTP    = 132
	ProtoUDPLite = 136
)

// CompiledRule is a rule whose meaning is settled: numbers instead of names, remotes sorted and free of overlap.
type CompiledRule struct {
	Direction Direction
	IPv6      bool
	Protocol  int // IANA number, -1 is any
	Low, High int // ports, or ICMP type and code; -1 is any
	AnyRemote bool
	Remotes   []netip.Prefix
	RemoteSet string // id of the set that is the remote side; empty: none
}

// HasPorts tells whether Low and High are transport ports.
func (r CompiledRule) HasPorts() bool { return protocolHasPorts(r.Protocol) && r.Low >= 0 }

// HasType tells whether Low is an ICMP type (and High, when not negative, its code).
func (r CompiledRule) HasType() bool {
	return (r.Protocol == ProtoICMP || r.Protocol == ProtoICMPv6) && r.Low >= 0
}

func protocolHasPorts(protocol int) bool {
	switch protocol {
	case ProtoTCP, ProtoUDP, ProtoDCCP, ProtoSCTP, ProtoUDPLite:
		return true
	}
	return false
}

// protocolNumber reads a protocol by the names of the network API (security group rules) or as a number.
func protocolNumber(name string, v6 bool) (int, error) {
	names := map[string]int{
		"": -1, "any": -1, "ah": 51, "dccp": ProtoDCCP, "egp": 8, "esp": 50, "gre": 47, "icmp": ProtoICMP, "icmpv6": ProtoICMPv6,
		"ipv6-icmp": ProtoICMPv6, "igmp": 2, "ipip": 4, "ipv6-encap": 41, "ipv6-frag": 44, "ipv6-nonxt": 59, "ipv6-opts": 60,
		"ipv6-route": 43, "ospf": 89, "pgm": 113, "rsvp": 46, "sctp": ProtoSCTP, "tcp": ProtoTCP, "udp": ProtoUDP,
		"udplite": ProtoUDPLite, "vrrp": 112,
	}
	number, known := names[strings.ToLower(name)]
	if !known {
		var err error
		if number, err = strconv.Atoi(name); err != nil || number < 0 || number > 255 {
			return 0, invalid("unknown protocol %.40q", name)
		}
	}
	if number == ProtoICMP && v6 {
		number = ProtoICMPv6 // the API accepts "icmp" and 1 for both families
	}
	return number, nil
}

// Compile settles the meaning of one rule; whatever it does not understand is an error, never a wider rule.
func (r Rule) Compile() (CompiledRule, error) {
	out := CompiledRule{Direction: r.Direction, Low: -1, High: -1, AnyRemote: r.AnyRemote, RemoteSet: r.RemoteSet}
	if r.Direction != Ingress && r.Direction != Egress {
		return out, invalid("rule %s: unknown direction %.20q", r.ID, r.Direction)
	}
	switch r.EtherType {
	case IPv4:
	case IPv6:
		out.IPv6 = true
	default:
		return out, invalid("rule %s: unknown ether type %.20q", r.ID, r.EtherType)
	}
	var err error
	if out.Protocol, err = protocolNumber(r.Protocol, out.IPv6); err != nil {
		return out, fmt.Errorf("rule %s: %w", r.ID, err)
	}
	if out.Protocol == ProtoICMPv6 && !out.IPv6 {
		return out, invalid("rule %s: ICMPv6 in an IPv4 rule", r.ID)
	}
	if err := out.setRange(r); err != nil {
		return out, err
	}
	if r.RemoteSet != "" {
		return out, r.checkSet()
	}
	if r.AnyRemote {
		return out, nil
	}
	if len(r.Remotes) > maxRemotes {
		return out, invalid("rule %s has %d remotes, at most %d are possible", r.ID, len(r.Remotes), maxRemotes)
	}
	for _, remote := range r.Remotes {
		if !remote.IsValid() {
			return out, invalid("rule %s has an empty remote range", r.ID)
		}
		if remote.Addr().Is6() == out.IPv6 { // members of the other family do not count
			out.Remotes = append(out.Remotes, remote.Masked())
		}
	}
	out.Remotes = Disjoint(out.Remotes)
	return out, nil
}

// checkSet refuses a rule that would be wider than its set.
func (r Rule) checkSet() error {
	if r.AnyRemote || len(r.Remotes) > 0 {
		return invalid("rule %s has a set and other remotes", r.ID)
	}
	if err := CheckID(r.RemoteSet); err != nil {
		return fmt.Errorf("rule %s: remote set: %w", r.ID, err)
	}
	return nil
}

func (r *CompiledRule) setRange(rule Rule) error {
	if rule.PortMin == nil && rule.PortMax == nil {
		return nil
	}
	if rule.PortMin != nil {
		r.Low = *rule.PortMin
	}
	if rule.PortMax != nil {
		r.High = *rule.PortMax
	}
	switch {
	case protocolHasPorts(r.Protocol):
		if r.High < 0 && rule.PortMax == nil {
			r.High = r.Low
		}
		if r.Low < 0 || r.High > 65535 || r.Low > r.High {
			return invalid("rule %s: ports %d to %d", rule.ID, r.Low, r.High)
		}
	case r.Protocol == ProtoICMP || r.Protocol == ProtoICMPv6:
		if rule.PortMin == nil || r.Low < 0 || r.Low > 255 || rule.PortMax != nil && (r.High < 0 || r.High > 255) {
			return invalid("rule %s: ICMP type %d code %d", rule.ID, r.Low, r.High)
		}
	default:
		return invalid("rule %s: protocol %q has no ports", rule.ID, rule.Protocol)
	}
	return nil
}

// CompileRules settles all rules of a port; the first that cannot be understood is the error.
func (p Port) CompileRules() ([]CompiledRule, error) {
	if len(p.Rules) > maxRules {
		return nil, invalid("port %s has %d rules, at most %d are possible", p.ID, len(p.Rules), maxRules)
	}
	out := make([]CompiledRule, 0, len(p.Rules))
	for _, rule := range p.Rules {
		compiled, err := rule.Compile()
		if err != nil {
			return nil, err
		}
		out = append(out, compiled)
	}
	return out, nil
}

// Source is an address range together with the Ethernet address it must be sent from.
type Source struct {
	MAC    string
	Prefix netip.Prefix
}

// Sources lists what the port may send from: its fixed addresses, then its allowed pairs, each MAC's ranges free of overlap.
func (p Port) Sources() ([]Source, error) {
	if len(p.AllowedAddressPairs) > maxAddressPairs {
		return nil, invalid("port %s has %d allowed address pairs, at most %d are possible", p.ID, len(p.AllowedAddressPairs), maxAddressPairs)
	}
	own, err := ParseMAC(p.MAC)
	if err != nil {
		return nil, err
	}
	byMAC := map[string][]netip.Prefix{own.String(): {}}
	for _, address := range p.FixedIPs {
		byMAC[own.String()] = append(byMAC[own.String()], netip.PrefixFrom(address, address.BitLen()))
	}
	for _, pair := range p.AllowedAddressPairs {
		mac := own
		if pair.MAC != "" {
			if mac, err = ParseMAC(pair.MAC); err != nil {
				return nil, fmt.Errorf("port %s: allowed address pair: %w", p.ID, err)
			}
		}
		if !pair.Prefix.IsValid() {
			return nil, invalid("port %s has an allowed address pair without address", p.ID)
		}
		byMAC[mac.String()] = append(byMAC[mac.String()], pair.Prefix.Masked())
	}
	var out []Source
	for _, mac := range sortedKeys(byMAC) {
		for _, prefix := range Disjoint(byMAC[mac]) {
			out = append(out, Source{MAC: mac, Prefix: prefix})
		}
	}
	return out, nil
}

func sortedKeys(m map[string][]netip.Prefix) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// Disjoint sorts ranges and drops those contained in another.
func Disjoint(prefixes []netip.Prefix) []netip.Prefix {
	sorted := slices.Clone(prefixes)
	slices.SortFunc(sorted, func(a, b netip.Prefix) int {
		if c := a.Masked().Addr().Compare(b.Masked().Addr()); c != 0 {
			return c
		}
		return a.Bits() - b.Bits()
	})
	var out []netip.Prefix
	for _, prefix := range sorted {
		prefix = prefix.Masked()
		if len(out) > 0 && out[len(out)-1].Overlaps(prefix) {
			continue
		}
		out = append(out, prefix)
	}
	return out
}

// Members are the ranges of a set as Permits wants them: sorted, free of overlap, both families in one list.
func (s AddressSet) Members() []netip.Prefix { return Disjoint(s.Prefixes) }

// contains looks an address up in ranges that are sorted and free of overlap.
func contains(disjoint []netip.Prefix, address netip.Addr) bool {
	behind, _ := slices.BinarySearchFunc(disjoint, address, func(p netip.Prefix, a netip.Addr) int {
		if p.Addr().Compare(a) <= 0 {
			return -1
		}
		return 1
	})
	return behind > 0 && disjoint[behind-1].Contains(address)
}

// Flow is the first packet of a tracked connection, as far as rules look at it.
type Flow struct {
	Source, Destination netip.Addr
	Protocol            int
	DestinationPort     int
}

// Permits tells whether rules allow a connection to be opened in a direction; sets holds the Members of address sets by id. ICMP rules with a type do not count: the kernel's
// table does not tell the type, and cutting an echo that is still allowed costs nothing, its next request opens it again.
func Permits(rules []CompiledRule, sets map[string][]netip.Prefix, direction Direction, flow Flow) bool {
	remote := flow.Source
	if direction == Egress {
		remote = flow.Destination
	}
	return slices.ContainsFunc(rules, func(r CompiledRule) bool {
		switch {
		case r.Direction != direction || r.IPv6 != remote.Is6() || r.HasType():
			return false
		case r.Protocol >= 0 && r.Protocol != flow.Protocol:
			return false
		case r.HasPorts() && (flow.DestinationPort < r.Low || flow.DestinationPort > r.High):
			return false
		case r.RemoteSet != "":
			return contains(sets[r.RemoteSet], remote)
		}
		return r.AnyRemote || contains(r.Remotes, remote)
	})
}
