package compute

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"virga/core/api"
	"virga/core/db"
	"virga/service/compute/orders"
)

// liveRequest is the argument of os-migrateLive, of whichever version.
type liveRequest struct {
	Host *string
	// Block is block_migration, nil for "auto" (nova/api/openstack/compute/schemas/migrate_server.py).
	Block *bool
	Force bool
}

// readLiveRequest reads the form that a version has: up to 2.24 with disk_over_commit, then without, since 2.30 with force and since
// 2.68 without it again.
func readLiveRequest(v api.Version, argument json.RawMessage) (*liveRequest, error) {
	var in struct {
		Host       json.RawMessage `json:"host"`
		Block      json.RawMessage `json:"block_migration"`
		OverCommit *flexBool       `json:"disk_over_commit"`
		Force      *flexBool       `json:"force"`
	}
	wrong := func(field, why string) (*liveRequest, error) {
		return nil, api.BadRequest("Invalid input for field/attribute %s. %s", field, why)
	}
	decoder := json.NewDecoder(bytes.NewReader(argument))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&in); err != nil {
		return wrong("os-migrateLive", "It is an object with host and block_migration.")
	}
	out := &liveRequest{}
	auto := v.AtLeast(vMigrateAuto)
	switch {
	case in.Host == nil:
		return wrong("os-migrateLive", "'host' is a required property")
	case in.Block == nil:
		return wrong("os-migrateLive", "'block_migration' is a required property")
	case !auto && in.OverCommit == nil:
		return wrong("os-migrateLive", "'disk_over_commit' is a required property")
	case auto && in.OverCommit != nil:
		return wrong("os-migrateLive", "Additional properties are not allowed ('disk_over_commit' was unexpected)")
	case in.Force != nil && !inVersion(v, vMigrateForce, before(vNoForce)):
		return wrong("os-migrateLive", "Additional properties are not allowed ('force' was unexpected)")
	}
	if err := json.Unmarshal(in.Host, &out.Host); err != nil || out.Host != nil && (*out.Host == "" || len(*out.Host) > 255) {
		return wrong("host", "It is the name of a host, or null.")
	}
	if !auto || string(in.Block) != `"auto"` {
		var block flexBool
		if err := json.Unmarshal(in.Block, &block); err != nil {
			return wrong("block_migration", "It is a boolean, or since 2.25 auto.")
		}
		out.Block = (*bool)(&block)
	}
	if in.Force != nil {
		out.Force = bool(*in.Force)
	}
	if out.Force && out.Host == nil {
		return nil, api.BadRequest("Can't force to a non-provided destination")
	}
	return out, nil
}

// actionLiveMigrate admits a live migration.
func (s *Service) actionLiveMigrate(ctx context.Context, r *api.Request, row *server, argument json.RawMessage) (any, error) {
	in, err := readLiveRequest(r.Version, argument)
	if err != nil {
		return nil, err
	}
	wanted := ""
	if in.Host != nil {
		wanted = *in.Host
		if err := r.May(ruleMigrateLiveHost, serverTarget{row}.PolicyTarget()); err != nil {
			return nil, err
		}
		if err := s.mustKnowHost(ctx, wanted); err != nil {
			return nil, err
		}
	}
	check := inStates("os-migrateLive", vmActive, vmPaused)
	if err := s.checkState(ctx, r, row.ID, check); err != nil {
		return nil, err
	}
	m := s.newMove(r, row, migrationLive, shapeOf(row))
	m.Status = migrationQueued
	refused, err := s.whyNotLive(ctx, r, row, m, in, wanted)
	if err != nil {
		return nil, err
	}
	// Since 2.34 the checks are made behind the answer, and what they find is told by the migration.
	if refused != "" && r.Version.Before(vMigrateAsync) {
		return nil, api.BadRequest("%s", refused)
	}
	params := moveParams{Migration: m.ID, Host: wanted, Refused: refused}
	_, err = s.start(ctx, r, "os-migrateLive", opLiveMigrate, params, check, func(tx *db.Tx, row *server) error { return s.admitMove(tx, m, row) })
	return accepted(), err
}

// mustKnowHost refuses a host that there is not.
func (s *Service) mustKnowHost(ctx context.Context, name string) error {
	err := s.db.Read(ctx, func(tx *db.Tx) error {
		_, err := findHost(tx, name)
		return err
	})
	if errors.Is(err, db.ErrNotFound) {
		return api.BadRequest("Compute host %s could not be found.", oneLine(name, 255))
	}
	return err
}

