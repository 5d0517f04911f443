package agent

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"virga/service/network/desired"
	"virga/service/network/fabric"
)

// side is how many objects of one kind are worked on at once.
const side = 4

// applied remembers what the driver was last given, so that it is asked only about what changed.
type applied struct {
	mu   sync.Mutex
	text map[string]string
	// trouble is what the driver last said of an object that does not stand.
	trouble map[string]string
}

// forget has everything ensured anew.
func (a *applied) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.text, a.trouble = map[string]string{}, map[string]string{}
}

// failed notes what the driver says of an object; true when it says something new.
func (a *applied) failed(id, why string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	news := a.trouble[id] != why
	if a.trouble == nil {
		a.trouble = map[string]string{}
	}
	a.trouble[id] = why
	return news
}

// done tells whether exactly this was applied before.
func (a *applied) done(id, text string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.text[id] == text
}

func (a *applied) set(id, text string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.text == nil {
		a.text = map[string]string{}
	}
	if text == "" {
		delete(a.text, id)
		return
	}
	a.text[id] = text
	delete(a.trouble, id)
}

// apply makes the host as state says: what must go goes first, so that its names and
// addresses are free, networks go last. It reports what stands and tells whether all does.
func (a *Agent) apply(ctx context.Context, state *desired.State) bool {
	wanted := wantedOf(state)
	whole := a.remove(ctx, wanted)
	ports, routers := desired.StatusReport{}, desired.StatusReport{}
	for _, network := range wanted.networks {
		status := a.ensure(ctx, "network", network.ID, network, func() error { return a.cfg.Driver.EnsureNetwork(ctx, network) })
		whole = whole && (status.Detail == "" || status.Status == desired.StatusError)
	}
	whole = a.respond(ctx, state) && whole
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(side)
	for _, port := range wanted.ports {
		group.Go(func() error {
			status := a.ensure(ctx, "port", port.ID, port, func() error { return a.cfg.Driver.EnsurePort(ctx, port) })
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
			status := a.ensure(ctx, "router", router.ID, router, func() error { return a.cfg.Driver.EnsureRouter(ctx, router) })
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
	// What can never stand as it is (ERROR) waits for a change or for the next repair.
	for _, status := range ports {
		whole = whole && (status.Detail == "" || status.Status == desired.StatusError)
	}
	for _, status := range routers {
		whole = whole && (status.Detail == "" || status.Status == desired.StatusError)
	}
	err := errors.Join(
		a.report(ctx, "ports", ports, a.said.ports, a.cfg.Controller.ReportPorts),
		a.report(ctx, "routers", routers, a.said.routers, a.cfg.Controller.ReportRouters))
	if err != nil && ctx.Err() == nil {
		a.cfg.Log.Warn("report statuses", "host", a.cfg.Host, "error", err)
	}
	return whole && err == nil
}

// ensure calls the driver when the object is not known to stand as it should.
func (a *Agent) ensure(ctx context.Context, kind, id string, object any, call func() error) desired.Status {
	encoded, err := json.Marshal(object)
	text := string(encoded)
	if err == nil && a.applied.done(id, text) {
		return desired.Status{Status: desired.StatusActive}
	}
	a.applied.set(id, "")
	if err == nil {
		err = call()
	}
	if err == nil {
		a.applied.set(id, text)
		a.said.forget(id) // the service may count it as down since the change
		return desired.Status{Status: desired.StatusActive}
	}
	if ctx.Err() == nil && a.applied.failed(id, err.Error()) {
		a.cfg.Log.Warn("ensure "+kind, "host", a.cfg.Host, "id", id, "error", err)
	}
	var closed *fabric.PortClosedError
	if errors.Is(err, fabric.ErrInvalid) || errors.Is(err, fabric.ErrUnsupported) || errors.As(err, &closed) {
		return desired.Status{Status: desired.StatusError, Detail: err.Error()}
	}
	return desired.Status{Status: desired.StatusDown, Detail: err.Error()}
}

// remove takes away what is on the host and not wanted.
func (a *Agent) remove(ctx context.Context, wanted wanted) bool {
	there, err := a.standing(ctx)
	if err != nil {
		if ctx.Err() == nil {
			a.cfg.Log.Warn("list the data plane", "host", a.cfg.Host, "error", err)
		}
		return false
	}
	whole := true
	away := func(kind string, ids []string, keep func(id string) bool, remove func(context.Context, string) error) {
		for _, id := range ids {
			if keep(id) {
				continue
			}
			a.applied.set(id, "")
			if err := remove(ctx, id); err != nil {
				whole = false
				if !a.applied.failed(id, err.Error()) {
					continue
				}
				a.cfg.Log.Warn("remove "+kind, "host", a.cfg.Host, "id", id, "error", err)
			}
		}
	}
	away("port", there.Ports, keeping(wanted.ports, func(p fabric.Port) string { return p.ID }), a.cfg.Driver.RemovePort)
	away("router", there.Routers, keeping(wanted.routers, func(r fabric.Router) string { return r.ID }), a.cfg.Driver.RemoveRouter)
	keepNetwork := keeping(wanted.networks, func(n fabric.Network) string { return n.ID })
	for _, id := range there.Networks {
		if !keepNetwork(id) {
			a.stopResponder(id)
		}
	}
	away("network", there.Networks, keepNetwork, a.cfg.Driver.RemoveNetwork)
	a.there = wanted.inventory()
	a.unsure = !whole
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

// keeping tells of ids, also in their short form, whether they are among those of list.
func keeping[T any](list []T, id func(T) string) func(string) bool {
	known := make(map[string]bool, 2*len(list))
	for _, element := range list {
		known[id(element)], known[fabric.Short(id(element))] = true, true
	}
	return func(id string) bool { return known[id] }
}

// sameID also knows an id by its short form, which is all that a device's name holds.
func sameID(id, found string) bool { return id == found || fabric.Short(id) == found }

func same(a, b desired.Status) bool {
	return a.Status == b.Status && a.Detail == b.Detail && slices.Equal(a.FloatingIPs, b.FloatingIPs)
}
