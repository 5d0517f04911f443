//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// pingEvery is the rhythm of the pings that a server gets while it moves, stillAtMost how long it may leave them unanswered.
const (
	pingEvery   = 100 * time.Millisecond
	stillAtMost = 5 * time.Second
)

var pingSum = regexp.MustCompile(`([0-9]+) packets transmitted, ([0-9]+) received`)

// pinging sends pings to a server's floating address until stop is called, which returns how many were sent and answered.
func (r *region) pinging(t *testing.T, name string) (stop func() (sent, answered int)) {
	t.Helper()
	var out bytes.Buffer
	command := exec.Command("ping", "-n", "-i", fmt.Sprint(pingEvery.Seconds()), r.servers[name].floating)
	command.Stdout = &out
	if err := r.edge(t).Start(command); err != nil {
		t.Fatal(err)
	}
	ended := false
	end := func() {
		if !ended {
			ended = true
			_ = command.Process.Signal(syscall.SIGINT) // upon which it tells its sums
			_ = command.Wait()
		}
	}
	t.Cleanup(end)
	return func() (int, int) {
		end()
		found := pingSum.FindStringSubmatch(out.String())
		if found == nil {
			t.Fatalf("ping says %q", out.String())
		}
		return must[int](t)(strconv.Atoi(found[1])), must[int](t)(strconv.Atoi(found[2]))
	}
}

// uptime is for how long a guest runs, in seconds.
func (g *guest) uptime(t *testing.T) (seconds float64) {
	t.Helper()
	if _, err := fmt.Sscan(g.run(t, "cat /proc/uptime"), &seconds); err != nil {
		t.Fatal(err)
	}
	return seconds
}

// live moves ada to the other host while she runs, and back: her session, her memory and her disk go with her.
func (r *region) live(t *testing.T) {
	g, ada := r.logins["ada"], r.servers["ada"]
	boot, tick := g.bootID(t), g.startTicker(t)
	g.run(t, "mkdir -p /root/live && dd if=/dev/urandom of=/root/live/noise bs=1024 count=2048 2>/dev/null && sync && mount -t tmpfs none /mnt && cp /root/live/noise /mnt/noise")
	sum := g.run(t, "md5sum < /root/live/noise")
	for range 2 {
		from, before := r.hostOf(t, "ada"), g.uptime(t)
		stop, began := r.pinging(t, "ada"), time.Now()
		r.admin.openstack(t, "server", "migrate", "--live-migration", "--block-migration", ada.id)
		if host := r.status(t, "ada", "ACTIVE"); host != r.other(from) {
			t.Fatalf("ada is on %s and was on %s: %v", host, from, r.rows(t, "Server UUID", ada.id, "server", "migration", "list"))
		}
		took := time.Since(began)
		tick.next(t)
		after := g.uptime(t)
		sent, answered := stop()
		t.Logf("from %s in %s: %d of %d pings unanswered, uptime from %.0f to %.0f s", from, took.Round(100*time.Millisecond), sent-answered, sent, before, after)
		if lost := time.Duration(sent-answered) * pingEvery; lost > stillAtMost {
			t.Errorf("ada was not heard for %s", lost)
		}
		if after <= before || g.bootID(t) != boot {
			t.Errorf("ada was up for %.0f s and is for %.0f s", before, after)
		}
		for _, place := range []string{"/root/live/noise", "/mnt/noise"} {
			g.run(t, "echo 3 > /proc/sys/vm/drop_caches")
			if now := g.run(t, "md5sum < "+place); now != sum {
				t.Errorf("%s has the sum %s and had %s", place, now, sum)
			}
		}
		if n := len(qemusOf(ada.id)); n != 1 {
			t.Errorf("ada runs %d times", n)
		}
		r.traceless(t, from, "ada")
		await(t, "bob reaches ada on her new host", bootPatience, func() error {
			_, err := r.logins["bob"].try("ping -c 1 -W 2 "+ada.fixed, "")
			return err
		})
		if log := r.admin.openstack(t, "console", "log", "show", ada.id); strings.Contains(log, "login:") {
			t.Errorf("ada booted anew: %q", log)
		}
	}
	g.run(t, "rm -r /root/live && umount /mnt")
	if rows := r.rows(t, "Status", "completed", "server", "migration", "list"); len(rows) != 2 {
		t.Errorf("the migrations are %v", rows)
	}
}

// evacuate cuts ada's host off and has her made anew on the other one. When her old host is back, what runs there of her is ended.
func (r *region) evacuate(t *testing.T) {
	from, ada := r.hostOf(t, "ada"), r.servers["ada"]
	plug := r.nodes[from].machine.Plug()
	set := func(state string) {
		if out, err := exec.Command("ip", "link", "set", plug, state).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	set("down")
	r.admin.openstack(t, "compute", "service", "set", "--down", from, "nova-compute")
	// Debian 12's client asks for it well and then stumbles over what to print.
	if _, err := r.admin.shell.run(t.Context(), []string{"server", "evacuate", ada.id}); err != nil && !strings.Contains(err.Error(), "TupleWithMeta") {
		t.Fatal(err)
	}
	if host := r.status(t, "ada", "ACTIVE"); host != r.other(from) {
		t.Fatalf("ada is on %s and was on %s: %v", host, from, r.rows(t, "Server UUID", ada.id, "server", "migration", "list"))
	}
	await(t, "ada has booted anew", bootPatience, func() error {
		if log := r.admin.openstack(t, "console", "log", "show", ada.id); !strings.Contains(log, "login:") {
			return fmt.Errorf("her console says %q", log[max(0, len(log)-300):])
		}
		return nil
	})
	if n := len(qemusOf(ada.id)); n != 2 {
		t.Errorf("ada runs %d times while her old host knows nothing of her move", n)
	}
	set("up")
	r.admin.openstack(t, "compute", "service", "set", "--up", from, "nova-compute")
	r.awaitSeen(t, from, true)
	// What its agents asked before the plug was pulled they give up after half a minute.
	await(t, "nothing of ada is on "+from, 2*bootPatience, func() error {
		if found := r.traces(t, from, "ada"); len(found) > 0 {
			return fmt.Errorf("there are %s", strings.Join(found, ", "))
		}
		return nil
	})
	if n := len(qemusOf(ada.id)); n != 1 {
		t.Errorf("ada runs %d times", n)
	}
	if rows := r.rows(t, "Status", "done", "server", "migration", "list"); len(rows) != 1 || rows[0]["Source Compute"] != from {
		t.Errorf("the migrations are %v", rows)
	}
}
