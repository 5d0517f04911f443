package compute

import (
	"context"
	"errors"
	"fmt"
	"time"

	"virga/core/api"
	"virga/core/db"
	"virga/core/work"
	"virga/service/compute/orders"
)

const opUnshelve = "server_unshelve"

// unshelveParams says where a server is to come back; one that is still on its host stays there.
type unshelveParams struct {
	Offloaded bool `json:"offloaded,omitempty"`
	// Host is the one that was asked for; empty: any.
	Host string `json:"host,omitempty"`
	// Zone is the server's from now on, when Pin says so; empty: none.
	Pin  bool   `json:"pin,omitempty"`
	Zone string `json:"zone,omitempty"`
}

type unshelveFrame struct {
	Host       string            `json:"host,omitempty"`
	ProviderID string            `json:"provider_id,omitempty"`
	Excluded   map[string]string `json:"excluded,omitempty"`
	LostRaces  int               `json:"lost_races,omitempty"`
	// Image is what the new root disk stands on.
	Image imageSnapshot `json:"image"`
}

type unshelveRun = work.Run[unshelveParams, unshelveFrame]

// serverUnshelve starts a shelved server, on a host chosen anew when it was offloaded.
func (s *Service) serverUnshelve() work.Registrable {
	return work.Kind[unshelveParams, unshelveFrame]{
		Name: opUnshelve, Deadline: time.Hour,
		Steps: []work.Step[unshelveParams, unshelveFrame]{
			{Name: "image", Do: s.unshelveImage},
			{Name: "schedule", Role: RoleScheduler, Do: s.unshelveSchedule, Undo: s.unshelveUnschedule},
			{Name: "claim", Do: s.unshelveClaim, Undo: s.unshelveUnclaim},
			{Name: "network", Do: s.unshelveNetwork, Undo: s.unshelveUnnetwork},
			{Name: "spawn", Do: s.unshelveSpawn, Undo: s.unshelveUnspawn},
			{Name: "settle", Do: s.unshelveSettle, Pivot: true},
			{Name: "forget", Do: s.unshelveForget, Tries: forEver},
		},
		Finished: func(tx *db.Tx, run *unshelveRun) error { return s.recordOf(tx, run.Operation, "unshelve") },
		Failed: func(tx *db.Tx, run *unshelveRun, reason string) error {
			if run.Operation.Cancelled {
				return nil
			}
			why, err := s.faultOf(tx, run.Operation, reason)
			if err != nil {
				return err
			}
			return s.alterServer(tx, s.ofOperation(run.Operation, "unshelve.error"), func(row *server) { row.Detail.Fault = why })
		},
	}
}

// unshelveImage looks for the image of the server's disk.
func (s *Service) unshelveImage(ctx context.Context, run *unshelveRun) error {
	row, err := s.readServer(ctx, run.Operation.ResourceID)
	if err != nil {
		return err
	}
	if run.Frame.Host = row.Host; !run.Params.Offloaded {
		return nil
	}
	if row.Detail.Shelved == nil {
		return work.Failf("The server has no image to be started from.")
	}
	image, err := s.deps.Images.Image(s.self(ctx), row.Detail.Shelved.ImageID)
	switch {
	case api.StatusOf(err) == 404 && err != nil:
		return work.Failf("Unshelve attempted but the image %s cannot be found.", row.Detail.Shelved.ImageID)
	case err != nil:
		return s.neighbourTrouble(ctx, run.Operation, "image", err)
	case image.Status != "active":
		return work.Failf("Unshelve attempted but the image %s is %s.", image.ID, image.Status)
	}
	run.Frame.Image = snapshotOf(&image)
	return nil
}

func (s *Service) unshelveSchedule(ctx context.Context, run *unshelveRun) error {
	if !run.Params.Offloaded {
		return nil
	}
	row, err := s.readServer(ctx, run.Operation.ResourceID)
	if err != nil {
		return err
	}
	w := wishOf(row)
	w.Host, w.Excluded = run.Params.Host, run.Frame.Excluded
	if run.Params.Pin {
		w.Zone = run.Params.Zone
	}
	err = s.db.Read(ctx, func(tx *db.Tx) (err error) {
		w.Group, err = groupWishOf(tx, row.ID)
		return err
	})
	if err != nil {
		return err
	}
	d, err := s.chooseHost(ctx, row.ID, w)
	if err != nil {
		return s.neighbourTrouble(ctx, run.Operation, "placement", err)
	}
	if err := s.keep(ctx, run.Operation, d, run.InCommit); err != nil {
		return err
	}
	if err := d.found(); err != nil {
		return err
	}
	run.Frame.Host, run.Frame.ProviderID = d.Chosen, d.providerID
	run.InCommit(func(tx *db.Tx) error {
		if err := s.keepCount(tx, d); err != nil {
			return err
		}
		if w.Group != nil {
			if err := keepGroup(tx, row.ID, d.Chosen); err != nil {
				return err
			}
		}
		return s.alterServer(tx, s.ofOperation(run.Operation, "update"), func(row *server) { row.Host = run.Frame.Host })
	})
	return nil
}

func (s *Service) unshelveUnschedule(_ context.Context, run *unshelveRun) error {
	if !run.Params.Offloaded {
		return nil
	}
	run.Frame.Host, run.Frame.ProviderID = "", ""
	s.roster.released(run.Operation.ResourceID)
	run.InCommit(func(tx *db.Tx) error {
		return s.alterServer(tx, s.ofOperation(run.Operation, "update"), func(row *server) { row.Host = "" })
	})
	return nil
}

