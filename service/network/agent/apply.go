package agent

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"virga/service/network/desired"
	"virga/service/network/fabric"
)

// side is how many objects of one kind are worked on at once.
const side = 4

// kind is a word for what the driver ensures.
type kind string

const (
	kindNetwork kind = "network"
	kindPort    kind = "port"
	kindRouter  kind = "router"
	kindSet     kind = "address set"
)

// applied remembers what the driver was last given, so that it is asked only about what changed.
type applied struct {
	mu      sync.Mutex
	objects map[object]any
	// trouble is what the driver last said of an object that does not stand.
	trouble map[object]string
}

type object struct {
	kind kind
	id   string
}

// forget has everything ensured anew.
func (a *applied) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.objects, a.trouble = map[object]any{}, map[object]string{}
}

// failed notes what the driver says of an object; true when it says something new.
func (a *applied) failed(which object, why string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	news := a.trouble[which] != why
	if a.trouble == nil {
		a.trouble = map[object]string{}
	}
	a.trouble[which] = why
	return news
}

// done tells whether exactly this was applied before.
func (a *applied) done(which object, wish any) bool {
	a.mu.Lock()
	last := a.objects[which]
	a.mu.Unlock()
	return reflect.DeepEqual(last, wish)
}

// set remembers what was applied; nil: nothing that could be relied on.
func (a *applied) set(which object, wish any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if wish == nil {
		delete(a.objects, which)
		return
	}
	if a.objects == nil {
		a.objects = map[object]any{}
	}
	a.objects[which] = wish
	delete(a.trouble, which)
}

// apply makes the host as state says: what must go goes first, so that its names and
// addresses are free, networks after what is plugged into them and address sets last, when
// no rule refers to them. It reports what stands and tells whether all does.
func (a *Agent) apply(ctx context.Context, state *desired.State, wanted *wanted) bool {
	there, err := a.standing(ctx)
	if err != nil && ctx.Err() == nil {
		a.cfg.Log.Warn("list the data plane", "host", a.cfg.Host, "error", err)
	}
	cleared := a.clear(ctx, there, wanted) && err == nil
	whole := a.prepare(ctx, wanted)
	whole = a.respond(ctx, state) && whole
	ports, routers := a.connect(ctx, wanted)
	sets := names(wanted.sets, func(s fabric.AddressSet) string { return s.ID })
	cleared = a.away(ctx, kindSet, there.AddressSets, sets, a.cfg.Driver.RemoveAddressSet) && cleared
	a.there, a.unsure = wanted.inventory(), !cleared
	for _, status := range ports {
		whole = whole && settled(status)
	}
	for _, status := range routers {
		whole = whole && settled(status)
	}
	err = errors.Join(
		a.report(ctx, "ports", ports, a.said.ports, a.cfg.Controller.ReportPorts),
		a.report(ctx, "routers", routers, a.said.routers, a.cfg.Controller.ReportRouters))
	if err != nil && ctx.Err() == nil {
		a.cfg.Log.Warn("report statuses", "host", a.cfg.Host, "error", err)
	}
	return whole && cleared && err == nil
}

// prepare ensures what ports and routers rest on, several at once, so that one that takes
// its time does not hold up the others.
func (a *Agent) prepare(ctx context.Context, wanted *wanted) bool {
	var group errgroup.Group
	group.SetLimit(side)
	var wrong atomic.Bool
	each := func(which object, wish any, call func() error) {
		group.Go(func() error {
			if !settled(a.ensure(ctx, which, wish, call)) {
				wrong.Store(true)
			}
			return nil
		})
	}
	for _, network := range wanted.networks {
		each(object{kindNetwork, network.ID}, network, func() error { return a.cfg.Driver.EnsureNetwork(ctx, network) })
	}
	for _, set := range wanted.sets {
		each(object{kindSet, set.ID}, set, func() error { return a.cfg.Driver.EnsureAddressSet(ctx, set) })
	}
	_ = group.Wait() // none of them returns an error
	return !wrong.Load()
}

// settled tells whether trying again is of no use: what can never stand as it is (ERROR) waits for a change or for the next repair.
func settled(status desired.Status) bool {
	return status.Detail == "" || status.Status == desired.StatusError
}

