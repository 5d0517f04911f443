package agent_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"virga/service/compute/hypervisor"
	"virga/service/compute/hypervisor/fake"
	"virga/service/compute/orders"
)

// TestADoubtfulReportIsRepeated has the controller seem not to get a report. It may arrive later
// and take the place of a newer one, so the state is told once more when that is over.
func TestADoubtfulReportIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, fake.Options{})
		defer r.stop()
		lost := true
		r.controller.holdReports(func() {
			r.controller.mu.Lock()
			defer r.controller.mu.Unlock()
			r.controller.refuse = nil
			if lost {
				lost, r.controller.refuse = false, errors.New("the answer was lost")
			}
		})
		r.order(func(o *orders.GuestOrder) { o.Desired = orders.Running })
		reports := func(after time.Duration) int {
			time.Sleep(after)
			synctest.Wait()
			r.controller.mu.Lock()
			defer r.controller.mu.Unlock()
			return len(r.controller.reports)
		}
		if n := reports(time.Minute); n != 1 {
			t.Errorf("%d reports while the first may still arrive", n)
		}
		if n := reports(2 * time.Minute); n != 2 {
			t.Errorf("%d reports when it cannot any more", n)
		}
		if n := reports(time.Hour); n != 2 {
			t.Errorf("%d reports when there is no doubt", n)
		}
	})
}

// TestAGuestThatRanForAMomentIsReportedSo has a guest go down by itself before its agent sees
// it run: whoever waits for that hears of it, and then that it is down.
func TestAGuestThatRanForAMomentIsReportedSo(t *testing.T) {
	var r *rig
	var once sync.Once
	r = newRig(t, fake.Options{Faults: func(verb, _ string) fake.Fault {
		if verb == "GetGuest" {
			once.Do(func() {
				if err := r.driver.SetPower(context.Background(), server, hypervisor.Shutdown); err != nil {
					t.Error(err)
				}
			})
		}
		return fake.Fault{}
	}})
	r.order(func(o *orders.GuestOrder) { o.Desired = orders.Running })
	r.until("running", state(1, orders.StateRunning))
	r.until("stopped", state(1, orders.StateStopped))
	r.controller.mu.Lock()
	defer r.controller.mu.Unlock()
	if first := r.controller.reports[0]; first.State != orders.StateRunning || first.PowerState != int(hypervisor.Running) {
		t.Errorf("first it was reported as %+v", first)
	}
}
