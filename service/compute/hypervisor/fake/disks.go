package fake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"virga/service/compute/hypervisor"
)

// magic begins every simulated disk, so that what is not one is refused.
const magic = "VIRGA-SIMULATED-DISK\n"

// maxDisk bounds a simulated disk in bytes.
const maxDisk = 1 << 20

// newDisks are the disks of a guest that has none yet.
func (d *Driver) newDisks(guest hypervisor.Guest) map[hypervisor.Disk][]byte {
	image := "nothing"
	if guest.Image != nil {
		image = guest.Image.ID
	}
	disks := map[hypervisor.Disk][]byte{}
	for _, disk := range guest.OwnDisks() {
		disks[disk] = fmt.Appendf(nil, "%s%s of guest %s, made from %s\n", magic, disk, guest.ID, image)
	}
	if guest.Image == nil {
		return disks
	}
	if image, kept := d.baseOf(guest.Image); kept {
		if disk := diskOfImage(image); disk != nil {
			disks[hypervisor.DiskRoot] = slices.Concat(disk, disks[hypervisor.DiskRoot][len(magic):])
		}
	}
	return disks
}

// withDisks adds to the disks that are there those that the guest lacks.
func (d *Driver) withDisks(present map[hypervisor.Disk][]byte, guest hypervisor.Guest) map[hypervisor.Disk][]byte {
	if present[hypervisor.DiskRoot] != nil { // what its image holds no longer matters
		guest.Image = nil
	}
	disks := d.newDisks(guest)
	maps.Copy(disks, present)
	return disks
}

// OpenDisk implements hypervisor.Driver.
func (d *Driver) OpenDisk(ctx context.Context, id string, disk hypervisor.Disk) (hypervisor.DiskContent, error) {
	var content hypervisor.DiskContent
	err := d.call(ctx, "OpenDisk", id, func() error {
		r := d.lookup(id)
		if r == nil {
			return fmt.Errorf("open disk: %w: %s", hypervisor.ErrNotFound, id)
		}
		if r.Power == hypervisor.Running || r.Power == hypervisor.Paused || r.Power == hypervisor.Suspended {
			return fmt.Errorf("open disk: %w: %s", hypervisor.ErrBusy, id)
		}
		data, there := r.Disks[disk]
		if disk == hypervisor.DiskBase && r.Guest.Image != nil {
			data, there = d.baseOf(r.Guest.Image)
		}
		if image, cached := r.Guest.CachedFiles()[disk]; cached {
			data, there = d.baseOf(&image)
		}
		if !there {
			return fmt.Errorf("open disk: %w: guest %s has no %s disk", hypervisor.ErrNotFound, id, disk)
		}
		content = memory{bytes.NewReader(data)}
		return nil
	})
	return content, err
}

// AdoptDisks implements hypervisor.Driver.
func (d *Driver) AdoptDisks(ctx context.Context, guest hypervisor.Guest,
	fetch func(ctx context.Context, disk hypervisor.Disk, into io.WriterAt) (int64, error)) error {
	return d.call(ctx, "AdoptDisks", guest.ID, func() error {
		if err := guest.Check(); err != nil {
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
		if d.lookup(guest.ID) != nil {
			return nil
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
		return d.adopt(ctx, guest, fetch)
	})
}

func (d *Driver) adopt(ctx context.Context, guest hypervisor.Guest,
	fetch func(ctx context.Context, disk hypervisor.Disk, into io.WriterAt) (int64, error)) error {
	next, _, err := d.describe(guest) // ErrImageMissing comes before anything is fetched
	if err != nil {
		return err
	}
	adopted := map[hypervisor.Disk][]byte{}
	for _, disk := range guest.OwnDisks() {
		into := &sheet{}
		size, err := fetch(ctx, disk, into)
		if errors.Is(err, hypervisor.ErrNotFound) && (disk != hypervisor.DiskRoot || next.RootBytes == 0) {
			continue
		}
		if errors.Is(err, hypervisor.ErrNotFound) {
			return fmt.Errorf("%w: guest %s has no root disk to adopt", hypervisor.ErrInvalid, guest.ID)
		}
		if err != nil {
			return fmt.Errorf("adopt %s disk of guest %s: %w", disk, guest.ID, err)
		}
		data := into.upTo(size)
		if !bytes.HasPrefix(data, []byte(magic)) {
			return fmt.Errorf("adopt %s disk of guest %s: %w: it is no simulated disk", disk, guest.ID, hypervisor.ErrInvalid)
		}
		adopted[disk] = data
	}
	next.Disks, next.Power = d.withDisks(adopted, guest), hypervisor.NoState
	return d.store(next)
}

// WriteDisk writes at the end of a guest's disk, as the guest itself would.
func (d *Driver) WriteDisk(ctx context.Context, id string, disk hypervisor.Disk, data []byte) error {
	turn, err := d.turns.Take(ctx, id)
	if err != nil {
		return err
	}
	defer turn.Done()
	r := d.lookup(id)
	if r == nil || r.Disks[disk] == nil {
		return fmt.Errorf("write disk: %w: guest %s has no %s disk", hypervisor.ErrNotFound, id, disk)
	}
	if len(r.Disks[disk])+len(data) > maxDisk {
		return fmt.Errorf("write disk of guest %s: %w", id, hypervisor.ErrNoSpace)
	}
	next := *r
	next.Disks = maps.Clone(r.Disks)
	next.Disks[disk] = slices.Concat(r.Disks[disk], data)
	return d.store(&next)
}

// ReadDisk returns the content of a guest's disk, whatever its power state; nil when there is none.
func (d *Driver) ReadDisk(id string, disk hypervisor.Disk) []byte {
	if r := d.lookup(id); r != nil {
		return slices.Clone(r.Disks[disk])
	}
	return nil
}

// memory is a disk without holes.
type memory struct{ *bytes.Reader }

// Close implements io.Closer.
func (memory) Close() error { return nil }

// NextData implements hypervisor.DiskContent.
func (m memory) NextData(offset int64) (from, to int64, err error) {
	if offset >= m.Size() {
		return 0, 0, io.EOF
	}
	return offset, m.Size(), nil
}

// sheet is a disk that is being written.
type sheet struct{ data []byte }

// WriteAt implements io.WriterAt.
func (s *sheet) WriteAt(p []byte, offset int64) (int, error) {
	if offset < 0 || offset+int64(len(p)) > maxDisk {
		return 0, hypervisor.ErrNoSpace
	}
	if missing := offset + int64(len(p)) - int64(len(s.data)); missing > 0 {
		s.data = append(s.data, make([]byte, missing)...)
	}
	return copy(s.data[offset:], p), nil
}

func (s *sheet) upTo(size int64) []byte {
	if size < 0 || size > maxDisk {
		return nil
	}
	return append(s.data, make([]byte, max(0, size-int64(len(s.data))))...)[:size]
}
