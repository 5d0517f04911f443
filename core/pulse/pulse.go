// Package pulse keeps the signs of life of many hosts: in memory at once, in the database in
// batches, so that ten thousand hosts cost one small transaction a second.
//
// A service has one Keeper. A host says that it is there by Beat, which touches nothing but
// memory and tells when to come next: after Shortest in a small cloud, later the more hosts
// this process hears of, so that their rate stays below PerSecond. Once a second the names
// that came are handed to Write, with the time until which they count as up: three beats. A
// sign of life that is lost with the process is made good by the host's next one.
//
// It owns no table and knows neither HTTP nor SQL. Services may import it.
package pulse

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"virga/core/clock"
)

const (
	// Shortest and Longest bound the time between two beats of a host.
	Shortest = 3 * time.Second
	Longest  = 40 * time.Second
	// PerSecond is how many beats one process wants to hear at most, while Longest allows it.
	PerSecond = 250
	// Missed is how many beats a host may miss until it counts as down.
	Missed = 3
	// flushEvery is how often beats are written, grace what a beat may lose by it.
	flushEvery = time.Second
	grace      = flushEvery
	// forgetAfter is after how many beats a silent host is forgotten: it went away, or
	// speaks to another process.
	forgetAfter = 20
)

// Config is what a Keeper needs.
type Config struct {
	Clock clock.Clock
	Log   *slog.Logger
	// Load returns the generations of all hosts, by name.
	Load func(ctx context.Context) (map[string]int64, error)
	// Write notes that the hosts were heard of and count as up until the given time. It
	// returns the generations of those that there are.
	Write func(ctx context.Context, names []string, seen, until time.Time) (map[string]int64, error)
}

// Keeper keeps signs of life. Its methods may be called at the same time.
type Keeper struct {
	cfg   Config
	mu    sync.Mutex
	hosts map[string]*host
	// came are the hosts that were heard of since the last write.
	came map[string]bool
}

type host struct {
	generation int64
	heard      time.Time
}

// New returns a Keeper that knows nobody.
func New(cfg Config) *Keeper {
	return &Keeper{cfg: cfg, hosts: map[string]*host{}, came: map[string]bool{}}
}

// Beat takes a host's sign of life. It returns the newest generation that is known of what
// the host should be, some seconds old at most, and when to come next. Known is false for
// a host of which the Keeper has not heard: whoever finds it elsewhere calls Learn.
func (k *Keeper) Beat(name string) (generation int64, next time.Duration, known bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	next = k.every()
	h := k.hosts[name]
	if h == nil {
		return 0, next, false
	}
	h.heard = k.cfg.Clock.Now()
	k.came[name] = true
	return h.generation, next, true
}

// Learn makes a host known.
func (k *Keeper) Learn(name string, generation int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.hosts[name] = &host{generation: generation, heard: k.cfg.Clock.Now()}
}

// Counts is until when a sign of life counts that is given now.
func (k *Keeper) Counts() time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.cfg.Clock.Now().Add(k.counts())
}

// Forget drops a host that said that it leaves, or that was removed.
func (k *Keeper) Forget(name string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.hosts, name)
	delete(k.came, name)
}

// every is the time between two beats of a host.
func (k *Keeper) every() time.Duration {
	return min(max(time.Duration(len(k.hosts))*time.Second/PerSecond, Shortest), Longest)
}

// counts is how long a sign of life counts.
func (k *Keeper) counts() time.Duration { return Missed*k.every() + grace }

// Run writes until ctx ends, and once more then.
func (k *Keeper) Run(ctx context.Context) {
	k.load(ctx)
	ticker := time.NewTicker(flushEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			end, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushEvery)
			k.flush(end)
			cancel()
			return
		case <-ticker.C:
			k.flush(ctx)
		}
	}
}

// load learns the hosts that there are, so that none has to be looked up when it comes.
func (k *Keeper) load(ctx context.Context) {
	found, err := k.cfg.Load(ctx)
	if err != nil {
		if ctx.Err() == nil {
			k.cfg.Log.WarnContext(ctx, "load hosts", "error", err)
		}
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.cfg.Clock.Now()
	for name, generation := range found {
		if k.hosts[name] == nil {
			k.hosts[name] = &host{generation: generation, heard: now}
		}
	}
}

// flush writes the beats since the last time; those that could not be written come again.
func (k *Keeper) flush(ctx context.Context) {
	k.mu.Lock()
	names := make([]string, 0, len(k.came))
	for name := range k.came {
		names = append(names, name)
	}
	clear(k.came)
	now := k.cfg.Clock.Now()
	until := now.Add(k.counts())
	for name, h := range k.hosts {
		if now.Sub(h.heard) > forgetAfter*k.every() {
			delete(k.hosts, name)
		}
	}
	k.mu.Unlock()
	if len(names) == 0 {
		return
	}
	generations, err := k.cfg.Write(ctx, names, now, until)
	k.mu.Lock()
	defer k.mu.Unlock()
	if err != nil {
		for _, name := range names {
			if k.hosts[name] != nil {
				k.came[name] = true
			}
		}
		if ctx.Err() == nil {
			k.cfg.Log.WarnContext(ctx, "write signs of life", "hosts", len(names), "error", err)
		}
		return
	}
	for _, name := range names {
		generation, there := generations[name]
		if h := k.hosts[name]; h != nil && there {
			h.generation = generation
		} else if !there {
			delete(k.hosts, name)
		}
	}
}
