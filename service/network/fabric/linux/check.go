package linux

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"virga/service/network/fabric"
)

// Level is how grave a finding is.
type Level string

// The levels of a finding.
const (
	OK   Level = "ok"
	Warn Level = "warn" // works, but something may surprise
	Fail Level = "fail" // the data plane cannot work
)

// Finding is one thing that the data plane needs of a host.
type Finding struct {
	Name   string `json:"name"`
	Level  Level  `json:"level"`
	Detail string `json:"detail"`
	Mend   string `json:"mend,omitempty"` // what to do about it
}

// Check tries in a scratch namespace what the driver will do, and tells what works. It changes nothing on the host.
func Check(ctx context.Context) []Finding {
	if os.Geteuid() != 0 {
		return []Finding{{"root", Fail, "the data plane makes devices and namespaces", "run as root"}}
	}
	nft, err := findNFT()
	if err != nil {
		return []Finding{{"nft", Fail, err.Error(), "apt-get install nftables"}}
	}
	findings := []Finding{verdict("nft", Fail, "found "+nft, nil, "")}
	findings = append(findings, checkBridgeFilter(ctx), checkNamespaces())
	err = inScratch(func() { findings = append(findings, checkScratch(ctx, &Driver{config: Config{NFT: nft}})...) })
	if err != nil {
		findings = append(findings, verdict("network namespace", Fail, "", err, "a kernel with network namespaces is needed (CONFIG_NET_NS)"))
	}
	return append(findings, checkForwarding(), checkForeignPolicy(ctx, nft))
}

// inScratch runs fn in a new network namespace that ends with it.
func inScratch(fn func()) error {
	host, err := openNamespace(ownNamespace)
	if err != nil {
		return err
	}
	defer unix.Close(host)
	return inNamespace(host, func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return err
		}
		fn()
		return nil
	})
}

// verdict makes a finding of a trial's error.
func verdict(name string, grave Level, detail string, err error, mend string) Finding {
	if err == nil {
		return Finding{Name: name, Level: OK, Detail: detail}
	}
	return Finding{Name: name, Level: grave, Detail: err.Error(), Mend: mend}
}

func checkBridgeFilter(ctx context.Context) Finding {
	const name = "br_netfilter"
	if bridgeFilterLoaded() {
		return Finding{Name: name, Level: OK, Detail: "the kernel shows bridged packets to the packet filter"}
	}
	if err := exec.CommandContext(ctx, "modprobe", "--dry-run", name).Run(); err != nil {
		return Finding{name, Fail, "the module is neither loaded nor found", "use a kernel with CONFIG_BRIDGE_NETFILTER"}
	}
	return Finding{name, Warn, "the module is not loaded; it is loaded with the first network", "modprobe br_netfilter"}
}

func checkNamespaces() Finding {
	const name = "named namespaces"
	dir, err := os.MkdirTemp("", "virga-check-")
	if err != nil {
		return verdict(name, Fail, "", err, "")
	}
	defer os.RemoveAll(dir)
	host, err := openNamespace(ownNamespace)
	if err != nil {
		return verdict(name, Fail, "", err, "a kernel with network namespaces is needed (CONFIG_NET_NS)")
	}
	defer unix.Close(host)
	d := &Driver{config: Config{NamespaceDir: dir}, host: host}
	fd, _, err := d.ensureNamespace("check")
	if err == nil {
		unix.Close(fd)
		err = removeNamespaceFile(filepath.Join(dir, "check"))
	}
	return verdict(name, Fail, "namespaces can be made and mounted", err, "mounting must be allowed (in a container: CAP_SYS_ADMIN)")
}

