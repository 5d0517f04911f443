package linux

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// nsfsMagic is the file system type of a namespace file (linux/magic.h NSFS_MAGIC).
const nsfsMagic = 0x6e736673

// ownNamespace is the network namespace of the calling thread. /proc/self has that of the process's first thread, which the Go
// runtime cannot end: left in another namespace by somebody, it stays there for good.
const ownNamespace = "/proc/thread-self/ns/net"

// inNamespace runs fn on a thread of its own in the network namespace of an open file. Sockets, /proc/sys/net, netlink requests and
// child processes of fn all belong to that namespace. A thread that cannot return to where it came from is ended, never reused.
func inNamespace(target int, fn func() error) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		home, err := unix.Open(ownNamespace, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			runtime.UnlockOSThread()
			result <- fmt.Errorf("open own network namespace: %w", err)
			return
		}
		defer unix.Close(home)
		if err := unix.Setns(target, unix.CLONE_NEWNET); err != nil {
			runtime.UnlockOSThread()
			result <- fmt.Errorf("enter network namespace: %w", err)
			return
		}
		err = fn()
		if unix.Setns(home, unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
		result <- err
	}()
	return <-result
}

// openNamespace opens a namespace file; os.ErrNotExist when there is none or the file is only a left-over mount point.
func openNamespace(path string) (int, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open namespace %s: %w", path, err)
	}
	var stat unix.Statfs_t
	if err := unix.Fstatfs(fd, &stat); err != nil || stat.Type != nsfsMagic {
		unix.Close(fd)
		return -1, fmt.Errorf("open namespace %s: %w", path, os.ErrNotExist)
	}
	return fd, nil
}

// ensureNamespace opens the named namespace and makes it first when it is missing; its loopback is up and IPv6 is quiet.
func (d *Driver) ensureNamespace(name string) (fd int, made bool, err error) {
	path := filepath.Join(d.config.NamespaceDir, name)
	if fd, err = openNamespace(path); err == nil {
		return fd, false, nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return -1, false, err
	}
	if err := os.MkdirAll(d.config.NamespaceDir, 0o755); err != nil {
		return -1, false, fmt.Errorf("make directory of namespaces: %w", err)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDONLY, 0o444)
	if err != nil {
		return -1, false, fmt.Errorf("make namespace %s: %w", name, err)
	}
	file.Close()
	err = inNamespace(d.host, func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("make namespace %s: %w", name, err)
		}
		if err := unix.Mount(ownNamespace, path, "none", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount namespace %s: %w", name, err)
		}
		return quietNamespace()
	})
	if err == nil {
		fd, err = openNamespace(path)
	}
	if err != nil {
		return -1, false, errors.Join(err, removeNamespaceFile(path))
	}
	return fd, true, nil
}

// quietNamespace gives the current, new namespace its loopback and takes away IPv6's habit of configuring itself.
func quietNamespace() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find loopback: %w", err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return fmt.Errorf("set loopback up: %w", err)
	}
	return setSysctls(map[string]string{
		"ipv6/conf/default/accept_ra":       "0",
		"ipv6/conf/default/dad_transmits":   "0",
		"ipv4/conf/all/accept_redirects":    "0",
		"ipv4/conf/all/send_redirects":      "0",
		"ipv4/conf/all/promote_secondaries": "1", // else an address that goes takes its younger neighbours along
	})
}

// removeNamespace unmounts and removes a named namespace; a missing one is fine.
func (d *Driver) removeNamespace(name string) error {
	return removeNamespaceFile(filepath.Join(d.config.NamespaceDir, name))
}

func removeNamespaceFile(path string) error {
	if err := unix.Unmount(path, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("unmount namespace %s: %w", path, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove namespace %s: %w", path, err)
	}
	return nil
}

// namespacesWithPrefix lists the ids in the names of Virga's namespaces of one sort.
func (d *Driver) namespacesWithPrefix(prefix string) ([]string, error) {
	entries, err := os.ReadDir(d.config.NamespaceDir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list namespaces: %w", err)
	}
	var ids []string
	for _, entry := range entries {
		if id, ok := strings.CutPrefix(entry.Name(), prefix); ok {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// setSysctls writes settings below /proc/sys/net of the current namespace where they differ; settings that this kernel does
// not have (IPv6 compiled out) are passed over.
func setSysctls(settings map[string]string) error {
	for name, value := range settings {
		path := "/proc/sys/net/" + name
		current, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read sysctl %s: %w", name, err)
		}
		if strings.TrimSpace(string(current)) == value {
			continue
		}
		if err := os.WriteFile(path, []byte(value), 0o644); err != nil {
			return fmt.Errorf("set sysctl %s: %w", name, err)
		}
	}
	return nil
}
