package compute

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"virga/core/db"
	"virga/core/work"
	"virga/service/compute/orders"
)

// A resize and a cold migration are one operation: the guest is stopped, its disks are
// fetched by the other host, its ports move there, and it is started with its new shape.
// What it had before stays on the first host, off, and is held in placement by the
// migration, until the move is confirmed or reverted (op_server_resize_confirm.go,
// op_server_resize_revert.go). On a cloud with one host a resize stays there, and nothing is fetched.

const (
	opResize  = "server_resize"
	opMigrate = "server_migrate"
	// moveDeadline bounds a move; most of its time goes by while disks are on their way.
	moveDeadline = 24 * time.Hour
)

// moveParams names the row in which all else stands.
type moveParams struct {
	Migration string `json:"migration"`
	// Host is the one that was asked for; empty: any.
	Host string `json:"host,omitempty"`
	// Refused is why it cannot be, where that is told behind the answer.
	Refused string `json:"refused,omitempty"`
}

type moveFrame struct {
	Excluded  map[string]string `json:"excluded,omitempty"`
	LostRaces int               `json:"lost_races,omitempty"`
}

type moveRun = work.Run[moveParams, moveFrame]

// serverResize gives a server another flavor, on another host.
func (s *Service) serverResize() work.Registrable { return s.moveKind(opResize, "resize") }

// serverMigrate moves a server that is off, or is stopped for it, to another host.
func (s *Service) serverMigrate() work.Registrable { return s.moveKind(opMigrate, "migrate") }

func (s *Service) moveKind(name, action string) work.Registrable {
	return work.Kind[moveParams, moveFrame]{
		Name: name, Deadline: moveDeadline,
		Steps: []work.Step[moveParams, moveFrame]{
			{Name: "schedule", Role: RoleScheduler, Do: s.moveSchedule, Undo: s.moveUnschedule},
			{Name: "claim", Do: s.moveClaim, Undo: s.moveUnclaim},
			{Name: "stop", Do: s.moveStop},
			{Name: "stopped", Do: s.moveStopped},
			{Name: "transfer", Do: s.moveTransfer, Undo: s.moveUntransfer},
			{Name: "received", Do: s.moveReceived},
			{Name: "network", Do: s.moveNetwork, Undo: s.moveUnnetwork},
			{Name: "finish", Do: s.moveFinish, Undo: s.moveUnfinish},
			{Name: "settle", Do: s.moveSettle},
		},
		Finished: func(tx *db.Tx, run *moveRun) error { return s.recordOf(tx, run.Operation, action) },
		Failed: func(tx *db.Tx, run *moveRun, reason string) error {
			return s.moveFailed(tx, run, action, reason)
		},
	}
}

// readMove reads what a step of a move is about.
func (s *Service) readMove(ctx context.Context, serverID, migrationID string) (row *server, m *migration, err error) {
	err = s.db.Read(ctx, func(tx *db.Tx) error {
		if row, err = findServer(tx, serverID); err != nil {
			return fmt.Errorf("read server %s: %w", serverID, err)
		}
		m, err = findMigration(tx, migrationID)
		return err
	})
	return row, m, err
}

// moveSchedule chooses the host.
func (s *Service) moveSchedule(ctx context.Context, run *moveRun) error {
	row, m, err := s.readMove(ctx, run.Operation.ResourceID, run.Params.Migration)
	if err != nil {
		return err
	}
	d, err := s.chooseMove(ctx, row, &m.newMigration, run.Params.Host, run.Frame.Excluded)
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
			m.Status, m.DestHost = migrationPreparing, dest.Name
			m.Detail.DestProvider, m.Detail.DestNode, m.Detail.DestIP = dest.HypervisorID, dest.Facts.HostName, dest.Facts.HostIP
		})
	})
	return nil
}

// chooseMove asks the scheduler for a host for the server's new shape.
func (s *Service) chooseMove(ctx context.Context, row *server, m *newMigration, wanted string, failed map[string]string) (*decision, error) {
	w, err := s.wishOfMove(ctx, row, m, wanted, failed)
	if err != nil {
		return nil, err
	}
	return s.chooseHost(ctx, row.ID, w)
}

// wishOfMove is what a move asks of the scheduler. A resize may stay where it is if the
// settings say so, or if there is no other host at all.
func (s *Service) wishOfMove(ctx context.Context, row *server, m *newMigration, wanted string, failed map[string]string) (*wish, error) {
	w := wishOf(m.Detail.New.shaped(row))
	w.Host, w.Excluded = wanted, failed
	err := s.db.Read(ctx, func(tx *db.Tx) error {
		others, err := countOtherHosts(tx, m.SourceHost)
		if err != nil {
			return err
		}
		if m.Kind == migrationCold || !s.deps.ResizeOnSameHost && others > 0 {
			w.Barred = map[string]string{m.SourceHost: leavesHost}
		}
		w.Group, err = groupWishOf(tx, row.ID)
		return err
	})
	return w, err
}

