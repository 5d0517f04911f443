package image

import (
	"context"
	"sync"
	"time"

	"virga/core/api"
)

// Limits tells what an operator has limited for a project in identity's unified limits.
type Limits interface {
	// Of returns limits of the image service by the names of resources; -1 is no limit, and a
	// resource that is not there has none of its own.
	Of(ctx context.Context, projectID string) (map[string]int64, error)
}

// limitsFor is how long limits are used before they are read again.
const limitsFor = 5 * time.Second

// maxKnownLimits bounds the projects whose limits are remembered.
const maxKnownLimits = 10000

// limits are those of one project; -1 is no limit.
type limits struct {
	images, uploading int64
	bytes, staged     int64
	at                time.Time
}

// limitBook remembers the limits of projects as they were read last. Limits are read before
// a transaction, and compared in it with what is counted there.
type limitBook struct {
	mu    sync.Mutex
	known map[string]limits
}

func (b *limitBook) find(project string) (limits, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	found, ok := b.known[project]
	return found, ok
}

func (b *limitBook) note(project string, l limits) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.known == nil || len(b.known) >= maxKnownLimits {
		b.known = map[string]limits{}
	}
	b.known[project] = l
}

// learnLimits reads the limits of a project, if they were not read just now. Where they cannot
// be read those of before hold.
func (s *Service) learnLimits(ctx context.Context, project string) error {
	if s.deps.Limits == nil || project == "" {
		return nil
	}
	before, known := s.limits.find(project)
	now := s.deps.Clock.Now()
	if known && now.Sub(before.at) < limitsFor && !now.Before(before.at) {
		return nil
	}
	set, err := s.deps.Limits.Of(ctx, project)
	if err != nil {
		if known {
			return nil
		}
		return api.Unavailable("The limits of project %s cannot be read at the moment.", project).Because(err)
	}
	l := s.ownLimits()
	l.at = now
	for name, value := range set {
		switch name {
		case limitedCount:
			l.images = value
		case limitedUploading:
			l.uploading = value
		case limitedSize:
			l.bytes = inBytes(value)
		case limitedStaged:
			l.staged = inBytes(value)
		}
	}
	s.limits.note(project, l)
	return nil
}

// inBytes turns a limit in MiB into bytes.
func inBytes(mib int64) int64 {
	if mib < 0 || mib > 1<<42 {
		return -1
	}
	return mib * mebibyte
}

// ownLimits are those of the service's own settings.
func (s *Service) ownLimits() limits {
	orNone := func(n int64) int64 {
		if n <= 0 {
			return -1
		}
		return n
	}
	return limits{images: orNone(int64(s.deps.MaxImages)), uploading: orNone(int64(s.deps.MaxUploading)), bytes: orNone(s.deps.MaxProjectBytes), staged: orNone(s.deps.MaxStagedBytes)}
}

// limitsOf are the limits of a project as they were read last.
func (s *Service) limitsOf(project string) limits {
	if l, known := s.limits.find(project); known {
		return l
	}
	return s.ownLimits()
}
