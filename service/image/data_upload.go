package image

import (
	"cmp"
	"context"
	"errors"
	"fmt"
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
)

// headerStore names the store that data is to go to.
const headerStore = "X-Image-Meta-Store"

// settleTime is how long the end of an upload may take to be written down after its client is gone.
const settleTime = 30 * time.Second

// errDeleted ends an upload whose image was deleted.
var errDeleted = errors.New("the image was deleted")

// reception is a way of receiving data from a client: an upload, or one to be staged.
type reception struct {
	// begin moves the image to where it waits for the content.
	begin func(img *image, contentID string) error
	// store is the name of the store that the content goes to.
	store string
	// announced is how many bytes the client says it sends; 0: it does not say.
	announced int64
	// staged is how many bytes were staged, when take has ended; nil: nothing is staged.
	staged *int64
	// action is what the feed calls the beginning.
	action string
	// take stores the content; finish notes that it is complete.
	take   func(ctx context.Context, img *image, contentID string, body io.Reader, length int64) error
	finish func(ctx context.Context, r *api.Request, id, contentID string) error
}

func (s *Service) dataUpload(ctx context.Context, r *api.Request) (any, error) {
	var result ingest.Result
	name := cmp.Or(r.HTTP.Header.Get(headerStore), s.firstStore().Name)
	target, err := s.storeFor(name)
	if err != nil {
		return nil, api.BadRequest("Unknown store '%s'.", name)
	}
	return nil, s.receive(ctx, r, reception{
		begin: beginUpload, action: "upload", store: name,
		take: func(ctx context.Context, img *image, contentID string, body io.Reader, length int64) (err error) {
			result, err = ingest.Take(ctx, target, ingest.Request{
				ID: contentID, DiskFormat: img.DiskFormat, Body: body, Length: length, Limit: s.maxBytes(), MaxVirtualSize: s.deps.MaxVirtualSize,
			})
			return err
		},
		finish: func(ctx context.Context, r *api.Request, id, contentID string) error {
			return s.finishUpload(ctx, r, id, place{Store: name, ContentID: contentID}, result)
		},
	})
}

// maxBytes is the greatest size of an image's content.
func (s *Service) maxBytes() int64 {
	if s.deps.MaxImageBytes == 0 {
		return store.NoLimit
	}
	return s.deps.MaxImageBytes
}

// receive takes data from a client and writes down what became of it.
func (s *Service) receive(ctx context.Context, r *api.Request, how reception) error {
	img := api.Loaded[*image](r)
	length, err := s.checkUpload(r)
	if err != nil {
		return err
	}
	if err := s.learnLimits(ctx, img.Owner); err != nil {
		return err
	}
	how.announced = max(0, length)
	contentID := s.deps.Clock.ID()
	ctx, end := s.uploads.begin(ctx, contentID)
	defer end()
	if img, err = s.beginReception(ctx, r, img.ID, contentID, how); err != nil {
		return err
	}
	body := &sentBody{r: r.HTTP.Body}
	err = how.take(ctx, img, contentID, body, length)
	// The client may be gone; what became of its upload is written down all the same.
	settle, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	if err == nil {
		if err = how.finish(settle, r, img.ID, contentID); err == nil {
			return nil
		}
	} else {
		err = uploadError(img, err, body.err, context.Cause(ctx))
	}
	if abandonErr := s.abandon(settle, how.store, contentID); abandonErr != nil {
		s.deps.Log.ErrorContext(ctx, "abandon upload; the next sweep will", "image", img.ID, "content", contentID, "error", abandonErr)
	}
	return err
}

