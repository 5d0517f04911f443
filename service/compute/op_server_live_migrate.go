package compute

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"

	"virga/core/db"
	"virga/core/work"
	"virga/service/compute/orders"
)

const opLiveMigrate = "server_live_migrate"

// liveFrame is the frame of a live migration.
type liveFrame struct {
	moveFrame
	// Left says that the guest was found on the new host when the migration was to be taken back. Undoing then goes the other way:
	// what belongs to the old host is cleared away, and the server is where its guest is.
	Left bool `json:"left,omitempty"`
}

type liveRun = work.Run[moveParams, liveFrame]

// serverLiveMigrate moves a running server to another host. The hosts hand the guest over between them and never run it twice
// (package hypervisor); this operation prepares the new host, tells the old one, waits for what it says, and puts the rest right.
// The step that has been told that the guest left is the point of no return.
func (s *Service) serverLiveMigrate() work.Registrable {
	return work.Kind[moveParams, liveFrame]{
		Name: opLiveMigrate, Deadline: moveDeadline,
		Steps: []work.Step[moveParams, liveFrame]{
			{Name: "schedule", Role: RoleScheduler, Do: s.liveSchedule, Undo: s.liveUnschedule},
			{Name: "claim", Do: s.liveClaim, Undo: s.liveUnclaim},
			{Name: "network", Do: s.liveNetwork, Undo: s.liveUnnetwork},
			{Name: "prepare", Do: s.livePrepare, Undo: s.liveUnprepare},
			{Name: "prepared", Do: s.livePrepared},
			{Name: "move", Do: s.liveMove, Undo: s.liveUnmove},
			{Name: "moved", Do: s.liveMoved, Pivot: true},
			{Name: "bind", Do: s.liveBind, Tries: forEver},
			{Name: "finish", Do: s.liveFinish, Tries: forEver},
			{Name: "source", Do: s.liveSource, Tries: forEver},
			{Name: "release", Do: s.liveRelease, Tries: forEver},
			{Name: "settle", Do: s.liveSettle, Tries: forEver},
		},
		Finished: func(tx *db.Tx, run *liveRun) error { return s.recordOf(tx, run.Operation, "live_migration.post") },
		Failed:   s.liveFailed,
	}
}

// readLive reads what a step is about; a migration that is to be given up fails the step.
func (s *Service) readLive(ctx context.Context, run *liveRun) (*server, *migration, error) {
	row, m, err := s.readMove(ctx, run.Operation.ResourceID, run.Params.Migration)
	if err == nil && m.Detail.Live.Abort {
		err = work.Failf("The live migration was aborted.")
	}
	return row, m, err
}

func (s *Service) liveSchedule(ctx context.Context, run *liveRun) error {
	if run.Params.Refused != "" {
		return work.Fail(errors.New(run.Params.Refused))
	}
	row, m, err := s.readLive(ctx, run)
	if err != nil {
		return err
	}
	d, err := s.chooseLive(ctx, row, &m.newMigration, run.Params.Host, run.Frame.Excluded)
	if err != nil {
		return s.neighbourTrouble(ctx, run.Operation, "placement", err)
	}
	if err := s.keep(ctx, run.Operation, d, run.InCommit); err != nil {
		return err
	}
	if err := d.found(); err != nil {
		return err
	}
	run.InCommit(func(tx *db.Tx) error {
		if err := keepGroup(tx, row.ID, d.Chosen); err != nil {
			return err
		}
		dest, err := findHost(tx, d.Chosen)
		if err != nil {
			return fmt.Errorf("find host %s: %w", d.Chosen, err)
		}
		return s.changeMigration(tx, m.ID, func(m *migration) {
			m.Status, m.DestHost, m.Detail.Live.Secret = migrationLivePreparing, dest.Name, newTransferSecret()
			m.Detail.DestProvider, m.Detail.DestNode, m.Detail.DestIP = dest.HypervisorID, dest.Facts.HostName, dest.Facts.HostIP
		})
	})
	return nil
}

func (s *Service) liveUnschedule(_ context.Context, run *liveRun) error {
	s.roster.released(run.Operation.ResourceID)
	return nil
}

// liveClaim hands what the server has to the migration and takes the same at the new host, in one breath.
func (s *Service) liveClaim(ctx context.Context, run *liveRun) error {
	row, m, err := s.readLive(ctx, run)
	if err != nil {
		return err
	}
	err = s.deps.Placement.Reallocate(s.self(ctx), []Claim{m.claimOfSource(row, m.ID), m.claimOfDest(row)})
	return s.afterClaim(ctx, run.Operation, &run.Frame.LostRaces, err)
}

