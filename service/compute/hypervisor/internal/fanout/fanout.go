// Package fanout hands a driver's events to everybody who watches. It owns the rule that a slow reader loses events but learns
// that it did; the drivers beside it import it.
package fanout

import (
	"context"
	"sync"

	"virga/service/compute/hypervisor"
)

const queued = 256 // events a reader may lag behind

// Fanout delivers events to its subscribers. The zero value is ready.
type Fanout struct {
	mu     sync.Mutex
	closed bool
	all    map[*subscriber]struct{}
}

type subscriber struct {
	events chan hypervisor.Event
	stop   func() bool
}

// Subscribe returns a channel that starts with a Resync and is closed when ctx ends or the fan-out closes.
func (f *Fanout) Subscribe(ctx context.Context) (<-chan hypervisor.Event, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, hypervisor.ErrClosed
	}
	s := &subscriber{events: make(chan hypervisor.Event, queued)}
	s.events <- hypervisor.Event{Resync: true}
	if f.all == nil {
		f.all = map[*subscriber]struct{}{}
	}
	f.all[s] = struct{}{}
	s.stop = context.AfterFunc(ctx, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.drop(s)
	})
	return s.events, nil
}

// Publish delivers the event to every subscriber without waiting for any.
//
// The last free place of a queue is always given to a Resync. So a full queue ends with a Resync that is still unread,
// and whatever is dropped while it is full is covered by the listing that the reader does upon it.
func (f *Fanout) Publish(event hypervisor.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for s := range f.all {
		switch cap(s.events) - len(s.events) {
		case 0:
		case 1:
			s.events <- hypervisor.Event{Resync: true, At: event.At}
		default:
			s.events <- event
		}
	}
}

// Close ends all subscriptions and refuses new ones.
func (f *Fanout) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for s := range f.all {
		s.stop()
		f.drop(s)
	}
}

// drop closes one subscription once; f.mu is held.
func (f *Fanout) drop(s *subscriber) {
	if _, open := f.all[s]; open {
		delete(f.all, s)
		close(s.events)
	}
}
