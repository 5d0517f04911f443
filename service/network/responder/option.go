package responder

import (
	"slices"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// Option is one further DHCPv4 option (RFC 2132), its data as on the wire. Which names and values users may ask for is decided
// where they ask, in the network service.
type Option struct {
	Code uint8
	Data []byte
}

// reserved are the options that steer the protocol itself, and the mask: a wrong one would take the guest off the network or let it answer for
// others, so none of them is ever taken from a lease's further options.
func reserved() []uint8 { return []uint8{0, 1, 50, 52, 53, 54, 55, 57, 61, 82, 255} }

// addOptions puts the lease's further options into a reply; one that cannot be sent must not cost the guest its address.
func addOptions(reply *dhcpv4.DHCPv4, options []Option) {
	for _, option := range options {
		if len(option.Data) == 0 || len(option.Data) > 255 || slices.Contains(reserved(), option.Code) {
			continue
		}
		reply.UpdateOption(dhcpv4.OptGeneric(dhcpv4.GenericOptionCode(option.Code), option.Data))
	}
}
