// Package file keeps image content as files of one directory.
//
// It owns the directory: content/ holds complete content under its id, incoming/ what Puts are still writing, both on
// one file system. It does not own the directory's mount, nor who may read it. The wiring and tests may import it.
package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"virga/service/image/store"
)

const (
	contentDir  = "content"
	incomingDir = "incoming"
)

// Store is a directory of images. It implements store.Store.
type Store struct {
	root *os.Root
	dir  string
	ids  func() string
}

var _ store.Store = (*Store)(nil)

// Open makes the directory ready, creating it with mode 0700 when it is missing. newID gives each call another
// id in the alphabet of store.CheckID, for the names of unfinished files.
func Open(dir string, newID func() string) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open image store %s: %w", dir, err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open image store: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open image store: %w", err)
	}
	for _, sub := range []string{contentDir, incomingDir} {
		if err := root.Mkdir(sub, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			_ = root.Close()
			return nil, fmt.Errorf("open image store %s: %w", dir, err)
		}
	}
	s := &Store{root: root, dir: dir, ids: newID}
	if err := s.syncDir("."); err != nil {
		_ = root.Close()
		return nil, err
	}
	return s, nil
}

// Close releases the directory; streams that were opened stay readable.
func (s *Store) Close() error { return s.root.Close() }

// Put implements store.Store. The lock on the unfinished file tells Sweep that its writer lives.
func (s *Store) Put(ctx context.Context, id string, r io.Reader, limit int64) (store.Stored, error) {
	if err := store.CheckID(id); err != nil {
		return store.Stored{}, err
	}
	if _, err := s.root.Lstat(contentName(id)); err == nil {
		return store.Stored{}, fmt.Errorf("put image content %s: %w", id, store.ErrExists)
	}
	temp := path.Join(incomingDir, id+"."+s.ids())
	f, err := s.root.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return store.Stored{}, putError(id, err)
	}
	size, err := s.fill(ctx, f, r, limit)
	if err == nil {
		err = s.publish(temp, id)
	}
	// The name goes before the lock does, so that Sweep never meets an abandoned file of a living process.
	if gone := s.root.Remove(temp); err == nil && gone != nil && !errors.Is(gone, fs.ErrNotExist) {
		err = gone
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return store.Stored{}, putError(id, err)
	}
	return store.Stored{ID: id, Size: size, Location: "file://" + filepath.Join(s.dir, contentName(id))}, nil
}

// fill writes all of r to the locked file and makes it durable.
func (s *Store) fill(ctx context.Context, f *os.File, r io.Reader, limit int64) (int64, error) {
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		return 0, fmt.Errorf("lock unfinished file: %w", err)
	}
	size, err := copyInto(ctx, f, r, limit)
	if err != nil {
		return 0, err
	}
	if err := f.Chmod(0o400); err != nil {
		return 0, err
	}
	return size, f.Sync()
}

// publish gives the finished file its id; a link, unlike a rename, never replaces what is there.
func (s *Store) publish(temp, id string) error {
	if err := s.root.Link(temp, contentName(id)); err != nil {
		return err
	}
	if err := s.syncDir(contentDir); err != nil {
		_ = s.root.Remove(contentName(id))
		return err
	}
	return nil
}

func putError(id string, err error) error {
	switch {
	case errors.Is(err, fs.ErrExist):
		err = store.ErrExists
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		err = fmt.Errorf("%w: %w", store.ErrNoSpace, err)
	}
	return fmt.Errorf("put image content %s: %w", id, err)
}

// Get implements store.Store. The stream is an io.WriterTo that lets the kernel send the file to a network connection.
func (s *Store) Get(ctx context.Context, id string, offset, length int64) (io.ReadCloser, int64, error) {
	if err := checkGet(ctx, id); err != nil {
		return nil, 0, err
	}
	f, err := s.root.Open(contentName(id))
	if err != nil {
		return nil, 0, getError(id, err)
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return nil, 0, getError(id, err)
	}
	size := info.Size()
	if offset < 0 || offset > size {
		_ = f.Close()
		return nil, 0, fmt.Errorf("get image content %s from byte %d of %d: %w", id, offset, size, store.ErrRange)
	}
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		_ = f.Close()
		return nil, 0, getError(id, err)
	}
	left := size - offset
	if length >= 0 {
		left = min(left, length)
	}
	return &stream{f: f, left: left}, size, nil
}

