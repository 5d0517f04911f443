package image

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"virga/core/api"
	"virga/service/image/store"
)

func (s *Service) dataDownload(ctx context.Context, r *api.Request) (any, error) {
	img := api.Loaded[*image](r)
	if img.Status == statusDeactivated && !r.Can("context_is_admin", img.PolicyTarget()) {
		return nil, api.Forbidden("The requested image has been deactivated. Image data download is forbidden.")
	}
	if !img.hasData() {
		return nil, nil
	}
	part, err := readRange(r.HTTP.Header.Get("Range"), img.Size)
	if err != nil {
		return nil, err
	}
	header := http.Header{
		"Content-Type":   {"application/octet-stream"},
		"Content-Length": {strconv.FormatInt(part.length, 10)},
		"Accept-Ranges":  {"bytes"},
	}
	status := http.StatusOK
	if part.partial {
		status = http.StatusPartialContent
		header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", part.offset, part.offset+part.length-1, img.Size))
	} else {
		if img.Checksum != "" { // in Glance's form of the header: hexadecimal digits, which clients compare with
			header.Set("Content-Md5", img.Checksum)
		}
	}
	stream, err := s.openData(ctx, img, part.offset, part.length)
	if errors.Is(err, store.ErrNotFound) {
		// It may have been deleted since it was loaded; then it is simply not found.
		if _, loadErr := s.visibleImage(ctx, r, img.ID); loadErr != nil {
			return nil, loadErr
		}
		if len(s.places(img)) == 1 { // its only store says for sure that the data is lost; Glance answers so, too
			s.deps.Log.WarnContext(ctx, "an image's data is lost", "image", img.ID, "error", err)
			return nil, nil
		}
	}
	if err != nil {
		return nil, err
	}
	// The stream goes on as the store made it, so that its WriteTo can reach the connection.
	return &api.Response{Status: status, Header: header, Stream: stream}, nil
}

// byteRange is a part of the content, or the whole.
type byteRange struct {
	offset, length int64
	partial        bool
}

// readRange reads a Range header (RFC 9110, 14.2). As Glance does it refuses several
// ranges with 400, and whatever is malformed or begins behind the end with 416.
func readRange(text string, size int64) (byteRange, error) {
	if text == "" {
		return byteRange{length: size}, nil
	}
	if strings.Contains(text, ",") {
		return byteRange{}, api.BadRequest("Requests with multiple ranges are not supported. Please make multiple single-range requests instead.")
	}
	unsatisfiable := api.Errorf(http.StatusRequestedRangeNotSatisfiable, "Invalid range '%s' for an image of %d bytes.", text, size)
	unsatisfiable.Header = http.Header{"Content-Range": {fmt.Sprintf("bytes */%d", size)}}
	unit, spec, found := strings.Cut(text, "=")
	first, last, dash := strings.Cut(strings.TrimSpace(spec), "-")
	if !found || !dash || !strings.EqualFold(strings.TrimSpace(unit), "bytes") {
		return byteRange{}, unsatisfiable
	}
	if first == "" { // the last so many bytes
		n, err := strconv.ParseUint(last, 10, 63)
		if err != nil || n == 0 || size == 0 {
			return byteRange{}, unsatisfiable
		}
		length := min(int64(n), size)
		return byteRange{size - length, length, true}, nil
	}
	from, err := strconv.ParseUint(first, 10, 63)
	if err != nil || int64(from) >= size {
		return byteRange{}, unsatisfiable
	}
	offset, end := int64(from), size
	if last != "" {
		to, err := strconv.ParseUint(last, 10, 63)
		if err != nil || to < from {
			return byteRange{}, unsatisfiable
		}
		if int64(to) < size-1 {
			end = int64(to) + 1
		}
	}
	return byteRange{offset, end - offset, true}, nil
}
