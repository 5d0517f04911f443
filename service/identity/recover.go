package identity

import (
	"context"
	"errors"
	"fmt"
	"time"

	"virga/core/bus"
	"virga/core/clock"
	"virga/core/db"
	"virga/core/feed"
	"virga/core/token"
)

// Recovery is what Recover works on.
type Recovery struct {
	DB    *db.DB
	Clock clock.Clock
	// Password is what the user admin gets.
	Password token.Secret
	// HashCost is bcrypt's cost for it; 0 means 12.
	HashCost int
}

// Recover gives a cloud its administrator back, whatever was done to it: the domain Default, the
// project admin and the user admin are there and enabled, the user has the password, is not
// locked and asked for no second factor, and has the role admin on the project, the domain and
// the system. The user's tokens are void. It works on the database alone, also beside processes
// that serve: they follow within seconds. It may be repeated.
func Recover(ctx context.Context, r Recovery) error {
	if r.Password == "" {
		return errors.New("recover the administrator: a password is required")
	}
	if r.HashCost == 0 {
		r.HashCost = defaultHashCost
	}
	local := bus.NewLocal()
	s := &Service{deps: Deps{DB: r.DB, Bus: local, Clock: r.Clock}, feed: feed.NewLog("identity", local),
		cache: token.NewCache(token.CacheConfig{Size: 1, TTL: time.Second, Clock: r.Clock}), hasher: newHasher(r.HashCost, 1)}
	hash, err := s.hasher.hash(ctx, r.Password)
	if err == nil {
		err = migrate(ctx, r.DB)
	}
	if err == nil {
		err = s.change(ctx, nil, func(c *change) error { return s.recoverAccess(c, hash) })
	}
	if err != nil {
		return fmt.Errorf("recover the administrator: %w", err)
	}
	return nil
}

func (s *Service) recoverAccess(c *change, hash token.Secret) error {
	if err := s.bootstrapAccess(c, hash); err != nil {
		return err
	}
	domain, err := projectByID(c.Tx, defaultDomainID)
	if err != nil {
		return err
	}
	project, err := projectByName(c.Tx, defaultDomainID, "admin")
	if err != nil {
		return err
	}
	for _, row := range []projectRow{domain, project} {
		if row.Enabled {
			continue
		}
		row.Enabled = true
		if err := updateProject(c, row); err != nil {
			return err
		}
	}
	user, err := userByName(c.Tx, defaultDomainID, "admin")
	if err != nil {
		return err
	}
	PasswordRules{}.set(&user, hash, true, c.now)
	user.Enabled, user.FailedAt = true, time.Time{}
	delete(user.Options, optionFactors)
	user.voidTokens(c)
	return updateUser(c, user)
}
