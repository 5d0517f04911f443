package linux

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"virga/service/network/fabric"
)

// portFilter is everything that a port's chains are rendered from.
type portFilter struct {
	id      string
	tap     string
	number  int
	zone    uint16 // conntrack zone of its network
	mac     net.HardwareAddr
	open    bool // no port security
	arrived bool // its guest came here while it ran: see fabric.Port.Arrived
	closed  bool // nothing passes: administratively down, or rules that cannot be applied
	fixed   []netip.Addr
	sources []fabric.Source
	rules   []fabric.CompiledRule
	members map[string][]netip.Prefix // of the sets that rules refer to; the driver's own, so always what is in force
}

// newPortFilter settles the meaning of a port's addresses and rules.
func newPortFilter(port fabric.Port, number int) (portFilter, error) {
	mac, err := fabric.ParseMAC(port.MAC)
	if err != nil {
		return portFilter{}, err
	}
	f := portFilter{
		id: port.ID, tap: fabric.TapName(port.ID), number: number, mac: mac,
		open: !port.PortSecurity, arrived: port.Arrived, closed: !port.AdminUp, fixed: port.FixedIPs,
	}
	if f.open {
		return f, nil
	}
	if f.sources, err = port.Sources(); err != nil {
		return f, err
	}
	f.rules, err = port.CompileRules()
	return f, err
}

// shut gives the same port with everything closed.
func (f portFilter) shut() portFilter {
	return portFilter{id: f.id, tap: f.tap, number: f.number, zone: f.zone, mac: f.mac, closed: true}
}

// sets lists the address sets that the port's chains refer to, each once.
func (f portFilter) sets() []string {
	if f.open || f.closed {
		return nil
	}
	var ids []string
	for _, rule := range f.rules {
		if rule.RemoteSet != "" && !slices.Contains(ids, rule.RemoteSet) {
			ids = append(ids, rule.RemoteSet)
		}
	}
	return ids
}

func (f portFilter) render() string {
	var s script
	s.chain("bridge", "from-"+f.id, "", f.fromRules()...)
	s.chain("bridge", "to-"+f.id, "", f.toRules()...)
	s.chain("inet", "egress-"+f.id, "", f.judgeRules(fabric.Egress)...)
	s.chain("inet", "ingress-"+f.id, "", f.judgeRules(fabric.Ingress)...)
	s.line(`add element bridge virga guests { "%s" }`, f.tap)
	s.line(`add element bridge virga from_port { "%s" : jump from-%s }`, f.tap, f.id)
	s.line(`add element bridge virga to_port { "%s" : jump to-%s }`, f.tap, f.id)
	s.line("add element inet virga egress { 0x%08x : jump egress-%s }", f.number<<16, f.id)
	s.line("add element inet virga ingress { 0x%08x : jump ingress-%s }", f.number, f.id)
	for _, mark := range arrivedMarks(f.number) {
		if f.arrived {
			s.line("add element inet virga arrived { %s }", mark)
		} else {
			s.dropElement("inet virga arrived", mark, "")
		}
	}
	if f.open && !f.closed {
		s.dropElement("bridge virga secured", `"`+f.tap+`"`, "")
	} else {
		s.line(`add element bridge virga secured { "%s" }`, f.tap)
	}
	return s.String()
}

// arrivedMarks are the marks of what comes from and goes to a port, as the set of ports whose guests arrived has them.
func arrivedMarks(number int) []string {
	return []string{fmt.Sprintf("0x%08x", number<<16), fmt.Sprintf("0x%08x", number)}
}