func (s *Service) moveUnschedule(_ context.Context, run *moveRun) error {
	s.roster.released(run.Operation.ResourceID)
	return nil
}

// moveClaim hands what the server has to the migration and takes what it is to have, in
// one breath; whoever comes too late chooses again.
func (s *Service) moveClaim(ctx context.Context, run *moveRun) error {
	row, m, err := s.readMove(ctx, run.Operation.ResourceID, run.Params.Migration)
	if err != nil {
		return err
	}
	err = s.deps.Placement.Reallocate(s.self(ctx), []Claim{m.claimOfSource(row, m.ID), m.claimOfDest(row)})
	return s.afterClaim(ctx, run.Operation, &run.Frame.LostRaces, err)
}

// claimOfSource is what the server had before the move, held by the server or the migration.
func (m *migration) claimOfSource(row *server, consumer string) Claim {
	return Claim{ConsumerID: consumer, ProviderID: m.Detail.SourceProvider, ProjectID: row.ProjectID, UserID: row.UserID,
		Resources: resourcesOf(m.Detail.Old.shaped(row))}
}

func (m *migration) claimOfDest(row *server) Claim {
	return Claim{ConsumerID: row.ID, ProviderID: m.Detail.DestProvider, ProjectID: row.ProjectID, UserID: row.UserID,
		Resources: resourcesOf(m.Detail.New.shaped(row))}
}

// nothing takes away what the migration holds.
func (m *migration) nothing(row *server) Claim {
	return Claim{ConsumerID: m.ID, ProjectID: row.ProjectID, UserID: row.UserID}
}

func (s *Service) moveUnclaim(ctx context.Context, run *moveRun) error {
	row, m, err := s.readMove(ctx, run.Operation.ResourceID, run.Params.Migration)
	if err != nil {
		return err
	}
	s.roster.released(row.ID)
	return s.deps.Placement.Reallocate(s.self(ctx), []Claim{m.claimOfSource(row, row.ID), m.nothing(row)})
}

// moveStop orders the guest to be off. It is started again, should the move fail, when all
// else has been undone (moveFailed): not each time that another host is tried.
func (s *Service) moveStop(_ context.Context, run *moveRun) error {
	run.InCommit(func(tx *db.Tx) error {
		row, err := findServer(tx, run.Operation.ResourceID)
		if err != nil {
			return err
		}
		if err := s.orderGuest(tx, row, run.Operation, orders.Stopped); err != nil {
			return err
		}
		return s.changeMigration(tx, run.Params.Migration, func(m *migration) { m.Status = migrationMoving })
	})
	return nil
}

func (s *Service) moveStopped(ctx context.Context, run *moveRun) error {
	_, m, err := s.readMove(ctx, run.Operation.ResourceID, run.Params.Migration)
	if err != nil {
		return err
	}
	order, up, err := s.awaitOrder(ctx, run.Operation.ResourceID, m.SourceHost)
	switch {
	case err != nil:
		return err
	case order.settled():
		return nil
	case order.failed() && order.ErrorClass != orders.Retry:
		return work.Fail(errors.New(order.ErrorMessage))
	case !up:
		return work.Failf("The server's host does not answer.")
	}
	return work.Wait(lookAgain)
}

// moveTransfer lets the new host fetch the disks, with a secret that is good for that alone.
func (s *Service) moveTransfer(_ context.Context, run *moveRun) error {
	run.InCommit(func(tx *db.Tx) error {
		row, err := findServer(tx, run.Operation.ResourceID)
		if err != nil {
			return err
		}
		m, err := findMigration(tx, run.Params.Migration)
		if err != nil || m.stays() {
			return err
		}
		source, err := findHost(tx, m.SourceHost)
		if err != nil {
			return fmt.Errorf("find host %s: %w", m.SourceHost, err)
		}
		if source.Facts.TransferURL == "" {
			return work.Failf("The server's host has no way to hand its disks to another one.")
		}
		secret := newTransferSecret()
		sum := sha256.Sum256([]byte(secret))
		send := &guestOrder{ServerID: row.ID, Host: m.SourceHost, OperationID: run.Operation.ID, Epoch: run.Operation.Epoch, Desired: orders.Stopped,
			Body: guestBody(row)}
		send.Body.Send = &orders.Send{ToHost: m.DestHost, SecretSHA256: hex.EncodeToString(sum[:])}
		receive := &guestOrder{ServerID: row.ID, Host: m.DestHost, OperationID: run.Operation.ID, Epoch: run.Operation.Epoch, Desired: orders.Prepared,
			Body: guestBody(m.Detail.New.shaped(row))}
		receive.Body.Receive = &orders.Receive{FromHost: m.SourceHost, URL: source.Facts.TransferURL, Secret: secret}
		if err := s.giveOrder(tx, send); err != nil {
			return err
		}
		return s.giveOrder(tx, receive)
	})
	return nil
}

