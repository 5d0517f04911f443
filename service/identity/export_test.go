package identity

import "context"

// HoldCores takes every core on which passwords may be hashed, until release.
func (s *Service) HoldCores() (release func()) {
	for range cap(s.hasher.slots) {
		s.hasher.slots <- struct{}{}
	}
	return func() {
		for range cap(s.hasher.slots) {
			<-s.hasher.slots
		}
	}
}

// Waiting is how many wait for a core.
func (s *Service) Waiting() int { return int(s.hasher.waiting.Load()) }

// Look forgets what other processes have changed, as Run does when it is told.
func (s *Service) Look(ctx context.Context) { s.lookAtFeed(ctx, -1) }
