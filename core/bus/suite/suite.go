// Package suite is what every implementation of bus.Bus passes.
//
// It sees a bus from two ends, which may be two processes; for an engine inside one process
// both are the same. What takes a moment to travel between them is waited for. Only tests
// import it.
package suite

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"virga/core/bus"
)

// Open makes a fresh bus and returns two ends of it; they end with the test.
type Open func(t *testing.T) (a, b bus.Bus)

// limit is how long anything may take to travel.
const limit = time.Minute

// Run runs the suite.
func Run(t *testing.T, open Open) {
	tests := []struct {
		name string
		test func(t *testing.T, e *ends)
	}{
		{"RingReachesEveryBell", testRing},
		{"RingsBetweenReadsAreOne", testCoalesce},
		{"TopicsAreApart", testTopics},
		{"RingWithoutListenersDoesNotBlock", testRingNobody},
		{"ClosedBellIsQuiet", testClose},
		{"ListenerIsRungWhenItHears", testFirstRing},
		{"CallHasItsAnswer", testAnswer},
		{"CallHasItsError", testError},
		{"ErrorsKeepTheirMeaning", testMeaning},
		{"PanicIsTheAnswersOwn", testPanic},
		{"CallEndsWithItsDeadline", testDeadline},
		{"CallEndsWithItsContext", testCancel},
		{"NobodyIsThere", testNobody},
		{"LatestPartyIsAsked", testReplace},
		{"StopDoesNotWait", testStop},
		{"BigBodies", testBig},
		{"BodiesBeyondTheBound", testTooBig},
		{"LongNames", testLongNames},
		{"ConcurrentCalls", testConcurrent},
		{"SlowPartyHindersNobody", testSlow},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			NoLeaks(t)
			a, b := open(t)
			tt.test(t, &ends{t, a, b})
		})
	}
}

// ends are the two ends of one bus.
type ends struct {
	t    *testing.T
	a, b bus.Bus
}

// both runs a check from a to b and from b to a.
func (e *ends) both(check func(from, to bus.Bus)) {
	check(e.a, e.b)
	check(e.b, e.a)
}

var names atomic.Int64

// name is a topic or address that no other test uses.
func name(family string) string {
	return fmt.Sprintf("suite.%s.%d-%d", family, time.Now().UnixNano(), names.Add(1))
}

// NoLeaks fails a test that leaves goroutines behind when all its other cleanups are done.
func NoLeaks(t *testing.T) {
	t.Helper()
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		Eventually(t, "the test's goroutines end", func() bool { return runtime.NumGoroutine() <= before })
		if t.Failed() {
			stacks := make([]byte, 1<<20)
			t.Logf("%s", stacks[:runtime.Stack(stacks, true)])
		}
	})
}

// Eventually waits for a condition that nothing announces.
func Eventually(t *testing.T, what string, met func() bool) {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for end := time.Now().Add(limit); !met(); {
		if time.Now().After(end) {
			t.Errorf("%s: not within %v", what, limit)
			return
		}
		<-ticker.C
	}
}

// heard waits for a ring.
func (e *ends) heard(bell *bus.Bell) {
	e.t.Helper()
	select {
	case <-bell.C:
	case <-time.After(limit):
		e.t.Fatal("a ring was not heard")
	}
}

// fence rings and hears so often that what was on its way before has arrived. A ring that
// was dropped in a crowd is repeated.
func (e *ends) fence(from, to bus.Bus) {
	e.t.Helper()
	topic := name("fence")
	bell := to.Listen(topic)
	defer bell.Close()
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	end := time.Now().Add(limit)
	for heard := 0; heard < 20; {
		from.Ring(topic)
		select {
		case <-bell.C:
			heard++
		case <-again.C:
		}
		if time.Now().After(end) {
			e.t.Fatal("the bus carries no rings any more")
		}
	}
}

// first makes sure that a bell will ring at least once more even where a bell does not ring
// by itself when it begins to hear.
func first(bell *bus.Bell, from bus.Bus, topic string) *bus.Bell {
	from.Ring(topic)
	return bell
}

// drain counts the rings that wait.
func drain(bell *bus.Bell) int {
	for count := 0; ; count++ {
		select {
		case <-bell.C:
		default:
			return count
		}
	}
}

// probe is answered by every party of the suite, so that one can tell that it is there.
const probe = "are you there"

// serve serves an address at one end and waits until the other reaches it.
func (e *ends) serve(from, to bus.Bus, address string, answer bus.Answer) (stop func()) {
	e.t.Helper()
	id := name("party")
	stop = to.Serve(address, func(ctx context.Context, question string, body []byte) ([]byte, error) {
		if question == probe {
			return []byte(id), nil
		}
		return answer(ctx, question, body)
	})
	e.t.Cleanup(stop)
	Eventually(e.t, "the party is reached", func() bool {
		got, err := e.ask(from, address, probe, nil)
		if err != nil && !errors.Is(err, bus.ErrNobody) {
			e.t.Fatal(err)
		}
		return string(got) == id
	})
	return stop
}

// ask is a call with a deadline that it does not need.
func (e *ends) ask(from bus.Bus, address, question string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(e.t.Context(), limit)
	defer cancel()
	return from.Call(ctx, address, question, body)
}
