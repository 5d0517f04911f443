package cluster

import (
	"context"
	"fmt"

	"virga/core/db"
)

// topicSecrets rings when a secret has changed.
const topicSecrets = "cloud.secrets"

// Secret returns a secret of the cloud, made by mint when there is none. When several
// processes make it at once, all get the one that was first.
func (c *Cluster) Secret(ctx context.Context, name string, mint func() ([]byte, error)) ([]byte, error) {
	text, _, err := c.secret(ctx, name)
	if err != nil || text != nil {
		return text, err
	}
	fresh, err := mint()
	if err != nil {
		return nil, fmt.Errorf("make secret %s: %w", name, err)
	}
	err = c.ChangeSecret(ctx, name, func(old []byte) ([]byte, error) {
		if old != nil {
			text = old
			return old, nil
		}
		text = fresh
		return fresh, nil
	})
	return text, err
}

// ChangeSecret replaces a secret by what change makes of it (of nil, when there is none).
// change may be called again when the transaction lost a race.
func (c *Cluster) ChangeSecret(ctx context.Context, name string, change func(old []byte) ([]byte, error)) error {
	err := c.withKey(ctx, func(k *key, check string) error {
		return Settle(ctx, c.cfg.DB, func(tx *db.Tx) error {
			row, err := findSecretOf(tx, name, check)
			if err != nil {
				return err
			}
			var old []byte
			if row.Version > 0 {
				if old, err = k.Open(row.Sealed, c.about(name)); err != nil {
					return err
				}
			}
			text, err := change(old)
			if err != nil || string(text) == string(old) && old != nil {
				return err
			}
			row.Sealed = k.Seal(text, c.about(name))
			tx.AfterCommit(func() { c.cfg.Bus.Ring(topicSecrets) })
			return saveSecret(tx, row)
		})
	})
	if err != nil {
		return fmt.Errorf("change secret %s: %w", name, err)
	}
	return nil
}

func (c *Cluster) version(ctx context.Context, name string) (version int64, err error) {
	err = c.cfg.DB.Read(ctx, func(tx *db.Tx) error {
		version, err = secretVersion(tx, name)
		return err
	})
	return version, err
}

// secret returns a secret and its version; nil and 0 when there is none.
func (c *Cluster) secret(ctx context.Context, name string) (text []byte, version int64, err error) {
	err = c.withKey(ctx, func(k *key, check string) error {
		var row secretRow
		err := c.cfg.DB.Read(ctx, func(tx *db.Tx) (err error) {
			row, err = findSecretOf(tx, name, check)
			return err
		})
		if text, version = nil, row.Version; err != nil || version == 0 {
			return err
		}
		text, err = k.Open(row.Sealed, c.about(name))
		return err
	})
	return text, version, err
}

// about is what a secret is bound to.
func (c *Cluster) about(name string) string { return c.id + "/" + name }
