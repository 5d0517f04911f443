package app

import (
	"container/heap"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"
	"time"

	"virga/core/bus"
	computeagent "virga/service/compute/agent"
	fakevirt "virga/service/compute/hypervisor/fake"
	"virga/service/compute/orders"
	networkagent "virga/service/network/agent"
	fakefabric "virga/service/network/fabric/fake"
)

// turn is something that an agent does when its time has come or its bell rang.
type turn struct {
	// do returns when it is to come again; rung tells that the bell rang since the last time.
	do func(ctx context.Context, rung bool) time.Duration
	// at and place belong to the heap; place is -1 outside it: while the turn runs, before it was added.
	at    time.Time
	place int
	rung  bool
}

// turns lets many agents share few goroutines and one timer.
type turns struct {
	mu    sync.Mutex
	order turnHeap
	// woken tells the one that waits for the next turn that there is an earlier one.
	woken chan struct{}
}

func newTurns() *turns { return &turns{woken: make(chan struct{}, 1)} }

// add has a turn begin at a time.
func (ts *turns) add(t *turn, at time.Time) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	t.at = at
	heap.Push(&ts.order, t)
	ts.wake()
}

// ring has a turn come now; when it runs, once more afterwards.
func (ts *turns) ring(t *turn) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	t.rung = true
	if t.place >= 0 {
		t.at = time.Now()
		heap.Fix(&ts.order, t.place)
		ts.wake()
	}
}

func (ts *turns) wake() {
	select {
	case ts.woken <- struct{}{}:
	default:
	}
}

// next takes the turn whose time has come, or says how long there is none.
func (ts *turns) next() (t *turn, rung bool, wait time.Duration) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if len(ts.order) == 0 {
		return nil, false, time.Hour
	}
	if wait = time.Until(ts.order[0].at); wait > 0 {
		return nil, false, wait
	}
	t = heap.Pop(&ts.order).(*turn)
	t.place, rung, t.rung = -1, t.rung, false
	return t, rung, 0
}

