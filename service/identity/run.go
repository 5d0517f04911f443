package identity

import (
	"context"
	"errors"
	"sync"
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
	bell := s.deps.Bus.Listen(TopicChanged)
	defer bell.Close()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	prune := time.NewTicker(pruneEvery)
	defer prune.Stop()
	defer s.caching.Wait()
	var chores sync.WaitGroup
	chores.Go(func() { s.keepSealed(ctx) })
	chores.Go(func() { s.keepJournal(ctx) })
	defer chores.Wait()
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

// lookAtFeed drops what is cached when the feed tells of changes; it returns the new position.
func (s *Service) lookAtFeed(ctx context.Context, seen int64) int64 {
	position, changed, err := s.changedSince(ctx, seen)
	if err != nil && ctx.Err() == nil {
		s.deps.Log.WarnContext(ctx, "looking for changes failed", "error", err)
	}
	if changed {
		s.cache.InvalidateAll()
		s.catalog.forget()
	}
	return position
}

// changedSince walks the feed to its end. Log-ins are no changes; whoever has no position,
// or one that is no longer kept, takes it that there were some.
func (s *Service) changedSince(ctx context.Context, seen int64) (position int64, changed bool, err error) {
	const page = 500
	for seen >= 0 {
		entries, err := feed.After(ctx, s.deps.DB, seen, page)
		if errors.Is(err, feed.ErrForgotten) {
			break
		}
		if err != nil {
			return seen, changed, err
		}
		for _, e := range entries {
			seen, changed = e.Seq, changed || e.Kind != kindAuthentication
		}
		if len(entries) < page {
			return seen, changed, nil
		}
	}
	position, err = feed.Latest(ctx, s.deps.DB)
	if err != nil {
		return seen, changed, err
	}
	return position, true, nil
}

// Prune clears away revocations of tokens that have expired and that not even services
// may use any more.
func (s *Service) Prune(ctx context.Context) error {
	return s.change(ctx, nil, func(c *change) error {
		if err := pruneOAuth(c); err != nil {
			return err
		}
		return pruneTokens(c, c.now.Add(-expiredWindow-time.Hour))
	})
}
