package http

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Resolver finds the addresses of a host name; *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// neverPublic are the ranges of IANA's special-purpose registries that netip's own predicates do not cover, and the
// IPv6 ranges that carry an IPv4 address to be reached through a translator or tunnel.
func neverPublic() []netip.Prefix {
	texts := []string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
		"198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
		"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
	}
	prefixes := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		prefixes[i] = netip.MustParsePrefix(text)
	}
	return prefixes
}

// public tells whether the address belongs to a machine of the public Internet.
func public(ip netip.Addr) bool {
	switch {
	case !ip.IsGlobalUnicast(), ip.IsPrivate(), ip.IsLoopback(), ip.IsMulticast(), ip.IsUnspecified(), ip.IsLinkLocalUnicast():
		return false
	// Of IPv6 only 2000::/3 is handed out; NAT64, mapped and compatible forms of IPv4 lie outside it.
	case ip.Is6() && !netip.MustParsePrefix("2000::/3").Contains(ip):
		return false
	}
	return !slices.ContainsFunc(neverPublic(), func(p netip.Prefix) bool { return p.Contains(ip) })
}

// guard decides which URLs and addresses may be reached.
type guard struct {
	schemes  []string
	ports    []uint16
	allowed  []netip.Prefix
	own      func() ([]netip.Addr, error)
	resolver Resolver
	dial     func(ctx context.Context, network, address string) (net.Conn, error)
}

// checkURL looks at what can be judged without a name server.
func (g *guard) checkURL(u *url.URL) error {
	if !slices.Contains(g.schemes, u.Scheme) {
		return fmt.Errorf("scheme %q is not allowed", u.Scheme)
	}
	if u.User != nil {
		return errors.New("the URL holds credentials")
	}
	if u.Opaque != "" || u.Hostname() == "" {
		return errors.New("the URL names no host")
	}
	if _, err := g.port(u.Scheme, u.Port()); err != nil {
		return err
	}
	return checkHost(u.Hostname())
}

func (g *guard) port(scheme, text string) (uint16, error) {
	if text == "" {
		text = map[string]string{"http": "80", "https": "443"}[scheme]
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || !slices.Contains(g.ports, uint16(n)) {
		return 0, fmt.Errorf("port %q is not allowed", text)
	}
	return uint16(n), nil
}

// checkHost refuses the forms of IPv4 addresses that some resolvers take for one (2130706433, 0x7f.1, 0177.0.0.1) and
// others for a name: a host that ends in a number must be written as four plain decimal ones.
func checkHost(host string) error {
	if strings.ContainsAny(host, "%") {
		return errors.New("the host has a zone or an escape")
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return nil
	}
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	last := strings.ToLower(labels[len(labels)-1])
	if last == "" || last[0] >= '0' && last[0] <= '9' {
		return fmt.Errorf("host %q is neither a name nor an address in plain form", host)
	}
	return nil
}

// dialContext connects to an address that was checked, and to no other: the name is not looked up a second time.
func (g *guard) dialContext(ctx context.Context, network, address string) (net.Conn, error) {
	host, portText, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if _, err := g.port("", portText); err != nil {
		return nil, err
	}
	if err := checkHost(host); err != nil {
		return nil, err
	}
	ips, err := g.addresses(ctx, host)
	if err != nil {
		return nil, err
	}
	var failures []error
	for _, ip := range ips {
		conn, err := g.dial(ctx, "tcp", net.JoinHostPort(ip.String(), portText))
		if err == nil {
			return conn, nil
		}
		failures = append(failures, err)
	}
	return nil, errors.Join(failures...)
}

// addresses returns the addresses of the host that may be reached, at least one.
func (g *guard) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	found := []netip.Addr{}
	if ip, err := netip.ParseAddr(host); err == nil {
		found = append(found, ip)
	} else if found, err = g.resolver.LookupNetIP(ctx, "ip", host); err != nil {
		return nil, err
	}
	own, err := g.own()
	if err != nil {
		return nil, fmt.Errorf("list own addresses: %w", err)
	}
	var good []netip.Addr
	for _, ip := range found {
		if ip = ip.Unmap(); g.reachable(ip, own) {
			good = append(good, ip)
		}
	}
	if len(good) == 0 {
		return nil, fmt.Errorf("no address of %s may be reached, of %v", host, found)
	}
	return good, nil
}

func (g *guard) reachable(ip netip.Addr, own []netip.Addr) bool {
	if ip.Zone() != "" {
		return false
	}
	if slices.ContainsFunc(g.allowed, func(p netip.Prefix) bool { return p.Contains(ip) }) {
		return true
	}
	return public(ip) && !slices.Contains(own, ip)
}

// interfaceAddresses lists the addresses of this machine now.
func interfaceAddresses() ([]netip.Addr, error) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	var ips []netip.Addr
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			ips = append(ips, p.Addr().Unmap())
		}
	}
	return ips, nil
}
