package image

import (
	"context"
	"errors"
	"fmt"
	"io"

	"virga/service/image/ingest"
)

// Remote reads content that stays at its URL. Its errors tell users nothing of networks that
// only the service reaches.
type Remote interface {
	// Size asks for the size of the content in bytes.
	Size(ctx context.Context, rawURL string) (int64, error)
	// OpenRange opens length bytes from offset on of content that has size bytes; length is
	// positive. Content of another size is an error. The caller closes.
	OpenRange(ctx context.Context, rawURL string, offset, length, size int64) (io.ReadCloser, error)
}

// errNoRemote is for places whose store is no longer enabled.
var errNoRemote = errors.New("the store " + storeHTTP + " is not enabled")

// openRemote opens a part of an image's data at its URL. The whole is looked at while it
// passes: its last bytes come only when it is what the image says, and safe.
func (s *Service) openRemote(ctx context.Context, img *image, p place, offset, length int64) (io.ReadCloser, error) {
	if s.deps.Remote == nil {
		return nil, errNoRemote
	}
	left := img.Size - offset
	if length < 0 || length > left {
		length = left
	}
	if length <= 0 {
		return nil, fmt.Errorf("nothing is at byte %d of %d", offset, img.Size)
	}
	body, err := s.deps.Remote.OpenRange(ctx, p.URL, offset, length, img.Size)
	if err != nil || length != img.Size {
		return body, err
	}
	return ingest.Watch(body, ingest.Expected{DiskFormat: img.DiskFormat, Size: img.Size, MD5: img.Checksum, SHA512: img.HashValue, MaxVirtualSize: s.deps.MaxVirtualSize}), nil
}
