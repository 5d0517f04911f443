//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// land makes two servers, which the weight of free memory puts on a node each.
func (r *region) land(t *testing.T) {
	for _, name := range []string{"ada", "bob"} {
		r.create(t, name)
		r.status(t, name, "ACTIVE")
		s := r.servers[name]
		s.port = r.admin.value(t, "ID", "port", "list", "--server", s.id)
		s.floating = r.admin.value(t, "floating_ip_address", "floating", "ip", "create", "--port", s.port, "public")
	}
	for name, s := range r.servers {
		s.fixed = r.fixed(t, name)
	}
	if a, b := r.hostOf(t, "ada"), r.hostOf(t, "bob"); a == b || r.nodes[a] == nil || r.nodes[b] == nil {
		t.Fatalf("ada is on %s, bob on %s", a, b)
	}
}

// fixed is a server's address on the private network.
func (r *region) fixed(t *testing.T, name string) string {
	t.Helper()
	rows := r.admin.list(t, "port", "list", "--server", r.servers[name].id)
	if len(rows) != 1 {
		t.Fatalf("%s has %d ports", name, len(rows))
	}
	addresses, _ := rows[0]["Fixed IP Addresses"].([]any)
	if len(addresses) != 1 {
		t.Fatalf("%s has the addresses %v", name, rows[0])
	}
	address, _ := addresses[0].(map[string]any)
	return fmt.Sprint(address["ip_address"])
}

// knock tells whether ada is let in at bob's door.
func (r *region) knock() error {
	out, err := r.logins["ada"].try("nc -w 2 "+r.servers["bob"].fixed+" 22 < /dev/null", "")
	if err == nil && !strings.Contains(out, "SSH") {
		err = fmt.Errorf("bob answers %q", out)
	}
	return err
}

// talk goes over the tunnel between the hosts: small packets, big ones, and both floating addresses, one of which leads
// to a server that is not where the router is.
func (r *region) talk(t *testing.T) {
	ada := r.login(t, "ada", "")
	r.login(t, "bob", "")
	ada.put(t, "/root/id", r.key.private)
	ada.run(t, "dropbearconvert openssh dropbear /root/id /root/id.dropbear 2>&1 && chmod 600 /root/id*")
	await(t, "ada reaches bob", bootPatience, func() error {
		_, err := ada.try("ping -c 1 -W 2 "+r.servers["bob"].fixed, "")
		return err
	})
	want, _, _ := strings.Cut(ada.run(t, "dd if=/dev/urandom of=/root/noise bs=1024 count=1024 2>/dev/null; md5sum /root/noise"), " ")
	got, err := r.logins["ada"].try("ssh -y -i /root/id.dropbear root@"+r.servers["bob"].fixed+" md5sum < /root/noise 2> /dev/null", "")
	if err != nil || !strings.HasPrefix(got, want) {
		t.Errorf("a megabyte arrives as %q, want %s: %v", got, want, err)
	}
}

func (r *region) metadata(t *testing.T) {
	for name, g := range r.logins {
		if out := g.run(t, "wget -q -O - http://169.254.169.254/openstack/latest/meta_data.json"); !strings.Contains(out, r.servers[name].id) {
			t.Errorf("the metadata of %s is %s", name, out)
		}
	}
}

// securityGroups closes bob, who is on another host, to all but members of a group, and ada becomes one.
func (r *region) securityGroups(t *testing.T) {
	group := r.admin.id(t, "security", "group", "create", "peers")
	r.admin.openstack(t, "security", "group", "rule", "create", group, "--ingress", "--protocol", "tcp", "--dst-port", "22", "--remote-group", group)
	r.admin.openstack(t, "server", "add", "security", "group", r.servers["bob"].id, group)
	r.admin.openstack(t, "server", "remove", "security", "group", r.servers["bob"].id, "default")
	await(t, "bob is closed to ada", shownPatience, func() error {
		if r.knock() == nil {
			return errors.New("bob answers")
		}
		return nil
	})
	r.admin.openstack(t, "server", "add", "security", "group", r.servers["ada"].id, group)
	await(t, "bob is open to a member of the group", shownPatience, r.knock)
	r.admin.openstack(t, "server", "add", "security", "group", r.servers["bob"].id, "default")
	for _, name := range []string{"ada", "bob"} {
		r.admin.openstack(t, "server", "remove", "security", "group", r.servers[name].id, "peers")
	}
	r.admin.openstack(t, "security", "group", "delete", group)
	r.login(t, "bob", "") // the change has cut what was open
}

