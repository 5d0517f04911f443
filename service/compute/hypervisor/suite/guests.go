package suite

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"virga/service/compute/hypervisor"
)

func guestRunsAndIsRemoved(t *testing.T, e *env) {
	guest := e.guest(t, 1)
	guest.ConfigDrive = bytes.Repeat([]byte("iso9660."), 512)
	guest.EphemeralGiB, guest.SwapMiB = 1, 8
	e.run(t, guest)
	state := e.expect(t, guest.ID, hypervisor.Running)
	if state.Generation != guest.Generation || !state.Defined || state.ID != guest.ID {
		t.Fatalf("state is %+v", state)
	}
	listed, err := e.driver.ListGuests(t.Context())
	must(t, err)
	if !slices.Equal(listed, []hypervisor.GuestState{state}) {
		t.Fatalf("listed %+v, want only %+v", listed, state)
	}
	e.awaitConsole(t, guest.ID, e.ConsoleText)
	if len(e.Residue(t)) == 0 {
		t.Fatal("a running guest is not on the host")
	}
	must(t, e.driver.RemoveGuest(t.Context(), guest.ID, guest.Generation))
	if residue := e.Residue(t); len(residue) != 0 {
		t.Fatalf("left behind: %q", residue)
	}
	if _, err := e.driver.GetGuest(t.Context(), guest.ID); !errors.Is(err, hypervisor.ErrNotFound) {
		t.Fatalf("get after removal: %v", err)
	}
	if _, err := e.driver.ConsoleLog(t.Context(), guest.ID, 100); !errors.Is(err, hypervisor.ErrNotFound) {
		t.Fatalf("console after removal: %v", err)
	}
	listed, err = e.driver.ListGuests(t.Context())
	if err != nil || len(listed) != 0 {
		t.Fatalf("listed after removal: %+v, %v", listed, err)
	}
}

func repeatLeavesGuestAlone(t *testing.T, e *env) {
	guest := e.guest(t, 1)
	guest.ConfigDrive = []byte(strings.Repeat("drive", 1000))
	e.run(t, guest)
	events := e.watch(t)
	for range 3 {
		must(t, e.driver.EnsureGuest(t.Context(), guest))
	}
	guest.Generation++
	must(t, e.driver.EnsureGuest(t.Context(), guest))
	if state := e.expect(t, guest.ID, hypervisor.Running); state.Generation != guest.Generation {
		t.Fatalf("generation is %d, want %d", state.Generation, guest.Generation)
	}
	guest.Power = hypervisor.PowerStopped
	must(t, e.driver.EnsureGuest(t.Context(), guest))
	if count := e.shutdowns(t, events, guest.ID); count != 1 {
		t.Fatalf("went off %d times, want once, at its stop", count)
	}
}

func staleOrdersAreRefused(t *testing.T, e *env) {
	guest := e.guest(t, 1)
	e.run(t, guest)
	late := guest
	late.Generation--
	late.Power = hypervisor.PowerStopped
	wantStale(t, e.driver.EnsureGuest(t.Context(), late))
	wantStale(t, e.driver.RemoveGuest(t.Context(), guest.ID, guest.Generation-1))
	e.expect(t, guest.ID, hypervisor.Running)
}

func wantStale(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, hypervisor.ErrStale) {
		t.Fatalf("got %v, want ErrStale", err)
	}
	if hypervisor.Retryable(err) {
		t.Fatal("a stale order counts as retryable")
	}
}

func removedGuestStaysRemoved(t *testing.T, e *env) {
	guest := e.guest(t, 1)
	must(t, e.driver.RemoveGuest(t.Context(), guest.ID, guest.Generation))
	must(t, e.driver.RemoveGuest(t.Context(), guest.ID, guest.Generation))
	wantStale(t, e.driver.EnsureGuest(t.Context(), guest))
	e.reopen(t)
	wantStale(t, e.driver.EnsureGuest(t.Context(), guest))
	if residue := e.Residue(t); len(residue) != 0 {
		t.Fatalf("refused, and yet on the host: %q", residue)
	}
	guest.Generation++
	guest.Power = hypervisor.PowerPrepared
	e.run(t, guest)
}

