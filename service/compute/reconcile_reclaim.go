package compute

import (
	"context"
	"fmt"

	"virga/core/db"
	"virga/core/work"
)

// reconcileReclaim deletes the servers that waited long enough to be restored. It goes on
// where an operator has turned the setting off since: then none is to wait.
func (s *Service) reconcileReclaim(ctx context.Context) error {
	const batch = 100
	after := ""
	for ctx.Err() == nil {
		var rows []server
		err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
			rows, err = softDeletedServers(tx, after, batch)
			return err
		})
		if err != nil {
			return fmt.Errorf("list servers that wait to be restored: %w", err)
		}
		for i := range rows {
			if err := s.reclaim(ctx, rows[i].ID); err != nil {
				return fmt.Errorf("reclaim server %s: %w", rows[i].ID, err)
			}
		}
		if len(rows) < batch {
			return nil
		}
		after = rows[batch-1].ID
	}
	return ctx.Err()
}

// reclaim starts the delete of a server whose time is over and with which nothing goes on.
func (s *Service) reclaim(ctx context.Context, id string) error {
	return s.db.Write(ctx, func(tx *db.Tx) error {
		rows, err := serversByID(tx, []string{id})
		if err != nil || len(rows) == 0 {
			return err
		}
		row := rows[0]
		if row.VMState != vmSoft || row.Detail.SoftDelete != nil && s.clock.Now().Before(row.Detail.SoftDelete.At.Add(s.deps.ReclaimAfter)) {
			return nil
		}
		unfinished, err := work.Unfinished(tx, id)
		if err != nil || len(unfinished[id]) > 0 {
			return err
		}
		operation, err := s.engine.Start(tx, work.Order{Kind: opDelete, ResourceKind: "server", ResourceID: id, ProjectID: row.ProjectID,
			UserID: s.deps.Self.UserID, RequestID: "req-" + s.clock.ID(), Params: deleteParams{}})
		if err != nil {
			return err
		}
		c := s.ofRoutine(operation, id)
		doc := documentOfServer(row)
		c.Action, c.OwnerProjectID, c.Before, c.After = "delete.start", row.ProjectID, doc, doc
		return s.feed.Record(tx, c)
	})
}
