package work

import "sync"

// hands is what this process has of operations at the moment.
type hands struct {
	// started brings operations that were started here and are claimed from the start.
	started chan Operation
	// look has the dispatcher look for due operations.
	look chan struct{}

	mu      sync.Mutex
	running bool
	// busy holds the operations that workers have; true when one was found due meanwhile.
	busy map[string]bool
	// orphans are claims that were let go in trouble, by id with their epoch: the lease is
	// this process's own and nobody works under it.
	orphans map[string]int64
}

func newHands(room int) *hands {
	return &hands{started: make(chan Operation, room), look: make(chan struct{}, 1), busy: map[string]bool{}, orphans: map[string]int64{}}
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
	return true
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

// accept hands a newly started operation, claimed by this process, to the dispatcher.
func (h *hands) accept(o Operation) {
	select {
	case h.started <- o:
	default: // no room: it is found like any other
		h.orphan(o.ID, o.Epoch)
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

func (h *hands) orphan(id string, epoch int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.orphans[id] = epoch
}

func (h *hands) orphaned(id string, epoch int64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	known, there := h.orphans[id]
	return there && known == epoch
}

// adopted ends what orphan began.
func (h *hands) adopted(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.orphans, id)
}
