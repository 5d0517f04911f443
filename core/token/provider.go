package token

import (
	"errors"
	"fmt"
	"time"
)

// Names of the kinds of tokens, those of keystone's providers.
const (
	KindFernet = "fernet"
	KindJWS    = "jws"
)

// Provider makes tokens of one kind and opens those of every kind that it has keys for, so that a cloud changes from one
// kind to the other without logging anybody out.
type Provider struct {
	kind   string
	fernet *Fernet
	// jws is nil where there are no signing keys.
	jws *JWS
}

// NewProvider makes tokens of the kind, KindFernet when it is empty; signing may be nil unless the kind needs it.
func NewProvider(kind string, keys *Keys, signing *SigningKeys, clock Clock) (*Provider, error) {
	p := &Provider{kind: kind, fernet: NewFernet(keys, clock)}
	if signing != nil {
		p.jws = NewJWS(signing, clock)
	}
	switch {
	case kind != "" && kind != KindFernet && kind != KindJWS:
		return nil, fmt.Errorf("tokens of kind %q are not known", kind)
	case kind == KindJWS && p.jws == nil:
		return nil, errors.New("signed tokens need signing keys")
	}
	return p, nil
}

// Issue makes a token of the payload.
func (p *Provider) Issue(payload Payload) (Secret, error) {
	if p.kind == KindJWS {
		return p.jws.Issue(payload)
	}
	return p.fernet.Issue(payload)
}

// Open verifies a token of any kind, with the errors of Fernet's Open.
func (p *Provider) Open(text string, now time.Time) (Payload, error) {
	switch {
	case !IsJWS(text):
		return p.fernet.Open(text, now)
	case p.jws == nil:
		return Payload{}, ErrInvalid
	}
	return p.jws.Open(text, now)
}
