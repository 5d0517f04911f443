package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"virga/core/conf"
	"virga/core/db"
	"virga/core/pki"
	"virga/core/token"
	"virga/core/vault"
	"virga/service/identity"
)

// keepKeys is how many token keys remain after a rotation: tokens outlive three rotations.
const keepKeys = 5

// RotateKeys has new tokens be sealed with another key. Running processes follow within
// seconds, and all tokens stay valid.
func RotateKeys(ctx context.Context, c *conf.Config, out io.Writer) error {
	return onRecords(ctx, c, "rotate keys", func(r *records) error {
		count := 0
		err := r.cluster.ChangeSecret(ctx, secretTokenKeys, func(old []byte) ([]byte, error) {
			ring, err := token.ParseKeyRing(old)
			if err == nil {
				ring, err = ring.Rotated(keepKeys)
			}
			count = ring.Count()
			return ring.Text(), err
		})
		if err == nil {
			err = r.cluster.ChangeSecret(ctx, secretSigningKeys, rotateSigningKeys)
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "Tokens are sealed or signed with another key from now on; %d keys open them.\n", count)
		return nil
	})
}

// rotateSigningKeys makes the next ring, or the first of a cloud that had none.
func rotateSigningKeys(old []byte) ([]byte, error) {
	if old == nil {
		ring, err := token.NewSigningRing()
		if err != nil {
			return nil, err
		}
		return ring.Text()
	}
	ring, err := token.ParseSigningRing(old)
	if err != nil {
		return nil, err
	}
	if ring, err = ring.Rotated(keepKeys); err != nil {
		return nil, err
	}
	return ring.Text()
}

// RotateVault has what users deposit be sealed with another key, and seals anew what is stored.
// A process that runs follows within seconds and helps. The old keys open what they have sealed
// until RetireVault.
func RotateVault(ctx context.Context, c *conf.Config, out io.Writer) error {
	return onRecords(ctx, c, "rotate the key of the vault", func(r *records) error {
		if err := r.rotatePasswords(ctx); err != nil {
			return err
		}
		var ring vault.Ring
		err := r.cluster.ChangeSecret(ctx, secretVault, func(old []byte) ([]byte, error) {
			var err error
			if old == nil {
				return nil, errors.New("the cloud has no vault yet; start it first")
			}
			if ring, err = vault.ParseRing(old); err == nil {
				ring, err = ring.Staged().Rotated(r.clock.Now())
			}
			return ring.Text(), err
		})
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "The key %s seals from now on.\n", ring.Primary())
		_, err = r.reseal(ctx, ring, out)
		return err
	})
}

// rotatePasswords has passwords on their way to guests be sealed with another key. They are on their
// way for hours at most, so the oldest keys go by themselves.
func (r *records) rotatePasswords(ctx context.Context) error {
	return r.cluster.ChangeSecret(ctx, secretPasswords, func(old []byte) ([]byte, error) {
		if old == nil { // there is no compute yet
			return vault.NewRing().Text(), nil
		}
		ring, err := vault.ParseRing(old)
		if err != nil {
			return nil, err
		}
		older := ring.Older()
		ring, err = ring.Without(older[min(len(older), keepKeys):]).Staged().Rotated(r.clock.Now())
		if errors.Is(err, vault.ErrTooSoon) { // a rotation of all keys ended behind this one
			return old, nil
		}
		return ring.Text(), err
	})
}

// RetireVault forgets the keys of the vault that seal no more, after it has sealed anew what they
// had sealed.
func RetireVault(ctx context.Context, c *conf.Config, out io.Writer) error {
	return onRecords(ctx, c, "retire old keys of the vault", func(r *records) error {
		ring, err := r.vaultRing(ctx)
		if err != nil {
			return err
		}
		older := ring.Older()
		if len(older) == 0 {
			fmt.Fprintf(out, "There is no old key; %s is the only one that has sealed anything.\n", ring.Primary())
			return nil
		}
		d, err := r.reseal(ctx, ring, out)
		if err != nil {
			return err
		}
		// From here on no process can store what one of the keys has sealed, so that they can go.
		if err := identity.RetireKeys(ctx, d, r.clock, older); err != nil {
			return err
		}
		err = r.cluster.ChangeSecret(ctx, secretVault, func(old []byte) ([]byte, error) {
			ring, err := vault.ParseRing(old)
			return ring.Without(older).Text(), err
		})
		if err == nil {
			fmt.Fprintf(out, "Forgotten: %s. Backups from before need the keys of then, which are in the same backup.\n", strings.Join(older, ", "))
		}
		return err
	})
}

