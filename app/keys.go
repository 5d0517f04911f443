package app

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"virga/app/cluster"
	"virga/app/folder"
	"virga/core/conf"
	"virga/core/token"
	"virga/core/vault"
)

// Names of the cloud's secrets.
const (
	secretTokenKeys     = "token-keys"
	secretSigningKeys   = "signing-keys"
	secretAdminPassword = "admin-password"
	secretAuthority     = "authority"
	// secretVault has what users deposit, secretPasswords what is on its way to guests.
	secretVault     = "vault"
	secretPasswords = "server-passwords"
)

// tokenKeys are the keys that seal tokens, as the cloud has them now and later. Those that a
// data folder kept in files become the cloud's.
func (cl *cloud) tokenKeys(ctx context.Context) (*token.Keys, error) {
	files := filepath.Join(cl.conf.DataDir, "keys", "fernet")
	text, err := cl.cluster.Secret(ctx, secretTokenKeys, func() ([]byte, error) {
		ring, err := token.ReadKeyRing(files)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, token.ErrNoKeys) {
			ring, err = token.NewKeyRing()
		}
		return ring.Text(), err
	})
	if err != nil {
		return nil, fmt.Errorf("open token keys: %w", err)
	}
	ring, err := token.ParseKeyRing(text)
	if err != nil {
		return nil, fmt.Errorf("open token keys: %w", err)
	}
	if err := os.RemoveAll(filepath.Dir(files)); err != nil { // they are where the others are now
		return nil, fmt.Errorf("remove token keys that were taken over: %w", err)
	}
	keys := token.NewKeys(ring)
	follower := cl.cluster.Follow(secretTokenKeys, func(text []byte) error {
		ring, err := token.ParseKeyRing(text)
		if err == nil {
			keys.Replace(ring)
		}
		return err
	})
	cl.onRun(follower.Run)
	keys.WhenMissing(cl.looks(follower))
	return keys, nil
}

// signingRing are the keys that sign tokens, made when the cloud has none.
func (cl *cloud) signingRing(ctx context.Context) (token.SigningRing, error) {
	text, err := cl.cluster.Secret(ctx, secretSigningKeys, func() ([]byte, error) {
		ring, err := token.NewSigningRing()
		if err != nil {
			return nil, err
		}
		return ring.Text()
	})
	if err != nil {
		return token.SigningRing{}, fmt.Errorf("open signing keys: %w", err)
	}
	return token.ParseSigningRing(text)
}

// looksTimeout bounds how long a token that no key opens waits for newer keys.
const looksTimeout = 2 * time.Second

// looks has a secret that is followed be looked at now: who rotates keys twice at once has made
// tokens that a process without news of the first rotation cannot open.
func (cl *cloud) looks(follower *cluster.Follower) func() {
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), looksTimeout)
		defer cancel()
		if err := follower.Look(ctx); err != nil {
			cl.log.Warn("look for newer keys", "error", err)
		}
	}
}

// followSigningKeys has replace be called with the ring whenever it has changed, and returns what
// looks for a change now.
func (cl *cloud) followSigningKeys(replace func(token.SigningRing)) func() {
	follower := cl.cluster.Follow(secretSigningKeys, func(text []byte) error {
		ring, err := token.ParseSigningRing(text)
		if err == nil {
			replace(ring)
		}
		return err
	})
	cl.onRun(follower.Run)
	return cl.looks(follower)
}

// signingKeys are the keys that sign tokens, as the cloud has them now and later. Every cloud
// has them, so that processes that are told to sign and others that are not yet accept each
// other's tokens.
func (cl *cloud) signingKeys(ctx context.Context) (*token.SigningKeys, error) {
	ring, err := cl.signingRing(ctx)
	if err != nil {
		return nil, err
	}
	keys := token.NewSigningKeys(ring)
	keys.WhenMissing(cl.followSigningKeys(keys.Replace))
	return keys, nil
}

// publicKeys verify signed tokens.
func (cl *cloud) publicKeys(ctx context.Context) (*token.PublicKeys, error) {
	ring, err := cl.signingRing(ctx)
	if err != nil {
		return nil, err
	}
	keys := token.NewPublicKeys(ring)
	keys.WhenMissing(cl.followSigningKeys(keys.Replace))
	return keys, nil
}

// openVault opens the vault whose ring is a secret of the cloud, with the keys that there are now
// and later.
func (cl *cloud) openVault(ctx context.Context, name string) (*vault.Safe, error) {
	var ring vault.Ring
	err := cl.cluster.ChangeSecret(ctx, name, func(old []byte) (_ []byte, err error) {
		if ring = vault.NewRing(); old != nil {
			ring, err = vault.ParseRing(old)
		}
		if err != nil {
			return nil, err
		}
		// Every process knows the key of the next rotation before there is one.
		ring = ring.Staged()
		return ring.Text(), nil
	})
	if err != nil {
		return nil, fmt.Errorf("open the vault: %w", err)
	}
	safe, err := vault.NewSafe(ring)
	if err != nil {
		return nil, err
	}
	cl.onRun(cl.cluster.Follow(name, func(text []byte) error {
		ring, err := vault.ParseRing(text)
		if err != nil {
			return err
		}
		return safe.Replace(ring)
	}).Run)
	return safe, nil
}

// adminPassword returns the password of the user admin as the cloud was begun with it: the
// one kept, else the configured one, else a new random one.
func (cl *cloud) adminPassword(ctx context.Context) (token.Secret, error) {
	path := filepath.Join(cl.conf.DataDir, "secrets", "admin-password")
	text, err := cl.cluster.Secret(ctx, secretAdminPassword, func() ([]byte, error) { return firstPassword(cl.conf, path) })
	if err != nil {
		return "", err
	}
	return token.Secret(text), folder.Write(path, append(text, '\n'))
}

// firstPassword is the password of a cloud that has none yet.
func firstPassword(c *conf.Config, path string) ([]byte, error) {
	kept, err := os.ReadFile(path)
	if err == nil {
		return []byte(strings.TrimSuffix(string(kept), "\n")), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read admin password: %w", err)
	}
	password, err := newPassword(c.AdminPassword)
	return []byte(password.Reveal()), err
}

// newPassword is the password that is given, or a random one.
func newPassword(given string) (token.Secret, error) {
	if strings.ContainsAny(given, "\r\n\x00") {
		return "", errors.New("the admin password holds a line break")
	}
	if given != "" {
		return token.Secret(given), nil
	}
	random := make([]byte, 24)
	if _, err := rand.Read(random); err != nil {
		return "", fmt.Errorf("make admin password: %w", err)
	}
	return token.Secret(base64.RawURLEncoding.EncodeToString(random)), nil
}
