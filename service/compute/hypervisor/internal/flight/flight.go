// Package flight lets concurrent callers share one long piece of work, such as the transfer of an image. It owns nothing
// but that; the drivers beside it import it.
package flight

import (
	"context"
	"sync"
)

// Flights runs one piece of work per key at a time. The zero value is ready.
type Flights struct {
	mu   sync.Mutex
	all  map[string]*flight
	work sync.WaitGroup
}

type flight struct {
	waiting int
	cancel  context.CancelFunc
	done    chan struct{}
	err     error
}

// Do runs work, or joins the run under way for the key, and returns its outcome. The work's context ends when the last of its
// callers has given up; a later caller then starts anew, possibly while the abandoned run still cleans up.
func (f *Flights) Do(ctx context.Context, key string, work func(context.Context) error) error {
	fl := f.join(ctx, key, work)
	select {
	case <-fl.done:
		return fl.err
	case <-ctx.Done():
		f.leave(key, fl)
		return ctx.Err()
	}
}

func (f *Flights) join(ctx context.Context, key string, work func(context.Context) error) *flight {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fl := f.all[key]; fl != nil {
		fl.waiting++
		return fl
	}
	if f.all == nil {
		f.all = map[string]*flight{}
	}
	// The work must outlive the caller that happened to start it, as others may have joined.
	working, cancel := context.WithCancel(context.WithoutCancel(ctx))
	fl := &flight{waiting: 1, cancel: cancel, done: make(chan struct{})}
	f.all[key] = fl
	f.work.Go(func() {
		defer cancel()
		fl.err = work(working)
		f.forget(key, fl)
		close(fl.done)
	})
	return fl
}

// leave forgets the flight with its last caller in the same breath, so that nobody joins work about to be cancelled.
func (f *Flights) leave(key string, fl *flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fl.waiting--; fl.waiting > 0 {
		return
	}
	if f.all[key] == fl {
		delete(f.all, key)
	}
	fl.cancel()
}

func (f *Flights) forget(key string, fl *flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.all[key] == fl {
		delete(f.all, key)
	}
}

// Flying tells whether work for the key is under way.
func (f *Flights) Flying(key string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.all[key] != nil
}

// Close cancels all work and waits for it; the caller starts no more.
func (f *Flights) Close() {
	f.mu.Lock()
	for _, fl := range f.all {
		fl.cancel()
	}
	f.mu.Unlock()
	f.work.Wait()
}
