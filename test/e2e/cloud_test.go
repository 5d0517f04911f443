//go:build e2e

package e2e

import (
	"bytes"
	"crypto/rand"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/keypairs"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/imagedata"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
)

// userData runs in the guest Ada at its first boot.
const userData = `#!/bin/sh
echo "user data of $(hostname)" > /root/user-data-ran
echo user data says hello
`

// story is what the steps of TestCloud know of each other: a user's project with two servers on a network of its own,
// Ada made with the openstack command, Bob with gophercloud.
type story struct {
	cloud         *process
	admin, member *account
	operator      *clients // gophercloud as the administrator
	user          *clients // gophercloud as the project's user
	key           *keyPair
	before        world

	imageID, networkID, subnetID, routerID, groupID, publicID string
	ada, bob                                                  machine
}

// machine is one server with its addresses.
type machine struct {
	id, port, fixed, floating, floatingID string
}

// TestCloud goes the whole way of a user, and then back until nothing is left.
func TestCloud(t *testing.T) {
	s := &story{cloud: startCloud(t), key: newKeyPair(t)}
	s.prepare(t)
	for _, step := range []struct {
		name string
		do   func(*testing.T)
	}{
		{"images", s.images},
		{"a network behind a router", s.network},
		{"two servers", s.servers},
		{"every list and show", s.commands},
		{"a login from outside", s.outside},
		{"a login from one to the other", s.inside},
		{"metadata", s.metadata},
		{"config drive", s.configDrive},
		{"security groups", s.securityGroups},
		{"a reboot keeps the disk", s.reboot},
		{"stop and start", s.stopAndStart},
		{"console and actions", s.consoleAndActions},
		{"a second interface", s.secondInterface},
		{"out by the router's own address", s.sharedAddress},
		{"delete leaves nothing", s.delete},
	} {
		if !t.Run(step.name, step.do) {
			t.FailNow() // what follows would fail as well
		}
	}
}

// prepare is the operator's part, and the look at the world before the user comes.
func (s *story) prepare(t *testing.T) {
	s.admin = s.cloud.admin(t)
	s.operator = s.admin.gophercloud(t)
	s.admin.openstack(t, "flavor", "create", "--ram", "128", "--disk", "1", "--vcpus", "1", "e2e.nano")
	s.member = s.admin.member(t, "e2e")
	s.user = s.member.gophercloud(t)
	s.publicID = s.member.id(t, "network", "show", "public")
	// A project's default group appears when somebody looks, and stays.
	s.member.openstack(t, "security", "group", "list")
	s.before = s.cloud.stable(t, s.operator)
}

func (s *story) images(t *testing.T) {
	t.Run("openstack", func(t *testing.T) {
		file := os.Getenv(guestImageVariable)
		shown := s.member.show(t, "image", "create", "guest", "--disk-format", "qcow2", "--container-format", "bare",
			"--min-ram", "96", "--property", "purpose=e2e", "--file", file)
		s.imageID, _ = shown["id"].(string)
		if shown["status"] == "queued" { // the command shows the record that it made before the upload
			shown = s.member.show(t, "image", "show", s.imageID)
		}
		if shown["status"] != "active" {
			t.Fatalf("after the upload: %v", shown)
		}
		content := must[[]byte](t)(os.ReadFile(file))
		digest := sha512.Sum512(content)
		image := must[*images.Image](t)(images.Get(t.Context(), s.user.image, s.imageID).Extract())
		if image.Properties["os_hash_value"] != hex.EncodeToString(digest[:]) || image.SizeBytes != int64(len(content)) {
			t.Errorf("the image has %d bytes, hash %v", image.SizeBytes, image.Properties["os_hash_value"])
		}
		if image.Properties["purpose"] != "e2e" || image.MinRAMMegabytes != 96 {
			t.Errorf("the image's properties are %v, min_ram %d", image.Properties, image.MinRAMMegabytes)
		}
	})
	t.Run("a disk that refers to another file", s.refusedImage)
	t.Run("gophercloud", func(t *testing.T) {
		content := make([]byte, 3<<20)
		if _, err := rand.Read(content); err != nil {
			t.Fatal(err)
		}
		image := must[*images.Image](t)(images.Create(t.Context(), s.user.image,
			images.CreateOpts{Name: "noise", DiskFormat: "raw", ContainerFormat: "bare"}).Extract())
		if err := imagedata.Upload(t.Context(), s.user.image, image.ID, bytes.NewReader(content)).ExtractErr(); err != nil {
			t.Fatal(err)
		}
		download := must[io.Reader](t)(imagedata.Download(t.Context(), s.user.image, image.ID).Extract())
		if got := must[[]byte](t)(io.ReadAll(download)); !bytes.Equal(got, content) {
			t.Errorf("the download of %d bytes differs from the upload of %d", len(got), len(content))
		}
		if err := images.Delete(t.Context(), s.user.image, image.ID).ExtractErr(); err != nil {
			t.Fatal(err)
		}
	})
}

