package libvirt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	rpc "github.com/digitalocean/go-libvirt"
	"libvirt.org/go/libvirtxml"

	"virga/service/compute/hypervisor"
)

// Snapshots lie in the guest's directory and come there whole by renaming. That of a running guest is made by QEMU's backup job, which
// keeps aside what the guest overwrites while it copies; that of one that is off by qemu-img. Both flatten the chain.

const (
	snapshotPrefix = "snapshot-"
	// jobPoll is how often a job is asked after; jobAbort how long it may take to end when it is no longer wanted.
	jobPoll  = 200 * time.Millisecond
	jobAbort = 30 * time.Second
	// nearlyFull is how many free bytes count as none when a copy failed for no reason given.
	nearlyFull = 32 << 20
)

func snapshotFile(id, name string) string {
	return guestDir(id) + "/" + snapshotPrefix + name + ".qcow2"
}

// TakeSnapshot implements hypervisor.Driver.
func (d *Driver) TakeSnapshot(ctx context.Context, id string, snapshot hypervisor.Snapshot) error {
	if err := errors.Join(d.open(), hypervisor.CheckID(id), hypervisor.CheckID(snapshot.Name)); err != nil {
		return err
	}
	turn, err := d.turns.Take(ctx, id)
	if err != nil {
		return fmt.Errorf("wait for guest %s: %w", id, err)
	}
	defer turn.Done()
	kept, err := d.layout.readManifest(id)
	if err != nil {
		return err
	}
	if kept == nil || kept.RootBytes == 0 {
		return fmt.Errorf("take snapshot: %w: guest %s has no root disk", hypervisor.ErrNotFound, id)
	}
	file := snapshotFile(id, snapshot.Name)
	if _, err := d.layout.root.Stat(file); !errors.Is(err, fs.ErrNotExist) {
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
	defer func() { _ = d.layout.root.Remove(file + transferSuffix) }() // it is gone when all went well
	if err := d.copyRoot(ctx, kept, snapshot, d.layout.path(file)+transferSuffix); err != nil {
		if _, free, spaceErr := d.layout.space(); spaceErr == nil && free < nearlyFull {
			err = fmt.Errorf("%w: %w", hypervisor.ErrNoSpace, err)
		}
		return fmt.Errorf("take snapshot %s of guest %s: %w", snapshot.Name, id, err)
	}
	if err := d.layout.keepWhole(file); err != nil {
		return fmt.Errorf("take snapshot %s of guest %s: %w", snapshot.Name, id, noSpace(err))
	}
	d.config.Log.Info("snapshot taken", "server_id", id, "snapshot", snapshot.Name)
	return nil
}

// keepWhole gives a file that was made beside its place the name of that place.
func (l *layout) keepWhole(name string) error {
	file, err := l.root.OpenFile(name+transferSuffix, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(file.Chmod(0o600), file.Sync(), file.Close()); err != nil {
		return err
	}
	return l.root.Rename(name+transferSuffix, name)
}

// copyRoot copies the root disk, its image included, to a path.
func (d *Driver) copyRoot(ctx context.Context, kept *manifest, snapshot hypervisor.Snapshot, path string) error {
	id := kept.Guest.ID
	domain, power, err := d.observe(ctx, id)
	if err != nil {
		return err
	}
	if domain != nil {
		if err := d.endBackup(ctx, *domain); err != nil { // one that an earlier life of this driver began
			return err
		}
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if isActive(power) {
		return d.backUp(ctx, *domain, kept, snapshot.Quiesce, power, path)
	}
	source, err := json.Marshal(d.layout.chainOf(kept))
	if err != nil {
		return err
	}
	return copyTool(ctx, d.config.QEMUImg, "convert", "-q", "-O", "qcow2", "json:"+string(source), path)
}

// chainOf describes the root disk with all that it stands on in QEMU's words, so that nothing is guessed and no header believed.
func (l *layout) chainOf(kept *manifest) map[string]any {
	file := func(path string) map[string]any { return map[string]any{"driver": "file", "filename": path} }
	chain := map[string]any{"driver": "qcow2", "file": file(l.path(guestDir(kept.Guest.ID), rootDisk)), "backing": nil}
	if image := kept.Guest.Image; image != nil {
		backing := map[string]any{"driver": image.DiskFormat, "file": file(l.path(imageFile(*image)))}
		if image.DiskFormat == "qcow2" {
			backing["backing"] = nil
		}
		chain["backing"] = backing
	}
	return chain
}

// backUp has QEMU copy the root disk of a running guest as it is when the job begins.
func (d *Driver) backUp(ctx context.Context, domain rpc.Domain, kept *manifest, quiesce hypervisor.Quiesce, power hypervisor.PowerState, path string) error {
	device, err := d.rootDevice(ctx, domain, kept.Guest.ID)
	if err != nil {
		return err
	}
	order, err := (&libvirtxml.DomainBackup{Push: &libvirtxml.DomainBackupPush{Disks: &libvirtxml.DomainBackupPushDisks{
		Disks: []libvirtxml.DomainBackupPushDisk{{Name: device, Backup: "yes", Driver: &libvirtxml.DomainBackupDiskDriver{Type: "qcow2"},
			Target: &libvirtxml.DomainDiskSource{File: &libvirtxml.DomainDiskSourceFile{File: path}}}}}}}).Marshal()
	if err != nil {
		return fmt.Errorf("describe backup: %w", err)
	}
	// The result of the last job stays until it is read, and must not be taken for that of this one.
	if _, err := d.jobType(ctx, domain, rpc.DomainJobStatsCompleted); err != nil {
		return err
	}
	thaw := func() {}
	if quiesce != hypervisor.QuiesceNot && power == hypervisor.Running {
		if thaw, err = d.freeze(ctx, domain, quiesce); err != nil {
			return err
		}
	}
	err = run(ctx, d.conn, "begin backup of "+domain.Name, func(l *rpc.Libvirt) error { return l.DomainBackupBegin(domain, order, nil, 0) })
	thaw()
	if err != nil {
		return err
	}
	return d.awaitBackup(ctx, domain)
}

// rootDevice is the name of the disk in the running domain that is the guest's root disk.
func (d *Driver) rootDevice(ctx context.Context, domain rpc.Domain, id string) (string, error) {
	live, err := d.describe(ctx, domain)
	if err != nil {
		return "", err
	}
	path := d.layout.path(guestDir(id), rootDisk)
	if live.Devices != nil {
		for _, disk := range live.Devices.Disks {
			if disk.Source != nil && disk.Source.File != nil && disk.Source.File.File == path && disk.Target != nil {
				return disk.Target.Dev, nil
			}
		}
	}
	return "", fmt.Errorf("%w: %s does not have its root disk", hypervisor.ErrNotFound, domain.Name)
}

// freeze brings the guest's file systems to rest until thaw is called.
func (d *Driver) freeze(ctx context.Context, domain rpc.Domain, how hypervisor.Quiesce) (thaw func(), err error) {
	err = d.byAgent(ctx, domain, "freeze file systems of "+domain.Name, func(l *rpc.Libvirt) error {
		_, err := l.DomainFsfreeze(domain, nil, 0)
		return err
	})
	var answer rpc.Error
	switch {
	case errors.As(err, &answer) && how == hypervisor.QuiesceTry:
		d.config.Log.Info("guest is not brought to rest for a snapshot", "domain", domain.Name, "reason", answer.Message)
		return func() {}, nil
	case errors.As(err, &answer):
		return nil, fmt.Errorf("%w: its guest agent cannot bring its file systems to rest", hypervisor.ErrInvalid)
	case err != nil:
		return nil, err
	}
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), jobAbort)
		defer cancel()
		err := d.byAgent(ctx, domain, "thaw file systems of "+domain.Name, func(l *rpc.Libvirt) error {
			_, err := l.DomainFsthaw(domain, nil, 0)
			return err
		})
		if err != nil {
			d.config.Log.Error("file systems of a guest may still be at rest", "domain", domain.Name, "error", err)
		}
	}, nil
}

