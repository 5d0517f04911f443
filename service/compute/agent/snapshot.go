package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"virga/service/compute/hypervisor"
	"virga/service/compute/orders"
)

// Uploads takes the data of images that this host has the right to upload. Upload returns nil when the image has its data, also from an
// earlier call; an *UploadError when it will never take it; any other error is worth a retry.
type Uploads interface {
	Upload(ctx context.Context, imageID string, content io.Reader, size int64) error
}

// UploadError says that an image does not take its data, and why, for the server's owner.
type UploadError struct{ Message string }

// Error implements error.
func (e *UploadError) Error() string { return "upload image: " + e.Message }

// uploadIdle is how long the other side of an upload may take nothing.
const uploadIdle = 5 * time.Minute

// copied is how far the snapshot of a generation has come.
type copied struct {
	generation int64
	phase      orders.SnapshotPhase
}

// of is what there is to say of an order's snapshot.
func (c copied) of(order orders.GuestOrder) orders.SnapshotPhase {
	if order.Snapshot == nil || c.generation != order.Generation {
		return ""
	}
	return c.phase
}

// copyDisk takes and uploads the snapshot that an order asks for; one that asks for none wants no snapshot to be left.
func (g *guest) copyDisk(ctx context.Context, order orders.GuestOrder) error {
	driver, wanted := g.agent.cfg.Driver, order.Snapshot
	g.mu.Lock()
	done := g.copied.of(order) == orders.SnapshotDone
	g.mu.Unlock()
	switch {
	case done:
		return nil
	case wanted == nil:
		return driver.DropSnapshots(ctx, g.id)
	case g.agent.cfg.Uploads == nil:
		return fmt.Errorf("%w: this host cannot upload images", hypervisor.ErrInvalid)
	}
	if err := g.reportPhase(ctx, order, orders.SnapshotTaking); err != nil {
		return err
	}
	if err := driver.TakeSnapshot(ctx, g.id, hypervisor.Snapshot{Name: wanted.ImageID, Quiesce: hypervisor.Quiesce(wanted.Quiesce)}); err != nil {
		return err
	}
	g.progressed()
	if err := g.reportPhase(ctx, order, orders.SnapshotTaken); err != nil {
		return err
	}
	content, size, err := driver.OpenSnapshot(ctx, g.id, wanted.ImageID)
	if err != nil {
		return err
	}
	defer content.Close()
	if err := g.reportPhase(ctx, order, orders.SnapshotUploading); err != nil {
		return err
	}
	if err := g.upload(ctx, wanted.ImageID, content, size); err != nil {
		return err
	}
	g.mu.Lock()
	g.copied = copied{order.Generation, orders.SnapshotDone}
	g.mu.Unlock()
	return driver.DropSnapshots(ctx, g.id)
}

// reportPhase tells how far the snapshot has come.
func (g *guest) reportPhase(ctx context.Context, order orders.GuestOrder, phase orders.SnapshotPhase) error {
	g.mu.Lock()
	g.copied = copied{order.Generation, phase}
	g.mu.Unlock()
	return g.observe(ctx, order, false)
}

// upload gives the image its data; it gives up when nothing of it is taken for long.
func (g *guest) upload(ctx context.Context, imageID string, content io.Reader, size int64) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	alive := time.AfterFunc(uploadIdle, func() { cancel(errors.New("nothing of it was taken for long")) })
	defer alive.Stop()
	err := g.agent.cfg.Uploads.Upload(ctx, imageID, &flowing{content, func() { alive.Reset(uploadIdle); g.progressed() }}, size)
	if err != nil {
		return fmt.Errorf("upload image %s: %w", imageID, err)
	}
	return nil
}

// flowing tells of every read.
type flowing struct {
	io.Reader
	noted func()
}

// Read implements io.Reader.
func (f *flowing) Read(p []byte) (int, error) {
	f.noted()
	return f.Reader.Read(p)
}
