package fake

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"virga/service/compute/hypervisor"
)

// files keeps simulated guests and images over restarts, a small JSON file each. They are written by renaming, so that a process
// killed at any point leaves whole files; a machine that loses power may lose some, which a simulation bears.
type files struct {
	dir  string
	root *os.Root
}

func openFiles(dir string) (*files, error) {
	for _, sub := range []string{"guests", "images"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, err
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &files{dir: dir, root: root}, nil
}

func (f *files) fence() string { return filepath.Join(f.dir, "generations") }

func (f *files) load() (map[string]*record, map[string]cachedImage, error) {
	guests, images := map[string]*record{}, map[string]cachedImage{}
	err := f.each("guests", func(id string, data []byte) error {
		guests[id] = &record{}
		return json.Unmarshal(data, guests[id])
	})
	if err != nil {
		return nil, nil, err
	}
	err = f.each("images", func(id string, data []byte) error {
		var image cachedImage
		err := json.Unmarshal(data, &image)
		images[id] = image
		return err
	})
	return guests, images, err
}

func (f *files) each(sub string, read func(id string, data []byte) error) error {
	entries, err := fs.ReadDir(f.root.FS(), sub)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		id, isJSON := strings.CutSuffix(entry.Name(), ".json")
		if !isJSON || hypervisor.CheckID(id) != nil {
			continue
		}
		data, err := f.root.ReadFile(sub + "/" + entry.Name())
		if err != nil {
			return err
		}
		if err := read(id, data); err != nil {
			return fmt.Errorf("read %s/%s: %w", sub, entry.Name(), err)
		}
	}
	return nil
}

func (f *files) writeGuest(r *record) error { return f.write("guests/"+r.Guest.ID, r) }

func (f *files) writeImage(image cachedImage) error { return f.write("images/"+image.ID, image) }

func (f *files) write(name string, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	if err := f.root.WriteFile(name+".new", data, 0o600); err != nil {
		return err
	}
	return f.root.Rename(name+".new", name+".json")
}

func (f *files) close() error { return f.root.Close() }

func (f *files) removeGuest(id string) error { return f.remove("guests/" + id + ".json") }

func (f *files) removeImage(id string) error { return f.remove("images/" + id + ".json") }

func (f *files) remove(name string) error {
	if err := f.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