func preparedGuestHasDisksOnly(t *testing.T, e *env) {
	guest := e.guest(t, 1)
	guest.Power = hypervisor.PowerPrepared
	guest.NICs = []hypervisor.NIC{nic(1)} // the device comes later
	e.run(t, guest)
	must(t, e.driver.EnsureGuest(t.Context(), guest))
	if state := e.expect(t, guest.ID, hypervisor.NoState); state.Defined || state.Generation != guest.Generation {
		t.Fatalf("state is %+v", state)
	}
	if len(e.Residue(t)) == 0 {
		t.Fatal("a prepared guest has no disk")
	}
	for _, hard := range []bool{true, false} {
		if err := e.driver.RebootGuest(t.Context(), guest.ID, hard); !errors.Is(err, hypervisor.ErrNotFound) {
			t.Fatalf("reboot of a prepared guest: %v", err)
		}
	}
	if log, err := e.driver.ConsoleLog(t.Context(), guest.ID, 100); err != nil || len(log) != 0 {
		t.Fatalf("console of a prepared guest: %q, %v", log, err)
	}
	e.AddTap(t, guest.NICs[0].Tap)
	guest.Power = hypervisor.PowerRunning
	must(t, e.driver.EnsureGuest(t.Context(), guest))
	guest.Power = hypervisor.PowerPrepared
	must(t, e.driver.EnsureGuest(t.Context(), guest))
	e.expect(t, guest.ID, hypervisor.Running)
}

func stopAndStart(t *testing.T, e *env) {
	guest := e.guest(t, 1)
	guest.Power = hypervisor.PowerStopped
	e.run(t, guest)
	e.expect(t, guest.ID, hypervisor.Shutdown)
	events := e.watch(t)
	for range 2 {
		guest.Generation++
		guest.Power = hypervisor.PowerRunning
		must(t, e.driver.EnsureGuest(t.Context(), guest))
		e.expect(t, guest.ID, hypervisor.Running)
		await(t, events, guest.ID, hypervisor.Running)
		e.awaitConsole(t, guest.ID, e.ConsoleText)
		guest.Power = hypervisor.PowerStopped
		must(t, e.driver.EnsureGuest(t.Context(), guest))
		must(t, e.driver.EnsureGuest(t.Context(), guest))
		e.expect(t, guest.ID, hypervisor.Shutdown)
		await(t, events, guest.ID, hypervisor.Shutdown)
	}
}

func reboot(t *testing.T, e *env) {
	guest := e.guest(t, 1)
	e.run(t, guest)
	events := e.watch(t)
	for _, hard := range []bool{true, false} {
		e.awaitConsole(t, guest.ID, e.ConsoleText)
		must(t, e.driver.RebootGuest(t.Context(), guest.ID, hard))
		await(t, events, guest.ID, hypervisor.Shutdown)
		await(t, events, guest.ID, hypervisor.Running)
		e.expect(t, guest.ID, hypervisor.Running)
	}
	guest.Power = hypervisor.PowerStopped
	must(t, e.driver.EnsureGuest(t.Context(), guest))
	must(t, e.driver.RebootGuest(t.Context(), guest.ID, false))
	e.expect(t, guest.ID, hypervisor.Running)
	if err := e.driver.RebootGuest(t.Context(), id(99), true); !errors.Is(err, hypervisor.ErrNotFound) {
		t.Fatalf("reboot of nobody: %v", err)
	}
}

func removalDoesNotWaitForStop(t *testing.T, e *env) {
	guest := e.guest(t, 1)
	e.run(t, guest)
	e.awaitConsole(t, guest.ID, e.ConsoleText)
	stop := guest
	stop.Power, stop.StopGrace = hypervisor.PowerStopped, time.Hour
	stopped := make(chan error, 1)
	go func() { stopped <- e.driver.EnsureGuest(t.Context(), stop) }()
	must(t, e.driver.RemoveGuest(t.Context(), guest.ID, guest.Generation))
	// The stop may have come first or be refused; what counts is that nobody waited an hour and nothing came back.
	<-stopped
	if residue := e.Residue(t); len(residue) != 0 {
		t.Fatalf("left behind: %q", residue)
	}
}

