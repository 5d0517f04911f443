package token

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"
)

const (
	// stagedIndex is the file name of the key that becomes the primary one at the next rotation. It can already open
	// tokens, so machines may rotate one after another.
	stagedIndex = 0
	// minActiveKeys is the staged key, the primary one, and one that made the tokens still in use.
	minActiveKeys = 3
	// maxKeyFileBytes is more than any key's file takes.
	maxKeyFileBytes = 1 << 10
	newKeyName      = ".new"
)

// Keys are the Fernet keys in use. OpenKeys takes them from a repository in keystone's form: a directory of files named by
// number, of which 0 is the staged key, the highest the primary one, and the others are kept to open older tokens. NewKeys
// takes them from a KeyRing that somebody else keeps.
//
// Changes that another process makes are seen by the directory's modification time. Rotations and readings exclude each
// other by a lock on the directory.
type Keys struct {
	// dir is the repository, empty for keys that somebody else keeps.
	dir string
	// look is set by WhenMissing.
	look func()

	mu       sync.RWMutex
	modified time.Time
	// held has the primary key first, then the others from new to old, the staged one last.
	held []fernetKey
}

// SetUpKeys makes the repository with a staged and a primary key unless it already holds keys.
func SetUpKeys(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make key repository: %w", err)
	}
	return withLock(dir, syscall.LOCK_EX, func() error {
		indexes, err := keyIndexes(dir)
		if err != nil || len(indexes) > 0 {
			return err
		}
		for _, index := range []int{1, stagedIndex} {
			if err := addKey(dir, index); err != nil {
				return err
			}
		}
		return nil
	})
}

// OpenKeys reads the repository. Files that others than the owner can read are refused.
func OpenKeys(dir string) (*Keys, error) {
	keys := &Keys{dir: dir}
	if err := keys.Reload(); err != nil {
		return nil, err
	}
	return keys, nil
}

// Reload reads the repository anew; when it cannot be read the keys stay as they are.
func (k *Keys) Reload() error {
	var held []fernetKey
	var modified time.Time
	err := withLock(k.dir, syscall.LOCK_SH, func() error {
		info, err := os.Stat(k.dir)
		if err != nil {
			return err
		}
		modified = info.ModTime()
		held, err = readKeys(k.dir)
		return err
	})
	if err != nil {
		return fmt.Errorf("read key repository %s: %w", k.dir, err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.held, k.modified = held, modified
	return nil
}

// Rotate makes the staged key the primary one, stages a new key, and removes the oldest so that maxActive keys remain. A
// rotation that was interrupted is brought to its end instead.
func (k *Keys) Rotate(maxActive int) error {
	if maxActive < minActiveKeys {
		return fmt.Errorf("rotate keys: %d are too few to keep, the least is %d", maxActive, minActiveKeys)
	}
	err := withLock(k.dir, syscall.LOCK_EX, func() error { return rotate(k.dir, maxActive) })
	if err != nil {
		return fmt.Errorf("rotate keys of %s: %w", k.dir, err)
	}
	return k.Reload()
}

// Count returns how many keys can open tokens, the staged one included.
func (k *Keys) Count() int { return len(k.current()) }

// current returns the keys, read anew when the directory has changed. A repository that has become unreadable does not
// take away the keys at hand: tokens go on working until an operator has mended it.
func (k *Keys) current() []fernetKey {
	k.mu.RLock()
	held, modified := k.held, k.modified
	k.mu.RUnlock()
	if k.dir == "" {
		return held
	}
	info, err := os.Stat(k.dir)
	if err != nil || info.ModTime().Equal(modified) {
		return held
	}
	if err := k.Reload(); err != nil {
		return held
	}
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.held
}

// rotate works with the directory locked. Dying between two of its steps leaves a repository that opens every token.
func rotate(dir string, maxActive int) error {
	indexes, err := keyIndexes(dir)
	if err != nil {
		return err
	}
	if len(indexes) == 0 {
		return ErrNoKeys
	}
	if indexes[0] == stagedIndex {
		primary := filepath.Join(dir, strconv.Itoa(indexes[len(indexes)-1]+1))
		if err := os.Rename(filepath.Join(dir, strconv.Itoa(stagedIndex)), primary); err != nil {
			return err
		}
	}
	if err := addKey(dir, stagedIndex); err != nil {
		return err
	}
	return pruneKeys(dir, maxActive)
}

// pruneKeys removes the lowest numbers, never the staged key.
func pruneKeys(dir string, maxActive int) error {
	indexes, err := keyIndexes(dir)
	if err != nil {
		return err
	}
	for excess := len(indexes) - maxActive; excess > 0; excess-- {
		oldest := indexes[1]
		indexes = slices.Delete(indexes, 1, 2)
		if err := os.Remove(filepath.Join(dir, strconv.Itoa(oldest))); err != nil {
			return err
		}
	}
	return syncDir(dir)
}

// addKey writes a new random key under the index, whole or not at all.
func addKey(dir string, index int) error {
	var key fernetKey
	if _, err := rand.Read(key[:]); err != nil {
		return err
	}
	fresh := filepath.Join(dir, newKeyName)
	// What an interrupted rotation left behind was never a key.
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	file, err := os.OpenFile(fresh, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString(key.text())
	err = errors.Join(err, file.Sync(), file.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(fresh, filepath.Join(dir, strconv.Itoa(index))); err != nil {
		return err
	}
	return syncDir(dir)
}

// keyIndexes lists the numbers of the key files, ascending; other files are not looked at.
func keyIndexes(dir string) ([]int, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var indexes []int
	for _, entry := range entries {
		index, err := strconv.Atoi(entry.Name())
		if err == nil && index >= 0 && strconv.Itoa(index) == entry.Name() {
			indexes = append(indexes, index)
		}
	}
	slices.Sort(indexes)
	return indexes, nil
}

// readKeys reads all keys, the primary one first.
func readKeys(dir string) ([]fernetKey, error) {
	indexes, err := keyIndexes(dir)
	if err != nil {
		return nil, err
	}
	if len(indexes) == 0 {
		return nil, ErrNoKeys
	}
	slices.Reverse(indexes)
	keys := make([]fernetKey, 0, len(indexes))
	for _, index := range indexes {
		key, err := readKey(filepath.Join(dir, strconv.Itoa(index)))
		if err != nil {
			return nil, fmt.Errorf("read key %d: %w", index, err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func readKey(path string) (fernetKey, error) {
	info, err := os.Stat(path)
	if err != nil {
		return fernetKey{}, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxKeyFileBytes {
		return fernetKey{}, errors.New("it is not a key file")
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fernetKey{}, fmt.Errorf("its mode %04o lets others read it, it must be 0600", info.Mode().Perm())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return fernetKey{}, err
	}
	return parseFernetKey(string(text))
}

// withLock runs do while the directory is locked against other processes and other Keys of this one.
func withLock(dir string, how int, do func() error) (err error) {
	handle, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, handle.Close()) }()
	if err := syscall.Flock(int(handle.Fd()), how); err != nil {
		return fmt.Errorf("lock %s: %w", dir, err)
	}
	return do()
}

// syncDir makes renames and removals in the directory survive a power cut.
func syncDir(dir string) error {
	handle, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(handle.Sync(), handle.Close())
}
