package compute

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"virga/core/api"
	"virga/core/db"
	"virga/core/work"
	"virga/service/compute/orders"
)

const opCrashDump = "server_crash_dump"

// crashDumpParams is empty: the server's id says all.
type crashDumpParams struct{}

type crashDumpFrame struct{}

type crashDumpRun = work.Run[crashDumpParams, crashDumpFrame]

// serverCrashDump interrupts a guest, whose system then writes a dump of itself if it is set
// up for that.
func (s *Service) serverCrashDump() work.Registrable {
	return work.Kind[crashDumpParams, crashDumpFrame]{
		Name: opCrashDump, Deadline: 5 * time.Minute,
		Steps: []work.Step[crashDumpParams, crashDumpFrame]{{Name: "interrupt", Do: s.crashDumpInterrupt, Tries: 3}},
		Failed: func(tx *db.Tx, run *crashDumpRun, reason string) error {
			if run.Operation.Cancelled {
				return nil
			}
			return s.alterServer(tx, s.ofOperation(run.Operation, "trigger_crash_dump.error"), func(row *server) {
				row.Detail.Fault = &fault{Code: 500, Message: reason, Created: s.clock.Now()}
			})
		},
	}
}

func (s *Service) crashDumpInterrupt(ctx context.Context, run *crashDumpRun) error {
	row, err := s.readServer(ctx, run.Operation.ResourceID)
	if err != nil {
		return err
	}
	_, err = s.askHost(ctx, row.Host, orders.QuestionNMI, orders.GuestQuestion{ServerID: row.ID})
	switch {
	case errors.Is(err, errHostSilent):
		return work.Failf("The host of instance %s does not answer.", row.ID)
	case saidInVain(err, orders.ErrOff), saidInVain(err, orders.ErrNoGuest):
		return work.Failf("Instance %s is not running", row.ID)
	case err != nil:
		s.log.WarnContext(ctx, "trigger crash dump", "server", row.ID, "error", err)
		return work.Failf("Triggering crash dump is not supported")
	}
	run.InCommit(func(tx *db.Tx) error { return s.recordOf(tx, run.Operation, "trigger_crash_dump") })
	return nil
}

func (s *Service) actionCrashDump(ctx context.Context, r *api.Request, row *server, _ json.RawMessage) (any, error) {
	if r.Version.Before(vCrashDump) {
		return nil, api.NotFound("API version %s is not supported on this method.", r.Version)
	}
	if row.Host == "" {
		return nil, api.Conflict("Instance %s is not ready", row.ID)
	}
	_, err := s.start(ctx, r, "trigger_crash_dump", opCrashDump, crashDumpParams{},
		inStates("trigger_crash_dump", vmActive, vmPaused, vmRescued, vmResized, vmError))
	return accepted(), err
}
