package fake

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"maps"

	"virga/service/compute/hypervisor"
)

// A simulated snapshot is a qcow2 image (QEMU's docs/interop/qcow2.txt) of the size of the guest's disk without a single cluster of data,
// so that whoever checks images finds a right one. What the simulated disk holds lies behind the tables, where a guest made from the
// image finds it again.
const (
	snapshotCluster = 1 << 16
	// perL1 is how many bytes of a disk an entry of the first table stands for.
	perL1       = snapshotCluster / 8 * snapshotCluster
	maxSnapshot = 512 << 10
)

// TakeSnapshot implements hypervisor.Driver.
func (d *Driver) TakeSnapshot(ctx context.Context, id string, snapshot hypervisor.Snapshot) error {
	return d.call(ctx, "TakeSnapshot", id, func() error {
		if err := hypervisor.CheckID(snapshot.Name); err != nil {
			return err
		}
		turn, err := d.turns.Take(ctx, id)
		if err != nil {
			return fmt.Errorf("wait for guest %s: %w", id, err)
		}
		defer turn.Done()
		r := d.lookup(id)
		if r == nil || r.Disks[hypervisor.DiskRoot] == nil {
			return fmt.Errorf("take snapshot: %w: guest %s has no root disk", hypervisor.ErrNotFound, id)
		}
		if r.Snapshots[snapshot.Name] != nil {
			return nil
		}
		if snapshot.Quiesce == hypervisor.QuiesceMust && r.Power == hypervisor.Running {
			return fmt.Errorf("%w: a simulated guest has no agent that could bring it to rest", hypervisor.ErrInvalid)
		}
		if len(r.Disks[hypervisor.DiskRoot]) > maxSnapshot {
			return fmt.Errorf("take snapshot of guest %s: %w", id, hypervisor.ErrNoSpace)
		}
		next := *r
		next.Snapshots = maps.Clone(r.Snapshots)
		if next.Snapshots == nil {
			next.Snapshots = map[string][]byte{}
		}
		next.Snapshots[snapshot.Name] = r.Disks[hypervisor.DiskRoot]
		return d.store(&next)
	})
}

// OpenSnapshot implements hypervisor.Driver.
func (d *Driver) OpenSnapshot(ctx context.Context, id, name string) (content io.ReadCloser, size int64, err error) {
	err = d.call(ctx, "OpenSnapshot", id, func() error {
		r := d.lookup(id)
		if r == nil || r.Snapshots[name] == nil {
			return fmt.Errorf("open snapshot: %w: guest %s has none of the name %s", hypervisor.ErrNotFound, id, name)
		}
		data := snapshotImage(r.RootBytes, r.Snapshots[name])
		content, size = io.NopCloser(bytes.NewReader(data)), int64(len(data))
		return nil
	})
	return content, size, err
}

// DropSnapshots implements hypervisor.Driver.
func (d *Driver) DropSnapshots(ctx context.Context, id string) error {
	return d.call(ctx, "DropSnapshots", id, func() error {
		turn, err := d.turns.Take(ctx, id)
		if err != nil {
			return fmt.Errorf("wait for guest %s: %w", id, err)
		}
		defer turn.Done()
		r := d.lookup(id)
		if r == nil || len(r.Snapshots) == 0 {
			return nil
		}
		next := *r
		next.Snapshots = nil
		return d.store(&next)
	})
}

// snapshotImage is a qcow2 image of a disk of so many bytes, with the content of a simulated disk at its end.
func snapshotImage(size int64, disk []byte) []byte {
	entries := (size + perL1 - 1) / perL1
	tables := (entries*8 + snapshotCluster - 1) / snapshotCluster
	image := make([]byte, (2+tables)*snapshotCluster, (2+tables)*snapshotCluster+int64(len(disk)))
	copy(image, "QFI\xfb")
	binary.BigEndian.PutUint32(image[4:], 3)
	binary.BigEndian.PutUint32(image[20:], 16)
	binary.BigEndian.PutUint64(image[24:], uint64(size))
	binary.BigEndian.PutUint32(image[36:], uint32(entries))
	binary.BigEndian.PutUint64(image[40:], 2*snapshotCluster) // the first table; the table of reference counts is before it
	binary.BigEndian.PutUint64(image[48:], snapshotCluster)
	binary.BigEndian.PutUint32(image[56:], 1)
	binary.BigEndian.PutUint32(image[96:], 4)
	binary.BigEndian.PutUint32(image[100:], 104)
	return append(image, disk...)
}

// diskOfImage is the content of the simulated disk that an image was made from; nil when it was not made from one.
func diskOfImage(image []byte) []byte {
	if at := bytes.Index(image, []byte(magic)); at > 0 {
		return image[at:]
	}
	return nil
}
