package bus

import (
	"context"
	"slices"
	"sync"
)

// Local is the bus inside one process.
type Local struct {
	mu    sync.RWMutex
	bells map[string]map[chan struct{}]struct{}
	// parties holds those of an address from the first to the latest.
	parties map[string][]*party
}

type party struct{ answer Answer }

// NewLocal returns a bus without listeners.
func NewLocal() *Local {
	return &Local{bells: map[string]map[chan struct{}]struct{}{}, parties: map[string][]*party{}}
}

// Ring implements Bus.
func (l *Local) Ring(topic string) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	l.ring(topic)
}

// RingAll rings every topic that has a listener and that match accepts: whoever joins
// processes does so when rings may have been missed.
func (l *Local) RingAll(match func(topic string) bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for topic := range l.bells {
		if match(topic) {
			l.ring(topic)
		}
	}
}

func (l *Local) ring(topic string) {
	for c := range l.bells[topic] {
		select {
		case c <- struct{}{}:
		default: // a ring is waiting already
		}
	}
}

// Listen implements Bus.
func (l *Local) Listen(topic string) *Bell {
	c := make(chan struct{}, 1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.bells[topic] == nil {
		l.bells[topic] = map[chan struct{}]struct{}{}
	}
	l.bells[topic][c] = struct{}{}
	return NewBell(c, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.bells[topic], c)
		if len(l.bells[topic]) == 0 {
			delete(l.bells, topic)
		}
	})
}

// Call implements Bus.
func (l *Local) Call(ctx context.Context, address, question string, body []byte) ([]byte, error) {
	if err := CheckQuestion(address, question, body); err != nil {
		return nil, Asked(address, question, err)
	}
	answer := l.Party(address)
	if answer == nil {
		return nil, Asked(address, question, ErrNobody)
	}
	ctx, cancel := Bounded(ctx)
	defer cancel()
	type outcome struct {
		body []byte
		err  error
	}
	done := make(chan outcome, 1)
	go func() {
		result, err := Try(ctx, answer, question, body)
		done <- outcome{result, err}
	}()
	select {
	case o := <-done:
		if o.err != nil {
			return nil, Asked(address, question, o.err)
		}
		return o.body, nil
	case <-ctx.Done():
		return nil, Asked(address, question, ctx.Err())
	}
}

// Party is who is asked at an address, nil when nobody is there.
func (l *Local) Party(address string) Answer {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if list := l.parties[address]; len(list) > 0 {
		return list[len(list)-1].answer
	}
	return nil
}

// Serve implements Bus.
func (l *Local) Serve(address string, answer Answer) (stop func()) {
	p := &party{answer}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.parties[address] = append(l.parties[address], p)
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		left := slices.DeleteFunc(l.parties[address], func(other *party) bool { return other == p })
		if len(left) == 0 {
			delete(l.parties, address)
			return
		}
		l.parties[address] = left
	}
}
