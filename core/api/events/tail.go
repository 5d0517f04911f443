package events

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"virga/core/db"
	"virga/core/feed"
)

const (
	// kept is how many of the newest changes a tail has in memory.
	kept = 512
	// page is how many changes are read at once.
	page = 200
	// lookEvery is how often the feed is looked at when nothing rings.
	lookEvery = 2 * time.Second
)

// tail reads the end of a feed for all streams of a process. It runs while there are any.
type tail struct {
	db  *db.DB
	log *feed.Log
	say *slog.Logger

	mu      sync.Mutex
	readers int
	stop    context.CancelFunc
	done    chan struct{}
	// recent are the newest changes; floor is the number before the first of them.
	recent []feed.Entry
	floor  int64
	// grown is closed when recent grows, and replaced.
	grown chan struct{}
	// life counts the runs: one that is ending adds nothing to the next one's.
	life int
}

// join starts the tail for the first stream. newest is a number that the feed has reached.
func (t *tail) join(newest int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.readers++
	if t.readers > 1 {
		return
	}
	var ctx context.Context
	ctx, t.stop = context.WithCancel(context.Background()) //nolint:gosec // leave calls it
	t.done = make(chan struct{})
	t.recent, t.floor, t.grown = nil, newest, make(chan struct{})
	t.life++
	go t.run(ctx, t.life, newest, t.done)
}

// leave ends the tail with the last stream and waits for its end.
func (t *tail) leave() {
	t.mu.Lock()
	t.readers--
	var done chan struct{}
	if t.readers == 0 {
		t.stop()
		done = t.done
	}
	t.mu.Unlock()
	if done != nil {
		<-done
	}
}

func (t *tail) run(ctx context.Context, life int, last int64, done chan<- struct{}) {
	defer close(done)
	bell := t.log.Listen()
	defer bell.Close()
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		entries, err := feed.After(ctx, t.db, last, page)
		if err != nil && ctx.Err() == nil {
			t.say.WarnContext(ctx, "read the feed for streams of events", "service", t.log.Service(), "error", err)
		}
		if len(entries) > 0 {
			last = entries[len(entries)-1].Seq
			t.append(life, entries)
		}
		if len(entries) == page {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-bell.C:
		case <-ticker.C:
		}
	}
}

func (t *tail) append(life int, entries []feed.Entry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if life != t.life {
		return
	}
	recent := append(slices.Clone(t.recent), entries...) // streams hold parts of the former one
	if drop := len(recent) - kept; drop > 0 {
		t.floor = recent[drop-1].Seq
		recent = recent[drop:]
	}
	t.recent = recent
	close(t.grown)
	t.grown = make(chan struct{})
}

// since returns what came behind a number, and what is closed when more has come; known is
// false when the tail no longer has, or never had, all of it.
func (t *tail) since(seq int64) (entries []feed.Entry, grown <-chan struct{}, known bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at, found := slices.BinarySearchFunc(t.recent, seq, func(e feed.Entry, seq int64) int { return int(e.Seq - seq) })
	if found {
		at++
	}
	return t.recent[at:], t.grown, seq >= t.floor
}
