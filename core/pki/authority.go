package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net/url"
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

// Authority issues certificates.
type Authority struct {
	clock       clock.Clock
	key         *ecdsa.PrivateKey
	certificate *x509.Certificate
}

// NewAuthority makes a certificate authority with a key of its own. The name is shown
// by programs that list certificates.
func NewAuthority(c clock.Clock, name string) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make authority: %w", err)
	}
	serial, err := newSerial()
	if err != nil {
		return nil, fmt.Errorf("make authority: %w", err)
	}
	now := c.Now()
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{Organization: []string{"Virga"}, CommonName: name},
		NotBefore: now.Add(-Skew), NotAfter: now.Add(AuthorityLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, // it signs no further authorities
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make authority: %w", err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("make authority: %w", err)
	}
	return &Authority{c, key, certificate}, nil
}

// LoadAuthority reads what Secret has written.
func LoadAuthority(c clock.Clock, text []byte) (*Authority, error) {
	b, err := parseBundle(text)
	if err != nil {
		return nil, fmt.Errorf("load authority: %w", err)
	}
	if b.key == nil || len(b.certificates) != 1 || !b.certificates[0].IsCA {
		return nil, errors.New("load authority: the text is not a key and the certificate of an authority")
	}
	if !b.key.PublicKey.Equal(b.certificates[0].PublicKey) {
		return nil, errors.New("load authority: key and certificate are not a pair")
	}
	return &Authority{c, b.key, b.certificates[0]}, nil
}

// Secret is key and certificate in PEM, to be kept where nobody else reads.
func (a *Authority) Secret() ([]byte, error) {
	key, err := encodeKey(a.key)
	return append(key, a.Certificate()...), err
}

// Certificate is the authority's certificate in PEM, which is no secret.
func (a *Authority) Certificate() []byte { return encodeCertificate(a.certificate.Raw) }

// Pin identifies the authority's key.
func (a *Authority) Pin() Pin { return PinOf(a.certificate) }

// Issued is a new certificate.
type Issued struct {
	// Chain is the certificate and behind it that of the authority, in PEM.
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
	now := a.clock.Now().Truncate(time.Second) // certificates know no smaller unit
	end := now.Add(life)
	if end.After(a.certificate.NotAfter) {
		end = a.certificate.NotAfter
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
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, r.key, a.key)
	if err != nil {
		return Issued{}, fmt.Errorf("issue certificate for %s: %w", subject, err)
	}
	return Issued{Chain: append(encodeCertificate(der), a.Certificate()...), Serial: serial.Text(16), NotAfter: end}, nil
}

// newSerial is a random number of 127 bits; RFC 5280 wants positive ones of at most 20 bytes.
func newSerial() (*big.Int, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("draw serial number: %w", err)
	}
	return serial.Add(serial, big.NewInt(1)), nil
}
