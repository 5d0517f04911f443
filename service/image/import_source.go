package image

import (
	"context"
	"fmt"
	"io"

	"virga/core/db"
	"virga/service/image/ingest"
	"virga/service/image/store"
)

// importHaul is the transfer to the store that comes next.
func (s *Service) importHaul(run *importRun) haul {
	load := importLoad{imageID: run.Operation.ResourceID, params: run.Params, frame: run.Frame, to: run.Params.Stores[run.Frame.Next]}
	if run.Frame.Origin != nil {
		load.params.DiskFormat = run.Frame.Origin.DiskFormat
	}
	return haul{operation: run.Operation, diskFormat: load.params.DiskFormat, to: load.to, carry: func(ctx context.Context, contentID string) (transferOutcome, error) {
		if load.params.Request.Method.Name == importPeer && len(load.frame.Held) == 0 {
			result, from, err := s.carryPeer(ctx, load, contentID)
			return transferOutcome{Result: result, Origin: from}, err
		}
		result, err := s.carry(ctx, load, contentID)
		return transferOutcome{Result: result}, err
	}}
}

// importLoad is what a transfer of an import is to move.
type importLoad struct {
	imageID string
	params  importParams
	frame   importFrame
	to      string
}

// carry takes a content in.
func (s *Service) carry(ctx context.Context, h importLoad, contentID string) (ingest.Result, error) {
	target, err := s.storeFor(h.to)
	if err != nil {
		return ingest.Result{}, err
	}
	body, length, sum, err := s.openSource(ctx, h)
	if err != nil {
		return ingest.Result{}, fmt.Errorf("open the source: %w", err)
	}
	defer func() { _ = body.Close() }()
	return ingest.Take(ctx, target, ingest.Request{ID: contentID, DiskFormat: h.params.DiskFormat, Body: body, Length: length,
		Limit: s.maxBytes(), MaxVirtualSize: s.deps.MaxVirtualSize, Accept: sameSum(sum)})
}

// openSource opens what a transfer is to move, and tells its length or -1, and its SHA-512 as
// far as it is known.
func (s *Service) openSource(ctx context.Context, h importLoad) (body io.ReadCloser, length int64, sum string, err error) {
	switch {
	case len(h.frame.Held) > 0:
		from, err := s.storeFor(h.frame.Held[0].Store)
		if err != nil {
			return nil, 0, "", err
		}
		body, length, err = from.Get(ctx, h.frame.Held[0].ContentID, 0, store.NoLimit)
		return body, length, h.frame.Result.SHA512, err
	case h.params.Request.Method.Name == importCopy:
		var img *image
		err := s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
			img, err = findImage(tx, h.imageID)
			return err
		})
		if err != nil {
			return nil, 0, "", err
		}
		body, err := s.openData(ctx, img, 0, store.NoLimit)
		return body, img.Size, img.HashValue, err
	case h.params.Request.Method.Name == importWeb:
		body, length, err = s.deps.Source.Open(ctx, h.params.Request.Method.URI)
		return body, length, "", err
	}
	body, length, err = s.firstStore().Store.Get(ctx, h.params.StagedID, 0, store.NoLimit)
	return body, length, "", err
}
