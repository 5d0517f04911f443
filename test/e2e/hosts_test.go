//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"virga/test/isolated"
)

// The addresses of the machines on the network that joins them, which stands for a data centre's own.
const (
	underlay          = "under0"
	underlayTests     = "10.99.0.254/24"
	controllerAddress = "10.99.0.1"
)

// shownPatience is how long the lists may tell yesterday's truth about a host: ten seconds, and what the commands take.
const shownPatience = 15 * time.Second

// region is a cloud on three machines: a controller, and two nodes with a libvirtd each.
type region struct {
	whole      *testing.T // the test of which the steps are parts: what they open stays open for the next
	controller *process
	nodes      map[string]*process
	admin      *account
	key        *keyPair
	imageID    string
	// Servers by name, with their addresses.
	servers map[string]*machine
	logins  map[string]*guest
}

// TestHosts lets a cloud of three machines do what needs more than one.
func TestHosts(t *testing.T) {
	r := &region{whole: t, nodes: map[string]*process{}, key: newKeyPair(t), servers: map[string]*machine{}, logins: map[string]*guest{}}
	r.build(t)
	for _, step := range []struct {
		name string
		do   func(*testing.T)
	}{
		{"both nodes appear", r.appear},
		{"servers land on both", r.land},
		{"they talk across hosts", r.talk},
		{"metadata on both", r.metadata},
		{"security groups hold across hosts", r.securityGroups},
		{"a node's agents die and come back", r.agentsDie},
		{"a server moves while it runs", r.live},
		{"a server moves with its disk", r.migrate},
		{"a move is taken back", r.revert},
		{"a server is resized", r.resize},
		{"a node is cut off", r.cutOff},
		{"a server is evacuated", r.evacuate},
		{"delete leaves nothing", r.delete},
	} {
		began := time.Now()
		if !t.Run(step.name, step.do) {
			t.FailNow()
		}
		t.Logf("%s: %s", step.name, time.Since(began).Round(100*time.Millisecond))
	}
}

// build makes the machines, the controller, and has the nodes join it.
func (r *region) build(t *testing.T) {
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: underlay}}
	if err := errors.Join(netlink.LinkAdd(bridge), netlink.LinkSetUp(bridge), netlink.AddrAdd(bridge, must[*netlink.Addr](t)(netlink.ParseAddr(underlayTests)))); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { netlink.LinkDel(bridge) })
	made := map[string]chan *isolated.Machine{}
	for i, name := range []string{"control", "north", "south"} {
		made[name] = make(chan *isolated.Machine, 1)
		address := must[*netlink.Addr](t)(netlink.ParseAddr(fmt.Sprintf("10.99.0.%d/24", i+1)))
		go func() { // libvirtd takes its time to probe QEMU
			m, err := isolated.NewMachine(name, isolated.Options{Libvirt: name != "control"})
			if err == nil {
				err = m.Connect(underlay, address)
			}
			if err != nil {
				t.Error(err)
			}
			made[name] <- m
		}()
	}
	machines := map[string]*isolated.Machine{}
	for name, m := range made {
		if machines[name] = <-m; machines[name] != nil {
			t.Cleanup(machines[name].Close)
		}
	}
	if t.Failed() {
		t.FailNow()
	}
	r.controller = r.process(t, machines["control"], "run", "--roles", "api,conductor,scheduler", "--listen", controllerAddress+":8780", "--host", "control")
	r.controller.address = controllerAddress + ":8780"
	r.controller.ready = r.controllerReady
	r.controller.start(t)
	r.admin = r.controller.admin(t)
	for i, name := range []string{"north", "south"} {
		r.nodes[name] = r.join(t, machines[name], fmt.Sprintf("10.99.0.%d", i+2))
	}
}

// process is a part of the cloud on one of the machines.
func (r *region) process(t *testing.T, m *isolated.Machine, arguments ...string) *process {
	t.Helper()
	dir := t.TempDir()
	p := &process{dir: filepath.Join(dir, "data"), log: filepath.Join(dir, "virga.log"), machine: m}
	p.arguments = append(arguments, "--data-dir", p.dir)
	t.Cleanup(func() {
		p.checkLog(t)
		if t.Failed() {
			p.abort()
			p.showLog(t)
		}
		p.stop(t)
	})
	return p
}

func (r *region) controllerReady() error {
	if _, err := os.Stat(r.controller.clouds()); err != nil {
		return err
	}
	connection, err := net.Dial("tcp", r.controller.address)
	if err != nil {
		return err
	}
	return connection.Close()
}

// rows are the rows of a list of which one column has a value.
func (r *region) rows(t *testing.T, column, value string, list ...string) []map[string]any {
	t.Helper()
	return slices.DeleteFunc(r.admin.list(t, list...), func(row map[string]any) bool { return fmt.Sprint(row[column]) != value })
}

