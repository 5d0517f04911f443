package linux

import (
	"fmt"
	"net/netip"
	"strings"
)

// Layout of the packet mark (host side only; the marks of packets in routers' namespaces are free), and of the conntrack mark, which
// has the same port numbers: who admitted this connection.
const (
	markUnjudged = 0x80000000
	markInMask   = 0x7fff0000
	markOutMask  = 0x00007fff
	maxPort      = 0x7fff
	ctmarkOurs   = 0x80008000 // set in every conntrack mark of ours: zone 0 has other software's marks, too
)

// script collects lines of one nft transaction.
type script struct{ strings.Builder }

func (s *script) line(format string, args ...any) {
	fmt.Fprintf(&s.Builder, format+"\n", args...)
}

// chain makes or empties a chain and fills it; within one transaction nobody sees it empty.
func (s *script) chain(table, name, hook string, rules ...string) {
	if hook != "" {
		hook = " { " + hook + " }"
	}
	s.line("add chain %s virga %s%s", table, name, hook)
	s.line("flush chain %s virga %s", table, name)
	for _, rule := range rules {
		s.line("add rule %s virga %s %s", table, name, rule)
	}
}

// dropElement removes an element that may be missing: nft has no such verb, so it is added first.
func (s *script) dropElement(container, key, value string) {
	s.line("add element %s { %s%s }", container, key, value)
	s.line("delete element %s { %s }", container, key)
}

func (s *script) dropChain(table, name string) {
	s.line("add chain %s virga %s", table, name)
	s.line("flush chain %s virga %s", table, name)
	s.line("delete chain %s virga %s", table, name)
}

// renderBase makes the tables' frame, into which networks and ports put their chains and map elements. It can be run over an existing frame.
func renderBase() string {
	var s script
	s.line("add table bridge virga")
	s.line("add map bridge virga from_port { type ifname : verdict; }")
	s.line("add map bridge virga to_port { type ifname : verdict; }")
	s.line("add set bridge virga secured { type ifname; }")
	s.line("add set bridge virga guests { type ifname; }")
	s.line("add set bridge virga spoken { type ether_type; }")         // what a secured guest may speak
	s.line("add element bridge virga spoken { arp, ip, ip6, 0x8035 }") // the last is RARP, see fromRules
	s.line("add set bridge virga router_words { type icmpv6_type; }")
	s.line("add element bridge virga router_words { nd-router-advert, nd-redirect }")
	s.line("add set bridge virga newcomer_words { type icmpv6_type; }") // what is said before having an address
	s.line("add element bridge virga newcomer_words { nd-neighbor-solicit, mld-listener-report, mld2-listener-report }")
	s.chain("bridge", "prerouting", "type filter hook prerouting priority -300;",
		"iifname vmap @from_port",
		`iifname { "vvx*", "vvl*", "vdh*", "vrt*" } meta mark set 0`)
	s.chain("bridge", "forward", "type filter hook forward priority -200;",
		"oifname vmap @to_port")
	s.chain("bridge", "verify", "type filter hook forward priority 100;",
		"iifname @secured ether type { ip, ip6 } meta mark & 0x80000000 != 0 drop",
		"oifname @secured ether type { ip, ip6 } meta mark & 0x80000000 != 0 drop",
		`oifname { "vvx*", "vvl*" } meta mark set 0`) // the tunnel's own packets must not carry a guest's mark through the host's rules
	s.chain("bridge", "input", "type filter hook input priority -200;",
		"iifname @guests drop",
		`iifname "vvx*" drop`)
	s.chain("bridge", "output", "type filter hook output priority -200;",
		"oifname @secured drop") // from the host itself no rule would have been asked
	s.line("add table inet virga")
	s.line("add map inet virga zones { type ifname : verdict; }")
	s.line("add map inet virga egress { type mark : verdict; }")
	s.line("add map inet virga ingress { type mark : verdict; }")
	s.line("add set inet virga hostless { type ifname; }")
	s.line("add set inet virga arrived { type mark; }")
	s.chain("inet", "raw", "type filter hook prerouting priority -300;",
		"iifname vmap @zones")
	s.chain("inet", "input", "type filter hook input priority -10;",
		"iifname @hostless drop")
	s.chain("inet", "midstream", "",
		"meta mark & 0x7fff0000 @arrived return",
		"meta mark & 0x00007fff @arrived return",
		"drop")
	s.chain("inet", "judge", "", judgeRules()...)
	s.chain("inet", "forward", "type filter hook forward priority -10;",
		"iifname @hostless oifname != @hostless drop",
		`iifname "vbr*" meta mark & 0x80000000 != 0 goto judge`)
	return s.String()
}

