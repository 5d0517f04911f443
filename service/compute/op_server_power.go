package compute

import (
	"context"
	"errors"
	"time"

	"virga/core/db"
	"virga/core/work"
	"virga/service/compute/orders"
)

const (
	opStart  = "server_start"
	opStop   = "server_stop"
	opReboot = "server_reboot"
)

// powerParams says how a reboot is made; start and stop need nothing.
type powerParams struct {
	Hard bool `json:"hard,omitempty"`
}

// powerFrame remembers what the guest was before.
type powerFrame struct {
	Host   string         `json:"host,omitempty"`
	Before orders.Desired `json:"before,omitempty"`
}

type powerRun = work.Run[powerParams, powerFrame]

// serverStart powers a stopped server on.
func (s *Service) serverStart() work.Registrable {
	return s.powerKind(opStart, orders.Running, "start")
}

// serverStop powers a server off; the guest is asked first.
func (s *Service) serverStop() work.Registrable {
	return s.powerKind(opStop, orders.Stopped, "stop")
}

// serverReboot restarts a server with the same disks.
func (s *Service) serverReboot() work.Registrable {
	return s.powerKind(opReboot, orders.Running, "reboot")
}

// powerKind is an operation that orders a power state and waits for it.
func (s *Service) powerKind(name string, desired orders.Desired, action string) work.Registrable {
	return work.Kind[powerParams, powerFrame]{
		Name: name, Deadline: 30 * time.Minute,
		Steps: []work.Step[powerParams, powerFrame]{
			{Name: "order", Undo: s.powerUnorder,
				Do: func(ctx context.Context, run *powerRun) error { return s.powerOrder(ctx, run, desired) }},
			{Name: "settle", Do: func(ctx context.Context, run *powerRun) error { return s.powerSettle(ctx, run, action) }},
		},
		Failed: s.powerFailed(action),
	}
}

// powerFailed has the server tell why an operation could not be carried out.
func (s *Service) powerFailed(action string) func(tx *db.Tx, run *powerRun, reason string) error {
	return func(tx *db.Tx, run *powerRun, reason string) error {
		if run.Operation.Cancelled {
			return nil
		}
		now := s.clock.Now()
		return s.alterServer(tx, s.ofOperation(run.Operation, action+".error"), func(row *server) {
			row.Detail.Fault = &fault{Code: 500, Message: reason, Created: now}
			if row.VMState != vmRescued {
				row.Detail.Rescue = nil
			}
		})
	}
}

// powerOrder writes the wish.
func (s *Service) powerOrder(ctx context.Context, run *powerRun, desired orders.Desired) error {
	row, err := s.readServer(ctx, run.Operation.ResourceID)
	if err != nil {
		return err
	}
	if row.Host == "" {
		return work.Failf("The server is on no host.")
	}
	run.Frame.Host, run.Frame.Before = row.Host, desiredOf(row)
	run.InCommit(func(tx *db.Tx) error {
		row, err := findServer(tx, run.Operation.ResourceID)
		if err != nil {
			return err
		}
		order := &guestOrder{ServerID: row.ID, Host: row.Host, OperationID: run.Operation.ID, Epoch: run.Operation.Epoch,
			Desired: desired, Body: guestBody(row)}
		if known, err := findOrder(tx, row.ID, row.Host); err == nil {
			order.RebootSeq, order.RebootHard = known.RebootSeq, known.RebootHard
		}
		if run.Operation.Kind == opReboot {
			order.RebootSeq, order.RebootHard = order.RebootSeq+1, run.Params.Hard
		}
		return s.giveOrder(tx, order)
	})
	return nil
}

// powerUnorder wishes back what was before; a delete that cut the operation off makes that
// needless.
func (s *Service) powerUnorder(_ context.Context, run *powerRun) error {
	if run.Operation.Cancelled || run.Frame.Host == "" {
		return nil
	}
	run.InCommit(func(tx *db.Tx) error {
		row, err := findServer(tx, run.Operation.ResourceID)
		if errors.Is(err, db.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		known, err := findOrder(tx, row.ID, run.Frame.Host)
		if errors.Is(err, db.ErrNotFound) || err == nil && known.OperationID != run.Operation.ID {
			return nil // nothing was ordered
		}
		if err != nil {
			return err
		}
		return s.giveOrder(tx, &guestOrder{ServerID: row.ID, Host: row.Host, OperationID: run.Operation.ID, Epoch: run.Operation.Epoch,
			Desired: run.Frame.Before, Body: guestBody(row), RebootSeq: known.RebootDone, RebootHard: known.RebootHard})
	})
	return nil
}

// powerSettle waits until the host reports what was wished for.
func (s *Service) powerSettle(ctx context.Context, run *powerRun, action string) error {
	order, _, err := s.awaitOrder(ctx, run.Operation.ResourceID, run.Frame.Host)
	if err != nil {
		return err
	}
	switch {
	case order.settled():
		run.InCommit(func(tx *db.Tx) error {
			return s.alterServer(tx, s.ofOperation(run.Operation, action), func(row *server) { s.takeReport(row, order) })
		})
		return nil
	case order.failed() && order.ErrorClass != orders.Retry:
		return work.Fail(errors.New(order.ErrorMessage))
	}
	return work.Wait(lookAgain)
}

// takeReport brings a server's states in line with what its host reported.
func (s *Service) takeReport(row *server, order *guestOrder) {
	vmState := row.VMState
	switch {
	case vmState == vmShelved, vmState == vmOffloaded: // it stays so until it is unshelved
	case vmState == vmResized: // it stays so until it is confirmed or reverted
	case order.Desired == orders.Stopped && vmState == vmSoft: // likewise
	case vmState == vmSoft && row.Detail.SoftDelete != nil && row.Detail.SoftDelete.From == vmResized:
		vmState = vmResized
	case order.Desired == orders.Rescued && vmState == vmRescued: // and so until it is told otherwise
	case order.ReportedState == orders.StateRescued:
		vmState, row.LaunchedAt = vmRescued, s.clock.Now()
	case order.ReportedState == orders.StateRunning:
		vmState = vmActive
	case order.ReportedState == orders.StateStopped:
		vmState = vmStopped
	case order.ReportedState == orders.StatePaused:
		vmState = vmPaused
	case order.ReportedState == orders.StateSuspended:
		vmState = vmSuspended
	}
	if vmState == row.VMState && row.PowerState == order.ReportedPower {
		return
	}
	if row.VMState == vmError {
		row.Detail.Fault = nil
	}
	if row.VMState == vmRescued && vmState != vmRescued {
		row.Detail.Rescue = nil
	}
	if row.VMState == vmSoft && vmState != vmSoft {
		row.Detail.SoftDelete = nil
	}
	row.VMState, row.PowerState, row.UpdatedAt = vmState, order.ReportedPower, s.clock.Now()
	if row.LaunchedAt.IsZero() && vmState == vmActive {
		row.LaunchedAt = row.UpdatedAt
	}
}

// desiredOf is the wish that fits a server's stored state.
func desiredOf(row *server) orders.Desired {
	switch {
	case row.VMState == vmSuspended:
		return orders.Suspended
	case row.VMState == vmRescued:
		return orders.Rescued
	case row.VMState == vmPaused, row.VMState == vmError && row.PowerState == powerPaused:
		return orders.Paused
	}
	if row.VMState == vmStopped || row.VMState == vmShelved || row.VMState == vmSoft || (row.VMState == vmError || row.VMState == vmResized) && row.PowerState != powerRunning {
		return orders.Stopped
	}
	return orders.Running
}