// checkUpload checks the head of an upload and returns the announced length, or a negative one.
func (s *Service) checkUpload(r *api.Request) (int64, error) {
	header := r.HTTP.Header
	if mediaType, _, err := mime.ParseMediaType(header.Get("Content-Type")); err != nil || mediaType != "application/octet-stream" {
		return 0, api.Errorf(http.StatusUnsupportedMediaType, "Image data has the Content-Type application/octet-stream, not '%s'.", header.Get("Content-Type"))
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

// beginReception has the image wait for a content, and registers the content.
func (s *Service) beginReception(ctx context.Context, r *api.Request, id, contentID string, how reception) (*image, error) {
	return s.changeWith(ctx, r, id, how.action, func(tx *db.Tx, img *image) error {
		toKeep := how.announced
		if how.staged != nil {
			toKeep = 0 // what comes of it is known when it is imported
		}
		if err := s.admitData(tx, img.Owner, toKeep); err != nil {
			return err
		}
		if how.staged != nil {
			if err := s.admitStaged(tx, img.Owner, max(1, how.announced)); err != nil {
				return err
			}
		}
		if err := how.begin(img, contentID); err != nil {
			return err
		}
		return insertContent(tx, content{ID: contentID, ImageID: id, State: contentIncoming, Owner: s.deps.Owner, SeenAt: s.deps.Clock.Now(), Store: how.store})
	})
}

// beginUpload moves the image to saving.
func beginUpload(img *image, contentID string) error {
	if img.Status != statusQueued {
		return api.Conflict("Image status transition from %s to saving is not allowed", img.Status)
	}
	if err := checkFormats(img); err != nil {
		return err
	}
	img.Status, img.ContentID = statusSaving, contentID
	return nil
}

// checkFormats refuses data for an image that does not say what data it has.
func checkFormats(img *image) error {
	switch {
	case img.DiskFormat == "" && img.ContainerFormat == "":
		return api.BadRequest("Properties disk_format, container_format must be set prior to saving data.")
	case img.DiskFormat == "":
		return api.BadRequest("Property disk_format must be set prior to saving data.")
	case img.ContainerFormat == "":
		return api.BadRequest("Property container_format must be set prior to saving data.")
	}
	return nil
}

// finishUpload makes the stored content the image's data.
func (s *Service) finishUpload(ctx context.Context, r *api.Request, id string, at place, result ingest.Result) error {
	return s.finishReception(ctx, r, id, at.ContentID, "activate", statusSaving, nil, func(img *image) {
		img.Status, img.ImportState, img.ImportFailed, img.Uploader = statusActive, "", "", ""
		img.settleIn([]place{at})
		img.hold(result)
	})
}

// finishReception makes the stored content the image's, unless the image is no longer
// waiting for it in the state that it began to wait in.
func (s *Service) finishReception(ctx context.Context, r *api.Request, id, contentID, action, waiting string, staged *int64, settle func(*image)) error {
	_, err := s.changeWith(ctx, r, id, action, func(tx *db.Tx, img *image) error {
		if img.ContentID != contentID || img.Status != waiting {
			return api.Conflict("The upload to image %s was given up before it ended.", id)
		}
		settle(img)
		if img.hasData() {
			if err := s.admitBytes(tx, img.Owner, img.Size); err != nil {
				return err
			}
		}
		if staged != nil {
			if err := s.admitStaged(tx, img.Owner, *staged); err != nil {
				return err
			}
			if err := setContentBytes(tx, contentID, *staged); err != nil {
				return err
			}
		}
		return setContentState(tx, contentID, contentKept)
	})
	if api.StatusOf(err) == http.StatusNotFound {
		return gone(id)
	}
	return err
}

// abandon ends an upload without data. Where another process has taken this one for dead and
// forgotten the content, nobody else removes what was stored since.
func (s *Service) abandon(ctx context.Context, storeName, contentID string) error {
	forgotten := false
	err := s.deps.DB.Write(ctx, func(tx *db.Tx) error {
		_, err := findContent(tx, contentID)
		if forgotten = errors.Is(err, db.ErrNotFound); forgotten {
			return nil
		}
		_, err = s.abandonUpload(tx, contentID)
		return err
	})
	if err != nil || !forgotten {
		return err
	}
	return s.removeContent(ctx, content{ID: contentID, Store: storeName})
}

// removeContent removes a content from its store.
func (s *Service) removeContent(ctx context.Context, c content) error {
	kept, err := s.storeFor(c.Store)
	if err != nil {
		return err
	}
	return kept.Delete(ctx, c.ID)
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

// toldOf says why content was not taken, if that is the content's or a full store's fault.
func toldOf(diskFormat string, err error) string {
	var known *api.Error
	if errors.As(uploadError(&image{DiskFormat: diskFormat}, err, nil, nil), &known) {
		return known.Message
	}
	return ""
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

// announced is a body that has to have its announced length; negative: none was announced.
type announced struct {
	r    io.Reader
	size int64
	seen int64
}

// Read implements io.Reader.
func (a *announced) Read(p []byte) (int, error) {
	n, err := a.r.Read(p)
	a.seen += int64(n)
	if a.size >= 0 && (a.seen > a.size || err == io.EOF && a.seen != a.size) {
		return n, fmt.Errorf("%w: it has not %d bytes", ingest.ErrShort, a.size)
	}
	return n, err
}
