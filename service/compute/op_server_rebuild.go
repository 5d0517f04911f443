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

// A rebuild gives a server new disks, from the same image or another, on its host and with its ports. The disks it had are kept there
// until the new ones have been started from, and come back if that fails; each set of disks has a number, its edition.

const opRebuild = "server_rebuild"

// rebuilt is all of a server that a rebuild may change.
type rebuilt struct {
	Name        string            `json:"name"`
	HostName    string            `json:"hostname"`
	ImageID     string            `json:"image_id"`
	Image       imageSnapshot     `json:"image"`
	Disk        *diskImage        `json:"disk,omitempty"`
	DiskGiB     int64             `json:"disk_gb"`
	GrownGiB    int64             `json:"grown_gb,omitempty"`
	Edition     int64             `json:"edition,omitempty"`
	KeyName     string            `json:"key_name,omitempty"`
	KeyPublic   string            `json:"key_public,omitempty"`
	KeyType     string            `json:"key_type,omitempty"`
	Metadata    map[string]string `json:"metadata,omitempty"`
	Description *string           `json:"description,omitempty"`
	DiskConfig  string            `json:"disk_config,omitempty"`
	AccessIPv4  string            `json:"access_ip_v4,omitempty"`
	AccessIPv6  string            `json:"access_ip_v6,omitempty"`
	// PlainPass is the password in parameters of releases that did not seal it; it is read alone.
	PlainPass   string         `json:"admin_pass,omitempty"`
	Files       []injectedFile `json:"files,omitempty"`
	ConfigDrive bool           `json:"config_drive,omitempty"`
	UserData    string         `json:"user_data,omitempty"`
}

// diskImage is the image that a server's root disk stands on when that is not the server's own.
type diskImage struct {
	ID    string        `json:"id"`
	Image imageSnapshot `json:"image"`
}

func rebuiltOf(row *server, userData string) rebuilt {
	d := &row.Detail
	return rebuilt{Name: row.Name, HostName: row.HostName, ImageID: row.ImageID, Image: d.Image, Disk: d.Disk, DiskGiB: row.DiskGiB, GrownGiB: d.GrownGiB,
		Edition: d.Edition, KeyName: row.KeyName, KeyPublic: d.KeyPublic, KeyType: d.KeyType, Metadata: d.Metadata, Description: d.Description,
		DiskConfig: d.DiskConfig, AccessIPv4: d.AccessIPv4, AccessIPv6: d.AccessIPv6, Files: d.Files,
		ConfigDrive: row.ConfigDrive, UserData: userData}
}

func (b *rebuilt) apply(row *server) {
	d := &row.Detail
	row.Name, row.HostName, row.ImageID, d.Image, d.Disk, row.DiskGiB, d.GrownGiB = b.Name, b.HostName, b.ImageID, b.Image, b.Disk, b.DiskGiB, b.GrownGiB
	d.Edition, row.KeyName, d.KeyPublic, d.KeyType, d.Metadata = b.Edition, b.KeyName, b.KeyPublic, b.KeyType, b.Metadata
	d.Description, d.DiskConfig, d.AccessIPv4, d.AccessIPv6 = b.Description, b.DiskConfig, b.AccessIPv4, b.AccessIPv6
	d.PlainPass, d.Files, row.ConfigDrive = "", b.Files, b.ConfigDrive
}

type rebuildParams struct {
	After             rebuilt `json:"after"`
	PreserveEphemeral bool    `json:"preserve_ephemeral,omitempty"`
}

type rebuildFrame struct {
	Host   string         `json:"host,omitempty"`
	Before rebuilt        `json:"before"`
	Wish   orders.Desired `json:"wish,omitempty"`
	// Edition is that of the new disks.
	Edition int64 `json:"edition,omitempty"`
}

type rebuildRun = work.Run[rebuildParams, rebuildFrame]

