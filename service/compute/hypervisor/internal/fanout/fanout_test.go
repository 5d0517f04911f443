package fanout

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"virga/service/compute/hypervisor"
)

func TestASubscriptionStartsWithResyncAndSeesEvents(t *testing.T) {
	var fan Fanout
	events, err := fan.Subscribe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	fan.Publish(hypervisor.Event{ID: "a"})
	if first := <-events; !first.Resync {
		t.Fatalf("first event is %+v", first)
	}
	if second := <-events; second.ID != "a" {
		t.Fatalf("second event is %+v", second)
	}
	fan.Close()
	if _, open := <-events; open {
		t.Fatal("still open after Close")
	}
	if _, err := fan.Subscribe(t.Context()); !errors.Is(err, hypervisor.ErrClosed) {
		t.Fatalf("subscribed after Close: %v", err)
	}
}

func TestASlowReaderLearnsOfItsGap(t *testing.T) {
	var fan Fanout
	events, _ := fan.Subscribe(t.Context())
	for i := range 3 * queued {
		fan.Publish(hypervisor.Event{ID: fmt.Sprint(i)})
	}
	var last hypervisor.Event
	for range queued {
		last = <-events
	}
	if !last.Resync {
		t.Fatalf("the queue ends with %+v", last)
	}
	fan.Publish(hypervisor.Event{ID: "later"})
	if next := <-events; next.ID != "later" {
		t.Fatalf("after the gap came %+v", next)
	}
}

func TestAContextEndsItsSubscriptionAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fan Fanout
		ctx, cancel := context.WithCancel(t.Context())
		short, _ := fan.Subscribe(ctx)
		long, _ := fan.Subscribe(t.Context())
		<-short
		<-long
		cancel()
		synctest.Wait()
		if _, open := <-short; open {
			t.Fatal("still open after its context ended")
		}
		fan.Publish(hypervisor.Event{ID: "a"})
		if event := <-long; event.ID != "a" {
			t.Fatalf("got %+v", event)
		}
		fan.Close()
	})
}