// awaitBackup waits until the job has ended; it is ended when nobody waits any more.
func (d *Driver) awaitBackup(ctx context.Context, domain rpc.Domain) error {
	tick := time.NewTicker(jobPoll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			cleaning, cancel := context.WithTimeout(context.WithoutCancel(ctx), jobAbort)
			defer cancel()
			return errors.Join(ctx.Err(), d.endBackup(cleaning, domain))
		case <-tick.C:
		}
		now, err := d.jobType(ctx, domain, 0)
		if ctx.Err() != nil {
			continue
		}
		if err != nil {
			return err
		}
		if now != rpc.DomainJobNone {
			continue
		}
		how, err := d.jobType(ctx, domain, rpc.DomainJobStatsCompleted)
		if err != nil {
			return err
		}
		if how != rpc.DomainJobCompleted {
			return fmt.Errorf("the backup of %s did not come to its end", domain.Name)
		}
		return nil
	}
}

func (d *Driver) jobType(ctx context.Context, domain rpc.Domain, flags rpc.DomainGetJobStatsFlags) (rpc.DomainJobType, error) {
	return call(ctx, d.conn, "ask after the job of "+domain.Name, func(l *rpc.Libvirt) (rpc.DomainJobType, error) {
		kind, _, err := l.DomainGetJobStats(domain, flags)
		if isAnswer(err, rpc.ErrOperationInvalid) { // it went off meanwhile, and its job with it
			return rpc.DomainJobNone, nil
		}
		return rpc.DomainJobType(kind), err
	})
}

