package compute

import (
	"context"
	"errors"
	"fmt"

	"virga/core/api"
	"virga/core/db"
	"virga/core/work"
	"virga/service/compute/orders"
)

const opEvacuate = "server_evacuate"

// serverEvacuate makes a server anew on another host because its own is down. From the moment that the server is the new host's the
// old one has the order to remove its guest, which it obeys when it comes back: it asks for its orders before it does anything else.
// Until then the old order stands, so that a server that cannot be evacuated has lost nothing.
func (s *Service) serverEvacuate() work.Registrable {
	return work.Kind[moveParams, moveFrame]{
		Name: opEvacuate, Deadline: moveDeadline,
		Steps: []work.Step[moveParams, moveFrame]{
			{Name: "schedule", Role: RoleScheduler, Do: s.evacuateSchedule, Undo: s.moveUnschedule},
			{Name: "claim", Do: s.moveClaim, Undo: s.moveUnclaim},
			{Name: "prepare", Do: s.evacuatePrepare, Undo: s.moveUntransfer},
			{Name: "prepared", Do: s.evacuatePrepared},
			{Name: "network", Do: s.moveNetwork, Undo: s.moveUnnetwork},
			{Name: "finish", Do: s.evacuateFinish, Pivot: true},
			{Name: "release", Do: s.evacuateRelease, Tries: forEver},
			{Name: "settle", Do: s.evacuateSettle, Tries: forEver},
		},
		Finished: func(tx *db.Tx, run *moveRun) error { return s.recordOf(tx, run.Operation, "evacuate") },
		Failed: func(tx *db.Tx, run *moveRun, reason string) error {
			return s.moveFailed(tx, run, "evacuate", reason)
		},
	}
}

func (s *Service) evacuateSchedule(ctx context.Context, run *moveRun) error {
	if run.Params.Refused != "" {
		return work.Fail(errors.New(run.Params.Refused))
	}
	return s.moveSchedule(ctx, run)
}

// evacuatePrepare orders image and disks at the new host.
func (s *Service) evacuatePrepare(_ context.Context, run *moveRun) error {
	run.InCommit(func(tx *db.Tx) error {
		row, err := findServer(tx, run.Operation.ResourceID)
		if err != nil {
			return err
		}
		m, err := findMigration(tx, run.Params.Migration)
		if err != nil {
			return err
		}
		row.Detail.Disk = nil // the new disk stands on the server's own image
		return s.giveOrder(tx, &guestOrder{ServerID: row.ID, Host: m.DestHost, OperationID: run.Operation.ID, Epoch: run.Operation.Epoch,
			Desired: orders.Prepared, Body: guestBody(row)})
	})
	return nil
}

func (s *Service) evacuatePrepared(ctx context.Context, run *moveRun) error {
	_, m, err := s.readMove(ctx, run.Operation.ResourceID, run.Params.Migration)
	if err != nil {
		return err
	}
	return s.awaitElsewhere(ctx, run.Operation.ResourceID, m.DestHost, func(why error) error { return s.moveElsewhere(run, m, why) })
}

// evacuateFinish makes the server the new host's, unless the old one is back.
func (s *Service) evacuateFinish(_ context.Context, run *moveRun) error {
	run.InCommit(func(tx *db.Tx) error {
		m, err := findMigration(tx, run.Params.Migration)
		if err != nil {
			return err
		}
		if err := s.mustBeDown(tx, m.SourceHost); err != nil {
			var refused *api.Error
			if errors.As(err, &refused) {
				return work.Fail(errors.New(refused.Message))
			}
			return err
		}
		err = s.alterServer(tx, s.ofOperation(run.Operation, "update"), func(row *server) {
			row.Host, row.UpdatedAt, row.Detail.GrownGiB, row.Detail.Disk = m.DestHost, s.clock.Now(), 0, nil
		})
		if err != nil {
			return err
		}
		if _, err := findOrder(tx, m.ServerID, m.SourceHost); err == nil {
			err = s.giveOrder(tx, &guestOrder{ServerID: m.ServerID, Host: m.SourceHost, OperationID: run.Operation.ID, Epoch: run.Operation.Epoch, Desired: orders.Absent})
			if err != nil {
				return err
			}
		} else if !errors.Is(err, db.ErrNotFound) {
			return err
		}
		row, err := findServer(tx, m.ServerID)
		if err != nil {
			return err
		}
		return s.orderGuest(tx, row, run.Operation, m.evacuatesTo())
	})
	return nil
}

// evacuatesTo is what the guest is to be on its new host.
func (m *migration) evacuatesTo() orders.Desired {
	if m.Detail.Stopped || m.Detail.Before == orders.Stopped {
		return orders.Stopped
	}
	return orders.Running
}

func (s *Service) evacuateRelease(ctx context.Context, run *moveRun) error {
	return s.deps.Placement.Release(s.self(ctx), run.Params.Migration)
}

// evacuateSettle waits until the guest is on its new host. One that cannot be started there leaves the server in error, on that host.
func (s *Service) evacuateSettle(ctx context.Context, run *moveRun) error {
	_, m, err := s.readMove(ctx, run.Operation.ResourceID, run.Params.Migration)
	if err != nil {
		return err
	}
	order, _, err := s.awaitOrder(ctx, m.ServerID, m.DestHost)
	if errors.Is(err, db.ErrNotFound) && run.Operation.Cancelled {
		order, err = &guestOrder{}, nil
	}
	if err != nil {
		return fmt.Errorf("wait for evacuated guest: %w", err)
	}
	failed := order.failed() && order.ErrorClass != orders.Retry
	if !order.settled() && !failed && !run.Operation.Cancelled {
		return work.Wait(lookAgain)
	}
	run.InCommit(func(tx *db.Tx) error {
		if err := s.changeMigration(tx, m.ID, func(m *migration) { m.end(migrationDone) }); err != nil {
			return err
		}
		now := s.clock.Now()
		return s.alterServer(tx, s.ofOperation(run.Operation, "update"), func(row *server) {
			row.VMState, row.PowerState, row.Detail.Fault, row.UpdatedAt = vmActive, order.ReportedPower, nil, now
			switch {
			case failed:
				row.VMState, row.PowerState = vmError, powerNone
				row.Detail.Fault = &fault{Code: 500, Message: order.ErrorMessage, Created: now}
			case order.ReportedState == orders.StateStopped:
				row.VMState = vmStopped
			default:
				row.LaunchedAt = now
			}
		})
	})
	return nil
}