// judgeRules is the common path of all packets from or to a secured port. What it accepts has its mark cleared; see chain verify.
func judgeRules() []string {
	return []string{
		// Here fragments are whole again, so that splitting the headers does not help to pass for a server or router.
		"meta mark & 0x7fff0000 != 0 icmpv6 type { nd-router-advert, nd-redirect } drop",
		"meta mark & 0x7fff0000 != 0 udp sport 67 udp dport 68 drop",
		"meta mark & 0x7fff0000 != 0 udp sport 547 udp dport 546 drop",
		"icmpv6 type { mld-listener-query, mld-listener-report, mld-listener-reduction, mld2-listener-report, nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } meta mark set 0 accept",
		"meta mark & 0x7fff0000 == 0 udp sport 67 udp dport 68 meta mark set 0 accept",
		"ct state established,related meta mark set 0 accept",
		"ct state invalid drop",
		"ct state new tcp flags & (fin | syn | rst | ack) != syn jump midstream",
		"meta mark & 0x7fff0000 vmap @egress",
		"meta mark & 0x7fff0000 != 0 drop", // a number without rules
		"meta mark & 0x00007fff vmap @ingress",
		"meta mark & 0x00007fff != 0 drop",
		"meta mark set 0 accept",
	}
}

// renderNetwork puts a bridge's packets into the network's conntrack zone and settles how the bridge relates to the host.
func renderNetwork(id, bridge string, zone uint16, host netip.Prefix, nat bool) string {
	var s script
	if zone != 0 {
		s.chain("inet", "zone-"+id, "", fmt.Sprintf("ct zone set %d", zone))
		s.line(`add element inet virga zones { "%s" : jump zone-%s }`, bridge, id)
	} else {
		dropZone(&s, id, bridge)
	}
	if host.IsValid() {
		s.dropElement("inet virga hostless", `"`+bridge+`"`, "")
	} else {
		s.line(`add element inet virga hostless { "%s" }`, bridge)
	}
	// The other bridges' packets are excluded, too: their tenants may use the same addresses.
	if nat {
		s.chain("inet", "nat-"+id, "type nat hook postrouting priority 100;",
			fmt.Sprintf(`ip saddr %s ip daddr != %s oifname != "vbr*" masquerade`, host.Masked(), host.Masked()))
	} else {
		dropNAT(&s, id)
	}
	return s.String()
}

func renderNetworkRemoval(id, bridge string) string {
	var s script
	dropZone(&s, id, bridge)
	s.dropElement("inet virga hostless", `"`+bridge+`"`, "")
	dropNAT(&s, id)
	return s.String()
}

func dropZone(s *script, id, bridge string) {
	s.line("add chain inet virga zone-%s", id)
	s.dropElement("inet virga zones", `"`+bridge+`"`, " : jump zone-"+id)
	s.dropChain("inet", "zone-"+id)
}

func dropNAT(s *script, id string) {
	s.line("add chain inet virga nat-%s { type nat hook postrouting priority 100; }", id)
	s.line("flush chain inet virga nat-%s", id)
	s.line("delete chain inet virga nat-%s", id)
}