func missingDeviceIsNamed(t *testing.T, e *env) {
	guest := e.guest(t, 1)
	guest.NICs = []hypervisor.NIC{nic(1)}
	t.Cleanup(func() { e.driver.RemoveGuest(context.Background(), guest.ID, 1<<40) })
	err := e.driver.EnsureGuest(t.Context(), guest)
	if !errors.Is(err, hypervisor.ErrDeviceMissing) || !strings.Contains(err.Error(), guest.NICs[0].Tap) ||
		!hypervisor.Retryable(err) {
		t.Fatalf("got %v", err)
	}
	e.AddTap(t, guest.NICs[0].Tap)
	e.run(t, guest)
	e.expect(t, guest.ID, hypervisor.Running)
	if macs := e.MACs(t, guest.ID); !slices.Equal(macs, []string{guest.NICs[0].MAC}) {
		t.Fatalf("interfaces are %q", macs)
	}
}

func interfacesChangeWhileRunning(t *testing.T, e *env) {
	guest := e.guest(t, 1)
	first, second, third := nic(1), nic(2), nic(3)
	for _, nic := range []hypervisor.NIC{first, second} {
		e.AddTap(t, nic.Tap)
	}
	guest.NICs = []hypervisor.NIC{first}
	e.run(t, guest)
	e.awaitConsole(t, guest.ID, e.ConsoleText)
	events := e.watch(t)
	change := func(nics ...hypervisor.NIC) error {
		guest.Generation++
		guest.NICs = nics
		return e.driver.EnsureGuest(t.Context(), guest)
	}
	expect := func(want ...string) {
		t.Helper()
		if macs := e.MACs(t, guest.ID); !slices.Equal(macs, want) {
			t.Fatalf("interfaces are %q, want %q", macs, want)
		}
	}
	must(t, change(first, second))
	expect(first.MAC, second.MAC)
	if err := change(first, second, third); !errors.Is(err, hypervisor.ErrDeviceMissing) {
		t.Fatalf("attached a device that does not exist: %v", err)
	}
	e.AddTap(t, third.Tap)
	must(t, change(first, second, third))
	expect(first.MAC, second.MAC, third.MAC)
	e.expect(t, guest.ID, hypervisor.Running)
	guest.Power = hypervisor.PowerStopped
	must(t, change(first, second))
	if count := e.shutdowns(t, events, guest.ID); count != 1 {
		t.Fatalf("went off %d times, want once, at its stop", count)
	}
	guest.Power = hypervisor.PowerRunning
	must(t, change(first, second))
	expect(first.MAC, second.MAC)
}

func disksGrowButDoNotShrink(t *testing.T, e *env) {
	guest := e.guest(t, 1)
	guest.RootGiB = 0
	guest.Power = hypervisor.PowerPrepared
	e.run(t, guest)
	for _, size := range []int64{1, 2} {
		guest.RootGiB = size
		must(t, e.driver.EnsureGuest(t.Context(), guest))
	}
	guest.Power = hypervisor.PowerRunning
	must(t, e.driver.EnsureGuest(t.Context(), guest))
	guest.RootGiB = 3
	must(t, e.driver.EnsureGuest(t.Context(), guest))
	guest.RootGiB = 2
	if err := e.driver.EnsureGuest(t.Context(), guest); !errors.Is(err, hypervisor.ErrInvalid) {
		t.Fatalf("shrunk: %v", err)
	}
	e.expect(t, guest.ID, hypervisor.Running)
}

