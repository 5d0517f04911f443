package libvirt

import (
	"context"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"virga/service/compute/hypervisor"
)

const (
	transferSuffix = ".part"
	block          = 64 << 10
)

// EnsureImage implements hypervisor.Driver.
func (d *Driver) EnsureImage(ctx context.Context, image hypervisor.Image,
	open func(context.Context) (io.ReadCloser, error)) error {
	if err := errors.Join(d.open(), image.Check()); err != nil {
		return err
	}
	if d.layout.cached(image) {
		return nil
	}
	return d.flights.Do(ctx, imageFile(image), func(ctx context.Context) error {
		if d.layout.cached(image) {
			return nil
		}
		if err := d.transfer(ctx, image, open); err != nil {
			return fmt.Errorf("cache image %s: %w", image.ID, err)
		}
		d.config.Log.Info("image cached", "image_id", image.ID, "bytes", image.SizeBytes)
		return nil
	})
}

func (l *layout) cached(image hypervisor.Image) bool {
	info, err := l.root.Stat(imageFile(image))
	if err != nil || info.Size() != image.SizeBytes {
		return false
	}
	return info.ModTime().Equal(verifiedAt) || l.verify(image)
}

// verifiedAt is when a file of the cache was last changed, as its times say from when it was found to be right. One that anybody has
// written to since shows another time.
var verifiedAt = time.Unix(1, 0)

// verify reads an image of the cache, and marks it when it is what it is to be.
func (l *layout) verify(image hypervisor.Image) bool {
	file, err := l.root.Open(imageFile(image))
	if err != nil {
		return false
	}
	defer file.Close()
	sum := sha512.New()
	if _, err := io.Copy(sum, file); err != nil || hex.EncodeToString(sum.Sum(nil)) != image.SHA512 {
		return false
	}
	return l.root.Chtimes(imageFile(image), verifiedAt, verifiedAt) == nil
}

// transfer fetches an image beside its place and moves it there once it is proven right.
func (d *Driver) transfer(ctx context.Context, image hypervisor.Image,
	open func(context.Context) (io.ReadCloser, error)) error {
	if _, free, err := d.layout.space(); err != nil {
		return err
	} else if free < image.SizeBytes {
		return fmt.Errorf("%w: %d bytes free, image has %d", hypervisor.ErrNoSpace, free, image.SizeBytes)
	}
	content, err := open(ctx)
	if err != nil {
		return err
	}
	defer content.Close()
	// A transfer given up may still be cleaning up beside its successor, so each has a file of its own.
	file, err := os.CreateTemp(d.layout.path("images"), image.ID+".*"+transferSuffix)
	if err != nil {
		return noSpace(err)
	}
	defer os.Remove(file.Name())
	defer file.Close()
	if err := receive(ctx, file, content, image); err != nil {
		return noSpace(err)
	}
	// Guests only ever read it, whoever they run as.
	if err := errors.Join(file.Chmod(0o644), file.Sync(), file.Close()); err != nil {
		return noSpace(err)
	}
	if err := os.Chtimes(file.Name(), verifiedAt, verifiedAt); err != nil {
		return err
	}
	return os.Rename(file.Name(), d.layout.path(imageFile(image)))
}

// receive copies at most the announced bytes, leaves holes for zeros, and compares size and digest.
func receive(ctx context.Context, file *os.File, content io.Reader, image hypervisor.Image) error {
	sum := sha512.New()
	content = io.TeeReader(io.LimitReader(content, image.SizeBytes+1), sum)
	buffer := make([]byte, block)
	zeros := make([]byte, block)
	var size int64
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := io.ReadFull(content, buffer)
		if string(buffer[:n]) != string(zeros[:n]) {
			if _, err := file.WriteAt(buffer[:n], size); err != nil {
				return err
			}
		}
		size += int64(n)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	if digest := hex.EncodeToString(sum.Sum(nil)); size != image.SizeBytes || digest != image.SHA512 {
		return fmt.Errorf("%w: %d bytes of SHA-512 %s, want %d of %s", hypervisor.ErrImageCorrupt, size, digest,
			image.SizeBytes, image.SHA512)
	}
	return file.Truncate(size)
}

// PruneImages implements hypervisor.Driver.
func (d *Driver) PruneImages(ctx context.Context, keep []string) ([]string, error) {
	if err := d.open(); err != nil {
		return nil, err
	}
	needed, err := d.imagesInUse()
	if err != nil {
		return nil, fmt.Errorf("prune images: %w", err)
	}
	entries, err := fs.ReadDir(d.layout.root.FS(), "images")
	if err != nil {
		return nil, fmt.Errorf("prune images: %w", err)
	}
	var removed []string
	for _, entry := range entries {
		id, _, _ := strings.Cut(entry.Name(), ".")
		name := "images/" + entry.Name()
		if hypervisor.CheckID(id) != nil || strings.HasSuffix(name, transferSuffix) || slices.Contains(keep, id) ||
			needed[name] || d.flights.Flying(name) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return removed, err
		}
		if err := d.layout.root.Remove(name); err != nil {
			return removed, fmt.Errorf("prune images: %w", err)
		}
		removed = append(removed, id)
	}
	return slices.Compact(removed), nil
}

// imagesInUse names the cache files beneath any guest's disk. A guest whose file cannot be read stops pruning: its disk
// must not lose its base.
func (d *Driver) imagesInUse() (map[string]bool, error) {
	ids, err := d.layout.guests()
	if err != nil {
		return nil, err
	}
	needed := map[string]bool{}
	for _, id := range ids {
		kept, err := d.layout.readManifest(id)
		if err != nil {
			return nil, err
		}
		if kept != nil && kept.Guest.Image != nil {
			needed[imageFile(*kept.Guest.Image)] = true
		}
		if kept != nil && kept.Aside != nil && kept.Aside.Image != nil {
			needed[imageFile(*kept.Aside.Image)] = true
		}
		if kept != nil && kept.Guest.Rescue != nil {
			needed[imageFile(kept.Guest.Rescue.Image)] = true
		}
		if kept != nil {
			for _, image := range kept.Guest.CachedFiles() {
				needed[imageFile(image)] = true
			}
		}
	}
	return needed, nil
}
