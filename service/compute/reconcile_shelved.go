package compute

import (
	"context"
	"errors"
	"time"

	"virga/core/db"
	"virga/core/work"
)

// shelvedBatch is how many servers one run offloads.
const shelvedBatch = 200

// reconcileShelved offloads servers that have been shelved for long enough (nova's shelved_offload_time).
func (s *Service) reconcileShelved(ctx context.Context) error {
	if s.deps.OffloadAfter < 0 {
		return nil
	}
	due := s.clock.Now().Add(-s.deps.OffloadAfter)
	for after := ""; ; {
		var ids []string
		if err := s.db.Read(ctx, func(tx *db.Tx) (err error) { ids, err = listShelved(tx, after, shelvedBatch); return err }); err != nil {
			return err
		}
		for _, id := range ids {
			if err := s.offloadDue(ctx, id, due); err != nil {
				return err
			}
		}
		if len(ids) < shelvedBatch {
			return nil
		}
		after = ids[len(ids)-1]
	}
}

// offloadDue starts the offload of a server that was shelved before a time, unless something goes on with it.
func (s *Service) offloadDue(ctx context.Context, id string, due time.Time) error {
	return s.db.Write(ctx, func(tx *db.Tx) error {
		row, err := findServer(tx, id)
		if errors.Is(err, db.ErrNotFound) || err == nil && (row.VMState != vmShelved || row.Detail.Shelved == nil || row.Detail.Shelved.At.After(due)) {
			return nil
		}
		if err != nil {
			return err
		}
		unfinished, err := work.Unfinished(tx, id)
		if err != nil || len(unfinished[id]) > 0 {
			return err
		}
		operation, err := s.engine.Start(tx, work.Order{Kind: opOffload, ResourceKind: "server", ResourceID: id, ProjectID: row.ProjectID,
			UserID: s.deps.Self.UserID, RequestID: "req-" + s.clock.ID(), Params: imageParams{As: s.deps.Self, Offload: true}})
		if err != nil {
			return err
		}
		c := s.ofRoutine(operation, id)
		doc := documentOfServer(row)
		c.Action, c.OwnerProjectID, c.Before, c.After = "shelve_offload.start", row.ProjectID, doc, doc
		return s.feed.Record(tx, c)
	})
}