// whyNotLive makes the checks that nova's conductor makes (nova/conductor/tasks/live_migrate.py) and returns what is in the way.
func (s *Service) whyNotLive(ctx context.Context, r *api.Request, row *server, m *newMigration, in *liveRequest, wanted string) (string, error) {
	var source *host
	up := false
	err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
		if source, err = findHost(tx, row.Host); err == nil {
			up = source.up(s.clock.Now())
		}
		return err
	})
	switch {
	case errors.Is(err, db.ErrNotFound), err == nil && !up:
		return fmt.Sprintf("Compute service of %s is unavailable at this time.", row.Host), nil
	case err != nil:
		return "", err
	case wanted == row.Host:
		return fmt.Sprintf("Unable to migrate instance (%s) to current host (%s).", row.ID, row.Host), nil
	case in.Block != nil && !*in.Block:
		return source.Name + " is not on shared storage: Shared storage live-migration requires either shared storage or boot-from-volume with no local disks.", nil
	}
	d, err := s.chooseLive(ctx, row, m, wanted, nil)
	if err != nil {
		return "", unavailable("placement", err)
	}
	s.roster.released(row.ID)
	if d.Chosen == "" && !d.hopeful {
		return d.explain(), s.keepRefusal(ctx, r, row.ID, opLiveMigrate, d)
	}
	return "", nil
}

// chooseLive asks the scheduler for a host that can run what the source runs. Those that it chooses and that cannot are left out.
func (s *Service) chooseLive(ctx context.Context, row *server, m *newMigration, wanted string, failed map[string]string) (*decision, error) {
	w := wishOf(row)
	w.Host, w.Excluded, w.Barred = wanted, failed, map[string]string{m.SourceHost: leavesHost}
	for {
		var source, dest *host
		err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
			w.Group, err = groupWishOf(tx, row.ID)
			return err
		})
		if err != nil {
			return nil, err
		}
		d, err := s.chooseHost(ctx, row.ID, w)
		if err != nil || d.Chosen == "" {
			return d, err
		}
		err = s.db.Read(ctx, func(tx *db.Tx) (err error) {
			if source, err = findHost(tx, m.SourceHost); err != nil {
				return err
			}
			dest, err = findHost(tx, d.Chosen)
			return err
		})
		if err != nil {
			return nil, err
		}
		why := unfitFor(&source.Facts, &dest.Facts)
		if why == "" {
			return d, nil
		}
		w.Barred[d.Chosen] = why
	}
}

// unfitFor tells why a guest that runs on one host cannot go on on another one.
func unfitFor(source, dest *orders.Host) string {
	switch {
	case dest.TransferURL == "":
		return "it cannot be reached by other hosts"
	case source.HypervisorType != dest.HypervisorType || source.Virt.Kind != dest.Virt.Kind:
		return fmt.Sprintf("its guests run by %s %s, those of the source by %s %s", dest.HypervisorType, dest.Virt.Kind, source.HypervisorType, source.Virt.Kind)
	case source.HypervisorVersion > dest.HypervisorVersion:
		return "its hypervisor is older than the source's"
	case canonicalArch(source.CPU.Arch) != canonicalArch(dest.CPU.Arch):
		return "its processor is of another architecture"
	case source.Virt.Kind != "kvm": // emulated processors are what the emulator can
		return ""
	case source.CPU.Vendor != dest.CPU.Vendor:
		return "Unacceptable CPU info: its processor is of another vendor"
	}
	for _, feature := range source.CPU.Features {
		if !slices.Contains(dest.CPU.Features, feature) {
			return "Unacceptable CPU info: its processor lacks " + feature
		}
	}
	return ""
}

// liveDetail is what only a live migration has.
type liveDetail struct {
	// Secret lets the source bring the guest to the destination.
	Secret orders.Secret `json:"secret,omitempty"`
	// Abort says that the migration is to be given up if that can still be had.
	Abort    bool             `json:"abort,omitempty"`
	Progress *orders.Progress `json:"progress,omitempty"`
}

// noteProgress keeps how far a host says that a migration is.
func (s *Service) noteProgress(tx *db.Tx, order *guestOrder, p *orders.Progress) error {
	m, err := findMove(tx, order.ServerID, migrationRunning)
	if errors.Is(err, db.ErrNotFound) || err == nil && (m.SourceHost != order.Host || p == nil) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.changeMigration(tx, m.ID, func(m *migration) { m.Detail.Live.Progress = p })
}

// expectPorts has the ports of a server be made ready on a host while they stay bound to another one; an empty name ends that.
func (s *Service) expectPorts(ctx context.Context, serverID, hostName string) error {
	ctx = s.self(ctx)
	ports, err := s.deps.Networks.PortsOfDevices(ctx, []string{serverID})
	if err != nil {
		return err
	}
	for _, p := range ports {
		if expectedAt(p) == hostName {
			continue
		}
		if _, err := s.deps.Networks.UpdatePort(ctx, p.ID, PortChange{Profile: expecting(p, hostName)}); err != nil {
			return err
		}
	}
	return nil
}

// expecting is a port's profile with the host where it is expected; empty: nowhere.
func expecting(p Port, hostName string) map[string]any {
	profile := map[string]any{}
	maps.Copy(profile, p.Profile)
	if profile[migratingKey] = hostName; hostName == "" {
		delete(profile, migratingKey)
	}
	return profile
}

// migratingKey is the field of a port's binding profile that names the host to which its server goes, as in nova.
const migratingKey = "migrating_to"

func expectedAt(p Port) string {
	name, _ := p.Profile[migratingKey].(string)
	return name
}
