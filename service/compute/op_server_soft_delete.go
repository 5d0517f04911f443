package compute

import (
	"context"
	"encoding/json"
	"time"

	"virga/core/api"
	"virga/core/db"
	"virga/core/work"
	"virga/service/compute/orders"
)

// Where Deps.ReclaimAfter is set, a deleted server is only powered off at first and can be
// restored; reconcileReclaim deletes those whose time is over.

const (
	opSoftDelete = "server_soft_delete"
	opRestore    = "server_restore"
)

// softDelete says since when a server waits to be restored, and what it was.
type softDelete struct {
	At   time.Time `json:"at"`
	From string    `json:"from"`
}

// softDeletable tells whether a delete of the server may be taken back for a while: of one
// that never ran there is nothing to keep.
func (s *Service) softDeletable(row *server) bool {
	return s.deps.ReclaimAfter > 0 && !row.LaunchedAt.IsZero() && row.Host != ""
}

// serverSoftDelete cuts a server's power and puts it aside. Like a delete it cancels what
// else goes on, and no trouble of the host keeps it from coming to its end.
func (s *Service) serverSoftDelete() work.Registrable {
	return work.Kind[powerParams, powerFrame]{
		Name: opSoftDelete, Deadline: time.Hour,
		Steps: []work.Step[powerParams, powerFrame]{
			{Name: "preempt", Do: func(ctx context.Context, run *powerRun) error { return s.engine.WaitForOthers(ctx, run.Operation) }},
			{Name: "order", Undo: s.powerUnorder,
				Do: func(ctx context.Context, run *powerRun) error { return s.powerOrder(ctx, run, orders.Stopped) }},
			{Name: "settle", Do: s.softDeleteSettle},
		},
		Failed: s.powerFailed("soft_delete"),
	}
}

// softDeleteSettle waits until the guest is off, its host is lost or says that it cannot.
func (s *Service) softDeleteSettle(ctx context.Context, run *powerRun) error {
	order, up, err := s.awaitOrder(ctx, run.Operation.ResourceID, run.Frame.Host)
	if err != nil {
		return err
	}
	if up && !order.settled() && !order.failed() {
		return work.Wait(lookAgain)
	}
	run.InCommit(func(tx *db.Tx) error {
		return s.alterServer(tx, s.ofOperation(run.Operation, "soft_delete"), func(row *server) {
			now := s.clock.Now()
			row.Detail.SoftDelete = &softDelete{At: now, From: row.VMState}
			row.VMState, row.PowerState, row.UpdatedAt = vmSoft, order.ReportedPower, now
		})
	})
	return nil
}

// serverRestore brings a server back that was put aside, running.
func (s *Service) serverRestore() work.Registrable {
	return s.powerKind(opRestore, orders.Running, "restore")
}

func (s *Service) actionRestore(ctx context.Context, r *api.Request, _ *server, _ json.RawMessage) (any, error) {
	_, err := s.start(ctx, r, "restore", opRestore, powerParams{}, inStates("restore", vmSoft), func(tx *db.Tx, row *server) error {
		limits, err := s.quotaLimits(tx, row.ProjectID)
		if err != nil {
			return err
		}
		used, err := sumProject(tx, row.ProjectID) // with this server, whose operation stands already
		if err != nil {
			return err
		}
		used.Instances, used.Cores, used.RAM = used.Instances-1, used.Cores-int64(row.VCPUs), used.RAM-row.MemoryMiB
		return checkServerQuota(limits, used, 1, row)
	})
	return accepted(), err
}
