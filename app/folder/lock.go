package folder

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Use says what a process wants a data folder for.
type Use struct {
	// Alone shuts out every other process: the databases are files in the folder.
	Alone bool
	// Node shuts out other processes that run guests from the folder.
	Node bool
	// NewID mints the name of a process that has none yet.
	NewID func() string
}

// Folder is a data folder in use. The kernel ends the use with the process, however it ends.
type Folder struct {
	process string
	locks   []*os.File
}

// maxProcesses bounds how many processes use one folder at a time.
const maxProcesses = 64

// Open begins to use a data folder, which is there.
func Open(dir string, use Use) (*Folder, error) {
	f := &Folder{}
	err := f.lock(filepath.Join(dir, "lock"), use.Alone, "data folder "+dir+" is in use")
	if err == nil && use.Node {
		err = f.lock(filepath.Join(dir, "node.lock"), true, "a node runs in the data folder "+dir+" already:")
	}
	if err == nil {
		err = f.takeName(filepath.Join(dir, "processes"), use.NewID)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Process is the name of this process. No two living processes have the same, and one that
// is started anew takes the name of one that is dead.
func (f *Folder) Process() string { return f.process }

// Close ends the use.
func (f *Folder) Close() {
	for _, lock := range f.locks {
		_ = lock.Close()
	}
	f.locks = nil
}

// Lock shuts every other process that asks for it out of a folder until f is closed.
func (f *Folder) Lock(dir string) error {
	return f.lock(filepath.Join(dir, "lock"), true, "folder "+dir+" is in use")
}

// lock takes the lock of a file and writes the number of the process into it.
func (f *Folder) lock(path string, alone bool, taken string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("lock data folder: %w", err)
	}
	how := unix.LOCK_SH
	if alone {
		how = unix.LOCK_EX
	}
	if err := unix.Flock(int(file.Fd()), how|unix.LOCK_NB); err != nil {
		owner := make([]byte, 20)
		n, _ := file.Read(owner)
		_ = file.Close()
		return fmt.Errorf("%s by another virga (process %s)", taken, strings.TrimSpace(string(owner[:n])))
	}
	f.locks = append(f.locks, file)
	if err = file.Truncate(0); err == nil {
		_, err = file.WriteAt([]byte(strconv.Itoa(os.Getpid())), 0)
	}
	if err != nil {
		return fmt.Errorf("lock data folder: %w", err)
	}
	return nil
}

// takeName takes the first name of the folder that no living process has: that its lock is
// free proves that whoever had the name is dead.
func (f *Folder) takeName(dir string, newID func() string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("name the process: %w", err)
	}
	for n := range maxProcesses {
		file, err := os.OpenFile(filepath.Join(dir, strconv.Itoa(n)), os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return fmt.Errorf("name the process: %w", err)
		}
		if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
			_ = file.Close()
			continue
		}
		f.locks = append(f.locks, file)
		return f.readName(file, newID)
	}
	return fmt.Errorf("name the process: %d processes use the data folder already", maxProcesses)
}

func (f *Folder) readName(file *os.File, newID func() string) error {
	text, err := io.ReadAll(io.LimitReader(file, 256))
	if err != nil {
		return fmt.Errorf("name the process: %w", err)
	}
	name, whole := strings.CutSuffix(string(text), "\n")
	if whole && name != "" {
		f.process = name
		return nil
	}
	f.process = newID() // whoever was to write it died before the end, and had no leases yet
	_, err = file.WriteAt([]byte(f.process+"\n"), 0)
	if err = errors.Join(err, file.Truncate(int64(len(f.process)+1)), file.Sync()); err != nil {
		return fmt.Errorf("name the process: %w", err)
	}
	return nil
}
