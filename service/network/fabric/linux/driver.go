package linux

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"os/exec"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"virga/service/network/fabric"
)

// Config tells the driver which host it works for; the zero value is the host (network namespace) of this process.
type Config struct {
	HostNamespace   string            // file of the network namespace that plays the host; empty: the process's own
	NamespaceDir    string            // where network namespaces get their names; empty: /run/netns, that of `ip netns`
	PhysicalDevices map[string]string // physical network's name → device; a flat network without one stays on the host
	VXLANPort       int               // UDP port of tunnels; 0: 4789 (IANA)
	NFT             string            // the nft program; empty: looked up in PATH
}

// Driver is the kernel's data plane; see the package comment. Make it with New.
type Driver struct {
	config Config
	host   int // open file of the host's network namespace

	mu      sync.Mutex
	closed  bool
	filter  filterState
	ports   map[string]portFilter     // what was last put in force, by port id
	members map[string][]netip.Prefix // of address sets, as last ensured or found; see fabric.AddressSet.Members
	uncut   map[string]bool           // address sets that lost members whose connections may still be open
	swept   bool                      // no connection bears a number that no port has
	routers map[string]string         // ruleset in force in routers' namespaces, with its generation
	sockets map[string][]io.Closer    // by network id
}

var _ fabric.Driver = (*Driver)(nil)

// New opens the driver; it changes nothing on the host.
func New(config Config) (*Driver, error) {
	if config.NamespaceDir == "" {
		config.NamespaceDir = "/run/netns"
	}
	if config.VXLANPort == 0 {
		config.VXLANPort = 4789
	}
	if config.NFT == "" {
		path, err := findNFT()
		if err != nil {
			return nil, err
		}
		config.NFT = path
	}
	source := config.HostNamespace
	if source == "" {
		source = ownNamespace
	}
	host, err := openNamespace(source)
	if err != nil {
		return nil, fmt.Errorf("open namespace of the host: %w", err)
	}
	return &Driver{
		config: config, host: host, filter: newFilterState(), ports: map[string]portFilter{}, members: map[string][]netip.Prefix{},
		uncut: map[string]bool{}, routers: map[string]string{}, sockets: map[string][]io.Closer{},
	}, nil
}

// findNFT looks for nft in PATH and where distributions put it for root only.
func findNFT() (string, error) {
	for _, name := range []string{"nft", "/usr/sbin/nft", "/sbin/nft"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%w: the nft program is missing (package nftables)", fabric.ErrUnsupported)
}

// onHost runs one verb in the host's namespace while no other verb runs.
func (d *Driver) onHost(ctx context.Context, fn func() error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return fabric.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return inNamespace(d.host, fn)
}

// Close closes the sockets that Listen gave out and forgets everything; the kernel goes on.
func (d *Driver) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil
	}
	d.closed = true
	for id := range d.sockets {
		d.closeSockets(id)
	}
	return unix.Close(d.host)
}

func (d *Driver) closeSockets(networkID string) {
	for _, socket := range d.sockets[networkID] {
		socket.Close() // closing twice is fine, and nothing can be done about a socket that will not close
	}
	delete(d.sockets, networkID)
}

// List finds Virga's networks, ports, routers and address sets in device aliases, names of namespaces and nftables maps and sets.
func (d *Driver) List(ctx context.Context) (fabric.Inventory, error) {
	var networks, ports, routers, sets []string
	err := d.onHost(ctx, func() error {
		links, err := ownedLinks()
		if err != nil {
			return err
		}
		for _, link := range links {
			switch link.owner.kind {
			case "network", "uplink", "dhcp":
				networks = append(networks, link.owner.id)
			case "port":
				ports = append(ports, link.owner.id)
			case "router":
				routers = append(routers, link.owner.id)
			}
		}
		filtered, _, err := d.readPortNumbers(ctx)
		if err != nil {
			return err
		}
		for id := range filtered {
			ports = append(ports, id)
		}
		if sets, err = d.readSetIDs(ctx); err != nil {
			return err
		}
		named, err := d.namespacesWithPrefix(namespaceNetwork)
		if err != nil {
			return err
		}
		networks = append(networks, named...)
		named, err = d.namespacesWithPrefix(namespaceRouter)
		routers = append(routers, named...)
		return err
	})
	if err != nil {
		return fabric.Inventory{}, fmt.Errorf("list data plane: %w", err)
	}
	return fabric.Inventory{Networks: distinct(networks), Ports: distinct(ports), Routers: distinct(routers), AddressSets: sets}, nil
}

func distinct(ids []string) []string {
	slices.Sort(ids)
	return slices.Compact(ids)
}
