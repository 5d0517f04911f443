package fake

import (
	"context"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"io"
	"slices"

	"virga/service/compute/hypervisor"
)

// EnsureImage implements hypervisor.Driver; the bytes are verified and then forgotten.
func (d *Driver) EnsureImage(ctx context.Context, image hypervisor.Image,
	open func(context.Context) (io.ReadCloser, error)) error {
	return d.call(ctx, "EnsureImage", image.ID, func() error {
		if err := image.Check(); err != nil {
			return err
		}
		if d.cached(image) {
			return nil
		}
		return d.flights.Do(ctx, image.ID, func(ctx context.Context) error {
			if d.cached(image) {
				return nil
			}
			if err := verify(ctx, image, open); err != nil {
				return fmt.Errorf("cache image %s: %w", image.ID, err)
			}
			return d.keepImage(image)
		})
	})
}

func verify(ctx context.Context, image hypervisor.Image, open func(context.Context) (io.ReadCloser, error)) error {
	content, err := open(ctx)
	if err != nil {
		return err
	}
	defer content.Close()
	sum := sha512.New()
	size, err := io.Copy(sum, io.LimitReader(content, image.SizeBytes+1))
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if digest := hex.EncodeToString(sum.Sum(nil)); size != image.SizeBytes || digest != image.SHA512 {
		return fmt.Errorf("%w: %d bytes of SHA-512 %s, want %d of %s", hypervisor.ErrImageCorrupt, size, digest,
			image.SizeBytes, image.SHA512)
	}
	return nil
}

func (d *Driver) keepImage(image hypervisor.Image) error {
	if d.files != nil {
		if err := d.files.writeImage(image); err != nil {
			return fmt.Errorf("cache image %s: %w", image.ID, err)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.images[image.ID] = image
	return nil
}

func (d *Driver) cached(image hypervisor.Image) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	kept, found := d.images[image.ID]
	return found && kept.SHA512 == image.SHA512
}

// PruneImages implements hypervisor.Driver.
func (d *Driver) PruneImages(ctx context.Context, keep []string) ([]string, error) {
	var removed []string
	err := d.call(ctx, "PruneImages", "", func() error {
		d.mu.Lock()
		defer d.mu.Unlock()
		used := map[string]bool{}
		for _, r := range d.guests {
			if r.Guest.Image != nil {
				used[r.Guest.Image.ID] = true
			}
		}
		for id := range d.images {
			if used[id] || slices.Contains(keep, id) || d.flights.Flying(id) {
				continue
			}
			if d.files != nil {
				if err := d.files.removeImage(id); err != nil {
					return fmt.Errorf("remove image %s: %w", id, err)
				}
			}
			delete(d.images, id)
			removed = append(removed, id)
		}
		slices.Sort(removed)
		return nil
	})
	return removed, err
}
