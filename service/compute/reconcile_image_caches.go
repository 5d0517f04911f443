package compute

import (
	"context"
	"fmt"
	"time"

	"virga/core/db"
	"virga/service/compute/orders"
)

const (
	topicCaches = "compute.caches"
	// cachingAtOnce is nova's default of precache_concurrency: how many hosts fetch images at the same time.
	cachingAtOnce = 1
	// cachingTurn is after how long a host that is at it no longer keeps others from their turn.
	cachingTurn = 30 * time.Minute
	// cachingPatience is how long a request waits for hosts that are away; after that they are reported as skipped.
	cachingPatience = 24 * time.Hour
	// cachingBatch bounds what one transaction does.
	cachingBatch = 64
)

// reconcileImageCaches gives hosts their turn to fetch images, and gives up those that are away for too long.
func (s *Service) reconcileImageCaches(ctx context.Context) error {
	if err := s.giveUpCaching(ctx); err != nil {
		return fmt.Errorf("give up hosts that are away: %w", err)
	}
	now := s.clock.Now()
	var busy bool
	if err := s.db.Read(ctx, func(tx *db.Tx) error {
		rows, err := nextCaching(tx, now, 1)
		busy = len(rows) > 0
		return err
	}); err != nil || !busy {
		return err
	}
	return s.db.Write(ctx, func(tx *db.Tx) error {
		n, err := countCaching(tx, now, now.Add(-cachingTurn))
		if err != nil || n >= s.deps.CachingHosts {
			return err
		}
		rows, err := nextCaching(tx, now, min(s.deps.CachingHosts-n, cachingBatch))
		if err != nil {
			return err
		}
		for _, row := range rows {
			if err := orderCaching(tx, row, now); err != nil {
				return err
			}
			tx.AfterCommit(func() { s.deps.Bus.Ring(orders.Topic(row.Host)) })
		}
		return nil
	})
}

func (s *Service) giveUpCaching(ctx context.Context) error {
	before := s.clock.Now().Add(-cachingPatience)
	for ctx.Err() == nil {
		var rows []imageCacheHost
		if err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
			rows, err = overdueCaching(tx, before, cachingBatch)
			return err
		}); err != nil || len(rows) == 0 {
			return err
		}
		if err := s.db.Write(ctx, func(tx *db.Tx) error {
			for _, row := range rows {
				if err := s.skipCaching(tx, row); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// skipCaching reports in the place of a host that it did nothing.
func (s *Service) skipCaching(tx *db.Tx, row imageCacheHost) error {
	cache, err := findImageCache(tx, row.CacheID)
	if err != nil {
		return err
	}
	report := orders.CacheReport{Images: map[string]orders.CacheStatus{}}
	for _, image := range cache.Images {
		report.Images[image.ID] = orders.CacheSkipped
	}
	return s.settleCaching(tx, row.CacheID, row.Host, report)
}
