// Package vault seals small secrets that are kept in a database, so that the database alone
// does not give them away.
//
// It owns the form of a sealed text and nothing of where keys and texts are kept. Everybody
// may import it.
package vault

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
)

// KeyBytes is the length of a key: that of AES-256.
const KeyBytes = 32

// ErrSealed is wrapped when a text does not open: it was sealed under another key or about
// something else, or it is damaged.
var ErrSealed = errors.New("the text does not open under this key")

// Vault seals and opens texts with AES-256-GCM. It is safe for use by many at once.
type Vault struct{ aead cipher.AEAD }

// New returns the vault of a key of KeyBytes bytes.
func New(key []byte) (*Vault, error) {
	if len(key) != KeyBytes {
		return nil, fmt.Errorf("open vault: a key has %d bytes, not %d", KeyBytes, len(key))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("open vault: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("open vault: %w", err)
	}
	return &Vault{aead}, nil
}

// NewKey makes a key.
func NewKey() []byte {
	key := make([]byte, KeyBytes)
	_, _ = rand.Read(key) // it never fails: without randomness it ends the program
	return key
}

// Seal encrypts a text: base64 of a random nonce, the ciphertext and its tag. What the text
// is about is not kept in it: whoever opens it must know, so that a sealed text that was put
// in the place of another does not open there.
func (v *Vault) Seal(text []byte, about string) string {
	nonce := make([]byte, v.aead.NonceSize())
	_, _ = rand.Read(nonce)
	return base64.StdEncoding.EncodeToString(v.aead.Seal(nonce, nonce, text, []byte(about)))
}

// Open decrypts what Seal made; ErrSealed otherwise.
func (v *Vault) Open(sealed, about string) ([]byte, error) {
	raw, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil || len(raw) < v.aead.NonceSize() {
		return nil, fmt.Errorf("open %s: it is not in the form of a sealed text: %w", about, ErrSealed)
	}
	text, err := v.aead.Open(nil, raw[:v.aead.NonceSize()], raw[v.aead.NonceSize():], []byte(about))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", about, ErrSealed)
	}
	return text, nil
}
