package compute

import (
	"context"

	"virga/core/work"
)

// Engine lets the proofs see every kind that the service has registered.
func (s *Service) Engine() *work.Engine { return s.engine }

// Reclaim deletes the servers whose time to be restored is over.
func (s *Service) Reclaim(ctx context.Context) error { return s.reconcileReclaim(ctx) }
