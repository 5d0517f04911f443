//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/routers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/rules"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
)

// rulePatience is how long a change of rules may take to reach the packets.
const rulePatience = 10 * time.Second

// ping tells whether a guest answers one packet of the host within some seconds.
func ping(address string, seconds int) error {
	if out, err := exec.Command("ping", "-c", "1", "-W", strconv.Itoa(seconds), address).CombinedOutput(); err != nil {
		return fmt.Errorf("ping %s: %w: %s", address, err, out)
	}
	return nil
}

// securityGroups opens a port between the two for members of the group alone, and then takes ssh away from
// connections that stand and from new ones.
func (s *story) securityGroups(t *testing.T) {
	ada, bob := login(t, s.ada.floating, s.key), login(t, s.bob.floating, s.key)
	s.giveKey(t, ada)
	bob.run(t, "mkdir -p /tmp/www && echo heard > /tmp/www/index.html && httpd -p 5000 -h /tmp/www")
	talk := "timeout 3 wget -q -O - http://" + s.bob.fixed + ":5000/"
	if out, err := ada.try(talk, ""); err == nil {
		t.Fatalf("a port that no rule opens is open: %q", out)
	}
	s.member.openstack(t, "security", "group", "rule", "create", "e2e", "--ingress", "--protocol", "tcp", "--dst-port", "5000", "--remote-group", "e2e")
	await(t, "a new rule opens the port", rulePatience, func() error {
		out, err := ada.try(talk, "")
		if err == nil && out != "heard\n" {
			err = fmt.Errorf("bob says %q", out)
		}
		return err
	})

	fromOutside := ada.startTicker(t)
	// Ada notes Bob's uptime as long as he can send it.
	ada.run(t, "setsid "+s.hop("while :; do cut -d . -f 1 /proc/uptime; usleep 200000; done")+" > /root/ticks < /dev/null &")
	await(t, "a connection between the two stands", bootPatience, func() error {
		out, err := ada.try("tail -n 1 /root/ticks", "")
		if err == nil && out == "" {
			err = errors.New("bob has not spoken yet")
		}
		return err
	})
	if err := rules.Delete(t.Context(), s.user.network, s.sshRule(t)).ExtractErr(); err != nil {
		t.Fatal(err)
	}
	fromOutside.awaitSilence(t, "a connection from outside, its rule removed")
	for name, address := range map[string]string{"ada": s.ada.floating, "bob": s.bob.floating} {
		if g, err := dial(address, s.key); err == nil {
			g.client.Close()
			t.Errorf("%s lets in after the rule for it was removed", name)
		}
		if err := ping(address, 5); err != nil {
			t.Errorf("%s, whose rule is still there: %v", name, err)
		}
	}
	s.member.openstack(t, "security", "group", "rule", "create", "e2e", "--ingress", "--protocol", "tcp", "--dst-port", "22")
	bob, ada = login(t, s.bob.floating, s.key), login(t, s.ada.floating, s.key)
	uptime, last := seconds(t, bob.run(t, "cut -d . -f 1 /proc/uptime")), seconds(t, ada.run(t, "tail -n 1 /root/ticks"))
	if gap := uptime - last; gap < quiet {
		t.Errorf("between the two guests the connection still spoke %s ago, after its rule was removed", gap)
	}
}

func seconds(t *testing.T, text string) time.Duration {
	t.Helper()
	return must[time.Duration](t)(time.ParseDuration(strings.TrimSpace(text) + "s"))
}

// sshRule is the rule that lets ssh in.
func (s *story) sshRule(t *testing.T) string {
	t.Helper()
	pages, err := rules.List(s.user.network, rules.ListOpts{SecGroupID: s.groupID, PortRangeMin: 22, Direction: "ingress"}).AllPages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found := must[[]rules.SecGroupRule](t)(rules.ExtractRules(pages))
	if len(found) != 1 {
		t.Fatalf("rules for ssh: %v", found)
	}
	return found[0].ID
}

// reboot reboots Ada softly and Bob hard; what they wrote stays.
func (s *story) reboot(t *testing.T) {
	t.Run("soft", func(t *testing.T) {
		t.Parallel()
		s.acrossBoot(t, s.ada, func() { s.member.openstack(t, "server", "reboot", "--soft", "--wait", "ada") })
	})
	t.Run("hard", func(t *testing.T) {
		t.Parallel()
		qemu := qemuOf(s.bob.id)
		s.acrossBoot(t, s.bob, func() {
			if err := servers.Reboot(t.Context(), s.user.compute, s.bob.id, servers.RebootOpts{Type: servers.HardReboot}).ExtractErr(); err != nil {
				t.Fatal(err)
			}
			s.user.awaitStatus(t, s.bob.id, "ACTIVE", bootPatience)
		})
		if now := qemuOf(s.bob.id); now == qemu || now == 0 {
			t.Errorf("QEMU was process %d and is %d", qemu, now)
		}
	})
}