func invalidOrdersHaveNoEffect(t *testing.T, e *env) {
	climbing := "../../../../../../../../etc/passwd.x"
	for name, spoil := range map[string]func(*hypervisor.Guest){
		"a climbing id":    func(g *hypervisor.Guest) { g.ID = climbing },
		"no processor":     func(g *hypervisor.Guest) { g.VCPUs = 0 },
		"an unknown power": func(g *hypervisor.Guest) { g.Power = "half" },
		"a disk too small": func(g *hypervisor.Guest) { g.Image.VirtualSize = 2 * hypervisor.GiB },
		"a climbing device": func(g *hypervisor.Guest) {
			g.NICs = []hypervisor.NIC{{PortID: id(7), MAC: "fa:16:3e:00:00:07", Tap: "../x"}}
		},
	} {
		guest := e.guest(t, 1)
		spoil(&guest)
		if err := e.driver.EnsureGuest(t.Context(), guest); !errors.Is(err, hypervisor.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := e.driver.RemoveGuest(t.Context(), climbing, 1); !errors.Is(err, hypervisor.ErrInvalid) {
		t.Errorf("removed a climbing id: %v", err)
	}
	if _, err := e.driver.ConsoleLog(t.Context(), climbing, 100); err == nil {
		t.Error("read the console of a climbing id")
	}
	if residue := e.Residue(t); len(residue) != 0 {
		t.Fatalf("left behind: %q", residue)
	}
}

func consoleKeepsTheEnd(t *testing.T, e *env) {
	guest := e.guest(t, 1)
	e.run(t, guest)
	whole := e.awaitConsole(t, guest.ID, e.ConsoleText)
	end, err := e.driver.ConsoleLog(t.Context(), guest.ID, 5)
	must(t, err)
	if len(end) != 5 || !bytes.HasSuffix(whole, end) {
		t.Fatalf("the last five bytes of %q are not %q", whole, end)
	}
	none, err := e.driver.ConsoleLog(t.Context(), guest.ID, 0)
	if err != nil || len(none) != 0 {
		t.Fatalf("no bytes: %q, %v", none, err)
	}
}

func guestsSideBySide(t *testing.T, e *env) {
	guests := []hypervisor.Guest{e.guest(t, 1), e.guest(t, 2), e.guest(t, 3)}
	var group sync.WaitGroup
	for _, guest := range guests {
		// The same order twice at once: an agent that repeats itself must not start a guest twice.
		for range 2 {
			group.Go(func() {
				if err := e.driver.EnsureGuest(t.Context(), guest); err != nil {
					t.Error(err)
				}
			})
		}
	}
	group.Wait()
	for _, guest := range guests {
		e.run(t, guest)
		e.expect(t, guest.ID, hypervisor.Running)
	}
	listed, err := e.driver.ListGuests(t.Context())
	must(t, err)
	if len(listed) != len(guests) || !slices.IsSortedFunc(listed, func(a, b hypervisor.GuestState) int {
		return strings.Compare(a.ID, b.ID)
	}) {
		t.Fatalf("listed %+v", listed)
	}
}

func restartAdoptsGuests(t *testing.T, e *env) {
	running, stopped := e.guest(t, 1), e.guest(t, 2)
	stopped.Power = hypervisor.PowerStopped
	e.run(t, running)
	e.run(t, stopped)
	e.awaitConsole(t, running.ID, e.ConsoleText)
	before, err := e.driver.ListGuests(t.Context())
	must(t, err)
	e.reopen(t)
	after, err := e.driver.ListGuests(t.Context())
	must(t, err)
	if !slices.Equal(before, after) {
		t.Fatalf("before the restart %+v, after it %+v", before, after)
	}
	events := e.watch(t)
	must(t, e.driver.EnsureGuest(t.Context(), running))
	late := running
	late.Generation--
	wantStale(t, e.driver.EnsureGuest(t.Context(), late))
	running.Power = hypervisor.PowerStopped
	must(t, e.driver.EnsureGuest(t.Context(), running))
	if count := e.shutdowns(t, events, running.ID); count != 1 {
		t.Fatalf("went off %d times, want once, at its stop", count)
	}
}

func closedDriverRefuses(t *testing.T, e *env) {
	guest := e.guest(t, 1)
	events := e.watch(t)
	must(t, e.driver.Close())
	must(t, e.driver.Close())
	if _, open := <-events; open {
		t.Error("events go on after Close")
	}
	_, listErr := e.driver.ListGuests(t.Context())
	_, watchErr := e.driver.Watch(t.Context())
	for name, err := range map[string]error{"EnsureGuest": e.driver.EnsureGuest(t.Context(), guest), "ListGuests": listErr,
		"Watch": watchErr, "RemoveGuest": e.driver.RemoveGuest(t.Context(), guest.ID, 99)} {
		if !errors.Is(err, hypervisor.ErrClosed) {
			t.Errorf("%s after Close: %v", name, err)
		}
	}
}
