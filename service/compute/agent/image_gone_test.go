package agent_test

import (
	"fmt"
	"testing"

	"virga/service/compute/agent"
	"virga/service/compute/hypervisor/fake"
	"virga/service/compute/orders"
)

// A guest whose image is neither in the store nor in the cache any more still obeys, as far as its disks are there.
func TestAGuestWithoutItsImageCanBeStopped(t *testing.T) {
	r := newRig(t, fake.Options{})
	r.order(func(o *orders.GuestOrder) { o.Desired = orders.Running })
	r.until("of the running guest", state(1, orders.StateRunning))
	r.stop()
	r.images.mu.Lock()
	r.images.deleted = true
	r.images.mu.Unlock()
	r.options.Faults = func(verb, _ string) fake.Fault {
		if verb == "EnsureImage" {
			return fake.Fault{Before: fmt.Errorf("open image: %w", agent.ErrNoImage)}
		}
		return fake.Fault{}
	}
	r.start()
	r.order(func(o *orders.GuestOrder) { o.Desired = orders.Stopped })
	r.until("of the stopped guest", state(2, orders.StateStopped))
}
