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

// otherDisk caches a second image, which boots, too, but is not the same.
func (e *env) otherDisk(t *testing.T) *hypervisor.Image {
	t.Helper()
	content := BootDisk(e.ConsoleText)
	copy(content[len(content)-512:], "another image")
	sum := sha512.Sum512(content)
	image := hypervisor.Image{ID: id(0xd15d), SHA512: hex.EncodeToString(sum[:]), SizeBytes: int64(len(content)), DiskFormat: "raw",
		VirtualSize: int64(len(content))}
	must(t, e.driver.EnsureImage(t.Context(), image, func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }))
	return &image
}

// cached tells whether an image is still there when nothing but guests keeps it.
func (e *env) cached(t *testing.T, image hypervisor.Image) bool {
	t.Helper()
	removed, err := e.driver.PruneImages(t.Context(), nil)
	must(t, err)
	return !slices.Contains(removed, image.ID)
}

func disksAreMadeAnew(t *testing.T, e *env) {
	guest := e.off(t, 1)
	first := *guest.Image
	missing := guest
	missing.Generation, missing.Edition = guest.Generation+1, 1
	missing.Image = &hypervisor.Image{ID: id(0xd15e), SHA512: first.SHA512, SizeBytes: 1, DiskFormat: "raw", VirtualSize: 1}
	if err := e.driver.EnsureGuest(t.Context(), missing); !errors.Is(err, hypervisor.ErrImageMissing) {
		t.Fatalf("made disks of an image that is not there: %v", err)
	}
	guest.Generation, guest.Edition, guest.Image, guest.Power = guest.Generation+2, 1, e.otherDisk(t), hypervisor.PowerRunning
	e.run(t, guest)
	e.awaitConsole(t, guest.ID, e.ConsoleText)
	must(t, e.driver.EnsureGuest(t.Context(), guest))
	e.expect(t, guest.ID, hypervisor.Running)
	if e.cached(t, first) || !e.cached(t, *guest.Image) {
		t.Fatal("the cache does not hold the one image that is in use")
	}
	guest.Generation, guest.Power = guest.Generation+1, hypervisor.PowerStopped
	must(t, e.driver.EnsureGuest(t.Context(), guest))
	if base := e.contentOf(t, guest.ID, hypervisor.DiskBase); !bytes.Contains(base, []byte("another image")) {
		t.Fatal("the guest stands on the image of before")
	}
}

func formerDisksComeBack(t *testing.T, e *env) {
	guest := e.off(t, 1)
	root := e.contentOf(t, guest.ID, hypervisor.DiskRoot)
	first := *guest.Image
	other := guest
	other.Generation, other.Edition, other.KeepEdition, other.Image = guest.Generation+1, 1, true, e.otherDisk(t)
	other.Power = hypervisor.PowerRunning
	must(t, e.driver.EnsureGuest(t.Context(), other))
	must(t, e.driver.EnsureGuest(t.Context(), other))
	e.expect(t, guest.ID, hypervisor.Running)
	if !e.cached(t, first) {
		t.Fatal("the image beneath the former disks is gone")
	}
	e.reopen(t)
	guest.Generation = other.Generation + 1
	must(t, e.driver.EnsureGuest(t.Context(), guest))
	must(t, e.driver.EnsureGuest(t.Context(), guest))
	e.expect(t, guest.ID, hypervisor.Shutdown)
	if !bytes.Equal(root, e.contentOf(t, guest.ID, hypervisor.DiskRoot)) {
		t.Fatal("other disks came back")
	}
	if e.cached(t, *other.Image) {
		t.Fatal("the image that was given up is still kept")
	}
	guest.Generation, guest.Power = guest.Generation+1, hypervisor.PowerRunning
	must(t, e.driver.EnsureGuest(t.Context(), guest))
	e.awaitConsole(t, guest.ID, e.ConsoleText)
}
