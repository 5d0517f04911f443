package bus_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"virga/core/bus"
	"virga/core/bus/suite"
)

func TestLocal(t *testing.T) {
	suite.Run(t, func(*testing.T) (a, b bus.Bus) {
		l := bus.NewLocal()
		return l, l
	})
}

// TestRingsBetweenReadsAreOne is stricter than the suite: nothing is on its way here.
func TestRingsBetweenReadsAreOne(t *testing.T) {
	b := bus.NewLocal()
	bell := b.Listen("x")
	for range 5 {
		b.Ring("x")
	}
	b.Ring("y")
	<-bell.C
	select {
	case <-bell.C:
		t.Error("five rings were heard more than once")
	default:
	}
}

func TestRingAllRingsWhatMatches(t *testing.T) {
	b := bus.NewLocal()
	one, other := b.Listen("one"), b.Listen("other")
	b.RingAll(func(topic string) bool { return topic == "one" })
	<-one.C
	select {
	case <-other.C:
		t.Error("a topic that does not match has rung")
	default:
	}
}

func TestCallWithoutDeadlineEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bus.NewLocal()
		defer b.Serve("node", func(ctx context.Context, _ string, _ []byte) ([]byte, error) { <-ctx.Done(); return nil, ctx.Err() })()
		began := time.Now()
		if _, err := b.Call(t.Context(), "node", "log", nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("call without answer: %v", err)
		}
		if took := time.Since(began); took != bus.MaxWait {
			t.Errorf("it took %v", took)
		}
	})
}