func renderPortRemoval(id string, number int) string {
	var s script
	tap := `"` + fabric.TapName(id) + `"`
	for _, chain := range []string{"bridge virga from-", "bridge virga to-", "inet virga egress-", "inet virga ingress-"} {
		s.line("add chain %s%s", chain, id)
	}
	s.dropElement("bridge virga guests", tap, "")
	s.dropElement("bridge virga secured", tap, "")
	s.dropElement("bridge virga from_port", tap, " : jump from-"+id)
	s.dropElement("bridge virga to_port", tap, " : jump to-"+id)
	if number > 0 {
		s.dropElement("inet virga egress", fmt.Sprintf("0x%08x", number<<16), " : jump egress-"+id)
		s.dropElement("inet virga ingress", fmt.Sprintf("0x%08x", number), " : jump ingress-"+id)
		for _, mark := range arrivedMarks(number) {
			s.dropElement("inet virga arrived", mark, "")
		}
	}
	s.dropChain("bridge", "from-"+id)
	s.dropChain("bridge", "to-"+id)
	s.dropChain("inet", "egress-"+id)
	s.dropChain("inet", "ingress-"+id)
	return s.String()
}

// fromRules is the stateless half: what a guest may put on the wire at all.
func (f portFilter) fromRules() []string {
	if f.closed {
		return []string{"drop"}
	}
	// Metadata is given out by source address, so nobody may ask from an address that is only allowed, or not his at all.
	metadata := f.metadataRules()
	if f.open {
		return append(metadata, "meta mark set 0")
	}
	mark := fmt.Sprintf("meta mark set 0x%08x accept", markUnjudged|f.number<<16)
	v4, v6, macs := f.sourcePairs()
	rules := []string{
		"ether type != @spoken drop", // a VLAN tag would hide the packet from br_netfilter
		"ether saddr != " + anyOf(macs) + " drop",
		"ether type 0x8035 accept", // by RARP a hypervisor says for its guest where that is after it moved
	}
	rules = append(rules, metadata...)
	rules = append(rules, f.dhcpClientRules(mark)...)
	rules = append(rules,
		"udp sport 67 udp dport 68 drop",
		"udp sport 547 udp dport 546 drop",
		"icmpv6 type @router_words drop")
	for _, source := range match("arp saddr ether . arp saddr ip", v4) {
		rules = append(rules, "arp htype 1 arp ptype ip arp hlen 6 arp plen 4 "+source+" accept")
	}
	probe := make([]string, 0, len(macs))
	for _, mac := range macs {
		probe = append(probe, mac+" . 0.0.0.0")
	}
	for _, source := range match("arp saddr ether . arp saddr ip", probe) {
		rules = append(rules, "arp htype 1 arp ptype ip arp hlen 6 arp plen 4 arp operation request "+source+" accept")
	}
	rules = append(rules, "ether type arp drop")
	for _, source := range match("ether saddr . ip saddr", v4) {
		rules = append(rules, source+" "+mark)
	}
	rules = append(rules, neighbourRules(v6, mark)...)
	for _, source := range match("ether saddr . ip6 saddr", v6) {
		rules = append(rules, source+" "+mark)
	}
	return append(rules, "ip6 saddr :: icmpv6 type @newcomer_words "+mark, "drop")
}

// metadataRules drop what asks for metadata in another's name.
func (f portFilter) metadataRules() []string {
	const asks = "ip daddr 169.254.169.254 "
	var own []string
	for _, address := range f.fixed {
		if address.Is4() {
			own = append(own, address.String())
		}
	}
	if len(own) == 0 {
		return []string{asks + "drop"}
	}
	return []string{asks + "ether saddr != " + f.mac.String() + " drop", asks + "ip saddr != " + anyOf(own) + " drop"}
}

// dhcpClientRules let a guest ask for its own lease only: the hardware address inside the message (28 bytes behind the UDP header) is its own.
func (f portFilter) dhcpClientRules(mark string) []string {
	sources := []string{"0.0.0.0"}
	for _, address := range f.fixed {
		if address.Is4() {
			sources = append(sources, address.String())
		}
	}
	var rules []string
	for _, source := range match("ip saddr", sources) {
		rules = append(rules, fmt.Sprintf("ether saddr %s %s udp sport 68 udp dport 67 @th,288,48 0x%s %s",
			f.mac, source, strings.ReplaceAll(f.mac.String(), ":", ""), mark))
	}
	return append(rules, "udp sport 68 udp dport 67 drop")
}

