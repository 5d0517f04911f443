package responder

import (
	"bytes"
	"errors"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

func TestOptions(t *testing.T) {
	for _, test := range []struct {
		name, value string
		want        []byte // nil: refused
	}{
		{"bootfile-name", "pxelinux.0", []byte("pxelinux.0")},
		{"67", "pxelinux.0", []byte("pxelinux.0")},
		{"option:67", "pxelinux.0", []byte("pxelinux.0")},
		{"ntp-server", "10.0.0.1, 10.0.0.2", []byte{10, 0, 0, 1, 10, 0, 0, 2}},
		{"mtu", "1400", []byte{5, 120}},
		{"time-offset", "-3600", []byte{0xff, 0xff, 0xf1, 0xf0}},
		{"domain-search", "a.org", []byte{1, 'a', 3, 'o', 'r', 'g', 0}},
		{"server-ip-address", "10.0.0.7", []byte{10, 0, 0, 7}},
		{"bootfile-name", "x\ndhcp-script=/bin/sh", nil},
		{"bootfile-name", "", nil},
		{"bootfile-name", string(bytes.Repeat([]byte("a"), 256)), nil},
		{"tag:evil,bootfile-name", "x", nil},
		{"54", "10.0.0.9", nil},
		{"53", "1", nil},
		{"1", "255.0.0.0", nil},
		{"0", "10.0.0.1", nil},
		{"mtu", "70000", nil},
		{"ntp-server", "fe80::1", nil},
		{"ntp-server", "10.0.0.1,evil", nil},
		{"server-ip-address", "10.0.0.7,10.0.0.8", nil},
		{"domain-search", "a..org", nil},
		{"domain-search", "a b.org", nil},
	} {
		option := Option{test.name, test.value}
		err := CheckOption(option)
		if test.want == nil {
			if !errors.Is(err, ErrOption) {
				t.Errorf("%q=%q gives %v, want ErrOption", test.name, test.value, err)
			}
			continue
		}
		encoded, encodeErr := option.encode()
		if err != nil || encodeErr != nil || !bytes.Equal(encoded.Value.ToBytes(), test.want) {
			t.Errorf("%q=%q gives %v, %v, want %v", test.name, test.value, encoded, err, test.want)
		}
	}
}

func TestOptionsReachTheGuest(t *testing.T) {
	lease := testLease()
	lease.Options = []Option{{"server-ip-address", "10.0.0.7"}, {"bootfile-name", "boot"}, {"mtu", "1300"}, {"54", "6.6.6.6"}}
	out, ok := answer(request(t, dhcpv4.MessageTypeDiscover), map[string]Lease{guestMAC: lease}, ownAddresses())
	if !ok {
		t.Fatal("no offer")
	}
	mtu, err := dhcpv4.GetUint16(dhcpv4.OptionInterfaceMTU, out.message.Options)
	if err != nil || mtu != 1300 || out.message.BootFileNameOption() != "boot" || out.message.ServerIPAddr.String() != "10.0.0.7" {
		t.Errorf("options are wrong: %s", out.message.Summary())
	}
	if out.message.ServerIdentifier().String() != "10.1.0.2" {
		t.Error("an option that may not be set was set")
	}
}
