package app

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"

	"golang.org/x/sync/errgroup"

	"virga/core/bus/stream"
	"virga/core/pki"
)

// runNode runs a node that has joined a cloud.
func (cl *cloud) runNode(ctx context.Context, out io.Writer) error {
	for _, open := range []func(context.Context) error{cl.openMembership, cl.openHealth, cl.addNodeRole} {
		if err := open(ctx); err != nil {
			return err
		}
	}
	return cl.serveNode(ctx, func() {
		fmt.Fprintf(out, "virga %s runs the node %s (health and metrics: %s)\n", cl.version, cl.conf.Host, cl.conf.Listen)
	})
}

// openMembership opens what makes this process a node of a cloud whose controllers are
// elsewhere: its certificate, the ways to the controllers, and their bus.
func (cl *cloud) openMembership(context.Context) error {
	credentials, err := pki.OpenCredentials(joinedFolder(cl.conf.DataDir, pki.Node), cl.clock)
	if err != nil {
		return err
	}
	if !credentials.Joined() {
		return fmt.Errorf("%s has not joined a cloud yet: create a token on a controller (virga token create) and use virga join URL --token TOKEN", cl.conf.DataDir)
	}
	if credentials.Subject().Name != cl.conf.Host {
		return fmt.Errorf("host: this machine has joined as %s, not as %s", credentials.Subject().Name, cl.conf.Host)
	}
	if cl.controllers, err = openControllers(cl.conf.DataDir, credentials, cl.log); err != nil {
		return err
	}
	cl.nodeCredentials = credentials
	client := stream.NewClient(stream.ClientConfig{HTTP: &http.Client{Transport: cl.controllers}, Base: controllersBase + "bus", Log: cl.log})
	cl.bus = client
	cl.health.Add("controllers", client.Ready)
	cl.onRun(client.Run)
	cl.onRun(cl.controllers.follow)
	cl.onRun(func(ctx context.Context) error {
		return credentials.Run(ctx, cl.log, func() pki.Names { return pki.Names{} }, cl.controllers.renew(cl.version), cl.controllers.reconnect)
	})
	return cl.showExpiry(credentials)
}

// openHealth opens the address at which a node tells how it is; over TLS where others
// listen, by the node's own certificate.
func (cl *cloud) openHealth(ctx context.Context) error {
	if err := cl.listen(ctx); err != nil {
		return err
	}
	if cl.conf.Secure() {
		settings := cl.nodeCredentials.Server()
		settings.NextProtos = []string{"http/1.1"}
		cl.public = tls.NewListener(cl.public, settings)
	}
	return nil
}

// serveNode runs a node that has joined until ctx ends or one part gives up.
func (cl *cloud) serveNode(ctx context.Context, tell func()) error {
	group, ctx := errgroup.WithContext(ctx)
	if err := cl.serveMetrics(ctx, group); err != nil {
		return err
	}
	for _, job := range cl.jobs {
		group.Go(func() error { return job(ctx) })
	}
	cl.serveHTTP(ctx, group, &http.Server{Handler: only(cl.watchPages(cl.guardedMetrics())), ConnState: newNewcomers(maxNewcomers).observe}, cl.public)
	tell()
	return group.Wait()
}

// listenToNodes opens the address where other nodes fetch disks from this one and controllers
// reach consoles.
func (cl *cloud) listenToNodes(ctx context.Context) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", cl.conf.NodeListen)
	if err != nil {
		return nil, fmt.Errorf("listen to other nodes: %w", err)
	}
	cl.onClose(func() error { return ignore(listener.Close(), net.ErrClosed) })
	settings := cl.nodeCredentials.ServerOf(pki.Node, pki.Controller)
	settings.NextProtos = []string{"http/1.1"}
	return tls.NewListener(listener, settings), nil
}

// serveNodes serves a handler to other nodes and to controllers until ctx ends.
func (cl *cloud) serveNodes(ctx context.Context, listener net.Listener, handler http.Handler) error {
	group, ctx := errgroup.WithContext(ctx)
	cl.serveHTTP(ctx, group, &http.Server{Handler: handler, ConnState: newNewcomers(maxNewcomers).observe}, listener)
	return group.Wait()
}

// peerHost is the node at the other end of a connection.
func peerHost(r *http.Request) (string, bool) {
	peer, ok := pki.Peer(r.TLS)
	return peer.Name, ok && peer.Kind == pki.Node
}