// serverRebuild gives a server new disks.
func (s *Service) serverRebuild() work.Registrable {
	return work.Kind[rebuildParams, rebuildFrame]{
		Name: opRebuild, Deadline: time.Hour,
		Steps: []work.Step[rebuildParams, rebuildFrame]{
			{Name: "change", Do: s.rebuildChange, Undo: s.rebuildUnchange},
			{Name: "schedule", Role: RoleScheduler, Do: s.rebuildSchedule},
			{Name: "claim", Do: s.rebuildClaim, Undo: s.rebuildUnclaim},
			{Name: "order", Do: s.rebuildOrder, Undo: s.rebuildUnorder},
			{Name: "settle", Do: s.rebuildSettle},
		},
		Finished: func(tx *db.Tx, run *rebuildRun) error { return s.recordOf(tx, run.Operation, "rebuild") },
		Failed: func(tx *db.Tx, run *rebuildRun, reason string) error {
			if run.Operation.Cancelled {
				return nil
			}
			now := s.clock.Now()
			return s.alterServer(tx, s.ofOperation(run.Operation, "rebuild.error"), func(row *server) {
				row.Detail.Fault = &fault{Code: 500, Message: reason, Created: now}
			})
		},
	}
}

// rebuildChange makes the row what the rebuild asks for.
func (s *Service) rebuildChange(ctx context.Context, run *rebuildRun) error {
	err := s.db.Read(ctx, func(tx *db.Tx) error {
		row, err := findServer(tx, run.Operation.ResourceID)
		if err != nil {
			return fmt.Errorf("read server %s: %w", run.Operation.ResourceID, err)
		}
		userData, err := findUserData(tx, row.ID)
		run.Frame.Host, run.Frame.Before, run.Frame.Edition = row.Host, rebuiltOf(row, userData), row.Detail.LastEdition+1
		run.Frame.Wish = orders.Running
		if row.VMState == vmStopped {
			run.Frame.Wish = orders.Stopped
		}
		return err
	})
	if err != nil {
		return err
	}
	after := run.Params.After
	after.Edition = run.Frame.Edition
	run.InCommit(func(tx *db.Tx) error {
		if after.PlainPass != "" {
			if err := s.putPassword(tx, run.Operation.ResourceID, forBoot, after.PlainPass); err != nil {
				return err
			}
		}
		return s.applyRebuilt(tx, run, &after)
	})
	return nil
}

func (s *Service) applyRebuilt(tx *db.Tx, run *rebuildRun, what *rebuilt) error {
	if err := replaceUserData(tx, run.Operation.ResourceID, what.UserData); err != nil {
		return err
	}
	return s.alterServer(tx, s.ofOperation(run.Operation, "update"), func(row *server) {
		what.apply(row)
		row.Detail.LastEdition, row.UpdatedAt = max(row.Detail.LastEdition, run.Frame.Edition), s.clock.Now()
	})
}

func (s *Service) rebuildUnchange(_ context.Context, run *rebuildRun) error {
	if run.Operation.Cancelled || run.Frame.Edition == 0 {
		return nil
	}
	run.InCommit(func(tx *db.Tx) error { return s.applyRebuilt(tx, run, &run.Frame.Before) })
	return nil
}

// rebuildSchedule asks whether the server's host may run another image. It takes no more of it than it has.
func (s *Service) rebuildSchedule(ctx context.Context, run *rebuildRun) error {
	if run.Frame.Before.ImageID == run.Params.After.ImageID {
		return nil
	}
	row, err := s.readServer(ctx, run.Operation.ResourceID)
	if err != nil {
		return err
	}
	w := wishOf(row)
	w.Host, w.Zone, w.Resources, w.CPUs = row.Host, "", map[string]int64{}, nil
	w.placeWish = placeWish{Image: w.Image} // the server is where it may be; only the image is another
	d, err := s.chooseHost(ctx, row.ID, w)
	s.roster.released(row.ID)
	if err != nil {
		return s.neighbourTrouble(ctx, run.Operation, "placement", err)
	}
	if err := s.keep(ctx, run.Operation, d, run.InCommit); err != nil {
		return err
	}
	return d.found()
}

