package image

import (
	"context"

	"virga/core/db"
	"virga/service/image/store"
)

// importHaul is the transfer to the store that comes next.
func (s *Service) importHaul(run *importRun) haul {
	load := importLoad{imageID: run.Operation.ResourceID, params: run.Params, frame: run.Frame, to: run.Params.Stores[run.Frame.Next]}
	if run.Frame.Origin != nil {
		load.params.DiskFormat = run.Frame.Origin.DiskFormat
	}
	return haul{operation: run.Operation, diskFormat: load.params.DiskFormat, to: load.to,
		carry: func(ctx context.Context, contentID string) (transferOutcome, error) {
			return s.carry(ctx, load, contentID)
		}}
}

// importLoad is what a transfer of an import is to move.
type importLoad struct {
	imageID string
	params  importParams
	frame   importFrame
	to      string
}

// openSource opens what a transfer is to move.
func (s *Service) openSource(ctx context.Context, h importLoad) (from inflow, err error) {
	switch {
	case len(h.frame.Held) > 0:
		kept, err := s.storeFor(h.frame.Held[0].Store)
		if err != nil {
			return from, err
		}
		from.sum = h.frame.Result.SHA512
		from.body, from.length, err = kept.Get(ctx, h.frame.Held[0].ContentID, 0, store.NoLimit)
		return from, err
	case h.params.Request.Method.Name == importCopy:
		var img *image
		err := s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
			img, err = findImage(tx, h.imageID)
			return err
		})
		if err != nil {
			return from, err
		}
		from.length, from.sum = img.Size, img.HashValue
		from.body, err = s.openData(ctx, img, 0, store.NoLimit)
		return from, err
	case h.params.Request.Method.Name == importPeer:
		return s.openPeer(ctx, h)
	case h.params.Request.Method.Name == importWeb:
		from.body, from.length, err = s.deps.Source.Open(ctx, h.params.Request.Method.URI)
		return from, err
	}
	from.body, from.length, err = s.firstStore().Store.Get(ctx, h.params.StagedID, 0, store.NoLimit)
	return from, err
}
