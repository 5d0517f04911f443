package compute

import (
	"context"
	"errors"
	"fmt"
	"time"

	"virga/core/db"
	"virga/core/work"
)

// confirmsAtOnce bounds one round of moves that are confirmed by themselves.
const confirmsAtOnce = 100

// reconcileConfirm confirms moves that have waited for somebody's word for too long (nova's resize_confirm_window).
func (s *Service) reconcileConfirm(ctx context.Context) error {
	if s.deps.ResizeConfirmWindow <= 0 {
		return nil
	}
	var rows []migration
	before := s.clock.Now().Add(-s.deps.ResizeConfirmWindow)
	err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
		rows, err = finishedMoves(tx, "", before, confirmsAtOnce)
		return err
	})
	if err != nil {
		return fmt.Errorf("find moves that nobody confirmed: %w", err)
	}
	for i := range rows {
		if err := s.confirmMove(ctx, &rows[i]); err != nil {
			return fmt.Errorf("confirm migration %s: %w", rows[i].ID, err)
		}
	}
	return nil
}

// confirmMove starts the confirmation of a move unless something else is done about it. It is its asker's.
func (s *Service) confirmMove(ctx context.Context, m *migration) error {
	return s.db.Write(ctx, func(tx *db.Tx) error {
		row, err := findServer(tx, m.ServerID)
		if errors.Is(err, db.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		now, err := findMigration(tx, m.ID)
		if err != nil || now.Status != migrationFinished || row.VMState != vmResized {
			return err
		}
		return s.startQuietly(tx, row, m.UserID, opConfirm, "confirmResize", endParams{})
	})
}

// startQuietly starts an operation on a server in somebody's name without being asked at the moment; nothing, when something goes on.
func (s *Service) startQuietly(tx *db.Tx, row *server, userID, kind, action string, params any) error {
	unfinished, err := work.Unfinished(tx, row.ID)
	if err != nil || len(unfinished[row.ID]) > 0 {
		return err
	}
	request := "req-" + s.clock.ID()
	operation, err := s.engine.Start(tx, work.Order{Kind: kind, ResourceKind: "server", ResourceID: row.ID, ProjectID: row.ProjectID, UserID: userID,
		RequestID: request, Params: params})
	if err != nil {
		return err
	}
	doc := documentOfServer(row)
	c := s.ofRoutine(operation, row.ID)
	c.Action, c.UserID, c.RequestID, c.OwnerProjectID, c.Before, c.After = action+".start", userID, request, row.ProjectID, doc, doc
	return s.feed.Record(tx, c)
}

// quietTime is how often what nobody asks for at the moment is looked at.
const quietTime = 5 * time.Second