func newTransferSecret() orders.Secret {
	random := make([]byte, 32)
	_, _ = rand.Read(random) // it never fails: crypto/rand ends the program instead
	return orders.Secret(hex.EncodeToString(random))
}

// moveUntransfer has the new host forget what it fetched. It has not run yet, so a host
// that is away is not waited for.
func (s *Service) moveUntransfer(ctx context.Context, run *moveRun) error {
	_, m, err := s.readMove(ctx, run.Operation.ResourceID, run.Params.Migration)
	if err != nil || m.stays() || m.DestHost == "" {
		return err
	}
	return s.removeGuestFrom(ctx, run.Operation, m.DestHost, false)
}

// moveReceived waits until the disks are on the new host.
func (s *Service) moveReceived(ctx context.Context, run *moveRun) error {
	_, m, err := s.readMove(ctx, run.Operation.ResourceID, run.Params.Migration)
	if err != nil || m.stays() {
		return err
	}
	order, up, err := s.awaitOrder(ctx, run.Operation.ResourceID, m.DestHost)
	switch {
	case err != nil:
		return err
	case order.settled():
		return nil
	case order.failed() && order.ErrorClass == orders.Fail:
		return work.Fail(errors.New(order.ErrorMessage))
	}
	_, sourceUp, err := s.readOrder(ctx, run.Operation.ResourceID, m.SourceHost)
	switch {
	case err != nil:
		return err
	case !sourceUp:
		return work.Failf("The server's host does not answer, so its disks cannot be fetched.")
	case order.failed() && order.ErrorClass == orders.Elsewhere:
		return s.moveElsewhere(run, m, errors.New(order.ErrorMessage))
	case !up:
		return s.moveElsewhere(run, m, errors.New("the host stopped reporting"))
	}
	return work.Wait(lookAgain)
}

// moveElsewhere has another host chosen, unless one was asked for or enough were tried.
func (s *Service) moveElsewhere(run *moveRun, m *migration, why error) error {
	if run.Params.Host != "" || m.stays() {
		return work.Failf("The chosen host cannot take the server: %w", why)
	}
	if run.Frame.Excluded == nil {
		run.Frame.Excluded = map[string]string{}
	}
	run.Frame.Excluded[m.DestHost] = why.Error()
	if len(run.Frame.Excluded) >= s.scheduler.Attempts {
		return work.Failf("%d hosts could not take the server. The last one said: %w", len(run.Frame.Excluded), why)
	}
	return work.Back("schedule", why)
}

// moveNetwork binds the server's ports to the new host.
func (s *Service) moveNetwork(ctx context.Context, run *moveRun) error {
	row, m, err := s.readMove(ctx, run.Operation.ResourceID, run.Params.Migration)
	if err != nil {
		return err
	}
	if !m.stays() {
		err := s.bindPorts(ctx, row.ID, m.DestHost)
		var unbound *bindingError
		if errors.As(err, &unbound) {
			return s.moveElsewhere(run, m, unbound)
		}
		if err != nil {
			return s.neighbourTrouble(ctx, run.Operation, "network", err)
		}
	}
	run.InCommit(func(tx *db.Tx) error {
		return s.changeMigration(tx, m.ID, func(m *migration) { m.Status = migrationMoved })
	})
	return nil
}

// moveUnnetwork binds the ports to the first host again, unless they are about to go.
func (s *Service) moveUnnetwork(ctx context.Context, run *moveRun) error {
	_, m, err := s.readMove(ctx, run.Operation.ResourceID, run.Params.Migration)
	if err != nil || m.stays() || run.Operation.Cancelled {
		return err
	}
	return s.bindPorts(ctx, run.Operation.ResourceID, m.SourceHost)
}

// moveFinish makes the server what it is to be and orders its guest on the new host.
func (s *Service) moveFinish(_ context.Context, run *moveRun) error {
	run.InCommit(func(tx *db.Tx) error {
		m, err := findMigration(tx, run.Params.Migration)
		if err != nil {
			return err
		}
		err = s.alterServer(tx, s.ofOperation(run.Operation, "update"), func(row *server) {
			row.Host, row.UpdatedAt = m.DestHost, s.clock.Now()
			m.Detail.New.apply(row)
			if m.stays() { // the disk grows in its place, and no disk shrinks
				row.Detail.GrownGiB = max(row.Detail.GrownGiB, m.Detail.New.Flavor.RootGiB)
			}
		})
		if err != nil {
			return err
		}
		if err := s.changeMigration(tx, m.ID, func(m *migration) { m.reserve(&m.Detail.New, &m.Detail.Old) }); err != nil {
			return err
		}
		row, err := findServer(tx, run.Operation.ResourceID)
		if err != nil {
			return err
		}
		return s.orderGuest(tx, row, run.Operation, m.Detail.Before)
	})
	return nil
}

