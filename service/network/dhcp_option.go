package network

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"virga/service/network/desired"
)

// dhcpOption is an extra DHCP option of a port.
type dhcpOption struct {
	Name      string `json:"opt_name"`
	Value     string `json:"opt_value"`
	IPVersion int    `json:"ip_version"`
}

// optionForm says how the value of an option is written on the wire.
type optionForm int

const (
	formText optionForm = iota + 1
	formAddresses
	formNumber16
	formNumber32
	formDomains
	formRoutes
	// formNextServer is no option but the field siaddr.
	formNextServer
)

// optionKind is an option that a port may have; what is not in the list is refused, so
// that a guest's owner cannot make the responder say what it does not understand.
type optionKind struct {
	code  uint8
	form  optionForm
	names []string
}

// optionKinds are options of RFC 2132, 3397, 3442 and 5859, and PXELINUX's of RFC 5071.
var optionKinds = []optionKind{
	{3, formAddresses, []string{"router"}},
	{6, formAddresses, []string{"dns-server"}},
	{12, formText, []string{"hostname"}},
	{15, formText, []string{"domain-name"}},
	{26, formNumber16, []string{"mtu", "interface-mtu"}},
	{42, formAddresses, []string{"ntp-server"}},
	{51, formNumber32, []string{"lease-time"}},
	{66, formText, []string{"tftp-server", "tftp-server-name"}},
	{67, formText, []string{"bootfile-name"}},
	{119, formDomains, []string{"domain-search"}},
	{121, formRoutes, []string{"classless-static-route"}},
	{150, formAddresses, []string{"tftp-server-address"}},
	{209, formText, []string{"config-file"}},
	{210, formText, []string{"path-prefix"}},
	{252, formText, []string{"wpad"}},
	{0, formNextServer, []string{"server-ip-address"}},
}

// optionNames6 are the options for DHCPv6 that are kept.
var optionNames6 = map[string]optionForm{"dns-server": formAddresses, "domain-search": formText, "bootfile-url": formText, "ntp-server": formAddresses,
	"23": formAddresses, "24": formText, "59": formText}

const maxDHCPOptions = 20

func findOption(name string) (optionKind, bool) {
	number, err := strconv.Atoi(name)
	for _, kind := range optionKinds {
		if err == nil && number == int(kind.code) && number != 0 {
			return kind, true
		}
		for _, known := range kind.names {
			if name == known {
				return kind, true
			}
		}
	}
	return optionKind{}, false
}

// checkDHCPOptions refuses options that are unknown or whose value is not of their type.
func checkDHCPOptions(options []dhcpOption) error {
	if len(options) > maxDHCPOptions {
		return badValue("extra_dhcp_opts", "at most %d options are possible", maxDHCPOptions)
	}
	for i := range options {
		if err := options[i].check(); err != nil {
			return badValue("extra_dhcp_opts", "%s", err)
		}
		for _, other := range options[:i] {
			if other.Name == options[i].Name && other.IPVersion == options[i].IPVersion {
				return badValue("extra_dhcp_opts", "the option %s stands twice", other.Name)
			}
		}
	}
	return nil
}

func (o *dhcpOption) check() error {
	if o.IPVersion == 0 {
		o.IPVersion = 4
	}
	if err := checkOptionText(o.Value); err != nil {
		return fmt.Errorf("option %.40q: %w", o.Name, err)
	}
	if o.IPVersion == 6 {
		form, known := optionNames6[o.Name]
		if !known {
			return fmt.Errorf("the option %.40q is not supported", o.Name)
		}
		if form == formAddresses {
			_, err := optionAddresses(o.Value, false)
			return err
		}
		return nil
	}
	kind, known := findOption(o.Name)
	if !known {
		return fmt.Errorf("the option %.40q is not supported", o.Name)
	}
	_, err := encodeOption(kind, o.Value)
	return err
}

// checkOptionText lets printable ASCII pass.
func checkOptionText(text string) error {
	if text == "" || len(text) > 255 {
		return fmt.Errorf("the value must have 1 to 255 characters")
	}
	for _, c := range []byte(text) {
		if c < ' ' || c > '~' {
			return fmt.Errorf("the value has characters that are not printable ASCII")
		}
	}
	return nil
}

