package app

import (
	"context"
	"errors"
	"net"
	"net/url"

	"virga/core/pki"
	"virga/core/token"
	"virga/service/fleet"
)

// addFleet opens the fleet service. Every controller has it, so that every one that serves
// an API lets machines join and knows who is a member.
func (cl *cloud) addFleet(ctx context.Context) error {
	d, err := cl.openDB(ctx, "fleet")
	if err != nil {
		return err
	}
	deps := fleet.Deps{
		DB: d, Bus: cl.bus, Clock: cl.clock, Log: cl.log, Metrics: cl.metrics, Auth: lateAuth{cl},
		AuthenticateURI: cl.endpoint("identity"), Endpoint: cl.endpoint("fleet"),
		Authority: cl.authority, Life: cl.conf.CertificateLife, Secure: cl.conf.Secure(),
		Own:     []pki.Subject{{Kind: pki.Controller, Name: cl.conf.Host}},
		CloudID: cl.cluster.ID(), Region: cl.conf.Region,
	}
	if cl.conf.Roles.Node {
		deps.Own = append(deps.Own, pki.Subject{Kind: pki.Node, Name: cl.conf.Host})
	}
	if cl.admits() {
		deps.Address = cl.memberAddress()
	}
	if cl.conf.Server() != "" {
		deps.Handover = func(context.Context) (any, error) { return handover{ClusterKey: cl.cluster.Key().Reveal()}, nil }
	}
	if cl.fleet, err = fleet.New(ctx, deps); err != nil {
		return err
	}
	cl.parts = append(cl.parts, cl.fleet)
	cl.health.Add("fleet", cl.fleet.Ready)
	if len(cl.conf.Roles.API) > 0 {
		cl.edge.Services["/fleet"] = cl.fleet.Handler()
	}
	return nil
}

// admits tells whether nodes in other processes can work with this one.
func (cl *cloud) admits() bool { return cl.conf.Secure() && len(cl.conf.Roles.API) > 0 }

// handover is what a controller that joins is given.
type handover struct {
	ClusterKey string `json:"cluster_key"`
}

// lateAuth is the authenticator that the process has by the time it serves: who validates
// tokens is known only after the fleet service has been opened.
type lateAuth struct{ cl *cloud }

// Authenticate implements token.Authenticator.
func (l lateAuth) Authenticate(ctx context.Context, text string) (*token.Identity, error) {
	if l.cl.auth == nil {
		return nil, errors.New("nobody validates tokens in this process")
	}
	return l.cl.auth.Authenticate(ctx, text)
}

// AuthenticateLate implements token.LateAuthenticator.
func (l lateAuth) AuthenticateLate(ctx context.Context, text string) (*token.Identity, error) {
	if late, can := l.cl.auth.(token.LateAuthenticator); can {
		return late.AuthenticateLate(ctx, text)
	}
	return nil, token.ErrExpired
}

// memberAddress is where members reach this process: the listening address, or the
// endpoint's host when that is every address.
func (cl *cloud) memberAddress() string {
	host, port, err := net.SplitHostPort(cl.conf.Listen)
	if err != nil {
		return ""
	}
	if u, err := url.Parse(cl.conf.Endpoint); err == nil && everyAddress(host) {
		host = u.Hostname()
	}
	return "https://" + net.JoinHostPort(host, port)
}
