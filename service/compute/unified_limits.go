package compute

import (
	"context"
	"maps"
	"net/http"
	"sync"
	"time"

	"virga/core/api"
)

// Limits is what compute needs of identity: the unified limits that an operator registers
// there. They go before compute's own quotas.
type Limits interface {
	// Of returns the limits registered for compute by the names of their resources, a
	// project's own in the place of the registered ones.
	Of(ctx context.Context, projectID string) (map[string]int64, error)
}

// unifiedNames are nova's names for unified limits, by the quotas that they are.
var unifiedNames = map[string]string{
	quotaInstances: "servers", quotaCores: "class:VCPU", quotaRAM: "class:MEMORY_MB", quotaKeypairs: "server_key_pairs", quotaMetadata: "server_metadata_items",
	quotaGroups: "server_groups", quotaGroupMembers: "server_group_members", quotaFiles: "server_injected_files",
	quotaFileBytes: "server_injected_file_content_bytes", quotaPathBytes: "server_injected_file_path_bytes",
}

const (
	// limitsFresh is how long unified limits are remembered: a change counts after that at the latest.
	limitsFresh = 5 * time.Second
	// maxLimitsKnown bounds the projects of which limits are remembered.
	maxLimitsKnown = 10_000
)

// unified remembers the unified limits of projects, as far as requests need them.
type unified struct {
	mu    sync.Mutex
	known map[string]knownLimits
}

type knownLimits struct {
	at     time.Time
	limits map[string]int64 // by quotas
}

// get returns what is remembered of a project, and whether it is of late.
func (u *unified) get(projectID string, now time.Time) (limits map[string]int64, fresh bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	known, there := u.known[projectID]
	return known.limits, there && now.Sub(known.at) < limitsFresh
}

func (u *unified) put(projectID string, now time.Time, limits map[string]int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.known == nil || len(u.known) >= maxLimitsKnown {
		u.known = map[string]knownLimits{}
	}
	u.known[projectID] = knownLimits{now, limits}
}

// learnLimits makes sure before a request that the unified limits of a project are known; no
// transaction may be open, for identity is asked.
func (s *Service) learnLimits(ctx context.Context, projectID string) error {
	if s.deps.Limits == nil {
		return nil
	}
	if _, fresh := s.unified.get(projectID, s.clock.Now()); fresh {
		return nil
	}
	found, err := s.deps.Limits.Of(s.self(ctx), projectID)
	if err != nil {
		return api.Unavailable("The limits of the project cannot be learned now.").Because(err)
	}
	limits := map[string]int64{}
	for quota, name := range unifiedNames {
		if limit, registered := found[name]; registered {
			limits[quota] = limit
		}
	}
	s.unified.put(projectID, s.clock.Now(), limits)
	return nil
}

// withUnified puts what is known of a project's unified limits in the place of its quotas.
func (s *Service) withUnified(projectID string, limits map[string]int64) map[string]int64 {
	known, _ := s.unified.get(projectID, s.clock.Now())
	maps.Copy(limits, known)
	return limits
}

// admit does what comes before every request: its project's rate limits let it through, and
// where it may use up quota, the limits that identity has for it are known.
func (s *Service) admit(ctx context.Context, r *api.Request) error {
	if err := s.limitRate(ctx, r); err != nil {
		return err
	}
	if id := r.ProjectID(); id != "" && (r.HTTP.Method == http.MethodPost || r.HTTP.Method == http.MethodPut) {
		return s.learnLimits(ctx, id)
	}
	return nil
}