// agentsDie kills the process of bob's node. The guest does not notice; the lists do; the next process adopts the guest.
func (r *region) agentsDie(t *testing.T) {
	host, bob := r.hostOf(t, "bob"), r.servers["bob"]
	qemu, tick := qemuOf(bob.id), r.logins["bob"].startTicker(t)
	r.nodes[host].kill(t)
	r.awaitSeen(t, host, false)
	tick.next(t)
	r.nodes[host].start(t)
	r.awaitSeen(t, host, true)
	tick.next(t)
	if now := qemuOf(bob.id); now != qemu || now == 0 {
		t.Errorf("QEMU was process %d and is %d", qemu, now)
	}
	if log := r.admin.openstack(t, "console", "log", "show", bob.id); !strings.Contains(log, "bob login:") {
		t.Errorf("the console shows %q", log)
	}
	if out := r.logins["bob"].run(t, "wget -q -O - http://169.254.169.254/latest/meta-data/instance-id"); out == "" {
		t.Error("there is no metadata any more")
	}
}

// traces lists what a node has of a server: a domain, files, a process.
func (r *region) traces(t *testing.T, host, name string) (found []string) {
	t.Helper()
	id := r.servers[name].id
	out, err := r.nodes[host].machine.Output("virsh", "--connect", "qemu:///system", "list", "--all", "--name")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out, id) {
		found = append(found, "a domain")
	}
	if files, err := filepath.Glob(filepath.Join(r.nodes[host].dir, "guests", "guests", id, "*")); err == nil && len(files) > 0 {
		found = append(found, files...)
	}
	out, err = r.nodes[host].machine.Output("ip", "-o", "link")
	if err != nil {
		t.Fatal(err)
	}
	if tap := "tap" + r.servers[name].port[:11]; strings.Contains(out, tap) {
		found = append(found, tap)
	}
	return found
}

func (r *region) traceless(t *testing.T, host, name string) {
	t.Helper()
	await(t, "nothing of "+name+" is on "+host, cleanPatience, func() error {
		if found := r.traces(t, host, name); len(found) > 0 {
			return fmt.Errorf("there are %s", strings.Join(found, ", "))
		}
		return nil
	})
}

// other is the node that is not the named one.
func (r *region) other(host string) string {
	for name := range r.nodes {
		if name != host {
			return name
		}
	}
	return ""
}

// moved checks ada after a move: she has booted on the host, with her disk and her address, and runs nowhere else.
func (r *region) moved(t *testing.T, boot, host, files string) *guest {
	t.Helper()
	if now := r.hostOf(t, "ada"); now != host {
		t.Errorf("ada is on %s, want %s", now, host)
	}
	g := r.login(t, "ada", boot)
	if got := g.run(t, "cd /root/kept && cat *"); got != files {
		t.Errorf("ada's disk says %q, want %q", got, files)
	}
	if fixed := r.fixed(t, "ada"); fixed != r.servers["ada"].fixed || !strings.Contains(g.run(t, "ip -4 address"), fixed+"/") {
		t.Errorf("ada's address is %s and was %s", fixed, r.servers["ada"].fixed)
	}
	await(t, "ada reaches bob from her new host", bootPatience, func() error {
		_, err := g.try("ping -c 1 -W 2 "+r.servers["bob"].fixed, "")
		return err
	})
	if n := len(qemusOf(r.servers["ada"].id)); n != 1 {
		t.Errorf("ada runs %d times", n)
	}
	return g
}

// qemusOf returns all processes that run a server's guest.
func qemusOf(id string) (pids []int) {
	for pid, arguments := range processes() {
		if strings.HasPrefix(filepath.Base(arguments[0]), "qemu-") && strings.Contains(strings.Join(arguments, " "), id) {
			pids = append(pids, pid)
		}
	}
	return pids
}

func (r *region) migrate(t *testing.T) {
	from := r.hostOf(t, "ada")
	g := r.logins["ada"]
	boot := g.bootID(t)
	g.run(t, "mkdir -p /root/kept && echo first > /root/kept/1 && sync")
	r.admin.openstack(t, "server", "migrate", r.servers["ada"].id)
	r.status(t, "ada", "VERIFY_RESIZE")
	r.moved(t, boot, r.other(from), "first")
	if r.traces(t, from, "ada") == nil {
		t.Error("nothing is kept on the host that ada left before the move was confirmed")
	}
	r.admin.openstack(t, "server", "migration", "confirm", r.servers["ada"].id)
	r.status(t, "ada", "ACTIVE")
	r.traceless(t, from, "ada")
	if rows := r.rows(t, "Status", "confirmed", "server", "migration", "list"); len(rows) != 1 || rows[0]["Source Compute"] != from {
		t.Errorf("the migrations are %v", rows)
	}
}

