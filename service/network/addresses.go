package network

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// pool is a range of addresses that are given out; both ends belong to it.
type pool struct {
	Start netip.Addr `json:"start"`
	End   netip.Addr `json:"end"`
}

func (p pool) contains(a netip.Addr) bool { return a.Compare(p.Start) >= 0 && a.Compare(p.End) <= 0 }

func (p pool) overlaps(q pool) bool {
	return p.Start.Compare(q.End) <= 0 && q.Start.Compare(p.End) <= 0
}

// addressKey is a form of addresses that sorts as text: 32 hexadecimal digits.
func addressKey(a netip.Addr) string {
	bytes := a.As16()
	return hex.EncodeToString(bytes[:])
}

// fromKey undoes addressKey.
func fromKey(key string) (netip.Addr, error) {
	bytes, err := hex.DecodeString(key)
	if err != nil || len(bytes) != 16 {
		return netip.Addr{}, fmt.Errorf("read address key %q", key)
	}
	return netip.AddrFrom16([16]byte(bytes)).Unmap(), nil
}

// lastOf is the greatest address of a prefix.
func lastOf(p netip.Prefix) netip.Addr {
	bytes := p.Masked().Addr().AsSlice()
	for bit := p.Bits(); bit < len(bytes)*8; bit++ {
		bytes[bit/8] |= 0x80 >> (bit % 8)
	}
	last, _ := netip.AddrFromSlice(bytes)
	return last
}

// hostRange are the addresses of a prefix that an interface can have: without IPv4's
// network and broadcast addresses (but for /31 and /32, RFC 3021) and without IPv6's
// subnet-router address.
func hostRange(p netip.Prefix) pool {
	all := pool{p.Masked().Addr(), lastOf(p)}
	size := p.Addr().BitLen() - p.Bits()
	if size >= 2 {
		all.Start = all.Start.Next()
		if p.Addr().Is4() {
			all.End = all.End.Prev()
		}
	}
	return all
}

// defaultPools are all host addresses of a prefix but the gateway.
func defaultPools(p netip.Prefix, gateway netip.Addr) []pool {
	whole := hostRange(p)
	if !gateway.IsValid() || !whole.contains(gateway) {
		return []pool{whole}
	}
	var pools []pool
	if gateway.Compare(whole.Start) > 0 {
		pools = append(pools, pool{whole.Start, gateway.Prev()})
	}
	if gateway.Compare(whole.End) < 0 {
		pools = append(pools, pool{gateway.Next(), whole.End})
	}
	return pools
}

// checkPools tells why pools cannot be those of a subnet.
func checkPools(pools []pool, cidr netip.Prefix, gateway netip.Addr) error {
	whole := hostRange(cidr)
	for _, p := range pools {
		switch {
		case p.Start.Is4() != cidr.Addr().Is4() || p.End.Is4() != cidr.Addr().Is4() || p.Start.Compare(p.End) > 0:
			return refuse("InvalidAllocationPool", "The allocation pool %s-%s is not valid.", p.Start, p.End)
		case !whole.contains(p.Start) || !whole.contains(p.End):
			return refuse("OutOfBoundsAllocationPool", "The allocation pool %s-%s spans beyond the subnet cidr %s.", p.Start, p.End, cidr)
		case gateway.IsValid() && p.contains(gateway):
			return conflict("GatewayConflictWithAllocationPools", "Gateway ip %s conflicts with allocation pool %s-%s.", gateway, p.Start, p.End)
		}
	}
	for i, p := range pools {
		for _, q := range pools[i+1:] {
			if p.overlaps(q) {
				return conflict("OverlappingAllocationPools", "Found overlapping allocation pools: %s-%s %s-%s for subnet %s.",
					p.Start, p.End, q.Start, q.End, cidr)
			}
		}
	}
	return nil
}

// sortedPools are pools in the order of their addresses.
func sortedPools(pools []pool) []pool {
	sorted := slices.Clone(pools)
	slices.SortFunc(sorted, func(a, b pool) int { return a.Start.Compare(b.Start) })
	return sorted
}

// parseCIDR reads a prefix and takes the host bits off it.
func parseCIDR(text string) (netip.Prefix, error) {
	p, err := parsePrefix(text)
	return p.Masked(), err
}

// parsePrefix reads a prefix with the host bits that it may have.
func parsePrefix(text string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	if err != nil || p.Addr().Zone() != "" || p.Addr().Is4In6() {
		return netip.Prefix{}, fmt.Errorf("'%.60s' is not a valid IP subnet", text)
	}
	return p, nil
}

// parseAddress reads an address without zone.
func parseAddress(text string) (netip.Addr, error) {
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" || a.Is4In6() {
		return netip.Addr{}, fmt.Errorf("'%.60s' is not a valid IP address", text)
	}
	return a, nil
}

// parseMAC reads an Ethernet address of one station and gives its usual form.
func parseMAC(text string) (string, error) {
	mac, err := net.ParseMAC(text)
	if err != nil || len(mac) != 6 || mac[0]&1 != 0 || mac.String() == "00:00:00:00:00:00" {
		return "", fmt.Errorf("'%.40s' is not a valid MAC address", text)
	}
	return mac.String(), nil
}

// mintMAC derives an Ethernet address in the range that OpenStack's generators use from
// random text.
func mintMAC(seed string) string {
	sum := sha256.Sum256([]byte(seed))
	return fmt.Sprintf("fa:16:3e:%02x:%02x:%02x", sum[0], sum[1], sum[2])
}

// slaacAddress is the address that a station forms by itself on a /64 (RFC 4291, appendix A).
func slaacAddress(p netip.Prefix, mac string) (netip.Addr, error) {
	hw, err := net.ParseMAC(mac)
	if err != nil || len(hw) != 6 {
		return netip.Addr{}, fmt.Errorf("form address of %q on %s", mac, p)
	}
	bytes := p.Masked().Addr().As16()
	copy(bytes[8:], []byte{hw[0] ^ 2, hw[1], hw[2], 0xff, 0xfe, hw[3], hw[4], hw[5]})
	return netip.AddrFrom16(bytes), nil
}

// withBits puts an address and the length of its subnet's prefix together.
func withBits(a netip.Addr, subnet netip.Prefix) netip.Prefix {
	return netip.PrefixFrom(a, subnet.Bits())
}

// dnsLabel makes a host name of an address, as Neutron's host-10-0-0-5.
func dnsLabel(a netip.Addr) string {
	return "host-" + strings.NewReplacer(".", "-", ":", "-").Replace(a.String())
}