// stopAndStart stops Ada by the API; Bob goes down by himself, which must be noticed.
func (s *story) stopAndStart(t *testing.T) {
	t.Run("by the API", func(t *testing.T) {
		t.Parallel()
		s.acrossBoot(t, s.ada, func() {
			s.member.openstack(t, "server", "stop", "ada")
			s.user.awaitStatus(t, s.ada.id, "SHUTOFF", bootPatience)
			if pid := qemuOf(s.ada.id); pid != 0 {
				t.Errorf("the server is SHUTOFF and QEMU runs as process %d", pid)
			}
			s.member.openstack(t, "server", "start", "ada")
			s.user.awaitStatus(t, s.ada.id, "ACTIVE", bootPatience)
		})
	})
	t.Run("from inside", func(t *testing.T) {
		t.Parallel()
		s.acrossBoot(t, s.bob, func() {
			g := login(t, s.bob.floating, s.key)
			g.try("poweroff", "") // the connection may break before the answer comes
			s.user.awaitStatus(t, s.bob.id, "SHUTOFF", bootPatience)
			if err := servers.Start(t.Context(), s.user.compute, s.bob.id).ExtractErr(); err != nil {
				t.Fatal(err)
			}
			s.user.awaitStatus(t, s.bob.id, "ACTIVE", bootPatience)
		})
	})
}

// acrossBoot has the machine boot anew and looks whether a file that it wrote is still there.
func (s *story) acrossBoot(t *testing.T, m machine, boot func()) {
	t.Helper()
	g := login(t, m.floating, s.key)
	before := g.bootID(t)
	g.put(t, "/root/kept", []byte(before))
	g.run(t, "sync")
	boot()
	if got := loginAfterBoot(t, m.floating, s.key, before).run(t, "cat /root/kept"); got != before {
		t.Errorf("the file holds %q, want %q", got, before)
	}
}

// consoleAndActions looks at what is kept of the servers' lives.
func (s *story) consoleAndActions(t *testing.T) {
	var log string
	await(t, "ada's console shows the login prompt", bootPatience, func() error {
		if log = s.member.openstack(t, "console", "log", "show", "ada"); !strings.Contains(log, "ada login:") {
			return errors.New(log)
		}
		return nil
	})
	if want := "virga-guest: ready host=ada ip=" + s.ada.fixed; !strings.Contains(log, want) {
		t.Errorf("ada's console does not show %s:\n%s", want, log)
	}
	tail := strings.TrimSpace(s.member.openstack(t, "console", "log", "show", "--lines", "3", "ada"))
	if strings.Count(tail, "\n") > 2 || !strings.HasSuffix(strings.TrimSpace(log), tail) {
		t.Errorf("the last 3 lines of the console are %q", tail)
	}
	await(t, "bob's console shows the login prompt", bootPatience, func() error {
		log, err := servers.ShowConsoleOutput(t.Context(), s.user.compute, s.bob.id, servers.ShowConsoleOutputOpts{}).Extract()
		if err == nil && !strings.Contains(log, "bob login:") {
			err = errors.New(log)
		}
		return err
	})
	if list := s.member.openstack(t, "floating", "ip", "list"); !strings.Contains(list, s.ada.floating) || !strings.Contains(list, s.bob.fixed) {
		t.Errorf("the floating IPs are %s", list)
	}
	done := map[string]string{}
	for _, action := range s.member.list(t, "server", "event", "list", "ada") {
		done[fmt.Sprint(action["Action"])] = fmt.Sprint(action["Request ID"])
	}
	for _, name := range []string{"create", "reboot", "stop", "start"} {
		if done[name] == "" {
			t.Errorf("the actions of ada are %v, without %s", done, name)
		}
	}
	if shown := s.admin.openstack(t, "server", "event", "show", s.ada.id, done["create"]); !strings.Contains(shown, "Success") {
		t.Errorf("the events of ada's create: %s", shown)
	}
}