func (s *Service) unshelveClaim(ctx context.Context, run *unshelveRun) error {
	if !run.Params.Offloaded {
		return nil
	}
	row, err := s.readServer(ctx, run.Operation.ResourceID)
	if err != nil {
		return err
	}
	err = s.deps.Placement.Claim(s.self(ctx), Claim{ConsumerID: row.ID, ProviderID: run.Frame.ProviderID, ProjectID: row.ProjectID, UserID: row.UserID,
		Resources: resourcesOf(row)})
	return s.afterClaim(ctx, run.Operation, &run.Frame.LostRaces, err)
}

func (s *Service) unshelveUnclaim(ctx context.Context, run *unshelveRun) error {
	if !run.Params.Offloaded {
		return nil
	}
	return s.deps.Placement.Release(s.self(ctx), run.Operation.ResourceID)
}

func (s *Service) unshelveNetwork(ctx context.Context, run *unshelveRun) error {
	if !run.Params.Offloaded {
		return nil
	}
	err := s.bindPorts(ctx, run.Operation.ResourceID, run.Frame.Host)
	var unbound *bindingError
	switch {
	case errors.As(err, &unbound):
		return s.unshelveElsewhere(run, unbound)
	case err != nil:
		return s.neighbourTrouble(ctx, run.Operation, "network", err)
	}
	return nil
}

func (s *Service) unshelveUnnetwork(ctx context.Context, run *unshelveRun) error {
	if !run.Params.Offloaded || run.Operation.Cancelled {
		return nil // the delete removes all ports
	}
	return s.bindPorts(ctx, run.Operation.ResourceID, "")
}

// unshelveSpawn orders the guest. One that was offloaded gets new disks, whatever an unreachable host may still have of it.
func (s *Service) unshelveSpawn(_ context.Context, run *unshelveRun) error {
	run.InCommit(func(tx *db.Tx) error {
		err := s.alterServer(tx, s.ofOperation(run.Operation, "update"), func(row *server) {
			if run.Params.Offloaded && row.Detail.Shelved != nil {
				row.Detail.LastEdition++
				row.Detail.Edition = row.Detail.LastEdition
				row.Detail.Disk = &diskImage{ID: row.Detail.Shelved.ImageID, Image: run.Frame.Image}
			}
		})
		if err != nil {
			return err
		}
		return s.orderGuestWith(tx, run.Operation, func(*server) orders.Desired { return orders.Running }, func(*orders.GuestOrder) {})
	})
	return nil
}

// unshelveUnspawn ends the guest: where it was offloaded nothing of it is left, else it is off again.
func (s *Service) unshelveUnspawn(ctx context.Context, run *unshelveRun) error {
	switch {
	case run.Params.Offloaded:
		return s.removeGuest(ctx, run.Operation)
	case run.Operation.Cancelled:
		return nil
	}
	return s.stopGuestAt(ctx, run.Operation, run.Frame.Host)
}

func (s *Service) unshelveSettle(ctx context.Context, run *unshelveRun) error {
	order, up, err := s.awaitOrder(ctx, run.Operation.ResourceID, run.Frame.Host)
	if err != nil {
		return err
	}
	switch {
	case order.reached():
		run.InCommit(func(tx *db.Tx) error {
			return s.alterServer(tx, s.ofOperation(run.Operation, "update"), func(row *server) {
				row.VMState, row.PowerState, row.Detail.Fault = vmActive, order.ReportedPower, nil
				if order.ReportedState == orders.StateStopped { // it ran, and went down by itself since
					row.VMState = vmStopped
				}
				row.LaunchedAt, row.UpdatedAt = s.clock.Now(), s.clock.Now()
				if run.Params.Pin {
					row.Zone = run.Params.Zone
				}
			})
		})
		return nil
	case order.failed() && order.ErrorClass == orders.Fail:
		return work.Fail(errors.New(order.ErrorMessage))
	case order.failed() && order.ErrorClass == orders.Elsewhere:
		return s.unshelveElsewhere(run, errors.New(order.ErrorMessage))
	case !up && run.Params.Offloaded:
		return s.unshelveElsewhere(run, errors.New("the host stopped reporting"))
	}
	return work.Wait(lookAgain)
}

// unshelveElsewhere has another host chosen, unless one was asked for or enough were tried.
func (s *Service) unshelveElsewhere(run *unshelveRun, why error) error {
	if run.Params.Host != "" || !run.Params.Offloaded {
		return work.Fail(fmt.Errorf("The chosen host cannot take the server: %w", why)) //nolint:staticcheck // users read it
	}
	if run.Frame.Excluded == nil {
		run.Frame.Excluded = map[string]string{}
	}
	run.Frame.Excluded[run.Frame.Host] = why.Error()
	if len(run.Frame.Excluded) >= s.scheduler.Attempts {
		return work.Failf("%d hosts could not take the server. The last one said: %w", len(run.Frame.Excluded), why)
	}
	return work.Back("schedule", why)
}

// unshelveForget deletes the image, which nobody needs any more: the host has its copy for as long as the disk stands on it.
func (s *Service) unshelveForget(ctx context.Context, run *unshelveRun) error {
	row, err := s.readServer(ctx, run.Operation.ResourceID)
	if errors.Is(err, db.ErrNotFound) || err == nil && row.Detail.Shelved == nil {
		return nil
	}
	if err != nil {
		return err
	}
	if err := s.dropImage(ctx, row.Detail.Shelved.ImageID); err != nil {
		return err
	}
	run.InCommit(func(tx *db.Tx) error {
		return s.alterServer(tx, s.ofOperation(run.Operation, "update"), func(row *server) { row.Detail.Shelved = nil })
	})
	return nil
}
