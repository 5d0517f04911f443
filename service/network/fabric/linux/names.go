package linux

import (
	"strconv"
	"strings"

	"virga/service/network/fabric"
)

// Prefixes of device names; with 11 characters of an id they fill 14 of the 15 bytes that the kernel allows.
const (
	prefixBridge = "vbr" // a network's bridge
	prefixVXLAN  = "vvx" // a network's tunnel
	prefixVLAN   = "vvl" // a network's tagged uplink
	prefixDHCP   = "vdh" // host side of the DHCP port
	prefixRouter = "vrt" // host side of a router's interface
	prefixInside = "vri" // router's side of it
	dhcpInside   = "port0"

	namespaceNetwork = "vnet-"
	namespaceRouter  = "vrouter-"
)

func bridgeName(networkID string) string { return prefixBridge + fabric.Short(networkID) }

func networkNamespace(networkID string) string { return namespaceNetwork + networkID }

func routerNamespace(routerID string) string { return namespaceRouter + routerID }

// ownership is what a device's alias says: which object it was made for.
type ownership struct {
	kind  string // network, uplink, dhcp, port or router
	id    string
	extra string // bridge: conntrack zone; router: port id
}

// alias renders an ownership; the kernel keeps it with the device.
func (o ownership) alias() string {
	text := "virga " + o.kind + " " + o.id
	if o.extra != "" {
		text += " " + o.extra
	}
	return text
}

// parseAlias reads a device's alias; ok is false for devices that are not Virga's.
func parseAlias(alias string) (o ownership, ok bool) {
	words := strings.Fields(alias)
	if len(words) < 3 || len(words) > 4 || words[0] != "virga" {
		return o, false
	}
	o.kind, o.id = words[1], words[2]
	if len(words) == 4 {
		o.extra = words[3]
	}
	return o, true
}

// zone is the conntrack zone that a bridge's alias records; 0 is the host's own.
func (o ownership) zone() uint16 {
	zone, err := strconv.ParseUint(o.extra, 10, 16)
	if err != nil {
		return 0
	}
	return uint16(zone)
}
