// Package fake is a fabric driver without packets: it remembers, in memory or in files, what it was told.
//
// It owns nothing outside its directory. It is deterministic, needs no privilege, and fails where Faults says so; it serves tests, the
// simulated cloud, and everybody who wants to look at what the controller asks for.
package fake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"virga/service/network/fabric"
)

// Faults decides whether a call fails: it gets the verb ("EnsurePort") and the object's id and returns the error to give, or nil. It is called
// twice for a verb that changes something: first with after false, then, when the change is made, with after true.
type Faults func(verb, id string, after bool) error

// Config tells where to remember and what to fail; the zero value remembers in memory and never fails.
type Config struct {
	Dir    string // holds fabric.json; a new Driver on the same directory finds what was there
	Faults Faults
}

// State is everything that was ensured.
type State struct {
	Networks map[string]fabric.Network `json:"networks"`
	Ports    map[string]fabric.Port    `json:"ports"`
	Routers  map[string]fabric.Router  `json:"routers"`
	Closed   map[string]string         `json:"closed"` // ports whose rules cannot be applied, with the reason
}

// Driver is the fake; make it with New.
type Driver struct {
	config Config

	mu     sync.Mutex
	closed bool
	state  State
}

var _ fabric.Driver = (*Driver)(nil)

// New opens the fake and reads its file when there is one.
func New(config Config) (*Driver, error) {
	d := &Driver{config: config, state: State{
		Networks: map[string]fabric.Network{}, Ports: map[string]fabric.Port{},
		Routers: map[string]fabric.Router{}, Closed: map[string]string{},
	}}
	if config.Dir == "" {
		return d, nil
	}
	text, err := os.ReadFile(d.file())
	if errors.Is(err, os.ErrNotExist) {
		return d, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &d.state)
	}
	if err != nil {
		return nil, fmt.Errorf("read state of the fake data plane: %w", err)
	}
	return d, nil
}

func (d *Driver) file() string { return filepath.Join(d.config.Dir, "fabric.json") }

// Snapshot gives a copy of everything that was ensured.
func (d *Driver) Snapshot() State {
	d.mu.Lock()
	defer d.mu.Unlock()
	return State{
		Networks: maps.Clone(d.state.Networks), Ports: maps.Clone(d.state.Ports),
		Routers: maps.Clone(d.state.Routers), Closed: maps.Clone(d.state.Closed),
	}
}

// change runs one verb: fault before, change, save, fault after.
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
	if err := d.save(); err != nil {
		return err
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

// save replaces the file as a whole, so that a crash leaves the old or the new state.
func (d *Driver) save() error {
	if d.config.Dir == "" {
		return nil
	}
	text, err := json.MarshalIndent(d.state, "", "  ")
	if err == nil {
		err = os.WriteFile(d.file()+".new", text, 0o600)
	}
	if err == nil {
		err = os.Rename(d.file()+".new", d.file())
	}
	if err != nil {
		return fmt.Errorf("save state of the fake data plane: %w", err)
	}
	return nil
}

// EnsureNetwork implements fabric.Driver.
func (d *Driver) EnsureNetwork(ctx context.Context, network fabric.Network) error {
	if err := network.Validate(); err != nil {
		return err
	}
	return d.change(ctx, "EnsureNetwork", network.ID, func() error {
		d.state.Networks[network.ID] = network
		return nil
	})
}

// RemoveNetwork implements fabric.Driver.
func (d *Driver) RemoveNetwork(ctx context.Context, networkID string) error {
	return d.change(ctx, "RemoveNetwork", networkID, func() error {
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
		d.state.Ports[port.ID] = port
		delete(d.state.Closed, port.ID)
		_, ruleErr := port.CompileRules()
		_, sourceErr := port.Sources()
		if err := errors.Join(ruleErr, sourceErr); err != nil && port.PortSecurity {
			d.state.Closed[port.ID] = err.Error()
			return &fabric.PortClosedError{PortID: port.ID, Cause: err}
		}
		return nil
	})
}

// RemovePort implements fabric.Driver.
func (d *Driver) RemovePort(ctx context.Context, portID string) error {
	return d.change(ctx, "RemovePort", portID, func() error {
		delete(d.state.Ports, portID)
		delete(d.state.Closed, portID)
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
		d.state.Routers[router.ID] = router
		return nil
	})
}

// RemoveRouter implements fabric.Driver.
func (d *Driver) RemoveRouter(ctx context.Context, routerID string) error {
	return d.change(ctx, "RemoveRouter", routerID, func() error {
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
		Networks: slices.Sorted(maps.Keys(d.state.Networks)),
		Ports:    slices.Sorted(maps.Keys(d.state.Ports)),
		Routers:  slices.Sorted(maps.Keys(d.state.Routers)),
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
	d.closed = true
	return nil
}
