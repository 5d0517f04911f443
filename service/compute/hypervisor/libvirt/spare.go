package libvirt

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// A guest can be stopped, paused and removed although the disk is full: what has to be noted for that is little, and a file of this size
// is given up for it. It is made again when there is room.
const (
	spareFile  = "spare"
	spareBytes = 1 << 20
)

// keepSpare makes the file whose space is given up when there is no other. That there is none is no reason to do without the rest.
func (l *layout) keepSpare() {
	file, err := l.root.OpenFile(spareFile, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || info.Size() >= spareBytes {
		return
	}
	if err := unix.Fallocate(int(file.Fd()), 0, 0, spareBytes); err != nil {
		_ = l.root.Remove(spareFile) // half a spare is worse than what others can do with the space
	}
}

// giveSpare gives the space up; false when there is none any more.
func (l *layout) giveSpare() bool { return l.root.Remove(spareFile) == nil }

// replace writes a file whole or not at all, and durably.
func (l *layout) replace(name string, data []byte) error {
	err := l.replaceOnce(name, data)
	if isFull(err) && l.giveSpare() {
		return noSpace(l.replaceOnce(name, data))
	}
	if _, missing := l.root.Stat(spareFile); err == nil && errors.Is(missing, fs.ErrNotExist) {
		l.keepSpare()
	}
	return noSpace(err)
}

func (l *layout) replaceOnce(name string, data []byte) error {
	file, err := l.root.OpenFile(name+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		_ = l.root.Remove(name + ".new") // it would take the space that is missing
		return err
	}
	return l.root.Rename(name+".new", name)
}

// isFull tells whether an error is that of a full disk.
func isFull(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }
