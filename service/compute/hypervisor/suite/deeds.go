package suite

import (
	"errors"
	"testing"

	"virga/service/compute/hypervisor"
)

func guestIsMeasured(t *testing.T, e *env) {
	guest := e.guest(t, 1)
	guest.NICs = []hypervisor.NIC{nic(1)}
	guest.VCPUs, guest.SwapMiB = 2, 8
	e.AddTap(t, guest.NICs[0].Tap)
	if _, err := e.driver.Diagnose(t.Context(), guest.ID); !errors.Is(err, hypervisor.ErrNotFound) {
		t.Fatalf("measured nobody: %v", err)
	}
	e.run(t, guest)
	e.awaitConsole(t, guest.ID, e.ConsoleText)
	meters, err := e.driver.Diagnose(t.Context(), guest.ID)
	must(t, err)
	if len(meters.CPUs) != 2 || len(meters.Disks) != 2 || len(meters.NICs) != 1 || meters.NICs[0].MAC != guest.NICs[0].MAC ||
		meters.NICs[0].Tap != guest.NICs[0].Tap || meters.Disks[0].Name != "vda" || meters.MemoryMaximum != guest.MemoryMiB<<10 || meters.Driver == "" ||
		meters.Hypervisor == "" || meters.CPUs[0].Time < 0 {
		t.Fatalf("measured %+v", meters)
	}
	if e.Real && (meters.Disks[0].ReadBytes == 0 || meters.CPUs[0].Time == 0) {
		t.Fatalf("a guest that has booted read nothing: %+v", meters)
	}
	e.wish(t, &guest, hypervisor.PowerStopped)
	if _, err := e.driver.Diagnose(t.Context(), guest.ID); !errors.Is(err, hypervisor.ErrOff) {
		t.Fatalf("measured a guest that is off: %v", err)
	}
}

func interruptsReachGuests(t *testing.T, e *env) {
	guest := e.guest(t, 1)
	if err := e.driver.InjectNMI(t.Context(), guest.ID); !errors.Is(err, hypervisor.ErrNotFound) {
		t.Fatalf("interrupted nobody: %v", err)
	}
	e.run(t, guest)
	must(t, e.driver.InjectNMI(t.Context(), guest.ID))
	e.wish(t, &guest, hypervisor.PowerPaused)
	must(t, e.driver.InjectNMI(t.Context(), guest.ID))
	e.wish(t, &guest, hypervisor.PowerStopped)
	if err := e.driver.InjectNMI(t.Context(), guest.ID); !errors.Is(err, hypervisor.ErrOff) {
		t.Fatalf("interrupted a guest that is off: %v", err)
	}
}

func passwordNeedsGuest(t *testing.T, e *env) {
	guest := e.guest(t, 1)
	if err := e.driver.SetPassword(t.Context(), guest.ID, "root", "x"); !errors.Is(err, hypervisor.ErrNotFound) {
		t.Fatalf("gave nobody a password: %v", err)
	}
	guest.Power = hypervisor.PowerStopped
	e.run(t, guest)
	if err := e.driver.SetPassword(t.Context(), guest.ID, "root", "x"); !errors.Is(err, hypervisor.ErrOff) {
		t.Fatalf("gave a guest that is off a password: %v", err)
	}
	e.wish(t, &guest, hypervisor.PowerRunning)
	if err := e.driver.SetPassword(t.Context(), guest.ID, "root", "x"); e.Real && !errors.Is(err, hypervisor.ErrNoAgent) {
		t.Fatalf("gave a guest without an agent a password: %v", err)
	}
	guest.Hints.Agent = true
	e.wish(t, &guest, hypervisor.PowerStopped)
	e.wish(t, &guest, hypervisor.PowerRunning)
	err := e.driver.SetPassword(t.Context(), guest.ID, "root", "x")
	if e.Real && !errors.Is(err, hypervisor.ErrAgentSilent) || !e.Real && err != nil {
		t.Fatalf("with a channel: %v", err)
	}
}
