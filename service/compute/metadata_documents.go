package compute

import (
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"

	"virga/service/compute/orders"
)

// The documents that a guest reads about itself, from its config drive and from the
// metadata service alike (nova's metadata guide). They are made from the server's row alone.

// instanceMetadata is what the documents of one server are made from.
type instanceMetadata struct {
	row      *server
	userData []byte
	// zone is the availability zone of the server's host.
	zone string
}

func newInstanceMetadata(row *server, userData, zone string) (*instanceMetadata, error) {
	m := &instanceMetadata{row: row, zone: zone}
	if userData != "" {
		decoded, err := base64.StdEncoding.DecodeString(userData)
		if err != nil {
			return nil, fmt.Errorf("read user data of server %s: %w", row.ID, err)
		}
		m.userData = decoded
	}
	if m.zone == "" {
		m.zone = zoneOr(row.Zone)
	}
	return m, nil
}

// configDrive renders the documents of a server's config drive, with a password unless that is empty.
func configDrive(row *server, userData, password string) (*orders.ConfigDrive, error) {
	m, err := newInstanceMetadata(row, userData, "")
	if err != nil {
		return nil, err
	}
	drive := &orders.ConfigDrive{UserData: m.userData, VendorData: []byte("{}"), VendorData2: []byte("{}"), Time: row.CreatedAt}
	metaData := m.metaData()
	metaData.AdminPass = password
	if drive.MetaData, err = json.Marshal(metaData); err != nil {
		return nil, fmt.Errorf("write metadata of server %s: %w", row.ID, err)
	}
	if drive.NetworkData, err = json.Marshal(m.networkData()); err != nil {
		return nil, fmt.Errorf("write network data of server %s: %w", row.ID, err)
	}
	if drive.EC2MetaData, err = json.Marshal(m.ec2Document()); err != nil {
		return nil, fmt.Errorf("write EC2 metadata of server %s: %w", row.ID, err)
	}
	for i, file := range row.Detail.Files {
		if drive.Content == nil {
			drive.Content = map[string][]byte{}
		}
		drive.Content[contentName(i)] = file.Contents
	}
	return drive, nil
}

func contentName(i int) string { return fmt.Sprintf("%04d", i) }

type keyView struct {
	Name string `json:"name"`
	Type string `json:"type"`
	Data string `json:"data"`
}

type metaDataView struct {
	UUID          string              `json:"uuid"`
	Name          string              `json:"name"`
	HostName      string              `json:"hostname"`
	Zone          string              `json:"availability_zone"`
	LaunchIndex   int                 `json:"launch_index"`
	ProjectID     string              `json:"project_id"`
	PublicKeys    map[string]string   `json:"public_keys,omitempty"`
	Keys          []keyView           `json:"keys,omitempty"`
	Meta          map[string]string   `json:"meta,omitempty"`
	Devices       []any               `json:"devices"`
	DedicatedCPUs []int               `json:"dedicated_cpus"`
	RandomSeed    string              `json:"random_seed"`
	Files         []map[string]string `json:"files,omitempty"`
	// AdminPass is in the config drive's document alone: everything on a guest can ask the metadata service.
	AdminPass string `json:"admin_pass,omitempty"`
}

// metaData is meta_data.json.
func (m *instanceMetadata) metaData() metaDataView {
	row := m.row
	view := metaDataView{UUID: row.ID, Name: row.Name, HostName: row.HostName, Zone: m.zone, LaunchIndex: row.Detail.LaunchIndex,
		ProjectID: row.ProjectID, Meta: row.Detail.Metadata, Devices: m.devices(), DedicatedCPUs: []int{}, RandomSeed: randomSeed(row.Detail.Seed)}
	if row.KeyName != "" {
		view.PublicKeys = map[string]string{row.KeyName: row.Detail.KeyPublic}
		view.Keys = []keyView{{row.KeyName, row.Detail.KeyType, row.Detail.KeyPublic}}
	}
	for i, file := range row.Detail.Files {
		view.Files = append(view.Files, map[string]string{"path": file.Path, "content_path": "/content/" + contentName(i)})
	}
	return view
}

// devices lists the interfaces that have a tag.
func (m *instanceMetadata) devices() []any {
	devices := []any{}
	for _, n := range m.row.NICs {
		if n.Tag != "" {
			devices = append(devices, map[string]any{"type": "nic", "bus": "none", "address": "none", "mac": n.MAC, "tags": []string{n.Tag}})
		}
	}
	return devices
}

// randomSeed stretches a server's seed to the 512 bytes that the document has; it stays the
// same for the server's life, so that a config drive made again is the same.
func randomSeed(seed []byte) string {
	if len(seed) == 0 {
		return ""
	}
	var out []byte
	for i := range uint32(8) {
		sum := sha512.Sum512(binary.BigEndian.AppendUint32(append([]byte{}, seed...), i))
		out = append(out, sum[:]...)
	}
	return base64.StdEncoding.EncodeToString(out)
}

