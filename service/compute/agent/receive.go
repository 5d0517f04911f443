package agent

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"virga/service/compute/hypervisor"
	"virga/service/compute/orders"
)

// The receiving side of a transfer; transfer.go tells how it goes.

const (
	// headTimeout is how long a source may take to begin its answer.
	headTimeout = 30 * time.Second
	// lastResume is the longest pause before the rest of a disk is asked for; idleResumes is how
	// often that may be in vain.
	lastResume  = 2 * time.Second
	idleResumes = 5
	// slackBytes is what a disk's file may have beyond what the guest sees, besides a 64th of that.
	slackBytes = 64 << 20
)

// errSourceLost says that a source cannot be reached or broke off too often.
var errSourceLost = errors.New("the host that has the disks cannot be reached")

// errSourceRefused says that a source will not send.
var errSourceRefused = errors.New("the host that has the disks does not send them")

// maxVariables is more than the variables of any firmware take, in bytes.
const maxVariables = 64 << 20

// adopt has the guest's disks fetched from the host that has them, unless they are here.
func (g *guest) adopt(ctx context.Context, from *orders.Receive, want hypervisor.Guest) error {
	if g.agent.cfg.Transfers == nil || from.URL == "" {
		return fmt.Errorf("fetch disks of guest %s from %s: %w", g.id, from.FromHost, errSourceLost)
	}
	limits := map[hypervisor.Disk]int64{hypervisor.DiskRoot: maxFile(rootBytes(want)), hypervisor.DiskVariables: maxVariables}
	for n, disk := range want.EphemeralDisks() {
		limits[hypervisor.EphemeralDisk(n)] = maxFile(disk.GiB * hypervisor.GiB)
	}
	return g.agent.cfg.Driver.AdoptDisks(ctx, want, func(ctx context.Context, disk hypervisor.Disk, into io.WriterAt) (int64, error) {
		if disk == hypervisor.DiskSwap { // nothing lasting is in it, and its size may be another
			return 0, hypervisor.ErrNotFound
		}
		return g.fetch(ctx, from, disk, limits[disk], into)
	})
}

// rootBytes is what the guest is to see of its root disk.
func rootBytes(want hypervisor.Guest) int64 {
	if want.RootGiB == 0 && want.Image != nil {
		return want.Image.VirtualSize
	}
	return want.RootGiB * hypervisor.GiB
}

// maxFile bounds the file that holds a disk of so many bytes.
func maxFile(bytes int64) int64 { return bytes + bytes/64 + slackBytes }

// fetch brings one disk. When the answer is broken off it asks for the rest, as long as that
// gets it any further.
func (g *guest) fetch(ctx context.Context, from *orders.Receive, disk hypervisor.Disk, limit int64, into io.WriterAt) (int64, error) {
	f := fetching{guest: g, from: from, disk: disk, limit: limit, into: into, buffer: make([]byte, headBytes+maxPiece+sha256.Size)}
	pause := firstPause
	for idle := 0; ; {
		before := f.offset
		size, err := f.attempt(ctx)
		switch {
		case err == nil:
			return size, nil
		case ctx.Err() != nil:
			return 0, ctx.Err()
		case errors.Is(err, hypervisor.ErrNotFound), errors.Is(err, hypervisor.ErrNoSpace), errors.Is(err, hypervisor.ErrInvalid):
			return 0, err
		case f.offset > before:
			idle, pause = 0, firstPause
			g.progressed()
		default:
			if idle++; idle > idleResumes {
				return 0, err
			}
		}
		g.agent.cfg.Log.Warn("fetch disk", "host", g.agent.cfg.Host, "server", g.id, "disk", disk, "from", from.FromHost, "at", f.offset, "error", err)
		waitFor(ctx, nil, pause)
		pause = min(2*pause, lastResume)
	}
}

// fetching is a disk on its way; offset is how far it has come.
type fetching struct {
	guest  *guest
	from   *orders.Receive
	disk   hypervisor.Disk
	limit  int64
	into   io.WriterAt
	buffer []byte
	offset int64
}

