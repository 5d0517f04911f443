package amqp_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"virga/core/bus"
	"virga/core/bus/amqp"
	"virga/core/bus/bustest"
	"virga/core/bus/suite"
)

// load is what a cloud at work does to its bus, and what it saw.
type load struct {
	t                         *testing.T
	stop                      context.CancelFunc
	running                   sync.WaitGroup
	answered, failed, ringing atomic.Int64
	longest                   atomic.Int64 // the longest call in nanoseconds
	allowed                   []error
}

// callWithin is the deadline of the load's calls.
const callWithin = 3 * time.Second

// start has callers and ringers work at one end until end is called. Errors have to be one
// of allowed.
func start(t *testing.T, from bus.Bus, address string, allowed ...error) *load {
	ctx, stop := context.WithCancel(context.Background())
	l := &load{t: t, stop: stop, allowed: allowed}
	for range 4 {
		l.running.Go(func() {
			for ctx.Err() == nil {
				l.call(from, address)
			}
		})
	}
	l.running.Go(func() {
		for ctx.Err() == nil {
			began := time.Now()
			from.Ring("load.bell.1")
			if took := time.Since(began); took > time.Second {
				t.Errorf("a ring took %v", took)
			}
			bell := from.Listen("load.bell.2")
			bell.Close()
			l.ringing.Add(1)
		}
	})
	t.Cleanup(l.end)
	return l
}

func (l *load) call(from bus.Bus, address string) {
	ctx, cancel := context.WithTimeout(context.Background(), callWithin)
	defer cancel()
	began := time.Now()
	got, err := from.Call(ctx, address, "q", []byte("body"))
	if took := int64(time.Since(began)); took > l.longest.Load() {
		l.longest.Store(took)
	}
	if err == nil {
		if string(got) != "body" {
			l.t.Errorf("answer %q", got)
		}
		l.answered.Add(1)
		return
	}
	l.failed.Add(1)
	for _, allowed := range l.allowed {
		if errors.Is(err, allowed) {
			return
		}
	}
	l.t.Errorf("a call failed with %v", err)
}

func (l *load) end() {
	l.stop()
	l.running.Wait()
}

// more waits until a count has grown.
func more(t *testing.T, what string, count *atomic.Int64) {
	t.Helper()
	before := count.Load()
	suite.Eventually(t, what, func() bool { return count.Load() > before+3 })
}

func echo(_ context.Context, _ string, body []byte) ([]byte, error) { return body, nil }

func away(t *testing.T, b *amqp.Bus) {
	t.Helper()
	suite.Eventually(t, "the loss is noticed", func() bool { return errors.Is(b.Ready(t.Context()), bus.ErrUnavailable) })
}

func back(t *testing.T, b *amqp.Bus) {
	t.Helper()
	suite.Eventually(t, "the bus is connected again", func() bool { return b.Ready(t.Context()) == nil })
}

