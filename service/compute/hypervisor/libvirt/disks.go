package libvirt

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	rpc "github.com/digitalocean/go-libvirt"

	"virga/service/compute/cpus"
	"virga/service/compute/hypervisor"
)

// toolPatience ends a disk tool that hangs; copyTool has none, for it may copy a great disk from a slow one.
const toolPatience = time.Minute

// tool runs a disk tool that copies no data under limits (1 GiB of addresses, 30 s of processor time, few files).
func tool(ctx context.Context, argv ...string) error {
	ctx, cancel := context.WithTimeout(ctx, toolPatience)
	defer cancel()
	return limited(ctx, "30", argv)
}

// copyTool runs a disk tool that copies data under limits (6 h of processor time, the others as tool); it ends with its context.
func copyTool(ctx context.Context, argv ...string) error { return limited(ctx, "21600", argv) }

func limited(ctx context.Context, seconds string, argv []string) error {
	limits := []string{"--as=1073741824", "--cpu=" + seconds, "--nofile=64", "--core=0", "--"}
	cmd := exec.CommandContext(ctx, "prlimit", append(limits, argv...)...)
	cmd.Env = []string{"LC_ALL=C", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	cmd.WaitDelay = time.Second
	output, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	text := strings.TrimSpace(string(output[:min(len(output), 500)]))
	if strings.Contains(text, fullText) {
		return fmt.Errorf("%w: %s: %s", hypervisor.ErrNoSpace, argv[0], text)
	}
	return fmt.Errorf("%s: %w: %s", argv[0], errors.Join(err, ctx.Err()), text)
}

// rootBytes is the size that the guest's root disk is to have; 0: it has none.
func rootBytes(guest hypervisor.Guest) int64 {
	if guest.RootGiB == 0 && guest.Image != nil {
		return guest.Image.VirtualSize
	}
	return guest.RootGiB * hypervisor.GiB
}

// ensureDisks makes the guest's directory and disks and brings its manifest up to date. A disk that exists keeps its content.
func (d *Driver) ensureDisks(ctx context.Context, guest hypervisor.Guest, kept *manifest, active bool) (*manifest, error) {
	next, err := d.begin(ctx, guest, kept, active)
	if err != nil {
		return nil, err
	}
	if want := rootBytes(guest); want != next.RootBytes {
		if next.RootBytes == 0 {
			err = d.makeRoot(ctx, guest, want)
		} else {
			err = d.growRoot(ctx, guest.ID, want, active)
		}
		if err != nil {
			return nil, err
		}
		next.RootBytes = want
		if err := d.layout.writeManifest(next); err != nil {
			return nil, err
		}
	}
	if err := d.makeExtras(ctx, guest, active); err != nil {
		return nil, err
	}
	return next, d.writeConfigDrive(guest)
}

// begin records the wish before anything is made of it: from here on the image counts as in use.
func (d *Driver) begin(ctx context.Context, guest hypervisor.Guest, kept *manifest, active bool) (*manifest, error) {
	next := &manifest{}
	if kept != nil {
		*next = *kept
	}
	if want := rootBytes(guest); want < next.RootBytes {
		return nil, fmt.Errorf("%w: root disk of guest %s has %d bytes and cannot shrink to %d", hypervisor.ErrInvalid, guest.ID,
			next.RootBytes, want)
	}
	if next.RootBytes == 0 && guest.Image != nil && !d.layout.cached(*guest.Image) {
		return nil, fmt.Errorf("make disk of guest %s: %w: %s", guest.ID, hypervisor.ErrImageMissing, guest.Image.ID)
	}
	if next.RootBytes > 0 {
		// The disk stands on the image it was made from, whatever the wish says now.
		guest.Image = next.Guest.Image
	}
	guest.ConfigDrive = nil
	err := d.place(ctx, &guest, kept, active, func(place *cpus.Placement) error {
		next.Guest, next.Placement = guest, place
		if kept != nil && sameJSON(kept, next) {
			return nil
		}
		if err := d.layout.makeGuestDir(guest.ID); err != nil {
			return err
		}
		return d.layout.writeManifest(next)
	})
	return next, err
}

func sameJSON(a, b *manifest) bool {
	left, leftErr := json.Marshal(a)
	right, rightErr := json.Marshal(b)
	return leftErr == nil && rightErr == nil && bytes.Equal(left, right)
}

// makeRoot makes the root disk on top of the guest's image.
func (d *Driver) makeRoot(ctx context.Context, guest hypervisor.Guest, size int64) error {
	if err := d.makeOverlay(ctx, guest.ID, rootDisk, guest.Image, size); err != nil {
		return fmt.Errorf("make root disk of guest %s: %w", guest.ID, err)
	}
	return nil
}

// growRoot grows the disk: through QEMU when it has the disk open, else with the backing chain cut off.
func (d *Driver) growRoot(ctx context.Context, id string, size int64, active bool) error {
	if active {
		domain, err := d.lookup(ctx, id)
		if err != nil {
			return err
		}
		path := d.layout.path(guestDir(id), rootDisk)
		return run(ctx, d.conn, "grow root disk of guest "+id, func(l *rpc.Libvirt) error {
			return l.DomainBlockResize(domain, path, uint64(size), rpc.DomainBlockResizeBytes)
		})
	}
	source, err := json.Marshal(map[string]any{"driver": "qcow2", "backing": nil,
		"file": map[string]any{"driver": "file", "filename": d.layout.path(guestDir(id), rootDisk)}})
	if err != nil {
		return err
	}
	if err := tool(ctx, d.config.QEMUImg, "resize", "-q", "json:"+string(source), strconv.FormatInt(size, 10)); err != nil {
		return fmt.Errorf("grow root disk of guest %s: %w", id, err)
	}
	return nil
}

// writeSwapHeader writes what mkswap would: Linux's swap signature, version 1, for pages of 4096 bytes.
func writeSwapHeader(path string, size int64) error {
	const page = 4096
	header := make([]byte, page)
	binary.LittleEndian.PutUint32(header[1024:], 1)
	binary.LittleEndian.PutUint32(header[1028:], uint32(size/page-1))
	copy(header[1052:], "swap0")
	copy(header[page-10:], "SWAPSPACE2")
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteAt(header, 0)
	return noSpace(errors.Join(err, file.Close()))
}

// writeConfigDrive brings the config drive up to date; a running guest keeps reading the one it was started with.
func (d *Driver) writeConfigDrive(guest hypervisor.Guest) error {
	name := guestDir(guest.ID) + "/" + configDrive
	if guest.ConfigDrive == nil {
		if err := d.layout.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove config drive of guest %s: %w", guest.ID, err)
		}
		return nil
	}
	if present, err := d.layout.root.ReadFile(name); err == nil && bytes.Equal(present, guest.ConfigDrive) {
		return nil
	}
	if err := d.layout.replace(name, guest.ConfigDrive); err != nil {
		return fmt.Errorf("write config drive of guest %s: %w", guest.ID, err)
	}
	return nil
}
