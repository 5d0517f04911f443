package suite

import (
	"bytes"
	"context"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"io"
	"slices"
	"testing"

	"virga/service/compute/hypervisor"
)

const snapshotName = "5c17e000-0000-4000-8000-00000005a9ad"

// bytesOf reads a snapshot.
func (e *env) bytesOf(t *testing.T, guestID string) []byte {
	t.Helper()
	content, size, err := e.driver.OpenSnapshot(t.Context(), guestID, snapshotName)
	must(t, err)
	defer content.Close()
	data, err := io.ReadAll(content)
	must(t, err)
	if int64(len(data)) != size || !bytes.HasPrefix(data, []byte("QFI\xfb")) {
		t.Fatalf("the snapshot has %d bytes of %d and begins with %q", len(data), size, data[:min(len(data), 4)])
	}
	return data
}

// boots has a snapshot become an image and another guest boot it.
func (e *env) boots(t *testing.T, data []byte, n int) {
	t.Helper()
	sum := sha512.Sum512(data)
	image := hypervisor.Image{ID: snapshotName, SHA512: hex.EncodeToString(sum[:]), SizeBytes: int64(len(data)), DiskFormat: "qcow2",
		VirtualSize: hypervisor.GiB}
	must(t, e.driver.EnsureImage(t.Context(), image, func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }))
	guest := e.guest(t, n)
	guest.Image = &image
	e.run(t, guest)
	e.awaitConsole(t, guest.ID, e.ConsoleText)
}

func snapshotOfRunningGuestBoots(t *testing.T, e *env) {
	guest := e.guest(t, 1)
	e.run(t, guest)
	e.awaitConsole(t, guest.ID, e.ConsoleText)
	order := hypervisor.Snapshot{Name: snapshotName, Quiesce: hypervisor.QuiesceTry}
	must(t, e.driver.TakeSnapshot(t.Context(), guest.ID, order))
	e.expect(t, guest.ID, hypervisor.Running)
	first := e.bytesOf(t, guest.ID)
	must(t, e.driver.TakeSnapshot(t.Context(), guest.ID, order)) // a repeat does nothing
	must(t, e.driver.EnsureGuest(t.Context(), guest))            // and neither does this to it
	e.reopen(t)
	if !bytes.Equal(first, e.bytesOf(t, guest.ID)) {
		t.Fatal("the snapshot has become another one")
	}
	e.boots(t, first, 2)
	must(t, e.driver.DropSnapshots(t.Context(), guest.ID))
	must(t, e.driver.DropSnapshots(t.Context(), guest.ID))
	if _, _, err := e.driver.OpenSnapshot(t.Context(), guest.ID, snapshotName); !errors.Is(err, hypervisor.ErrNotFound) {
		t.Fatalf("opened a snapshot that was dropped: %v", err)
	}
	e.expect(t, guest.ID, hypervisor.Running)
}

func snapshotOfStoppedGuestBoots(t *testing.T, e *env) {
	guest := e.off(t, 1)
	must(t, e.driver.TakeSnapshot(t.Context(), guest.ID, hypervisor.Snapshot{Name: snapshotName, Quiesce: hypervisor.QuiesceMust}))
	e.expect(t, guest.ID, hypervisor.Shutdown)
	data := e.bytesOf(t, guest.ID)
	must(t, e.driver.RemoveGuest(t.Context(), guest.ID, guest.Generation))
	e.boots(t, data, 2)
}

func snapshotsAreWholeOrNothing(t *testing.T, e *env) {
	before := e.Residue(t)
	guest := e.guest(t, 1)
	e.run(t, guest)
	if err := e.driver.TakeSnapshot(t.Context(), id(99), hypervisor.Snapshot{Name: snapshotName}); !errors.Is(err, hypervisor.ErrNotFound) {
		t.Errorf("a snapshot of nobody: %v", err)
	}
	if err := e.driver.TakeSnapshot(t.Context(), guest.ID, hypervisor.Snapshot{Name: "../../etc/passwd"}); !errors.Is(err, hypervisor.ErrInvalid) {
		t.Errorf("a snapshot of a bad name: %v", err)
	}
	must(t, e.driver.DropSnapshots(t.Context(), id(99)))
	restless := hypervisor.Snapshot{Name: snapshotName, Quiesce: hypervisor.QuiesceMust}
	if err := e.driver.TakeSnapshot(t.Context(), guest.ID, restless); !errors.Is(err, hypervisor.ErrInvalid) {
		t.Errorf("a snapshot of a guest that cannot come to rest: %v", err)
	}
	given, cancel := context.WithCancel(t.Context())
	cancel()
	if err := e.driver.TakeSnapshot(given, guest.ID, hypervisor.Snapshot{Name: snapshotName}); !errors.Is(err, context.Canceled) {
		t.Errorf("a snapshot that was given up: %v", err)
	}
	if _, _, err := e.driver.OpenSnapshot(t.Context(), guest.ID, snapshotName); !errors.Is(err, hypervisor.ErrNotFound) {
		t.Errorf("opened a snapshot that was not taken: %v", err)
	}
	must(t, e.driver.TakeSnapshot(t.Context(), guest.ID, hypervisor.Snapshot{Name: snapshotName}))
	must(t, e.driver.RemoveGuest(t.Context(), guest.ID, guest.Generation))
	if after := e.Residue(t); !slices.Equal(before, after) {
		t.Errorf("left behind %q, before %q", after, before)
	}
}
