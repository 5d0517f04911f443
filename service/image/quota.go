package image

import (
	"context"

	"virga/core/api"
	"virga/core/db"
)

// The resources of a project that are limited, in the words of Glance's unified limits.
const (
	limitedCount     = "image_count_total"
	limitedSize      = "image_size_total" // MiB
	limitedUploading = "image_count_uploading"
)

const mebibyte = 1 << 20

// usage is what a project has of what is limited.
type usage struct {
	count, uploading int
	bytes            int64
}

// errQuota is the answer to going over a limit.
func errQuota(owner, resource string, limit, used, delta int64) error {
	return api.TooLarge("Project %s is over a limit for [Resource %s is over limit of %d due to current usage %d and delta %d]", owner, resource, limit, used, delta)
}

// admit refuses an image more than a project may have, with or without data.
func (s *Service) admit(tx *db.Tx, owner string) error {
	if s.deps.MaxImages < 0 {
		return nil
	}
	used, err := countImages(tx, owner)
	if err != nil || used < s.deps.MaxImages {
		return err
	}
	return errQuota(owner, limitedCount, int64(s.deps.MaxImages), int64(used), 1)
}

// admitData refuses one more image of a project to get data at the same time, and any when
// the project has as much data as it may. What comes is measured at its end (admitBytes).
func (s *Service) admitData(tx *db.Tx, owner string) error {
	if limit := s.deps.MaxUploading; limit > 0 {
		n, err := countUploading(tx, owner)
		if err != nil {
			return err
		}
		if n >= limit {
			return errQuota(owner, limitedUploading, int64(limit), int64(n), 1)
		}
	}
	return s.admitBytes(tx, owner, 1)
}

// admitBytes refuses more bytes than a project may have.
func (s *Service) admitBytes(tx *db.Tx, owner string, more int64) error {
	limit := s.deps.MaxProjectBytes
	if limit <= 0 {
		return nil
	}
	used, err := sumSizes(tx, owner)
	if err != nil || used+more <= limit {
		return err
	}
	return errQuota(owner, limitedSize, limit/mebibyte, used/mebibyte, (more+mebibyte-1)/mebibyte)
}

// usageShow tells the caller's usage of the resources that are limited.
func (s *Service) usageShow(ctx context.Context, r *api.Request) (any, error) {
	view := map[string]map[string]int64{}
	if r.ProjectID() == "" {
		return map[string]any{"usage": view}, nil
	}
	var used usage
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
		if used.count, err = countImages(tx, r.ProjectID()); err != nil {
			return err
		}
		if used.uploading, err = countUploading(tx, r.ProjectID()); err != nil {
			return err
		}
		used.bytes, err = sumSizes(tx, r.ProjectID())
		return err
	})
	if err != nil {
		return nil, err
	}
	show := func(resource string, limit, used int64) {
		if limit > 0 {
			view[resource] = map[string]int64{"usage": used, "limit": limit}
		}
	}
	show(limitedCount, int64(s.deps.MaxImages), int64(used.count))
	show(limitedUploading, int64(s.deps.MaxUploading), int64(used.uploading))
	show(limitedSize, s.deps.MaxProjectBytes/mebibyte, used.bytes/mebibyte)
	return map[string]any{"usage": view}, nil
}
