package placement

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"virga/core/clock"
	"virga/core/db"
)

const (
	// gapsAtStart is how many of the newest changes are looked at for gaps at first.
	gapsAtStart = 1000
	// gapPatience is how long a number that is missing in the log may still appear: a
	// transaction that took it and has not ended. None lasts longer than a request.
	gapPatience = 2 * time.Minute
	// rootsPerLoad bounds how many trees one statement loads.
	rootsPerLoad = 500
)

// image is the forest in memory, brought up to date from the database before each look.
type image struct {
	db    *db.DB
	clock clock.Clock

	// updating keeps updates in order: a lock whose waiters have a context, because whoever
	// holds it waits for the database. mu guards the forest.
	updating *semaphore.Weighted
	mu       sync.RWMutex
	forest   *forest
	// name tells this forest apart from those of other processes and of before a restart.
	name string

	// The rest belongs to who holds updating. seen is the number of the newest change
	// that the forest has, gaps are smaller ones that had not appeared yet.
	loaded bool
	seen   int64
	gaps   map[int64]time.Time
}

func newImage(d *db.DB, c clock.Clock) *image {
	return &image{updating: semaphore.NewWeighted(1), db: d, clock: c, forest: newForest(), gaps: map[int64]time.Time{}}
}

// look brings the image up to date and calls fn with it. fn changes nothing and keeps
// nothing but rows; it does not wait for anything.
func (im *image) look(ctx context.Context, fn func(*forest) error) error {
	if err := im.update(ctx); err != nil {
		return err
	}
	im.mu.RLock()
	defer im.mu.RUnlock()
	return fn(im.forest)
}

// update reads what changed since the last update. What was committed before it began
// is in the forest when it ends.
func (im *image) update(ctx context.Context) error {
	if err := im.updating.Acquire(ctx, 1); err != nil {
		return err
	}
	defer im.updating.Release(1)
	if !im.loaded {
		return im.loadAll(ctx)
	}
	var apply []func(*forest)
	var changes []changeRow
	lost := false
	if nothing, err := im.nothingNew(ctx); err != nil || nothing {
		return err
	}
	err := im.db.Read(ctx, func(tx *db.Tx) error {
		var err error
		if changes, err = changesFrom(tx, im.seen, slices.Collect(maps.Keys(im.gaps))); err != nil {
			return err
		}
		if lost = im.missed(changes); lost {
			return nil
		}
		apply, err = im.read(tx, changes)
		return err
	})
	if err != nil {
		return err
	}
	if lost {
		return im.loadAll(ctx)
	}
	if len(apply) > 0 {
		im.mu.Lock()
		for _, change := range apply {
			change(im.forest)
		}
		im.mu.Unlock()
	}
	im.advance(changes)
	return nil
}

// nothingNew tells by one query, which needs no transaction, that the forest is as the database is. That is so for most questions.
func (im *image) nothingNew(ctx context.Context) (bool, error) {
	if im.seen == 0 || len(im.gaps) > 0 {
		return false, nil
	}
	var changes []changeRow
	err := im.db.ReadOne(ctx, func(tx *db.Tx) (err error) {
		changes, err = changesFrom(tx, im.seen, nil)
		return err
	})
	return err == nil && len(changes) == 1 && changes[0].Seq == im.seen, err
}

// missed tells whether the log was shortened beyond what the forest has: then its last
// change is no longer there (or the first, when the forest has none).
func (im *image) missed(changes []changeRow) bool {
	if im.seen == 0 {
		return len(changes) > 0 && changes[0].Seq != 1
	}
	return !slices.ContainsFunc(changes, func(c changeRow) bool { return c.Seq == im.seen })
}

// read reads the trees that changes name and returns what puts them into the forest.
func (im *image) read(tx *db.Tx, changes []changeRow) ([]func(*forest), error) {
	whole := map[string]bool{}
	for _, change := range changes {
		if change.Seq != im.seen {
			whole[change.Root] = whole[change.Root] || change.Whole
		}
	}
	var apply []func(*forest)
	if _, changed := whole[namesChanged]; changed {
		delete(whole, namesChanged)
		classes, traits, err := loadNames(tx)
		if err != nil {
			return nil, err
		}
		apply = append(apply, func(f *forest) { f.classes, f.traits = classes, traits })
	}
	var roots [2][]string // numbers only, whole
	for root, all := range whole {
		if all {
			roots[1] = append(roots[1], root)
		} else {
			roots[0] = append(roots[0], root)
		}
	}
	for i, all := range []bool{false, true} {
		for part := range slices.Chunk(roots[i], rootsPerLoad) {
			rows, err := loadTrees(tx, part, all)
			if err != nil {
				return nil, err
			}
			apply = append(apply, func(f *forest) { f.put(part, rows, all) })
		}
	}
	return apply, nil
}

// advance notes which changes the forest has.
func (im *image) advance(changes []changeRow) {
	now := im.clock.Now()
	for _, change := range changes {
		delete(im.gaps, change.Seq)
		for missing := im.seen + 1; missing < change.Seq; missing++ {
			im.gaps[missing] = now
		}
		im.seen = max(im.seen, change.Seq)
	}
	maps.DeleteFunc(im.gaps, func(_ int64, noticed time.Time) bool { return now.Sub(noticed) > gapPatience })
}

// loadAll makes the forest from nothing.
func (im *image) loadAll(ctx context.Context) error {
	fresh := newForest()
	var last []int64
	err := im.db.Read(ctx, func(tx *db.Tx) error {
		var err error
		if last, err = lastChanges(tx, gapsAtStart); err != nil {
			return err
		}
		if fresh.classes, fresh.traits, err = loadNames(tx); err != nil {
			return err
		}
		rows, err := loadTrees(tx, nil, true)
		if err != nil {
			return err
		}
		fresh.put(nil, rows, true)
		return nil
	})
	if err != nil {
		return err
	}
	im.mu.Lock()
	im.forest, im.name = fresh, im.clock.ID()
	im.mu.Unlock()
	im.loaded, im.seen = true, 0
	clear(im.gaps)
	if len(last) > 0 {
		im.seen = last[len(last)-1]
		slices.Reverse(last)
		for _, seq := range last {
			im.advance([]changeRow{{Seq: seq}})
		}
	}
	return nil
}
