//go:build e2e

package libvirt_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"virga/service/compute/hypervisor"
	"virga/service/compute/hypervisor/suite"
)

// small makes a file system of a few megabytes, and fill takes what is left of it.
func small(t *testing.T) (dir string, fill func()) {
	t.Helper()
	dir = t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=32m,mode=0711"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir, func() {
		file, err := os.Create(filepath.Join(dir, "filler"))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		for block := make([]byte, 4096); err == nil; {
			_, err = file.Write(block)
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
}

// A full disk hinders what needs space, and nothing else: guests there can be paused, stopped and removed.
func TestAFullDiskHindersNothingThatNeedsNoSpace(t *testing.T) {
	dir, fill := small(t)
	driver := open(t, dir)
	disk := suite.BootDisk(consoleText)
	image := cache(t, driver, disk, "raw", int64(len(disk)))
	wanted := guest(image)
	if err := driver.EnsureGuest(t.Context(), wanted); err != nil {
		t.Fatal(err)
	}
	awaitConsole(t, driver, wanted.ID, consoleText)
	fill()
	for _, power := range []hypervisor.Power{hypervisor.PowerPaused, hypervisor.PowerRunning, hypervisor.PowerSuspended, hypervisor.PowerRunning, hypervisor.PowerStopped} {
		wanted.Generation++
		wanted.Power = power
		if err := driver.EnsureGuest(t.Context(), wanted); err != nil {
			t.Errorf("have the guest be %s: %v", power, err)
		}
	}
	needs := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, hypervisor.ErrNoSpace) {
			t.Errorf("%s on a full disk: %v", what, err)
		}
	}
	needs("a snapshot", driver.TakeSnapshot(t.Context(), wanted.ID, hypervisor.Snapshot{Name: image.ID}))
	other := *image
	other.ID = "1b5c0e63-44a2-4d1f-9b6f-203f4e5d6c7b"
	needs("an image", driver.EnsureImage(t.Context(), other, func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(disk)), nil
	}))
	second := guest(image)
	second.ID = "7a2e8d4f-1c6b-4f75-8e1f-9b5e3c6d8e12"
	needs("a guest", driver.EnsureGuest(t.Context(), second))
	// The driver finds its way on a full disk, too.
	if err := driver.Close(); err != nil {
		t.Fatal(err)
	}
	driver = open(t, dir)
	for _, id := range []string{wanted.ID, second.ID} {
		remove(t, driver, id)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "guests", "*")); err != nil || len(left) > 0 {
		t.Errorf("left is %v %v", left, err)
	}
}

// An image that was damaged or taken from the cache behind the driver's back is fetched again for a guest that is made of it.
func TestADamagedCacheIsMended(t *testing.T) {
	dir := t.TempDir()
	driver := open(t, dir)
	disk := suite.BootDisk(consoleText)
	for name, harm := range map[string]func(path string) error{
		"removed":     os.Remove,
		"cut off":     func(path string) error { return os.Truncate(path, 512) },
		"overgrown":   func(path string) error { return os.Truncate(path, int64(len(disk))+512) },
		"overwritten": func(path string) error { return os.WriteFile(path, make([]byte, len(disk)), 0o644) },
	} {
		cache(t, driver, disk, "raw", int64(len(disk)))
		found, err := filepath.Glob(filepath.Join(dir, "images", "*.raw"))
		if err != nil || len(found) != 1 {
			t.Fatalf("cached are %v %v", found, err)
		}
		if err := harm(found[0]); err != nil {
			t.Fatal(err)
		}
		image := cache(t, driver, disk, "raw", int64(len(disk)))
		if kept, err := os.ReadFile(found[0]); err != nil || !bytes.Equal(kept, disk) {
			t.Errorf("%s: image %s in the cache is not what it was: %v", name, image.ID, err)
		}
	}
}
