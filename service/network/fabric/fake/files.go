package fake

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"virga/service/network/fabric"
)

// Folders of the kinds of objects.
const (
	folderNetworks = "networks"
	folderPorts    = "ports"
	folderRouters  = "routers"
	folderSets     = "address-sets"
)

// files keeps objects over restarts, a small JSON file each, so that a change costs the same however many objects there are. They are
// written by renaming: a process killed at any point leaves whole files; a machine that loses power may lose some, which a simulation bears.
type files struct{ root *os.Root }

func openFiles(dir string) (*files, error) {
	for _, folder := range []string{folderNetworks, folderPorts, folderRouters, folderSets} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o700); err != nil {
			return nil, err
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &files{root: root}, nil
}

// storedPort is what a port's file holds.
type storedPort struct {
	Port   fabric.Port `json:"port"`
	Closed string      `json:"closed,omitempty"` // why its rules cannot be applied
}

// load reads everything.
func (f *files) load(state *State) error {
	return errors.Join(
		read(f, folderNetworks, func(id string, network fabric.Network) { state.Networks[id] = network }),
		read(f, folderPorts, func(id string, port storedPort) {
			state.Ports[id] = port.Port
			if port.Closed != "" {
				state.Closed[id] = port.Closed
			}
		}),
		read(f, folderRouters, func(id string, router fabric.Router) { state.Routers[id] = router }),
		read(f, folderSets, func(id string, set fabric.AddressSet) { state.AddressSets[id] = set }),
	)
}

// read gives keep every object of a folder; half-written files end in .new and are passed over.
func read[T any](f *files, folder string, keep func(id string, object T)) error {
	entries, err := fs.ReadDir(f.root.FS(), folder)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		id, isObject := strings.CutSuffix(entry.Name(), ".json")
		if !isObject {
			continue
		}
		name := folder + "/" + entry.Name()
		text, err := f.root.ReadFile(name)
		if err != nil {
			return err
		}
		var object T
		if err := json.Unmarshal(text, &object); err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		keep(id, object)
	}
	return nil
}

func (f *files) write(folder, id string, object any) error {
	text, err := json.Marshal(object)
	if err != nil {
		return err
	}
	name := folder + "/" + id
	if err := f.root.WriteFile(name+".new", text, 0o600); err != nil {
		return err
	}
	return f.root.Rename(name+".new", name+".json")
}

func (f *files) remove(folder, id string) error {
	err := f.root.Remove(folder + "/" + id + ".json")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (f *files) close() error { return f.root.Close() }
