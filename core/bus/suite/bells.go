package suite

import (
	"fmt"
	"testing"
	"time"

	"virga/core/bus"
)

func testRing(t *testing.T, e *ends) {
	e.both(func(from, to bus.Bus) {
		topic := name("many")
		bells := []*bus.Bell{from.Listen(topic), to.Listen(topic), to.Listen(topic)}
		for _, bell := range bells {
			defer bell.Close()
			e.heard(first(bell, from, topic)) // it hears now
		}
		e.fence(from, to)
		for _, bell := range bells {
			drain(bell)
		}
		from.Ring(topic)
		for _, bell := range bells {
			e.heard(bell)
		}
	})
}

func testCoalesce(t *testing.T, e *ends) {
	e.both(func(from, to bus.Bus) {
		topic := name("often")
		bell := to.Listen(topic)
		defer bell.Close()
		e.heard(first(bell, from, topic))
		for range 1000 {
			from.Ring(topic)
		}
		e.heard(bell)
		e.fence(from, to)
		// One may have come since the read; what kept them all would deliver hundreds.
		if left := drain(bell); left > 2 {
			t.Errorf("%d rings wait in a bell", left)
		}
	})
}

func testTopics(t *testing.T, e *ends) {
	e.both(func(from, to bus.Bus) {
		one, other := name("apart"), name("apart")
		bell, quiet := to.Listen(one), to.Listen(other)
		defer bell.Close()
		defer quiet.Close()
		e.heard(first(bell, from, one))
		e.heard(first(quiet, from, other))
		const rounds = 50
		for range rounds {
			from.Ring(one)
			e.heard(bell)
			select {
			case <-quiet.C:
			default:
			}
		}
		e.fence(from, to)
		drain(quiet)
		for range rounds {
			from.Ring(one)
			e.heard(bell)
		}
		if drain(quiet) > 0 {
			t.Error("a bell of another topic has rung")
		}
	})
}

func testRingNobody(t *testing.T, e *ends) {
	e.both(func(from, to bus.Bus) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			topic := name("nobody")
			for i := range 10_000 {
				from.Ring(fmt.Sprintf("%s-%d", topic, i))
			}
		}()
		select {
		case <-done:
		case <-time.After(limit):
			t.Fatal("ringing has blocked")
		}
		e.fence(from, to)
	})
}

func testClose(t *testing.T, e *ends) {
	e.both(func(from, to bus.Bus) {
		topic := name("closed")
		bell, open := to.Listen(topic), to.Listen(topic)
		defer open.Close()
		e.heard(first(bell, from, topic))
		e.heard(first(open, from, topic))
		e.fence(from, to)
		bell.Close()
		bell.Close()
		drain(bell)
		for range 20 {
			from.Ring(topic)
			e.heard(open)
		}
		if drain(bell) > 0 {
			t.Error("a closed bell has rung")
		}
	})
}

// testFirstRing rings at the very moment of listening: whoever looks after Listen has
// returned, and again when the bell rings, sees what was before the ring.
func testFirstRing(t *testing.T, e *ends) {
	e.both(func(from, to bus.Bus) {
		for range 20 {
			topic := name("early")
			bell := to.Listen(topic)
			from.Ring(topic)
			e.heard(bell)
			bell.Close()
		}
	})
}
