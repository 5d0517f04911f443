package suite

import (
	"bytes"
	"context"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"io"
	"testing"

	"virga/service/compute/hypervisor"
)

// rescueText is what the boot sector of the suite's rescue image says.
const rescueText = "the rescuer speaks\r\n"

// rescuer caches the suite's rescue image.
func (e *env) rescuer(t *testing.T) hypervisor.Image {
	t.Helper()
	content := BootDisk(rescueText)
	sum := sha512.Sum512(content)
	image := hypervisor.Image{ID: id(0x4e5c), SHA512: hex.EncodeToString(sum[:]), SizeBytes: int64(len(content)), DiskFormat: "raw",
		VirtualSize: int64(len(content))}
	must(t, e.driver.EnsureImage(t.Context(), image, func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content)), nil
	}))
	return image
}

// expectMode fails unless the guest runs, from its rescue disk or from its own.
func (e *env) expectMode(t *testing.T, guestID string, rescued bool) {
	t.Helper()
	if state := e.expect(t, guestID, hypervisor.Running); state.Rescued != rescued {
		t.Fatalf("rescued: %t, want %t", state.Rescued, rescued)
	}
}

func rescueAndBack(t *testing.T, e *env) {
	guest := e.guest(t, 1)
	e.run(t, guest)
	e.awaitConsole(t, guest.ID, e.ConsoleText)
	image := e.rescuer(t)
	for _, rescue := range []hypervisor.Rescue{{}, {Device: "disk", Bus: "virtio"}, {Device: "cdrom"}, {Bus: "usb"}, {Bus: "scsi"}} {
		rescue.Image = image
		guest.Rescue = &rescue
		e.wish(t, &guest, hypervisor.PowerRunning)
		e.expectMode(t, guest.ID, true)
		if e.Real && rescue.Device != "cdrom" { // a CD starts by other means than a boot sector
			e.awaitConsole(t, guest.ID, rescueText)
		}
		if removed, err := e.driver.PruneImages(t.Context(), nil); err != nil || len(removed) != 0 {
			t.Fatalf("images pruned beneath a rescue: %q, %v", removed, err)
		}
		guest.Rescue = nil
		e.wish(t, &guest, hypervisor.PowerRunning)
		e.expectMode(t, guest.ID, false)
		e.awaitConsole(t, guest.ID, e.ConsoleText)
	}
}

func rescueDisksAreFresh(t *testing.T, e *env) {
	guest := e.guest(t, 1)
	guest.Power = hypervisor.PowerStopped
	e.run(t, guest)
	missing := e.rescuer(t)
	missing.ID = id(0x4e5d)
	guest.Rescue = &hypervisor.Rescue{Image: missing}
	guest.Generation++
	guest.Power = hypervisor.PowerRunning
	if err := e.driver.EnsureGuest(t.Context(), guest); !errors.Is(err, hypervisor.ErrImageMissing) {
		t.Fatalf("rescued without an image: %v", err)
	}
	guest.Rescue = &hypervisor.Rescue{Image: e.rescuer(t)}
	e.wish(t, &guest, hypervisor.PowerRunning)
	e.expectMode(t, guest.ID, true)
	e.reopen(t)
	e.expectMode(t, guest.ID, true)
	guest.Rescue = nil
	e.wish(t, &guest, hypervisor.PowerStopped)
	e.expect(t, guest.ID, hypervisor.Shutdown)
	must(t, e.driver.RebootGuest(t.Context(), guest.ID, true))
	e.expectMode(t, guest.ID, false)
	guest.Rescue = &hypervisor.Rescue{Image: e.rescuer(t), Device: "floppy"}
	guest.Generation++
	if err := e.driver.EnsureGuest(t.Context(), guest); !errors.Is(err, hypervisor.ErrInvalid) {
		t.Fatalf("rescued from a floppy: %v", err)
	}
}
