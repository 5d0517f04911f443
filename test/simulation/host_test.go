package simulation_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"virga/core/api"
	"virga/core/token"
	computeagent "virga/service/compute/agent"
	"virga/service/compute/hypervisor"
	fakevirt "virga/service/compute/hypervisor/fake"
	networkagent "virga/service/network/agent"
	fakefabric "virga/service/network/fabric/fake"
)

// host is a machine: its drivers outlive its agents.
type host struct {
	sim     *sim
	name    string
	agents  *process
	virt    *fakevirt.Driver
	fabric  *fakefabric.Driver
	address int
	// cut is set while nothing reaches the host and it reaches nobody.
	cut atomic.Bool
}

// errFault is what the drivers say when the director has them fail.
var (
	errFault   = fmt.Errorf("simulated fault: %w", hypervisor.ErrUnavailable)
	errRefusal = fmt.Errorf("%w: simulated refusal", hypervisor.ErrInvalid)
)

// addHost makes a machine and has its agents run.
func (s *sim) addHost(ctx context.Context, n int, exchange *computeagent.Exchange) error {
	h := &host{sim: s, name: fmt.Sprint("host", n), address: n}
	clock := newClock(s.seed, h.name, 0)
	var err error
	if h.fabric, err = fakefabric.New(fakefabric.Config{}); err != nil {
		return err
	}
	if h.virt, err = fakevirt.New(fakevirt.Options{Clock: clock, HostName: h.name, MemoryMiB: 16 << 10, Faults: h.fault, DeviceExists: h.hasTap}); err != nil {
		return err
	}
	h.agents = &process{sim: s, name: h.name, run: func(l *life) error { return h.run(l, exchange) }}
	s.hosts = append(s.hosts, h)
	s.all.Go(func() { h.agents.keep(ctx) })
	return nil
}

func (h *host) close() { _, _ = h.virt.Close(), h.fabric.Close() }

// fault asks the director what befalls a verb of the hypervisor.
func (h *host) fault(verb, id string) fakevirt.Fault {
	l := h.agents.now.Load()
	if h.sim.looking.Load() || l == nil || verb == "Watch" || verb == "EnsureImage" { // which guest's image, nobody tells
		return fakevirt.Fault{}
	}
	v := h.sim.director.ask(l, matterDriver, h.name+" does "+verb+" "+id)
	f := fakevirt.Fault{Delay: v.pause}
	switch {
	case v.failsBefore || v.dead:
		f.Before = errFault
	case v.refuses && verb == "EnsureGuest": // what was there can always be taken away
		f.Before = errRefusal
	}
	if v.failsAfter {
		f.After = errFault
	}
	return f
}

func (h *host) hasTap(tap string) bool {
	for id := range h.fabric.Snapshot().Ports {
		if strings.HasPrefix("tap"+id, tap) {
			return true
		}
	}
	return false
}

// run is one life of the host's agents.
func (h *host) run(l *life, exchange *computeagent.Exchange) error {
	s := h.sim
	node := &token.Identity{UserID: "node:" + h.name, Roles: []token.Role{{Name: "node"}}}
	to := func(name string) api.Client {
		return (&wire{sim: s, from: l, host: h, to: s.services[name], identity: node}).client()
	}
	networking := networkagent.New(networkagent.Config{Host: h.name, VTEP: tunnelAddress(h.address), Driver: h.fabric, Bus: bells{s.bus, l}, Log: s.log,
		StartedAt: l.clock.Now(), Controller: &networkagent.HTTPController{Client: to("network")}, Metadata: noDocuments{}, Chance: l.clock.chanceOf("network")})
	computing := computeagent.New(computeagent.Config{Host: h.name, HostIP: tunnelAddress(h.address).String(), Driver: h.virt, Bus: bells{s.bus, l}, Log: s.log,
		Controller: &computeagent.HTTPController{Client: to("compute")}, Images: s.gallery.of(h.name), Uploads: s.gallery.of(h.name), Chance: l.clock.chanceOf("compute"), Strain: func() (int64, [3]float64) { return 0, [3]float64{} },
		TransferURL: exchange.URL(h.name), Transfers: &http.Client{Transport: cable{h, l, exchange.Client(h.name).Transport}}})
	exchange.Add(h.name, computing)
	var agents sync.WaitGroup
	var errs [2]error
	agents.Go(func() { errs[0] = networking.Run(l.ctx) })
	agents.Go(func() { errs[1] = computing.Run(l.ctx) })
	agents.Wait()
	return errors.Join(errs[:]...)
}

// cable is a host's way to other hosts.
type cable struct {
	host *host
	life *life
	next http.RoundTripper
}

func (c cable) RoundTrip(r *http.Request) (*http.Response, error) {
	label := c.host.name + " fetches " + r.URL.Path
	v := c.host.sim.director.ask(c.life, matterCall, label)
	if v.dead || !c.host.sim.director.askAfter(r.Context(), c.life, v.pause, label) {
		return nil, errDead
	}
	for _, h := range c.host.sim.hosts {
		there := strings.HasPrefix(r.URL.Host, h.name+".") && (h.cut.Load() || h.agents.now.Load() == nil)
		if there || v.lost || c.host.cut.Load() {
			return nil, errLost
		}
	}
	return c.next.RoundTrip(r)
}

// noDocuments is for guests that never ask.
type noDocuments struct{}

func (noDocuments) StorePassword(context.Context, string, string) (int, error) {
	return http.StatusNotFound, nil
}

func (noDocuments) ServeMetadata(context.Context, string, string) (int, string, []byte, error) {
	return http.StatusNotFound, "", nil, nil
}

var imageContent = []byte("the disk of a tiny guest")

// powerOff has a guest of the host go down by itself, if there is one.
func (h *host) powerOff(ctx context.Context, choose func(n int) int) {
	h.sim.looking.Store(true)
	defer h.sim.looking.Store(false)
	guests, err := h.virt.ListGuests(ctx)
	if err != nil || len(guests) == 0 {
		return
	}
	g := guests[choose(len(guests))]
	if g.Power == hypervisor.Running {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		_ = h.virt.SetPower(ctx, g.ID, hypervisor.Shutdown) // it may be gone in between
	}
}