func (r *region) revert(t *testing.T) {
	from := r.hostOf(t, "ada")
	boot := r.logins["ada"].bootID(t)
	r.admin.openstack(t, "server", "migrate", r.servers["ada"].id)
	r.status(t, "ada", "VERIFY_RESIZE")
	g := r.moved(t, boot, r.other(from), "first")
	boot = g.bootID(t)
	g.run(t, "echo second > /root/kept/2 && sync")
	r.admin.openstack(t, "server", "migration", "revert", r.servers["ada"].id)
	r.status(t, "ada", "ACTIVE")
	r.moved(t, boot, from, "first")
	r.traceless(t, r.other(from), "ada")
}

func (r *region) resize(t *testing.T) {
	from := r.hostOf(t, "ada")
	boot := r.logins["ada"].bootID(t)
	r.admin.openstack(t, "server", "resize", "--flavor", "e2e.micro", r.servers["ada"].id)
	r.status(t, "ada", "VERIFY_RESIZE")
	g := r.moved(t, boot, r.other(from), "first")
	if blocks := g.run(t, "cat /sys/block/vda/size"); blocks != "4194304" {
		t.Errorf("the disk has %s blocks, want 2 GiB", blocks)
	}
	var kilobytes int
	if _, err := fmt.Sscanf(g.run(t, "head -n 1 /proc/meminfo"), "MemTotal: %d kB", &kilobytes); err != nil || kilobytes < 140<<10 {
		t.Errorf("the memory is %d kB, want about 192 MiB: %v", kilobytes, err)
	}
	r.admin.openstack(t, "server", "resize", "confirm", r.servers["ada"].id)
	r.status(t, "ada", "ACTIVE")
	r.traceless(t, from, "ada")
}

// cutOff pulls the plug of bob's node. It is shown down, servers made meanwhile go elsewhere, and bob, deleted meanwhile,
// runs on there until the node is back: then he is gone.
func (r *region) cutOff(t *testing.T) {
	host, bob := r.hostOf(t, "ada"), r.servers["bob"]
	if now := r.hostOf(t, "bob"); now == host {
		r.bring(t, "bob", r.other(host))
	}
	host = r.hostOf(t, "bob")
	plug := r.nodes[host].machine.Plug()
	set := func(state string) {
		if out, err := exec.Command("ip", "link", "set", plug, state).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	set("down")
	r.awaitSeen(t, host, false)
	r.create(t, "carol")
	if on := r.status(t, "carol", "ACTIVE"); on != r.other(host) {
		t.Errorf("carol is on %s, which is cut off", on)
	}
	r.servers["carol"].port = r.admin.value(t, "ID", "port", "list", "--server", r.servers["carol"].id)
	// An operator who knows that the node is cut off says so; nobody waits for it then.
	r.admin.openstack(t, "compute", "service", "set", "--down", host, "nova-compute")
	r.admin.openstack(t, "server", "delete", bob.id)
	await(t, "bob is deleted", bootPatience, func() error {
		if len(r.rows(t, "ID", bob.id, "server", "list", "--all-projects")) != 0 {
			return errors.New("he is listed")
		}
		return nil
	})
	if qemuOf(bob.id) == 0 {
		t.Error("bob does not run on the node that knows nothing of his end")
	}
	set("up")
	r.admin.openstack(t, "compute", "service", "set", "--up", host, "nova-compute")
	r.awaitSeen(t, host, true)
	r.traceless(t, host, "bob")
	if n := len(qemusOf(bob.id)); n != 0 {
		t.Errorf("bob runs %d times", n)
	}
	delete(r.servers, "bob")
	for name, s := range r.servers {
		if n := len(qemusOf(s.id)); n != 1 {
			t.Errorf("%s runs %d times", name, n)
		}
	}
}

// bring moves a server to a host.
func (r *region) bring(t *testing.T, name, host string) {
	t.Helper()
	r.admin.openstack(t, "server", "migrate", "--host", host, "--os-compute-api-version", "2.56", r.servers[name].id)
	r.status(t, name, "VERIFY_RESIZE")
	r.admin.openstack(t, "server", "migration", "confirm", r.servers[name].id)
	r.status(t, name, "ACTIVE")
}

func (r *region) delete(t *testing.T) {
	began := time.Now()
	for _, s := range r.servers {
		r.admin.openstack(t, "server", "delete", "--wait", s.id)
	}
	for name := range r.servers {
		for host := range r.nodes {
			r.traceless(t, host, name)
		}
	}
	if guests := guestsRunning(); guests != 0 {
		t.Errorf("%d guests run after %s", guests, time.Since(began))
	}
	for name, node := range r.nodes {
		if left, err := os.ReadDir(filepath.Join(node.dir, "guests", "guests")); err != nil || len(left) > 0 {
			t.Errorf("node %s keeps %v %v", name, left, err)
		}
	}
}
