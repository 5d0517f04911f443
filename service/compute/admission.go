package compute

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"
)

// admissions has the requests of a project that count its quota come one after the other in
// this process. Each reads all servers of the project and adds one, so that of any two side
// by side the database would have one begin anew; those of other processes still may.
type admissions struct {
	mu        sync.Mutex
	byProject map[string]*admission
}

type admission struct {
	turn *semaphore.Weighted
	// users are those who have the turn or wait for it.
	users int
}

func newAdmissions() *admissions { return &admissions{byProject: map[string]*admission{}} }

// enter waits for the project's turn; leave ends it.
func (a *admissions) enter(ctx context.Context, projectID string) (leave func(), err error) {
	a.mu.Lock()
	own := a.byProject[projectID]
	if own == nil {
		own = &admission{turn: semaphore.NewWeighted(1)}
		a.byProject[projectID] = own
	}
	own.users++
	a.mu.Unlock()
	gone := func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		if own.users--; own.users == 0 {
			delete(a.byProject, projectID)
		}
	}
	if err := own.turn.Acquire(ctx, 1); err != nil {
		gone()
		return nil, err
	}
	return func() { own.turn.Release(1); gone() }, nil
}
