package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"virga/core/clock"
)

// Credentials are what a process proves itself with: a key, its certificate and that of
// the authority, kept in a folder. Key and certificate stand in one file that is replaced
// as a whole, so that the folder holds a usable pair at every instant:
//
//	identity.pem   key, certificate, authority, other keys of the authority that are believed
//	next-key.pem   a key for which a certificate has been or is about to be asked
type Credentials struct {
	dir   string
	clock clock.Clock

	mu  sync.RWMutex
	now *identity
}

// identity is one key with its certificate. It is not changed after it was made.
type identity struct {
	key       *ecdsa.PrivateKey
	chain     []*x509.Certificate // the certificate, behind it the authority's, then others that are believed
	subject   Subject
	tls       tls.Certificate
	authority *x509.Certificate
}

const (
	identityFile = "identity.pem"
	nextKeyFile  = "next-key.pem"
)

// ErrNoIdentity is wrapped where credentials without a certificate are asked for one.
var ErrNoIdentity = errors.New("there is no certificate yet")

// OpenCredentials reads the folder, which need not be there yet. Joined tells whether it
// held a certificate.
func OpenCredentials(dir string, c clock.Clock) (*Credentials, error) {
	credentials := &Credentials{dir: dir, clock: c}
	text, err := os.ReadFile(filepath.Join(dir, identityFile))
	if errors.Is(err, fs.ErrNotExist) {
		return credentials, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open credentials: %w", err)
	}
	b, err := parseBundle(text)
	if err != nil {
		return nil, fmt.Errorf("open credentials %s: %w", filepath.Join(dir, identityFile), err)
	}
	if credentials.now, err = newIdentity(b); err != nil {
		return nil, fmt.Errorf("open credentials %s: %w", filepath.Join(dir, identityFile), err)
	}
	return credentials, nil
}

// newIdentity checks that the parts belong together; time plays no role.
func newIdentity(b bundle) (*identity, error) {
	if b.key == nil || len(b.certificates) < 2 {
		return nil, errors.New("not a key with its certificate and the authority's")
	}
	own, authority := b.certificates[0], b.certificates[1]
	if !b.key.PublicKey.Equal(own.PublicKey) {
		return nil, errors.New("key and certificate are not a pair")
	}
	for i, certificate := range b.certificates {
		if certificate.IsCA != (i > 0) {
			return nil, errors.New("the certificates are not one of a process and one of an authority")
		}
	}
	if err := own.CheckSignatureFrom(authority); err != nil {
		return nil, fmt.Errorf("the certificate is not the authority's: %w", err)
	}
	subject, err := SubjectOf(own)
	if err != nil {
		return nil, err
	}
	return &identity{
		key: b.key, chain: b.certificates, subject: subject, authority: authority,
		tls: tls.Certificate{Certificate: [][]byte{own.Raw, authority.Raw}, PrivateKey: b.key, Leaf: own},
	}, nil
}

func (c *Credentials) current() *identity {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.now
}

func (c *Credentials) pair() (*tls.Certificate, error) {
	now := c.current()
	if now == nil {
		return nil, ErrNoIdentity
	}
	return &now.tls, nil
}

// roots is the pool of the authority's keys that are believed; empty without a certificate,
// which trusts nobody.
func (c *Credentials) roots() *x509.CertPool {
	pool := x509.NewCertPool()
	if now := c.current(); now != nil {
		for _, authority := range now.chain[1:] {
			pool.AddCert(authority)
		}
	}
	return pool
}

// Joined tells whether there is a certificate.
func (c *Credentials) Joined() bool { return c.current() != nil }

// Subject is who the certificate is for; the zero value without one.
func (c *Credentials) Subject() Subject {
	if now := c.current(); now != nil {
		return now.subject
	}
	return Subject{}
}

// Certificate is the certificate in use, nil without one. Callers do not change it.
func (c *Credentials) Certificate() *x509.Certificate {
	if now := c.current(); now != nil {
		return now.chain[0]
	}
	return nil
}

// Authority is the authority's certificate in PEM, nil without a certificate.
func (c *Credentials) Authority() []byte {
	if now := c.current(); now != nil {
		return encodeCertificate(now.authority.Raw)
	}
	return nil
}

// AuthorityPin identifies the authority's key; false without a certificate.
func (c *Credentials) AuthorityPin() (Pin, bool) {
	if now := c.current(); now != nil {
		return PinOf(now.authority), true
	}
	return Pin{}, false
}

// AuthorityPins identify the authority's keys that are believed, that of the own certificate
// first; none without a certificate.
func (c *Credentials) AuthorityPins() (pins []Pin) {
	if now := c.current(); now != nil {
		pins = now.pins()
	}
	return pins
}

// pins are those of the authority's keys that are believed.
func (i *identity) pins() (pins []Pin) {
	for _, authority := range i.chain[1:] {
		pins = append(pins, PinOf(authority))
	}
	return pins
}

// believes tells whether a key is among those of the authority that are believed.
func (i *identity) believes(authority Pin) bool {
	return slices.ContainsFunc(i.pins(), func(pin Pin) bool { return pin.Equal(authority) })
}

// Expired tells whether the certificate is not valid any more, or there is none.
func (c *Credentials) Expired() bool {
	now := c.current()
	return now == nil || !c.clock.Now().Before(now.chain[0].NotAfter)
}

