package compute

import (
	"context"
	"time"

	"virga/core/db"
	"virga/core/work"
)

// keepDeleted is how long the memory of deleted servers and of finished operations is kept.
const keepDeleted = 90 * 24 * time.Hour

// reconcileArchive forgets what is long over, in small transactions.
func (s *Service) reconcileArchive(ctx context.Context) error {
	const batch = 200
	for ctx.Err() == nil {
		gone := 0
		err := s.db.Write(ctx, func(tx *db.Tx) error {
			before := s.clock.Now().Add(-keepDeleted)
			servers, err := purgeDeleted(tx, before, batch)
			if err != nil {
				return err
			}
			operations, err := work.Forget(tx, before, batch)
			gone = max(servers, operations)
			return err
		})
		if err != nil || gone < batch {
			return err
		}
	}
	return nil
}
