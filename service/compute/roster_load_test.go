package compute_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"

	"virga/core/clock"
	"virga/service/compute"
	"virga/service/compute/orders"
)

// TestServersOfAHostAreCounted: what comes and goes counts at once, also for a limit of an aggregate, and in the next life of the process.
func TestServersOfAHostAreCounted(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.startNode("host1", 1<<20)
	r.startNode("host2", 16_384)
	limited := func() {
		r.halt()
		r.scheduler = compute.SchedulerSettings{Filters: []string{"ComputeFilter", "AggregateNumInstancesFilter"}, MaxServers: 1}
		r.begin()
	}
	limited()
	path := r.aggregate("roomy", "null")
	r.do(admin(), latest, "POST", path+"/action", `{"set_metadata":{"metadata":{"max_instances_per_host":"2"}}}`).want(200, "")
	r.do(admin(), latest, "POST", path+"/action", `{"add_host":{"host":"host1"}}`).want(200, "")
	var ids []string
	on := map[string]int{}
	for range 3 {
		id := r.create("")
		on[r.waitStatus(id, "ACTIVE").str("server", "OS-EXT-SRV-ATTR:host")]++
		ids = append(ids, id)
	}
	if on["host1"] != 2 || on["host2"] != 1 {
		t.Errorf("servers %v", on)
	}
	full := func() {
		t.Helper()
		id := r.create("")
		r.waitStatus(id, "ERROR").want(200, "it has as many servers as it may have")
		r.do(member(projectID), latest, "DELETE", "/v2.1/servers/"+id, "").want(204, "")
		r.waitGone(id)
	}
	full()
	r.do(member(projectID), latest, "DELETE", "/v2.1/servers/"+ids[0], "").want(204, "")
	r.waitGone(ids[0])
	r.waitStatus(r.create(""), "ACTIVE")
	full()
	limited()
	full()
}

// TestSeveralSchedulersKeepALimit has two processes choose for servers that come at once.
func TestSeveralSchedulersKeepALimit(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for i := range 3 {
		r.startNode(fmt.Sprintf("host%d", i), 65_536)
	}
	r.halt()
	r.scheduler = compute.SchedulerSettings{Filters: []string{"ComputeFilter", "NumInstancesFilter"}, MaxServers: 2}
	r.begin()
	other, err := compute.New(t.Context(), compute.Deps{DB: r.db, Bus: r.bus, Clock: clock.System{}, Log: slog.New(slog.DiscardHandler), Auth: &r.badges, Endpoint: "http://cloud/compute",
		Owner: "other", Scheduler: r.scheduler, Images: images{r.world}, Networks: networks{r.world}, Placement: placement{r.world}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- other.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	r.create(`,"min_count":9`)
	var states map[string]int
	r.waitFor("all servers to be there or not", func() bool {
		states = map[string]int{}
		for _, s := range r.do(admin(), latest, "GET", "/v2.1/servers/detail?all_tenants=1", "").at("servers").([]any) {
			server := s.(map[string]any)
			states[server["status"].(string)]++
			if host, _ := server["OS-EXT-SRV-ATTR:host"].(string); host != "" && server["status"] != "ERROR" {
				states[host]++
			}
		}
		return states["ACTIVE"]+states["ERROR"] == 9
	})
	if states["ACTIVE"] != 6 || states["host0"] != 2 || states["host1"] != 2 || states["host2"] != 2 {
		t.Errorf("servers %v", states)
	}
}

// TestHostsOnWhichServersFailAreAvoided until one can be made there.
func TestHostsOnWhichServersFailAreAvoided(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	big := r.startNode("big", 1<<20)
	r.startNode("small", 16_384)
	big.setFail(func(o orders.GuestOrder) *orders.Error {
		if o.Desired == orders.Running {
			return &orders.Error{Class: orders.Elsewhere, Message: "no space left on host"}
		}
		return nil
	})
	r.waitStatus(r.create(""), "ACTIVE").want(200, `"OS-EXT-SRV-ATTR:host":"small"`)
	big.setFail(nil)
	r.halt()
	r.begin() // which reads loads at once
	r.waitStatus(r.create(""), "ACTIVE").want(200, `"OS-EXT-SRV-ATTR:host":"small"`)
	body := createBody(`,"availability_zone":"nova:big"`)
	id := r.do(admin(), latest, "POST", "/v2.1/servers", body).want(202, "").str("server", "id")
	r.waitStatus(id, "ACTIVE").want(200, `"OS-EXT-SRV-ATTR:host":"big"`)
	r.halt()
	r.begin()
	r.waitStatus(r.create(""), "ACTIVE").want(200, `"OS-EXT-SRV-ATTR:host":"big"`)
}
