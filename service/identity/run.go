package identity

import (
	"context"
	"time"

	"virga/core/feed"
)

const (
	// pruneEvery is how often rows that concern expired tokens only are cleared away.
	pruneEvery = time.Hour
	// lookEvery is how often the feed is looked at for changes of other processes whose
	// doorbell was not heard.
	lookEvery = 2 * time.Second
)

// Run hears of other processes' changes and clears away what has expired, until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	bell := s.deps.Bus.Listen(changedTopic)
	defer bell.Close()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	prune := time.NewTicker(pruneEvery)
	defer prune.Stop()
	defer s.caching.Wait()
	// Whatever was changed before is unknown, so the first look forgets everything.
	seen := s.lookAtFeed(ctx, -1)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-bell.C:
			seen = s.lookAtFeed(ctx, seen)
		case <-look.C:
			seen = s.lookAtFeed(ctx, seen)
		case <-prune.C:
			if err := s.Prune(ctx); err != nil && ctx.Err() == nil {
				s.deps.Log.WarnContext(ctx, "clearing away expired tokens failed", "error", err)
			}
		}
	}
}

// lookAtFeed drops what is cached when the feed has grown; it returns the new position.
func (s *Service) lookAtFeed(ctx context.Context, seen int64) int64 {
	position, err := feed.Latest(ctx, s.deps.DB)
	if err != nil {
		if ctx.Err() == nil {
			s.deps.Log.WarnContext(ctx, "looking for changes failed", "error", err)
		}
		return seen
	}
	if position != seen {
		s.cache.InvalidateAll()
		s.catalog.forget()
	}
	return position
}

// Prune clears away revocations of tokens that have expired and that not even services
// may use any more.
func (s *Service) Prune(ctx context.Context) error {
	return s.change(ctx, nil, func(c *change) error {
		return pruneTokens(c, c.now.Add(-expiredWindow-time.Hour))
	})
}
