// Package fake is a fabric driver without packets: it remembers, in memory or in files, what it was told.
//
// It owns nothing outside its directory. It is deterministic, needs no privilege, and fails where Faults says so; it serves tests, the
// simulated cloud, and everybody who wants to look at what the controller asks for.
package fake

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"

	"virga/service/network/fabric"
)

// Faults decides whether a call fails: it gets the verb ("EnsurePort") and the object's id and returns the error to give, or nil. It is called
// twice for a verb that changes something: first with after false, then, when the change is made, with after true.
type Faults func(verb, id string, after bool) error

// Config tells where to remember and what to fail; the zero value remembers in memory and never fails.
type Config struct {
	Dir    string // holds a file per object; a new Driver on the same directory finds what was there
	Faults Faults
}

// State is everything that was ensured.
type State struct {
	Networks    map[string]fabric.Network
	Ports       map[string]fabric.Port
	Routers     map[string]fabric.Router
	AddressSets map[string]fabric.AddressSet
	Closed      map[string]string // ports whose rules cannot be applied, with the reason
}

// Driver is the fake; make it with New.
type Driver struct {
	config Config
	files  *files // nil: nowhere

	mu     sync.Mutex
	closed bool
	state  State
	// users counts the ports whose rules refer to a set.
	users map[string]int
}

var _ fabric.Driver = (*Driver)(nil)

// New opens the fake and reads its files when there are any.
func New(config Config) (*Driver, error) {
	d := &Driver{config: config, users: map[string]int{}, state: State{
		Networks: map[string]fabric.Network{}, Ports: map[string]fabric.Port{}, Routers: map[string]fabric.Router{},
		AddressSets: map[string]fabric.AddressSet{}, Closed: map[string]string{},
	}}
	if config.Dir == "" {
		return d, nil
	}
	var err error
	if d.files, err = openFiles(config.Dir); err != nil {
		return nil, fmt.Errorf("open the fake data plane: %w", err)
	}
	if err := d.files.load(&d.state); err != nil {
		return nil, fmt.Errorf("read state of the fake data plane: %w", errors.Join(err, d.files.close()))
	}
	for _, port := range d.state.Ports {
		d.count(port, 1)
	}
	return d, nil
}

// Snapshot gives a copy of everything that was ensured.
func (d *Driver) Snapshot() State {
	d.mu.Lock()
	defer d.mu.Unlock()
	return State{
		Networks: maps.Clone(d.state.Networks), Ports: maps.Clone(d.state.Ports), Routers: maps.Clone(d.state.Routers),
		AddressSets: maps.Clone(d.state.AddressSets), Closed: maps.Clone(d.state.Closed),
	}
}

// change runs one verb: fault before, change, fault after.
func (d *Driver) change(ctx context.Context, verb, id string, fn func() error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.ready(ctx, verb, id); err != nil {
		return err
	}
	failure := fn()
	var closed *fabric.PortClosedError
	if failure != nil && !errors.As(failure, &closed) {
		return failure
	}
	if d.config.Faults != nil {
		if err := d.config.Faults(verb, id, true); err != nil {
			return err
		}
	}
	return failure
}

