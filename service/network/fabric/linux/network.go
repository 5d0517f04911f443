package linux

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"virga/service/network/fabric"
)

// firstZone is where the conntrack zones of tenant networks start; lower ones are left to other software.
const firstZone = 4096

// EnsureNetwork implements fabric.Driver.
func (d *Driver) EnsureNetwork(ctx context.Context, network fabric.Network) error {
	if err := network.Validate(); err != nil {
		return err
	}
	err := d.onHost(ctx, func() error {
		if err := loadBridgeFilter(ctx); err != nil {
			return err
		}
		bridge, zone, err := d.ensureBridge(network)
		if err != nil {
			return err
		}
		// The filter comes before anything is plugged: from the first frame on the host is out of reach.
		if err := d.applyNetworkFilter(ctx, network, bridge.Attrs().Name, zone); err != nil {
			return err
		}
		if err := ensureHostAddress(bridge, network); err != nil {
			return err
		}
		if err := setUp(bridge, true); err != nil {
			return err
		}
		if err := d.ensureUplink(network, bridge); err != nil {
			return err
		}
		return d.ensureDHCPPort(network, bridge)
	})
	if err != nil {
		return fmt.Errorf("ensure network %s: %w", network.ID, err)
	}
	return nil
}

// ensureBridge makes the bridge, still down, and settles the network's conntrack zone.
func (d *Driver) ensureBridge(network fabric.Network) (netlink.Link, uint16, error) {
	name := bridgeName(network.ID)
	owner := ownership{kind: "network", id: network.ID}
	bridge, err := ownLink(name, owner)
	if err != nil {
		return nil, 0, err
	}
	zone, err := zoneFor(network, bridge)
	if err != nil {
		return nil, 0, err
	}
	owner.extra = strconv.Itoa(int(zone))
	if bridge == nil {
		bridge, err = addLink(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: name, HardwareAddr: bridgeMAC(network.ID), TxQLen: 1000}}, owner)
	} else if bridge.Attrs().Alias != owner.alias() {
		err = netlink.LinkSetAlias(bridge, owner.alias())
	}
	if err != nil {
		return nil, 0, err
	}
	arp := "8" // a bridge without address must not answer for the host's other addresses
	if network.HostAddress.IsValid() {
		arp = "1"
	}
	err = setSysctls(map[string]string{
		"ipv6/conf/" + name + "/disable_ipv6":        "1",
		"ipv4/conf/" + name + "/arp_ignore":          arp,
		"ipv4/conf/" + name + "/promote_secondaries": "1",
	})
	if err != nil {
		return nil, 0, err
	}
	if bridge.Attrs().MTU != network.MTU {
		if err := netlink.LinkSetMTU(bridge, network.MTU); err != nil {
			return nil, 0, fmt.Errorf("set MTU %d of bridge %s: %w", network.MTU, name, err)
		}
	}
	return bridge, zone, setBridgeFilter(bridge, true)
}

// zoneFor keeps the zone that a bridge has, or gives the lowest free one. Networks that share the host's addresses use its zone 0.
func zoneFor(network fabric.Network, bridge netlink.Link) (uint16, error) {
	if network.HostAddress.IsValid() || network.Kind == fabric.KindFlat {
		return 0, nil
	}
	if bridge != nil {
		if owner, _ := parseAlias(bridge.Attrs().Alias); owner.zone() >= firstZone {
			return owner.zone(), nil
		}
	}
	links, err := ownedLinks()
	if err != nil {
		return 0, err
	}
	used := map[uint16]bool{}
	for _, link := range links {
		if link.owner.kind == "network" {
			used[link.owner.zone()] = true
		}
	}
	for zone := firstZone; zone <= 65535; zone++ {
		if !used[uint16(zone)] {
			return uint16(zone), nil
		}
	}
	return 0, errors.New("find a free conntrack zone: all are in use")
}

func ensureHostAddress(bridge netlink.Link, network fabric.Network) error {
	var addresses []netip.Prefix
	if network.HostAddress.IsValid() {
		addresses = append(addresses, network.HostAddress)
	}
	if _, err := syncAddresses(bridge, addresses); err != nil {
		return err
	}
	if network.HostNAT {
		return setSysctls(map[string]string{"ipv4/ip_forward": "1"})
	}
	return nil
}

