package compute

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"virga/core/db"
	"virga/core/work"
	"virga/service/compute/orders"
)

// RoleScheduler is the role of the steps that choose a host.
const RoleScheduler = "scheduler"

const (
	opCreate = "server_create"
	// comeBack is when a server without a host asks again while one that was there a short
	// while ago may come back.
	comeBack = 2 * time.Second
	// lookAgain is how often a waiting step looks without being signalled.
	lookAgain = 15 * time.Second
)

// createParams is what a create was asked for, besides what the server's row tells.
type createParams struct {
	NICs []nicRequest `json:"nics"`
	Host string       `json:"host,omitempty"`
}

// nicRequest asks for one network interface: an existing port, or a new one on a network.
type nicRequest struct {
	// Key marks the port that is made for it, so that a repeat finds it again.
	Key              string   `json:"key"`
	PortID           string   `json:"port_id,omitempty"`
	NetworkID        string   `json:"network_id"`
	NetworkName      string   `json:"network_name"`
	MTU              int      `json:"mtu"`
	FixedIP          string   `json:"fixed_ip,omitempty"`
	Tag              string   `json:"tag,omitempty"`
	SecurityGroupIDs []string `json:"security_group_ids,omitempty"`
}

type createFrame struct {
	Host       string            `json:"host,omitempty"`
	ProviderID string            `json:"provider_id,omitempty"`
	Excluded   map[string]string `json:"excluded,omitempty"`
	LostRaces  int               `json:"lost_races,omitempty"`
}

type createRun = work.Run[createParams, createFrame]

// serverCreate brings a server of which the row exists to life.
func (s *Service) serverCreate() work.Registrable {
	return work.Kind[createParams, createFrame]{
		Name: opCreate, Deadline: time.Hour,
		Steps: []work.Step[createParams, createFrame]{
			{Name: "schedule", Role: RoleScheduler, Do: s.createSchedule, Undo: s.createUnschedule},
			{Name: "claim", Do: s.createClaim, Undo: s.createUnclaim},
			{Name: "network", Do: s.createNetwork, Undo: s.createUnnetwork},
			{Name: "spawn", Do: s.createSpawn, Undo: s.createUnspawn},
			{Name: "settle", Do: s.createSettle, Rest: lookAgain},
		},
		Finished: s.createFinished, Failed: s.createFailed,
	}
}

