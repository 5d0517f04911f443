package cluster

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"

	"virga/app/folder"
	"virga/core/db"
	"virga/core/token"
	"virga/core/vault"
)

// How the cluster key changes. One transaction seals all secrets anew and leaves a hand-over: the
// new key, sealed under the former one. Whoever has the former key, a process that runs as well as
// one that starts next year, comes by hand-overs to the key that the database is sealed under now,
// and keeps it in its data folder. So nobody has to be told, everybody may die at any instant, and
// nothing but that one write decides which key is right. RetireKeys ends it: without hand-overs a
// former key opens nothing.

var (
	// errStaleKey is returned out of transactions that find the database sealed under another key.
	errStaleKey = errors.New("the cluster key has changed")
	// ErrBehind is wrapped when processes are alive that have not taken over the cluster key.
	ErrBehind = errors.New("processes have another cluster key")
)

// held is the cluster key that a process has.
type held struct {
	mu  sync.Mutex
	key *key
	// check is the cloud's key check as it was when the key was found to open it.
	check string
	// kept is the id of the key in the data folder.
	kept string
}

func (h *held) get() (k *key, check string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.key, h.check
}

func (h *held) set(k *key, check string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.key, h.check = k, check
}

func (h *held) inFolder() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.kept
}

// keep has the data folder hold the key.
func (c *Cluster) keep() error {
	k, _ := c.held.get()
	if err := folder.Write(KeyPath(c.cfg.DataDir), []byte(k.text.Reveal()+"\n")); err != nil {
		return fmt.Errorf("keep the cluster key: %w", err)
	}
	c.held.mu.Lock()
	defer c.held.mu.Unlock()
	c.held.kept = k.id()
	return nil
}

// Key is the cluster key in the form of its file, for a controller that joins.
func (c *Cluster) Key() token.Secret {
	k, _ := c.held.get()
	return k.text
}

// withKey runs something that needs the key under which the database is sealed, with another key
// when that has changed.
func (c *Cluster) withKey(ctx context.Context, run func(k *key, check string) error) error {
	var err error
	for range races {
		k, check := c.held.get()
		if err = run(k, check); !errors.Is(err, errStaleKey) {
			return err
		}
		if err := c.adopt(ctx); err != nil {
			return err
		}
	}
	return err
}

// adopt takes over the key under which the database is sealed now. A key that cannot be written to
// the data folder is used all the same, and the error returned.
func (c *Cluster) adopt(ctx context.Context) error {
	row, _, handovers, err := c.look(ctx)
	if err != nil {
		return fmt.Errorf("take over the cluster key: %w", err)
	}
	k, _ := c.held.get()
	if k, err = follow(k, row, handovers); err != nil {
		return err
	}
	c.held.set(k, row.KeyCheck)
	return c.keep()
}

// follow goes from a key by hand-overs to the one that opens the cloud's key check.
func follow(k *key, row cloudRow, handovers map[string]string) (*key, error) {
	for range len(handovers) + 1 {
		if check, err := k.Open(row.KeyCheck, checked); err == nil && string(check) == row.ID {
			return k, nil
		}
		sealed, there := handovers[k.id()]
		if !there {
			break
		}
		text, err := k.Open(sealed, aboutHandover(row.ID, k.id()))
		if err != nil {
			return nil, fmt.Errorf("take over the cluster key: %w", err)
		}
		if k, err = parseKey(string(text)); err != nil {
			return nil, fmt.Errorf("take over the cluster key: %w", err)
		}
	}
	return nil, fmt.Errorf("%w of the cloud %s: that in the folder is another, and nothing leads from it to the one in use", ErrKey, row.ID)
}

func aboutHandover(cloudID, former string) string { return cloudID + "/handover/" + former }

// FollowKey takes over the cluster key whenever it changes, until ctx ends: within two seconds,
// sooner when the bus works.
func (c *Cluster) FollowKey(ctx context.Context) error {
	c.each(ctx, topicSecrets, followEvery, func(ctx context.Context) {
		k, check := c.held.get()
		now, err := c.keyCheck(ctx)
		if err == nil && (now != check || c.held.inFolder() != k.id()) {
			if err = c.adopt(ctx); err == nil {
				c.cfg.Log.InfoContext(ctx, "the cluster key has changed")
			}
		}
		if err != nil && ctx.Err() == nil {
			c.cfg.Log.WarnContext(ctx, "follow the cluster key", "error", err)
		}
	})
	return nil
}

