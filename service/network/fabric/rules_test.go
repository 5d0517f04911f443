package fabric

import (
	"errors"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestRulesThatCannotBe(t *testing.T) {
	n := func(i int) *int { return &i }
	good := Rule{Direction: Ingress, EtherType: IPv4, Protocol: "tcp", PortMin: n(1), PortMax: n(2), AnyRemote: true}
	if _, err := good.Compile(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Rule){
		"direction":             func(r *Rule) { r.Direction = "sideways" },
		"ether type":            func(r *Rule) { r.EtherType = "IPX" },
		"protocol":              func(r *Rule) { r.Protocol = "tcp; flush ruleset" },
		"protocol number":       func(r *Rule) { r.Protocol = "256" },
		"ports of VRRP":         func(r *Rule) { r.Protocol = "112" },
		"ports of anything":     func(r *Rule) { r.Protocol = "" },
		"ports upside down":     func(r *Rule) { r.PortMin = n(3) },
		"port too high":         func(r *Rule) { r.PortMax = n(65536) },
		"port without lowest":   func(r *Rule) { r.PortMin = nil },
		"ICMP type too high":    func(r *Rule) { r.Protocol = "icmp"; r.PortMin = n(256) },
		"ICMP code alone":       func(r *Rule) { r.Protocol = "icmp"; r.PortMin = nil },
		"ICMPv6 in IPv4":        func(r *Rule) { r.Protocol = "ipv6-icmp"; r.PortMin, r.PortMax = nil, nil },
		"empty range as remote": func(r *Rule) { r.AnyRemote = false; r.Remotes = []netip.Prefix{{}} },
		"set and anyone":        func(r *Rule) { r.RemoteSet = "members" },
		"set and ranges": func(r *Rule) {
			r.AnyRemote, r.RemoteSet, r.Remotes = false, "members", []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
		},
		"no name of a set": func(r *Rule) { r.AnyRemote, r.RemoteSet = false, "} accept" },
	} {
		rule := good
		spoil(&rule)
		if _, err := rule.Compile(); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s gives %v, want ErrInvalid", name, err)
		}
	}
}

func TestPermitsNobodyByDefault(t *testing.T) {
	compiled, err := Rule{Direction: Ingress, EtherType: IPv4}.Compile()
	if err != nil {
		t.Fatal(err)
	}
	flow := Flow{Source: netip.MustParseAddr("10.0.0.1"), Destination: netip.MustParseAddr("10.0.0.2"), Protocol: ProtoTCP}
	if Permits([]CompiledRule{compiled}, nil, Ingress, flow) {
		t.Error("a rule without remote permits somebody")
	}
	compiled.AnyRemote = true
	if !Permits([]CompiledRule{compiled}, nil, Ingress, flow) || Permits([]CompiledRule{compiled}, nil, Egress, flow) {
		t.Error("a rule for anybody does not permit, or in the wrong direction")
	}
}

func TestSetPermitsItsMembersOnly(t *testing.T) {
	compiled, err := Rule{Direction: Ingress, EtherType: IPv4, RemoteSet: "members"}.Compile()
	if err != nil {
		t.Fatal(err)
	}
	set := AddressSet{ID: "members", Prefixes: []netip.Prefix{
		netip.MustParsePrefix("fd00::1/128"), netip.MustParsePrefix("10.0.0.7/32"), netip.MustParsePrefix("10.0.0.16/30"), netip.MustParsePrefix("10.0.0.17/32"),
	}}
	sets := map[string][]netip.Prefix{set.ID: set.Members(), "other": {netip.MustParsePrefix("0.0.0.0/0")}}
	for address, want := range map[string]bool{
		"10.0.0.7": true, "10.0.0.16": true, "10.0.0.19": true,
		"10.0.0.6": false, "10.0.0.8": false, "10.0.0.20": false, "0.0.0.0": false, "255.255.255.255": false,
		"fd00::1": false, // of the other family than the rule
	} {
		flow := Flow{Source: netip.MustParseAddr(address), Destination: netip.MustParseAddr("10.0.0.2"), Protocol: ProtoTCP}
		if got := Permits([]CompiledRule{compiled}, sets, Ingress, flow); got != want {
			t.Errorf("%s is permitted: %v, want %v", address, got, want)
		}
		if Permits([]CompiledRule{compiled}, nil, Ingress, flow) {
			t.Errorf("%s is permitted by a set that is not there", address)
		}
	}
}

func TestSetsThatCannotBe(t *testing.T) {
	for name, set := range map[string]AddressSet{
		"path as id":        {ID: "../../etc"},
		"empty range":       {ID: "members", Prefixes: []netip.Prefix{{}}},
		"IPv4 in IPv6 form": {ID: "members", Prefixes: []netip.Prefix{netip.MustParsePrefix("::ffff:10.0.0.0/104")}},
	} {
		if err := set.Validate(); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s gives %v, want ErrInvalid", name, err)
		}
	}
}

// Dropping contained ranges changes nothing about which addresses are in, and no two ranges overlap.
func TestDisjointKeepsMembership(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var prefixes []netip.Prefix
		for range rapid.IntRange(0, 12).Draw(t, "count") {
			address := netip.AddrFrom4([4]byte{10, 0, byte(rapid.IntRange(0, 3).Draw(t, "c")), byte(rapid.IntRange(0, 255).Draw(t, "d"))})
			prefixes = append(prefixes, netip.PrefixFrom(address, rapid.IntRange(20, 32).Draw(t, "bits")))
		}
		out := Disjoint(prefixes)
		in := func(set []netip.Prefix, address netip.Addr) bool {
			return slices.ContainsFunc(set, func(p netip.Prefix) bool { return p.Contains(address) })
		}
		probe := netip.AddrFrom4([4]byte{10, 0, byte(rapid.IntRange(0, 3).Draw(t, "pc")), byte(rapid.IntRange(0, 255).Draw(t, "pd"))})
		if in(prefixes, probe) != in(out, probe) || in(prefixes, probe) != contains(out, probe) {
			t.Fatalf("%s is in %v: %v, in %v: %v, found there: %v", probe, prefixes, in(prefixes, probe), out, in(out, probe), contains(out, probe))
		}
		for i, a := range out {
			for _, b := range out[i+1:] {
				if a.Overlaps(b) {
					t.Fatalf("%s overlaps %s", a, b)
				}
			}
		}
	})
}
