package bus_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"virga/core/bus"
)

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
	bell.Close()
	b.Ring("x")
	select {
	case <-bell.C:
		t.Error("a closed bell rang")
	default:
	}
}

func TestCallReachesTheLatestParty(t *testing.T) {
	b := bus.NewLocal()
	if _, err := b.Call(t.Context(), "node", "log", nil); !errors.Is(err, bus.ErrNobody) {
		t.Errorf("call to nobody: %v", err)
	}
	stopOld := b.Serve("node", func(context.Context, string, []byte) ([]byte, error) { return []byte("old"), nil })
	stop := b.Serve("node", func(_ context.Context, q string, in []byte) ([]byte, error) { return append([]byte(q), in...), nil })
	stopOld() // does not take the place of the newer one away
	got, err := b.Call(t.Context(), "node", "log", []byte("7"))
	if err != nil || string(got) != "log7" {
		t.Errorf("answer %q, %v", got, err)
	}
	stop()
	if _, err := b.Call(t.Context(), "node", "log", nil); !errors.Is(err, bus.ErrNobody) {
		t.Errorf("call after the end: %v", err)
	}
}

func TestCallEndsWithItsDeadline(t *testing.T) {
	b := bus.NewLocal()
	release := make(chan struct{})
	defer close(release)
	defer b.Serve("node", func(context.Context, string, []byte) ([]byte, error) { <-release; return nil, nil })()
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := b.Call(ctx, "node", "log", nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("call without answer: %v", err)
	}
}

func TestPanicIsTheAnswersOwn(t *testing.T) {
	b := bus.NewLocal()
	defer b.Serve("node", func(context.Context, string, []byte) ([]byte, error) { panic("a bug") })()
	if _, err := b.Call(t.Context(), "node", "log", nil); err == nil {
		t.Error("a party that panicked has answered")
	}
}
