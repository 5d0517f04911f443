package image

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"virga/core/api"
	"virga/core/db"
	"virga/core/feed"
)

// Each process has a cache of its own for images whose data is far away, and for those that
// an operator queues. The database says what is in which cache; reconcile_cache.go makes the
// folder so.

// topicCache is rung when a cache is to hold something else.
const topicCache = "image:cache"

// cacheHeader says what is to be cleared.
const cacheHeader = "X-Image-Cache-Clear-Target"

// reads are what was read from this process's cache since that was last written down.
type reads struct {
	mu    sync.Mutex
	known map[string]bool // what is in the cache
	since map[string]read // by image
}

type read struct {
	hits int64
	at   time.Time
}

func newReads() *reads { return &reads{known: map[string]bool{}, since: map[string]read{}} }

func (c *reads) has(imageID string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.known[imageID]
}

func (c *reads) note(imageID string, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.since[imageID] = read{c.since[imageID].hits + 1, at}
}

func (c *reads) set(imageID string, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known {
		c.known[imageID] = true
	} else {
		delete(c.known, imageID)
	}
}

// take hands over what is to be written down.
func (c *reads) take() map[string]read {
	c.mu.Lock()
	defer c.mu.Unlock()
	taken := c.since
	c.since = map[string]read{}
	return taken
}

// openCached opens a part of an image's data in the cache; nil when it is not there.
func (s *Service) openCached(ctx context.Context, img *image, offset, length int64) io.ReadCloser {
	if s.deps.Cache == nil || !s.reads.has(img.ID) {
		return nil
	}
	stream, size, err := s.deps.Cache.Get(ctx, img.ID, offset, length)
	if err != nil {
		return nil // it was removed just now
	}
	if size != img.Size {
		_ = stream.Close()
		return nil
	}
	s.reads.note(img.ID, s.deps.Clock.Now())
	return stream
}

// wantCached has this process cache an image that was read from far away.
func (s *Service) wantCached(ctx context.Context, img *image) {
	if s.deps.Cache == nil || img.Size > s.deps.CacheBytes {
		return
	}
	err := s.deps.DB.Write(ctx, func(tx *db.Tx) error { return queueCached(tx, s.toBeCached(img.ID)) })
	if err != nil {
		s.deps.Log.WarnContext(ctx, "queue an image for the cache", "image", img.ID, "error", err)
		return
	}
	s.deps.Bus.Ring(topicCache)
}

func (s *Service) toBeCached(imageID string) cached {
	now := s.deps.Clock.Now()
	return cached{ImageID: imageID, Owner: s.deps.Owner, QueuedAt: now, UsedAt: now}
}

// errNoCache is the answer of a service without a cache.
func (s *Service) needCache() error {
	if s.deps.Cache == nil {
		return api.NotFound("Caching via API is not supported at this site.")
	}
	return nil
}

// cachedView is an image in a cache as the API shows it; times are seconds since 1970.
type cachedView struct {
	ImageID      string  `json:"image_id"`
	Hits         int64   `json:"hits"`
	LastAccessed float64 `json:"last_accessed"`
	LastModified float64 `json:"last_modified"`
	Size         int64   `json:"size"`
}

// cacheShow answers GET /v2/cache: what the caches of all processes hold.
func (s *Service) cacheShow(ctx context.Context, _ *api.Request) (any, error) {
	if err := s.needCache(); err != nil {
		return nil, err
	}
	if err := s.writeReads(ctx); err != nil {
		return nil, err
	}
	var list []cached
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
		list, err = listCached(tx, "")
		return err
	})
	if err != nil {
		return nil, err
	}
	held, queued := map[string]int{}, []string{}
	views := []cachedView{}
	for _, c := range list {
		if !c.Cached {
			continue
		}
		view := cachedView{ImageID: c.ImageID, Hits: c.Hits, LastAccessed: seconds(c.UsedAt), LastModified: seconds(c.CachedAt), Size: c.Size}
		if i, known := held[c.ImageID]; known {
			views[i].Hits += view.Hits
			views[i].LastAccessed = max(views[i].LastAccessed, view.LastAccessed)
			continue
		}
		held[c.ImageID] = len(views)
		views = append(views, view)
	}
	for _, c := range list {
		if _, known := held[c.ImageID]; !known && !slices.Contains(queued, c.ImageID) {
			queued = append(queued, c.ImageID)
		}
	}
	return map[string]any{"cached_images": views, "queued_images": queued}, nil
}

func seconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }

// cacheQueue answers PUT /v2/cache/{image_id}.
func (s *Service) cacheQueue(ctx context.Context, r *api.Request) (any, error) {
	if err := s.needCache(); err != nil {
		return nil, err
	}
	img := api.Loaded[*image](r)
	if img.Status != statusActive {
		return nil, api.BadRequest("Only images with status active can be targeted for queueing")
	}
	if img.Size > s.deps.CacheBytes {
		return nil, api.BadRequest("Image %s has %d bytes, more than the %d of the cache.", img.ID, img.Size, s.deps.CacheBytes)
	}
	return nil, s.changeCache(ctx, r, "queue", func(tx *db.Tx) ([]string, error) { return []string{img.ID}, queueCached(tx, s.toBeCached(img.ID)) })
}

// cacheRemove answers DELETE /v2/cache/{image_id}; the image itself may be gone.
func (s *Service) cacheRemove(ctx context.Context, r *api.Request) (any, error) {
	if err := s.needCache(); err != nil {
		return nil, err
	}
	id := r.Param("image_id")
	return nil, s.changeCache(ctx, r, "delete", func(tx *db.Tx) ([]string, error) {
		list, err := listCached(tx, "")
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(list, func(c cached) bool { return c.ImageID == id }) {
			if _, err := findImage(tx, id); err != nil {
				return nil, api.NotFound("Image %s not found.", id)
			}
			return nil, nil
		}
		return []string{id}, dropCached(tx, id, "")
	})
}

// cacheClear answers DELETE /v2/cache.
func (s *Service) cacheClear(ctx context.Context, r *api.Request) (any, error) {
	if err := s.needCache(); err != nil {
		return nil, err
	}
	target := r.HTTP.Header.Get(cacheHeader)
	if !slices.Contains([]string{"", "cache", "queue"}, target) {
		return nil, api.BadRequest("If provided 'x-image-cache-clear-target' must be 'cache', 'queue' or empty string.")
	}
	return nil, s.changeCache(ctx, r, "delete", func(tx *db.Tx) ([]string, error) {
		list, err := listCached(tx, "")
		if err != nil {
			return nil, err
		}
		var dropped []string
		for _, c := range list {
			if target == "" || c.Cached == (target == "cache") {
				if err := dropCached(tx, c.ImageID, c.Owner); err != nil {
					return nil, err
				}
				dropped = append(dropped, c.ImageID)
			}
		}
		return dropped, nil
	})
}

// changeCache changes what caches are to hold; change returns the images that it concerns.
func (s *Service) changeCache(ctx context.Context, r *api.Request, action string, change func(*db.Tx) ([]string, error)) error {
	err := s.deps.DB.Write(ctx, func(tx *db.Tx) error {
		ids, err := change(tx)
		if err != nil {
			return err
		}
		for _, id := range ids {
			err := s.feed.Record(tx, feed.Change{At: s.deps.Clock.Now(), Kind: "image_cache", ID: id, Action: action, RequestID: r.ID, UserID: r.UserID(), ProjectID: r.ProjectID()})
			if err != nil {
				return fmt.Errorf("record that the cache changes: %w", err)
			}
		}
		return nil
	})
	if err == nil {
		s.deps.Bus.Ring(topicCache)
	}
	return err
}
