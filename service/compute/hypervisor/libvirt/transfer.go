package libvirt

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"virga/service/compute/hypervisor"
)

// Disks that come from another host. The root disk travels as what it is, a qcow2 delta on top of the cached image, and is put on top
// of this host's own copy of the image: far fewer bytes than a flat disk, and the image comes verified from the cache. A guest cannot
// write to the header of its disk, but a host that was taken over could, so everything by which a qcow2 file leads QEMU to other files
// is looked at here before any tool opens it.

// fileOf is the name of a disk in a guest's directory; "": there is no such disk.
func fileOf(disk hypervisor.Disk) string {
	switch disk {
	case hypervisor.DiskRoot:
		return rootDisk
	case hypervisor.DiskSwap:
		return swapDisk
	case hypervisor.DiskVariables:
		return variablesFile
	}
	for n := range hypervisor.MaxEphemerals {
		if disk == hypervisor.EphemeralDisk(n) {
			return ephemeralFile(n)
		}
	}
	return ""
}

// OpenDisk implements hypervisor.Driver.
func (d *Driver) OpenDisk(ctx context.Context, id string, disk hypervisor.Disk) (hypervisor.DiskContent, error) {
	if err := errors.Join(d.open(), hypervisor.CheckID(id)); err != nil {
		return nil, err
	}
	turn, err := d.turns.Take(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("wait for guest %s: %w", id, err)
	}
	defer turn.Done()
	kept, err := d.layout.readManifest(id)
	if err != nil {
		return nil, err
	}
	if kept == nil {
		return nil, fmt.Errorf("open disk: %w: %s", hypervisor.ErrNotFound, id)
	}
	if _, power, err := d.observe(ctx, id); err != nil {
		return nil, err
	} else if isActive(power) {
		return nil, fmt.Errorf("open disk: %w: %s", hypervisor.ErrBusy, id)
	}
	return d.layout.openDisk(kept, disk)
}

func (l *layout) openDisk(kept *manifest, disk hypervisor.Disk) (hypervisor.DiskContent, error) {
	name := fileOf(disk)
	if name != "" {
		name = guestDir(kept.Guest.ID) + "/" + name
	}
	if disk == hypervisor.DiskBase && kept.Guest.Image != nil {
		name = imageFile(*kept.Guest.Image)
	}
	if image, cached := kept.Guest.CachedFiles()[disk]; cached {
		name = imageFile(image)
	}
	if name == "" || disk == hypervisor.DiskRoot && kept.RootBytes == 0 {
		return nil, fmt.Errorf("open disk: %w: guest %s has no %s disk", hypervisor.ErrNotFound, kept.Guest.ID, disk)
	}
	file, err := l.root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open disk: %w: guest %s has no %s disk", hypervisor.ErrNotFound, kept.Guest.ID, disk)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s disk of guest %s: %w", disk, kept.Guest.ID, err)
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("open %s disk of guest %s: %w", disk, kept.Guest.ID, err)
	}
	return diskFile{file, info.Size()}, nil
}

// diskFile is a disk in a file with holes.
type diskFile struct {
	*os.File
	size int64
}

// Size implements hypervisor.DiskContent.
func (f diskFile) Size() int64 { return f.size }

// NextData implements hypervisor.DiskContent.
func (f diskFile) NextData(offset int64) (from, to int64, err error) {
	from, err = unix.Seek(int(f.Fd()), offset, unix.SEEK_DATA)
	if errors.Is(err, unix.ENXIO) {
		return 0, 0, io.EOF
	}
	if err != nil {
		return 0, 0, fmt.Errorf("find data in %s: %w", f.Name(), err)
	}
	if to, err = unix.Seek(int(f.Fd()), from, unix.SEEK_HOLE); err != nil {
		return 0, 0, fmt.Errorf("find a hole in %s: %w", f.Name(), err)
	}
	return from, min(to, f.size), nil
}

// AdoptDisks implements hypervisor.Driver.
func (d *Driver) AdoptDisks(ctx context.Context, guest hypervisor.Guest,
	fetch func(ctx context.Context, disk hypervisor.Disk, into io.WriterAt) (int64, error)) error {
	if err := errors.Join(d.open(), guest.Check()); err != nil {
		return err
	}
	turn, err := d.turns.Take(ctx, guest.ID)
	if err != nil {
		return fmt.Errorf("wait for guest %s: %w", guest.ID, err)
	}
	defer turn.Done()
	if err := d.fence.Admit(guest.ID, guest.Generation); err != nil {
		return err
	}
	kept, err := d.layout.readManifest(guest.ID)
	if err != nil {
		return err
	}
	if kept != nil && (kept.RootBytes > 0 || kept.Defined != "") {
		return nil
	}
	// From here on the image counts as in use.
	if kept, err = d.begin(ctx, guest, kept, false); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	hurry := turn.Hurry()
	go func() {
		select {
		case <-hurry:
			cancel()
		case <-ctx.Done():
		}
	}()
	for _, disk := range guest.OwnDisks() { // with the root disk, the last one, the guest counts as adopted
		err := d.adopt(ctx, kept, fileOf(disk), func(file *os.File) (int64, error) { return fetch(ctx, disk, file) })
		missing := errors.Is(err, hypervisor.ErrNotFound)
		if missing && disk == hypervisor.DiskRoot { // an empty one in its place would be the loss of all data
			return fmt.Errorf("%w: guest %s has no root disk to adopt", hypervisor.ErrInvalid, guest.ID)
		}
		if err != nil && !missing {
			return fmt.Errorf("adopt %s disk of guest %s: %w", disk, guest.ID, err)
		}
	}
	d.config.Log.Info("disks adopted", "server_id", guest.ID, "generation", guest.Generation)
	return nil
}

