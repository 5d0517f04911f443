package pki

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"regexp"
)

// Kind is what a process is in the cloud.
type Kind string

// The kinds of processes that have certificates.
const (
	Node       Kind = "node"
	Controller Kind = "controller"
)

// Valid tells whether it is one of the kinds.
func (k Kind) Valid() bool { return k == Node || k == Controller }

// internalDomain is the end of the names that tell kinds apart in TLS.
const internalDomain = "virga.internal"

// ServerName is the name under which a process of the kind is addressed in TLS (RFC 6066).
// It stands in each certificate of the kind and nowhere in a domain name system.
func (k Kind) ServerName() string { return string(k) + "." + internalDomain }

// Subject is who a certificate is for.
type Subject struct {
	Kind Kind
	// Name is the host.
	Name string
}

// name is what host names of members look like. They become parts of addresses and topics.
var name = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// Valid tells whether the kind is known and the name is one.
func (s Subject) Valid() bool { return s.Kind.Valid() && name.MatchString(s.Name) }

// String is the URI that stands in certificates: virga://node/host1.
func (s Subject) String() string { return "virga://" + string(s.Kind) + "/" + s.Name }

func (s Subject) uri() *url.URL {
	return &url.URL{Scheme: "virga", Host: string(s.Kind), Path: "/" + s.Name}
}

// ErrSubject is wrapped by errors about names that say nobody.
var ErrSubject = errors.New("not the name of a node or controller")

// subjectOf reads the one URI of a certificate or request. Whatever is not exactly what
// this package writes is refused.
func subjectOf(uris []*url.URL) (Subject, error) {
	if len(uris) != 1 {
		return Subject{}, fmt.Errorf("read subject: %d URIs: %w", len(uris), ErrSubject)
	}
	u := uris[0]
	s := Subject{Kind: Kind(u.Host)}
	if len(u.Path) > 1 && u.Path[0] == '/' {
		s.Name = u.Path[1:]
	}
	if !s.Valid() || u.String() != s.String() {
		return Subject{}, fmt.Errorf("read subject %.200q: %w", u.String(), ErrSubject)
	}
	return s, nil
}

// SubjectOf is who a certificate is for, whoever has issued it.
func SubjectOf(certificate *x509.Certificate) (Subject, error) { return subjectOf(certificate.URIs) }

// Pin identifies a public key: the SHA-256 of its SubjectPublicKeyInfo (as in RFC 7469).
type Pin [sha256.Size]byte

// PinOf is the pin of a certificate's key.
func PinOf(certificate *x509.Certificate) Pin {
	return sha256.Sum256(certificate.RawSubjectPublicKeyInfo)
}

// PinOfKey is the pin of a key given as SubjectPublicKeyInfo.
func PinOfKey(info []byte) Pin { return sha256.Sum256(info) }

// String is the pin as 64 hexadecimal digits.
func (p Pin) String() string { return hex.EncodeToString(p[:]) }

// Equal compares in constant time.
func (p Pin) Equal(other Pin) bool { return subtle.ConstantTimeCompare(p[:], other[:]) == 1 }

// ParsePin reads what String writes.
func ParsePin(text string) (Pin, error) {
	var p Pin
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != len(p) || hex.EncodeToString(raw) != text {
		return p, fmt.Errorf("read pin: %.80q is not 64 hexadecimal digits", text)
	}
	copy(p[:], raw)
	return p, nil
}