// ensureUplink joins the network to other hosts, in the way of its kind.
func (d *Driver) ensureUplink(network fabric.Network, bridge netlink.Link) error {
	switch network.Kind {
	case fabric.KindVXLAN:
		return d.ensureTunnel(network, bridge)
	case fabric.KindFlat:
		device, ok := d.config.PhysicalDevices[network.PhysicalNetwork]
		if !ok {
			return nil
		}
		return plugPhysical(device, bridge)
	case fabric.KindVLAN:
		return d.ensureVLAN(network, bridge)
	}
	return nil
}

// plugPhysical puts a network card into the bridge. A card with addresses carries the host's own traffic, which would stop.
func plugPhysical(device string, bridge netlink.Link) error {
	link, err := findLink(device)
	if err != nil {
		return err
	}
	if link == nil {
		return fmt.Errorf("plug device %s: %w: there is no such device", device, fabric.ErrUnsupported)
	}
	if link.Attrs().MasterIndex == bridge.Attrs().Index {
		return setUp(link, true)
	}
	if link.Attrs().MasterIndex != 0 {
		return fmt.Errorf("plug device %s into %s: %w", device, bridge.Attrs().Name, fabric.ErrForeign)
	}
	addresses, err := netlink.AddrList(link, netlink.FAMILY_V4)
	if err != nil {
		return fmt.Errorf("list addresses of device %s: %w", device, err)
	}
	if len(addresses) > 0 {
		return fmt.Errorf("plug device %s into %s: %w: it carries the host's address %s", device, bridge.Attrs().Name, fabric.ErrUnsupported, addresses[0].IPNet)
	}
	return tuneLink(link, 0, bridge, true)
}

func (d *Driver) ensureVLAN(network fabric.Network, bridge netlink.Link) error {
	device, ok := d.config.PhysicalDevices[network.PhysicalNetwork]
	if !ok {
		return fmt.Errorf("%w: no device is configured for physical network %q", fabric.ErrUnsupported, network.PhysicalNetwork)
	}
	parent, err := findLink(device)
	if err != nil {
		return err
	}
	if parent == nil {
		return fmt.Errorf("%w: there is no device %s", fabric.ErrUnsupported, device)
	}
	name, owner := prefixVLAN+fabric.Short(network.ID), ownership{kind: "uplink", id: network.ID}
	link, err := ownLink(name, owner)
	if err != nil {
		return err
	}
	if vlan, ok := link.(*netlink.Vlan); ok && (vlan.VlanId != int(network.SegmentID) || vlan.ParentIndex != parent.Attrs().Index) {
		if err := deleteLink(link); err != nil {
			return err
		}
		link = nil
	}
	if link == nil {
		attrs := netlink.LinkAttrs{Name: name, ParentIndex: parent.Attrs().Index, TxQLen: 1000}
		if link, err = addLink(&netlink.Vlan{LinkAttrs: attrs, VlanId: int(network.SegmentID)}, owner); err != nil {
			return err
		}
	}
	return tuneLink(link, network.MTU, bridge, true)
}

// ensureTunnel makes the VXLAN device and its list of hosts to flood to. Without a local tunnel address the network stays on this host.
func (d *Driver) ensureTunnel(network fabric.Network, bridge netlink.Link) error {
	name, owner := prefixVXLAN+fabric.Short(network.ID), ownership{kind: "uplink", id: network.ID}
	if !network.LocalVTEP.IsValid() {
		return removeOwned(name, owner)
	}
	link, err := ownLink(name, owner)
	if err != nil {
		return err
	}
	if tunnel, ok := link.(*netlink.Vxlan); ok && !d.sameTunnel(tunnel, network) {
		if err := deleteLink(link); err != nil {
			return err
		}
		link = nil
	}
	if link == nil {
		link, err = addLink(&netlink.Vxlan{
			LinkAttrs: netlink.LinkAttrs{Name: name, MTU: network.MTU, TxQLen: 1000}, VxlanId: int(network.SegmentID),
			SrcAddr: network.LocalVTEP.AsSlice(), Port: d.config.VXLANPort, Learning: true, UDP6ZeroCSumRx: true,
		}, owner)
		if err != nil {
			return err
		}
	}
	if err := syncPeers(link, network.Peers); err != nil {
		return err
	}
	return tuneLink(link, network.MTU, bridge, true)
}

func (d *Driver) sameTunnel(tunnel *netlink.Vxlan, network fabric.Network) bool {
	return tunnel.VxlanId == int(network.SegmentID) && tunnel.Port == d.config.VXLANPort && tunnel.SrcAddr.Equal(network.LocalVTEP.AsSlice())
}