// encodeOption writes a value as on the wire.
func encodeOption(kind optionKind, value string) ([]byte, error) {
	switch kind.form {
	case formText:
		return []byte(value), nil
	case formAddresses, formNextServer:
		addresses, err := optionAddresses(value, true)
		if err == nil && kind.form == formNextServer && len(addresses) != 4 {
			err = fmt.Errorf("%q is not one address", value)
		}
		return addresses, err
	case formNumber16:
		n, err := strconv.ParseUint(value, 10, 16)
		return binary.BigEndian.AppendUint16(nil, uint16(n)), optionError(value, err)
	case formNumber32:
		n, err := strconv.ParseUint(value, 10, 32)
		return binary.BigEndian.AppendUint32(nil, uint32(n)), optionError(value, err)
	case formDomains:
		return optionDomains(value)
	case formRoutes:
		return optionRoutes(value)
	}
	return nil, fmt.Errorf("encode option %d: unknown form", kind.code)
}

func optionError(value string, err error) error {
	if err != nil {
		return fmt.Errorf("%q is not of the option's type", value)
	}
	return nil
}

func optionAddresses(value string, v4 bool) ([]byte, error) {
	var data []byte
	for part := range strings.SplitSeq(value, ",") {
		a, err := netip.ParseAddr(strings.TrimSpace(part))
		if err != nil || a.Is4() != v4 || a.Zone() != "" {
			return nil, fmt.Errorf("%q is not a list of IP addresses", value)
		}
		data = append(data, a.AsSlice()...)
	}
	return data, nil
}

// optionDomains writes names as in DNS, without compression (RFC 3397).
func optionDomains(value string) ([]byte, error) {
	var data []byte
	for name := range strings.SplitSeq(value, ",") {
		for label := range strings.SplitSeq(strings.Trim(strings.TrimSpace(name), "."), ".") {
			if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
				return nil, fmt.Errorf("%q is not a list of domain names", value)
			}
			data = append(append(data, byte(len(label))), label...)
		}
		data = append(data, 0)
	}
	if len(data) > 255 {
		return nil, fmt.Errorf("the list of domain names is too long")
	}
	return data, nil
}

// optionRoutes writes "10.1.0.0/16,10.0.0.1,…" as RFC 3442 has it.
func optionRoutes(value string) ([]byte, error) {
	parts := strings.Split(value, ",")
	if len(parts)%2 != 0 {
		return nil, fmt.Errorf("%q is not a list of destinations, each with its next hop", value)
	}
	var data []byte
	for i := 0; i < len(parts); i += 2 {
		destination, err := parseCIDR(strings.TrimSpace(parts[i]))
		if err != nil || !destination.Addr().Is4() {
			return nil, fmt.Errorf("%q is not an IPv4 range", parts[i])
		}
		hop, err := parseAddress(strings.TrimSpace(parts[i+1]))
		if err != nil || !hop.Is4() {
			return nil, fmt.Errorf("%q is not an IPv4 address", parts[i+1])
		}
		data = append(data, byte(destination.Bits()))
		data = append(data, destination.Addr().AsSlice()[:(destination.Bits()+7)/8]...)
		data = append(data, hop.AsSlice()...)
	}
	if len(data) > 255 {
		return nil, fmt.Errorf("the list of routes is too long")
	}
	return data, nil
}

// addOptions puts a port's IPv4 options into a lease; they were checked when they were stored.
func addOptions(lease *desired.Lease, options []dhcpOption) {
	for _, o := range options {
		kind, known := findOption(o.Name)
		if !known || o.IPVersion == 6 {
			continue
		}
		data, err := encodeOption(kind, o.Value)
		if err != nil {
			continue
		}
		if kind.form == formNextServer {
			lease.NextServer, _ = netip.AddrFromSlice(data)
			continue
		}
		lease.Options = append(lease.Options, desired.Option{Code: kind.code, Data: data})
	}
}
