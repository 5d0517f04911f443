package image

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"virga/core/api"
	"virga/core/db"
	"virga/service/image/store"
)

// place is one of the places where an image's data is.
type place struct {
	Store     string `json:"store"`
	ContentID string `json:"content_id,omitempty"` // what the store calls it; empty for a URL
	// URL is where the store named http has it; Metadata is what clients noted of the place.
	URL      string            `json:"url,omitempty"`
	Metadata map[string]string `json:"metadata,omitempty"`
}

// places are where the data of an image is; the first is asked first.
func (s *Service) places(img *image) []place {
	if len(img.Places) == 0 && img.hasData() {
		return []place{{Store: s.firstStore().Name, ContentID: img.ContentID}}
	}
	return img.Places
}

// settleIn notes the places of an image that has got data.
func (i *image) settleIn(places []place) {
	i.Places, i.ContentID = places, ""
	for _, p := range places {
		if p.ContentID != "" {
			i.ContentID = p.ContentID
			return
		}
	}
}

// storeText names the stores of places as the API does.
func storeText(places []place) string {
	var names []string
	for _, p := range places {
		names = append(names, p.Store)
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ",")
}

// nearest are the places with those first that need no other server.
func nearest(places []place) []place {
	sorted := slices.Clone(places)
	slices.SortStableFunc(sorted, func(a, b place) int { return cmp.Compare(min(1, len(a.URL)), min(1, len(b.URL))) })
	return sorted
}

// openData opens a part of an image's data: in the cache, or at the first place that has it.
func (s *Service) openData(ctx context.Context, img *image, offset, length int64) (io.ReadCloser, error) {
	if stream := s.openCached(ctx, img, offset, length); stream != nil {
		return stream, nil
	}
	if !slices.ContainsFunc(s.places(img), func(p place) bool { return p.URL == "" }) {
		s.wantCached(ctx, img)
	}
	return s.openPlaces(ctx, img, offset, length)
}

// openPlaces opens a part of an image's data at the first place that has it.
func (s *Service) openPlaces(ctx context.Context, img *image, offset, length int64) (io.ReadCloser, error) {
	failed := fmt.Errorf("image %s has no place: %w", img.ID, store.ErrNotFound)
	for i, p := range nearest(s.places(img)) {
		stream, err := s.openPlace(ctx, img, p, offset, length)
		if err == nil {
			return stream, nil
		}
		if i == 0 {
			failed = nil
		}
		failed = errors.Join(failed, fmt.Errorf("open data of image %s in store %s: %w", img.ID, p.Store, err))
		if ctx.Err() != nil {
			break
		}
	}
	if slices.ContainsFunc(s.places(img), func(p place) bool { return p.URL != "" }) {
		s.deps.Log.WarnContext(ctx, "data at a URL cannot be read", "image", img.ID, "error", causeOf(failed))
		return nil, api.Unavailable("The data of image %s cannot be read where it is at the moment.", img.ID).Because(failed)
	}
	return nil, failed
}

// openPlace opens a part of an image's data at one place.
func (s *Service) openPlace(ctx context.Context, img *image, p place, offset, length int64) (io.ReadCloser, error) {
	if p.URL != "" {
		return s.openRemote(ctx, img, p, offset, length)
	}
	kept, err := s.storeFor(p.Store)
	if err != nil {
		return nil, err
	}
	stream, size, err := kept.Get(ctx, p.ContentID, offset, length)
	if err == nil && size != img.Size {
		_ = stream.Close()
		return nil, fmt.Errorf("the store has %d bytes of it, not %d", size, img.Size)
	}
	return stream, err
}

// storeRemove takes an image's data out of one of its stores.
func (s *Service) storeRemove(ctx context.Context, r *api.Request) (any, error) {
	name, id := r.Param("store_id"), api.Loaded[*image](r).ID
	if err := r.May("get_image_location", api.Loaded[*image](r).PolicyTarget()); err != nil {
		return nil, err
	}
	if _, err := s.storeFor(name); err != nil && name != storeHTTP || name == "" {
		return nil, api.Conflict("The selected store %s is not available on this node.", name)
	}
	_, err := s.changeWith(ctx, r, id, "update", func(tx *db.Tx, img *image) error {
		places := s.places(img)
		at := slices.IndexFunc(places, func(p place) bool { return p.Store == name })
		switch {
		case img.Status != statusActive:
			return api.Conflict("It's not allowed to remove image data from store if image status is not 'active'")
		case len(places) == 1:
			return api.Forbidden("Cannot delete image data from the only store containing it. Consider deleting the image instead.")
		case at < 0:
			return api.Errorf(http.StatusNotFound, "Image %s is not stored in store %s.", id, name)
		}
		gone := places[at]
		img.settleIn(slices.Concat(places[:at], places[at+1:]))
		tx.AfterCommit(func() { s.deps.Bus.Ring(topicContents) })
		return doomContent(tx, gone.ContentID)
	})
	return nil, err
}