// run carries out turns, several at once, until ctx ends.
func (ts *turns) run(ctx context.Context, workers int) {
	type ready struct {
		t    *turn
		rung bool
	}
	work := make(chan ready)
	var all sync.WaitGroup
	defer all.Wait()
	defer close(work)
	for range workers {
		all.Go(func() {
			for r := range work {
				again := time.Now().Add(r.t.do(ctx, r.rung))
				ts.mu.Lock()
				if r.t.at = again; r.t.rung {
					r.t.at = time.Now()
				}
				heap.Push(&ts.order, r.t)
				ts.wake()
				ts.mu.Unlock()
			}
		})
	}
	for ctx.Err() == nil {
		t, rung, wait := ts.next()
		if t != nil {
			work <- ready{t, rung}
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-ts.woken:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// turnHeap has the earliest turn first.
type turnHeap []*turn

func (h turnHeap) Len() int           { return len(h) }
func (h turnHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }

func (h turnHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

// Push implements heap.Interface.
func (h *turnHeap) Push(x any) {
	t := x.(*turn)
	t.place = len(*h)
	*h = append(*h, t)
}

// Pop implements heap.Interface.
func (h *turnHeap) Pop() any {
	last := (*h)[len(*h)-1]
	(*h)[len(*h)-1] = nil
	*h = (*h)[:len(*h)-1]
	return last
}

// ringing is a bus that lets turns come when their topic rings, without a listener for each.
type ringing struct {
	bus.Bus
	hosts *simHosts
}

// Ring implements bus.Bus.
func (r ringing) Ring(topic string) {
	r.Bus.Ring(topic)
	if strings.HasPrefix(topic, "compute.node.") || strings.HasPrefix(topic, "network.node.") {
		r.hosts.ring(topic)
	}
}

// simHosts are simulated hosts: the agents of real ones over drivers that only remember.
type simHosts struct {
	turns *turns
	mu    sync.RWMutex
	looks map[string]*turn // by topic
	end   []func()
}

func newSimHosts() *simHosts { return &simHosts{turns: newTurns(), looks: map[string]*turn{}} }

func (h *simHosts) ring(topic string) {
	h.mu.RLock()
	t := h.looks[topic]
	h.mu.RUnlock()
	if t != nil {
		h.turns.ring(t)
	}
}

// The size of a simulated host.
const (
	simVCPUs     = 64
	simMemoryMiB = 256 << 10
	simDiskGiB   = 4 << 10
	// simWorkers is how many turns of all hosts run at once.
	simWorkers = 16
	// simArrivals is how many hosts come per second at the beginning.
	simArrivals = 200
)

// simName is the name of a simulated host; simVTEP its tunnel address, of the range for benchmarks.
func simName(i int) string { return fmt.Sprintf("sim-%05d", i) }

func simVTEP(i int) netip.Addr {
	base := netip.MustParseAddr("198.18.0.0").As4()
	binary.BigEndian.PutUint32(base[:], binary.BigEndian.Uint32(base[:])+uint32(i)+1) //nolint:gosec // there are fewer hosts than addresses
	return netip.AddrFrom4(base)
}

// add makes host number i, which begins within spread. Its agents work until ctx ends.
func (h *simHosts) add(ctx context.Context, cl *cloud, i int, spread time.Duration) error {
	name := simName(i)
	virt, err := fakevirt.New(fakevirt.Options{Clock: cl.clock, HostName: name, VCPUs: simVCPUs, MemoryMiB: simMemoryMiB, DiskGiB: simDiskGiB})
	if err != nil {
		return err
	}
	data, err := fakefabric.New(fakefabric.Config{})
	if err != nil {
		return err
	}
	identity, vtep := nodeIdentity(name), simVTEP(i)
	computing := computeagent.New(computeagent.Config{
		Host: name, HostIP: vtep.String(), Version: cl.version, Driver: virt, Bus: cl.bus, Log: cl.log,
		Controller: &computeagent.HTTPController{Client: cl.client("compute", identity, nil)},
		Images:     images{cl.client("image", identity, nil)}, Uploads: images{cl.client("image", identity, nil)},
	})
	if err := computing.Begin(ctx); err != nil {
		return err
	}
	networking := networkagent.New(networkagent.Config{
		Host: name, VTEP: vtep, Version: cl.version, Driver: data, Bus: cl.bus, Log: cl.log, StartedAt: cl.clock.Now(),
		Controller: &networkagent.HTTPController{Client: cl.client("network", identity, nil)},
		Metadata:   metadata{cl.client("compute", identity, nil)},
	})
	h.mu.Lock()
	h.end = append(h.end, computing.End, networking.Close, func() { _ = virt.Close() }, func() { _ = data.Close() })
	h.mu.Unlock()
	begin := time.Now().Add(rand.N(spread))
	h.enter(orders.Topic(name), begin, computing.Beat, func(ctx context.Context, _ bool) time.Duration { return computing.Look(ctx) })
	h.enter(networkagent.Topic(name), begin, networking.Beat, networking.Look)
	return nil
}

// enter gives an agent its two turns: signs of life, and a look when there is news.
func (h *simHosts) enter(topic string, begin time.Time, beat func(context.Context) (time.Duration, bool), look func(context.Context, bool) time.Duration) {
	looking := &turn{do: look, place: -1}
	began := false
	beating := &turn{do: func(ctx context.Context, _ bool) time.Duration {
		next, news := beat(ctx)
		if !began { // before its first sign of life a host has nothing to ask for
			began = true
			h.mu.Lock()
			h.looks[topic] = looking
			h.mu.Unlock()
			h.turns.add(looking, time.Now())
		} else if news {
			h.turns.ring(looking)
		}
		return next
	}}
	h.turns.add(beating, begin)
}

// run has all hosts work until ctx ends and then waits for what is at hand.
func (h *simHosts) run(ctx context.Context) error {
	h.turns.run(ctx, simWorkers)
	for _, end := range h.end {
		end()
	}
	return nil
}