// secondInterface plugs an interface into Ada as she runs and pulls it out again.
func (s *story) secondInterface(t *testing.T) {
	m := s.member
	second := m.id(t, "network", "create", "second")
	m.openstack(t, "subnet", "create", "second", "--network", "second", "--subnet-range", "10.99.0.0/24")
	m.openstack(t, "server", "add", "network", "ada", "second")
	g := login(t, s.ada.floating, s.key)
	var port ports.Port
	await(t, "ada has an address on the second network", bootPatience, func() error {
		for _, port = range s.portsOf(t, s.ada.id) {
			if port.NetworkID == second {
				out, err := g.try("ip -4 -o address", "")
				if err == nil && !strings.Contains(out, " "+port.FixedIPs[0].IPAddress+"/24 ") {
					err = errors.New(out)
				}
				return err
			}
		}
		return errors.New("she has no port there")
	})
	m.openstack(t, "server", "remove", "port", "ada", port.ID)
	await(t, "the interface is gone", bootPatience, func() error {
		if err := ports.Get(t.Context(), s.user.network, port.ID).Err; !is(err, http.StatusNotFound) {
			return fmt.Errorf("the port is still there: %w", err)
		}
		out, err := g.try("cat /sys/class/net/*/address", "")
		if err == nil && strings.Contains(out, port.MACAddress) {
			err = errors.New("the guest still has the device")
		}
		return err
	})
	m.openstack(t, "network", "delete", "second")
}

// sharedAddress takes Ada's floating IP: she is out of reach from outside, and goes out under the router's address.
func (s *story) sharedAddress(t *testing.T) {
	bob := login(t, s.bob.floating, s.key)
	s.giveKey(t, bob)
	s.member.openstack(t, "server", "remove", "floating", "ip", "ada", s.ada.floating)
	await(t, "ada is out of reach without her floating IP", rulePatience, func() error {
		if ping(s.ada.floating, 1) == nil {
			return fmt.Errorf("%s answers", s.ada.floating)
		}
		return nil
	})
	router := must[*routers.Router](t)(routers.Get(t.Context(), s.user.network, s.routerID).Extract())
	want := router.GatewayInfo.ExternalFixedIPs[0].IPAddress
	if got := seenFrom(t, func(script string) (string, error) { return bob.try(s.hopTo(s.ada.fixed, script), "") }); got != want {
		t.Errorf("outside, ada is seen as %s, want the router's %s", got, want)
	}
}

// delete takes everything away in the way of a user.
func (s *story) delete(t *testing.T) {
	m := s.member
	now, err := s.cloud.look(t.Context(), s.operator)
	if err != nil {
		t.Fatal(err)
	}
	// What a cloud leaves can only be found missing where it is found as long as it is there.
	made := strings.Join(now.since(s.before), "\n")
	for _, kind := range []string{"device on the host tap", "device on the host vbr", "namespace vnet-", "namespace vrouter-", "nftables on the host", "nftables in vrouter-",
		"address in vrouter-", "route in vrouter-", "domain ", "process ", "file /guests/", "file /images/", "allocation ", "ports ", "routers ", "servers "} {
		if !strings.Contains("\n"+made, "\n+ "+kind) {
			t.Errorf("while the servers run, nothing is seen of the kind %q", kind)
		}
	}
	// One more server, which is deleted while it is being built.
	short := must[*servers.Server](t)(servers.Create(t.Context(), s.user.compute, servers.CreateOpts{Name: "short", ImageRef: s.imageID,
		FlavorRef: s.flavor(t), Networks: []servers.Network{{UUID: s.networkID}}}, nil).Extract())
	if err := servers.Delete(t.Context(), s.user.compute, short.ID).ExtractErr(); err != nil {
		t.Fatal(err)
	}
	m.openstack(t, "server", "delete", "--wait", "ada")
	if err := servers.Delete(t.Context(), s.user.compute, s.bob.id).ExtractErr(); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{short.ID, s.ada.id, s.bob.id} {
		s.user.awaitGone(t, id, bootPatience)
	}
	if left := s.portsOf(t, s.ada.id); len(left) != 0 {
		t.Errorf("ports of ada are left: %v", left)
	}
	// The port that the user made stays the user's.
	port := must[*ports.Port](t)(ports.Get(t.Context(), s.user.network, s.bob.port).Extract())
	if port.DeviceID != "" {
		t.Errorf("bob's port still belongs to %s", port.DeviceID)
	}
	if err := ports.Delete(t.Context(), s.user.network, s.bob.port).ExtractErr(); err != nil {
		t.Fatal(err)
	}
	m.openstack(t, "floating", "ip", "delete", s.ada.floating)
	if err := floatingips.Delete(t.Context(), s.user.network, s.bob.floatingID).ExtractErr(); err != nil {
		t.Fatal(err)
	}
	m.openstack(t, "router", "remove", "subnet", "edge", "tenant")
	for _, command := range []string{"router delete edge", "subnet delete tenant", "network delete tenant", "security group delete e2e",
		"keypair delete e2e", "image delete guest"} {
		m.openstack(t, strings.Fields(command)...)
	}
	if err := servers.Get(t.Context(), s.user.compute, s.ada.id).Err; !is(err, http.StatusNotFound) {
		t.Errorf("asked for a server that is gone: %v", err)
	}
	s.cloud.mustBe(t, s.operator, s.before)
}
