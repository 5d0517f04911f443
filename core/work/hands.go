package work

import (
	"maps"
	"sync"
	"time"
)

// hands is what this process has of operations at the moment.
type hands struct {
	// started brings operations that were started here and are claimed from the start.
	started chan Operation
	// look has the dispatcher look for due operations.
	look chan struct{}
	// woke tells that there is something in hand where there was nothing.
	woke chan struct{}

	mu      sync.Mutex
	running bool
	// busy holds the operations that workers have; true when one was found due meanwhile.
	busy map[string]bool
	// orphans are claims under which nobody works though the lease is this process's own, by
	// id: they were let go in trouble, or nobody knows whether their commit took effect.
	orphans map[string]orphan
}

// orphan is one claim; after the end of its lease it is nobody's anyway.
type orphan struct {
	epoch int64
	until time.Time
}

func newHands(room int) *hands {
	return &hands{started: make(chan Operation, room), look: make(chan struct{}, 1), woke: make(chan struct{}, 1), busy: map[string]bool{}, orphans: map[string]orphan{}}
}

func (h *hands) open(running bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.running = running
}

func (h *hands) isOpen() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.running
}

// take marks an operation as being in the hands of this process; false when it is already.
func (h *hands) take(id string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, taken := h.busy[id]; taken {
		h.busy[id] = true
		return false
	}
	h.busy[id] = false
	if len(h.busy) == 1 {
		select {
		case h.woke <- struct{}{}:
		default: // nobody has noticed the last time yet
		}
	}
	return true
}

// working tells whether anything is in hand.
func (h *hands) working() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.busy) > 0
}

// leave ends what take began; asked tells that the operation was found due meanwhile.
func (h *hands) leave(id string) (asked bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	asked = h.busy[id]
	delete(h.busy, id)
	return asked
}

// lookAgain wakes the dispatcher.
func (h *hands) lookAgain() {
	select {
	case h.look <- struct{}{}:
	default: // it is awake
	}
}

// accept hands a newly started operation, claimed by this process and announced by orphan
// before the commit, to the dispatcher. When the dispatcher has found it by itself
// meanwhile, it has been taken care of.
func (h *hands) accept(o Operation) {
	h.mu.Lock()
	_, taken := h.busy[o.ID]
	known, there := h.orphans[o.ID]
	ours := !taken && there && known.epoch == o.Epoch
	if ours {
		delete(h.orphans, o.ID)
	}
	h.mu.Unlock()
	if !ours {
		return
	}
	select {
	case h.started <- o:
	default: // no room: it is found like any other
		h.orphan(o)
		h.lookAgain()
	}
}

// drain forgets what the dispatcher did not come to.
func (h *hands) drain() {
	for {
		select {
		case <-h.started:
		default:
			return
		}
	}
}

// orphan notes that nobody works under the claim that o shows, should there be one.
func (h *hands) orphan(o Operation) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.orphans[o.ID] = orphan{o.Epoch, o.LeaseUntil}
}

func (h *hands) orphaned(id string, epoch int64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	known, there := h.orphans[id]
	return there && known.epoch == epoch
}

// adopted ends what orphan began.
func (h *hands) adopted(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.orphans, id)
}

// forget drops the orphans whose lease is over, if it ever was there.
func (h *hands) forget(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	maps.DeleteFunc(h.orphans, func(_ string, o orphan) bool { return o.until.Before(now) })
}
