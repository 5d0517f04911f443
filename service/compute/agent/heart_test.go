package agent_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"virga/core/bus"
	"virga/core/clock"
	"virga/service/compute/agent"
	"virga/service/compute/hypervisor/fake"
	"virga/service/compute/orders"
)

// keeper is a controller that counts what an agent tells of its host.
type keeper struct {
	controller
	reports, signs, leaves int
	answer                 orders.AliveAnswer
	trouble                error
}

func (k *keeper) ReportHost(context.Context, string, orders.Host) error {
	k.reports++
	return k.trouble
}

func (k *keeper) Alive(_ context.Context, _ string, sign orders.Alive) (orders.AliveAnswer, error) {
	if sign.Leaving {
		k.leaves++
	} else {
		k.signs++
	}
	return k.answer, k.trouble
}

func newBeating(t *testing.T) (*keeper, *agent.Agent) {
	t.Helper()
	driver, err := fake.New(fake.Options{Clock: clock.System{}, HostName: host})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = driver.Close() })
	k := &keeper{answer: orders.AliveAnswer{NextMilliseconds: 3000}}
	return k, agent.New(agent.Config{Host: host, Driver: driver, Controller: k, Bus: bus.NewLocal(), Log: slog.New(slog.DiscardHandler)})
}

func TestHostIsDescribedSeldomAndAliveOften(t *testing.T) {
	k, a := newBeating(t)
	if err := a.Ready(t.Context()); err == nil {
		t.Error("ready before the host was described")
	}
	for range 100 {
		next, news := a.Beat(t.Context())
		if next > 3*time.Second || next < 2700*time.Millisecond || news {
			t.Fatalf("next after %s, news %v", next, news)
		}
	}
	if k.signs != 100 || k.reports < 5 || k.reports > 7 {
		t.Errorf("%d signs of life and %d descriptions", k.signs, k.reports)
	}
	if err := a.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAnUnknownHostIsDescribedAgain(t *testing.T) {
	k, a := newBeating(t)
	a.Beat(t.Context())
	k.answer.Report = true
	if next, _ := a.Beat(t.Context()); next > time.Second {
		t.Errorf("waits %s", next)
	}
	k.answer.Report = false
	a.Beat(t.Context())
	if k.reports != 2 {
		t.Errorf("%d descriptions", k.reports)
	}
}

func TestBeatTellsOfOrdersThatNoBellRangFor(t *testing.T) {
	k, a := newBeating(t)
	k.answer.Generation, k.generation = 4, 4
	if _, news := a.Beat(t.Context()); !news {
		t.Error("generation 4 is no news")
	}
	a.Look(t.Context())
	if _, news := a.Beat(t.Context()); news {
		t.Error("generation 4 is news after it was looked at")
	}
	k.answer.Generation = 2 // an older database
	if _, news := a.Beat(t.Context()); !news {
		t.Error("an older generation is no news")
	}
}

func TestBeatIsTriedAgainSoonAndThenMoreSeldom(t *testing.T) {
	k, a := newBeating(t)
	k.trouble = errors.New("away")
	first, _ := a.Beat(t.Context())
	second, _ := a.Beat(t.Context())
	if first > time.Second || second <= first {
		t.Errorf("pauses %s and %s", first, second)
	}
	a.Leave(t.Context())
	if k.leaves != 0 {
		t.Error("a host that was never known leaves")
	}
	k.trouble = nil
	a.Beat(t.Context())
	a.Leave(t.Context())
	if k.leaves != 1 {
		t.Errorf("left %d times", k.leaves)
	}
}

func TestAgentThatEndsSaysSo(t *testing.T) {
	r := newRig(t, fake.Options{})
	r.order(func(o *orders.GuestOrder) { o.Desired = orders.Running })
	r.until("running", state(1, orders.StateRunning))
	r.stop()
	r.controller.mu.Lock()
	defer r.controller.mu.Unlock()
	if !r.controller.left || r.controller.signs == 0 {
		t.Errorf("left %v after %d signs of life", r.controller.left, r.controller.signs)
	}
}

func TestImagesThatNobodyNeedsGoWithoutABell(t *testing.T) {
	pruned := make(chan struct{}, 10)
	r := newRig(t, fake.Options{Faults: func(verb, _ string) fake.Fault {
		if verb == "PruneImages" {
			pruned <- struct{}{}
		}
		return fake.Fault{}
	}})
	r.order(func(o *orders.GuestOrder) { o.Desired = orders.Running })
	r.until("running", state(1, orders.StateRunning))
	r.order(func(o *orders.GuestOrder) { o.Desired = orders.Absent })
	r.until("absent", state(2, orders.StateAbsent))
	select {
	case <-pruned:
	case <-time.After(waitTime):
		t.Fatal("the image cache was not looked at after the guest had gone")
	}
}
