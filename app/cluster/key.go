package cluster

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"virga/app/folder"
	"virga/core/token"
)

// ErrKey is wrapped when a data folder has no cluster key, or that of another cloud.
var ErrKey = errors.New("the data folder does not have the cluster key")

// keyBytes is the length of a cluster key: that of AES-256.
const keyBytes = 32

// key seals and opens the secrets of a cloud (AES-256-GCM).
type key struct {
	text token.Secret
	aead cipher.AEAD
}

// parseKey reads a key in the form of its file: base64url without padding.
func parseKey(text string) (*key, error) {
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil || len(raw) != keyBytes {
		return nil, errors.New("it is not 32 bytes in base64url")
	}
	block, err := aes.NewCipher(raw)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return &key{token.Secret(base64.RawURLEncoding.EncodeToString(raw)), aead}, nil
}

// readKey reads the file of a key; nil when there is none.
func readKey(path string) (*key, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read cluster key: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("read cluster key: the mode %04o of %s lets others read it, it must be 0600", info.Mode().Perm(), path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read cluster key: %w", err)
	}
	k, err := parseKey(string(text))
	if err != nil {
		return nil, fmt.Errorf("read cluster key %s: %w", path, err)
	}
	return k, nil
}

// newKey makes a key and keeps it in a file.
func newKey(path string) (*key, error) {
	raw := make([]byte, keyBytes)
	if _, err := rand.Read(raw); err != nil {
		return nil, fmt.Errorf("make cluster key: %w", err)
	}
	k, err := parseKey(base64.RawURLEncoding.EncodeToString(raw))
	if err == nil {
		err = folder.Write(path, []byte(k.text.Reveal()+"\n"))
	}
	if err != nil {
		return nil, fmt.Errorf("make cluster key: %w", err)
	}
	return k, nil
}

// seal encrypts a text. about is not kept: who opens the secret must know it, so that a
// secret that was put in the place of another does not open.
func (k *key) seal(text []byte, about string) (string, error) {
	nonce := make([]byte, k.aead.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		return "", fmt.Errorf("seal %s: %w", about, err)
	}
	return base64.StdEncoding.EncodeToString(k.aead.Seal(nonce, nonce, text, []byte(about))), nil
}

func (k *key) open(sealed, about string) ([]byte, error) {
	raw, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil || len(raw) < k.aead.NonceSize() {
		return nil, fmt.Errorf("open %s: it is not in the form of a sealed secret", about)
	}
	text, err := k.aead.Open(nil, raw[:k.aead.NonceSize()], raw[k.aead.NonceSize():], []byte(about))
	if err != nil {
		return nil, fmt.Errorf("open %s: it was not sealed under this cluster key", about)
	}
	return text, nil
}
