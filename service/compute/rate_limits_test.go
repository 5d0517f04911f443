package compute_test

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"testing"

	"virga/core/bus"
	"virga/core/clock"
	"virga/service/compute"
)

// limited starts a service with rate limits over the rig's database, beside the rig's own.
func (r *rig) limited(rules ...string) *rig {
	r.t.Helper()
	return r.beside(compute.Deps{RateLimits: rules})
}

// with starts a service with unified limits over the rig's database, beside the rig's own.
func (r *rig) with(limits compute.Limits) *rig {
	r.t.Helper()
	return r.beside(compute.Deps{Limits: limits})
}

// beside starts a service that only answers, over the rig's database.
func (r *rig) beside(deps compute.Deps) *rig {
	r.t.Helper()
	other := &rig{t: r.t, db: r.db, bus: bus.NewLocal(), world: r.world, vault: r.vault}
	deps.DB, deps.Bus, deps.Clock, deps.Log, deps.Auth = r.db, other.bus, clock.System{}, slog.New(slog.DiscardHandler), &other.badges
	deps.Endpoint, deps.Owner, deps.Images, deps.Networks, deps.Placement = "http://cloud/compute", "beside", images{r.world}, networks{r.world}, placement{r.world}
	service, err := compute.New(context.Background(), deps)
	if err != nil {
		r.t.Fatal(err)
	}
	other.service = service
	return other
}

func TestRateLimitsHoldForAllProcesses(t *testing.T) {
	r := newRig(t)
	rules := []string{"GET /flavors* 20/hour", "* /os-keypairs 2/day"}
	processes := []*rig{r.limited(rules...), r.limited(rules...)}
	var all sync.WaitGroup
	var mu sync.Mutex
	taken := map[int]int{}
	for i := range 60 {
		all.Go(func() {
			a := processes[i%2].do(member(projectID), "", "GET", "/v2.1/flavors/1", "")
			mu.Lock()
			defer mu.Unlock()
			taken[a.status]++
			if a.status == http.StatusTooManyRequests {
				if wait, err := strconv.Atoi(a.header.Get("Retry-After")); err != nil || wait < 1 || wait > 180 {
					t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
				}
			}
		})
	}
	all.Wait()
	if taken[200] != 20 || taken[http.StatusTooManyRequests] != 40 {
		t.Errorf("of 60 requests at once were answered %v", taken)
	}
	one := processes[0]
	one.do(member(projectID), "", "GET", "/v2.1/flavors", "").want(429, `"overLimit":{"code":429`)
	one.do(member(projectID), "", "GET", "/v2/flavors", "").want(413, "Only 20 GET request(s) can be made to /flavors* every hour.")
	one.do(member(otherID), "", "GET", "/v2.1/flavors", "").want(200, "")
	one.do(member(projectID), "", "GET", "/v2.1/servers", "").want(200, "")
	a := one.do(member(projectID), "", "GET", "/v2.1/limits", "").want(200, `"uri":"/flavors*","regex":"^/flavors.*$"`)
	if a.at("limits", "rate", 0, "limit", 0, "remaining").(interface{ String() string }).String() != "0" || a.str("limits", "rate", 0, "limit", 0, "unit") != "HOUR" {
		t.Errorf("limits %s", a.text)
	}
	one.do(member(otherID), "", "GET", "/v2.1/limits", "").want(200, `"verb":"*","value":2,"remaining":2`)
	r.do(member(projectID), "", "GET", "/v2.1/flavors", "").want(200, "")
	r.do(member(projectID), "", "GET", "/v2.1/limits", "").want(200, `"rate":[]`)
}

func TestRateLimitsThatMeanNothingAreRefused(t *testing.T) {
	r := newRig(t)
	for _, rule := range []string{"", "GET /flavors", "GET flavors 1/minute", "FETCH / 1/minute", "GET / 0/minute", "GET / 1/moon", "GET / x/minute"} {
		_, err := compute.New(context.Background(), compute.Deps{DB: r.db, Bus: bus.NewLocal(), Clock: clock.System{}, Log: slog.New(slog.DiscardHandler),
			Auth: &r.badges, Endpoint: "http://cloud/compute", RateLimits: []string{rule}})
		if err == nil {
			t.Errorf("the rate limit %q is taken", rule)
		}
	}
}
