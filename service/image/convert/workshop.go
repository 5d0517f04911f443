// Package convert changes the format of disk images with qemu-img.
//
// It owns a folder for what it works on, and the bounds of the tool: content is inspected before the tool sees it, the
// tool is told the format and never guesses, has no network, and may use so much time, memory and disk and no more. It
// does not own stores or image records. The image service and the wiring import it.
package convert

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"virga/service/image/ingest"
	"virga/service/image/inspect"
	"virga/service/image/store"
)

// The bounds of one run of the tool.
const (
	maxTime   = 2 * time.Hour
	maxCPU    = time.Hour
	maxMemory = 2 << 30 // bytes of address space
	maxFiles  = 64
	// maxSaid is how much of what the tool says is kept.
	maxSaid = 4 << 10
)

// ErrFailed is wrapped when the tool could not convert the content: it is to blame, or needs more than it may have.
var ErrFailed = errors.New("image content cannot be converted")

// Workshop converts images in a folder of its own.
type Workshop struct {
	dir             string
	qemuImg, limits string // paths of the tools
}

// Open makes the folder ready and clears it: what is in it was left by a dead process.
func Open(dir string) (*Workshop, error) {
	w := &Workshop{dir: dir}
	for name, path := range map[string]*string{"qemu-img": &w.qemuImg, "prlimit": &w.limits} {
		found, err := exec.LookPath(name)
		if err != nil {
			return nil, fmt.Errorf("convert images: %w", err)
		}
		*path = found
	}
	if err := os.RemoveAll(dir); err != nil {
		return nil, fmt.Errorf("clear the workshop of images: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the workshop of images: %w", err)
	}
	return w, nil
}

// qemuName is what qemu-img calls a disk format; empty: it is not converted.
func qemuName(format string) string {
	switch format {
	case inspect.Raw, inspect.Qcow2, inspect.VMDK, inspect.VDI, inspect.VHDX:
		return format
	case inspect.VHD:
		return "vpc"
	}
	return ""
}

// Converts tells whether content of a format is converted to another.
func Converts(from, to string) bool { return from != to && qemuName(from) != "" && to != "" }

// Convert takes the content of the request in and converts it to a format, in at most most bytes. The caller closes
// what comes of it. Errors are those of ingest.Take, and ErrFailed.
func (w *Workshop) Convert(ctx context.Context, req ingest.Request, to string, most int64) (io.ReadCloser, int64, error) {
	in, out := filepath.Join(w.dir, req.ID+".in"), filepath.Join(w.dir, req.ID+".out")
	defer func() { _ = os.Remove(in) }()
	found, err := w.takeIn(ctx, in, req)
	if err != nil {
		return nil, 0, err
	}
	if most >= 0 && found.VirtualSize > most {
		return nil, 0, fmt.Errorf("convert image %s: a disk of %d bytes is %w of %d bytes", req.ID, found.VirtualSize, store.ErrTooLarge, most)
	}
	if err := w.run(ctx, in, qemuName(req.DiskFormat), out, to, most); err != nil {
		return nil, 0, errors.Join(err, ignoreMissing(os.Remove(out)))
	}
	f, err := os.Open(out)
	if err != nil {
		return nil, 0, fmt.Errorf("open what was converted: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, f.Close(), os.Remove(out))
	}
	return &converted{f}, info.Size(), nil
}

// takeIn writes the content into a file and looks at it on the way.
func (w *Workshop) takeIn(ctx context.Context, path string, req ingest.Request) (found ingest.Result, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return found, fmt.Errorf("take image to be converted: %w", err)
	}
	req.Body = io.TeeReader(req.Body, f)
	found, err = ingest.Examine(ctx, req)
	if errors.Is(err, unix.ENOSPC) {
		err = fmt.Errorf("take image to be converted: %w", store.ErrNoSpace)
	}
	return found, errors.Join(err, f.Close())
}

// run runs the tool: without network, without more rights than its files need, within its bounds.
func (w *Workshop) run(ctx context.Context, in, from, out, to string, most int64) error {
	ctx, cancel := context.WithTimeout(ctx, maxTime)
	defer cancel()
	args := []string{"--as=" + strconv.Itoa(maxMemory), "--cpu=" + strconv.Itoa(int(maxCPU.Seconds())), "--nofile=" + strconv.Itoa(maxFiles), "--core=0"}
	if most >= 0 {
		args = append(args, "--fsize="+strconv.FormatInt(most+most/8+1<<20, 10)) // tables of the format besides the data
	}
	args = append(args, w.qemuImg, "convert", "-f", from, "-O", to, in, out)
	command := exec.CommandContext(ctx, w.limits, args...)
	command.Dir, command.Env = w.dir, []string{"LC_ALL=C", "PATH=/usr/bin:/bin"}
	command.SysProcAttr = &syscall.SysProcAttr{
		Pdeathsig: syscall.SIGKILL, Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: os.Geteuid(), HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: os.Getegid(), HostID: os.Getegid(), Size: 1}},
	}
	said := &tail{}
	command.Stderr = said
	if err := command.Start(); err != nil {
		return fmt.Errorf("start qemu-img in namespaces of its own: %w", err)
	}
	if err := command.Wait(); err != nil {
		if cause := context.Cause(ctx); errors.Is(cause, context.Canceled) {
			return cause
		}
		return fmt.Errorf("%w: qemu-img: %w: %s", ErrFailed, err, bytes.TrimSpace(said.kept))
	}
	return nil
}

// tail keeps the end of what is written to it.
type tail struct{ kept []byte }

// Write implements io.Writer.
func (t *tail) Write(b []byte) (int, error) {
	t.kept = append(t.kept, b...)
	t.kept = t.kept[max(0, len(t.kept)-maxSaid):]
	return len(b), nil
}

// converted is a file that goes away when it is closed.
type converted struct{ *os.File }

// Close implements io.Closer.
func (c *converted) Close() error { return errors.Join(c.File.Close(), os.Remove(c.Name())) }

func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
