package fake

import (
	"bytes"
	"compress/flate"
	"context"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"io"
	"slices"

	"virga/service/compute/hypervisor"
)

// maxKept is how many bytes an image may have for its content to be kept; that of a larger one is verified and forgotten.
const maxKept = 1 << 20

// cachedImage is an image in the simulated cache.
type cachedImage struct {
	hypervisor.Image
	Content []byte `json:",omitempty"` // deflated; nil: not kept
}

// EnsureImage implements hypervisor.Driver.
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
			content, err := verify(ctx, image, open)
			if err != nil {
				return fmt.Errorf("cache image %s: %w", image.ID, err)
			}
			return d.keepImage(cachedImage{image, content})
		})
	})
}

// verify reads an image and returns its deflated content, if it is to be kept.
func verify(ctx context.Context, image hypervisor.Image, open func(context.Context) (io.ReadCloser, error)) ([]byte, error) {
	content, err := open(ctx)
	if err != nil {
		return nil, err
	}
	defer content.Close()
	sum := sha512.New()
	into, finish := io.Writer(sum), func() ([]byte, error) { return nil, nil }
	if image.SizeBytes <= maxKept {
		var kept bytes.Buffer
		deflate, err := flate.NewWriter(&kept, flate.BestSpeed)
		if err != nil {
			return nil, err
		}
		into = io.MultiWriter(sum, deflate)
		finish = func() ([]byte, error) {
			err := deflate.Close()
			return kept.Bytes(), err
		}
	}
	size, err := io.Copy(into, io.LimitReader(content, image.SizeBytes+1))
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if digest := hex.EncodeToString(sum.Sum(nil)); size != image.SizeBytes || digest != image.SHA512 {
		return nil, fmt.Errorf("%w: %d bytes of SHA-512 %s, want %d of %s", hypervisor.ErrImageCorrupt, size, digest,
			image.SizeBytes, image.SHA512)
	}
	return finish()
}

// baseOf returns the content of a cached image, if it was kept.
func (d *Driver) baseOf(image *hypervisor.Image) ([]byte, bool) {
	d.mu.Lock()
	kept := d.images[image.ID]
	d.mu.Unlock()
	if kept.SHA512 != image.SHA512 || kept.Content == nil {
		return nil, false
	}
	content, err := io.ReadAll(flate.NewReader(bytes.NewReader(kept.Content)))
	return content, err == nil
}

func (d *Driver) keepImage(image cachedImage) error {
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
			if r.Aside != nil && r.Aside.Image != nil {
				used[r.Aside.Image.ID] = true
			}
			if r.Guest.Rescue != nil {
				used[r.Guest.Rescue.Image.ID] = true
			}
			for _, image := range r.Guest.CachedFiles() {
				used[image.ID] = true
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
