package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"time"
)

// authorityKey is one key of an authority with its certificate.
type authorityKey struct {
	key         *ecdsa.PrivateKey
	certificate *x509.Certificate
	// from is when it begins to issue, until when it is no longer believed; the zero time for
	// always and never.
	from, until time.Time
}

// authorityRing are the keys of an authority, in the order in which they issue. What they do
// follows from the clock: all processes of a cloud change over at the same time, and nothing has
// to be done for it.
type authorityRing []authorityKey

// ErrRotating is wrapped when an authority is to be rotated whose last rotation is not over.
var ErrRotating = errors.New("the last rotation is not over")

// newAuthorityKey makes a key and the certificate that says that it is an authority's.
func newAuthorityKey(now time.Time, name string) (authorityKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return authorityKey{}, fmt.Errorf("make authority: %w", err)
	}
	serial, err := newSerial()
	if err != nil {
		return authorityKey{}, fmt.Errorf("make authority: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{Organization: []string{"Virga"}, CommonName: name},
		NotBefore: now.Add(-Skew), NotAfter: now.Add(AuthorityLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, // it signs no further authorities
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return authorityKey{}, fmt.Errorf("make authority: %w", err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return authorityKey{}, fmt.Errorf("make authority: %w", err)
	}
	return authorityKey{key: key, certificate: certificate}, nil
}

// RotateAuthority adds a new key to what Secret has written. It is believed from now on and
// issues after the time of an overlap, in which every member has to renew its certificate and so
// learns of it; the former key is believed for as long again, in which what it has issued runs
// out. It returns the text and when the new key begins to issue.
func RotateAuthority(text []byte, name string, now time.Time, overlap time.Duration) (rotated []byte, from time.Time, err error) {
	ring, err := parseAuthorityRing(text)
	if err != nil {
		return nil, from, fmt.Errorf("rotate authority: %w", err)
	}
	now = now.Truncate(time.Second) // the text knows no smaller unit
	if trusted := ring.trusted(now); len(trusted) > 1 {
		return nil, from, fmt.Errorf("rotate authority: %w", ErrRotating)
	}
	fresh, err := newAuthorityKey(now, name)
	if err != nil {
		return nil, from, err
	}
	fresh.from = now.Add(overlap)
	current := ring.trusted(now)[0]
	current.until = fresh.from.Add(overlap)
	rotated, err = authorityRing{current, fresh}.text()
	return rotated, fresh.from, err
}

// trusted are the keys that are believed at a time, the one that issues first.
func (r authorityRing) trusted(now time.Time) []authorityKey {
	issuing := 0
	for i, one := range r {
		if !one.from.After(now) {
			issuing = i
		}
	}
	list := []authorityKey{r[issuing]}
	for i, one := range r {
		if i != issuing && (one.until.IsZero() || one.until.After(now)) {
			list = append(list, one)
		}
	}
	return list
}

// Names of headers in the PEM blocks of keys.
const (
	headerFrom  = "From"
	headerUntil = "Until"
)

// text is the ring in PEM: of each key itself and then its certificate.
func (r authorityRing) text() (text []byte, err error) {
	for _, one := range r {
		der, err := x509.MarshalPKCS8PrivateKey(one.key)
		if err != nil {
			return nil, fmt.Errorf("write authority: %w", err)
		}
		block := &pem.Block{Type: "PRIVATE KEY", Bytes: der, Headers: map[string]string{}}
		for name, at := range map[string]time.Time{headerFrom: one.from, headerUntil: one.until} {
			if !at.IsZero() {
				block.Headers[name] = at.UTC().Format(time.RFC3339)
			}
		}
		text = append(append(text, pem.EncodeToMemory(block)...), encodeCertificate(one.certificate.Raw)...)
	}
	return text, nil
}

// parseAuthorityRing reads what text has written.
func parseAuthorityRing(text []byte) (authorityRing, error) {
	var ring authorityRing
	for rest := trim(text); len(rest) > 0; rest = trim(rest) {
		var blocks [2]*pem.Block
		for i := range blocks {
			if blocks[i], rest = pem.Decode(rest); blocks[i] == nil {
				return nil, errors.New("the text is not keys and certificates of an authority")
			}
		}
		b, err := parseBundle(append(pem.EncodeToMemory(blocks[0]), pem.EncodeToMemory(blocks[1])...))
		if err != nil {
			return nil, err
		}
		if b.key == nil || len(b.certificates) != 1 || !b.certificates[0].IsCA {
			return nil, errors.New("the text is not a key and the certificate of an authority")
		}
		if !b.key.PublicKey.Equal(b.certificates[0].PublicKey) {
			return nil, errors.New("key and certificate are not a pair")
		}
		one := authorityKey{key: b.key, certificate: b.certificates[0]}
		for name, at := range map[string]*time.Time{headerFrom: &one.from, headerUntil: &one.until} {
			if text := blocks[0].Headers[name]; text != "" {
				if *at, err = time.Parse(time.RFC3339, text); err != nil {
					return nil, fmt.Errorf("the time %s of a key cannot be read", name)
				}
			}
		}
		if last := len(ring) - 1; last >= 0 && !one.from.After(ring[last].from) {
			return nil, errors.New("the keys are not in the order in which they issue")
		}
		ring = append(ring, one)
	}
	if len(ring) == 0 {
		return nil, errors.New("the text is not a key and the certificate of an authority")
	}
	return ring, nil
}
