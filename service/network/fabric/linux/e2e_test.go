//go:build e2e

package linux

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"virga/service/network/fabric"
	"virga/service/network/fabric/suite"
)

// isolatedVariable tells the re-executed test binary that it is inside.
const isolatedVariable = "VIRGA_FABRIC_ISOLATED"

// TestMain runs the tests again in fresh network and mount namespaces, so that no packet and no device leaves them.
func TestMain(m *testing.M) {
	if os.Getenv(isolatedVariable) != "" {
		os.Exit(m.Run())
	}
	if err := missingForE2E(); err != nil {
		fmt.Fprintln(os.Stderr, "data plane tests cannot run:", err)
		os.Exit(1)
	}
	command := exec.Command("/proc/self/exe", os.Args[1:]...)
	command.Env = append(os.Environ(), isolatedVariable+"=1")
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS, Unshareflags: unix.CLONE_NEWNS, Pdeathsig: unix.SIGKILL}
	err := command.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		os.Exit(exit.ExitCode())
	case err != nil:
		fmt.Fprintln(os.Stderr, "data plane tests cannot run:", err)
		os.Exit(1)
	}
}

func missingForE2E() error {
	if os.Geteuid() != 0 {
		return errors.New("root is needed")
	}
	_, err := findNFT()
	return err
}

// testHost is one machine: a network namespace in which a driver works.
type testHost struct {
	dir       string // of all namespaces: the host's own file and those that the driver makes
	namespace string
	fd        int
}

// newHost makes a machine that is removed with the test. The global br_netfilter switch is off, as on hosts where nobody turned it on.
func newHost(t *testing.T) *testHost {
	t.Helper()
	h := &testHost{dir: t.TempDir()}
	h.namespace, h.fd = makeNamespace(t, filepath.Join(h.dir, "host"))
	check(t, inNamespace(h.fd, func() error {
		return setSysctls(map[string]string{"bridge/bridge-nf-call-iptables": "0", "bridge/bridge-nf-call-ip6tables": "0"})
	}))
	check(t, os.Mkdir(filepath.Join(h.dir, "netns"), 0o755))
	t.Cleanup(func() { h.removeNamespaces(t) })
	return h
}

func (h *testHost) removeNamespaces(t *testing.T) {
	entries, err := os.ReadDir(filepath.Join(h.dir, "netns"))
	check(t, err)
	for _, entry := range entries {
		check(t, removeNamespaceFile(filepath.Join(h.dir, "netns", entry.Name())))
	}
}

// makeNamespace makes a network namespace at a path, loopback up, removed with the test.
func makeNamespace(t *testing.T, path string) (string, int) {
	t.Helper()
	maker, err := New(Config{NamespaceDir: filepath.Dir(path), NFT: "nft"})
	check(t, err)
	defer maker.Close()
	fd, _, err := maker.ensureNamespace(filepath.Base(path))
	check(t, err)
	t.Cleanup(func() {
		unix.Close(fd)
		check(t, removeNamespaceFile(path))
	})
	return path, fd
}

func (h *testHost) open(t *testing.T) fabric.Driver {
	t.Helper()
	driver, err := New(Config{HostNamespace: h.namespace, NamespaceDir: filepath.Join(h.dir, "netns")})
	check(t, err)
	t.Cleanup(func() { check(t, driver.Close()) })
	return driver
}

// Plug implements suite.World with a veth whose host end has the tap's name.
func (h *testHost) Plug(t *testing.T, port fabric.Port, mtu int, addresses []netip.Prefix, gateway netip.Addr) suite.Guest {
	t.Helper()
	_, fd := makeNamespace(t, filepath.Join(h.dir, "guest-"+port.ID))
	mac, err := fabric.ParseMAC(port.MAC)
	check(t, err)
	check(t, inNamespace(h.fd, func() error {
		return netlink.LinkAdd(&netlink.Veth{
			LinkAttrs: netlink.LinkAttrs{Name: fabric.TapName(port.ID), MTU: mtu, TxQLen: 1000}, PeerName: "eth0",
			PeerHardwareAddr: mac, PeerNamespace: netlink.NsFd(fd),
		})
	}))
	check(t, inNamespace(fd, func() error {
		link, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		if err := errors.Join(netlink.LinkSetMTU(link, mtu), netlink.LinkSetUp(link)); err != nil {
			return err
		}
		if _, err := syncAddresses(link, addresses); err != nil {
			return err
		}
		if !gateway.IsValid() {
			return nil
		}
		return netlink.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Gw: gateway.AsSlice()})
	}))
	return suite.Guest{Device: "eth0", In: func(fn func() error) error { return inNamespace(fd, fn) }}
}

// Host implements suite.World.
func (h *testHost) Host() suite.Guest {
	return suite.Guest{Device: "lo", In: func(fn func() error) error { return inNamespace(h.fd, fn) }}
}

// Snapshot implements suite.World.
func (h *testHost) Snapshot(t *testing.T) []string {
	t.Helper()
	var lines []string
	check(t, inNamespace(h.fd, func() error {
		links, err := netlink.LinkList()
		if err != nil {
			return err
		}
		for _, link := range links {
			lines = append(lines, "link "+link.Attrs().Name)
		}
		rules, err := exec.Command("nft", "list", "ruleset").Output()
		for _, line := range strings.Split(strings.TrimSpace(string(rules)), "\n") {
			lines = append(lines, "nft "+strings.TrimSpace(line))
		}
		return err
	}))
	entries, err := os.ReadDir(filepath.Join(h.dir, "netns"))
	check(t, err)
	for _, entry := range entries {
		lines = append(lines, "namespace "+entry.Name())
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}

// FlushFilter implements suite.World.
func (h *testHost) FlushFilter(*testing.T) error {
	return inNamespace(h.fd, func() error { return exec.Command("nft", "flush", "ruleset").Run() })
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestBehaviour(t *testing.T) {
	suite.Run(t, func(t *testing.T) suite.Setup {
		host := newHost(t)
		return suite.Setup{Driver: host.open(t), Restart: host.open, World: host}
	}, suite.Capabilities{Packets: true, Persist: true})
}