// neighbourRules let a guest advertise its own IPv6 addresses only. The target stands 8 bytes behind the ICMPv6 header's start
// (RFC 4861 section 4.4); advertisements in fragments are not for hosts to accept (RFC 6980).
func neighbourRules(v6 []string, mark string) []string {
	drop := "icmpv6 type nd-neighbor-advert drop"
	var prefixes []netip.Prefix
	for _, pair := range v6 {
		_, text, _ := strings.Cut(pair, " . ")
		if prefix, err := netip.ParsePrefix(text); err == nil {
			prefixes = append(prefixes, prefix)
		} else if address, err := netip.ParseAddr(text); err == nil {
			prefixes = append(prefixes, netip.PrefixFrom(address, 128))
		}
	}
	if len(prefixes) == 0 {
		return []string{drop}
	}
	var targets []string
	for _, prefix := range fabric.Disjoint(prefixes) {
		low, high := bounds(prefix)
		if low == high {
			targets = append(targets, fmt.Sprintf("0x%x", low))
		} else {
			targets = append(targets, fmt.Sprintf("0x%x-0x%x", low, high))
		}
	}
	var rules []string
	for _, source := range match("ether saddr . ip6 saddr", v6) {
		for _, target := range match("@th,64,128", targets) {
			rules = append(rules, fmt.Sprintf("icmpv6 type nd-neighbor-advert exthdr frag missing %s %s %s", source, target, mark))
		}
	}
	return append(rules, drop)
}

func bounds(prefix netip.Prefix) (low, high [16]byte) {
	low = prefix.Masked().Addr().As16()
	high = low
	for bit := prefix.Bits(); bit < 128; bit++ {
		high[bit/8] |= 0x80 >> (bit % 8)
	}
	return low, high
}

// sourcePairs lists what may be sent from: MAC and range by family, and the MACs alone. Every MAC has its link-local IPv6 address.
func (f portFilter) sourcePairs() (v4, v6, macs []string) {
	add := func(mac string) {
		macs = append(macs, mac)
		v6 = append(v6, mac+" . "+linkLocal(mac).String())
	}
	add(f.mac.String())
	for _, source := range f.sources {
		if source.MAC != f.mac.String() && source.MAC != macs[len(macs)-1] { // sources are sorted by MAC
			add(source.MAC)
		}
		text := prefixText(source.Prefix)
		if source.Prefix.Addr().Is4() {
			v4 = append(v4, source.MAC+" . "+text)
		} else if !source.Prefix.Contains(linkLocal(source.MAC)) || !source.Prefix.IsSingleIP() {
			v6 = append(v6, source.MAC+" . "+text)
		}
	}
	return v4, dropCovered(v6, f.sources), macs
}

// dropCovered takes away link-local addresses that lie within an allowed range: a set's intervals must not overlap.
func dropCovered(v6 []string, sources []fabric.Source) []string {
	var out []string
	for _, pair := range v6 {
		mac, text, _ := strings.Cut(pair, " . ")
		covered := false
		for _, source := range sources {
			covered = covered || source.MAC == mac && !source.Prefix.IsSingleIP() && text == linkLocal(mac).String() && source.Prefix.Contains(linkLocal(mac))
		}
		if !covered {
			out = append(out, pair)
		}
	}
	return out
}

// linkLocal is the IPv6 address that a station gives itself (RFC 4291 appendix A).
func linkLocal(mac string) netip.Addr {
	m, err := net.ParseMAC(mac)
	if err != nil {
		return netip.Addr{}
	}
	return netip.AddrFrom16([16]byte{0xfe, 0x80, 0, 0, 0, 0, 0, 0, m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]})
}

// toRules marks what is on its way to the port, for the inet family to judge.
func (f portFilter) toRules() []string {
	switch {
	case f.closed:
		return []string{"drop"}
	case f.open:
		return []string{"return"}
	}
	return []string{
		"ether type != @spoken drop",
		fmt.Sprintf("meta mark & 0x80000000 == 0 meta mark set 0x%08x return", markUnjudged|f.number),
		fmt.Sprintf("meta mark set meta mark & 0x7fff0000 | 0x%08x", markUnjudged|f.number),
	}
}

