package compute

import (
	"context"
	"errors"
	"fmt"

	"virga/core/db"
	"virga/core/work"
)

const opConfirm = "server_resize_confirm"

// endParams is empty: the server has one migration to end.
type endParams struct{}

type endFrame struct {
	Migration string `json:"migration,omitempty"`
}

type endRun = work.Run[endParams, endFrame]

// serverResizeConfirm ends a move well: what is left on the first host goes. It is decided
// at once, and from then on only goes forward.
func (s *Service) serverResizeConfirm() work.Registrable {
	return work.Kind[endParams, endFrame]{
		Name: opConfirm, Deadline: noDeadline,
		Steps: []work.Step[endParams, endFrame]{
			{Name: "decide", Do: s.endDecide(migrationConfirms), Undo: s.endUndecide, Pivot: true},
			{Name: "source", Do: s.confirmSource, Tries: forEver},
			{Name: "claim", Do: s.confirmClaim, Tries: forEver},
			{Name: "settle", Do: s.confirmSettle, Tries: forEver},
		},
		Finished: func(tx *db.Tx, run *endRun) error { return s.recordOf(tx, run.Operation, "resize.confirm") },
	}
}

// endDecide finds the server's finished migration and gives it the status of its end.
func (s *Service) endDecide(status string) func(context.Context, *endRun) error {
	return func(ctx context.Context, run *endRun) error {
		var m *migration
		err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
			m, err = findMove(tx, run.Operation.ResourceID, migrationFinished, status)
			return err
		})
		if errors.Is(err, db.ErrNotFound) {
			return work.Failf("Instance has not been resized.")
		}
		if err != nil {
			return err
		}
		run.Frame.Migration = m.ID
		run.InCommit(func(tx *db.Tx) error {
			return s.changeMigration(tx, m.ID, func(m *migration) { m.Status = status })
		})
		return nil
	}
}

func (s *Service) endUndecide(_ context.Context, run *endRun) error {
	if run.Frame.Migration == "" {
		return nil
	}
	run.InCommit(func(tx *db.Tx) error {
		return s.changeMigration(tx, run.Frame.Migration, func(m *migration) { m.Status = migrationFinished })
	})
	return nil
}

// readEnd reads what a step of a move's end is about.
func (s *Service) readEnd(ctx context.Context, run *endRun) (*server, *migration, error) {
	return s.readMove(ctx, run.Operation.ResourceID, run.Frame.Migration)
}

// confirmSource removes the guest from the first host; one that is away does so when it comes back.
func (s *Service) confirmSource(ctx context.Context, run *endRun) error {
	_, m, err := s.readEnd(ctx, run)
	if err != nil || m.stays() {
		return err
	}
	return s.removeGuestFrom(ctx, run.Operation, m.SourceHost, false)
}

func (s *Service) confirmClaim(ctx context.Context, run *endRun) error {
	return s.deps.Placement.Release(s.self(ctx), run.Frame.Migration)
}

func (s *Service) confirmSettle(_ context.Context, run *endRun) error {
	run.InCommit(func(tx *db.Tx) error {
		if err := s.changeMigration(tx, run.Frame.Migration, func(m *migration) { m.end(migrationConfirmed) }); err != nil {
			return err
		}
		return s.alterServer(tx, s.ofOperation(run.Operation, "update"), func(row *server) {
			row.VMState, row.UpdatedAt = vmActive, s.clock.Now()
			if row.PowerState != powerRunning {
				row.VMState = vmStopped
			}
		})
	})
	return nil
}

// end gives a migration its last status; nothing is held for it any more.
func (m *migration) end(status string) { m.Status, m.ExtraVCPUs, m.ExtraMemoryMiB = status, 0, 0 }

// releaseMoves gives back what migrations of a server hold in placement.
func (s *Service) releaseMoves(ctx context.Context, serverID string) error {
	var rows []migration
	err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
		rows, err = openMoves(tx, serverID)
		return err
	})
	if err != nil {
		return fmt.Errorf("find migrations of server %s: %w", serverID, err)
	}
	for i := range rows {
		if err := s.deps.Placement.Release(s.self(ctx), rows[i].ID); err != nil {
			return err
		}
	}
	return nil
}
