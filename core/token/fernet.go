package token

import (
	"crypto/aes"
	"crypto/rand"
	"errors"
	"fmt"
	"time"
)

// Fernet makes and opens tokens with the keys of a repository.
type Fernet struct {
	keys  *Keys
	clock Clock
}

// NewFernet returns a Fernet over the repository; the clock stamps the tokens that it makes.
func NewFernet(keys *Keys, clock Clock) *Fernet {
	return &Fernet{keys: keys, clock: clock}
}

// Issue makes a token of the payload with the primary key. A zero IssuedAt means now.
func (f *Fernet) Issue(p Payload) (Secret, error) {
	if p.UserID == "" {
		return "", errors.New("issue token: it has no user")
	}
	message, err := encodePayload(p)
	if err != nil {
		return "", fmt.Errorf("issue token for user %s: %w", p.UserID, err)
	}
	at := p.IssuedAt
	if at.IsZero() {
		at = f.clock.Now()
	}
	var iv [aes.BlockSize]byte
	if _, err := rand.Read(iv[:]); err != nil {
		return "", fmt.Errorf("issue token for user %s: %w", p.UserID, err)
	}
	sealed := f.keys.current()[0].seal(message, at, iv)
	if len(sealed) > maxTokenLength {
		return "", fmt.Errorf("issue token for user %s: it would have %d characters, the most is %d", p.UserID, len(sealed), maxTokenLength)
	}
	return Secret(sealed), nil
}

// Open verifies a token and returns what it carries. The error is ErrInvalid, or ErrExpired, with which the payload is
// returned too, for services that are allowed to go on with an expired token for a while.
//
// A token whose time of issue is more than a minute ahead of now is invalid, so a clock that was set back fails closed.
func (f *Fernet) Open(token string, now time.Time) (Payload, error) {
	sealed, made, err := decodeFernet(token, now)
	if err != nil {
		return Payload{}, err
	}
	message, ok := f.keys.open(sealed)
	if !ok {
		return Payload{}, ErrInvalid
	}
	p, err := decodePayload(message)
	if err != nil {
		return Payload{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	p.IssuedAt = made
	if !now.Before(p.ExpiresAt) {
		return p, ErrExpired
	}
	return p, nil
}
