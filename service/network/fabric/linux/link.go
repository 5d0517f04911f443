package linux

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"virga/service/network/fabric"
)

type ownedLink struct {
	netlink.Link
	owner ownership
}

// ownedLinks lists the devices of the current namespace whose alias says that Virga made or adopted them.
func ownedLinks() ([]ownedLink, error) {
	links, err := netlink.LinkList()
	if err != nil {
		return nil, fmt.Errorf("list devices: %w", err)
	}
	var owned []ownedLink
	for _, link := range links {
		if owner, ok := parseAlias(link.Attrs().Alias); ok {
			owned = append(owned, ownedLink{link, owner})
		}
	}
	return owned, nil
}

// findLink gives a device of the current namespace by name, or nil when there is none.
func findLink(name string) (netlink.Link, error) {
	link, err := netlink.LinkByName(name)
	var missing netlink.LinkNotFoundError
	if errors.As(err, &missing) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find device %s: %w", name, err)
	}
	return link, nil
}

// ownLink finds a device that belongs to an owner; a device of that name with another owner is ErrForeign.
func ownLink(name string, owner ownership) (netlink.Link, error) {
	link, err := findLink(name)
	if err != nil || link == nil {
		return nil, err
	}
	found, ok := parseAlias(link.Attrs().Alias)
	if !ok || found.kind != owner.kind || found.id != owner.id {
		return nil, fmt.Errorf("use device %s (alias %q) for %s %s: %w", name, link.Attrs().Alias, owner.kind, owner.id, fabric.ErrForeign)
	}
	return link, nil
}

// addLink makes a device, marks it as owned, and gives it back as the kernel sees it; a device that cannot be marked is taken away.
func addLink(link netlink.Link, owner ownership) (netlink.Link, error) {
	name := link.Attrs().Name
	if err := netlink.LinkAdd(link); err != nil {
		if errors.Is(err, unix.EOPNOTSUPP) {
			err = fmt.Errorf("%w: kernel has no %s devices", fabric.ErrUnsupported, link.Type())
		}
		return nil, fmt.Errorf("make device %s: %w", name, err)
	}
	made, err := netlink.LinkByName(name)
	if err == nil {
		err = netlink.LinkSetAlias(made, owner.alias())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("mark device %s: %w", name, err), netlink.LinkDel(link))
	}
	made.Attrs().Alias = owner.alias()
	return made, nil
}

// removeOwned deletes a device when it is there and belongs to the owner.
func removeOwned(name string, owner ownership) error {
	link, err := findLink(name)
	if err != nil || link == nil {
		return err
	}
	found, ok := parseAlias(link.Attrs().Alias)
	if !ok || found.kind != owner.kind || found.id != owner.id {
		return nil
	}
	return deleteLink(link)
}

func deleteLink(link netlink.Link) error {
	err := netlink.LinkDel(link)
	if err != nil && !errors.Is(err, unix.ENODEV) && !errors.As(err, &netlink.LinkNotFoundError{}) {
		return fmt.Errorf("delete device %s: %w", link.Attrs().Name, err)
	}
	return nil
}

// tuneLink brings MTU, bridge and state of a host-side device to what they should be. IPv6 is off before the device is up: otherwise the
// host would answer to a link-local address that every guest can compute.
func tuneLink(link netlink.Link, mtu int, master netlink.Link, up bool) error {
	attrs := link.Attrs()
	if err := setSysctls(map[string]string{"ipv6/conf/" + attrs.Name + "/disable_ipv6": "1"}); err != nil {
		return err
	}
	if mtu > 0 && attrs.MTU != mtu {
		if err := netlink.LinkSetMTU(link, mtu); err != nil {
			return fmt.Errorf("set MTU %d of device %s: %w", mtu, attrs.Name, err)
		}
	}
	if master != nil && attrs.MasterIndex != master.Attrs().Index {
		if err := netlink.LinkSetMasterByIndex(link, master.Attrs().Index); err != nil {
			return fmt.Errorf("plug device %s into %s: %w", attrs.Name, master.Attrs().Name, err)
		}
	}
	return setUp(link, up)
}

func setUp(link netlink.Link, up bool) error {
	isUp := link.Attrs().Flags&net.FlagUp != 0
	var err error
	switch {
	case up && !isUp:
		err = netlink.LinkSetUp(link)
	case !up && isUp:
		err = netlink.LinkSetDown(link)
	}
	if err != nil {
		return fmt.Errorf("set state of device %s: %w", link.Attrs().Name, err)
	}
	return nil
}

// Attribute numbers of linux/if_link.h that the netlink library lacks.
const (
	iflaBrMcastSnooping   = 23
	iflaBrNfCallIPTables  = 36
	iflaBrNfCallIP6Tables = 37
)

// setBridgeFilter tells br_netfilter whether to show this bridge's packets to the inet family, whatever the global sysctl says.
func setBridgeFilter(bridge netlink.Link, on bool) error {
	value := uint8(0)
	if on {
		value = 1
	}
	request := nl.NewNetlinkRequest(unix.RTM_NEWLINK, unix.NLM_F_ACK)
	message := nl.NewIfInfomsg(unix.AF_UNSPEC)
	message.Index = int32(bridge.Attrs().Index)
	request.AddData(message)
	info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
	info.AddRtAttr(nl.IFLA_INFO_KIND, nl.NonZeroTerminated("bridge"))
	data := info.AddRtAttr(nl.IFLA_INFO_DATA, nil)
	data.AddRtAttr(iflaBrMcastSnooping, nl.Uint8Attr(0))
	data.AddRtAttr(iflaBrNfCallIPTables, nl.Uint8Attr(value))
	data.AddRtAttr(iflaBrNfCallIP6Tables, nl.Uint8Attr(value))
	request.AddData(info)
	if _, err := request.Execute(unix.NETLINK_ROUTE, 0); err != nil {
		return fmt.Errorf("filter packets of bridge %s (is br_netfilter there?): %w", bridge.Attrs().Name, err)
	}
	return nil
}

