package app

import (
	"context"
	"errors"
	"io"
	"net/http"

	"virga/core/pki"
	"virga/service/compute"
	computeagent "virga/service/compute/agent"
	"virga/service/compute/console"
)

// errNoWay says that a host's consoles cannot be reached from this process.
var errNoWay = errors.New("the host tells no address for its consoles")

// addConsoles serves the displays and serial ports of servers below /console.
func (cl *cloud) addConsoles(s *compute.Service) error {
	var client *http.Client
	if cl.credentials != nil {
		client = &http.Client{Transport: newTransport(cl.credentials, pki.Node), CheckRedirect: noRedirect}
	}
	proxy, err := console.New(console.Config{
		Redeem: s.RedeemConsole, Endpoint: cl.conf.Endpoint, Log: cl.log,
		Open: func(ctx context.Context, session console.Session) (io.ReadWriteCloser, error) {
			if agent := cl.hosts[session.Host]; agent != nil {
				return agent.OpenConsole(ctx, session.ServerID, string(session.Kind))
			}
			base, err := s.ConsoleHost(ctx, session.Host)
			if err != nil {
				return nil, err
			}
			if base == "" || client == nil {
				return nil, errNoWay
			}
			return computeagent.DialConsole(ctx, client, base, session.ServerID, string(session.Kind))
		},
	})
	if err != nil {
		return err
	}
	cl.onClose(proxy.Close)
	cl.edge.Services["/console"] = proxy
	return nil
}

// isController tells whether a request came over a connection of a controller of the cloud.
func isController(r *http.Request) bool {
	peer, ok := pki.Peer(r.TLS)
	return ok && peer.Kind == pki.Controller
}
