package http

import (
	"context"
	"fmt"
	"io"
	"strings"

	"virga/service/image/store"
)

// Reader reads content that stays at its source. It implements store.Reader.
type Reader struct {
	fetcher *Fetcher
	locate  func(ctx context.Context, id string) (string, error)
}

var _ store.Reader = (*Reader)(nil)

// NewReader makes a Reader; locate gives the URL under which an id's content lies, or store.ErrNotFound.
func NewReader(f *Fetcher, locate func(ctx context.Context, id string) (string, error)) *Reader {
	return &Reader{fetcher: f, locate: locate}
}

// Get implements store.Reader. Besides the errors of the contract it returns a *SourceError.
func (r *Reader) Get(ctx context.Context, id string, offset, length int64) (io.ReadCloser, int64, error) {
	location, size, err := r.find(ctx, id)
	if err != nil {
		return nil, 0, err
	}
	if offset < 0 || offset > size {
		return nil, 0, fmt.Errorf("get image content %s from byte %d of %d: %w", id, offset, size, store.ErrRange)
	}
	n := size - offset
	if length >= 0 {
		n = min(n, length)
	}
	if n == 0 {
		return io.NopCloser(strings.NewReader("")), size, nil
	}
	body, err := r.fetcher.openRange(ctx, location, offset, n, size)
	if err != nil {
		return nil, 0, fmt.Errorf("get image content %s: %w", id, err)
	}
	return body, size, nil
}

// Size implements store.Reader.
func (r *Reader) Size(ctx context.Context, id string) (int64, error) {
	_, size, err := r.find(ctx, id)
	return size, err
}

func (r *Reader) find(ctx context.Context, id string) (string, int64, error) {
	if err := store.CheckID(id); err != nil {
		return "", 0, err
	}
	location, err := r.locate(ctx, id)
	if err != nil {
		return "", 0, fmt.Errorf("find image content %s: %w", id, err)
	}
	size, err := r.fetcher.size(ctx, location)
	if err != nil {
		return "", 0, fmt.Errorf("find image content %s: %w", id, err)
	}
	return location, size, nil
}
