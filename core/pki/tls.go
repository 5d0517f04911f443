package pki

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Server is the TLS side of a listener that Virga's own connect to. Clients may show a
// certificate; one that is not of the own authority, or says nobody, ends the handshake.
// New handshakes take the newest certificate, connections that stand are left alone.
func (c *Credentials) Server() *tls.Config {
	config := c.settings()
	config.ClientAuth = tls.VerifyClientCertIfGiven
	config.ClientCAs = c.roots()
	// Which keys of the authority are believed changes with the certificate.
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		fresh := config.Clone()
		fresh.ClientCAs, fresh.GetConfigForClient = c.roots(), nil
		return fresh, nil
	}
	config.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.pair() }
	config.VerifyConnection = func(state tls.ConnectionState) error {
		if len(state.PeerCertificates) == 0 {
			return nil
		}
		if _, ok := Peer(&state); !ok {
			return errors.New("the client's certificate says nobody")
		}
		return nil
	}
	return config
}

// ServerOf is Server for listeners that want certificates of certain kinds from all clients.
func (c *Credentials) ServerOf(clients ...Kind) *tls.Config {
	config := c.Server()
	config.ClientAuth = tls.RequireAndVerifyClientCert
	config.VerifyConnection = demand(clients...)
	return config
}

// Client is the TLS side of connections to controllers.
func (c *Credentials) Client() *tls.Config { return c.ClientOf(Controller) }

// ClientOf is the TLS side of connections to processes of a kind. Whoever answers must
// have a certificate of the own authority for that kind; the address does not matter. It is
// made for each connection: which keys of the authority are believed changes with the certificate.
func (c *Credentials) ClientOf(server Kind) *tls.Config {
	config := c.settings()
	config.RootCAs = c.roots()
	config.ServerName = server.ServerName()
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return c.pair() }
	config.VerifyConnection = demand(server)
	return config
}

func (c *Credentials) settings() *tls.Config {
	// A resumed session would keep the rights of a certificate that has expired since.
	return &tls.Config{MinVersion: tls.VersionTLS13, Time: c.clock.Now, SessionTicketsDisabled: true}
}

func demand(kinds ...Kind) func(tls.ConnectionState) error {
	return func(state tls.ConnectionState) error {
		if peer, ok := Peer(&state); !ok || !slices.Contains(kinds, peer.Kind) {
			return fmt.Errorf("the other side is none of %q of this cloud", kinds)
		}
		return nil
	}
}

// Peer is who the other side of a connection has proved to be; false when it showed no
// certificate, or none that was verified.
func Peer(state *tls.ConnectionState) (Subject, bool) {
	if state == nil || len(state.VerifiedChains) == 0 || len(state.PeerCertificates) == 0 {
		return Subject{}, false
	}
	subject, err := SubjectOf(state.PeerCertificates[0])
	return subject, err == nil
}

// PeerKey is the pin of the other side's key and when its certificate expires. It means
// something only when Peer is true.
func PeerKey(state *tls.ConnectionState) (Pin, time.Time) {
	if state == nil || len(state.PeerCertificates) == 0 {
		return Pin{}, time.Time{}
	}
	return PinOf(state.PeerCertificates[0]), state.PeerCertificates[0].NotAfter
}

// Stranger is the TLS side of a first connection to a controller, when nothing is known of
// the cloud but its authority's pin. The other side must show the authority's certificate
// with that key and one of a controller that it has issued. The connection shows no
// certificate of its own.
func Stranger(authority Pin, now func() time.Time) *tls.Config {
	return StrangerOf([]Pin{authority}, now)
}

// StrangerOf is Stranger where one of several keys of the authority will do.
func StrangerOf(authorities []Pin, now func() time.Time) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, Time: now, ServerName: Controller.ServerName(), SessionTicketsDisabled: true,
		InsecureSkipVerify: true, //nolint:gosec // VerifyConnection verifies all, with the one root that the pin names
		VerifyConnection: func(state tls.ConnectionState) error {
			return verifyPinned(state.PeerCertificates, authorities, now())
		},
	}
}

func verifyPinned(chain []*x509.Certificate, authorities []Pin, now time.Time) error {
	roots := x509.NewCertPool()
	found := false
	for _, certificate := range chain {
		pin := Pin(sha256.Sum256(certificate.RawSubjectPublicKeyInfo))
		if certificate.IsCA && slices.ContainsFunc(authorities, pin.Equal) {
			roots.AddCert(certificate)
			found = true
		}
	}
	if !found {
		return fmt.Errorf("the server does not show the certificate of the authority %v: it is another cloud, or somebody between here and there", authorities)
	}
	if _, err := chain[0].Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now, DNSName: Controller.ServerName()}); err != nil {
		return fmt.Errorf("the server's certificate: %w", err)
	}
	if subject, err := SubjectOf(chain[0]); err != nil || subject.Kind != Controller {
		return errors.New("the server's certificate is not a controller's")
	}
	return nil
}