// seen checks what the lists tell of a host.
func (r *region) seen(t *testing.T, host string, up bool) error {
	t.Helper()
	for _, list := range []struct {
		command, column, state, up, down string
	}{
		{"compute service list --service nova-compute", "Host", "State", "up", "down"},
		{"hypervisor list", "Hypervisor Hostname", "State", "up", "down"},
		{"network agent list", "Host", "Alive", "true", "false"},
	} {
		want := list.down
		if up {
			want = list.up
		}
		rows := r.rows(t, list.column, host, strings.Fields(list.command)...)
		if len(rows) != 1 {
			return fmt.Errorf("openstack %s has %d rows of %s", list.command, len(rows), host)
		}
		if got := fmt.Sprint(rows[0][list.state]); got != want {
			return fmt.Errorf("openstack %s says that %s is %s, want %s", list.command, host, got, want)
		}
	}
	return nil
}

func (r *region) awaitSeen(t *testing.T, host string, up bool) {
	t.Helper()
	await(t, fmt.Sprintf("host %s is shown up: %t", host, up), shownPatience, func() error { return r.seen(t, host, up) })
}

func (r *region) appear(t *testing.T) {
	for name := range r.nodes {
		r.awaitSeen(t, name, true)
	}
	if rows := r.admin.list(t, "hypervisor", "list"); len(rows) != len(r.nodes) {
		t.Errorf("there are %d hypervisors", len(rows))
	}
	r.admin.openstack(t, "flavor", "create", "--ram", "128", "--disk", "1", "--vcpus", "1", "e2e.nano")
	r.admin.openstack(t, "flavor", "create", "--ram", "192", "--disk", "2", "--vcpus", "1", "e2e.micro")
	r.imageID = r.admin.id(t, "image", "create", "guest", "--public", "--disk-format", "qcow2", "--container-format", "bare", "--file", os.Getenv(guestImageVariable))
	r.admin.openstack(t, "keypair", "create", "--public-key", r.key.publicFile, "e2e")
	group := r.admin.value(t, "ID", "security", "group", "list", "--project", "admin")
	r.admin.openstack(t, "security", "group", "rule", "create", group, "--ingress", "--protocol", "icmp")
	r.admin.openstack(t, "security", "group", "rule", "create", group, "--ingress", "--protocol", "tcp", "--dst-port", "22")
}

// create boots a server and waits until it is ACTIVE.
func (r *region) create(t *testing.T, name string) {
	t.Helper()
	r.servers[name] = &machine{id: r.admin.id(t, "server", "create", "--image", r.imageID, "--flavor", "e2e.nano", "--network", "private", "--key-name", "e2e", name)}
}

// status waits for a server's status and returns its host.
func (r *region) status(t *testing.T, name, want string) (host string) {
	t.Helper()
	await(t, name+" is "+want, bootPatience, func() error {
		shown := r.admin.show(t, "server", "show", r.servers[name].id)
		host = fmt.Sprint(shown["OS-EXT-SRV-ATTR:host"])
		if got := fmt.Sprint(shown["status"]); got != want || shown["OS-EXT-STS:task_state"] != nil {
			return fmt.Errorf("it is %s (%v): %v", got, shown["OS-EXT-STS:task_state"], shown["fault"])
		}
		return nil
	})
	return host
}

// hostOf is where a server is.
func (r *region) hostOf(t *testing.T, name string) string {
	t.Helper()
	return fmt.Sprint(r.admin.show(t, "server", "show", r.servers[name].id)["OS-EXT-SRV-ATTR:host"])
}

// edge is the machine that carries the router, where the external network comes out.
func (r *region) edge(t *testing.T) *isolated.Machine {
	t.Helper()
	for _, p := range r.nodes {
		if out, err := p.machine.Output("ip", "-o", "-4", "address"); err == nil && strings.Contains(out, outsideAddress+"/") {
			return p.machine
		}
	}
	t.Fatalf("no machine has the address %s", outsideAddress)
	return nil
}

// login logs in to a server by its floating address, from the machine where that comes out.
func (r *region) login(t *testing.T, name, notBoot string) *guest {
	t.Helper()
	address := r.servers[name].floating
	var g *guest
	err := awaitError(t.Context(), 2*bootPatience, func() error {
		err := r.edge(t).Do(func() error {
			connection, err := net.DialTimeout("tcp", net.JoinHostPort(address, "22"), dialPatience)
			if err != nil {
				return err
			}
			g, err = enter(connection, address, r.key)
			return err
		})
		if err != nil || notBoot == "" {
			return err
		}
		id, err := g.try("cat /proc/sys/kernel/random/boot_id", "")
		if err == nil && strings.TrimSpace(id) == notBoot {
			err = errors.New("it has not booted yet")
		}
		if err != nil {
			g.client.Close()
		}
		return err
	})
	if err != nil {
		console := r.admin.openstack(t, "console", "log", "show", r.servers[name].id)
		t.Fatalf("log in to %s at %s: %v; its console:\n%s", name, address, err, console[max(0, len(console)-1500):])
	}
	r.whole.Cleanup(func() { g.client.Close() })
	r.logins[name] = g
	return g
}