// attempt asks for what is missing and takes what comes of it.
func (f *fetching) attempt(ctx context.Context) (size int64, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	alive := time.AfterFunc(headTimeout, func() { cancel(errSourceLost) })
	defer alive.Stop()
	body, err := f.guest.agent.open(ctx, f.from, f.guest.id, f.disk, f.offset)
	if err != nil {
		return 0, err
	}
	defer body.Close()
	for {
		alive.Reset(pieceTimeout)
		next, err := receivePiece(body, f.buffer)
		switch {
		case err != nil:
			return 0, fmt.Errorf("%w: %w", errSourceLost, err)
		case next.offset < f.offset || next.offset+int64(len(next.data)) > f.limit:
			return 0, fmt.Errorf("%w: a piece of the %s disk ends at byte %d, of at most %d", hypervisor.ErrInvalid, f.disk,
				next.offset+int64(len(next.data)), f.limit)
		case len(next.data) == 0:
			return next.offset, nil
		}
		if _, err := f.into.WriteAt(next.data, next.offset); err != nil {
			return 0, err
		}
		f.offset = next.offset + int64(len(next.data))
	}
}

// open asks a host for a disk from an offset on.
func (a *Agent) open(ctx context.Context, from *orders.Receive, serverID string, disk hypervisor.Disk, offset int64) (io.ReadCloser, error) {
	address := from.URL + "/transfer/" + url.PathEscape(serverID) + "/" + url.PathEscape(string(disk)) + "?from=" + strconv.FormatInt(offset, 10)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSourceRefused, err)
	}
	request.Header.Set(secretHeader, string(from.Secret))
	response, err := a.cfg.Transfers.Do(request)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSourceLost, err)
	}
	if response.StatusCode == http.StatusOK {
		return response.Body, nil
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 200))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSourceLost, err)
	}
	if response.StatusCode == http.StatusNotFound {
		return nil, fmt.Errorf("fetch %s disk of guest %s from %s: %w", disk, serverID, from.FromHost, hypervisor.ErrNotFound)
	}
	return nil, fmt.Errorf("%w: status %d: %s", errSourceRefused, response.StatusCode, text)
}

// openBase reads an image from the host that has the guest's disks, for when the image
// service has it no more. EnsureImage checks what comes.
func (g *guest) openBase(ctx context.Context, from *orders.Receive, disk hypervisor.Disk) (io.ReadCloser, error) {
	ctx, cancel := context.WithCancel(ctx)
	body, err := g.agent.open(ctx, from, g.id, disk, 0)
	if errors.Is(err, hypervisor.ErrNotFound) {
		err = ErrNoImage
	}
	if err != nil {
		cancel()
		return nil, err
	}
	reader, writer := io.Pipe()
	go func() {
		defer cancel()
		defer body.Close()
		_ = writer.CloseWithError(unroll(body, writer, cancel)) // never fails
	}()
	return reader, nil
}

// unroll writes what pieces describe, zeros included, until the last one or an error.
func unroll(body io.Reader, into io.Writer, giveUp func()) error {
	buffer := make([]byte, headBytes+maxPiece+sha256.Size)
	zeros := make([]byte, maxPiece)
	alive := time.AfterFunc(pieceTimeout, giveUp)
	defer alive.Stop()
	var at int64
	for {
		next, err := receivePiece(body, buffer)
		if err != nil {
			return fmt.Errorf("%w: %w", errSourceLost, err)
		}
		for at < next.offset {
			alive.Reset(pieceTimeout)
			n, err := into.Write(zeros[:min(next.offset-at, maxPiece)])
			if at += int64(n); err != nil {
				return err
			}
		}
		if len(next.data) == 0 {
			return nil
		}
		alive.Reset(pieceTimeout)
		n, err := into.Write(next.data)
		if at += int64(n); err != nil {
			return err
		}
	}
}