func (d *Driver) ready(ctx context.Context, verb, id string) error {
	if d.closed {
		return fabric.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if d.config.Faults != nil {
		return d.config.Faults(verb, id, false)
	}
	return nil
}

// save writes an object's file; what cannot be written does not count as ensured.
func (d *Driver) save(folder, id string, object any) error {
	if d.files == nil {
		return nil
	}
	if err := d.files.write(folder, id, object); err != nil {
		return fmt.Errorf("save %s of the fake data plane: %w", folder, err)
	}
	return nil
}

func (d *Driver) erase(folder, id string) error {
	if err := fabric.CheckID(id); err != nil {
		return err
	}
	if d.files == nil {
		return nil
	}
	if err := d.files.remove(folder, id); err != nil {
		return fmt.Errorf("remove from %s of the fake data plane: %w", folder, err)
	}
	return nil
}

// EnsureNetwork implements fabric.Driver.
func (d *Driver) EnsureNetwork(ctx context.Context, network fabric.Network) error {
	if err := network.Validate(); err != nil {
		return err
	}
	return d.change(ctx, "EnsureNetwork", network.ID, func() error {
		if err := d.save(folderNetworks, network.ID, network); err != nil {
			return err
		}
		d.state.Networks[network.ID] = network
		return nil
	})
}

// RemoveNetwork implements fabric.Driver.
func (d *Driver) RemoveNetwork(ctx context.Context, networkID string) error {
	return d.change(ctx, "RemoveNetwork", networkID, func() error {
		if err := d.erase(folderNetworks, networkID); err != nil {
			return err
		}
		delete(d.state.Networks, networkID)
		return nil
	})
}

// EnsurePort implements fabric.Driver.
func (d *Driver) EnsurePort(ctx context.Context, port fabric.Port) error {
	if err := port.Validate(); err != nil {
		return err
	}
	return d.change(ctx, "EnsurePort", port.ID, func() error {
		if _, ok := d.state.Networks[port.NetworkID]; !ok {
			return fmt.Errorf("ensure port %s: network %s: %w", port.ID, port.NetworkID, fabric.ErrNetworkMissing)
		}
		stored := storedPort{Port: port}
		_, ruleErr := port.CompileRules()
		_, sourceErr := port.Sources()
		cause := errors.Join(ruleErr, sourceErr)
		if !port.PortSecurity {
			cause = nil
		}
		if cause != nil {
			stored.Closed = cause.Error()
		}
		for _, id := range setsOf(port) {
			if err := d.makeSet(id); err != nil {
				return err
			}
		}
		if err := d.save(folderPorts, port.ID, stored); err != nil {
			return err
		}
		d.forgetPort(port.ID)
		d.state.Ports[port.ID] = port
		d.count(port, 1)
		if cause != nil {
			d.state.Closed[port.ID] = stored.Closed
			return &fabric.PortClosedError{PortID: port.ID, Cause: cause}
		}
		return nil
	})
}

// RemovePort implements fabric.Driver.
func (d *Driver) RemovePort(ctx context.Context, portID string) error {
	return d.change(ctx, "RemovePort", portID, func() error {
		if err := d.erase(folderPorts, portID); err != nil {
			return err
		}
		d.forgetPort(portID)
		return nil
	})
}

func (d *Driver) forgetPort(id string) {
	if port, known := d.state.Ports[id]; known {
		d.count(port, -1)
	}
	delete(d.state.Ports, id)
	delete(d.state.Closed, id)
}

// setsOf lists the sets that a port's rules refer to, each once; none where the rules cannot be applied or are not asked.
func setsOf(port fabric.Port) []string {
	rules, err := port.CompileRules()
	if err != nil || !port.PortSecurity {
		return nil
	}
	var ids []string
	for _, rule := range rules {
		if rule.RemoteSet != "" {
			ids = append(ids, rule.RemoteSet)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

func (d *Driver) count(port fabric.Port, by int) {
	for _, id := range setsOf(port) {
		d.users[id] += by
		if d.users[id] == 0 {
			delete(d.users, id)
		}
	}
}

func (d *Driver) makeSet(id string) error {
	if _, there := d.state.AddressSets[id]; there {
		return nil
	}
	return d.putSet(fabric.AddressSet{ID: id})
}

func (d *Driver) putSet(set fabric.AddressSet) error {
	if err := d.save(folderSets, set.ID, set); err != nil {
		return err
	}
	d.state.AddressSets[set.ID] = set
	return nil
}

// EnsureAddressSet implements fabric.Driver.
func (d *Driver) EnsureAddressSet(ctx context.Context, set fabric.AddressSet) error {
	if err := set.Validate(); err != nil {
		return err
	}
	return d.change(ctx, "EnsureAddressSet", set.ID, func() error { return d.putSet(set) })
}

// RemoveAddressSet implements fabric.Driver.
func (d *Driver) RemoveAddressSet(ctx context.Context, setID string) error {
	return d.change(ctx, "RemoveAddressSet", setID, func() error {
		if users := d.users[setID]; users > 0 {
			err := fmt.Errorf("remove address set %s: rules of %d ports refer to it", setID, users)
			return errors.Join(err, d.putSet(fabric.AddressSet{ID: setID}))
		}
		if err := d.erase(folderSets, setID); err != nil {
			return err
		}
		delete(d.state.AddressSets, setID)
		return nil
	})
}

// EnsureRouter implements fabric.Driver.
func (d *Driver) EnsureRouter(ctx context.Context, router fabric.Router) error {
	if err := router.Validate(); err != nil {
		return err
	}
	return d.change(ctx, "EnsureRouter", router.ID, func() error {
		needed := slices.Clone(router.Interfaces)
		if router.Gateway != nil {
			needed = append(needed, router.Gateway.RouterInterface)
		}
		for _, face := range needed {
			if _, ok := d.state.Networks[face.NetworkID]; !ok {
				return fmt.Errorf("ensure router %s: network %s: %w", router.ID, face.NetworkID, fabric.ErrNetworkMissing)
			}
		}
		if err := d.save(folderRouters, router.ID, router); err != nil {
			return err
		}
		d.state.Routers[router.ID] = router
		return nil
	})
}

// RemoveRouter implements fabric.Driver.
func (d *Driver) RemoveRouter(ctx context.Context, routerID string) error {
	return d.change(ctx, "RemoveRouter", routerID, func() error {
		if err := d.erase(folderRouters, routerID); err != nil {
			return err
		}
		delete(d.state.Routers, routerID)
		return nil
	})
}

// List implements fabric.Driver.
func (d *Driver) List(ctx context.Context) (fabric.Inventory, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.ready(ctx, "List", ""); err != nil {
		return fabric.Inventory{}, err
	}
	return fabric.Inventory{
		Networks:    slices.Sorted(maps.Keys(d.state.Networks)),
		Ports:       slices.Sorted(maps.Keys(d.state.Ports)),
		Routers:     slices.Sorted(maps.Keys(d.state.Routers)),
		AddressSets: slices.Sorted(maps.Keys(d.state.AddressSets)),
	}, nil
}

// ListenDHCP implements fabric.Driver: there are no packets.
func (d *Driver) ListenDHCP(context.Context, string) (fabric.DHCPSocket, error) {
	return nil, fabric.ErrNoSockets
}

// ListenMetadata implements fabric.Driver: there are no packets.
func (d *Driver) ListenMetadata(context.Context, string) (net.Listener, error) {
	return nil, fabric.ErrNoSockets
}

// Close implements fabric.Driver.
func (d *Driver) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil
	}
	d.closed = true
	if d.files == nil {
		return nil
	}
	return d.files.close()
}