// moveUnfinish ends what may run on the new host and makes the server what it was. Unless
// the server is about to go it waits for the host to say so, whatever that takes: the guest
// must not run twice.
func (s *Service) moveUnfinish(ctx context.Context, run *moveRun) error {
	_, m, err := s.readMove(ctx, run.Operation.ResourceID, run.Params.Migration)
	if err != nil {
		return err
	}
	switch {
	case m.stays() && run.Operation.Cancelled: // the delete ends it where it is
	case m.stays():
		err = s.stopGuestAt(ctx, run.Operation, m.SourceHost)
	default:
		err = s.removeGuestFrom(ctx, run.Operation, m.DestHost, !run.Operation.Cancelled)
	}
	if err != nil {
		return err
	}
	run.InCommit(func(tx *db.Tx) error {
		if err := s.changeMigration(tx, m.ID, func(m *migration) { m.reserve(&m.Detail.Old, &m.Detail.New) }); err != nil {
			return err
		}
		return s.alterServer(tx, s.ofOperation(run.Operation, "update"), func(row *server) { m.putBack(row) })
	})
	return nil
}

// putBack makes a server what it was before the move.
func (m *migration) putBack(row *server) {
	row.Host = m.SourceHost
	m.Detail.Old.apply(row)
}

// moveSettle waits until the guest is on its new host what it was on the old one.
func (s *Service) moveSettle(ctx context.Context, run *moveRun) error {
	_, m, err := s.readMove(ctx, run.Operation.ResourceID, run.Params.Migration)
	if err != nil {
		return err
	}
	order, _, err := s.awaitOrder(ctx, run.Operation.ResourceID, m.DestHost)
	if err != nil {
		return err
	}
	switch {
	case order.settled():
		run.InCommit(func(tx *db.Tx) error {
			if err := s.changeMigration(tx, m.ID, func(m *migration) { m.Status = migrationFinished }); err != nil {
				return err
			}
			return s.alterServer(tx, s.ofOperation(run.Operation, "update"), func(row *server) {
				row.VMState, row.PowerState, row.Detail.Fault = vmResized, order.ReportedPower, nil
				row.LaunchedAt, row.UpdatedAt = s.clock.Now(), s.clock.Now()
			})
		})
		return nil
	case order.failed() && order.ErrorClass == orders.Fail:
		return work.Fail(errors.New(order.ErrorMessage))
	case order.failed() && order.ErrorClass == orders.Elsewhere:
		return s.moveElsewhere(run, m, errors.New(order.ErrorMessage))
	}
	// A host that is silent may have the guest running, so nobody else gets it meanwhile. Only
	// an operator can say that it has not.
	gone := false
	if err := s.db.Read(ctx, func(tx *db.Tx) error { gone, err = hostGone(tx, m.DestHost); return err }); err != nil {
		return err
	}
	if gone {
		return s.moveElsewhere(run, m, errors.New("the host is down"))
	}
	return work.Wait(lookAgain)
}

// moveFailed leaves the server as it was, with the reason. If its guest was stopped it is
// started again, and counts as off until its host says that it runs.
func (s *Service) moveFailed(tx *db.Tx, run *moveRun, action, reason string) error {
	m, err := findMigration(tx, run.Params.Migration)
	if err != nil {
		return err
	}
	err = s.changeMigration(tx, m.ID, func(m *migration) { m.Status, m.ExtraVCPUs, m.ExtraMemoryMiB = migrationFailed, 0, 0 })
	if err != nil || run.Operation.Cancelled {
		return err
	}
	order, err := findOrder(tx, m.ServerID, m.SourceHost)
	stopped := err == nil && order.OperationID == run.Operation.ID && order.Desired == orders.Stopped
	if err != nil && !errors.Is(err, db.ErrNotFound) {
		return err
	}
	why, err := s.faultOf(tx, run.Operation, reason)
	if err != nil {
		return err
	}
	err = s.alterServer(tx, s.ofOperation(run.Operation, "update"), func(row *server) {
		row.Detail.Fault, row.UpdatedAt = why, why.Created
		if stopped && m.Detail.Before == orders.Running {
			row.VMState, row.PowerState = vmStopped, powerShutdown
		}
	})
	if err != nil {
		return err
	}
	if stopped {
		row, err := findServer(tx, m.ServerID)
		if err != nil {
			return err
		}
		if err := s.orderGuest(tx, row, run.Operation, m.Detail.Before); err != nil {
			return err
		}
	}
	return s.recordOf(tx, run.Operation, action+".error")
}
