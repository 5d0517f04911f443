package agent

import (
	"context"
	"errors"
	"net/netip"
	"reflect"
	"strings"

	"virga/service/network/desired"
	"virga/service/network/fabric"
	"virga/service/network/responder"
)

// leaseSeconds is how long a lease lasts, the field's usual day.
const leaseSeconds = 86400

// answers is what the responder of one network answers from.
type answers struct {
	leases  map[string]responder.Lease
	servers map[netip.Addr]string
}

// responding is a network's responder and what it was started with.
type responding struct {
	responder *responder.Responder
	dhcp      desired.DHCPPort
	ended     chan struct{}
}

// answer has the responders answer as a new state says.
func (a *Agent) answer(state *desired.State) {
	fresh := answersOf(state)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answers = fresh
}

// respond has a responder on each network with a DHCP port.
func (a *Agent) respond(ctx context.Context, state *desired.State) bool {
	whole := true
	for _, network := range state.Networks {
		if network.DHCPPort == nil {
			a.stopResponder(network.ID)
			continue
		}
		if old := a.responders[network.ID]; old != nil {
			if !old.over() && reflect.DeepEqual(old.dhcp, *network.DHCPPort) {
				continue
			}
			a.stopResponder(network.ID)
		}
		err := a.startResponder(ctx, network)
		if err != nil && !errors.Is(err, fabric.ErrNoSockets) {
			whole = false
			if ctx.Err() == nil {
				a.cfg.Log.Warn("start responder", "host", a.cfg.Host, "network", network.ID, "error", err)
			}
		}
	}
	return whole
}

func (a *Agent) startResponder(ctx context.Context, network desired.Network) error {
	id := network.ID
	r, err := responder.Start(ctx, responder.Config{
		NetworkID: id, Addresses: network.DHCPPort.Addresses, Sockets: a.cfg.Driver, Backend: a.cfg.Metadata, Log: a.cfg.Log,
		Leases: func() map[string]responder.Lease {
			a.mu.RLock()
			defer a.mu.RUnlock()
			return a.answers[id].leases
		},
		Server: func(address netip.Addr) (string, bool) {
			a.mu.RLock()
			defer a.mu.RUnlock()
			server, known := a.answers[id].servers[address]
			return server, known
		},
	})
	if err != nil {
		return err
	}
	running := &responding{responder: r, dhcp: *network.DHCPPort, ended: make(chan struct{})}
	go func() {
		defer close(running.ended)
		r.Wait()
	}()
	a.responders[id] = running
	return nil
}

// over tells whether the sockets were closed under the responder.
func (r *responding) over() bool {
	select {
	case <-r.ended:
		return true
	default:
		return false
	}
}

func (a *Agent) stopResponder(networkID string) {
	for id, r := range a.responders {
		if !sameID(id, networkID) {
			continue
		}
		delete(a.responders, id)
		if err := r.responder.Close(); err != nil {
			a.cfg.Log.Warn("stop responder", "host", a.cfg.Host, "network", id, "error", err)
		}
		<-r.ended
	}
}

func (a *Agent) closeResponders() {
	for id := range a.responders {
		a.stopResponder(id)
	}
}

// answersOf sorts leases and servers by network.
func answersOf(state *desired.State) map[string]answers {
	all := map[string]answers{}
	for _, network := range state.Networks {
		all[network.ID] = answers{leases: map[string]responder.Lease{}, servers: map[netip.Addr]string{}}
	}
	for _, port := range state.Ports {
		on, known := all[port.NetworkID]
		if !known {
			continue
		}
		for _, lease := range port.Leases {
			if lease.Address.Addr().Is4() { // the first IPv4 address is the one that DHCPv4 hands out
				on.leases[strings.ToLower(port.MAC)] = leaseOf(lease)
				break
			}
		}
		if strings.HasPrefix(port.DeviceOwner, "compute:") {
			for _, address := range port.FixedIPs {
				on.servers[address] = port.DeviceID
			}
		}
	}
	return all
}

func leaseOf(lease desired.Lease) responder.Lease {
	out := responder.Lease{
		Address: lease.Address, Gateway: lease.Gateway, DNS: lease.DNS, MTU: lease.MTU, Hostname: lease.Hostname,
		Domain: lease.Domain, Seconds: leaseSeconds, NextServer: lease.NextServer,
		Options: each(lease.Options, func(o desired.Option) responder.Option { return responder.Option(o) }),
	}
	for _, r := range lease.Routes {
		if r.Destination.Addr() != fabric.MetadataAddress() { // the responder adds the way to itself
			out.Routes = append(out.Routes, route(r))
		}
	}
	return out
}
