package suite

import (
	"context"
	"errors"
	"testing"

	"virga/service/compute/hypervisor"
)

// devicesAreGiven runs a guest with a device of every kind, which boots all the same.
func devicesAreGiven(t *testing.T, e *env) {
	guest := e.guest(t, 1)
	guest.Hints.Machine, guest.VCPUs = "q35", 2
	guest.NICs = []hypervisor.NIC{nic(1)}
	guest.Devices = hypervisor.Devices{BootMenu: true, Video: "virtio", RNGBytes: 4096, RNGPeriod: 1000, Watchdog: "reset", Pointer: "usb", Keyboard: "virtio",
		SerialPorts: 2, Sound: "ich9", USB: "qemu-xhci", HPET: true, PackedRing: true, MultiQueue: true, IOMMU: "virtio"}
	e.AddTap(t, guest.NICs[0].Tap)
	e.run(t, guest)
	e.expect(t, guest.ID, hypervisor.Running)
	e.awaitConsole(t, guest.ID, e.ConsoleText)

	before := guest.Devices
	guest.Generation, guest.Devices = guest.Generation+1, hypervisor.Devices{Video: "none", NoRNG: true}
	must(t, e.driver.EnsureGuest(t.Context(), guest))
	e.expect(t, guest.ID, hypervisor.Running) // they hold from the next start
	must(t, e.driver.RebootGuest(t.Context(), guest.ID, true))
	e.awaitConsole(t, guest.ID, e.ConsoleText)
	if display, err := e.driver.OpenDisplay(t.Context(), guest.ID); !errors.Is(err, hypervisor.ErrNotFound) {
		t.Errorf("opened the display of a guest without one: %v, %v", display, err)
	}
	guest.Generation, guest.Devices = guest.Generation+1, before
	must(t, e.driver.EnsureGuest(t.Context(), guest))
}

// unsupportedDevicesAreNamed: what the host has not is told apart from what nobody has.
func unsupportedDevicesAreNamed(t *testing.T, e *env) {
	e.AddTap(t, nic(1).Tap)
	for n, test := range []struct {
		name   string
		change func(*hypervisor.Guest)
	}{
		{"board", func(guest *hypervisor.Guest) { guest.Hints.Machine = "no-such-board" }},
		{"display", func(guest *hypervisor.Guest) { guest.Devices.Video = "xen" }},
		{"interface", func(guest *hypervisor.Guest) { guest.NICs = []hypervisor.NIC{nic(1)}; guest.NICs[0].Model = "sriov" }},
		{"IOMMU", func(guest *hypervisor.Guest) { guest.Devices.IOMMU = "virtio" }}, // the default board cannot have one
		{"Secure Boot", func(guest *hypervisor.Guest) { guest.Devices.Firmware, guest.Devices.SecureBoot = "uefi", "required" }},
	} {
		guest := e.guest(t, n+1)
		test.change(&guest)
		if err := e.driver.EnsureGuest(t.Context(), guest); !errors.Is(err, hypervisor.ErrUnsupported) {
			t.Errorf("%s: %v, want ErrUnsupported", test.name, err)
		}
		must(t, e.driver.RemoveGuest(t.Context(), guest.ID, guest.Generation+1))
		if left := e.Residue(t); len(left) > 0 {
			t.Errorf("%s: %v is left", test.name, left)
		}
	}
}

// variablesMoveWithDisks: what UEFI firmware remembers is the guest's and goes where it goes.
func variablesMoveWithDisks(t *testing.T, e *env) {
	source := e.guest(t, 1)
	source.Hints.Machine, source.Devices.Firmware = "q35", "uefi"
	e.run(t, source)
	e.expect(t, source.ID, hypervisor.Running)
	source.Generation, source.Power = source.Generation+1, hypervisor.PowerStopped
	must(t, e.driver.EnsureGuest(t.Context(), source))
	variables := e.contentOf(t, source.ID, hypervisor.DiskVariables)
	if len(variables) == 0 {
		t.Fatal("the firmware has no variables")
	}
	target := e.guest(t, 2)
	target.Hints, target.Devices = source.Hints, source.Devices
	target.Power = hypervisor.PowerStopped
	e.ran = append(e.ran, target.ID)
	t.Cleanup(func() { e.driver.RemoveGuest(context.Background(), target.ID, 1<<40) })
	must(t, e.driver.AdoptDisks(t.Context(), target, e.copying(t, source.ID)))
	must(t, e.driver.EnsureGuest(t.Context(), target))
	if moved := e.contentOf(t, target.ID, hypervisor.DiskVariables); string(moved) != string(variables) {
		t.Errorf("%d bytes of variables became %d others", len(variables), len(moved))
	}
}