// refusedImage offers a disk that stands on another file, which would show that file to its guest.
func (s *story) refusedImage(t *testing.T) {
	folder := t.TempDir()
	evil := filepath.Join(folder, "evil.qcow2")
	if out, err := exec.Command("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", "/etc/shadow", evil, "1M").CombinedOutput(); err != nil {
		t.Fatalf("qemu-img: %v: %s", err, out)
	}
	if out, err := s.member.alone(t.Context(), "image", "create", "evil", "--disk-format", "qcow2", "--container-format", "bare", "--file", evil); err == nil {
		t.Errorf("a qcow2 with a backing file was taken: %s", out)
	} else if !strings.Contains(err.Error(), "backing file") {
		t.Errorf("a qcow2 with a backing file was refused and the reason is not told: %v", err)
	}
	for _, left := range s.member.list(t, "image", "list", "--name", "evil") {
		if left["Status"] != "queued" {
			t.Errorf("the refused image is there: %v", left)
		}
		s.member.openstack(t, "image", "delete", fmt.Sprint(left["ID"]))
	}
}

func (s *story) network(t *testing.T) {
	m := s.member
	s.groupID = m.id(t, "security", "group", "create", "e2e")
	m.openstack(t, "security", "group", "rule", "create", "e2e", "--ingress", "--protocol", "icmp")
	m.openstack(t, "security", "group", "rule", "create", "e2e", "--ingress", "--protocol", "tcp", "--dst-port", "22")
	s.networkID = m.id(t, "network", "create", "tenant")
	s.subnetID = m.id(t, "subnet", "create", "tenant", "--network", "tenant", "--subnet-range", "192.168.77.0/24", "--dns-nameserver", "192.0.2.53")
	s.routerID = m.id(t, "router", "create", "edge")
	m.openstack(t, "router", "set", "edge", "--external-gateway", "public")
	m.openstack(t, "router", "add", "subnet", "edge", "tenant")
}

// servers makes Ada (user data, metadata, no config drive) and Bob (config drive, a port of his own) and waits for both.
func (s *story) servers(t *testing.T) {
	script := t.TempDir() + "/user-data"
	if err := os.WriteFile(script, []byte(userData), 0o600); err != nil {
		t.Fatal(err)
	}
	s.member.openstack(t, "keypair", "create", "--public-key", s.key.publicFile, "e2e")
	s.ada.id = s.member.id(t, "server", "create", "ada", "--image", "guest", "--flavor", "e2e.nano", "--network", "tenant",
		"--security-group", "e2e", "--key-name", "e2e", "--user-data", script, "--property", "purpose=e2e", "--property", "colour=blue")

	drive := true
	port := must[*ports.Port](t)(ports.Create(t.Context(), s.user.network, ports.CreateOpts{NetworkID: s.networkID, Name: "bob",
		SecurityGroups: &[]string{s.groupID}, FixedIPs: []ports.IP{{SubnetID: s.subnetID, IPAddress: "192.168.77.77"}}}).Extract())
	bob := must[*servers.Server](t)(servers.Create(t.Context(), s.user.compute, keypairs.CreateOptsExt{KeyName: "e2e",
		CreateOptsBuilder: servers.CreateOpts{Name: "bob", ImageRef: s.imageID, FlavorRef: s.flavor(t), ConfigDrive: &drive,
			Networks: []servers.Network{{Port: port.ID}}, Metadata: map[string]string{"purpose": "config drive"}}}, nil).Extract())
	s.bob = machine{id: bob.ID, port: port.ID, fixed: "192.168.77.77"}

	for _, m := range []*machine{&s.ada, &s.bob} {
		s.user.awaitStatus(t, m.id, "ACTIVE", bootPatience)
	}
	found := s.portsOf(t, s.ada.id)
	if len(found) != 1 || len(found[0].FixedIPs) != 1 || found[0].NetworkID != s.networkID {
		t.Fatalf("ada's ports are %v", found)
	}
	s.ada.port, s.ada.fixed = found[0].ID, found[0].FixedIPs[0].IPAddress
}

func (s *story) flavor(t *testing.T) string {
	t.Helper()
	return s.member.id(t, "flavor", "show", "e2e.nano")
}

func (s *story) portsOf(t *testing.T, serverID string) []ports.Port {
	t.Helper()
	pages, err := ports.List(s.user.network, ports.ListOpts{DeviceID: serverID}).AllPages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return must[[]ports.Port](t)(ports.ExtractPorts(pages))
}