// networkData is network_data.json, after nova's schema of it.
func (m *instanceMetadata) networkData() map[string]any {
	links, networks, services := []any{}, []any{}, []any{}
	seen := map[string]bool{}
	for _, n := range m.row.NICs {
		link := tapName(n.PortID)
		kind := n.VIFType
		if kind == "" {
			kind = "bridge"
		}
		links = append(links, map[string]any{"id": link, "vif_id": n.PortID, "type": kind, "mtu": mtuOrNull(n.MTU), "ethernet_mac_address": n.MAC})
		for _, fixed := range n.FixedIPs {
			for i := range n.Subnets {
				subnet := &n.Subnets[i]
				if subnet.ID != fixed.SubnetID {
					continue
				}
				networks = append(networks, networkOf(&n, fixed.Address, subnet, len(networks)))
				for _, address := range subnet.DNS {
					if !seen[address] {
						seen[address] = true
						services = append(services, map[string]string{"type": "dns", "address": address})
					}
				}
			}
		}
	}
	return map[string]any{"links": links, "networks": networks, "services": services}
}

func mtuOrNull(mtu int) any {
	if mtu == 0 {
		return nil
	}
	return mtu
}

// networkOf describes one address of an interface: by DHCP where the subnet has it.
func networkOf(n *nic, address string, subnet *Subnet, number int) map[string]any {
	network := map[string]any{"id": fmt.Sprintf("network%d", number), "network_id": n.NetworkID, "link": tapName(n.PortID)}
	family := fmt.Sprintf("ipv%d", subnet.IPVersion)
	if subnet.DHCP {
		network["type"] = family + "_dhcp"
		if subnet.IPVersion == 6 {
			network["type"] = "ipv6_" + map[string]string{"": "slaac"}[subnet.RAMode] + subnet.RAMode
		}
		return network
	}
	prefix, err := netip.ParsePrefix(subnet.CIDR)
	if err != nil {
		return network
	}
	network["type"], network["ip_address"] = family, address
	network["netmask"], network["dns_nameservers"] = netmask(prefix), nonNilList(subnet.DNS)
	routes := []map[string]string{}
	if subnet.Gateway != "" {
		zero := map[int]string{4: "0.0.0.0", 6: "::"}[subnet.IPVersion]
		routes = append(routes, map[string]string{"network": zero, "netmask": zero, "gateway": subnet.Gateway})
	}
	for _, route := range subnet.Routes {
		if destination, err := netip.ParsePrefix(route.Destination); err == nil {
			routes = append(routes, map[string]string{"network": destination.Addr().String(), "netmask": netmask(destination), "gateway": route.NextHop})
		}
	}
	network["routes"] = routes
	return network
}

func nonNilList(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// netmask is a prefix's mask written as an address.
func netmask(prefix netip.Prefix) string {
	bytes := make([]byte, prefix.Addr().BitLen()/8)
	for i := range prefix.Bits() {
		bytes[i/8] |= 0x80 >> (i % 8)
	}
	mask, ok := netip.AddrFromSlice(bytes)
	if !ok {
		return ""
	}
	return mask.String()
}

// addressesOf lists a server's addresses of one version, fixed and floating.
func (m *instanceMetadata) addressesOf(version int) (fixed, floating []string) {
	for _, n := range m.row.NICs {
		for _, a := range n.FixedIPs {
			if ipVersion(a.Address) == version {
				fixed, floating = append(fixed, a.Address), append(floating, a.Floating...)
			}
		}
	}
	return fixed, floating
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// ec2ID makes an id of the EC2 form from a UUID: i-2f1e3e0a.
func ec2ID(prefix, uuid string) string {
	digits := strings.ReplaceAll(uuid, "-", "")
	return prefix + digits[:min(len(digits), 8)]
}

// ec2Document is latest/meta-data as one document: strings and maps of them.
func (m *instanceMetadata) ec2Document() map[string]any {
	row := m.row
	fixed, floating := m.addressesOf(4)
	var groups []string
	for _, g := range viewGroupNames(row) {
		groups = append(groups, g["name"])
	}
	document := map[string]any{
		"ami-id": ec2ID("ami-", row.ImageID), "ami-launch-index": fmt.Sprint(row.Detail.LaunchIndex), "ami-manifest-path": "(unknown)",
		"block-device-mapping": map[string]any{"ami": "vda", "root": "/dev/vda"}, "hostname": row.HostName, "instance-action": "none",
		"instance-id": ec2ID("i-", row.ID), "instance-type": row.Detail.Flavor.Name, "local-hostname": row.HostName, "local-ipv4": first(fixed),
		"placement": map[string]any{"availability-zone": m.zone}, "public-hostname": row.HostName, "public-ipv4": first(floating),
		"reservation-id": row.ReservationID, "security-groups": strings.Join(groups, "\n"),
	}
	if row.KeyName != "" {
		document["public-keys"] = map[string]any{"0": map[string]any{"_name": "0=" + row.KeyName, "openssh-key": row.Detail.KeyPublic}}
	}
	return document
}
