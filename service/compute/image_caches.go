package compute

import (
	"context"
	"errors"
	"maps"
	"slices"

	"virga/core/api"
	"virga/core/db"
	"virga/core/feed"
	"virga/service/compute/orders"
)

// Images are brought to the caches of an aggregate's hosts before servers need them (POST /os-aggregates/{id}/images).
// Which hosts are still to do so are rows; reconcile_image_caches.go gives some of them their turn, their agents do it
// and say what came of it. A host that is away has its turn when it is back.

// aggregateImages answers POST /os-aggregates/{aggregate_id}/images.
func (s *Service) aggregateImages(ctx context.Context, r *api.Request) (any, error) {
	var in struct {
		Cache []struct {
			ID string `json:"id"`
		} `json:"cache"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, image := range in.Cache {
		if seen[image.ID] {
			return nil, api.BadRequest("Duplicate images in request")
		}
		seen[image.ID] = true
	}
	if err := s.db.Read(ctx, func(tx *db.Tx) error { _, err := readAggregate(tx, r); return err }); err != nil {
		return nil, err
	}
	wanted := make([]orders.Image, 0, len(in.Cache))
	for _, image := range in.Cache {
		found, err := s.imageToCache(ctx, r, image.ID)
		if err != nil {
			return nil, err
		}
		wanted = append(wanted, found)
	}
	return nil, s.db.Write(ctx, func(tx *db.Tx) error {
		group, err := readAggregate(tx, r)
		if err != nil {
			return err
		}
		row := &imageCache{ID: s.clock.ID(), Aggregate: *documentOfAggregate(group), Images: wanted, UserID: r.UserID(), ProjectID: r.ProjectID(), RequestID: r.ID,
			Total: len(group.hosts), CreatedAt: s.clock.Now()}
		if err := s.record(tx, r, feed.Change{Kind: "aggregate", ID: group.ID, Action: "cache_images.start", Before: row.Aggregate, After: row.Aggregate,
			Detail: map[string]any{"images": slices.Sorted(maps.Keys(seen)), "total": row.Total}}); err != nil {
			return err
		}
		if row.Total == 0 {
			return s.cachingEnded(tx, row)
		}
		tx.AfterCommit(func() { s.deps.Bus.Ring(topicCaches) })
		return insertImageCache(tx, row)
	})
}

// imageToCache is an image as hosts are told of it, if the caller sees it and it has data.
func (s *Service) imageToCache(ctx context.Context, r *api.Request, id string) (orders.Image, error) {
	image, err := s.deps.Images.Image(as(ctx, r), id)
	switch status := api.StatusOf(err); {
	case err != nil && status >= 400 && status < 500:
		return orders.Image{}, api.BadRequest("Image %s could not be found.", id).Because(err)
	case err != nil:
		return orders.Image{}, unavailable("image", err)
	case image.Status != "active":
		return orders.Image{}, api.BadRequest("Image %s is not active.", id)
	}
	known := snapshotOf(&image)
	return orderedImage(image.ID, &known), nil
}

// cacheReport answers PUT /internal/hosts/{host}/caches/{cache_id}, which may be repeated.
func (s *Service) cacheReport(ctx context.Context, r *api.Request) (any, error) {
	var report orders.CacheReport
	if err := r.Decode(&report); err != nil {
		return nil, err
	}
	return nil, s.db.Write(ctx, func(tx *db.Tx) error { return s.settleCaching(tx, r.Param("cache_id"), r.Param("host"), report) })
}

// settleCaching notes what came of a request on one host, once.
func (s *Service) settleCaching(tx *db.Tx, id, host string, report orders.CacheReport) error {
	if _, err := findImageCacheHost(tx, id, host); errors.Is(err, db.ErrNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	row, err := findImageCache(tx, id)
	if err != nil {
		return err
	}
	cached, failed := []string{}, []string{}
	for _, image := range row.Images {
		switch report.Images[image.ID] {
		case orders.CacheDone:
			row.Tally.Cached++
			cached = append(cached, image.ID)
		case orders.CacheExisting:
			row.Tally.Existing++
			cached = append(cached, image.ID)
		case orders.CacheSkipped:
			row.Tally.Skipped++
			failed = append(failed, image.ID)
		default:
			row.Tally.Failed++
			failed = append(failed, image.ID)
		}
	}
	row.Tally.Hosts++
	if err := settleImageCacheHost(tx, row, host); err != nil {
		return err
	}
	detail := map[string]any{"host": host, "images_cached": cached, "images_failed": failed, "index": row.Tally.Hosts, "total": row.Total}
	if len(report.Errors) > 0 {
		reasons := map[string]string{}
		for _, image := range row.Images {
			if text := report.Errors[image.ID]; text != "" {
				reasons[image.ID] = oneLine(text, 255)
			}
		}
		detail["errors"] = reasons
	}
	tx.AfterCommit(func() {
		if len(failed) > 0 {
			s.log.Warn("a host could not cache images", "host", host, "aggregate", row.Aggregate.Name, "images", failed, "errors", detail["errors"])
		}
		s.deps.Bus.Ring(topicCaches)
	})
	if err := s.feed.Record(tx, s.ofCaching(row, "cache_images.progress", detail)); err != nil {
		return err
	}
	if row.Tally.Hosts >= row.Total {
		return s.cachingEnded(tx, row)
	}
	return nil
}

// cachingEnded tells that all hosts have answered a request.
func (s *Service) cachingEnded(tx *db.Tx, row *imageCache) error {
	tx.AfterCommit(func() {
		s.log.Info("images were brought to the hosts of an aggregate", "aggregate", row.Aggregate.Name, "hosts", row.Total, "cached", row.Tally.Cached,
			"existing", row.Tally.Existing, "failed", row.Tally.Failed, "skipped", row.Tally.Skipped, "seconds", s.clock.Now().Sub(row.CreatedAt).Seconds())
	})
	return s.feed.Record(tx, s.ofCaching(row, "cache_images.end", map[string]any{"hosts": row.Total, "cached": row.Tally.Cached,
		"existing": row.Tally.Existing, "failed": row.Tally.Failed, "skipped": row.Tally.Skipped}))
}

// ofCaching is what happened to a request, in the name of whoever made it.
func (s *Service) ofCaching(row *imageCache, action string, detail map[string]any) feed.Change {
	return feed.Change{At: s.clock.Now(), RequestID: row.RequestID, UserID: row.UserID, ProjectID: row.ProjectID, OperationID: "reconcile_image_caches",
		Kind: "aggregate", ID: row.Aggregate.ID, Action: action, Before: row.Aggregate, After: row.Aggregate, Detail: detail}
}
