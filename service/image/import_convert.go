package image

import (
	"bufio"
	"compress/gzip"
	"context"
	"fmt"
	"io"

	"virga/core/api"
	"virga/service/image/convert"
	"virga/service/image/ingest"
)

// Converter changes the format of disk images.
type Converter interface {
	// Convert takes the content of a request in and converts it to a format, in at most most
	// bytes. The caller closes what comes of it.
	Convert(ctx context.Context, req ingest.Request, to string, most int64) (io.ReadCloser, int64, error)
}

// formatCompressed is the container format of content that is packed with gzip.
const formatCompressed = "compressed"

// inflow is what a transfer is to move.
type inflow struct {
	body   io.ReadCloser
	length int64  // bytes, or -1
	sum    string // SHA-512; empty: not known
	// origin is what the image becomes besides; nil: it stays as it is.
	origin *origin
}

// formats are those of the content that a source gives.
func (h importLoad) formats(from inflow) (disk, container string) {
	if from.origin != nil {
		return from.origin.DiskFormat, from.origin.ContainerFormat
	}
	if h.frame.Origin != nil {
		return h.frame.Origin.DiskFormat, h.frame.Origin.ContainerFormat
	}
	return h.params.DiskFormat, h.params.ContainerFormat
}

// fresh tells whether the data is new to the cloud, and no copy of what an image or a store has.
func (h importLoad) fresh() bool {
	return h.params.Request.Method.Name != importCopy && len(h.frame.Held) == 0
}

// carry takes the content of an import in: unpacked and converted where that is wanted.
func (s *Service) carry(ctx context.Context, h importLoad, contentID string) (transferOutcome, error) {
	target, err := s.storeFor(h.to)
	if err != nil {
		return transferOutcome{}, err
	}
	from, err := s.openSource(ctx, h)
	if err != nil {
		return transferOutcome{}, fmt.Errorf("open the source: %w", err)
	}
	defer func() { _ = from.body.Close() }()
	req := ingest.Request{ID: contentID, Body: from.body, Length: from.length, Limit: s.maxBytes(), MaxVirtualSize: s.deps.MaxVirtualSize, Accept: sameSum(from.sum)}
	var container string
	req.DiskFormat, container = h.formats(from)
	outcome := transferOutcome{Origin: from.origin}
	if h.fresh() && s.deps.Unpack && container == formatCompressed {
		unpacked, isPacked, err := unpack(from.body)
		if err != nil {
			return outcome, err
		}
		if isPacked {
			container, req.Length, req.Accept = "bare", -1, nil
		}
		req.Body = unpacked
		outcome.Origin = outcome.Origin.as(req.DiskFormat, container)
	}
	to := s.deps.ConvertTo
	if h.fresh() && s.deps.Converter != nil && container == "bare" && convert.Converts(req.DiskFormat, to) {
		made, size, err := s.deps.Converter.Convert(ctx, req, to, s.maxBytes())
		if err != nil {
			return outcome, err
		}
		defer func() { _ = made.Close() }()
		req.Body, req.Length, req.DiskFormat, req.Accept = made, size, to, nil
		outcome.Origin = outcome.Origin.as(to, container)
	}
	outcome.Result, err = ingest.Take(ctx, target, req)
	return outcome, err
}

// as is an origin with other formats; there may have been none.
func (o *origin) as(disk, container string) *origin {
	changed := &origin{DiskFormat: disk, ContainerFormat: container}
	if o != nil {
		changed.Properties = o.Properties
	}
	return changed
}

// unpack reads what is packed with gzip, and anything else as it is.
func unpack(body io.Reader) (unpacked io.Reader, isPacked bool, err error) {
	buffered := bufio.NewReader(body)
	if magic, err := buffered.Peek(2); err != nil || magic[0] != 0x1f || magic[1] != 0x8b {
		return buffered, false, nil // too short for it, or something else
	}
	packed, err := gzip.NewReader(buffered)
	if err != nil {
		return nil, false, errOrigin{"The image data is not packed as it says."}
	}
	return gzipped{packed}, true, nil
}

// gzipped is packed data whose faults are the user's.
type gzipped struct{ io.Reader }

// Read implements io.Reader.
func (g gzipped) Read(b []byte) (int, error) {
	n, err := g.Reader.Read(b)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("%w (%w)", errOrigin{"The image data is not packed as it says."}, err)
	}
	return n, err
}

// injected are the properties that an import gives an image, unless its caller has a role that
// is spared.
func (s *Service) injected(r *api.Request, body importBody) map[string]string {
	if body.Method.Name == importCopy || r.Identity == nil {
		return nil
	}
	for _, role := range r.Identity.Roles {
		for _, spared := range s.deps.InjectNotFor {
			if role.Name == spared {
				return nil
			}
		}
	}
	return s.deps.Inject
}
