package linux

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"virga/service/network/fabric"
)

// routeProtocol marks the routes that Virga makes in a router's namespace (any number above 4 that no daemon uses).
const routeProtocol = 86

// routerLeg is one interface of a router together with the veth that carries it.
type routerLeg struct {
	face    fabric.RouterInterface
	gateway bool
	pair    vethPair
}

// EnsureRouter implements fabric.Driver.
func (d *Driver) EnsureRouter(ctx context.Context, router fabric.Router) error {
	if err := router.Validate(); err != nil {
		return err
	}
	err := d.onHost(ctx, func() error {
		legs, err := routerLegs(router)
		if err != nil {
			return err
		}
		namespace, _, err := d.ensureNamespace(routerNamespace(router.ID))
		if err != nil {
			return err
		}
		defer unix.Close(namespace)
		// Translation first: an interface that is up before it would let addresses out untranslated.
		if err := inNamespace(namespace, func() error { return d.ensureRouting(ctx, router) }); err != nil {
			return err
		}
		if err := removeStaleLegs(router.ID, legs); err != nil {
			return err
		}
		for i := range legs {
			legs[i].pair.namespace = namespace
			if err := legs[i].pair.ensure(); err != nil {
				return err
			}
		}
		return inNamespace(namespace, func() error { return tuneRouter(router, legs) })
	})
	if err != nil {
		return fmt.Errorf("ensure router %s: %w", router.ID, err)
	}
	return nil
}

// routerLegs finds the bridge of every interface.
func routerLegs(router fabric.Router) ([]routerLeg, error) {
	var legs []routerLeg
	for _, face := range router.Interfaces {
		legs = append(legs, routerLeg{face: face})
	}
	if router.Gateway != nil {
		legs = append(legs, routerLeg{face: router.Gateway.RouterInterface, gateway: true})
	}
	for i, leg := range legs {
		bridge, err := ownLink(bridgeName(leg.face.NetworkID), ownership{kind: "network", id: leg.face.NetworkID})
		if err != nil {
			return nil, err
		}
		if bridge == nil {
			return nil, fmt.Errorf("network %s: %w", leg.face.NetworkID, fabric.ErrNetworkMissing)
		}
		mac, err := fabric.ParseMAC(leg.face.MAC)
		if err != nil {
			return nil, err
		}
		mtu := leg.face.MTU
		if mtu == 0 {
			mtu = bridge.Attrs().MTU
		}
		short := fabric.Short(leg.face.PortID)
		legs[i].pair = vethPair{
			outside: prefixRouter + short, inside: prefixInside + short, mac: mac, mtu: mtu, bridge: bridge,
			owner: ownership{kind: "router", id: router.ID, extra: leg.face.PortID},
		}
	}
	return legs, nil
}

// removeStaleLegs deletes the router's interfaces that it has no more.
func removeStaleLegs(routerID string, legs []routerLeg) error {
	links, err := ownedLinks()
	if err != nil {
		return err
	}
	for _, link := range links {
		wanted := slices.ContainsFunc(legs, func(leg routerLeg) bool { return leg.pair.outside == link.Attrs().Name })
		if link.owner.kind == "router" && link.owner.id == routerID && !wanted {
			if err := deleteLink(link); err != nil {
				return err
			}
		}
	}
	return nil
}

// ensureRouting settles forwarding and address translation of the current, a router's, namespace.
func (d *Driver) ensureRouting(ctx context.Context, router fabric.Router) error {
	if err := d.applyRouterRules(ctx, router); err != nil {
		return err
	}
	return setSysctls(map[string]string{
		"ipv4/ip_forward":              "1",
		"ipv4/conf/all/rp_filter":      "2", // loose: extra routes may be asymmetric
		"ipv4/conf/all/arp_ignore":     "1", // an address is answered for on its own network only
		"ipv4/conf/all/arp_announce":   "2",
		"ipv6/conf/all/forwarding":     "1",
		"ipv6/conf/default/forwarding": "1",
	})
}

// applyRouterRules loads the router's ruleset unless it is in force, and then cuts the translations that it no longer contains. The
// text in force is remembered with the ruleset's generation of that namespace.
func (d *Driver) applyRouterRules(ctx context.Context, router fabric.Router) error {
	generation, err := rulesetGeneration()
	if err != nil {
		return err
	}
	text := renderRouter(router)
	inForce := fmt.Sprintf("%d\n%s", generation, text)
	object := "router " + router.ID
	if d.routers[object] == inForce {
		return nil
	}
	if err := d.nft(ctx, text); err != nil {
		return err
	}
	if err := cutFlows(0, func(flow *netlink.ConntrackFlow) bool { return staleTranslation(router, flow) }); err != nil {
		return err
	}
	if generation, err = rulesetGeneration(); err != nil {
		return err
	}
	d.routers[object] = fmt.Sprintf("%d\n%s", generation, text)
	return nil
}

