package pki

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net/url"
	"sync"
	"time"

	"virga/core/clock"
)

// Lives of certificates. A node's is short because nodes believe each other's certificates
// without asking whether their holder has been removed since, and long enough for
// controllers to be away for a night: a third of it is left when renewals begin.
const (
	DefaultLife   = 24 * time.Hour
	AuthorityLife = 10 * 365 * 24 * time.Hour
	// MinLife is the shortest that can be asked for; renewals need time.
	MinLife = 10 * time.Second
	// MaxLife is what browsers take from a server at most.
	MaxLife = 397 * 24 * time.Hour
	// Skew is how far a clock may be behind that of the issuer: certificates begin that
	// much before they are issued.
	Skew = time.Hour
)

// Authority issues certificates. Its key can be rotated: then a second one is trusted for a
// while before it issues, and the first for a while after it does not (authority_ring.go).
type Authority struct {
	clock clock.Clock
	mu    sync.RWMutex
	ring  authorityRing
}

// NewAuthority makes a certificate authority with a key of its own. The name is shown
// by programs that list certificates.
func NewAuthority(c clock.Clock, name string) (*Authority, error) {
	one, err := newAuthorityKey(c.Now(), name)
	if err != nil {
		return nil, err
	}
	return &Authority{clock: c, ring: authorityRing{one}}, nil
}

// LoadAuthority reads what Secret has written.
func LoadAuthority(c clock.Clock, text []byte) (*Authority, error) {
	ring, err := parseAuthorityRing(text)
	if err != nil {
		return nil, fmt.Errorf("load authority: %w", err)
	}
	return &Authority{clock: c, ring: ring}, nil
}

// Replace has the authority be what Secret or RotateAuthority has written.
func (a *Authority) Replace(text []byte) error {
	ring, err := parseAuthorityRing(text)
	if err != nil {
		return fmt.Errorf("replace authority: %w", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ring = ring
	return nil
}

// Secret is the keys and certificates in PEM, to be kept where nobody else reads.
func (a *Authority) Secret() ([]byte, error) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.ring.text()
}

// trusted are the authorities whose certificates are believed now, the one that issues first.
func (a *Authority) trusted() []authorityKey {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.ring.trusted(a.clock.Now())
}

// Certificate is the certificate, in PEM, of the key that issues. It is no secret.
func (a *Authority) Certificate() []byte { return encodeCertificate(a.trusted()[0].certificate.Raw) }

// Trusted are the certificates, in PEM, of all keys whose certificates are believed now, that of
// the one that issues first.
func (a *Authority) Trusted() (text []byte) {
	for _, one := range a.trusted() {
		text = append(text, encodeCertificate(one.certificate.Raw)...)
	}
	return text
}

// Pin identifies the key that issues.
func (a *Authority) Pin() Pin { return PinOf(a.trusted()[0].certificate) }

// Issued is a new certificate.
type Issued struct {
	// Chain is the certificate, behind it that of the authority's key that has issued it, and
	// behind that those of others that are to be believed, in PEM.
	Chain []byte
	// Serial is the serial number in hexadecimal digits.
	Serial string
	// NotAfter is when it expires.
	NotAfter time.Time
}

// Issue answers a request with a certificate for a subject, which must be the one that
// the request names. Everything in the certificate but the key comes from the arguments:
// names of the request that are not among them are not granted.
func (a *Authority) Issue(r *Request, subject Subject, names Names, life time.Duration) (Issued, error) {
	if !subject.Valid() || r.Subject != subject {
		return Issued{}, fmt.Errorf("issue certificate for %.200q: the request is for %s: %w", subject.String(), r.Subject, ErrRequest)
	}
	for _, text := range names.DNS {
		if !ValidDNSName(text) || internal(text) {
			return Issued{}, fmt.Errorf("issue certificate for %s: the name %.200q cannot be granted: %w", subject, text, ErrRequest)
		}
	}
	if life < MinLife || life > MaxLife {
		return Issued{}, fmt.Errorf("issue certificate for %s: a life of %s is not between %s and %s", subject, life, MinLife, MaxLife)
	}
	serial, err := newSerial()
	if err != nil {
		return Issued{}, fmt.Errorf("issue certificate for %s: %w", subject, err)
	}
	trusted := a.trusted()
	issuer := trusted[0]
	now := a.clock.Now().Truncate(time.Second) // certificates know no smaller unit
	end := now.Add(life)
	if end.After(issuer.certificate.NotAfter) {
		end = issuer.certificate.NotAfter
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{Organization: []string{"Virga"}, CommonName: subject.Name},
		NotBefore: now.Add(-Skew), NotAfter: end, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		URIs:        []*url.URL{subject.uri()},
		DNSNames:    append([]string{subject.Kind.ServerName()}, names.DNS...),
	}
	for _, address := range names.Addresses {
		template.IPAddresses = append(template.IPAddresses, address.AsSlice())
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer.certificate, r.key, issuer.key)
	if err != nil {
		return Issued{}, fmt.Errorf("issue certificate for %s: %w", subject, err)
	}
	chain := encodeCertificate(der)
	for _, one := range trusted {
		chain = append(chain, encodeCertificate(one.certificate.Raw)...)
	}
	return Issued{Chain: chain, Serial: serial.Text(16), NotAfter: end}, nil
}

// newSerial is a random number of 127 bits; RFC 5280 wants positive ones of at most 20 bytes.
func newSerial() (*big.Int, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("draw serial number: %w", err)
	}
	return serial.Add(serial, big.NewInt(1)), nil
}