// syncPeers makes the tunnel's flood list (the entries of the zero MAC) equal to the peers. Unicast destinations are learned, and
// forgotten with the peer that they were learned of: a port that left it for another host is found there by the next flood.
func syncPeers(tunnel netlink.Link, peers []netip.Addr) error {
	index := tunnel.Attrs().Index
	entries, err := netlink.NeighList(index, unix.AF_BRIDGE)
	if err != nil {
		return fmt.Errorf("list peers of tunnel %s: %w", tunnel.Attrs().Name, err)
	}
	flood := net.HardwareAddr{0, 0, 0, 0, 0, 0}
	var have []netip.Addr
	for _, entry := range entries {
		peer, ok := netip.AddrFromSlice(entry.IP)
		if !ok {
			continue
		}
		if peer = peer.Unmap(); slices.Contains(peers, peer) {
			if entry.HardwareAddr.String() == flood.String() {
				have = append(have, peer)
			}
			continue
		}
		if err := netlink.NeighDel(&entry); err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("delete peer %s of tunnel %s: %w", peer, tunnel.Attrs().Name, err)
		}
	}
	for _, peer := range peers {
		if slices.Contains(have, peer) {
			continue
		}
		err := netlink.NeighAppend(&netlink.Neigh{
			LinkIndex: index, Family: unix.AF_BRIDGE, Flags: netlink.NTF_SELF, State: netlink.NUD_PERMANENT | netlink.NUD_NOARP,
			HardwareAddr: flood, IP: peer.AsSlice(),
		})
		if err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("add peer %s to tunnel %s: %w", peer, tunnel.Attrs().Name, err)
		}
		have = append(have, peer)
	}
	return nil
}

// ensureDHCPPort makes the namespace in which the responder listens and its place on the bridge.
func (d *Driver) ensureDHCPPort(network fabric.Network, bridge netlink.Link) error {
	outside := prefixDHCP + fabric.Short(network.ID)
	owner := ownership{kind: "dhcp", id: network.ID}
	if network.DHCPPort == nil {
		d.closeSockets(network.ID)
		if err := removeOwned(outside, owner); err != nil {
			return err
		}
		return d.removeNamespace(networkNamespace(network.ID))
	}
	namespace, made, err := d.ensureNamespace(networkNamespace(network.ID))
	if err != nil {
		return err
	}
	defer unix.Close(namespace)
	if made {
		d.closeSockets(network.ID) // they belong to a namespace that nobody can reach any more
	}
	mac, err := fabric.ParseMAC(network.DHCPPort.MAC)
	if err != nil {
		return err
	}
	pair := vethPair{outside: outside, inside: dhcpInside, owner: owner, mac: mac, mtu: network.MTU, bridge: bridge, namespace: namespace}
	if err := pair.ensure(); err != nil {
		return err
	}
	addresses := append(slices.Clone(network.DHCPPort.Addresses), netip.PrefixFrom(fabric.MetadataAddress(), 32))
	return inNamespace(namespace, func() error {
		// Some DHCP clients drop datagrams whose checksum is left to hardware that does not exist.
		if err := disableChecksumOffload(dhcpInside); err != nil {
			return err
		}
		added, err := pair.tuneInside(addresses)
		return errors.Join(err, announce(dhcpInside, added))
	})
}

// RemoveNetwork implements fabric.Driver.
func (d *Driver) RemoveNetwork(ctx context.Context, networkID string) error {
	if err := fabric.CheckID(networkID); err != nil {
		return err
	}
	err := d.onHost(ctx, func() error {
		d.closeSockets(networkID)
		short := fabric.Short(networkID)
		err := errors.Join(
			removeOwned(prefixDHCP+short, ownership{kind: "dhcp", id: networkID}),
			removeOwned(prefixVXLAN+short, ownership{kind: "uplink", id: networkID}),
			removeOwned(prefixVLAN+short, ownership{kind: "uplink", id: networkID}),
			removeOwned(bridgeName(networkID), ownership{kind: "network", id: networkID}),
			d.removeNamespace(networkNamespace(networkID)),
		)
		if err != nil {
			return err
		}
		return d.removeNetworkFilter(ctx, networkID)
	})
	if err != nil {
		return fmt.Errorf("remove network %s: %w", networkID, err)
	}
	return nil
}