// Size implements store.Store.
func (s *Store) Size(ctx context.Context, id string) (int64, error) {
	if err := checkGet(ctx, id); err != nil {
		return 0, err
	}
	info, err := s.root.Lstat(contentName(id))
	if err != nil {
		return 0, getError(id, err)
	}
	return info.Size(), nil
}

func checkGet(ctx context.Context, id string) error {
	if err := store.CheckID(id); err != nil {
		return err
	}
	return ctx.Err()
}

func getError(id string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		err = store.ErrNotFound
	}
	return fmt.Errorf("get image content %s: %w", id, err)
}

// Delete implements store.Store.
func (s *Store) Delete(ctx context.Context, id string) error {
	if err := checkGet(ctx, id); err != nil {
		return err
	}
	err := s.root.Remove(contentName(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = s.syncDir(contentDir)
	}
	if err != nil {
		return fmt.Errorf("delete image content %s: %w", id, err)
	}
	return nil
}

// List implements store.Store. It reads all names for each page, which for the number of images that one directory
// serves costs less than an index to keep.
func (s *Store) List(ctx context.Context, after string, limit int) ([]store.Entry, error) {
	names, err := s.names(ctx, contentDir)
	if err != nil {
		return nil, fmt.Errorf("list image contents: %w", err)
	}
	slices.Sort(names)
	from, found := slices.BinarySearch(names, after)
	if found {
		from++
	}
	entries := []store.Entry{}
	for _, name := range names[from:] {
		if len(entries) >= limit {
			break
		}
		info, err := s.root.Lstat(contentName(name))
		if errors.Is(err, fs.ErrNotExist) || err == nil && (!info.Mode().IsRegular() || store.CheckID(name) != nil) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("list image contents: %w", err)
		}
		entries = append(entries, store.Entry{ID: name, Size: info.Size(), Modified: info.ModTime()})
	}
	return entries, nil
}

// Usage implements store.Store; Free and Capacity are those of the file system, which others may share.
func (s *Store) Usage(ctx context.Context) (store.Usage, error) {
	entries, err := s.List(ctx, "", math.MaxInt)
	if err != nil {
		return store.Usage{}, err
	}
	var st unix.Statfs_t
	if err := unix.Statfs(s.dir, &st); err != nil {
		return store.Usage{}, fmt.Errorf("tell usage of image store %s: %w", s.dir, err)
	}
	u := store.Usage{Free: int64(st.Bavail) * st.Bsize, Capacity: int64(st.Blocks) * st.Bsize}
	for _, e := range entries {
		u.Used += e.Size
	}
	return u, nil
}

// Sweep implements store.Store.
func (s *Store) Sweep(ctx context.Context, before time.Time) (int, error) {
	names, err := s.names(ctx, incomingDir)
	if err != nil {
		return 0, fmt.Errorf("sweep image store: %w", err)
	}
	removed := 0
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return removed, err
		}
		gone, err := s.sweepOne(path.Join(incomingDir, name), before)
		if err != nil {
			return removed, fmt.Errorf("sweep unfinished file %s: %w", name, err)
		}
		if gone {
			removed++
		}
	}
	return removed, nil
}

// sweepOne removes an unfinished file unless it is young or its writer still holds the lock.
func (s *Store) sweepOne(name string, before time.Time) (bool, error) {
	f, err := s.root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.ModTime().Before(before) {
		return false, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			return false, nil
		}
		return false, err
	}
	if err := s.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	return true, nil
}

// names reads a directory without looking at its entries.
func (s *Store) names(ctx context.Context, dir string) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	d, err := s.root.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	return slices.DeleteFunc(names, func(n string) bool { return strings.HasPrefix(n, ".") }), err
}

// syncDir makes the names in a directory durable.
func (s *Store) syncDir(name string) error {
	d, err := s.root.Open(name)
	if err != nil {
		return fmt.Errorf("sync directory of image store: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync directory of image store: %w", err)
	}
	return nil
}

func contentName(id string) string { return path.Join(contentDir, id) }