// staleTranslation tells whether a connection's addresses are translated in a way that the router's desired state does not contain.
func staleTranslation(router fabric.Router, flow *netlink.ConntrackFlow) bool {
	source, destination := toAddr(flow.Forward.SrcIP), toAddr(flow.Forward.DstIP)
	answering, answered := toAddr(flow.Reverse.SrcIP), toAddr(flow.Reverse.DstIP)
	if !destination.Is4() {
		return false
	}
	if router.Gateway == nil || !router.AdminUp {
		return destination != answering || source != answered
	}
	maps := func(floating, fixed netip.Addr) bool {
		return slices.ContainsFunc(router.FloatingIPs, func(f fabric.FloatingIP) bool { return f.Floating == floating && f.Fixed == fixed })
	}
	if destination != answering && !maps(destination, answering) {
		return true
	}
	if source == answered || maps(answered, source) {
		return false
	}
	own, ok := gatewayAddress(router)
	hairpin := destination != answering
	return !ok || answered != own || !router.Gateway.SNAT && !hairpin
}

// tuneRouter brings the interfaces' addresses and the routes of the current, a router's, namespace to what they should be.
func tuneRouter(router fabric.Router, legs []routerLeg) error {
	var failures []error
	for _, leg := range legs {
		addresses := slices.Clone(leg.face.Addresses)
		if leg.gateway {
			for _, fip := range router.FloatingIPs {
				addresses = append(addresses, netip.PrefixFrom(fip.Floating, 32))
			}
		}
		added, err := leg.pair.tuneInside(addresses)
		failures = append(failures, err)
		if err == nil {
			failures = append(failures, announce(leg.pair.inside, added))
		}
	}
	return errors.Join(append(failures, syncRoutes(router))...)
}

// wantedRoutes lists the default routes and the extra routes; a default route's next hop need not lie within the gateway's own range.
func wantedRoutes(router fabric.Router) ([]netlink.Route, error) {
	var routes []netlink.Route
	if router.Gateway != nil {
		link, err := netlink.LinkByName(prefixInside + fabric.Short(router.Gateway.PortID))
		if err != nil {
			return nil, fmt.Errorf("find gateway of router %s: %w", router.ID, err)
		}
		for _, hop := range router.Gateway.NextHops {
			whole := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
			if hop.Is6() {
				whole = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
			}
			routes = append(routes, netlink.Route{
				LinkIndex: link.Attrs().Index, Dst: toIPNet(whole), Gw: hop.AsSlice(), Protocol: routeProtocol, Flags: int(netlink.FLAG_ONLINK),
			})
		}
	}
	for _, route := range router.Routes {
		routes = append(routes, netlink.Route{Dst: toIPNet(route.Destination.Masked()), Gw: route.NextHop.AsSlice(), Protocol: routeProtocol})
	}
	return routes, nil
}

// syncRoutes makes Virga's routes of the current namespace equal to the wanted ones; a route that cannot be made does not stop the others.
func syncRoutes(router fabric.Router) error {
	wanted, err := wantedRoutes(router)
	if err != nil {
		return err
	}
	var failures []error
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		present, err := netlink.RouteListFiltered(family, &netlink.Route{Protocol: routeProtocol}, netlink.RT_FILTER_PROTOCOL)
		if err != nil {
			return fmt.Errorf("list routes of router %s: %w", router.ID, err)
		}
		for _, route := range present {
			if !slices.ContainsFunc(wanted, func(w netlink.Route) bool { return sameRoute(w, route) }) {
				if err := netlink.RouteDel(&route); err != nil && !errors.Is(err, unix.ESRCH) {
					failures = append(failures, fmt.Errorf("delete route %s: %w", route, err))
				}
			}
		}
		for _, route := range wanted {
			if family == netlink.FAMILY_V4 != (route.Gw.To4() != nil) || slices.ContainsFunc(present, func(p netlink.Route) bool { return sameRoute(route, p) }) {
				continue
			}
			if err := netlink.RouteReplace(&route); err != nil {
				failures = append(failures, fmt.Errorf("add route to %s via %s: %w", route.Dst, route.Gw, err))
			}
		}
	}
	return errors.Join(failures...)
}

func sameRoute(a, b netlink.Route) bool {
	return destination(a) == destination(b) && a.Gw.Equal(b.Gw) && (a.LinkIndex == 0 || b.LinkIndex == 0 || a.LinkIndex == b.LinkIndex)
}

func destination(route netlink.Route) string {
	if route.Dst == nil {
		return (&net.IPNet{IP: make(net.IP, len(route.Gw)), Mask: make(net.IPMask, len(route.Gw))}).String()
	}
	return route.Dst.String()
}

// RemoveRouter implements fabric.Driver. The namespace takes its connections, addresses and rules along.
func (d *Driver) RemoveRouter(ctx context.Context, routerID string) error {
	if err := fabric.CheckID(routerID); err != nil {
		return err
	}
	err := d.onHost(ctx, func() error {
		delete(d.routers, "router "+routerID)
		if err := d.flushRouter(routerID); err != nil {
			return err
		}
		return errors.Join(removeStaleLegs(routerID, nil), d.removeNamespace(routerNamespace(routerID)))
	})
	if err != nil {
		return fmt.Errorf("remove router %s: %w", routerID, err)
	}
	return nil
}

// flushRouter stops forwarding at once: the kernel takes a namespace down some time after its name is gone.
func (d *Driver) flushRouter(routerID string) error {
	fd, err := openNamespace(filepath.Join(d.config.NamespaceDir, routerNamespace(routerID)))
	if err != nil {
		return nil // already gone
	}
	defer unix.Close(fd)
	return inNamespace(fd, func() error {
		return setSysctls(map[string]string{"ipv4/ip_forward": "0", "ipv6/conf/all/forwarding": "0"})
	})
}
