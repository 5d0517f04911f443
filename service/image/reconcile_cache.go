package image

import (
	"context"
	"errors"
	"slices"
	"time"

	"virga/core/db"
	"virga/service/image/store"
)

// cachePause is how long a process waits before it fills its cache: what is queued in a row
// is taken together, and a queue can be looked at.
const cachePause = 2 * time.Second

// tendCache makes this process's cache hold what the database says, until ctx ends.
func (s *Service) tendCache(ctx context.Context) {
	bell := s.deps.Bus.Listen(topicCache)
	defer bell.Close()
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		s.chore(ctx, "tend the cache of images", s.reconcileCache)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			continue
		case <-bell.C:
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(cachePause):
		}
	}
}

// reconcileCache removes from the cache what is not to be there, and then fetches what is.
func (s *Service) reconcileCache(ctx context.Context) error {
	if _, err := s.deps.Cache.Sweep(ctx, s.deps.Clock.Now()); err != nil {
		return err
	}
	if err := s.writeReads(ctx); err != nil {
		return err
	}
	rows, err := s.matchCache(ctx)
	if err != nil {
		return err
	}
	var failed error
	for _, row := range rows {
		if !row.Cached && ctx.Err() == nil {
			failed = errors.Join(failed, s.fetchCached(ctx, row))
		}
	}
	return failed
}

// matchCache brings the rows of this process and its folder together and returns the rows.
func (s *Service) matchCache(ctx context.Context) ([]cached, error) {
	var rows []cached
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
		rows, err = listCached(tx, s.deps.Owner)
		return err
	})
	if err != nil {
		return nil, err
	}
	there := map[string]bool{}
	for after := ""; ; {
		page, err := s.deps.Cache.List(ctx, after, sweepPage)
		if err != nil {
			return nil, err
		}
		for _, entry := range page {
			after = entry.ID
			there[entry.ID] = true
			if !slices.ContainsFunc(rows, func(c cached) bool { return c.ImageID == entry.ID && c.Cached }) {
				s.reads.set(entry.ID, false)
				if err := s.deps.Cache.Delete(ctx, entry.ID); err != nil {
					return nil, err
				}
			}
		}
		if len(page) < sweepPage {
			break
		}
	}
	for i, row := range rows {
		s.reads.set(row.ImageID, row.Cached && there[row.ImageID])
		rows[i].Cached = row.Cached && there[row.ImageID] // what somebody removed by hand is fetched again
	}
	return rows, nil
}

// fetchCached brings an image into the cache, for which others may have to go.
func (s *Service) fetchCached(ctx context.Context, row cached) error {
	var img *image
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
		img, err = findImage(tx, row.ImageID)
		return err
	})
	if errors.Is(err, db.ErrNotFound) || err == nil && (!img.hasData() || img.Size > s.deps.CacheBytes) {
		return s.deps.DB.Write(ctx, func(tx *db.Tx) error { return dropCached(tx, row.ImageID, row.Owner) })
	}
	if err != nil {
		return err
	}
	if err := s.pruneCache(ctx, s.deps.CacheBytes-img.Size); err != nil {
		return err
	}
	body, err := s.openPlaces(ctx, img, 0, store.NoLimit)
	if err != nil {
		return s.dropAfter(ctx, row, err)
	}
	_, err = s.deps.Cache.Put(ctx, img.ID, body, img.Size)
	_ = body.Close()
	if err != nil && !errors.Is(err, store.ErrExists) {
		return s.dropAfter(ctx, row, err)
	}
	now := s.deps.Clock.Now()
	row.Cached, row.Size, row.CachedAt, row.UsedAt = true, img.Size, now, now
	var kept int64
	err = s.deps.DB.Write(ctx, func(tx *db.Tx) error {
		kept, err = updateCached(tx, row)
		return err
	})
	if err != nil || kept == 0 { // it was cleared meanwhile
		return errors.Join(err, s.deps.Cache.Delete(ctx, img.ID))
	}
	s.reads.set(img.ID, true)
	return nil
}

// dropAfter takes an image that could not be fetched from the queue: who wants it asks again.
func (s *Service) dropAfter(ctx context.Context, row cached, err error) error {
	if ctx.Err() != nil {
		return err
	}
	return errors.Join(err, s.deps.DB.Write(ctx, func(tx *db.Tx) error { return dropCached(tx, row.ImageID, row.Owner) }))
}

// pruneCache removes what was not used for longest until the cache has at most limit bytes.
func (s *Service) pruneCache(ctx context.Context, limit int64) error {
	if err := s.writeReads(ctx); err != nil {
		return err
	}
	var rows []cached
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
		rows, err = listCached(tx, s.deps.Owner)
		return err
	})
	if err != nil {
		return err
	}
	var sum int64
	for _, row := range rows {
		sum += row.Size
	}
	for _, row := range rows { // least recently used first
		if sum <= limit {
			return nil
		}
		if !row.Cached {
			continue
		}
		s.reads.set(row.ImageID, false)
		if err := s.deps.DB.Write(ctx, func(tx *db.Tx) error { return dropCached(tx, row.ImageID, row.Owner) }); err != nil {
			return err
		}
		if err := s.deps.Cache.Delete(ctx, row.ImageID); err != nil {
			return err
		}
		sum -= row.Size
	}
	return nil
}

// writeReads writes down what was read from this process's cache.
func (s *Service) writeReads(ctx context.Context) error {
	taken := s.reads.take()
	if len(taken) == 0 {
		return nil
	}
	return s.deps.DB.Write(ctx, func(tx *db.Tx) error {
		for id, r := range taken {
			if err := touchCached(tx, id, s.deps.Owner, r.hits, r.at); err != nil {
				return err
			}
		}
		return nil
	})
}
