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
	limitedStaged    = "image_stage_total" // MiB
)

const mebibyte = 1 << 20

// usage is what a project has of what is limited.
type usage struct {
	count, uploading int
	bytes, staged    int64
}

// errQuota is the answer to going over a limit.
func errQuota(owner, resource string, limit, used, delta int64) error {
	return api.TooLarge("Project %s is over a limit for [Resource %s is over limit of %d due to current usage %d and delta %d]", owner, resource, limit, used, delta)
}

// admit refuses an image more than a project may have, with or without data.
func (s *Service) admit(tx *db.Tx, owner string) error {
	limit := s.limitsOf(owner).images
	if limit < 0 {
		return nil
	}
	used, err := countImages(tx, owner)
	if err != nil || int64(used) < limit {
		return err
	}
	return errQuota(owner, limitedCount, limit, int64(used), 1)
}

// admitData refuses one more image of a project to get data at the same time, and any when
// the project has as much data as it may. What comes is measured at its end (admitBytes,
// admitStaged); announced bytes are refused at once.
func (s *Service) admitData(tx *db.Tx, owner string, announced int64) error {
	if limit := s.limitsOf(owner).uploading; limit >= 0 {
		n, err := countUploading(tx, owner)
		if err != nil {
			return err
		}
		if int64(n) >= limit {
			return errQuota(owner, limitedUploading, limit, int64(n), 1)
		}
	}
	return s.admitBytes(tx, owner, max(1, announced))
}

// admitBytes refuses more bytes than a project may have.
func (s *Service) admitBytes(tx *db.Tx, owner string, more int64) error {
	limit := s.limitsOf(owner).bytes
	if limit < 0 || more == 0 {
		return nil
	}
	used, err := sumSizes(tx, owner)
	if err != nil || used+more <= limit {
		return err
	}
	return errQuota(owner, limitedSize, limit/mebibyte, used/mebibyte, (more+mebibyte-1)/mebibyte)
}

// admitStaged refuses more staged bytes than a project may have.
func (s *Service) admitStaged(tx *db.Tx, owner string, more int64) error {
	limit := s.limitsOf(owner).staged
	if limit < 0 {
		return nil
	}
	used, err := sumStaged(tx, owner)
	if err != nil || used+more <= limit {
		return err
	}
	return errQuota(owner, limitedStaged, limit/mebibyte, used/mebibyte, (more+mebibyte-1)/mebibyte)
}

// usageShow tells the caller's usage of the resources that are limited.
func (s *Service) usageShow(ctx context.Context, r *api.Request) (any, error) {
	view := map[string]map[string]int64{}
	if r.ProjectID() == "" {
		return map[string]any{"usage": view}, nil
	}
	if err := s.learnLimits(ctx, r.ProjectID()); err != nil {
		return nil, err
	}
	var used usage
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
		if used.count, err = countImages(tx, r.ProjectID()); err != nil {
			return err
		}
		if used.uploading, err = countUploading(tx, r.ProjectID()); err != nil {
			return err
		}
		if used.bytes, err = sumSizes(tx, r.ProjectID()); err != nil {
			return err
		}
		used.staged, err = sumStaged(tx, r.ProjectID())
		return err
	})
	if err != nil {
		return nil, err
	}
	show := func(resource string, limit, used int64) {
		if limit >= 0 {
			view[resource] = map[string]int64{"usage": used, "limit": limit}
		}
	}
	l := s.limitsOf(r.ProjectID())
	show(limitedCount, l.images, int64(used.count))
	show(limitedUploading, l.uploading, int64(used.uploading))
	show(limitedSize, inMiB(l.bytes), used.bytes/mebibyte)
	show(limitedStaged, inMiB(l.staged), used.staged/mebibyte)
	return map[string]any{"usage": view}, nil
}

// inMiB turns a limit in bytes into MiB.
func inMiB(limit int64) int64 {
	if limit < 0 {
		return -1
	}
	return limit / mebibyte
}