// Request makes a request for a certificate with a key that is new, or that of an earlier
// request which was not answered: who is asked twice sees the same key.
func (c *Credentials) Request(subject Subject, names Names) ([]byte, error) {
	key, err := c.nextKey()
	if errors.Is(err, fs.ErrNotExist) {
		key, err = c.newNextKey()
	}
	if err != nil {
		return nil, err
	}
	return newRequest(key, subject, names)
}

func (c *Credentials) newNextKey() (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	text, err := encodeKey(key)
	if err != nil {
		return nil, err
	}
	return key, writeFile(filepath.Join(c.dir, nextKeyFile), text)
}

func (c *Credentials) nextKey() (*ecdsa.PrivateKey, error) {
	path := filepath.Join(c.dir, nextKeyFile)
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	b, err := parseBundle(text)
	if err == nil && (b.key == nil || len(b.certificates) > 0) {
		err = errors.New("the file is not a key")
	}
	if err != nil {
		return nil, fmt.Errorf("read key %s: %w", path, err)
	}
	return b.key, nil
}

// AcceptFrom is Accept for the first certificate, which must be of the authority with the pin.
func (c *Credentials) AcceptFrom(authority Pin, chain []byte, subject Subject) error {
	b, err := parseBundle(chain)
	if err != nil || len(b.certificates) < 2 || !PinOf(b.certificates[1]).Equal(authority) {
		return fmt.Errorf("accept certificate: it does not come with that of the authority %s", authority)
	}
	return c.Accept(chain, subject)
}

// Accept takes the certificate that answers the last request and uses it from now on; the
// chain is what Issue has made. A certificate for somebody else, or of another authority than
// those that the certificate before came with, is refused.
func (c *Credentials) Accept(chain []byte, subject Subject) error {
	key, err := c.nextKey()
	if err != nil {
		return fmt.Errorf("accept certificate: %w", err)
	}
	b, err := parseBundle(chain)
	if err != nil {
		return fmt.Errorf("accept certificate: %w", err)
	}
	if b.key != nil {
		return errors.New("accept certificate: a private key came with it")
	}
	b.key = key
	next, err := newIdentity(b)
	if err != nil {
		return fmt.Errorf("accept certificate: %w", err)
	}
	if next.subject != subject {
		return fmt.Errorf("accept certificate: it is for %s, not for %s", next.subject, subject)
	}
	if now := c.current(); now != nil && !now.believes(PinOf(next.authority)) {
		return errors.New("accept certificate: it is of another authority")
	}
	return c.use(next)
}

// use makes the identity the current one, on disk first. The next key is taken away last:
// when that does not happen the same key is asked for once more, which does no harm.
func (c *Credentials) use(next *identity) error {
	text, err := encodeKey(next.key)
	if err != nil {
		return err
	}
	for _, certificate := range next.chain {
		text = append(text, encodeCertificate(certificate.Raw)...)
	}
	if err := writeFile(filepath.Join(c.dir, identityFile), text); err != nil {
		return err
	}
	c.mu.Lock()
	c.now = next
	c.mu.Unlock()
	if err := os.Remove(filepath.Join(c.dir, nextKeyFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove used key: %w", err)
	}
	return nil
}

// Sign signs a message with the current key (ECDSA over SHA-256, ASN.1) and tells the
// public key (SubjectPublicKeyInfo). It proves who somebody is whose certificate has expired.
func (c *Credentials) Sign(message []byte) (signature, public []byte, err error) {
	now := c.current()
	if now == nil {
		return nil, nil, ErrNoIdentity
	}
	digest := sha256.Sum256(message)
	if signature, err = ecdsa.SignASN1(rand.Reader, now.key, digest[:]); err != nil {
		return nil, nil, fmt.Errorf("sign: %w", err)
	}
	return signature, now.chain[0].RawSubjectPublicKeyInfo, nil
}

// VerifySignature checks what Sign has made and returns the pin of the key that made it.
func VerifySignature(message, signature, public []byte) (Pin, error) {
	parsed, err := x509.ParsePKIXPublicKey(public)
	if err != nil {
		return Pin{}, errors.New("verify signature: the key cannot be read")
	}
	key, ok := parsed.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() {
		return Pin{}, errors.New("verify signature: the key is not an ECDSA key on P-256")
	}
	digest := sha256.Sum256(message)
	if !ecdsa.VerifyASN1(key, digest[:], signature) {
		return Pin{}, errors.New("verify signature: it is not the key's")
	}
	return PinOfKey(public), nil
}

// renewAt is when the certificate is to be renewed: when two thirds of its life are over,
// give or take a twentieth, so that not all members come at once.
func (i *identity) renewAt() time.Time {
	own := i.chain[0]
	issued := own.NotBefore.Add(Skew)
	life := own.NotAfter.Sub(issued)
	share := time.Duration(sha256.Sum256(own.Raw)[0]) * (life / 10) / 256
	return issued.Add(life*2/3 - life/20 + share)
}

// writeFile writes a file that only its owner reads, whole or not at all.
func writeFile(path string, content []byte) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	file, err := os.CreateTemp(dir, ".new-*") // mode 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = file.Write(content)
	if err == nil {
		err = file.Sync()
	}
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		_ = os.Remove(file.Name())
		return fmt.Errorf("write %s: %w", path, err)
	}
	folder, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	err = folder.Sync() // the name, too, is there after a power failure
	if closeErr := folder.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
