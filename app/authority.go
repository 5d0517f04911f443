package app

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"

	"virga/core/pki"
)

// openAuthority opens the cloud's certificate authority, whose key is one of the cloud's
// secrets, and has it issue this process's certificate.
func (cl *cloud) openAuthority(ctx context.Context) error {
	text, err := cl.cluster.Secret(ctx, secretAuthority, func() ([]byte, error) {
		fresh, err := pki.NewAuthority(cl.clock, "Virga cloud "+cl.cluster.ID())
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
	if cl.credentials, err = cl.openCredentials(); err != nil {
		return err
	}
	cl.onRun(func(ctx context.Context) error {
		return cl.credentials.Run(ctx, cl.log, cl.names, cl.issue, nil)
	})
	return nil
}

// openCredentials opens the credentials of this process. What does not fit any more, because
// the host or the authority is another, is made anew.
func (cl *cloud) openCredentials() (*pki.Credentials, error) {
	subject := pki.Subject{Kind: pki.Controller, Name: cl.conf.Host}
	dir := filepath.Join(cl.conf.DataDir, "pki", "controller", cl.folder.Process())
	credentials, err := pki.OpenCredentials(dir, cl.clock)
	if err == nil && credentials.Joined() {
		pin, _ := credentials.AuthorityPin()
		if pin.Equal(cl.authority.Pin()) && credentials.Subject() == subject && !credentials.Expired() && cl.named(credentials) {
			return credentials, nil
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		return nil, fmt.Errorf("make certificate: %w", err)
	}
	if credentials, err = pki.OpenCredentials(dir, cl.clock); err != nil {
		return nil, err
	}
	request, err := credentials.Request(subject, cl.names())
	if err != nil {
		return nil, err
	}
	chain, err := cl.issue(context.Background(), request)
	if err != nil {
		return nil, err
	}
	return credentials, credentials.Accept(chain, subject)
}

// named tells whether a certificate has the names under which this process is reached now.
func (cl *cloud) named(credentials *pki.Credentials) bool {
	own := pki.Names{DNS: credentials.Certificate().DNSNames}
	for _, ip := range credentials.Certificate().IPAddresses {
		if address, ok := netip.AddrFromSlice(ip); ok {
			own.Addresses = append(own.Addresses, address.Unmap())
		}
	}
	return own.Covers(cl.names())
}

// issue answers this process's own requests for a certificate.
func (cl *cloud) issue(_ context.Context, text []byte) ([]byte, error) {
	request, err := pki.ParseRequest(text)
	if err != nil {
		return nil, err
	}
	issued, err := cl.authority.Issue(request, pki.Subject{Kind: pki.Controller, Name: cl.conf.Host}, cl.names(), pki.DefaultLife)
	return issued.Chain, err
}

// names are those under which clients reach this process: the host's, and what its settings
// name.
func (cl *cloud) names() pki.Names {
	var names pki.Names
	add := func(host string) {
		if address, err := netip.ParseAddr(host); err == nil {
			if !address.IsUnspecified() && !slices.Contains(names.Addresses, address.Unmap()) {
				names.Addresses = append(names.Addresses, address.Unmap())
			}
		} else if pki.ValidDNSName(host) && !slices.Contains(names.DNS, host) {
			names.DNS = append(names.DNS, host)
		}
	}
	add(cl.conf.Host)
	if host, _, err := net.SplitHostPort(cl.conf.Listen); err == nil {
		add(host)
	}
	if u, err := url.Parse(cl.conf.Endpoint); err == nil {
		add(u.Hostname())
	}
	return names
}