func (s *Service) liveUnclaim(ctx context.Context, run *liveRun) error {
	row, m, err := s.readMove(ctx, run.Operation.ResourceID, run.Params.Migration)
	if err != nil {
		return err
	}
	s.roster.released(row.ID)
	if run.Frame.Left {
		return s.deps.Placement.Release(s.self(ctx), m.ID)
	}
	return s.deps.Placement.Reallocate(s.self(ctx), []Claim{m.claimOfSource(row, row.ID), m.nothing(row)})
}

// liveNetwork has the ports made ready on the new host, so that the guest finds its devices there.
func (s *Service) liveNetwork(ctx context.Context, run *liveRun) error {
	row, m, err := s.readLive(ctx, run)
	if err != nil {
		return err
	}
	if err := s.expectPorts(ctx, row.ID, m.DestHost); err != nil {
		return s.neighbourTrouble(ctx, run.Operation, "network", err)
	}
	return nil
}

func (s *Service) liveUnnetwork(ctx context.Context, run *liveRun) error {
	_, m, err := s.readMove(ctx, run.Operation.ResourceID, run.Params.Migration)
	if err != nil || run.Operation.Cancelled {
		return err
	}
	if run.Frame.Left {
		return s.settlePorts(ctx, m)
	}
	return s.expectPorts(ctx, m.ServerID, "")
}

// livePrepare orders what the guest needs at the new host, and that the old one may bring it.
func (s *Service) livePrepare(_ context.Context, run *liveRun) error {
	run.InCommit(func(tx *db.Tx) error {
		row, err := findServer(tx, run.Operation.ResourceID)
		if err != nil {
			return err
		}
		m, err := findMigration(tx, run.Params.Migration)
		if err != nil {
			return err
		}
		sum := sha256.Sum256([]byte(m.Detail.Live.Secret))
		order := &guestOrder{ServerID: row.ID, Host: m.DestHost, OperationID: run.Operation.ID, Epoch: run.Operation.Epoch, Desired: orders.Prepared,
			Body: guestBody(row)}
		order.Body.Arrive = &orders.Arrive{FromHost: m.SourceHost, SecretSHA256: hex.EncodeToString(sum[:])}
		return s.giveOrder(tx, order)
	})
	return nil
}

// liveUnprepare clears away what is left at the host that does not have the guest.
func (s *Service) liveUnprepare(ctx context.Context, run *liveRun) error {
	_, m, err := s.readMove(ctx, run.Operation.ResourceID, run.Params.Migration)
	if err != nil {
		return err
	}
	if run.Frame.Left {
		return s.removeGuestFrom(ctx, run.Operation, m.SourceHost, false)
	}
	return s.removeGuestFrom(ctx, run.Operation, m.DestHost, false)
}

func (s *Service) livePrepared(ctx context.Context, run *liveRun) error {
	_, m, err := s.readLive(ctx, run)
	if err != nil {
		return err
	}
	return s.awaitElsewhere(ctx, m.ServerID, m.DestHost, func(why error) error { return s.liveElsewhere(run, m, why) })
}

// liveElsewhere has another host chosen, unless one was asked for or enough were tried.
func (s *Service) liveElsewhere(run *liveRun, m *migration, why error) error {
	if run.Params.Host != "" {
		return work.Failf("The chosen host cannot take the server: %w", why)
	}
	excluded := map[string]string{m.DestHost: why.Error()}
	maps.Copy(excluded, run.Frame.Excluded)
	run.Frame.Excluded = excluded
	if len(excluded) >= s.scheduler.Attempts {
		return work.Failf("%d hosts could not take the server. The last one said: %w", len(excluded), why)
	}
	return work.Back("schedule", why)
}

// liveMove tells the old host to let the guest go.
func (s *Service) liveMove(ctx context.Context, run *liveRun) error {
	if _, _, err := s.readLive(ctx, run); err != nil {
		return err
	}
	run.InCommit(func(tx *db.Tx) error {
		if err := s.orderMove(tx, run, orders.Moved, orders.Move{}); err != nil {
			return err
		}
		return s.changeMigration(tx, run.Params.Migration, func(m *migration) { m.Status = migrationRunning })
	})
	return nil
}

// orderMove gives the old host an order that names the new one.
func (s *Service) orderMove(tx *db.Tx, run *liveRun, desired orders.Desired, move orders.Move) error {
	row, err := findServer(tx, run.Operation.ResourceID)
	if err != nil {
		return err
	}
	m, err := findMigration(tx, run.Params.Migration)
	if err != nil {
		return err
	}
	move.ToHost, move.Secret = m.DestHost, m.Detail.Live.Secret
	dest, err := findHost(tx, m.DestHost)
	if err == nil {
		move.URL = dest.Facts.TransferURL
	} else if !errors.Is(err, db.ErrNotFound) {
		return err
	}
	order := &guestOrder{ServerID: row.ID, Host: m.SourceHost, OperationID: run.Operation.ID, Epoch: run.Operation.Epoch, Desired: desired, Body: guestBody(row)}
	order.Body.Move = &move
	return s.giveOrder(tx, order)
}

