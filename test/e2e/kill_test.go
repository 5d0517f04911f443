//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/keypairs"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
)

// outage is a cloud with a guest that must not notice when its process dies.
type outage struct {
	cloud    *process
	admin    *account
	client   *clients
	key      *keyPair
	imageID  string
	flavorID string
	private  string
	// The guest that watches: its server, address, QEMU process and a connection that stays.
	id, address string
	qemu        int
	boot        string
	ticker      *ticker
}

// TestKillInTheMiddleOfCreate kills the process at several moments of a create and of a delete. A guest that runs
// meanwhile goes on untouched; what was begun ends in a known state and leaves nothing.
func TestKillInTheMiddleOfCreate(t *testing.T) {
	o := &outage{cloud: startCloud(t), key: newKeyPair(t)}
	o.prepare(t)
	empty := o.cloud.stable(t, o.client)
	o.bootWatcher(t)
	before := o.cloud.stable(t, o.client)
	// A create takes about half a second here, most of it for the start of QEMU.
	for _, ms := range []time.Duration{0, 15, 30, 50, 100, 200, 350, 600, 1500} {
		after := ms * time.Millisecond
		o.step(t, fmt.Sprintf("create, killed after %s", after), func(t *testing.T) { o.killCreate(t, after, before) })
	}
	for _, after := range []time.Duration{20 * time.Millisecond, 150 * time.Millisecond} {
		o.step(t, fmt.Sprintf("delete, killed after %s", after), func(t *testing.T) { o.killDelete(t, after, before) })
	}
	o.step(t, "stopped in good order", func(t *testing.T) {
		o.cloud.stop(t)
		o.untouched(t)
		o.cloud.start(t)
		o.untouched(t)
		o.cloud.mustBe(t, o.client, before)
	})
	o.step(t, "the guest is adopted", func(t *testing.T) { o.adopted(t, empty) })
}

// step runs one part; when it fails the test ends, with the process in the state that it got into.
func (o *outage) step(t *testing.T, name string, do func(*testing.T)) {
	t.Helper()
	if !t.Run(name, do) {
		t.FailNow()
	}
}

// prepare uses what a fresh cloud brings: the networks private and public with the router between them.
func (o *outage) prepare(t *testing.T) {
	o.admin = o.cloud.admin(t)
	o.client = o.admin.gophercloud(t)
	a := o.admin
	o.flavorID = a.id(t, "flavor", "create", "--ram", "128", "--disk", "1", "--vcpus", "1", "e2e.nano")
	o.imageID = a.id(t, "image", "create", "guest", "--public", "--disk-format", "qcow2", "--container-format", "bare", "--file", os.Getenv(guestImageVariable))
	a.openstack(t, "keypair", "create", "--public-key", o.key.publicFile, "e2e")
	group := a.value(t, "ID", "security", "group", "list", "--project", "admin")
	a.openstack(t, "security", "group", "rule", "create", group, "--ingress", "--protocol", "icmp")
	a.openstack(t, "security", "group", "rule", "create", group, "--ingress", "--protocol", "tcp", "--dst-port", "22")
	o.private = a.id(t, "network", "show", "private")
}

func (o *outage) create(ctx context.Context, name string) (*servers.Server, error) {
	return servers.Create(ctx, o.client.compute, keypairs.CreateOptsExt{KeyName: "e2e", CreateOptsBuilder: servers.CreateOpts{
		Name: name, ImageRef: o.imageID, FlavorRef: o.flavorID, Networks: []servers.Network{{UUID: o.private}}}}, nil).Extract()
}

func (o *outage) bootWatcher(t *testing.T) {
	server := must[*servers.Server](t)(o.create(t.Context(), "watcher"))
	o.id = server.ID
	o.client.awaitStatus(t, o.id, "ACTIVE", bootPatience)
	port := o.admin.value(t, "ID", "port", "list", "--server", o.id)
	public := must[string](t)(networkID(t.Context(), o.client, "public"))
	ip := must[*floatingips.FloatingIP](t)(floatingips.Create(t.Context(), o.client.network,
		floatingips.CreateOpts{FloatingNetworkID: public, PortID: port}).Extract())
	o.address = ip.FloatingIP
	// A reboot that is done must not be done again by a process that reads of it later.
	if err := servers.Reboot(t.Context(), o.client.compute, o.id, servers.RebootOpts{Type: servers.HardReboot}).ExtractErr(); err != nil {
		t.Fatal(err)
	}
	o.client.awaitStatus(t, o.id, "ACTIVE", bootPatience)
	g := login(t, o.address, o.key)
	o.boot, o.qemu = g.bootID(t), qemuOf(o.id)
	if o.qemu == 0 {
		t.Fatal("the guest answers and no QEMU runs it")
	}
	o.ticker = g.startTicker(t)
}

func networkID(ctx context.Context, c *clients, name string) (string, error) {
	pages, err := networks.List(c.network, networks.ListOpts{Name: name}).AllPages(ctx)
	if err != nil {
		return "", err
	}
	found, err := networks.ExtractNetworks(pages)
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("networks called %s: %v %w", name, found, err)
	}
	return found[0].ID, nil
}