// connect ensures ports and routers and tells how each stands.
func (a *Agent) connect(ctx context.Context, wanted *wanted) (ports, routers desired.StatusReport) {
	ports, routers = desired.StatusReport{}, desired.StatusReport{}
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(side)
	for _, port := range wanted.ports {
		group.Go(func() error {
			status := a.ensure(ctx, object{kindPort, port.ID}, port, func() error { return a.cfg.Driver.EnsurePort(ctx, port) })
			if status.Status == desired.StatusActive && !port.AdminUp {
				status.Status = desired.StatusDown
			}
			mu.Lock()
			defer mu.Unlock()
			ports[port.ID] = status
			return nil
		})
	}
	for _, router := range wanted.routers {
		group.Go(func() error {
			status := a.ensure(ctx, object{kindRouter, router.ID}, router, func() error { return a.cfg.Driver.EnsureRouter(ctx, router) })
			if status.Status == desired.StatusActive {
				for _, ip := range router.FloatingIPs {
					status.FloatingIPs = append(status.FloatingIPs, ip.ID)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			routers[router.ID] = status
			return nil
		})
	}
	_ = group.Wait() // none of them returns an error
	return ports, routers
}

// ensure calls the driver when the object is not known to stand as it should.
func (a *Agent) ensure(ctx context.Context, which object, wish any, call func() error) desired.Status {
	if a.applied.done(which, wish) {
		return desired.Status{Status: desired.StatusActive}
	}
	a.applied.set(which, nil)
	err := call()
	if err == nil {
		a.applied.set(which, wish)
		a.said.forget(which.id) // the service may count it as down since the change
		return desired.Status{Status: desired.StatusActive}
	}
	if ctx.Err() == nil && a.applied.failed(which, err.Error()) {
		a.cfg.Log.Warn("ensure "+string(which.kind), "host", a.cfg.Host, "id", which.id, "error", err)
	}
	var closed *fabric.PortClosedError
	if errors.Is(err, fabric.ErrInvalid) || errors.Is(err, fabric.ErrUnsupported) || errors.As(err, &closed) {
		return desired.Status{Status: desired.StatusError, Detail: err.Error()}
	}
	return desired.Status{Status: desired.StatusDown, Detail: err.Error()}
}

// clear takes away the ports, routers and networks that are on the host and not wanted.
func (a *Agent) clear(ctx context.Context, there fabric.Inventory, wanted *wanted) bool {
	ports := names(wanted.ports, func(p fabric.Port) string { return p.ID })
	routers := names(wanted.routers, func(r fabric.Router) string { return r.ID })
	networks := names(wanted.networks, func(n fabric.Network) string { return n.ID })
	whole := a.away(ctx, kindPort, there.Ports, ports, a.cfg.Driver.RemovePort)
	whole = a.away(ctx, kindRouter, there.Routers, routers, a.cfg.Driver.RemoveRouter) && whole
	for _, id := range there.Networks {
		if !networks[id] {
			a.stopResponder(id)
		}
	}
	return a.away(ctx, kindNetwork, there.Networks, networks, a.cfg.Driver.RemoveNetwork) && whole
}

// away removes what was found and is not among the names to keep.
func (a *Agent) away(ctx context.Context, kind kind, found []string, keep map[string]bool, remove func(context.Context, string) error) bool {
	whole := true
	for _, id := range found {
		if keep[id] {
			continue
		}
		which := object{kind, id}
		a.applied.set(which, nil)
		if err := remove(ctx, id); err != nil {
			whole = false
			if ctx.Err() == nil && a.applied.failed(which, err.Error()) {
				a.cfg.Log.Warn("remove "+string(kind), "host", a.cfg.Host, "id", id, "error", err)
			}
		}
	}
	return whole
}

// standing is what is on the host: what was wanted last, or, when that is not to be relied
// on (at the start, after a failure, when it is time to repair), what the driver finds.
func (a *Agent) standing(ctx context.Context) (fabric.Inventory, error) {
	if a.unsure {
		return a.cfg.Driver.List(ctx)
	}
	return a.there, nil
}

// names are the ids of objects and their short forms, which are all that a device's name holds.
func names[T any](list []T, id func(T) string) map[string]bool {
	all := make(map[string]bool, 2*len(list))
	for _, element := range list {
		all[id(element)], all[fabric.Short(id(element))] = true, true
	}
	return all
}

// sameID also knows an id by its short form.
func sameID(id, found string) bool { return id == found || fabric.Short(id) == found }

func same(a, b desired.Status) bool {
	return a.Status == b.Status && a.Detail == b.Detail && slices.Equal(a.FloatingIPs, b.FloatingIPs)
}
