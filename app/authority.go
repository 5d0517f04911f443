package app

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"virga/app/cluster"
	"virga/core/pki"
)

// openAuthority opens the cloud's certificate authority, whose key is one of the cloud's
// secrets, and the fleet service, and makes this process a member with a certificate.
func (cl *cloud) openAuthority(ctx context.Context) error {
	text, err := cl.cluster.Secret(ctx, secretAuthority, func() ([]byte, error) {
		fresh, err := pki.NewAuthority(cl.clock, authorityName(cl.cluster.ID()))
		if err != nil {
			return nil, err
		}
		return fresh.Secret()
	})
	if err != nil {
		return err
	}
	if cl.authority, err = pki.LoadAuthority(cl.clock, text); err != nil {
		return err
	}
	cl.followAuthority()
	if err := cl.addFleet(ctx); err != nil {
		return err
	}
	if cl.credentials, err = cl.enrol(ctx, pki.Controller, cl.names); err != nil {
		return err
	}
	if cl.conf.Roles.Node { // towards other nodes it is one of them
		cl.nodeCredentials, err = cl.enrol(ctx, pki.Node, func() pki.Names { return pki.Names{} })
	}
	return err
}

// authorityName is what programs that list certificates show of a cloud's authority.
func authorityName(cloudID string) string { return "Virga cloud " + cloudID }

// followAuthority has rotations of the authority's key hold: this process issues by what the
// secret says, and learns at once, by a new certificate, which keys are believed.
func (cl *cloud) followAuthority() {
	cl.onRun(func(ctx context.Context) error {
		known := cl.authority.Trusted()
		return cl.cluster.Follow(secretAuthority, func(text []byte) error {
			if err := cl.authority.Replace(text); err != nil {
				return err
			}
			if bytes.Equal(known, cl.authority.Trusted()) {
				return nil
			}
			for _, own := range []struct {
				credentials *pki.Credentials
				names       pki.Names
			}{{cl.credentials, cl.names()}, {cl.nodeCredentials, pki.Names{}}} {
				if own.credentials == nil {
					continue
				}
				if err := own.credentials.Renew(ctx, own.names, cl.issue); err != nil {
					return err
				}
			}
			known = cl.authority.Trusted()
			cl.log.InfoContext(ctx, "the authority has other keys", "issues", cl.authority.Pin().String())
			return cl.renewed()
		}).Run(ctx)
	})
}

// credentialsFolder has the folders with the credentials of the processes of a kind.
func credentialsFolder(dataDir string, kind pki.Kind) string {
	return filepath.Join(dataDir, "pki", string(kind))
}

// enrol makes this process a member of a kind and keeps its certificate fresh. Credentials
// that do not fit any more, because the host or the authority is another, are made anew.
func (cl *cloud) enrol(ctx context.Context, kind pki.Kind, names func() pki.Names) (*pki.Credentials, error) {
	subject := pki.Subject{Kind: kind, Name: cl.conf.Host}
	dir := filepath.Join(credentialsFolder(cl.conf.DataDir, kind), cl.folder.Process())
	credentials, err := pki.OpenCredentials(dir, cl.clock)
	if err != nil || credentials.Joined() && !cl.fits(credentials, subject) {
		if err := os.RemoveAll(dir); err != nil {
			return nil, fmt.Errorf("make certificate: %w", err)
		}
		if credentials, err = pki.OpenCredentials(dir, cl.clock); err != nil {
			return nil, err
		}
	}
	// A certificate at each start has the names of now, and the member's row is true.
	request, err := credentials.Request(subject, names())
	if err != nil {
		return nil, err
	}
	chain, err := cl.issue(ctx, request)
	if err != nil {
		return nil, err
	}
	if err := credentials.Accept(chain, subject); err != nil {
		return nil, err
	}
	cl.onRun(func(ctx context.Context) error {
		return credentials.Run(ctx, cl.log, names, cl.issue, func() {
			if err := cl.renewed(); err != nil {
				cl.log.WarnContext(ctx, "the file of the authority's certificates is old", "error", err)
			}
		})
	})
	return credentials, cl.showExpiry(credentials)
}

// showExpiry has the metrics tell when a certificate of this process expires.
func (cl *cloud) showExpiry(credentials *pki.Credentials) error {
	return cl.metrics.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "virga_certificate_expires_timestamp_seconds", Help: "When this process's certificate expires, in seconds since 1970.",
		ConstLabels: prometheus.Labels{"kind": string(credentials.Subject().Kind)},
	}, func() float64 { return float64(credentials.Certificate().NotAfter.Unix()) }))
}

// renewed has calls to other processes show the newest certificate, and clients find the
// authority's keys that are believed now.
func (cl *cloud) renewed() error {
	if cl.others != nil {
		cl.others.reconnect()
	}
	return cl.showAuthority()
}

func (cl *cloud) fits(credentials *pki.Credentials, subject pki.Subject) bool {
	return slices.ContainsFunc(credentials.AuthorityPins(), cl.authority.Pin().Equal) && credentials.Subject() == subject
}

// issue answers this process's own requests for a certificate.
func (cl *cloud) issue(ctx context.Context, request []byte) (chain []byte, err error) {
	err = cluster.SettleAll(ctx, func() error {
		chain, err = cl.fleet.Enrol(ctx, request, cl.version)
		return err
	})
	return chain, err
}

// maxAddresses bounds the addresses of a machine that go into a certificate.
const maxAddresses = 32

// names are those under which clients reach this process: the host's, what its settings
// name, and the addresses of the machine where it listens on all.
func (cl *cloud) names() pki.Names {
	var names pki.Names
	add := func(host string) {
		if address, err := netip.ParseAddr(host); err == nil {
			address = address.Unmap().WithZone("")
			if !address.IsUnspecified() && !slices.Contains(names.Addresses, address) {
				names.Addresses = append(names.Addresses, address)
			}
		} else if pki.ValidDNSName(host) && !slices.Contains(names.DNS, host) {
			names.DNS = append(names.DNS, host)
		}
	}
	for _, host := range []string{cl.conf.Host, "localhost", "127.0.0.1", "::1"} {
		add(host)
	}
	host, _, err := net.SplitHostPort(cl.conf.Listen)
	if err == nil {
		add(host)
	}
	if u, err := url.Parse(cl.conf.Endpoint); err == nil {
		add(u.Hostname())
	}
	if everyAddress(host) {
		addresses, _ := net.InterfaceAddrs() // without them the names serve
		for _, a := range addresses {
			if prefix, err := netip.ParsePrefix(a.String()); err == nil && len(names.Addresses) < maxAddresses {
				add(prefix.Addr().String())
			}
		}
	}
	return names
}

// everyAddress tells whether a listener at host listens on all addresses of the machine.
func everyAddress(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "" || err == nil && address.IsUnspecified()
}