func (c *Cluster) keyCheck(ctx context.Context) (check string, err error) {
	err = c.cfg.DB.Read(ctx, func(tx *db.Tx) error {
		check, err = findKeyCheck(tx)
		return err
	})
	return check, err
}

// RotateKey seals the secrets of the cloud under another key, which the data folder has then. The
// processes of the cloud follow by themselves; those that could not are ErrBehind.
func (c *Cluster) RotateKey(ctx context.Context) error {
	fresh, err := parseKey(base64.RawURLEncoding.EncodeToString(vault.NewKey()))
	if err != nil {
		return fmt.Errorf("rotate the cluster key: %w", err)
	}
	err = c.withKey(ctx, func(k *key, check string) error {
		return Settle(ctx, c.cfg.DB, func(tx *db.Tx) error { return c.sealUnder(tx, k, fresh, check) })
	})
	if err != nil {
		return fmt.Errorf("rotate the cluster key: %w", err)
	}
	return c.adopt(ctx)
}

func (c *Cluster) sealUnder(tx *db.Tx, k, fresh *key, check string) error {
	row, _, err := readCloud(tx)
	switch {
	case err != nil:
		return err
	case row.KeyCheck != check:
		return errStaleKey
	}
	if err := c.nobodyBehind(tx, func(p *processRow) bool { return p.KeyID == "" }); err != nil {
		return err
	}
	secrets, err := listSecrets(tx)
	if err != nil {
		return err
	}
	for _, secret := range secrets {
		text, err := k.Open(secret.Sealed, c.about(secret.Name))
		if err != nil {
			return err
		}
		if err := replaceSealed(tx, secret.Name, fresh.Seal(text, c.about(secret.Name))); err != nil {
			return err
		}
	}
	if err := replaceKeyCheck(tx, fresh.Seal([]byte(row.ID), checked)); err != nil {
		return err
	}
	tx.AfterCommit(func() { c.cfg.Bus.Ring(topicSecrets) })
	return tx.Insert("key_handovers", handoverRow{Former: k.id(), CreatedAt: c.cfg.Clock.Now(),
		Sealed: k.Seal([]byte(fresh.text.Reveal()), aboutHandover(row.ID, k.id()))})
}

// RetireKeys has former cluster keys open nothing any more, and tells how many there were. Data
// folders of controllers that have not run since a rotation need the key from another one then.
func (c *Cluster) RetireKeys(ctx context.Context) (count int, err error) {
	err = c.withKey(ctx, func(k *key, check string) error {
		return c.cfg.DB.Write(ctx, func(tx *db.Tx) error {
			now, err := findKeyCheck(tx)
			switch {
			case err != nil:
				return err
			case now != check:
				return errStaleKey
			}
			if err := c.nobodyBehind(tx, func(p *processRow) bool { return p.KeyID != k.id() }); err != nil {
				return err
			}
			count, err = deleteHandovers(tx)
			return err
		})
	})
	if err != nil {
		return 0, fmt.Errorf("retire former cluster keys: %w", err)
	}
	return count, nil
}

// nobodyBehind refuses to go on while a process is alive, or was a moment ago, that is behind.
func (c *Cluster) nobodyBehind(tx *db.Tx, behind func(*processRow) bool) error {
	rows, err := listProcesses(tx, c.cfg.Clock.Now().Add(-recentFor), maxProcesses)
	if err != nil {
		return err
	}
	var names []string
	for i := range rows {
		if behind(&rows[i]) {
			names = append(names, fmt.Sprintf("%s on %s (%s)", rows[i].Roles, rows[i].Host, rows[i].Version))
		}
	}
	if len(names) > 0 {
		return fmt.Errorf("%w: %s", ErrBehind, strings.Join(names, ", "))
	}
	return nil
}