// adopt fetches one disk beside its place and moves it there when it is whole and right.
func (d *Driver) adopt(ctx context.Context, kept *manifest, name string, fetch func(*os.File) (int64, error)) error {
	relative := guestDir(kept.Guest.ID) + "/" + name
	file, err := d.layout.root.OpenFile(relative+transferSuffix, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return noSpace(err)
	}
	defer func() { _ = d.layout.root.Remove(relative + transferSuffix) }() // it is gone when all went well
	defer file.Close()
	size, err := fetch(file)
	if err != nil {
		return noSpace(err)
	}
	if err := file.Truncate(size); err != nil {
		return noSpace(err)
	}
	next := *kept
	if name == rootDisk {
		if next.RootBytes, err = inspectDelta(file, kept.Guest); err != nil {
			return err
		}
		if err := d.rebase(ctx, kept.Guest, d.layout.path(relative)+transferSuffix); err != nil {
			return err
		}
	}
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		return noSpace(err)
	}
	if err := d.layout.root.Rename(relative+transferSuffix, relative); err != nil {
		return err
	}
	if name != rootDisk {
		return nil
	}
	*kept = next
	return d.layout.writeManifest(kept)
}

// rebase puts a delta on top of this host's copy of the guest's image. With -u qemu-img changes the header and opens neither image.
func (d *Driver) rebase(ctx context.Context, guest hypervisor.Guest, path string) error {
	argv := []string{d.config.QEMUImg, "rebase", "-q", "-u", "-f", "qcow2"}
	if guest.Image != nil {
		argv = append(argv, "-F", guest.Image.DiskFormat, "-b", d.layout.path(imageFile(*guest.Image)))
	} else {
		argv = append(argv, "-b", "")
	}
	if err := tool(ctx, append(argv, path)...); err != nil {
		return fmt.Errorf("put the disk on its image: %w", err)
	}
	return nil
}

// The fields of a qcow2 header (QEMU's docs/interop/qcow2.txt), by offset; numbers are big-endian.
const (
	qcow2Magic       = "QFI\xfb"
	atVersion        = 4
	atBackingOffset  = 8
	atClusterBits    = 20
	atVirtualSize    = 24
	atEncryption     = 32
	atSnapshots      = 60
	atIncompatible   = 72
	qcow2HeaderBytes = 104
)

// inspectDelta checks that a root disk is a qcow2 delta as this driver makes them and returns how many bytes the guest sees of it.
func inspectDelta(file io.ReaderAt, guest hypervisor.Guest) (int64, error) {
	header := make([]byte, qcow2HeaderBytes)
	if _, err := file.ReadAt(header, 0); err != nil {
		return 0, fmt.Errorf("%w: it is too short for a qcow2 disk", hypervisor.ErrInvalid)
	}
	number := func(at int) uint32 { return binary.BigEndian.Uint32(header[at:]) }
	refuse := func(why string) (int64, error) { return 0, fmt.Errorf("%w: its disk %s", hypervisor.ErrInvalid, why) }
	size := binary.BigEndian.Uint64(header[atVirtualSize:])
	switch {
	case string(header[:4]) != qcow2Magic || number(atVersion) != 3:
		return refuse("is not in qcow2 format, version 3")
	case binary.BigEndian.Uint64(header[atIncompatible:]) != 0:
		return refuse("needs a feature that disks made here never have, a data file elsewhere for example")
	case number(atEncryption) != 0:
		return refuse("is encrypted")
	case number(atSnapshots) != 0:
		return refuse("has internal snapshots")
	case number(atClusterBits) < 9 || number(atClusterBits) > 21:
		return refuse("has clusters of a size that there is not")
	case (binary.BigEndian.Uint64(header[atBackingOffset:]) != 0) != (guest.Image != nil):
		return refuse("stands on an image, and the guest has none, or the other way about")
	case size == 0 || size > uint64(rootBytes(guest)):
		return refuse(fmt.Sprintf("has %d bytes, the guest's is to have %d", size, rootBytes(guest)))
	}
	return int64(size), nil
}
