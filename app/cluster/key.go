package cluster

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"virga/app/folder"
	"virga/core/token"
	"virga/core/vault"
)

// ErrKey is wrapped when a data folder has no cluster key, or that of another cloud.
var ErrKey = errors.New("the data folder does not have the cluster key")

// key is a cluster key: the vault for the secrets of a cloud, and the key as text.
type key struct {
	text token.Secret
	*vault.Vault
}

// parseKey reads a key in the form of its file: base64url without padding.
func parseKey(text string) (*key, error) {
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil || len(raw) != vault.KeyBytes {
		return nil, errors.New("it is not 32 bytes in base64url")
	}
	safe, err := vault.New(raw)
	if err != nil {
		return nil, err
	}
	return &key{token.Secret(base64.RawURLEncoding.EncodeToString(raw)), safe}, nil
}

// id names the key and says nothing of it.
func (k *key) id() string {
	sum := sha256.Sum256([]byte("virga cluster key " + k.text.Reveal()))
	return hex.EncodeToString(sum[:8])
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
	k, err := parseKey(base64.RawURLEncoding.EncodeToString(vault.NewKey()))
	if err == nil {
		err = folder.Write(path, []byte(k.text.Reveal()+"\n"))
	}
	if err != nil {
		return nil, fmt.Errorf("make cluster key: %w", err)
	}
	return k, nil
}
