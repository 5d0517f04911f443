package responder

import (
	"net/netip"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

func TestOptionsReachTheGuest(t *testing.T) {
	lease := testLease()
	lease.NextServer = netip.MustParseAddr("10.0.0.7")
	lease.Options = []Option{{67, []byte("boot")}, {26, []byte{5, 20}}, {54, []byte{6, 6, 6, 6}}, {1, []byte{0, 0, 0, 0}}, {66, nil}, {252, make([]byte, 256)}}
	out, ok := answer(request(t, dhcpv4.MessageTypeDiscover), map[string]Lease{guestMAC: lease}, ownAddresses())
	if !ok {
		t.Fatal("no offer")
	}
	mtu, err := dhcpv4.GetUint16(dhcpv4.OptionInterfaceMTU, out.message.Options)
	if err != nil || mtu != 1300 || out.message.BootFileNameOption() != "boot" || out.message.ServerIPAddr.String() != "10.0.0.7" {
		t.Errorf("options are wrong: %s", out.message.Summary())
	}
	if out.message.ServerIdentifier().String() != "10.1.0.2" || out.message.SubnetMask().String() == "00000000" {
		t.Error("an option that may not be set was set")
	}
	if out.message.Options.Has(dhcpv4.GenericOptionCode(66)) || out.message.Options.Has(dhcpv4.GenericOptionCode(252)) {
		t.Error("an option that cannot be sent was sent")
	}
}