// whereabouts is what the two hosts last said of a guest that is on its way.
type whereabouts struct {
	source             *guestOrder
	sourceUp, destUp   bool
	sourceGone, destIs bool // the source is declared down; the guest runs at the destination
	destGone           bool
}

// left tells whether the guest has left the source for sure.
func (w *whereabouts) left() bool {
	return w.destIs || w.source.ReportedGeneration >= w.source.Generation && w.source.ReportedState == orders.StateMoved
}

// locate asks what the hosts have said.
func (s *Service) locate(ctx context.Context, m *migration) (*whereabouts, error) {
	w := &whereabouts{}
	var err error
	if w.source, w.sourceUp, err = s.awaitOrder(ctx, m.ServerID, m.SourceHost); err != nil {
		return nil, err
	}
	err = s.db.Read(ctx, func(tx *db.Tx) error {
		now := s.clock.Now()
		dest, err := findOrder(tx, m.ServerID, m.DestHost)
		if err == nil {
			w.destIs = dest.ReportedGeneration >= dest.Generation && dest.ReportedState == orders.StateRunning && dest.ReportedPower == powerRunning
		} else if !errors.Is(err, db.ErrNotFound) {
			return err
		}
		if w.destUp, err = hostUp(tx, m.DestHost, now); err != nil {
			return err
		}
		if w.sourceGone, err = hostGone(tx, m.SourceHost); err != nil {
			return err
		}
		w.destGone, err = hostGone(tx, m.DestHost)
		return err
	})
	return w, err
}

// recall has the old host keep the guest, or find out that it has left; it is not known where the guest is until decided.
func (s *Service) recall(ctx context.Context, run *liveRun, m *migration) (left, decided bool, err error) {
	w, err := s.locate(ctx, m)
	if errors.Is(err, db.ErrNotFound) { // it was never told to let the guest go
		return false, true, nil
	}
	if err != nil {
		return false, false, err
	}
	ordered := w.source.Body.Move
	switch {
	case w.left():
		return true, true, nil
	case w.source.OperationID != run.Operation.ID || ordered == nil, w.sourceGone:
		return false, true, nil
	case ordered.Recall && (w.source.settled() || w.source.failed()): // it stays; whether it can be as it was is another matter
		return false, true, nil
	case ordered.Recall && ordered.Lost == w.destGone:
		return false, false, nil
	}
	err = s.db.Write(ctx, func(tx *db.Tx) error {
		row, err := findServer(tx, m.ServerID)
		if err != nil {
			return err
		}
		return s.orderMove(tx, run, desiredOf(row), orders.Move{Recall: true, Lost: w.destGone})
	})
	return false, false, err
}

// liveUnmove waits until it is known where the guest is, however long a host is away: it must not run twice. Only an operator who
// declares a host down ends that wait. A delete needs no such care, for it removes the guest from both.
func (s *Service) liveUnmove(ctx context.Context, run *liveRun) error {
	_, m, err := s.readMove(ctx, run.Operation.ResourceID, run.Params.Migration)
	if err != nil || run.Operation.Cancelled || run.Frame.Left {
		return err
	}
	left, decided, err := s.recall(ctx, run, m)
	switch {
	case err != nil:
		return err
	case !decided:
		return work.Wait(lookAgain)
	}
	run.Frame.Left = left
	return nil
}

// liveMoved waits until the guest has left.
func (s *Service) liveMoved(ctx context.Context, run *liveRun) error {
	_, m, err := s.readMove(ctx, run.Operation.ResourceID, run.Params.Migration)
	if err != nil {
		return err
	}
	if m.Detail.Live.Abort {
		left, decided, err := s.recall(ctx, run, m)
		switch {
		case err != nil:
			return err
		case !decided:
			return work.Wait(lookAgain)
		case !left:
			return work.Failf("The live migration was aborted.")
		}
	}
	w, err := s.locate(ctx, m)
	if err != nil {
		return err
	}
	switch failed := w.source.failed(); {
	case w.left():
		run.InCommit(func(tx *db.Tx) error {
			return s.changeMigration(tx, m.ID, func(m *migration) { m.Status = migrationMoved })
		})
		return nil
	case w.sourceGone:
		return work.Failf("The server's host is down.")
	case failed && w.source.ErrorClass == orders.Fail:
		return work.Fail(errors.New(w.source.ErrorMessage))
	case failed && w.source.ErrorClass == orders.Elsewhere:
		return s.liveElsewhere(run, m, errors.New(w.source.ErrorMessage))
	case !w.destUp:
		return s.liveElsewhere(run, m, errors.New("the host stopped reporting"))
	}
	return work.Wait(lookAgain)
}

