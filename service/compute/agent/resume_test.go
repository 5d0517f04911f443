package agent_test

import (
	"testing"

	"virga/service/compute/hypervisor"
	"virga/service/compute/hypervisor/fake"
	"virga/service/compute/orders"
)

// asleep has a guest run, the agent end and the guest be off, as after a restart of its host; wasRunning is what the service has heard.
func asleep(t *testing.T, wasRunning, resume bool) *rig {
	t.Helper()
	r := newRig(t, fake.Options{})
	r.order(func(o *orders.GuestOrder) { o.Desired = orders.Running })
	r.until("running", state(1, orders.StateRunning))
	r.stop()
	r.controller.mu.Lock()
	o := r.controller.orders[server]
	o.Settled, o.WasRunning = true, wasRunning
	r.controller.orders[server], r.controller.reports = o, nil
	r.controller.mu.Unlock()
	driver, err := fake.New(r.options)
	if err != nil {
		t.Fatal(err)
	}
	if err := driver.SetPower(t.Context(), server, hypervisor.Shutdown); err != nil {
		t.Fatal(err)
	}
	if err := driver.Close(); err != nil {
		t.Fatal(err)
	}
	r.resume = resume
	r.start()
	return r
}

func TestGuestsAreResumedAfterARestartOfTheHost(t *testing.T) {
	r := asleep(t, true, true)
	r.until("running again", state(1, orders.StateRunning))
	if err := r.driver.SetPower(t.Context(), server, hypervisor.Shutdown); err != nil {
		t.Fatal(err)
	}
	r.until("off by itself, later", state(1, orders.StateStopped))
}

func TestGuestsThatWereOffStayOff(t *testing.T) {
	asleep(t, false, true).until("off as before", state(1, orders.StateStopped))
}

func TestGuestsStayOffWhereNobodyWantsThemResumed(t *testing.T) {
	asleep(t, true, false).until("off", state(1, orders.StateStopped))
}
