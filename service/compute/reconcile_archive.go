package compute

import (
	"context"
	"time"

	"virga/core/db"
)

// keepDeleted is how long the memory of deleted servers is kept, unless Deps.Keep says
// otherwise; the engine forgets their operations by itself.
const keepDeleted = 90 * 24 * time.Hour

// reconcileArchive forgets servers that were deleted long ago and migrations that ended
// then, decisions that belong to no operation, and what means nothing any more of rate limits and of hosts that got servers, in small transactions.
func (s *Service) reconcileArchive(ctx context.Context) error {
	if err := s.forgetStrayPasswords(ctx); err != nil {
		return err
	}
	const batch = 200
	for ctx.Err() == nil {
		gone := 0
		err := s.db.Write(ctx, func(tx *db.Tx) (err error) {
			before := s.clock.Now().Add(-s.deps.Keep)
			if gone, err = purgeDeleted(tx, before, batch); err != nil {
				return err
			}
			moves, err := purgeMigrations(tx, before, batch)
			if err != nil {
				return err
			}
			rates, err := purgeRateLimits(tx, s.clock.Now(), batch)
			if err != nil {
				return err
			}
			decisions, err := purgeDecisions(tx, before, batch)
			if err != nil {
				return err
			}
			places, err := purgePlaces(tx, s.clock.Now().Add(-placesKept), batch)
			gone = max(gone, moves, rates, decisions, places)
			return err
		})
		if err != nil || gone < batch {
			return err
		}
	}
	return nil
}
