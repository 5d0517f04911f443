package suite

import (
	"testing"

	"virga/service/compute/hypervisor"
)

// wish gives the guest another power state in a newer order, twice, for a repeat must not matter.
func (e *env) wish(t *testing.T, guest *hypervisor.Guest, power hypervisor.Power) {
	t.Helper()
	guest.Generation++
	guest.Power = power
	for range 2 {
		must(t, e.driver.EnsureGuest(t.Context(), *guest))
	}
}

// expectSaved fails unless the guest is off with its memory kept, or is not, as the list has it, too.
func (e *env) expectSaved(t *testing.T, guestID string, saved bool) {
	t.Helper()
	if state := e.expect(t, guestID, hypervisor.Shutdown); state.Saved != saved {
		t.Fatalf("memory kept: %t, want %t", state.Saved, saved)
	}
	listed, err := e.driver.ListGuests(t.Context())
	must(t, err)
	if len(listed) != 1 || listed[0].Saved != saved {
		t.Fatalf("listed %+v, want memory kept: %t", listed, saved)
	}
}

func pauseAndGoOn(t *testing.T, e *env) {
	guest := e.guest(t, 1)
	e.run(t, guest)
	e.awaitConsole(t, guest.ID, e.ConsoleText)
	events := e.watch(t)
	e.wish(t, &guest, hypervisor.PowerPaused)
	e.expect(t, guest.ID, hypervisor.Paused)
	await(t, events, guest.ID, hypervisor.Paused)
	e.wish(t, &guest, hypervisor.PowerRunning)
	e.expect(t, guest.ID, hypervisor.Running)
	await(t, events, guest.ID, hypervisor.Running)
	e.wish(t, &guest, hypervisor.PowerPaused)
	e.wish(t, &guest, hypervisor.PowerStopped)
	e.expect(t, guest.ID, hypervisor.Shutdown)
	e.wish(t, &guest, hypervisor.PowerPaused) // from off
	e.expect(t, guest.ID, hypervisor.Paused)
	must(t, e.driver.RebootGuest(t.Context(), guest.ID, true))
	e.expect(t, guest.ID, hypervisor.Running)
}

func suspendAndResume(t *testing.T, e *env) {
	guest := e.guest(t, 1)
	e.run(t, guest)
	e.awaitConsole(t, guest.ID, e.ConsoleText)
	events := e.watch(t)
	e.wish(t, &guest, hypervisor.PowerSuspended)
	e.expectSaved(t, guest.ID, true)
	await(t, events, guest.ID, hypervisor.Shutdown)
	e.wish(t, &guest, hypervisor.PowerRunning)
	if state := e.expect(t, guest.ID, hypervisor.Running); state.Saved {
		t.Fatal("memory is kept of a guest that runs")
	}
	await(t, events, guest.ID, hypervisor.Running)
	e.wish(t, &guest, hypervisor.PowerPaused)
	e.wish(t, &guest, hypervisor.PowerSuspended)
	e.expectSaved(t, guest.ID, true)
	e.wish(t, &guest, hypervisor.PowerPaused)
	e.expect(t, guest.ID, hypervisor.Paused)
	e.wish(t, &guest, hypervisor.PowerSuspended)
	e.wish(t, &guest, hypervisor.PowerStopped)
	e.expectSaved(t, guest.ID, false)
	e.wish(t, &guest, hypervisor.PowerSuspended) // from off
	e.expectSaved(t, guest.ID, true)
	must(t, e.driver.RebootGuest(t.Context(), guest.ID, true))
	e.expect(t, guest.ID, hypervisor.Running)
	e.awaitConsole(t, guest.ID, e.ConsoleText)
}

func suspendedGuestOutlivesDriver(t *testing.T, e *env) {
	guest := e.guest(t, 1)
	e.run(t, guest)
	e.wish(t, &guest, hypervisor.PowerSuspended)
	e.reopen(t)
	e.expectSaved(t, guest.ID, true)
	must(t, e.driver.RemoveGuest(t.Context(), guest.ID, guest.Generation))
	if residue := e.Residue(t); len(residue) != 0 {
		t.Fatalf("left behind: %q", residue)
	}
	guest.Generation++
	guest.Power = hypervisor.PowerStopped
	e.run(t, guest)
	e.expectSaved(t, guest.ID, false)
}
