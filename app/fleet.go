package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"virga/app/cluster"
	"virga/core/pki"
	"virga/core/token"
	"virga/service/fleet"
)

// credentialsFolder is where a process keeps its key and certificate, nodeCredentialsFolder
// where a controller does that is also a node.
func credentialsFolder(dataDir string) string     { return filepath.Join(dataDir, "pki") }
func nodeCredentialsFolder(dataDir string) string { return filepath.Join(dataDir, "pki", "node") }

// openAuthority opens the cloud's own certificate authority and the fleet service, and makes
// sure that this process has a certificate. Every controller has the authority, so that
// every one lets machines join.
func (cl *cloud) openAuthority(ctx context.Context) error {
	text, err := cl.cluster.Secret(ctx, secretAuthority, func() ([]byte, error) {
		fresh, err := pki.NewAuthority(cl.clock, "Virga "+cl.cluster.ID())
		if err != nil {
			return nil, err
		}
		return fresh.Secret()
	})
	if err != nil {
		return fmt.Errorf("open certificate authority: %w", err)
	}
	if cl.authority, err = pki.LoadAuthority(cl.clock, text); err != nil {
		return err
	}
	if err := cl.addFleet(ctx); err != nil {
		return err
	}
	if cl.credentials, err = cl.ownCredentials(ctx, pki.Controller, credentialsFolder(cl.conf.DataDir), cl.serverNames); err != nil {
		return err
	}
	if cl.conf.Roles.Node {
		cl.nodeCredentials, err = cl.ownCredentials(ctx, pki.Node, nodeCredentialsFolder(cl.conf.DataDir), noNames)
	}
	return err
}

func noNames() pki.Names { return pki.Names{} }

// addFleet opens the fleet service. It is asked about members before it is known who
// validates tokens, so that is looked up at each request.
func (cl *cloud) addFleet(ctx context.Context) error {
	d, err := cl.openDB(ctx, "fleet")
	if err != nil {
		return err
	}
	own := []pki.Subject{{Kind: pki.Controller, Name: cl.conf.Host}}
	if cl.conf.Roles.Node {
		own = append(own, pki.Subject{Kind: pki.Node, Name: cl.conf.Host})
	}
	deps := fleet.Deps{
		DB: d, Bus: cl.bus, Clock: cl.clock, Log: cl.log, Metrics: cl.metrics, Auth: lateAuth{cl},
		AuthenticateURI: cl.endpoint("identity"), Endpoint: cl.endpoint("fleet"),
		Authority: cl.authority, Life: cl.conf.CertificateLife, Own: own, CloudID: cl.cluster.ID(), Region: cl.conf.Region,
		Secure: cl.conf.Secure(),
	}
	if cl.conf.Secure() && len(cl.conf.Roles.API) > 0 {
		deps.Address = cl.memberAddress()
	}
	if cl.conf.Shared() {
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

// handover is what a controller that joins is given.
type handover struct {
	ClusterKey string `json:"cluster_key"`
}

// lateAuth is the authenticator that the process has by the time it serves.
type lateAuth struct{ cl *cloud }

// Authenticate implements token.Authenticator.
func (l lateAuth) Authenticate(ctx context.Context, text string) (*token.Identity, error) {
	if l.cl.auth == nil {
		return nil, errors.New("nobody validates tokens yet")
	}
	return l.cl.auth.Authenticate(ctx, text)
}

// memberAddress is where members reach this process: the listening address, or the
// endpoint when that is every address.
func (cl *cloud) memberAddress() string {
	host, port, err := net.SplitHostPort(cl.conf.Listen)
	if err != nil {
		return ""
	}
	if every(host) {
		if u, err := url.Parse(cl.conf.Endpoint); err == nil {
			host = u.Hostname()
		}
	}
	return "https://" + net.JoinHostPort(host, port)
}

func every(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "" || err == nil && address.IsUnspecified()
}

// serverNames are the names under which clients reach this process: those of the listening
// address and of the endpoint, and every address of the machine when it listens on all.
func (cl *cloud) serverNames() pki.Names {
	var names pki.Names
	add := func(host string) {
		host = strings.TrimSuffix(host, ".")
		if address, err := netip.ParseAddr(host); err == nil {
			address = address.Unmap().WithZone("")
			if !address.IsUnspecified() && !slices.Contains(names.Addresses, address) {
				names.Addresses = append(names.Addresses, address)
			}
		} else if pki.ValidDNSName(host) && !slices.Contains(names.DNS, host) {
			names.DNS = append(names.DNS, host)
		}
	}
	host, _, _ := net.SplitHostPort(cl.conf.Listen)
	add(host)
	if u, err := url.Parse(cl.conf.Endpoint); err == nil {
		add(u.Hostname())
	}
	add(cl.conf.Host)
	add("localhost")
	add("127.0.0.1")
	if every(host) {
		addresses, _ := net.InterfaceAddrs() // without them the others are served
		for _, a := range addresses {
			if prefix, err := netip.ParsePrefix(a.String()); err == nil && len(names.Addresses) < maxAddresses {
				add(prefix.Addr().String())
			}
		}
	}
	return names
}

// maxAddresses bounds the addresses in a certificate.
const maxAddresses = 32

// ownCredentials opens a folder of credentials of this process, has the authority issue a
// certificate where there is none that serves, and keeps it fresh.
func (cl *cloud) ownCredentials(ctx context.Context, kind pki.Kind, dir string, names func() pki.Names) (*pki.Credentials, error) {
	subject := pki.Subject{Kind: kind, Name: cl.conf.Host}
	c, err := pki.OpenCredentials(dir, cl.clock)
	if err != nil {
		return nil, err
	}
	if c.Joined() && (c.Subject().Kind != kind || !cl.isAuthority(c)) {
		return nil, fmt.Errorf("the folder %s has the credentials of %s of another cloud", dir, c.Subject())
	}
	renew := func(ctx context.Context, request []byte) (chain []byte, err error) {
		err = cluster.SettleAll(ctx, func() error {
			chain, err = cl.fleet.Enrol(ctx, request, cl.version)
			return err
		})
		return chain, err
	}
	// At each start, so that the member's row is true and the names are those of now.
	request, err := c.Request(subject, names())
	if err != nil {
		return nil, err
	}
	chain, err := renew(ctx, request)
	if err != nil {
		return nil, err
	}
	if err := c.Accept(chain, subject); err != nil {
		return nil, err
	}
	cl.onRun(func(ctx context.Context) error { return c.Run(ctx, cl.log, names, renew, nil) })
	return c, nil
}

func (cl *cloud) isAuthority(c *pki.Credentials) bool {
	pin, known := c.AuthorityPin()
	return known && pin.Equal(cl.authority.Pin())
}
