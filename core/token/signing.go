package token

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
)

// signingKeyType is what the keys' PEM blocks are called: PKCS #8.
const signingKeyType = "PRIVATE KEY"

// SigningRing is a set of keys that sign tokens (ECDSA with P-256), kept as a KeyRing is: the staged key can already verify
// before it signs. It is changed by making another one.
type SigningRing struct {
	// keys has the primary key first, then the others from new to old, the staged one last.
	keys []*ecdsa.PrivateKey
}

// NewSigningRing makes a ring of a primary and a staged key.
func NewSigningRing() (SigningRing, error) {
	var ring SigningRing
	for range 2 {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return SigningRing{}, fmt.Errorf("make signing keys: %w", err)
		}
		ring.keys = append(ring.keys, key)
	}
	return ring, nil
}

// ParseSigningRing reads what Text has written.
func ParseSigningRing(text []byte) (SigningRing, error) {
	var ring SigningRing
	for rest := bytes.TrimSpace(text); len(rest) > 0; {
		block, after := pem.Decode(rest)
		if block == nil || block.Type != signingKeyType {
			return SigningRing{}, fmt.Errorf("read signing keys: key %d is not in PEM", len(ring.keys))
		}
		parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		key, ok := parsed.(*ecdsa.PrivateKey)
		if err != nil || !ok || key.Curve != elliptic.P256() {
			return SigningRing{}, fmt.Errorf("read signing keys: key %d is none of ECDSA with P-256", len(ring.keys))
		}
		ring.keys = append(ring.keys, key)
		rest = bytes.TrimSpace(after)
	}
	if len(ring.keys) == 0 {
		return SigningRing{}, ErrNoKeys
	}
	return ring, nil
}

// Text is the ring in a form to be kept in secret: PEM blocks, one after the other.
func (r SigningRing) Text() ([]byte, error) {
	var text []byte
	for _, key := range r.keys {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return nil, fmt.Errorf("write signing keys: %w", err)
		}
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: signingKeyType, Bytes: der})...)
	}
	return text, nil
}

// Rotated is the ring in which the staged key has become the primary one, a new key is staged, and the oldest are left out
// so that maxActive remain. Whoever has the ring from before verifies tokens of the new primary key, too.
func (r SigningRing) Rotated(maxActive int) (SigningRing, error) {
	if maxActive < minActiveKeys {
		return SigningRing{}, fmt.Errorf("rotate signing keys: %d are too few to keep, the least is %d", maxActive, minActiveKeys)
	}
	if len(r.keys) < 2 {
		return SigningRing{}, errors.New("rotate signing keys: there is no staged key")
	}
	last := len(r.keys) - 1
	next := slices.Concat([]*ecdsa.PrivateKey{r.keys[last]}, r.keys[:last])
	next = next[:min(len(next), maxActive-1)]
	staged, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return SigningRing{}, fmt.Errorf("rotate signing keys: %w", err)
	}
	return SigningRing{append(next, staged)}, nil
}

// Count is how many keys can verify tokens, the staged one included.
func (r SigningRing) Count() int { return len(r.keys) }

// Format prints stars for every verb.
func (r SigningRing) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, masked) }

// SigningKeys are the keys of a ring in use, until Replace gives them another.
type SigningKeys struct {
	mu   sync.RWMutex
	held []*ecdsa.PrivateKey
	// public verifies what held signs.
	public *PublicKeys
}

// NewSigningKeys takes a ring into use.
func NewSigningKeys(ring SigningRing) *SigningKeys {
	return &SigningKeys{held: ring.keys, public: NewPublicKeys(ring)}
}

// Replace has tokens be signed and verified with another ring from now on.
func (k *SigningKeys) Replace(ring SigningRing) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.held = ring.keys
	k.public.Replace(ring)
}

// WhenMissing is that of Keys, for a token that no key verifies.
func (k *SigningKeys) WhenMissing(look func()) { k.public.WhenMissing(look) }

// Count returns how many keys can verify tokens, the staged one included.
func (k *SigningKeys) Count() int { return len(k.public.current()) }

func (k *SigningKeys) primary() *ecdsa.PrivateKey {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.held[0]
}

// PublicKeys are the public halves of a ring: they verify tokens and can make none.
type PublicKeys struct {
	// look is set by WhenMissing.
	look func()

	mu   sync.RWMutex
	held []*ecdsa.PublicKey
}

// NewPublicKeys takes the public halves of a ring into use.
func NewPublicKeys(ring SigningRing) *PublicKeys {
	k := new(PublicKeys)
	k.Replace(ring)
	return k
}

// Replace has tokens be verified with another ring from now on.
func (k *PublicKeys) Replace(ring SigningRing) {
	held := make([]*ecdsa.PublicKey, len(ring.keys))
	for i, key := range ring.keys {
		held[i] = &key.PublicKey
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.held = held
}

// WhenMissing is that of Keys, for a token that no key verifies.
func (k *PublicKeys) WhenMissing(look func()) { k.look = look }

func (k *PublicKeys) current() []*ecdsa.PublicKey {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.held
}
