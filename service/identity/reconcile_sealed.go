package identity

import (
	"context"
	"errors"
	"fmt"
	"time"

	"virga/core/api"
	"virga/core/clock"
	"virga/core/db"
	"virga/core/vault"
)

const (
	// sealBatch is how many texts one transaction seals anew.
	sealBatch = 100
	// sealEvery is how often a process looks whether the vault has another key, sealAgain how
	// often it looks for texts under old keys when it knows of no change.
	sealEvery = 2 * time.Second
	sealAgain = time.Hour
)

// ErrStillSealed is wrapped when a key is to be retired that texts are sealed under.
var ErrStillSealed = errors.New("texts are sealed under the key")

// keysChange asks a client to come again: its request met a rotation of keys.
func keysChange() error {
	return api.Unavailable("The keys of the service are being changed; try again.")
}

// keepSealed seals what old keys of the vault have sealed under the new one, until ctx ends.
func (s *Service) keepSealed(ctx context.Context) {
	ticker := time.NewTicker(sealEvery)
	defer ticker.Stop()
	var done string
	var at time.Time
	for {
		now, primary := s.deps.Clock.Now(), s.deps.Vault.Primary()
		if primary != done || now.Sub(at) >= sealAgain {
			sealed, err := Reseal(ctx, s.deps.DB, s.deps.Vault)
			switch {
			case err == nil:
				done, at = primary, now
				if sealed > 0 {
					s.deps.Log.InfoContext(ctx, "sealed anew what an old key had sealed", "texts", sealed, "key", primary)
				}
			case errors.Is(err, vault.ErrSealed): // it will not open the next time either
				done, at = primary, now
				s.deps.Log.ErrorContext(ctx, "texts cannot be opened with the keys of the vault", "error", err)
			case ctx.Err() == nil:
				s.deps.Log.WarnContext(ctx, "sealing anew failed", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Migrate brings the tables of this service in a database up to date.
func Migrate(ctx context.Context, d *db.DB) error { return migrate(ctx, d) }

// Reseal seals, under the vault's primary key, every text that another key has sealed, and
// returns how many it were. Whoever is interrupted begins again; several may do it at once. An
// error that wraps vault.ErrSealed names texts that no key opens; the others are done.
func Reseal(ctx context.Context, d *db.DB, safe *vault.Safe) (sealed int, err error) {
	var damaged []error
	for _, in := range sealedColumns() {
		skip := 0
		for {
			var found, done int
			var bad []error
			err := d.Write(ctx, func(tx *db.Tx) (err error) {
				found, done, bad, err = resealBatch(tx, &in, safe, skip)
				return err
			})
			if err != nil {
				return sealed, fmt.Errorf("seal %s anew: %w", in.table, err)
			}
			sealed, skip, damaged = sealed+done, skip+len(bad), append(damaged, bad...)
			if found < sealBatch {
				break
			}
		}
	}
	return sealed, errors.Join(damaged...)
}

// resealBatch seals some texts of a column; damaged are those that no key opens.
func resealBatch(tx *db.Tx, in *sealedColumn, safe *vault.Safe, skip int) (found, done int, damaged []error, err error) {
	rows, err := sealedOtherwise(tx, in, safe.Primary(), skip, sealBatch)
	for _, row := range rows {
		key := row.key(len(in.keys))
		about := in.about(key)
		text, err := safe.Open(row.Sealed, about)
		if err != nil {
			damaged = append(damaged, err)
			continue
		}
		if err := updateSealed(tx, in, key, safe.Seal(text, about)); err != nil {
			return 0, 0, nil, err
		}
		done++
	}
	return len(rows), done, damaged, err
}

// RetireKeys has nothing be stored any more that one of the keys has sealed, also not by
// processes that have not heard of it. The error wraps ErrStillSealed when something is.
func RetireKeys(ctx context.Context, d *db.DB, clk clock.Clock, keyIDs []string) error {
	return d.Write(ctx, func(tx *db.Tx) error {
		for _, id := range keyIDs {
			n, err := countSealed(tx, id)
			if err != nil {
				return err
			}
			if n > 0 {
				return fmt.Errorf("retire key %s: %w: %d", id, ErrStillSealed, n)
			}
			if err := retireKey(tx, retiredKeyRow{id, clk.Now()}); err != nil {
				return err
			}
		}
		return nil
	})
}

// CountSealed is how many texts each of some keys has sealed.
func CountSealed(ctx context.Context, d *db.DB, keyIDs []string) (counts map[string]int, err error) {
	counts = map[string]int{}
	err = d.Read(ctx, func(tx *db.Tx) error {
		for _, id := range keyIDs {
			n, err := countSealed(tx, id)
			if err != nil {
				return err
			}
			counts[id] = n
		}
		return nil
	})
	return counts, err
}