// outside gives both servers a floating IP and logs in through it.
func (s *story) outside(t *testing.T) {
	m := s.member
	s.ada.floating = m.value(t, "floating_ip_address", "floating", "ip", "create", "public")
	m.openstack(t, "server", "add", "floating", "ip", "ada", s.ada.floating)
	s.ada.floatingID = m.id(t, "floating", "ip", "show", s.ada.floating)
	ip := must[*floatingips.FloatingIP](t)(floatingips.Create(t.Context(), s.user.network,
		floatingips.CreateOpts{FloatingNetworkID: s.publicID, PortID: s.bob.port}).Extract())
	s.bob.floating, s.bob.floatingID = ip.FloatingIP, ip.ID

	mtu := m.value(t, "mtu", "network", "show", "tenant")
	for name, m := range map[string]machine{"ada": s.ada, "bob": s.bob} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := login(t, m.floating, s.key) // only the key of the key pair opens the door
			if got := g.run(t, "hostname"); got != name {
				t.Errorf("the host name is %q", got)
			}
			if got := g.run(t, "ip -4 -o address show dev eth0"); !strings.Contains(got, " "+m.fixed+"/24 ") {
				t.Errorf("DHCP gave %q, want %s", got, m.fixed)
			}
			if got := g.run(t, "ip route show default"); !strings.Contains(got, "via 192.168.77.1 ") {
				t.Errorf("the default route is %q", got)
			}
			if got := g.run(t, "cat /etc/resolv.conf"); !strings.Contains(got, "192.0.2.53") {
				t.Errorf("the name servers are %q", got)
			}
			if got := g.run(t, "cat .ssh/authorized_keys"); got != s.key.public() {
				t.Errorf("the key is %q", got)
			}
			if got := g.run(t, "cat /sys/class/net/eth0/mtu"); got != mtu {
				t.Errorf("the device's MTU is %s, the network's %s", got, mtu)
			}
			if got := g.run(t, "cat /sys/class/block/vda/size"); got != "2097152" {
				t.Errorf("the disk has %s sectors, the flavor says 1 GiB", got)
			}
			if got := g.run(t, "ping -c 1 -W 5 "+outsideAddress); !strings.Contains(got, "1 packets received") {
				t.Errorf("ping to the outside: %s", got)
			}
			if got := seenFrom(t, func(script string) (string, error) { return g.try(script, "") }); got != m.floating {
				t.Errorf("outside, %s is seen as %s, want %s", name, got, m.floating)
			}
		})
	}
	t.Run("user data", func(t *testing.T) {
		g := login(t, s.ada.floating, s.key)
		if got := g.run(t, "cat /root/user-data-ran"); got != "user data of ada" {
			t.Errorf("user data wrote %q", got)
		}
		log := s.member.openstack(t, "console", "log", "show", "ada")
		if begin := strings.Index(log, "virga-guest: user data begins"); begin < 0 || !strings.Contains(log[begin:], "user data says hello") {
			t.Errorf("the console does not show what user data said:\n%s", log)
		}
	})
}

// inside goes from Ada to Bob over the project's network.
func (s *story) inside(t *testing.T) {
	g := login(t, s.ada.floating, s.key)
	s.giveKey(t, g)
	if got := g.run(t, s.hop("hostname; echo $SSH_CLIENT")); !regexp.MustCompile(`^bob\n` + regexp.QuoteMeta(s.ada.fixed) + ` `).MatchString(got) {
		t.Errorf("from ada to bob by fixed address: %q", got)
	}
	if got := g.run(t, "ping -c 3 -W 5 "+s.bob.fixed); !strings.Contains(got, " 0% packet loss") {
		t.Errorf("ping: %s", got)
	}
	// More than a few packets, so that segments of full size and their offloads are among them.
	g.run(t, "head -c 1000000 /dev/urandom > /root/noise")
	want, _, _ := strings.Cut(g.run(t, "md5sum /root/noise"), " ")
	if got := g.run(t, s.hop("md5sum")+" < /root/noise"); !strings.HasPrefix(got, want) {
		t.Errorf("a megabyte arrives as %q, want %s", got, want)
	}
}

// giveKey puts the private key into a guest in the form that its ssh client reads.
func (s *story) giveKey(t *testing.T, g *guest) {
	t.Helper()
	g.put(t, "/root/id", s.key.private)
	g.run(t, "dropbearconvert openssh dropbear /root/id /root/id.dropbear 2>&1 && chmod 600 /root/id*")
}

// hop is the command by which Ada runs a script on Bob.
func (s *story) hop(script string) string {
	return s.hopTo(s.bob.fixed, script)
}

func (s *story) hopTo(address, script string) string {
	return "ssh -y -i /root/id.dropbear root@" + address + " '" + script + "' 2> /dev/null"
}
