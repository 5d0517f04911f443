package libvirt

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"virga/service/compute/cpus"
	"virga/service/compute/hypervisor"
)

// layout is the driver's directory. Every access goes through an os.Root, so that no name leads outside.
type layout struct {
	dir  string
	root *os.Root
	lock *os.File
}

// Names in a guest's directory.
const (
	rootDisk     = "root.qcow2"
	swapDisk     = "swap.raw"
	configDrive  = "config.iso"
	consoleLog   = "console.log"
	manifestFile = "guest.json"
)

// ephemeralFile is the name of the n-th ephemeral disk in a guest's directory.
func ephemeralFile(n int) string { return string(hypervisor.EphemeralDisk(n)) + ".raw" }

// manifest is what a guest was last asked to be, and how far that was carried out.
type manifest struct {
	Guest     hypervisor.Guest // without the config drive's content
	RootBytes int64            // size of the root disk as it is; 0: there is none yet
	Defined   string           // digest of the definition that libvirt has; "": none
	Variables string           `json:",omitempty"` // what the firmware's variables began as; "": there are none, or it is not known
	// Leaving is set while another host may run the guest, which must not run here before that is known. It says what the guest was.
	Leaving hypervisor.PowerState `json:",omitempty"`
	// Aside are the guest's former disks.
	Aside *formerDisks `json:",omitempty"`
	// Placement is where the guest's NUMA nodes are on the host.
	Placement *cpus.Placement `json:",omitempty"`
}

// openLayout makes the directory ready and locks it against other processes. The directories can be passed through, not listed, by
// the user that QEMU runs as.
func openLayout(dir string) (*layout, error) {
	if !filepath.IsAbs(dir) {
		return nil, fmt.Errorf("directory %q is not absolute", dir)
	}
	for _, sub := range []string{"", "guests", "images", arrivalDirs} {
		// The mode is set again because the umask may have taken from it.
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o711); err != nil {
			return nil, err
		}
		if err := os.Chmod(filepath.Join(dir, sub), 0o711); err != nil {
			return nil, err
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	lock, err := root.OpenFile("lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err == nil {
		err = unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if err != nil {
		root.Close()
		return nil, fmt.Errorf("%s is in use by another process: %w", dir, err)
	}
	l := &layout{dir: dir, root: root, lock: lock}
	if err := l.clearTransfers(); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (l *layout) makeGuestDir(id string) error {
	if err := l.root.MkdirAll(guestDir(id), 0o711); err != nil {
		return noSpace(err)
	}
	return l.root.Chmod(guestDir(id), 0o711)
}

func (l *layout) close() {
	l.lock.Close()
	l.root.Close()
}

// path returns the absolute path of a name below the directory, for other programs; elements come from this package or passed CheckID.
func (l *layout) path(elements ...string) string {
	return filepath.Join(append([]string{l.dir}, elements...)...)
}

func guestDir(id string) string { return "guests/" + id }

// imageFile names a cached image; the digest keeps contents apart should an id ever be used again.
func imageFile(image hypervisor.Image) string {
	return "images/" + image.ID + "." + image.SHA512[:16] + "." + image.DiskFormat
}

// guests returns the ids of all guests of which anything is left, in order.
func (l *layout) guests() ([]string, error) {
	entries, err := fs.ReadDir(l.root.FS(), "guests")
	if err != nil {
		return nil, fmt.Errorf("list guests: %w", err)
	}
	var ids []string
	for _, entry := range entries {
		if hypervisor.CheckID(entry.Name()) == nil {
			ids = append(ids, entry.Name())
		}
	}
	return ids, nil
}

func (l *layout) hasGuest(id string) bool {
	_, err := l.root.Stat(guestDir(id))
	return err == nil
}

// readManifest returns nil when the guest has none.
func (l *layout) readManifest(id string) (*manifest, error) {
	data, err := l.root.ReadFile(guestDir(id) + "/" + manifestFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read guest %s: %w", id, err)
	}
	var kept manifest
	if err := json.Unmarshal(data, &kept); err != nil {
		return nil, fmt.Errorf("read guest %s: %w", id, err)
	}
	return &kept, nil
}

func (l *layout) writeManifest(kept *manifest) error {
	data, err := json.Marshal(kept)
	if err != nil {
		return err
	}
	return l.replace(guestDir(kept.Guest.ID)+"/"+manifestFile, data)
}

// clearTransfers removes what an interrupted transfer left in the image cache.
func (l *layout) clearTransfers() error {
	entries, err := fs.ReadDir(l.root.FS(), "images")
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if strings.HasSuffix(entry.Name(), transferSuffix) {
			if err := l.root.Remove("images/" + entry.Name()); err != nil {
				return err
			}
		}
	}
	if err := l.clearArrivals(); err != nil {
		return err
	}
	l.keepSpare()
	return nil
}

// clearArrivals removes the sockets of migrations that ended with an earlier process.
func (l *layout) clearArrivals() error {
	entries, err := fs.ReadDir(l.root.FS(), arrivalDirs)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if err := l.root.RemoveAll(arrivalDirs + "/" + entry.Name()); err != nil {
			return err
		}
	}
	return nil
}

// cacheMode returns QEMU's cache mode for disks here: "none" where the file system can bypass the page cache, else "writeback".
func (l *layout) cacheMode() string {
	const probe = "guests/.direct"
	defer func() { _ = l.root.Remove(probe) }() // a left-over probe is used again
	file, err := l.root.OpenFile(probe, os.O_RDWR|os.O_CREATE|unix.O_DIRECT, 0o600)
	if err != nil {
		return "writeback"
	}
	file.Close()
	return "none"
}

// space returns size and free bytes of the file system.
func (l *layout) space() (size, free int64, err error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(l.dir, &stat); err != nil {
		return 0, 0, fmt.Errorf("measure %s: %w", l.dir, err)
	}
	return int64(stat.Blocks) * stat.Bsize, int64(stat.Bavail) * stat.Bsize, nil
}

// noSpace makes a full disk known as such.
func noSpace(err error) error {
	if isFull(err) {
		return fmt.Errorf("%w: %w", hypervisor.ErrNoSpace, err)
	}
	return err
}