// settlePorts binds the ports to the new host, where they are ready. That they came from elsewhere they say for some time
// (reconcile_arrivals.go), for the guest's connections go on from the middle.
func (s *Service) settlePorts(ctx context.Context, m *migration) error {
	return s.bindPorts(ctx, m.ServerID, m.DestHost)
}

func (s *Service) liveBind(ctx context.Context, run *liveRun) error {
	_, m, err := s.readMove(ctx, run.Operation.ResourceID, run.Params.Migration)
	if err != nil || run.Operation.Cancelled {
		return err
	}
	return s.settlePorts(ctx, m)
}

// liveFinish makes the new host the server's, and orders its guest there.
func (s *Service) liveFinish(_ context.Context, run *liveRun) error {
	run.InCommit(func(tx *db.Tx) error { return s.liveArrived(tx, run) })
	return nil
}

func (s *Service) liveArrived(tx *db.Tx, run *liveRun) error {
	m, err := findMigration(tx, run.Params.Migration)
	if err != nil {
		return err
	}
	err = s.alterServer(tx, s.ofOperation(run.Operation, "update"), func(row *server) {
		row.Host, row.UpdatedAt = m.DestHost, s.clock.Now()
	})
	if err != nil || run.Operation.Cancelled {
		return err
	}
	row, err := findServer(tx, m.ServerID)
	if err != nil {
		return err
	}
	return s.orderGuest(tx, row, run.Operation, m.Detail.Before)
}

// liveSource has the old host clear away what is left there; one that is away does so when it comes back.
func (s *Service) liveSource(ctx context.Context, run *liveRun) error {
	_, m, err := s.readMove(ctx, run.Operation.ResourceID, run.Params.Migration)
	if err != nil {
		return err
	}
	return s.removeGuestFrom(ctx, run.Operation, m.SourceHost, false)
}

func (s *Service) liveRelease(ctx context.Context, run *liveRun) error {
	return s.deps.Placement.Release(s.self(ctx), run.Params.Migration)
}

// liveSettle waits until the new host has the guest as ordered; it runs there already.
func (s *Service) liveSettle(ctx context.Context, run *liveRun) error {
	_, m, err := s.readMove(ctx, run.Operation.ResourceID, run.Params.Migration)
	if err != nil {
		return err
	}
	order, up, err := s.awaitOrder(ctx, m.ServerID, m.DestHost)
	if errors.Is(err, db.ErrNotFound) {
		order, err = &guestOrder{}, nil // a delete has had it removed
	}
	if err != nil {
		return err
	}
	failed := order.failed() && order.ErrorClass != orders.Retry
	if !order.settled() && !failed && up && !run.Operation.Cancelled {
		return work.Wait(lookAgain)
	}
	run.InCommit(func(tx *db.Tx) error {
		return s.changeMigration(tx, m.ID, func(m *migration) { m.arrive() })
	})
	return nil
}

// arrive ends a live migration well.
func (m *migration) arrive() {
	m.end(migrationCompleted)
	m.Arrived = true
}

// liveFailed leaves the server where its guest is, with the reason.
func (s *Service) liveFailed(tx *db.Tx, run *liveRun, reason string) error {
	m, err := findMigration(tx, run.Params.Migration)
	if err != nil {
		return err
	}
	status := migrationFailed
	switch {
	case run.Frame.Left:
		status = migrationCompleted
	case m.Detail.Live.Abort:
		status = migrationCancelled
	}
	err = s.changeMigration(tx, m.ID, func(m *migration) {
		if m.end(status); run.Frame.Left {
			m.arrive()
		}
	})
	if err != nil || run.Operation.Cancelled {
		return err
	}
	if run.Frame.Left {
		if err := s.liveArrived(tx, run); err != nil {
			return err
		}
		return s.recordOf(tx, run.Operation, "live_migration.post")
	}
	why, err := s.faultOf(tx, run.Operation, reason)
	if err != nil {
		return err
	}
	err = s.alterServer(tx, s.ofOperation(run.Operation, "update"), func(row *server) {
		row.Detail.Fault, row.UpdatedAt = why, why.Created
	})
	if err != nil {
		return err
	}
	return s.recordOf(tx, run.Operation, "live_migration.rollback")
}