// ListKeys tells which keys of the vault there are and how much each has sealed.
func ListKeys(ctx context.Context, c *conf.Config, out io.Writer) error {
	return onRecords(ctx, c, "list keys", func(r *records) error {
		ring, err := r.vaultRing(ctx)
		if err != nil {
			return err
		}
		d, err := r.identity(ctx)
		if err != nil {
			return err
		}
		counts, err := identity.CountSealed(ctx, d, append(ring.Older(), ring.Primary()))
		if err != nil {
			return err
		}
		table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "VAULT KEY\tSTATE\tSEALED")
		fmt.Fprintf(table, "%s\tseals\t%d\n", ring.Primary(), counts[ring.Primary()])
		for _, id := range ring.Older() {
			fmt.Fprintf(table, "%s\topens\t%d\n", id, counts[id])
		}
		return table.Flush()
	})
}

// RotateCluster gives the cloud another cluster key, under which its secrets are sealed from then on.
// Processes that run have it in their data folders within seconds, others when they start.
func RotateCluster(ctx context.Context, c *conf.Config, out io.Writer) error {
	return onRecords(ctx, c, "rotate the cluster key", func(r *records) error {
		if err := r.cluster.RotateKey(ctx); err != nil {
			return err
		}
		fmt.Fprintln(out, "The secrets of the cloud are sealed under another cluster key from now on. Controllers that run take it over within seconds,"+
			" others when they start.\nWhen all have run since, virga keys retire --cluster makes the former key worthless. Backups from before need the"+
			" key of then, which is in the data folder of the same backup.")
		return nil
	})
}

// RetireCluster makes former cluster keys worthless.
func RetireCluster(ctx context.Context, c *conf.Config, out io.Writer) error {
	return onRecords(ctx, c, "retire former cluster keys", func(r *records) error {
		count, err := r.cluster.RetireKeys(ctx)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "Former cluster keys that lead nowhere now: %d. A controller that has not run since the last rotation needs the file"+
			" secrets/cluster-key from another one.\n", count)
		return nil
	})
}

// minOverlap is how long a new key of the authority is believed before it issues, and the former
// one after it did, at least; overlapLives is the same in lives of certificates: each member
// renews its certificate in that time, also one that is away for a day.
const (
	minOverlap   = 72 * time.Hour
	overlapLives = 3
)

// RotateAuthority gives the cloud's certificate authority another key. All members believe it from
// their next certificate on; then it issues, and then the former one is forgotten.
func RotateAuthority(ctx context.Context, c *conf.Config, out io.Writer) error {
	return onRecords(ctx, c, "rotate the key of the authority", func(r *records) error {
		overlap := max(minOverlap, overlapLives*c.CertificateLife)
		var from time.Time
		err := r.cluster.ChangeSecret(ctx, secretAuthority, func(old []byte) (text []byte, err error) {
			if old == nil {
				return nil, errors.New("the cloud has no authority yet; start it first")
			}
			text, from, err = pki.RotateAuthority(old, authorityName(r.cluster.ID()), r.clock.Now(), overlap)
			return text, err
		})
		if err != nil {
			return err
		}
		const form = "2006-01-02 15:04 MST"
		fmt.Fprintf(out, "A new key is believed from now on. It issues from %s on, and the former one is believed until %s.\n"+
			"Nothing is left to do for the cloud's machines that run meanwhile. Clients that keep a copy of ca.pem need the new one before the first date.\n",
			from.Format(form), from.Add(overlap).Format(form))
		return nil
	})
}

// vaultRing is the ring of the vault as it is now.
func (r *records) vaultRing(ctx context.Context) (vault.Ring, error) {
	text, err := r.cluster.Secret(ctx, secretVault, func() ([]byte, error) { return nil, errors.New("the cloud has no vault yet; start it first") })
	if err != nil {
		return vault.Ring{}, err
	}
	return vault.ParseRing(text)
}

// reseal seals anew what other keys than the primary one of a ring have sealed.
func (r *records) reseal(ctx context.Context, ring vault.Ring, out io.Writer) (*db.DB, error) {
	safe, err := vault.NewSafe(ring)
	if err != nil {
		return nil, err
	}
	d, err := r.identity(ctx)
	if err != nil {
		return nil, err
	}
	sealed, err := identity.Reseal(ctx, d, safe)
	if err != nil && !errors.Is(err, vault.ErrSealed) {
		return nil, err
	}
	fmt.Fprintf(out, "Sealed anew: %d.\n", sealed)
	if err != nil { // no key opens them, so none of them is needed for them
		fmt.Fprintf(out, "What no key opens:\n%v\n", err)
	}
	return d, nil
}
