package cluster

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
)

const (
	// followEvery is how often those that follow a secret look without having heard the bell.
	followEvery = 2 * time.Second
	// lookPause is the least time between two looks that somebody asked for: strangers can make
	// a process ask as often as they like.
	lookPause = 100 * time.Millisecond
)

// Follower sees every change of a secret, within two seconds, sooner when the bus works, and at
// once when it is asked to Look.
type Follower struct {
	cluster *Cluster
	name    string
	changed func(text []byte) error

	// begun counts the looks, so that who waited for one knows whether it began late enough.
	begun atomic.Int64
	// looking guards what stands below.
	looking *semaphore.Weighted
	// seen is the version that changed was last called with, outcome how the last look ended.
	seen    int64
	outcome error
	// paced is when somebody last asked for a look and got one of its own.
	paced time.Time
}

// Follow has changed be called with a secret whenever another version of it is seen. Nothing is
// seen before Run or Look is called; changed is never called twice at once.
func (c *Cluster) Follow(name string, changed func(text []byte) error) *Follower {
	return &Follower{cluster: c, name: name, changed: changed, looking: semaphore.NewWeighted(1)}
}

// Run follows until ctx ends.
func (f *Follower) Run(ctx context.Context) error {
	f.cluster.each(ctx, topicSecrets, followEvery, func(ctx context.Context) {
		err := f.looking.Acquire(ctx, 1)
		if err == nil {
			err = f.look(ctx)
			f.looking.Release(1)
		}
		if err != nil && ctx.Err() == nil {
			f.cluster.cfg.Log.WarnContext(ctx, "follow a secret", "name", f.name, "error", err)
		}
	})
	return nil
}

// Look returns when a look that began after the call has been made. Those who ask at the same
// time share one, and there is one each tenth of a second at most.
func (f *Follower) Look(ctx context.Context) error {
	before := f.begun.Load()
	if err := f.looking.Acquire(ctx, 1); err != nil {
		return fmt.Errorf("look at secret %s: %w", f.name, err)
	}
	defer f.looking.Release(1)
	if f.begun.Load() > before {
		return f.outcome
	}
	if wait := lookPause - time.Since(f.paced); wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-ctx.Done():
			return fmt.Errorf("look at secret %s: %w", f.name, ctx.Err())
		case <-timer.C:
		}
	}
	err := f.look(ctx)
	f.paced = time.Now()
	return err
}

// look is called by one at a time.
func (f *Follower) look(ctx context.Context) error {
	f.begun.Add(1)
	f.outcome = f.compare(ctx)
	return f.outcome
}

func (f *Follower) compare(ctx context.Context) error {
	version, err := f.cluster.version(ctx, f.name)
	if err != nil || version == f.seen || version == 0 {
		return err
	}
	text, version, err := f.cluster.secret(ctx, f.name)
	if err == nil {
		err = f.changed(text)
	}
	if err == nil {
		f.seen = version
	}
	return err
}
