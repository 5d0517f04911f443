package agent

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"virga/core/api"
	"virga/service/compute/hypervisor"
	"virga/service/compute/orders"
)

// precachedFor is how long an image that was asked for beforehand stays at least.
const precachedFor = time.Hour

// precaching is what the host is to cache beforehand, one order after the other. It is guarded by the agent's lock.
type precaching struct {
	queue   []orders.CacheOrder
	working bool
}

// precache takes orders to cache images beforehand.
func (a *Agent) precache(ctx context.Context, list []orders.CacheOrder) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, order := range list {
		if !slices.ContainsFunc(a.precaching.queue, func(o orders.CacheOrder) bool { return o.ID == order.ID }) {
			a.precaching.queue = append(a.precaching.queue, order)
		}
	}
	if len(a.precaching.queue) > 0 && !a.precaching.working {
		a.precaching.working = true
		a.workers.Go(func() { a.workPrecaching(ctx) })
	}
}

// workPrecaching carries out orders until none is left. One that is being carried out is still in the queue.
func (a *Agent) workPrecaching(ctx context.Context) {
	for {
		a.mu.Lock()
		if ctx.Err() != nil || len(a.precaching.queue) == 0 {
			a.precaching.working = false
			a.mu.Unlock()
			return
		}
		order := a.precaching.queue[0]
		a.mu.Unlock()
		report := orders.CacheReport{Images: map[string]orders.CacheStatus{}, Errors: map[string]string{}}
		for _, image := range order.Images {
			status, err := a.precacheImage(ctx, image)
			report.Images[image.ID] = status
			if err != nil {
				report.Errors[image.ID] = whyNotPrecached(err)
				a.cfg.Log.Warn("cache image beforehand", "host", a.cfg.Host, "image", image.ID, "error", err)
			}
		}
		a.tellPrecached(ctx, order.ID, report)
		a.mu.Lock()
		a.precaching.queue = a.precaching.queue[1:]
		a.mu.Unlock()
	}
}

// whyNotPrecached is an error in words for administrators.
func whyNotPrecached(err error) string {
	switch {
	case errors.Is(err, ErrNoImage):
		return "The image is not there any more."
	case errors.Is(err, hypervisor.ErrNoSpace):
		return "The host has no space left for the image."
	case errors.Is(err, hypervisor.ErrImageCorrupt):
		return "The image's data does not match its checksum."
	}
	return "The image could not be brought to the host."
}

// precacheImage has an image in the host's cache and keeps it there for a while. What may pass is tried for some time.
func (a *Agent) precacheImage(ctx context.Context, from orders.Image) (orders.CacheStatus, error) {
	image := hypervisor.Image{ID: from.ID, SHA512: from.SHA512, SizeBytes: from.Size, DiskFormat: from.DiskFormat, VirtualSize: from.VirtualSize}
	status, begun := orders.CacheExisting, time.Now()
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		a.promise(image.ID)
		err := a.cfg.Driver.EnsureImage(ctx, image, func(ctx context.Context) (io.ReadCloser, error) {
			status = orders.CacheDone
			return a.openImage(ctx, image.ID)
		})
		if err == nil {
			a.promise(image.ID)
			return status, nil
		}
		if ctx.Err() != nil || explain(err).Class != orders.Retry || time.Since(begun) > patience {
			return orders.CacheFailed, err
		}
		waitFor(ctx, nil, pause)
	}
}

// promise keeps an image in the cache for a while although no guest needs it.
func (a *Agent) promise(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cache.unused(id, time.Now(), max(a.cfg.KeepImages, precachedFor))
	a.cache.promise(id, time.Now().Add(precachedFor))
}

// tellPrecached reports until the controller has heard it, or knows nothing of the order.
func (a *Agent) tellPrecached(ctx context.Context, id string, report orders.CacheReport) {
	for pause := firstPause; ctx.Err() == nil; pause = min(2*pause, lastPause) {
		err := a.cfg.Controller.ReportCache(ctx, a.cfg.Host, id, report)
		var refused *api.StatusError
		if err == nil || errors.As(err, &refused) && refused.Status < 500 {
			return
		}
		a.cfg.Log.Info("report cached images", "host", a.cfg.Host, "error", err)
		waitFor(ctx, nil, pause)
	}
}
