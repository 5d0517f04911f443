// Package bus carries doorbells and questions between the parts of Virga.
//
// A doorbell (Ring, Listen) says only "look again": it has no content, may be lost or
// doubled, and whoever listens also looks on a timer. A question (Call, Serve) asks
// one named party for something that is nowhere stored, such as a guest's console log;
// it has an answer or an error within its deadline. State is never conveyed by either.
//
// Bus is the interface, Local the engine inside one process. Everybody may import it.
package bus

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// ErrNobody is returned by Call when no party serves the address.
var ErrNobody = errors.New("nobody serves this address")

// Answer handles one question put to an address.
type Answer func(ctx context.Context, question string, body []byte) ([]byte, error)

// Bus connects the parts of Virga.
type Bus interface {
	// Ring wakes every listener of topic. It never blocks.
	Ring(topic string)
	// Listen returns a bell for topic; rings between two reads of the bell are one.
	Listen(topic string) *Bell
	// Call puts a question to address and waits for the answer as long as ctx lasts.
	Call(ctx context.Context, address, question string, body []byte) ([]byte, error)
	// Serve answers questions to address until the returned function is called. One
	// party serves an address; a later one replaces it.
	Serve(address string, answer Answer) (stop func())
}

// Bell is one listener's end of a topic.
type Bell struct {
	// C delivers one value for any number of rings since the last read.
	C     <-chan struct{}
	close func()
}

// Close ends the listening; C delivers nothing more.
func (b *Bell) Close() { b.close() }

// Local is the bus inside one process.
type Local struct {
	mu      sync.RWMutex
	bells   map[string]map[chan struct{}]struct{}
	parties map[string]*party
}

type party struct{ answer Answer }

// NewLocal returns a bus without listeners.
func NewLocal() *Local {
	return &Local{bells: map[string]map[chan struct{}]struct{}{}, parties: map[string]*party{}}
}

// Ring implements Bus.
func (l *Local) Ring(topic string) {
	l.mu.RLock()
	defer l.mu.RUnlock()
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
	return &Bell{C: c, close: func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.bells[topic], c)
		if len(l.bells[topic]) == 0 {
			delete(l.bells, topic)
		}
	}}
}

// Call implements Bus.
func (l *Local) Call(ctx context.Context, address, question string, body []byte) ([]byte, error) {
	l.mu.RLock()
	p := l.parties[address]
	l.mu.RUnlock()
	if p == nil {
		return nil, fmt.Errorf("ask %s for %s: %w", address, question, ErrNobody)
	}
	type outcome struct {
		body []byte
		err  error
	}
	done := make(chan outcome, 1)
	go func() {
		var o outcome
		defer func() {
			if cause := recover(); cause != nil { // the party breaks its own answer, not the process
				o = outcome{nil, fmt.Errorf("panic: %v", cause)}
			}
			done <- o
		}()
		o.body, o.err = p.answer(ctx, question, body)
	}()
	select {
	case o := <-done:
		if o.err != nil {
			return nil, fmt.Errorf("ask %s for %s: %w", address, question, o.err)
		}
		return o.body, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("ask %s for %s: %w", address, question, ctx.Err())
	}
}

// Serve implements Bus.
func (l *Local) Serve(address string, answer Answer) (stop func()) {
	p := &party{answer}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.parties[address] = p
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.parties[address] == p {
			delete(l.parties, address)
		}
	}
}