// rebuildClaim has placement know of another size of disk, which a flavor without one takes from the image.
func (s *Service) rebuildClaim(ctx context.Context, run *rebuildRun) error {
	err := s.claimDisk(ctx, run, run.Params.After.DiskGiB)
	if api.StatusOf(err) == 409 {
		return work.Failf("No valid host was found. The server's host has no room for the new image's disk.")
	}
	if err != nil {
		return s.neighbourTrouble(ctx, run.Operation, "placement", err)
	}
	return nil
}

func (s *Service) rebuildUnclaim(ctx context.Context, run *rebuildRun) error {
	if run.Operation.Cancelled {
		return nil
	}
	return s.claimDisk(ctx, run, run.Frame.Before.DiskGiB)
}

func (s *Service) claimDisk(ctx context.Context, run *rebuildRun, size int64) error {
	if run.Frame.Before.DiskGiB == run.Params.After.DiskGiB {
		return nil
	}
	row, err := s.readServer(ctx, run.Operation.ResourceID)
	if err != nil {
		return err
	}
	provider := ""
	err = s.db.Read(ctx, func(tx *db.Tx) error {
		h, err := findHost(tx, run.Frame.Host)
		if err == nil {
			provider = h.HypervisorID
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("find host %s: %w", run.Frame.Host, err)
	}
	row.DiskGiB = size
	return s.deps.Placement.Claim(s.self(ctx), Claim{ConsumerID: row.ID, ProviderID: provider, ProjectID: row.ProjectID, UserID: row.UserID,
		Resources: resourcesOf(row)})
}

func (s *Service) rebuildOrder(_ context.Context, run *rebuildRun) error {
	run.InCommit(func(tx *db.Tx) error {
		return s.orderGuestWith(tx, run.Operation, func(*server) orders.Desired { return run.Frame.Wish }, func(body *orders.GuestOrder) {
			body.KeepEdition, body.PreserveEphemeral = true, run.Params.PreserveEphemeral
		})
	})
	return nil
}

// rebuildUnorder has the former disks come back and waits for that: they are lost when yet another rebuild meets the host before.
func (s *Service) rebuildUnorder(ctx context.Context, run *rebuildRun) error {
	if run.Operation.Cancelled || run.Frame.Host == "" {
		return nil
	}
	given := false
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		known, err := findOrder(tx, run.Operation.ResourceID, run.Frame.Host)
		if given = err == nil && known.OperationID == run.Operation.ID; !given {
			if errors.Is(err, db.ErrNotFound) {
				err = nil
			}
			return err
		}
		if known.Body.Edition == run.Frame.Before.Edition {
			return nil // it was ordered before
		}
		row, err := findServer(tx, run.Operation.ResourceID)
		if err != nil {
			return err
		}
		run.Frame.Before.apply(row)
		return s.orderGuest(tx, row, run.Operation, run.Frame.Wish)
	})
	if err != nil || !given {
		return err
	}
	order, _, err := s.awaitOrder(ctx, run.Operation.ResourceID, run.Frame.Host)
	if err != nil || order.reached() || order.failed() && order.ErrorClass != orders.Retry {
		return err
	}
	return work.Wait(lookAgain)
}

// rebuildSettle waits until the guest is there with its new disks, and has the former ones removed.
func (s *Service) rebuildSettle(ctx context.Context, run *rebuildRun) error {
	order, _, err := s.awaitOrder(ctx, run.Operation.ResourceID, run.Frame.Host)
	if err != nil {
		return err
	}
	switch {
	case order.reached():
		run.InCommit(func(tx *db.Tx) error {
			err := s.alterServer(tx, s.ofOperation(run.Operation, "update"), func(row *server) {
				s.takeReport(row, order)
				row.LaunchedAt, row.UpdatedAt = s.clock.Now(), s.clock.Now()
			})
			if err != nil {
				return err
			}
			return s.orderGuestWith(tx, run.Operation, desiredOf, func(*orders.GuestOrder) {})
		})
		return nil
	case order.failed() && order.ErrorClass != orders.Retry:
		return work.Fail(errors.New(order.ErrorMessage))
	}
	return work.Wait(lookAgain)
}
