package compute

import (
	"context"

	"virga/core/db"
	"virga/core/work"
)

// Engine lets the proofs see every kind that the service has registered.
func (s *Service) Engine() *work.Engine { return s.engine }

// Reclaim deletes the servers whose time to be restored is over.
func (s *Service) Reclaim(ctx context.Context) error { return s.reconcileReclaim(ctx) }

// NewestVersion is the minor number of the newest microversion.
var NewestVersion = microversions().Max.Minor

// SealPlainPasswords and SealRebuildPasswords are batches of backfills.
func (s *Service) SealPlainPasswords(tx *db.Tx, after string, limit int) (string, error) {
	return s.sealPlainPasswords(tx, after, limit)
}

// SealRebuildPasswords is described above.
func (s *Service) SealRebuildPasswords(tx *db.Tx, after string, limit int) (string, error) {
	return s.sealRebuildPasswords(tx, after, limit)
}
