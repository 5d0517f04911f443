package libvirt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"virga/service/compute/hypervisor"
)

// The disks of a guest besides its root disk: ephemeral ones with an empty file system, and swap.

// makeExtras makes the ephemeral disks and the swap disk. An ephemeral disk that is there grows while no guest has it open; swap of another
// size is made anew, for nothing lasting is in it.
func (d *Driver) makeExtras(ctx context.Context, guest hypervisor.Guest, active bool) error {
	for n, disk := range guest.EphemeralDisks() {
		size := disk.GiB * hypervisor.GiB
		present, err := d.sizeOf(guest.ID, ephemeralFile(n))
		switch {
		case err == nil && present == 0:
			err = d.makeRaw(guest.ID, ephemeralFile(n), size, func(path string) error { return makeFileSystem(ctx, disk.Format, n, path) })
		case err == nil && present < size && !active:
			err = d.growRaw(guest.ID, ephemeralFile(n), size)
		}
		if err != nil {
			return fmt.Errorf("make ephemeral disk %d of guest %s: %w", n, guest.ID, err)
		}
	}
	if guest.SwapMiB == 0 {
		return nil
	}
	size := guest.SwapMiB << 20
	present, err := d.sizeOf(guest.ID, swapDisk)
	if err == nil && (present == 0 || present != size && !active) {
		err = d.makeRaw(guest.ID, swapDisk, size, func(path string) error { return writeSwapHeader(path, size) })
	}
	if err != nil {
		return fmt.Errorf("make swap disk of guest %s: %w", guest.ID, err)
	}
	return nil
}

// sizeOf is the size in bytes of a file in the guest's directory; 0: there is none.
func (d *Driver) sizeOf(id, name string) (int64, error) {
	info, err := d.layout.root.Stat(guestDir(id) + "/" + name)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// makeRaw makes a sparse file and has it formatted, beside its place.
func (d *Driver) makeRaw(id, name string, size int64, format func(path string) error) error {
	relative := guestDir(id) + "/" + name
	file, err := d.layout.root.OpenFile(relative+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return noSpace(err)
	}
	if err := errors.Join(file.Truncate(size), file.Close()); err != nil {
		return noSpace(err)
	}
	if err := format(d.layout.path(relative) + ".new"); err != nil {
		return err
	}
	return d.layout.root.Rename(relative+".new", relative)
}

// growRaw makes a file longer; the file system in it is the guest's to stretch.
func (d *Driver) growRaw(id, name string, size int64) error {
	file, err := d.layout.root.OpenFile(guestDir(id)+"/"+name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return noSpace(errors.Join(file.Truncate(size), file.Close()))
}

// makeFileSystem makes an empty file system with the label that nova gives the n-th ephemeral disk.
func makeFileSystem(ctx context.Context, format string, n int, path string) error {
	label := fmt.Sprintf("ephemeral%d", n)
	switch format {
	case "vfat":
		return tool(ctx, "mkfs.vfat", "-n", label, path)
	case "":
		format = "ext4"
	}
	return tool(ctx, "mke2fs", "-q", "-F", "-t", format, "-L", label, path)
}
