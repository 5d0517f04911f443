// Package fence remembers the newest generation seen of every guest, so that a late order is refused; also of guests that were
// removed, and over restarts. It owns one small file. The drivers beside it import it.
package fence

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"virga/service/compute/hypervisor"
)

// retention is how long the generation of a removed guest is remembered: far longer than an order can be under way.
const retention = 30 * 24 * time.Hour

// slack is how many superseded lines the file may hold before it is rewritten at the next opening.
const slack = 1000

// Fence is the memory of generations. The file is a log of lines "id generation state unix-seconds", the last line of an id counts.
type Fence struct {
	mu      sync.Mutex
	entries map[string]entry
	file    *os.File // nil: memory only
	// roomFor is the size of the file from which on space is reserved anew.
	roomFor int64
	durable bool
	now     func() time.Time
}

type entry struct {
	generation int64
	removed    bool
	at         time.Time
}

// Memory returns a fence that forgets everything with the process.
func Memory(now func() time.Time) *Fence {
	return &Fence{entries: map[string]entry{}, now: now}
}

// Open reads the fence at path, or makes it. With durable, an order is on the disk before it is admitted.
func Open(path string, durable bool, now func() time.Time) (*Fence, error) {
	f := Memory(now)
	f.durable = durable
	lines, err := f.load(path)
	if err != nil {
		return nil, fmt.Errorf("read generations from %s: %w", path, err)
	}
	f.forgetOld()
	if lines > len(f.entries)+slack {
		if err := f.rewrite(path); err != nil {
			return nil, fmt.Errorf("rewrite generations in %s: %w", path, err)
		}
	}
	if f.file, err = os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600); err != nil {
		return nil, fmt.Errorf("open generations: %w", err)
	}
	f.reserve()
	// A line torn by a crash must not swallow the next one; an empty line is ignored when reading.
	if _, err := f.file.WriteString("\n"); err != nil {
		f.file.Close()
		return nil, fmt.Errorf("append to generations: %w", err)
	}
	return f, nil
}

// reserved is for how many bytes there is room on the disk, even when it is full: for the orders that empty it again.
const reserved = 256 << 10

// reserve takes disk space for lines to come, without making the file longer. Where that cannot be had the file grows as others do.
func (f *Fence) reserve() {
	info, err := f.file.Stat()
	if err != nil {
		return
	}
	f.roomFor = info.Size() + reserved/2
	_ = unix.Fallocate(int(f.file.Fd()), unix.FALLOC_FL_KEEP_SIZE, info.Size(), reserved)
}

func (f *Fence) load(path string) (lines int, err error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer file.Close()
	scanner := bufio.NewScanner(file)
	for scanner.Scan() {
		lines++
		var id, state string
		var generation, seconds int64
		// The trailing dot marks a line as whole.
		n, _ := fmt.Sscanf(scanner.Text(), "%s %d %s %d .", &id, &generation, &state, &seconds)
		if n != 4 || hypervisor.CheckID(id) != nil || scanner.Text()[len(scanner.Text())-1] != '.' {
			continue
		}
		f.entries[id] = entry{generation: generation, removed: state == "removed", at: time.Unix(seconds, 0)}
	}
	return lines, scanner.Err()
}

func (f *Fence) forgetOld() {
	for id, e := range f.entries {
		if e.removed && f.now().Sub(e.at) > retention {
			delete(f.entries, id)
		}
	}
}

func (f *Fence) rewrite(path string) error {
	temporary, err := os.CreateTemp(filepath.Dir(path), "generations-*")
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name())
	out := bufio.NewWriter(temporary)
	for id, e := range f.entries {
		_, _ = out.WriteString(e.line(id)) // the writer keeps its first error for Flush
	}
	if err := errors.Join(out.Flush(), temporary.Sync(), temporary.Close()); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), path)
}

func (e entry) line(id string) string {
	state := "present"
	if e.removed {
		state = "removed"
	}
	return fmt.Sprintf("%s %d %s %d .\n", id, e.generation, state, e.at.Unix())
}

// Admit records that a guest is wanted in this generation, or returns ErrStale.
func (f *Fence) Admit(id string, generation int64) error { return f.record(id, generation, false) }

// Retire records that a guest is removed in this generation, or returns ErrStale.
func (f *Fence) Retire(id string, generation int64) error { return f.record(id, generation, true) }

// Seen returns the newest generation seen of a guest, 0 when it was never heard of.
func (f *Fence) Seen(id string) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.entries[id].generation
}

func (f *Fence) record(id string, generation int64, removed bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	last, known := f.entries[id]
	if known && (generation < last.generation || generation == last.generation && last.removed && !removed) {
		state := "seen"
		if last.removed {
			state = "removed"
		}
		return fmt.Errorf("%w: guest %s generation %d, already %s in generation %d", hypervisor.ErrStale, id, generation, state,
			last.generation)
	}
	next := entry{generation: generation, removed: removed, at: f.now()}
	if known && last.generation == generation && last.removed == removed {
		return nil
	}
	if err := f.append(next.line(id)); err != nil {
		return fmt.Errorf("remember generation %d of guest %s: %w", generation, id, err)
	}
	f.entries[id] = next
	return nil
}

func (f *Fence) append(line string) error {
	if f.file == nil {
		return nil
	}
	if _, err := f.file.WriteString(line); err != nil {
		return err
	}
	if at, err := f.file.Seek(0, io.SeekCurrent); err == nil && at > f.roomFor {
		f.reserve()
	}
	if f.durable {
		return f.file.Sync()
	}
	return nil
}

// Close closes the file.
func (f *Fence) Close() error {
	if f.file == nil {
		return nil
	}
	return f.file.Close()
}