// checkScratch tries devices and rules in the current, empty namespace.
func checkScratch(ctx context.Context, d *Driver) []Finding {
	attrs := func(name string) netlink.LinkAttrs { return netlink.LinkAttrs{Name: name} }
	try := func(name, option string, link netlink.Link) Finding {
		return verdict(name, Fail, "can be made", netlink.LinkAdd(link), "use a kernel with "+option)
	}
	findings := []Finding{
		try("bridge", "CONFIG_BRIDGE", &netlink.Bridge{LinkAttrs: attrs("vbrcheck")}),
		try("veth", "CONFIG_VETH", &netlink.Veth{LinkAttrs: attrs("vethcheck"), PeerName: "vethpeer"}),
		verdict("tap", Fail, "can be made", createTap("tapcheck"), "use a kernel with CONFIG_TUN, and /dev/net/tun"),
	}
	vxlan := try("vxlan", "CONFIG_VXLAN", &netlink.Vxlan{LinkAttrs: attrs("vxlancheck"), VxlanId: 1, Port: 4789})
	if vxlan.Level == Fail {
		vxlan.Level = Warn // one machine alone does without
	}
	findings = append(findings, vxlan)
	port := fabric.Port{ID: "check", NetworkID: "check", MAC: "02:00:00:00:00:01", PortSecurity: true, AdminUp: true, Rules: []fabric.Rule{
		{Direction: fabric.Ingress, EtherType: fabric.IPv4, Protocol: "tcp", AnyRemote: true},
	}}
	filter, err := newPortFilter(port, 1)
	if err == nil {
		err = d.nft(ctx, renderBase()+renderNetwork("check", "vbrcheck", firstZone, netip.MustParsePrefix("192.0.2.1/24"), true)+filter.render())
	}
	findings = append(findings, verdict("nftables", Fail, "the rules can be loaded", err,
		"use a kernel with CONFIG_NF_TABLES_BRIDGE, _INET, CONFIG_NFT_CT, CONFIG_NFT_NAT, CONFIG_NFT_MASQ and CONFIG_NF_CONNTRACK_ZONES"))
	err = cutFlows(firstZone, func(*netlink.ConntrackFlow) bool { return false })
	return append(findings, verdict("conntrack", Fail, "tracked connections can be read", err, "use a kernel with CONFIG_NF_CT_NETLINK"))
}

func checkForwarding() Finding {
	value, err := os.ReadFile("/proc/sys/net/ipv4/ip_forward")
	if err != nil {
		return verdict("ip_forward", Warn, "", err, "")
	}
	if strings.TrimSpace(string(value)) == "1" {
		return Finding{Name: "ip_forward", Level: OK, Detail: "on"}
	}
	return Finding{Name: "ip_forward", Level: OK, Detail: "off; it is turned on with the first network that goes out through this host"}
}

// checkForeignPolicy looks for other software that drops what the host forwards: its rules see bridged packets, too.
func checkForeignPolicy(ctx context.Context, nft string) Finding {
	const name = "other packet filters"
	var listing struct {
		Nftables []struct {
			Chain *struct{ Family, Table, Name, Hook, Policy string }
		}
	}
	d := &Driver{config: Config{NFT: nft}}
	if err := d.listJSON(ctx, &listing, "list", "chains"); err != nil {
		return verdict(name, Warn, "", err, "")
	}
	for _, object := range listing.Nftables {
		chain := object.Chain
		if chain != nil && chain.Table != "virga" && chain.Hook == "forward" && chain.Policy == "drop" {
			return Finding{name, Warn, fmt.Sprintf("chain %s of table %s %s drops what it does not know; guests' packets pass it", chain.Name, chain.Family, chain.Table),
				`let bridged packets pass: add a rule that accepts iifname "vbr*"`}
		}
	}
	return Finding{Name: name, Level: OK, Detail: "none drops forwarded packets"}
}

func bridgeFilterLoaded() bool {
	_, err := os.Stat("/proc/sys/net/bridge/bridge-nf-call-iptables")
	return err == nil
}

// loadBridgeFilter makes sure of br_netfilter. The module turns itself on for every bridge of the host when it is loaded; only Virga's bridges are
// to have it, so that is taken back.
func loadBridgeFilter(ctx context.Context) error {
	if bridgeFilterLoaded() {
		return nil
	}
	var output bytes.Buffer
	command := exec.CommandContext(ctx, "modprobe", "br_netfilter")
	command.Stdout, command.Stderr = &output, &output
	if err := command.Run(); err != nil || !bridgeFilterLoaded() {
		return errors.Join(fmt.Errorf("load br_netfilter: %w: %s", fabric.ErrUnsupported, strings.TrimSpace(output.String())), err)
	}
	return setSysctls(map[string]string{
		"bridge/bridge-nf-call-iptables": "0", "bridge/bridge-nf-call-ip6tables": "0", "bridge/bridge-nf-call-arptables": "0",
	})
}
