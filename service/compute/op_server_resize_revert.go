package compute

import (
	"context"

	"virga/core/db"
	"virga/core/work"
	"virga/service/compute/orders"
)

const opRevert = "server_resize_revert"

// serverResizeRevert takes a move back: what is on the second host goes, the guest on the
// first host is what it was. It is decided at once, and from then on only goes forward. A
// server that is deleted meanwhile is not started again, and no host is waited for.
func (s *Service) serverResizeRevert() work.Registrable {
	return work.Kind[endParams, endFrame]{
		Name: opRevert, Deadline: noDeadline,
		Steps: []work.Step[endParams, endFrame]{
			{Name: "decide", Do: s.endDecide(migrationReverts), Undo: s.endUndecide, Pivot: true},
			{Name: "destination", Do: s.revertDestination, Tries: forEver},
			{Name: "network", Do: s.revertNetwork, Tries: forEver},
			{Name: "claim", Do: s.revertClaim, Tries: forEver},
			{Name: "finish", Do: s.revertFinish, Tries: forEver},
			{Name: "settle", Do: s.revertSettle, Tries: forEver},
		},
		Finished: func(tx *db.Tx, run *endRun) error { return s.recordOf(tx, run.Operation, "resize.revert") },
	}
}

// revertDestination ends the guest on the second host. The host has to say so before it may
// run on the first one.
func (s *Service) revertDestination(ctx context.Context, run *endRun) error {
	_, m, err := s.readEnd(ctx, run)
	if err != nil {
		return err
	}
	switch {
	case m.stays() && run.Operation.Cancelled:
		return nil
	case m.stays():
		return s.stopGuestAt(ctx, run.Operation, m.DestHost)
	}
	return s.removeGuestFrom(ctx, run.Operation, m.DestHost, !run.Operation.Cancelled)
}

func (s *Service) revertNetwork(ctx context.Context, run *endRun) error {
	_, m, err := s.readEnd(ctx, run)
	if err != nil || m.stays() || run.Operation.Cancelled {
		return err
	}
	return s.bindPorts(ctx, run.Operation.ResourceID, m.SourceHost)
}

// revertClaim gives the server what the migration held for it.
func (s *Service) revertClaim(ctx context.Context, run *endRun) error {
	row, m, err := s.readEnd(ctx, run)
	if err != nil {
		return err
	}
	return s.deps.Placement.Reallocate(s.self(ctx), []Claim{m.claimOfSource(row, row.ID), m.nothing(row)})
}

func (s *Service) revertFinish(_ context.Context, run *endRun) error {
	run.InCommit(func(tx *db.Tx) error {
		m, err := findMigration(tx, run.Frame.Migration)
		if err != nil {
			return err
		}
		err = s.alterServer(tx, s.ofOperation(run.Operation, "update"), func(row *server) { m.putBack(row) })
		if err != nil || run.Operation.Cancelled {
			return err
		}
		row, err := findServer(tx, m.ServerID)
		if err != nil {
			return err
		}
		return s.orderGuest(tx, row, run.Operation, m.Detail.Before)
	})
	return nil
}

// revertSettle waits until the guest is what it was. When its host cannot do that the
// server is in error, on its own host and with its own disks.
func (s *Service) revertSettle(ctx context.Context, run *endRun) error {
	_, m, err := s.readEnd(ctx, run)
	if err != nil {
		return err
	}
	order, _, err := s.awaitOrder(ctx, m.ServerID, m.SourceHost)
	if err != nil {
		return err
	}
	failed := order.failed() && order.ErrorClass != orders.Retry
	if !order.settled() && !failed && !run.Operation.Cancelled {
		return work.Wait(lookAgain)
	}
	run.InCommit(func(tx *db.Tx) error {
		if err := s.changeMigration(tx, m.ID, func(m *migration) { m.end(migrationReverted) }); err != nil {
			return err
		}
		now := s.clock.Now()
		return s.alterServer(tx, s.ofOperation(run.Operation, "update"), func(row *server) {
			row.VMState, row.PowerState, row.UpdatedAt = vmActive, order.ReportedPower, now
			if m.Detail.Before == orders.Stopped || order.ReportedState == orders.StateStopped {
				row.VMState = vmStopped
			}
			if failed {
				row.VMState, row.PowerState = vmError, powerNone
				row.Detail.Fault = &fault{Code: 500, Message: order.ErrorMessage, Created: now}
			} else if row.LaunchedAt.IsZero() || row.VMState == vmActive {
				row.LaunchedAt = now
			}
		})
	})
	return nil
}