// bridgeMAC derives a bridge's address from the network, so that it does not change as ports come and go.
func bridgeMAC(networkID string) net.HardwareAddr {
	sum := sha256.Sum256([]byte(networkID))
	return net.HardwareAddr{0x02 | sum[0]&0xfc, sum[1], sum[2], sum[3], sum[4], sum[5]}
}

// vethPair describes a veth from the host's bridge into a namespace.
type vethPair struct {
	outside, inside string
	owner           ownership
	mac             net.HardwareAddr
	mtu             int
	bridge          netlink.Link
	namespace       int
}

// ensure makes the pair when either end is missing and plugs the host's end. The inside is left down and without addresses.
func (v vethPair) ensure() error {
	outer, err := ownLink(v.outside, v.owner)
	if err != nil {
		return err
	}
	whole := false
	if outer != nil {
		err := inNamespace(v.namespace, func() error {
			inner, err := findLink(v.inside)
			whole = inner != nil
			return err
		})
		if err != nil {
			return err
		}
		if !whole {
			if err := deleteLink(outer); err != nil {
				return err
			}
		}
	}
	if !whole {
		outer, err = addLink(&netlink.Veth{
			LinkAttrs: netlink.LinkAttrs{Name: v.outside, MTU: v.mtu, TxQLen: 1000}, PeerName: v.inside,
			PeerHardwareAddr: v.mac, PeerNamespace: netlink.NsFd(v.namespace),
		}, v.owner)
		if err != nil {
			return err
		}
	}
	if outer.Attrs().Alias != v.owner.alias() {
		if err := netlink.LinkSetAlias(outer, v.owner.alias()); err != nil {
			return fmt.Errorf("mark device %s: %w", v.outside, err)
		}
	}
	return tuneLink(outer, v.mtu, v.bridge, true)
}

// tuneInside brings address, MTU and IP addresses of the current namespace's end to what they should be, sets it up, and tells
// which addresses are new.
func (v vethPair) tuneInside(addresses []netip.Prefix) (added []netip.Prefix, err error) {
	link, err := netlink.LinkByName(v.inside)
	if err != nil {
		return nil, fmt.Errorf("find device %s: %w", v.inside, err)
	}
	if !bytes.Equal(link.Attrs().HardwareAddr, v.mac) {
		if err := netlink.LinkSetHardwareAddr(link, v.mac); err != nil {
			return nil, fmt.Errorf("set address of device %s: %w", v.inside, err)
		}
	}
	if err := tuneNamespacedIPv6(v.inside); err != nil {
		return nil, err
	}
	if link.Attrs().MTU != v.mtu {
		if err := netlink.LinkSetMTU(link, v.mtu); err != nil {
			return nil, fmt.Errorf("set MTU of device %s: %w", v.inside, err)
		}
	}
	if err := setUp(link, true); err != nil {
		return nil, err
	}
	return syncAddresses(link, addresses)
}

func tuneNamespacedIPv6(device string) error {
	return setSysctls(map[string]string{
		"ipv6/conf/" + device + "/accept_ra":     "0",
		"ipv6/conf/" + device + "/dad_transmits": "0",
		"ipv4/conf/" + device + "/arp_notify":    "1",
	})
}

// syncAddresses makes the device's global addresses equal to the wanted ones.
func syncAddresses(link netlink.Link, wanted []netip.Prefix) (added []netip.Prefix, err error) {
	present, err := netlink.AddrList(link, netlink.FAMILY_ALL)
	if err != nil {
		return nil, fmt.Errorf("list addresses of device %s: %w", link.Attrs().Name, err)
	}
	have := map[netip.Prefix]bool{}
	for _, addr := range present {
		prefix, ok := toPrefix(addr.IPNet)
		if !ok || prefix.Addr().IsLinkLocalUnicast() && prefix.Addr().Is6() {
			continue
		}
		have[prefix] = true
	}
	want := map[netip.Prefix]bool{}
	for _, prefix := range wanted {
		want[prefix] = true
		if have[prefix] {
			continue
		}
		have[prefix] = true
		addr := &netlink.Addr{IPNet: toIPNet(prefix)}
		if prefix.Addr().Is6() {
			addr.Flags = unix.IFA_F_NODAD // the controller gave it to one port only; a tentative address cannot be used for up to two seconds
		}
		if err := netlink.AddrReplace(link, addr); err != nil {
			return added, fmt.Errorf("add address %s to device %s: %w", prefix, link.Attrs().Name, err)
		}
		added = append(added, prefix)
	}
	for prefix := range have {
		if want[prefix] {
			continue
		}
		if err := netlink.AddrDel(link, &netlink.Addr{IPNet: toIPNet(prefix)}); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
			return added, fmt.Errorf("delete address %s of device %s: %w", prefix, link.Attrs().Name, err)
		}
	}
	return added, nil
}

func toIPNet(prefix netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: prefix.Addr().AsSlice(), Mask: net.CIDRMask(prefix.Bits(), prefix.Addr().BitLen())}
}

func toPrefix(ipnet *net.IPNet) (netip.Prefix, bool) {
	addr, ok := netip.AddrFromSlice(ipnet.IP)
	ones, _ := ipnet.Mask.Size()
	return netip.PrefixFrom(addr.Unmap(), ones), ok
}
