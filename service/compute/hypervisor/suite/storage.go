package suite

import (
	"bytes"
	"context"
	"crypto/sha512"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"testing"

	"virga/service/compute/hypervisor"
)

// file caches content as it is, as an image of that id.
func (e *env) file(t *testing.T, n int, content []byte) hypervisor.Image {
	t.Helper()
	sum := sha512.Sum512(content)
	image := hypervisor.Image{ID: id(n), SHA512: hex.EncodeToString(sum[:]), SizeBytes: int64(len(content)), DiskFormat: "raw", VirtualSize: int64(len(content))}
	must(t, e.driver.EnsureImage(t.Context(), image, func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }))
	return image
}

// digestOf tells disks apart by their data, however large they are.
func (e *env) digestOf(t *testing.T, guestID string, disk hypervisor.Disk) string {
	t.Helper()
	content, err := e.driver.OpenDisk(t.Context(), guestID, disk)
	must(t, err)
	defer content.Close()
	sum := sha512.New()
	for offset := int64(0); ; {
		from, to, err := content.NextData(offset)
		if errors.Is(err, io.EOF) {
			return hex.EncodeToString(sum.Sum(nil))
		}
		must(t, err)
		must(t, binary.Write(sum, binary.BigEndian, []int64{from, to}))
		if _, err := io.Copy(sum, io.NewSectionReader(content, from, to-from)); err != nil {
			t.Fatal(err)
		}
		offset = to
	}
}

// severalDisksAreKept has a guest with disks of every sort, bounded, go off, get new disks but for the ephemeral ones, and those grow.
func severalDisksAreKept(t *testing.T, e *env) {
	guest := e.guest(t, 1)
	guest.SwapMiB, guest.ConfigDrive = 8, bytes.Repeat([]byte("iso9660."), 512)
	guest.Storage = hypervisor.Storage{DriveIsCD: true, SwapBus: "scsi", Ephemerals: []hypervisor.Ephemeral{{GiB: 1}, {GiB: 1, Format: "vfat", Bus: "sata"}},
		Limits: hypervisor.DiskLimits{ReadBytes: hypervisor.Rate{PerSecond: 64 << 20, Burst: 128 << 20, BurstSeconds: 2}, TotalOps: hypervisor.Rate{PerSecond: 5000}}}
	e.run(t, guest)
	e.awaitConsole(t, guest.ID, e.ConsoleText)
	guest.Generation, guest.Power = guest.Generation+1, hypervisor.PowerStopped
	must(t, e.driver.EnsureGuest(t.Context(), guest))
	disks := []hypervisor.Disk{hypervisor.EphemeralDisk(0), hypervisor.EphemeralDisk(1)}
	before := map[hypervisor.Disk]string{}
	for _, disk := range disks {
		before[disk] = e.digestOf(t, guest.ID, disk)
	}
	if before[disks[0]] == before[disks[1]] {
		t.Fatal("the ephemeral disks are one and the same")
	}
	guest.Generation, guest.Edition, guest.PreserveEphemeral = guest.Generation+1, 1, true
	must(t, e.driver.EnsureGuest(t.Context(), guest))
	for _, disk := range disks {
		if before[disk] != e.digestOf(t, guest.ID, disk) {
			t.Fatalf("the %s disk was not kept", disk)
		}
	}
	guest.Generation, guest.SwapMiB, guest.Power = guest.Generation+1, 4, hypervisor.PowerRunning
	guest.Storage.Ephemerals = []hypervisor.Ephemeral{{GiB: 2}, {GiB: 1, Format: "vfat", Bus: "sata"}}
	must(t, e.driver.EnsureGuest(t.Context(), guest))
	e.awaitConsole(t, guest.ID, e.ConsoleText)
	for n, spoil := range []func(*hypervisor.Storage){
		func(s *hypervisor.Storage) { s.RootBus = "isa" },
		func(s *hypervisor.Storage) { s.CDROMBus = "virtio" },
		func(s *hypervisor.Storage) { s.SCSIModel = "x" },
		func(s *hypervisor.Storage) { s.Ephemerals = []hypervisor.Ephemeral{{GiB: 1, Format: "../x"}} },
		func(s *hypervisor.Storage) { s.Ephemerals = []hypervisor.Ephemeral{{}} },
		func(s *hypervisor.Storage) {
			s.Limits = hypervisor.DiskLimits{TotalOps: hypervisor.Rate{PerSecond: 1}, ReadOps: hypervisor.Rate{PerSecond: 1}}
		},
		func(s *hypervisor.Storage) { s.ISO = &hypervisor.Image{ID: guest.Image.ID, DiskFormat: "qcow2"} },
	} {
		wrong := guest
		spoil(&wrong.Storage)
		if err := e.driver.EnsureGuest(t.Context(), wrong); !errors.Is(err, hypervisor.ErrInvalid) {
			t.Errorf("wrong storage %d: %v", n, err)
		}
	}
}