// endBackup ends a backup that is going on, and waits for its end.
func (d *Driver) endBackup(ctx context.Context, domain rpc.Domain) error {
	for first := true; ; first = false {
		text, err := call(ctx, d.conn, "look for a backup of "+domain.Name, func(l *rpc.Libvirt) (string, error) { return l.DomainBackupGetXMLDesc(domain, 0) })
		var answer rpc.Error
		if errors.As(err, &answer) || errors.Is(err, errNoDomain) || err == nil && text == "" {
			return nil
		}
		if err != nil {
			return err
		}
		if first {
			err := run(ctx, d.conn, "end the backup of "+domain.Name, func(l *rpc.Libvirt) error { return l.DomainAbortJob(domain) })
			if err != nil && !isAnswer(err, rpc.ErrOperationInvalid) {
				return err
			}
		}
		pause := time.NewTimer(jobPoll)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return fmt.Errorf("wait for the end of the backup of %s: %w", domain.Name, ctx.Err())
		}
	}
}

// OpenSnapshot implements hypervisor.Driver.
func (d *Driver) OpenSnapshot(_ context.Context, id, name string) (io.ReadCloser, int64, error) {
	if err := errors.Join(d.open(), hypervisor.CheckID(id), hypervisor.CheckID(name)); err != nil {
		return nil, 0, err
	}
	file, err := d.layout.root.Open(snapshotFile(id, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, fmt.Errorf("open snapshot: %w: guest %s has none of the name %s", hypervisor.ErrNotFound, id, name)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("open snapshot %s of guest %s: %w", name, id, err)
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return nil, 0, fmt.Errorf("open snapshot %s of guest %s: %w", name, id, err)
	}
	return file, info.Size(), nil
}

// DropSnapshots implements hypervisor.Driver.
func (d *Driver) DropSnapshots(ctx context.Context, id string) error {
	if err := errors.Join(d.open(), hypervisor.CheckID(id)); err != nil {
		return err
	}
	turn, err := d.turns.Take(ctx, id)
	if err != nil {
		return fmt.Errorf("wait for guest %s: %w", id, err)
	}
	defer turn.Done()
	entries, err := fs.ReadDir(d.layout.root.FS(), guestDir(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list files of guest %s: %w", id, err)
	}
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), snapshotPrefix) {
			continue
		}
		if err := d.dropSnapshot(ctx, id, entry.Name()); err != nil {
			return fmt.Errorf("drop snapshot of guest %s: %w", id, err)
		}
	}
	return nil
}

// dropSnapshot removes a snapshot; QEMU may still be writing one that is not whole.
func (d *Driver) dropSnapshot(ctx context.Context, id, name string) error {
	if strings.HasSuffix(name, transferSuffix) {
		domain, _, err := d.observe(ctx, id)
		if err != nil {
			return err
		}
		if domain != nil {
			if err := d.endBackup(ctx, *domain); err != nil {
				return err
			}
		}
	}
	if err := d.layout.root.Remove(guestDir(id) + "/" + name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