// judgeRules is the stateful half for new connections: note the port as the one that admitted the connection, then look for a rule.
func (f portFilter) judgeRules(direction fabric.Direction) []string {
	rules := []string{
		fmt.Sprintf("ct mark set ct mark & 0x7fff0000 | 0x%08x", ctmarkOurs|f.number),
		"meta mark set meta mark & 0xffff8000",
	}
	if direction == fabric.Egress {
		rules = []string{
			fmt.Sprintf("ct mark set ct mark & 0x00007fff | 0x%08x", ctmarkOurs|f.number<<16),
			"meta mark set meta mark & 0x8000ffff",
		}
	}
	if f.closed || f.open {
		return append(rules, "drop")
	}
	if direction == fabric.Egress {
		rules = append(rules,
			"udp sport 68 udp dport 67 return",
			"udp sport 546 udp dport 547 return",
			"ip daddr 169.254.169.254 tcp dport 80 return")
	}
	for _, rule := range f.rules {
		if rule.Direction == direction {
			rules = append(rules, renderRule(rule)...)
		}
	}
	return append(rules, "drop")
}

// renderRule gives no rule at all for one that permits nobody.
func renderRule(rule fabric.CompiledRule) []string {
	var rules []string
	for _, remote := range renderRemote(rule) {
		rules = append(rules, strings.Join(append([]string{remote}, renderService(rule)...), " ")+" return")
	}
	return rules
}

// renderRemote gives the conditions under which the other side is one that the rule means.
func renderRemote(rule fabric.CompiledRule) []string {
	family, side := "ip", "saddr"
	if rule.IPv6 {
		family = "ip6"
	}
	if rule.Direction == fabric.Egress {
		side = "daddr"
	}
	switch {
	case rule.RemoteSet != "":
		return []string{family + " " + side + " @" + membersName(rule.RemoteSet, rule.IPv6)}
	case rule.AnyRemote:
		return []string{"meta nfproto " + map[bool]string{false: "ipv4", true: "ipv6"}[rule.IPv6]}
	}
	remotes := make([]string, 0, len(rule.Remotes))
	for _, remote := range rule.Remotes {
		remotes = append(remotes, remote.String())
	}
	return match(family+" "+side, remotes)
}

// renderService gives the words for protocol, ports and types.
func renderService(rule fabric.CompiledRule) []string {
	var words []string
	if rule.Protocol >= 0 {
		words = append(words, fmt.Sprintf("meta l4proto %d", rule.Protocol))
	}
	switch {
	case rule.HasPorts() && rule.Low == rule.High:
		words = append(words, fmt.Sprintf("th dport %d", rule.Low))
	case rule.HasPorts():
		words = append(words, fmt.Sprintf("th dport %d-%d", rule.Low, rule.High))
	case rule.HasType():
		name := "icmp"
		if rule.IPv6 {
			name = "icmpv6"
		}
		words = append(words, fmt.Sprintf("%s type %d", name, rule.Low))
		if rule.High >= 0 {
			words = append(words, fmt.Sprintf("%s code %d", name, rule.High))
		}
	}
	return words
}

// few is how many elements are compared one by one. Each anonymous set in the tables makes every nft call on the host slower, because nft
// reads all sets before it changes anything: with a dozen for each of 200 ports, changing one port would take a tenth of a second.
const few = 4

// match gives the conditions that together say that fields (joined by " . ") have one of the elements; none for no element.
func match(fields string, elements []string) []string {
	if len(elements) > few {
		return []string{fields + " " + set(elements)}
	}
	conditions := make([]string, 0, len(elements))
	for _, element := range elements {
		var words []string
		values := strings.Split(element, " . ")
		for i, field := range strings.Split(fields, " . ") {
			words = append(words, field, values[i])
		}
		conditions = append(conditions, strings.Join(words, " "))
	}
	return conditions
}

// anyOf is the right side of a comparison with elements.
func anyOf(elements []string) string {
	if len(elements) == 1 {
		return elements[0]
	}
	return set(elements)
}

// prefixText writes a single address without its length.
func prefixText(prefix netip.Prefix) string {
	if prefix.IsSingleIP() {
		return prefix.Addr().String()
	}
	return prefix.String()
}

func set(elements []string) string { return "{ " + strings.Join(elements, ", ") + " }" }
