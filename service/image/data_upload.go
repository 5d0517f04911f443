package image

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"virga/core/api"
	"virga/core/db"
	"virga/service/image/ingest"
	"virga/service/image/inspect"
	"virga/service/image/store"
	"virga/service/image/sums"
)

// settleTime is how long the end of an upload may take to be written down after its client is gone.
const settleTime = 30 * time.Second

// errDeleted ends an upload whose image was deleted.
var errDeleted = errors.New("the image was deleted")

func (s *Service) dataUpload(ctx context.Context, r *api.Request) (any, error) {
	img := api.Loaded[*image](r)
	length, err := s.checkUpload(r)
	if err != nil {
		return nil, err
	}
	contentID := s.deps.Clock.ID()
	ctx, end := s.uploads.begin(ctx, contentID)
	defer end()
	if img, err = s.beginUpload(ctx, r, img.ID, contentID); err != nil {
		return nil, err
	}
	limit := s.deps.MaxImageBytes
	if limit == 0 {
		limit = store.NoLimit
	}
	body := &sentBody{r: r.HTTP.Body}
	result, err := ingest.Take(ctx, s.deps.Store, ingest.Request{
		ID: contentID, DiskFormat: img.DiskFormat, Body: body, Length: length, Limit: limit, MaxVirtualSize: s.deps.MaxVirtualSize,
	})
	// The client may be gone; what became of its upload is written down all the same.
	settle, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	if err == nil {
		err = s.finishUpload(settle, r, img.ID, contentID, result)
		if err == nil {
			return nil, nil
		}
	} else {
		err = uploadError(img, err, body.err, context.Cause(ctx))
	}
	if abandonErr := s.abandon(settle, contentID); abandonErr != nil {
		s.deps.Log.ErrorContext(ctx, "abandon upload; the next sweep will", "image", img.ID, "content", contentID, "error", abandonErr)
	}
	return nil, err
}

// checkUpload checks the head of an upload and returns the announced length, or a negative one.
func (s *Service) checkUpload(r *api.Request) (int64, error) {
	header := r.HTTP.Header
	if mediaType, _, err := mime.ParseMediaType(header.Get("Content-Type")); err != nil || mediaType != "application/octet-stream" {
		return 0, api.Errorf(http.StatusUnsupportedMediaType, "Image data has the Content-Type application/octet-stream, not '%s'.", header.Get("Content-Type"))
	}
	if name := header.Get("X-Image-Meta-Store"); name != "" && name != s.deps.StoreName {
		return 0, api.BadRequest("Unknown store '%s'.", name)
	}
	length := r.HTTP.ContentLength
	if length == 0 && r.HTTP.Body != http.NoBody {
		length = -1 // a client's request of the same process, where 0 may mean that it is not known
	}
	if text := header.Get("X-Openstack-Image-Size"); text != "" {
		size, err := strconv.ParseUint(text, 10, 63)
		if err != nil || length >= 0 && length != int64(size) {
			return 0, api.BadRequest("Invalid or missing image size in request headers.")
		}
		length = int64(size)
	}
	return length, nil
}

// beginUpload moves the image to saving and registers the content that is to come.
func (s *Service) beginUpload(ctx context.Context, r *api.Request, id, contentID string) (*image, error) {
	return s.changeWith(ctx, r, id, "upload", func(tx *db.Tx, img *image) error {
		if img.Status != statusQueued {
			return api.Conflict("Image status transition from %s to saving is not allowed", img.Status)
		}
		switch {
		case img.DiskFormat == "" && img.ContainerFormat == "":
			return api.BadRequest("Properties disk_format, container_format must be set prior to saving data.")
		case img.DiskFormat == "":
			return api.BadRequest("Property disk_format must be set prior to saving data.")
		case img.ContainerFormat == "":
			return api.BadRequest("Property container_format must be set prior to saving data.")
		}
		img.Status, img.ContentID = statusSaving, contentID
		return insertContent(tx, content{ID: contentID, ImageID: id, State: contentIncoming, Owner: s.deps.Owner, SeenAt: s.deps.Clock.Now()})
	})
}

// finishUpload makes the stored content the image's data, unless the image is no longer
// waiting for it.
func (s *Service) finishUpload(ctx context.Context, r *api.Request, id, contentID string, result ingest.Result) error {
	_, err := s.changeWith(ctx, r, id, "activate", func(tx *db.Tx, img *image) error {
		if img.ContentID != contentID || img.Status != statusSaving {
			return api.Conflict("The upload to image %s was given up before it ended.", id)
		}
		img.Status = statusActive
		img.Size, img.VirtualSize = result.Size, result.VirtualSize
		img.Checksum, img.HashAlgo, img.HashValue = result.MD5, sums.Algorithm, result.SHA512
		return setContentState(tx, contentID, contentKept)
	})
	if api.StatusOf(err) == http.StatusNotFound {
		return gone(id)
	}
	return err
}

// abandon ends an upload without data. Where another process has taken this one for dead and
// forgotten the content, nobody else removes what was stored since.
func (s *Service) abandon(ctx context.Context, contentID string) error {
	forgotten := false
	err := s.deps.DB.Write(ctx, func(tx *db.Tx) error {
		_, err := findContent(tx, contentID)
		if forgotten = errors.Is(err, db.ErrNotFound); forgotten {
			return nil
		}
		_, err = s.abandonUpload(tx, contentID)
		return err
	})
	if err == nil && forgotten {
		return s.deps.Store.Delete(ctx, contentID)
	}
	return err
}

func gone(id string) error {
	return api.Errorf(http.StatusGone, "Image %s could not be found after upload. The image may have been deleted during the upload.", id)
}

// uploadError says to the client why its data was not taken. sent is the error of reading
// the request's body, cause why the upload's context ended.
func uploadError(img *image, err, sent, cause error) error {
	switch {
	case errors.Is(cause, errDeleted):
		return gone(img.ID)
	case errors.Is(err, inspect.ErrUnknownFormat):
		return api.BadRequest("Image data cannot be checked: unknown disk format '%s'.", img.DiskFormat).Because(err)
	case errors.Is(err, inspect.ErrMismatch), errors.Is(err, inspect.ErrUnsafe):
		return api.Errorf(http.StatusUnsupportedMediaType, "%s", innermost(err)).Because(err)
	case errors.Is(err, ingest.ErrShort):
		return api.BadRequest("%s", innermost(err)).Because(err)
	case errors.Is(err, store.ErrTooLarge):
		return api.TooLarge("The incoming image is too large. %s", innermost(err)).Because(err)
	case errors.Is(err, store.ErrNoSpace):
		return api.TooLarge("Image storage media is full.").Because(err)
	case sent != nil:
		return api.BadRequest("The image data broke off before its end.").Because(err)
	}
	return err
}

// innermost is a sentence of the error whose wording is meant for users: the one that
// stands right above the sentinel it wraps.
func innermost(err error) string {
	for next := errors.Unwrap(err); next != nil && errors.Unwrap(next) != nil; next = errors.Unwrap(err) {
		err = next
	}
	text := err.Error()
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

// sentBody remembers why reading the request's body failed.
type sentBody struct {
	r   io.Reader
	err error
}

// Read implements io.Reader.
func (b *sentBody) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}