// guestBootsFromCD has a guest with an empty root disk start from a CD.
func guestBootsFromCD(t *testing.T, e *env) {
	iso := e.file(t, 0xd150, BootCD(e.ConsoleText))
	guest := e.guest(t, 1)
	guest.Image, guest.Storage = nil, hypervisor.Storage{ISO: &iso, DriveIsCD: true}
	guest.ConfigDrive = bytes.Repeat([]byte("iso9660."), 512)
	e.run(t, guest)
	e.awaitConsole(t, guest.ID, e.ConsoleText)
	if !e.cached(t, iso) {
		t.Fatal("the CD of a running guest is removed")
	}
	guest.Generation, guest.Power = guest.Generation+1, hypervisor.PowerStopped
	must(t, e.driver.EnsureGuest(t.Context(), guest))
	if !bytes.Equal(e.contentOf(t, guest.ID, hypervisor.DiskISO), BootCD(e.ConsoleText)) {
		t.Fatal("the CD has other bytes")
	}
	root, err := e.driver.OpenDisk(t.Context(), guest.ID, hypervisor.DiskRoot)
	must(t, err)
	must(t, root.Close())
}

// kernelsAreCached has a guest with a kernel outside of its disks.
func kernelsAreCached(t *testing.T, e *env) {
	guest := e.guest(t, 1)
	guest.Power = hypervisor.PowerStopped
	kernel, ramdisk := e.file(t, 0xd151, []byte("a kernel")), e.file(t, 0xd152, []byte("a ramdisk"))
	missing := ramdisk
	missing.ID = id(0xd153)
	guest.Kernel = &hypervisor.Kernel{Image: kernel, Ramdisk: &missing}
	t.Cleanup(func() { e.driver.RemoveGuest(context.Background(), guest.ID, 1<<40) })
	if err := e.driver.EnsureGuest(t.Context(), guest); !errors.Is(err, hypervisor.ErrImageMissing) || !bytes.Contains([]byte(err.Error()), []byte(missing.ID)) {
		t.Fatalf("a guest without its ramdisk: %v", err)
	}
	guest.Kernel.Ramdisk, guest.Kernel.CommandLine = &ramdisk, "root=/dev/vda quiet"
	e.run(t, guest)
	e.reopen(t)
	if !e.cached(t, kernel) || !e.cached(t, ramdisk) {
		t.Fatal("what a guest starts from is removed")
	}
	for disk, want := range map[hypervisor.Disk]string{hypervisor.DiskKernel: "a kernel", hypervisor.DiskRamdisk: "a ramdisk"} {
		if got := e.contentOf(t, guest.ID, disk); string(got) != want {
			t.Errorf("the %s is %q", disk, got)
		}
	}
	guest.Kernel.CommandLine = "root=/dev/vda\ninit=/bin/sh"
	if err := e.driver.EnsureGuest(t.Context(), guest); !errors.Is(err, hypervisor.ErrInvalid) {
		t.Fatalf("two command lines: %v", err)
	}
	guest.Generation, guest.Kernel = guest.Generation+1, nil
	must(t, e.driver.EnsureGuest(t.Context(), guest))
	if e.cached(t, kernel) {
		t.Fatal("a kernel that no guest needs is kept")
	}
}

// BootCD returns an ISO 9660 image with no more than what a BIOS needs to boot from it (El Torito 1.0): its boot sector does what that of
// BootDisk does.
func BootCD(text string) []byte {
	const sector = 2048
	cd := make([]byte, 64*sector)
	volume := func(n int, kind byte) []byte {
		descriptor := cd[n*sector : (n+1)*sector]
		descriptor[0], descriptor[6] = kind, 1
		copy(descriptor[1:], "CD001")
		return descriptor
	}
	volume(16, 1)
	record := volume(17, 0)
	copy(record[7:], "EL TORITO SPECIFICATION")
	binary.LittleEndian.PutUint32(record[0x47:], 19)
	volume(18, 255)
	catalog := cd[19*sector:]
	copy(catalog, []byte{1: 0, 0: 1, 28: 0xaa, 29: 0x55, 30: 0x55, 31: 0xaa}) // the words of the entry add up to nothing
	entry := catalog[32:]
	entry[0] = 0x88                              // bootable, as it is
	binary.LittleEndian.PutUint16(entry[6:], 4)  // sectors of 512 bytes
	binary.LittleEndian.PutUint32(entry[8:], 20) // from where
	copy(cd[20*sector:], BootDisk(text)[:512])
	return cd
}
