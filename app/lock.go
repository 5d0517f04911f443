package app

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// lockDataDir makes sure that one process at a time uses a data folder; the lock ends
// with the process, however it ends.
func lockDataDir(dir string) (release func(), err error) {
	file, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock data folder: %w", err)
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		owner := make([]byte, 20)
		n, _ := file.Read(owner)
		_ = file.Close()
		return nil, fmt.Errorf("data folder %s is in use by another virga (process %s)", dir, owner[:n])
	}
	if err = file.Truncate(0); err == nil {
		_, err = file.WriteAt([]byte(strconv.Itoa(os.Getpid())), 0)
	}
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("lock data folder: %w", err)
	}
	return func() { _ = file.Close() }, nil
}
