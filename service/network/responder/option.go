package responder

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/rfc1035label"
)

// ErrOption marks a DHCP option that may not be set or whose value does not fit its type.
var ErrOption = errors.New("DHCP option not possible")

// Option is one further DHCP option as a user of the network API writes it (extra_dhcp_opts): a name of the table below or
// a number, and the value as text.
type Option struct {
	Name  string
	Value string
}

// optionKind is how an option's text becomes bytes.
type optionKind int

const (
	kindText optionKind = iota
	kindAddresses
	kindAddress
	kindUint16
	kindInt32
	kindDomains
	kindNextServer // not an option but the header's siaddr field
)

type optionType struct {
	number uint8
	kind   optionKind
	names  []string
}

// nextServer is the number that stands for the header field; 0 is no option (RFC 2132 section 3.1: pad).
const nextServer = 0

// optionTypes is everything that may be set, with the names that users of the network API know. What steers the protocol itself (53, 54, 61, 82 …),
// the address and its mask is not here: a wrong one would take the guest off the network or let it answer for others.
func optionTypes() []optionType {
	return []optionType{
		{nextServer, kindNextServer, []string{"server-ip-address", "next-server"}},
		{2, kindInt32, []string{"time-offset"}},
		{3, kindAddresses, []string{"router"}},
		{4, kindAddresses, []string{"time-server"}},
		{6, kindAddresses, []string{"dns-server"}},
		{7, kindAddresses, []string{"log-server"}},
		{12, kindText, []string{"hostname"}},
		{15, kindText, []string{"domain-name"}},
		{17, kindText, []string{"root-path"}},
		{26, kindUint16, []string{"mtu"}},
		{28, kindAddress, []string{"broadcast"}},
		{40, kindText, []string{"nis-domain"}},
		{41, kindAddresses, []string{"nis-server"}},
		{42, kindAddresses, []string{"ntp-server"}},
		{44, kindAddresses, []string{"netbios-ns"}},
		{60, kindText, []string{"vendor-class"}},
		{66, kindText, []string{"tftp-server", "tftp-server-name"}},
		{67, kindText, []string{"bootfile-name"}},
		{69, kindAddresses, []string{"smtp-server"}},
		{100, kindText, []string{"posix-timezone"}},
		{101, kindText, []string{"tzdb-timezone"}},
		{119, kindDomains, []string{"domain-search"}},
		{150, kindAddresses, []string{"tftp-server-address"}},
		{209, kindText, []string{"config-file"}},
		{210, kindText, []string{"path-prefix"}},
		{252, kindText, []string{"wpad"}},
	}
}

// CheckOption tells, when the option is asked for, whether it can be sent.
func CheckOption(option Option) error {
	_, err := option.encode()
	return err
}

func (o Option) lookup() (optionType, error) {
	name := strings.TrimPrefix(o.Name, "option:")
	number, err := strconv.ParseUint(name, 10, 8)
	for _, candidate := range optionTypes() {
		if err == nil && number != nextServer && candidate.number == uint8(number) {
			return candidate, nil
		}
		for _, known := range candidate.names {
			if name == known {
				return candidate, nil
			}
		}
	}
	return optionType{}, fmt.Errorf("%w: %.40q is not one of those that may be set", ErrOption, o.Name)
}

func (o Option) isNextServer() bool {
	found, err := o.lookup()
	return err == nil && found.kind == kindNextServer
}

func (o Option) encode() (dhcpv4.Option, error) {
	kind, err := o.lookup()
	if err != nil {
		return dhcpv4.Option{}, err
	}
	value, err := encodeValue(kind.kind, o.Value)
	if err != nil {
		return dhcpv4.Option{}, fmt.Errorf("%w: %s: %w", ErrOption, kind.names[0], err)
	}
	if len(value) == 0 || len(value) > 255 {
		return dhcpv4.Option{}, fmt.Errorf("%w: %s has %d bytes, 1 to 255 are possible", ErrOption, kind.names[0], len(value))
	}
	return dhcpv4.OptGeneric(dhcpv4.GenericOptionCode(kind.number), value), nil
}

func encodeValue(kind optionKind, text string) ([]byte, error) {
	switch kind {
	case kindText:
		for _, c := range []byte(text) {
			if c < 0x20 || c == 0x7f {
				return nil, errors.New("control characters are not possible")
			}
		}
		return []byte(text), nil
	case kindUint16:
		number, err := strconv.ParseUint(text, 10, 16)
		if err != nil {
			return nil, fmt.Errorf("%.20q is not a number from 0 to 65535", text)
		}
		return binary.BigEndian.AppendUint16(nil, uint16(number)), nil
	case kindInt32:
		number, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("%.20q is not a number of 32 bits", text)
		}
		return binary.BigEndian.AppendUint32(nil, uint32(number)), nil
	case kindDomains:
		return encodeDomains(text)
	}
	return encodeAddresses(kind, text)
}

func encodeAddresses(kind optionKind, text string) ([]byte, error) {
	var out []byte
	words := strings.Split(text, ",")
	if kind != kindAddresses && len(words) > 1 {
		return nil, errors.New("only one address is possible")
	}
	for _, word := range words {
		address, err := netip.ParseAddr(strings.TrimSpace(word))
		if err != nil || !address.Is4() {
			return nil, fmt.Errorf("%.40q is not an IPv4 address", word)
		}
		out = append(out, address.AsSlice()...)
	}
	return out, nil
}

// encodeDomains renders a search list (RFC 3397).
func encodeDomains(text string) ([]byte, error) {
	labels := rfc1035label.NewLabels()
	for _, domain := range strings.Split(text, ",") {
		domain = strings.TrimSuffix(strings.TrimSpace(domain), ".")
		if domain == "" || len(domain) > 253 {
			return nil, fmt.Errorf("%.40q is not a domain name", domain)
		}
		for _, label := range strings.Split(domain, ".") {
			if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
				return nil, fmt.Errorf("%.40q is not a domain name", domain)
			}
		}
		labels.Labels = append(labels.Labels, domain)
	}
	return labels.ToBytes(), nil
}
