// Package responder answers the guests of one network from inside the network's namespace: DHCPv4 and metadata.
//
// It owns the two protocols and nothing else: leases and the servers behind addresses come from the desired state that its user holds, sockets come from
// the fabric driver, metadata comes from a Backend. There is no lease database: an address belongs to a port from the port's creation to its end,
// so every answer is computed from the desired state at the moment of the question. The network agent imports it.
package responder

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"

	"virga/service/network/fabric"
)

// Sockets is what the responder needs of a fabric driver.
type Sockets interface {
	ListenDHCP(ctx context.Context, networkID string) (fabric.DHCPSocket, error)
	ListenMetadata(ctx context.Context, networkID string) (net.Listener, error)
}

// Backend has the metadata of servers.
type Backend interface {
	// ServeMetadata gives the document at a path ("/openstack/latest/meta_data.json") for a server. An error becomes a 502
	// without its text.
	ServeMetadata(ctx context.Context, serverID, path string) (status int, contentType string, body []byte, err error)
	// StorePassword takes the password that a server deposits, sealed for its owner. An error becomes a 502 without its text.
	StorePassword(ctx context.Context, serverID, password string) (status int, err error)
}

// Config is what one network's responder needs. The functions are called for every question and must be quick.
type Config struct {
	NetworkID string
	Addresses []netip.Prefix                        // of the DHCP port
	Sockets   Sockets                               // the fabric driver
	Leases    func() map[string]Lease               // by MAC in lower case with colons
	Server    func(netip.Addr) (id string, ok bool) // the server that has an address on this network
	Backend   Backend
	Log       *slog.Logger
}

// Responder is one network's open sockets and the goroutines that serve them; make it with Start.
type Responder struct {
	config   Config
	dhcp     fabric.DHCPSocket
	metadata net.Listener
	http     *http.Server
	stop     context.CancelFunc
	running  sync.WaitGroup
}

// Start opens both sockets and serves until Close, or until the driver closes the sockets because the network is gone. ctx bounds
// the opening alone. The error is fabric.ErrNoSockets where the driver carries no packets: there is nobody to answer then.
func Start(ctx context.Context, config Config) (*Responder, error) {
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	dhcp, err := config.Sockets.ListenDHCP(ctx, config.NetworkID)
	if err != nil {
		return nil, fmt.Errorf("start responder of network %s: %w", config.NetworkID, err)
	}
	metadata, err := config.Sockets.ListenMetadata(ctx, config.NetworkID)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start responder of network %s: %w", config.NetworkID, err), dhcp.Close())
	}
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	r := &Responder{config: config, dhcp: dhcp, metadata: metadata, stop: stop}
	r.http = newMetadataServer(serving, config)
	r.running.Go(func() {
		defer r.closeSockets()
		r.serveDHCP()
	})
	r.running.Go(func() {
		defer r.closeSockets()
		err := r.http.Serve(limitPerSource(metadata, connectionsPerGuest))
		if !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			config.Log.Warn("metadata listener ended", "network", config.NetworkID, "error", err)
		}
	})
	return r, nil
}

// Close closes the sockets, cuts requests under way, and waits for the goroutines.
func (r *Responder) Close() error {
	r.stop()
	err := r.http.Close()
	r.closeSockets()
	r.running.Wait()
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("close responder of network %s: %w", r.config.NetworkID, err)
	}
	return nil
}

// closeSockets ends both protocols: a responder that answers only one would look healthy.
func (r *Responder) closeSockets() {
	if err := errors.Join(r.dhcp.Close(), r.metadata.Close()); err != nil && !errors.Is(err, net.ErrClosed) {
		r.config.Log.Warn("responder's sockets do not close", "network", r.config.NetworkID, "error", err)
	}
}

// Wait returns when the responder has ended: by Close, because the driver closed its sockets, or because one of them broke.
func (r *Responder) Wait() { r.running.Wait() }
