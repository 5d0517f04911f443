package image

import (
	"context"

	"virga/core/api"
)

// An image that a service had made for a user gets its data from a node: that of a snapshot lies where the server ran. The service says
// which node may upload it (rule "upload_image"). The right is for this one image, ends when the image has data, and gives nothing else.

// uploaderSet gives a node the right to upload an image's data; the last one named has it.
func (s *Service) uploaderSet(ctx context.Context, r *api.Request) (any, error) {
	var body struct {
		UserID string `json:"user_id"`
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	return nil, s.delegate(ctx, r, "delegate", body.UserID)
}

// uploaderUnset takes it away. An upload that has begun is not ended by that.
func (s *Service) uploaderUnset(ctx context.Context, r *api.Request) (any, error) {
	return nil, s.delegate(ctx, r, "undelegate", "")
}

func (s *Service) delegate(ctx context.Context, r *api.Request, action, uploader string) error {
	loaded := api.Loaded[*image](r)
	if loaded.Uploader == uploader {
		return nil
	}
	_, err := s.changeImage(ctx, r, loaded.ID, action, func(img *image) error {
		if uploader != "" && img.hasData() {
			return api.Conflict("Image %s has its data.", img.ID)
		}
		img.Uploader = uploader
		return nil
	})
	return err
}