// createSchedule chooses a host.
func (s *Service) createSchedule(ctx context.Context, run *createRun) error {
	row, err := s.readServer(ctx, run.Operation.ResourceID)
	if err != nil {
		return err
	}
	w := wishOf(row)
	w.Host, w.Excluded = run.Params.Host, run.Frame.Excluded
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

// wishOf is what a server's row asks of the scheduler.
func wishOf(row *server) *wish {
	w := &wish{Resources: resourcesOf(row), CPUs: cpusOf(row), Zone: row.Zone, Arch: architectureOf(row.Detail.Image.Properties), placeWish: placesOf(row),
		flavor: row.Detail.Flavor.Name, imageID: row.ImageID, hints: row.Detail.Hints, extraSpecs: row.Detail.Flavor.ExtraSpecs}
	for _, specs := range []map[string]string{row.Detail.Flavor.ExtraSpecs, row.Detail.Image.Properties} {
		for key, value := range specs {
			trait, ok := strings.CutPrefix(key, "trait:")
			switch {
			case ok && value == "required":
				w.Required = append(w.Required, trait)
			case ok && value == "forbidden":
				w.Forbidden = append(w.Forbidden, trait)
			}
		}
	}
	w.addCPUTraits()
	w.Required = append(w.Required, traitsFor(asked{&row.Detail.Flavor, &row.Detail.Image})...)
	slices.Sort(w.Required)
	slices.Sort(w.Forbidden)
	return w
}

func (s *Service) createUnschedule(_ context.Context, run *createRun) error {
	run.Frame.Host, run.Frame.ProviderID = "", ""
	run.InCommit(func(tx *db.Tx) error {
		return s.alterServer(tx, s.ofOperation(run.Operation, "update"), func(row *server) { row.Host = "" })
	})
	return nil
}

// createClaim takes the resources in placement; whoever comes too late chooses again.
func (s *Service) createClaim(ctx context.Context, run *createRun) error {
	row, err := s.readServer(ctx, run.Operation.ResourceID)
	if err != nil {
		return err
	}
	err = s.deps.Placement.Claim(s.self(ctx), Claim{ConsumerID: row.ID, ProviderID: run.Frame.ProviderID,
		ProjectID: row.ProjectID, UserID: row.UserID, Resources: resourcesOf(row)})
	return s.afterClaim(ctx, run.Operation, &run.Frame.LostRaces, err)
}

func (s *Service) createUnclaim(ctx context.Context, run *createRun) error {
	return s.deps.Placement.Release(s.self(ctx), run.Operation.ResourceID)
}

// createNetwork makes or takes the ports and notes the server's addresses.
func (s *Service) createNetwork(ctx context.Context, run *createRun) error {
	if len(run.Params.NICs) == 0 {
		return nil
	}
	row, err := s.readServer(ctx, run.Operation.ResourceID)
	if err != nil {
		return err
	}
	row.Host = run.Frame.Host
	nics, err := s.plugPorts(ctx, row, run.Params.NICs, repeated(run))
	var unbound *bindingError
	switch {
	case errors.As(err, &unbound):
		return s.elsewhere(run, unbound)
	case err != nil:
		return s.neighbourTrouble(ctx, run.Operation, "network", err)
	}
	run.InCommit(func(tx *db.Tx) error {
		tx.AfterCommit(func() { s.fresh.note([]string{row.ID}, s.clock.Now()) })
		return s.alterServer(tx, s.ofOperation(run.Operation, "update"), func(row *server) { row.NICs = nics })
	})
	return nil
}

func (s *Service) createUnnetwork(ctx context.Context, run *createRun) error {
	if len(run.Params.NICs) == 0 {
		return nil
	}
	if err := s.unplugPorts(ctx, run.Operation.ResourceID); err != nil {
		return err
	}
	run.InCommit(func(tx *db.Tx) error {
		return s.alterServer(tx, s.ofOperation(run.Operation, "update"), func(row *server) { row.NICs = nil })
	})
	return nil
}

// createSpawn orders the guest; the image is brought to the host as part of it.
func (s *Service) createSpawn(_ context.Context, run *createRun) error {
	run.InCommit(func(tx *db.Tx) error {
		row, err := findServer(tx, run.Operation.ResourceID)
		if err != nil {
			return err
		}
		if repeated(run) {
			return s.orderGuest(tx, row, run.Operation, orders.Running)
		}
		return s.orderFirst(tx, row, run.Operation)
	})
	return nil
}

// repeated tells whether something of the step at hand may have been done before.
func repeated(run *createRun) bool {
	return run.Operation.Epoch > 1 || run.Operation.Tries > 0 || len(run.Frame.Excluded) > 0 || run.Frame.LostRaces > 0
}

func (s *Service) createUnspawn(ctx context.Context, run *createRun) error {
	return s.removeGuest(ctx, run.Operation)
}

// createSettle waits until the host reports that the guest runs.
func (s *Service) createSettle(ctx context.Context, run *createRun) error {
	order, up, err := s.readOrder(ctx, run.Operation.ResourceID, run.Frame.Host)
	if err != nil {
		return err
	}
	switch {
	case order.settled():
		run.InCommit(func(tx *db.Tx) error {
			if err := forgetFailures(tx, run.Frame.Host); err != nil {
				return err
			}
			return s.alterServer(tx, s.ofOperation(run.Operation, "create"), func(row *server) {
				row.VMState, row.PowerState, row.Detail.Fault = vmActive, order.ReportedPower, nil
				if order.ReportedState == orders.StateStopped { // it ran, and went down by itself since
					row.VMState = vmStopped
				}
				row.LaunchedAt, row.UpdatedAt = s.clock.Now(), s.clock.Now()
			})
		})
		return nil
	case order.failed() && order.ErrorClass == orders.Fail:
		return work.Fail(errors.New(order.ErrorMessage))
	case order.failed() && order.ErrorClass == orders.Elsewhere:
		if err := s.db.Write(ctx, func(tx *db.Tx) error { return noteFailure(tx, run.Frame.Host) }); err != nil {
			return err
		}
		return s.elsewhere(run, errors.New(order.ErrorMessage))
	case !up:
		return s.elsewhere(run, errors.New("the host stopped reporting"))
	}
	return work.Wait(lookAgain)
}

// elsewhere has another host chosen, unless that was tried often enough.
func (s *Service) elsewhere(run *createRun, why error) error {
	if run.Frame.Excluded == nil {
		run.Frame.Excluded = map[string]string{}
	}
	run.Frame.Excluded[run.Frame.Host] = why.Error()
	if len(run.Frame.Excluded) >= s.scheduler.Attempts {
		return work.Failf("Exceeded maximum number of retries. Exhausted all hosts available for retrying build failures for instance %s. "+
			"The last one said: %w", run.Operation.ResourceID, why)
	}
	return work.Back("schedule", why)
}

func (s *Service) createFinished(tx *db.Tx, run *createRun) error {
	s.ringOperation(tx, run.Operation.ID)
	return nil
}

// createFailed turns the server to ERROR with the reason; a delete that cut the create off
// needs none.
func (s *Service) createFailed(tx *db.Tx, run *createRun, reason string) error {
	s.ringOperation(tx, run.Operation.ID)
	if run.Operation.Cancelled {
		return nil
	}
	why, err := s.faultOf(tx, run.Operation, reason)
	if err != nil {
		return err
	}
	return s.alterServer(tx, s.ofOperation(run.Operation, "create.error"), func(row *server) {
		row.VMState, row.PowerState, row.UpdatedAt = vmError, powerNone, why.Created
		row.Detail.Fault = why
	})
}

// architectureOf is the architecture that an image's properties name, or empty.
func architectureOf(properties map[string]string) string {
	if arch := properties["hw_architecture"]; arch != "" {
		return arch
	}
	return properties["architecture"]
}

// resourcesOf is what a server takes in placement.
func resourcesOf(row *server) map[string]int64 {
	resources := map[string]int64{classMemory: row.MemoryMiB}
	addCPUs(resources, cpusOf(row), row.VCPUs)
	if row.DiskGiB > 0 {
		resources[classDisk] = row.DiskGiB
	}
	return resources
}
