package agent

import (
	"context"
	"time"
)

// cache tells when images that no guest needs go. It is guarded by the agent's lock.
type cache struct {
	// since is when images, by their ids, were last needed.
	since map[string]time.Time
	// until is how long images stay in any case.
	until map[string]time.Time
	// due is when to look for images that can go; zero: nothing has become unused.
	due time.Time
}

// unused notes that a guest no longer needs an image; an empty id is one that is not known any more.
func (c *cache) unused(id string, now time.Time, keep time.Duration) {
	if id != "" && keep > 0 {
		if c.since == nil {
			c.since = map[string]time.Time{}
		}
		c.since[id] = now
	}
	if at := now.Add(keep); c.due.IsZero() || at.Before(c.due) {
		c.due = at
	}
}

// promise has an image stay until a time in any case.
func (c *cache) promise(id string, until time.Time) {
	if c.until == nil {
		c.until = map[string]time.Time{}
	}
	c.until[id] = until
}

// look says what is to be kept besides what guests need, and when to look again; false: it is not time yet.
func (c *cache) look(now time.Time, keep time.Duration) (spared []string, due bool) {
	if c.due.IsZero() || now.Before(c.due) {
		return nil, false
	}
	c.due = time.Time{}
	for id, since := range c.since {
		ends := since.Add(keep)
		if !now.Before(ends) {
			delete(c.since, id)
			continue
		}
		spared = append(spared, id)
		if c.due.IsZero() || ends.Before(c.due) {
			c.due = ends
		}
	}
	for id, until := range c.until {
		if !now.Before(until) {
			delete(c.until, id)
			continue
		}
		spared = append(spared, id)
		if c.due.IsZero() || until.Before(c.due) {
			c.due = until
		}
	}
	return spared, true
}

func (a *Agent) pruneIsDue() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return !a.cache.due.IsZero() && !time.Now().Before(a.cache.due)
}

// prune removes cached images that no guest has needed for long enough; which ones are needed is what the orders say.
func (a *Agent) prune(ctx context.Context) {
	a.mu.Lock()
	keep, due := a.cache.look(time.Now(), a.cfg.KeepImages)
	for _, g := range a.guests {
		keep = append(keep, g.images()...)
	}
	a.mu.Unlock()
	if !due {
		return
	}
	removed, err := a.cfg.Driver.PruneImages(ctx, keep)
	if len(removed) > 0 {
		a.cfg.Log.Info("cached images removed", "host", a.cfg.Host, "images", removed)
	}
	if err != nil && ctx.Err() == nil {
		a.cfg.Log.Warn("prune cached images", "host", a.cfg.Host, "error", err)
		a.mu.Lock()
		defer a.mu.Unlock()
		a.cache.unused("", time.Now(), 0)
	}
}
