package compute

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"

	"virga/core/api"
	"virga/core/db"
	"virga/core/work"
)

// The actions by which a server gets another flavor or another host.

// actionResize admits a resize to another flavor.
func (s *Service) actionResize(ctx context.Context, r *api.Request, row *server, argument json.RawMessage) (any, error) {
	var in struct {
		FlavorRef  flexString `json:"flavorRef"`
		DiskConfig string     `json:"OS-DCF:diskConfig"`
	}
	if err := json.Unmarshal(argument, &in); err != nil {
		return nil, api.BadRequest("Invalid input for field/attribute resize.")
	}
	id := imageID(string(in.FlavorRef)) // it may be an address
	f, err := s.visibleFlavor(ctx, r, id)
	if api.StatusOf(err) == 404 && err != nil {
		return nil, api.BadRequest("Flavor %s could not be found.", oneLine(id, 60))
	}
	if err != nil {
		return nil, err
	}
	if err := checkResize(row, f); err != nil {
		return nil, err
	}
	m := s.newMove(r, row, migrationResize, newShape(row, f))
	return s.move(ctx, r, row, moveRequest{action: "resize", kind: opResize, migration: m, diskConfig: in.DiskConfig})
}

// newShape is what a flavor makes of a server.
func newShape(row *server, f *flavor) shape {
	return shape{FlavorID: f.ID, VCPUs: f.VCPUs, MemoryMiB: f.MemoryMiB, DiskGiB: diskOf(f, &row.Detail.Image), Flavor: f.snapshot(), Disk: row.Detail.Disk}
}

// checkResize tells whether a server's disks can become those of a flavor.
func checkResize(row *server, f *flavor) error {
	now, image := &row.Detail.Flavor, &row.Detail.Image
	switch {
	case f.ID == row.FlavorID:
		return api.BadRequest("When resizing, instances must change flavor!")
	case f.RootGiB == 0 && now.RootGiB > 0:
		return api.BadRequest("Server disk was unable to be resized because: Resize to zero disk flavor is not allowed.")
	case f.RootGiB > 0 && f.RootGiB < max(now.RootGiB, row.Detail.GrownGiB), f.Ephemeral < ephemeralOf(row):
		return api.BadRequest("Server disk was unable to be resized because: disks cannot be made smaller than they are.")
	case row.ImageID == "":
		return nil
	}
	err := checkImage(&Image{ID: row.ImageID, Status: "active", DiskFormat: image.DiskFormat, VirtualSize: image.VirtualSize, MinDisk: image.MinDisk,
		MinRAM: image.MinRAM}, f)
	if err != nil {
		return err
	}
	wanted := f.snapshot()
	if err := checkGuest(&wanted, image); err != nil {
		return err
	}
	larger := newShape(row, f)
	return checkDiskCount(larger.shaped(row))
}

// ephemeralOf is how much a server's ephemeral disks take, in GiB.
func ephemeralOf(row *server) int64 {
	if sum := row.Detail.Disks.ephemeralGiB(); sum > 0 {
		return sum
	}
	return row.Detail.Flavor.Ephemeral
}

// actionMigrate admits a cold migration; since 2.56 the host may be named.
func (s *Service) actionMigrate(ctx context.Context, r *api.Request, row *server, argument json.RawMessage) (any, error) {
	var in *struct {
		Host *string `json:"host"`
	}
	wanted := ""
	if r.Version.AtLeast(vMigrateHost) { // before, nova does not look at the argument
		decoder := json.NewDecoder(bytes.NewReader(argument))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&in); err != nil {
			return nil, api.BadRequest("Invalid input for field/attribute migrate. It is null, or names a host.")
		}
		if in != nil && in.Host != nil {
			wanted = *in.Host
		}
	}
	if wanted != "" {
		if err := r.May(ruleMigrateHost, serverTarget{row}.PolicyTarget()); err != nil {
			return nil, err
		}
		err := s.db.Read(ctx, func(tx *db.Tx) error {
			_, err := findHost(tx, wanted)
			return err
		})
		switch {
		case errors.Is(err, db.ErrNotFound):
			return nil, api.BadRequest("Compute host %s could not be found.", oneLine(wanted, 60))
		case err != nil:
			return nil, err
		case wanted == row.Host:
			return nil, api.BadRequest("Cannot migrate to the host where the server exists.")
		}
	}
	m := s.newMove(r, row, migrationCold, shapeOf(row))
	return s.move(ctx, r, row, moveRequest{action: "migrate", kind: opMigrate, migration: m, host: wanted})
}

func (s *Service) newMove(r *api.Request, row *server, kind string, wish shape) *newMigration {
	now := s.clock.Now()
	return &newMigration{ID: s.clock.ID(), ServerID: row.ID, ProjectID: row.ProjectID, UserID: r.UserID(), Kind: kind, Status: migrationAccepted,
		SourceHost: row.Host, CreatedAt: now, UpdatedAt: now, Detail: migrationDetail{Old: shapeOf(row), New: wish}}
}

