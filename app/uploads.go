package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"virga/app/neighbour"
	"virga/core/api"
	computeagent "virga/service/compute/agent"
)

// Upload implements computeagent.Uploads.
func (i images) Upload(ctx context.Context, imageID string, content io.Reader, size int64) error {
	path := "/v2/images/" + url.PathEscape(imageID)
	r, err := http.NewRequestWithContext(ctx, http.MethodPut, i.image.Base+path+"/file", io.NopCloser(content))
	if err != nil {
		return fmt.Errorf("upload image %s: %w", imageID, err)
	}
	r.ContentLength = size
	for key, values := range i.image.Header {
		r.Header[key] = values
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Content-Type", "application/octet-stream")
	r.Header.Set("X-Openstack-Image-Size", strconv.FormatInt(size, 10))
	resp, err := i.image.HTTP.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	switch {
	case resp.StatusCode < 300:
		return nil
	case err != nil:
		return err
	}
	return i.refusedUpload(ctx, path, resp.StatusCode, text)
}

// refusedUpload tells what becomes of an upload that was refused: an image that has its data got it from an earlier try, of
// which the answer was lost; one that is still saving may be left over from a broken one.
func (i images) refusedUpload(ctx context.Context, path string, status int, text []byte) error {
	var now struct {
		Status string `json:"status"`
	}
	err := i.image.Do(ctx, http.MethodGet, path, nil, &now)
	var gone *api.StatusError
	switch {
	case errors.As(err, &gone) && gone.Status == http.StatusNotFound:
		return &computeagent.UploadError{Message: "The image was deleted meanwhile."}
	case err != nil:
		return err
	case now.Status == "active":
		return nil
	}
	refused := &api.StatusError{Method: http.MethodPut, Path: path, Status: status, Body: text}
	switch status {
	case http.StatusForbidden, http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType:
		return &computeagent.UploadError{Message: "The image service does not take the snapshot: " + neighbour.Message(text)}
	}
	return refused
}
