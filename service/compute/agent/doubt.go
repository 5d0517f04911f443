package agent

import (
	"context"
	"time"

	"virga/service/compute/orders"
)

// inDoubt is for how long a report may still arrive that the controller seemed not to get, and
// then take the place of a newer one.
const inDoubt = 2 * time.Minute

// doubt notes that a report of the guest may be on its way.
func (g *guest) doubt() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.doubtful = time.Now()
}

// settleDoubts reports those guests again of which an older report may have arrived last.
func (a *Agent) settleDoubts(ctx context.Context) {
	a.mu.Lock()
	var concerned []*guest
	for _, g := range a.guests {
		if g.trust() {
			concerned = append(concerned, g)
		}
	}
	a.mu.Unlock()
	for _, g := range concerned {
		g.lookAgain(ctx)
	}
}

// trust ends a doubt when it is time, which leaves the controller knowing nothing for sure.
func (g *guest) trust() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.doubtful.IsZero() || time.Since(g.doubtful) < inDoubt {
		return false
	}
	g.doubtful, g.said = time.Time{}, orders.Report{}
	return true
}