// moveRequest is a move that is asked for: by which action, as which kind of operation, to
// which host (empty: any).
type moveRequest struct {
	action, kind, host string
	migration          *newMigration
	// diskConfig becomes the server's OS-DCF:diskConfig unless it is empty.
	diskConfig string
}

// move admits a move. That no host has room is told at once; whoever takes the room in
// between is met by the operation.
func (s *Service) move(ctx context.Context, r *api.Request, row *server, q moveRequest) (any, error) {
	check := func(row *server, t task) error {
		if row.Host == "" && t.state == "" {
			return stateConflict(q.action, row.ID, "vm_state", row.VMState)
		}
		return inStates(q.action, vmActive, vmStopped)(row, t)
	}
	if row.Host != "" && (row.VMState == vmActive || row.VMState == vmStopped) {
		d, err := s.chooseMove(ctx, row, q.migration, q.host, nil)
		if err != nil {
			return nil, unavailable("placement", err)
		}
		s.roster.released(row.ID)
		if d.Chosen == "" && !d.hopeful {
			if err := s.checkState(ctx, r, row.ID, check); err != nil {
				return nil, err
			}
			if err := s.keepRefusal(ctx, r, row.ID, q.kind, d); err != nil {
				return nil, err
			}
			return nil, api.BadRequest("%s", d.explain())
		}
	}
	_, err := s.start(ctx, r, q.action, q.kind, moveParams{Migration: q.migration.ID, Host: q.host}, check, func(tx *db.Tx, row *server) error {
		if err := s.admitMove(tx, q.migration, row); err != nil || q.diskConfig == "" {
			return err
		}
		row.Detail.DiskConfig = q.diskConfig
		return updateServer(tx, row)
	})
	return accepted(), err
}

// checkState tells whether a server may be acted on, before anything else is said about it.
func (s *Service) checkState(ctx context.Context, r *api.Request, id string, check func(*server, task) error) error {
	return s.db.Read(ctx, func(tx *db.Tx) error {
		row, err := findServer(tx, id)
		if errors.Is(err, db.ErrNotFound) {
			return noSuchServer(id)
		}
		if err != nil {
			return err
		}
		if err := s.checkLock(r, row); err != nil {
			return err
		}
		unfinished, err := work.Unfinished(tx, id)
		if err != nil {
			return err
		}
		return check(row, taskOf(unfinished[id]))
	})
}

// admitMove writes the migration of an admitted move, with the server as it is now, and
// takes the quota that it needs.
func (s *Service) admitMove(tx *db.Tx, m *newMigration, row *server) error {
	m.SourceHost, m.Detail.Old, m.Detail.Before = row.Host, shapeOf(row), desiredOf(row)
	if m.Kind != migrationResize {
		m.Detail.New = m.Detail.Old
	}
	source, err := findHost(tx, row.Host)
	if errors.Is(err, db.ErrNotFound) {
		return api.Conflict("The host of instance %s is not there any more.", row.ID)
	}
	if err != nil {
		return err
	}
	m.Detail.SourceProvider, m.Detail.SourceNode = source.HypervisorID, source.Facts.HostName
	m.reserve(&m.Detail.Old, &m.Detail.New)
	if m.ExtraVCPUs > 0 || m.ExtraMemoryMiB > 0 {
		limits, err := s.quotaLimits(tx, row.ProjectID)
		if err != nil {
			return err
		}
		used, err := sumProject(tx, row.ProjectID)
		if err != nil {
			return err
		}
		if err := checkMoreQuota(limits, used, m.ExtraVCPUs, 0, m.ExtraMemoryMiB); err != nil {
			return err
		}
	}
	return insertMigration(tx, m)
}

func (s *Service) actionConfirmResize(ctx context.Context, r *api.Request, _ *server, _ json.RawMessage) (any, error) {
	if err := s.endMove(ctx, r, "confirmResize", opConfirm); err != nil {
		return nil, err
	}
	return nil, nil // 204, unlike the other actions
}

func (s *Service) actionRevertResize(ctx context.Context, r *api.Request, _ *server, _ json.RawMessage) (any, error) {
	return accepted(), s.endMove(ctx, r, "revertResize", opRevert)
}

// endMove admits the end of a move that waits for it.
func (s *Service) endMove(ctx context.Context, r *api.Request, action, kind string) error {
	_, err := s.start(ctx, r, action, kind, endParams{}, inStates(action, vmResized), func(tx *db.Tx, row *server) error {
		_, err := findMove(tx, row.ID, migrationFinished)
		if errors.Is(err, db.ErrNotFound) {
			return api.BadRequest("Instance has not been resized.")
		}
		return err
	})
	return err
}

// guestRootGiB is the size of the root disk that a server's guest is to have: one that grew
// in a resize that was taken back on the same host does not shrink.
func guestRootGiB(row *server) int64 {
	if row.Detail.Flavor.RootGiB == 0 {
		return row.Detail.GrownGiB
	}
	return max(row.Detail.Flavor.RootGiB, row.Detail.GrownGiB)
}