// TestOutage takes the broker away from two processes at work, by its end and by standing
// still, and gives it back.
func TestOutage(t *testing.T) {
	bustest.EachOwn(t, func(t *testing.T, broker *bustest.Broker) {
		for _, kind := range []struct {
			name       string
			take, give func(testing.TB)
		}{{"stopped", broker.Stop, broker.Start}, {"standing still", broker.Pause, broker.Resume}} {
			t.Run(kind.name, func(t *testing.T) {
				suite.NoLeaks(t)
				a, b := open(t, broker.URL()), open(t, broker.URL())
				b.Serve("outage.node.h1", echo)
				bell := b.Listen("outage.node.h1")
				suite.Eventually(t, "the party is reached", func() bool {
					_, err := a.Call(t.Context(), "outage.node.h1", "q", nil)
					return err == nil
				})
				l := start(t, a, "outage.node.h1", bus.ErrUnavailable, context.DeadlineExceeded)
				more(t, "calls are answered", &l.answered)

				kind.take(t)
				away(t, a)
				away(t, b)
				more(t, "calls fail", &l.failed)
				more(t, "rings do not block", &l.ringing)
				if err := a.Ready(t.Context()); strings.Contains(err.Error(), "s3cret") {
					t.Errorf("the password is told: %v", err)
				}
				own := a.Listen("outage.own.1")
				a.Ring("outage.own.1")
				<-own.C // inside the process bells ring all the same
				select {
				case <-bell.C:
				default:
				}

				kind.give(t)
				back(t, a)
				back(t, b)
				<-bell.C // by itself: somebody may have rung
				more(t, "calls are answered again", &l.answered)
				l.end()
				if longest := time.Duration(l.longest.Load()); longest > callWithin+time.Second {
					t.Errorf("a call took %v", longest)
				}
				suite.Eventually(t, "bells ring again", func() bool {
					a.Ring("outage.node.h1")
					select {
					case <-bell.C:
						return true
					default:
						return false
					}
				})
				suite.Eventually(t, "nobody is nobody again", func() bool {
					_, err := a.Call(t.Context(), "outage.node.none", "q", nil)
					return errors.Is(err, bus.ErrNobody)
				})
				if list := strings.Fields(broker.Control(t, "list_connections", "pid")); len(list) != 2 {
					t.Errorf("two processes have %d connections", len(list))
				}
				if list := strings.Fields(broker.Control(t, "list_queues", "--vhost", bustest.VirtualHost, "name")); len(list) != 5 {
					t.Errorf("the broker has queues %v; each process has two, and there is one address", list)
				}
			})
		}
	})
}

func TestBrokerThatLacksMemory(t *testing.T) {
	bustest.EachOwn(t, func(t *testing.T, broker *bustest.Broker) {
		suite.NoLeaks(t)
		a, b := open(t, broker.URL()), open(t, broker.URL())
		b.Serve("full.node.h1", echo)
		call := func() error {
			ctx, cancel := context.WithTimeout(t.Context(), callWithin)
			defer cancel()
			_, err := a.Call(ctx, "full.node.h1", "q", nil)
			return err
		}
		suite.Eventually(t, "the party is reached", func() bool { return call() == nil })
		broker.Control(t, "set_vm_memory_high_watermark", "absolute", "1MB")
		suite.Eventually(t, "calls fail at once", func() bool {
			began := time.Now()
			return errors.Is(call(), bus.ErrUnavailable) && time.Since(began) < time.Second
		})
		for range 10_000 {
			a.Ring("full.bell.1") // blocks nobody
		}
		broker.Control(t, "set_vm_memory_high_watermark", "absolute", "2GB")
		suite.Eventually(t, "calls are answered again", func() bool { return call() == nil })
	})
}

// TestBrokerThatComesLater has a process start before its broker.
func TestBrokerThatComesLater(t *testing.T) {
	bustest.EachOwn(t, func(t *testing.T, broker *bustest.Broker) {
		suite.NoLeaks(t)
		broker.Stop(t)
		b, err := amqp.Open(t.Context(), broker.URL(), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = b.Close() })
		bell := b.Listen("late.node.h1")
		b.Serve("late.node.h1", echo)
		if _, err := b.Call(t.Context(), "late.node.h1", "q", nil); err != nil {
			t.Errorf("a party of the same process is not reached without a broker: %v", err)
		}
		if _, err := b.Call(t.Context(), "late.node.h2", "q", nil); !errors.Is(err, bus.ErrUnavailable) {
			t.Errorf("a party of another process: %v", err)
		}
		broker.Start(t)
		back(t, b)
		<-bell.C
		if _, err := b.Call(t.Context(), "late.node.h2", "q", nil); !errors.Is(err, bus.ErrUnavailable) {
			t.Errorf("a party that may not have come back yet: %v", err)
		}
		suite.Eventually(t, "nobody is nobody", func() bool {
			_, err := b.Call(t.Context(), "late.node.h2", "q", nil)
			return errors.Is(err, bus.ErrNobody)
		})
		if _, err := b.Call(t.Context(), "late.node.h1", "q", nil); err != nil {
			t.Error(err)
		}
	})
}