// untouched looks at the guest from outside: it runs in the same process, its connection lives, no packet is lost and
// new connections are let in.
func (o *outage) untouched(t *testing.T) {
	t.Helper()
	if now := qemuOf(o.id); now != o.qemu {
		t.Errorf("QEMU was process %d and is %d", o.qemu, now)
	}
	o.ticker.next(t)
	for range 5 {
		if err := ping(o.address, 5); err != nil {
			t.Error(err)
		}
	}
	g, err := dial(o.address, o.key)
	if err != nil {
		t.Errorf("log in to the guest: %v", err)
		return
	}
	defer g.client.Close()
	if boot := g.bootID(t); boot != o.boot {
		t.Error("the guest has booted")
	}
}

// killAfter kills the process that long after the request was sent, whether it was answered or not.
func (o *outage) killAfter(t *testing.T, after time.Duration, request func(ctx context.Context) error) {
	t.Helper()
	answered := make(chan error, 1)
	go func() { answered <- request(t.Context()) }()
	<-time.After(after)
	o.cloud.kill(t)
	t.Logf("the request: %v; QEMU runs %d guests", <-answered, guestsRunning())
	o.untouched(t)
	o.cloud.start(t)
}

func (o *outage) killCreate(t *testing.T, after time.Duration, before world) {
	const name = "unlucky"
	o.killAfter(t, after, func(ctx context.Context) error {
		_, err := o.create(ctx, name)
		return err
	})
	server := o.find(t, name)
	if server == nil {
		t.Log("the create had not been admitted")
		o.cloud.mustBe(t, o.client, before)
		return
	}
	await(t, "the create comes to an end", bootPatience, func() (err error) {
		if server, err = servers.Get(t.Context(), o.client.compute, server.ID).Extract(); err != nil {
			return err
		}
		if server.Status != "ACTIVE" && server.Status != "ERROR" {
			return fmt.Errorf("it is %s, %s", server.Status, server.TaskState)
		}
		return nil
	})
	switch {
	case server.Status == "ERROR" && server.Fault.Message == "":
		t.Errorf("server %s is in ERROR and does not say why", server.ID)
	case server.Status == "ERROR":
		t.Logf("the create failed: %s", server.Fault.Message)
	case qemuOf(server.ID) == 0:
		t.Errorf("server %s is ACTIVE and no QEMU runs it", server.ID)
	}
	if err := servers.Delete(t.Context(), o.client.compute, server.ID).ExtractErr(); err != nil {
		t.Fatal(err)
	}
	o.client.awaitGone(t, server.ID, bootPatience)
	o.cloud.mustBe(t, o.client, before)
	o.untouched(t)
}

func (o *outage) killDelete(t *testing.T, after time.Duration, before world) {
	server := must[*servers.Server](t)(o.create(t.Context(), "doomed"))
	o.client.awaitStatus(t, server.ID, "ACTIVE", bootPatience)
	o.killAfter(t, after, func(ctx context.Context) error {
		return servers.Delete(ctx, o.client.compute, server.ID).ExtractErr()
	})
	// A delete that was not admitted any more is asked for again; one that was goes on by itself.
	if now, err := servers.Get(t.Context(), o.client.compute, server.ID).Extract(); err == nil && now.TaskState != "deleting" {
		t.Logf("the delete had not been admitted: the server is %s, %s", now.Status, now.TaskState)
		servers.Delete(t.Context(), o.client.compute, server.ID)
	}
	o.client.awaitGone(t, server.ID, bootPatience)
	o.cloud.mustBe(t, o.client, before)
}

// find returns the server of that name; nil when there is none.
func (o *outage) find(t *testing.T, name string) *servers.Server {
	t.Helper()
	pages, err := servers.List(o.client.compute, servers.ListOpts{Name: "^" + name + "$"}).AllPages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found := must[[]servers.Server](t)(servers.ExtractServers(pages))
	switch len(found) {
	case 0:
		return nil
	case 1:
		return &found[0]
	}
	t.Fatalf("%d servers are called %s", len(found), name)
	return nil
}

// adopted uses the guest, which outlived the process several times, in the ways that need the process.
func (o *outage) adopted(t *testing.T, empty world) {
	if log := o.admin.openstack(t, "console", "log", "show", o.id); !strings.Contains(log, "watcher login:") {
		t.Errorf("the console shows %q", log)
	}
	o.admin.openstack(t, "server", "reboot", "--hard", "--wait", o.id)
	g := loginAfterBoot(t, o.address, o.key, o.boot)
	if now := qemuOf(o.id); now == o.qemu || now == 0 {
		t.Errorf("QEMU was process %d and is %d", o.qemu, now)
	}

	// A guest that went down by itself stays down when the process comes back.
	g.try("poweroff", "") // the connection may break before the answer comes
	o.client.awaitStatus(t, o.id, "SHUTOFF", bootPatience)
	o.cloud.kill(t)
	o.cloud.start(t)
	o.cloud.stable(t, o.client)
	if server := o.client.awaitStatus(t, o.id, "SHUTOFF", 0); qemuOf(o.id) != 0 {
		t.Errorf("the guest, which is %s, was started by the start of the cloud", server.Status)
	}
	o.admin.openstack(t, "server", "start", o.id)
	login(t, o.address, o.key)

	o.admin.openstack(t, "floating", "ip", "delete", o.address)
	o.admin.openstack(t, "server", "delete", "--wait", o.id)
	o.cloud.mustBe(t, o.client, empty)
}
