package compute

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"virga/core/api"
	"virga/core/bus"
	"virga/core/db"
	"virga/core/work"
	"virga/service/compute/orders"
)

// A server's live migrations at work: list, show, abort, force to complete (nova/api/openstack/compute/server_migrations.py).

// liveView is a live migration at work.
type liveView struct {
	ID              int64   `json:"id"`
	UUID            string  `json:"uuid,omitempty"`
	ServerID        string  `json:"server_uuid"`
	SourceNode      *string `json:"source_node"`
	SourceHost      *string `json:"source_compute"`
	DestNode        *string `json:"dest_node"`
	DestHost        *string `json:"dest_compute"`
	DestIP          *string `json:"dest_host"`
	Status          string  `json:"status"`
	CreatedAt       string  `json:"created_at"`
	UpdatedAt       *string `json:"updated_at"`
	MemoryTotal     *int64  `json:"memory_total_bytes"`
	MemoryProcessed *int64  `json:"memory_processed_bytes"`
	MemoryRemaining *int64  `json:"memory_remaining_bytes"`
	DiskTotal       *int64  `json:"disk_total_bytes"`
	DiskProcessed   *int64  `json:"disk_processed_bytes"`
	DiskRemaining   *int64  `json:"disk_remaining_bytes"`
	UserID          string  `json:"user_id,omitempty"`
	ProjectID       string  `json:"project_id,omitempty"`
}

func viewLive(r *api.Request, m *migration) liveView {
	d := &m.Detail
	view := liveView{ID: m.Num, ServerID: m.ServerID, SourceNode: orNull(d.SourceNode), SourceHost: orNull(m.SourceHost), DestNode: orNull(d.DestNode),
		DestHost: orNull(m.DestHost), DestIP: orNull(d.DestIP), Status: m.Status, CreatedAt: microTime(m.CreatedAt), UpdatedAt: optionalMicroTime(m.UpdatedAt)}
	if p := d.Live.Progress; p != nil {
		view.MemoryTotal, view.MemoryProcessed, view.MemoryRemaining = &p.MemoryTotal, &p.MemoryProcessed, &p.MemoryRemaining
		view.DiskTotal, view.DiskProcessed, view.DiskRemaining = &p.DiskTotal, &p.DiskProcessed, &p.DiskRemaining
	}
	if r.Version.AtLeast(vMigrationPaging) {
		view.UUID = m.ID
	}
	if r.Version.AtLeast(vMigrationOwner) {
		view.UserID, view.ProjectID = m.UserID, m.ProjectID
	}
	return view
}

// inProgress are the statuses of a live migration that is at work.
func inProgress() []string {
	return []string{migrationQueued, migrationLivePreparing, migrationRunning, migrationMoved}
}

// serverMigrations answers GET /servers/{id}/migrations.
func (s *Service) serverMigrations(ctx context.Context, r *api.Request) (any, error) {
	rows, err := s.migrationsOfServer(ctx, r.Param("server_id"), migrationLive)
	if err != nil {
		return nil, err
	}
	views := []liveView{}
	for i := range rows {
		if slices.Contains(inProgress(), rows[i].Status) {
			views = append(views, viewLive(r, &rows[i]))
		}
	}
	return map[string]any{"migrations": views}, nil
}

// migrationsOfServer lists a server's migrations, of one kind unless that is empty.
func (s *Service) migrationsOfServer(ctx context.Context, serverID, kind string) (rows []migration, err error) {
	f := &migrationFilter{equal: map[string]string{"server_id": serverID}, limit: maxMigrations, newestFirst: true}
	if kind != "" {
		f.equal["kind"] = kind
	}
	err = s.db.Read(ctx, func(tx *db.Tx) error {
		rows, err = listMigrations(tx, f)
		return err
	})
	return rows, err
}

// migrationOf finds the migration that the path names by its number.
func (s *Service) migrationOf(ctx context.Context, r *api.Request) (*migration, error) {
	rows, err := s.migrationsOfServer(ctx, r.Param("server_id"), "")
	if err != nil {
		return nil, err
	}
	for i := range rows {
		if strconv.FormatInt(rows[i].Num, 10) == strings.TrimSpace(r.Param("migration_id")) {
			return &rows[i], nil
		}
	}
	return nil, db.ErrNotFound
}

// serverMigrationShow answers GET /servers/{id}/migrations/{migration_id}.
func (s *Service) serverMigrationShow(ctx context.Context, r *api.Request) (any, error) {
	id, serverID := oneLine(r.Param("migration_id"), 60), r.Param("server_id")
	m, err := s.migrationOf(ctx, r)
	switch {
	case errors.Is(err, db.ErrNotFound):
		return nil, api.NotFound("In-progress live migration %s is not found for server %s.", id, serverID)
	case err != nil:
		return nil, err
	case m.Kind != migrationLive:
		return nil, api.NotFound("Migration %s for server %s is not live-migration.", id, serverID)
	case !slices.Contains(inProgress(), m.Status):
		return nil, api.NotFound("Live migration %s for server %s is not in progress.", id, serverID)
	}
	return map[string]any{"migration": viewLive(r, m)}, nil
}

// migratingServer checks that a server is on its way, and that the caller may act on it.
func (s *Service) migratingServer(ctx context.Context, r *api.Request, action string) error {
	serverID := r.Param("server_id")
	return s.db.Read(ctx, func(tx *db.Tx) error {
		row, err := findServer(tx, serverID)
		if errors.Is(err, db.ErrNotFound) {
			return noSuchServer(serverID)
		}
		if err != nil {
			return err
		}
		if err := s.checkLock(r, row); err != nil {
			return err
		}
		unfinished, err := work.Unfinished(tx, serverID)
		if err != nil {
			return err
		}
		if t := taskOf(unfinished[serverID]); t.state != taskMigrating {
			state := t.state
			if state == "" {
				state = "None"
			}
			return stateConflict(action, serverID, "task_state", state)
		}
		return nil
	})
}

func wrongMigrationState(m *migration, method string) error {
	return api.BadRequest("Migration %d state of instance %s is %s. Cannot %s while the migration is in this state.", m.Num, m.ServerID, m.Status, method)
}

// serverMigrationAbort answers DELETE /servers/{id}/migrations/{migration_id}. Whether it came in time the migration tells.
func (s *Service) serverMigrationAbort(ctx context.Context, r *api.Request) (any, error) {
	if err := s.migratingServer(ctx, r, "abort live migration"); err != nil {
		return nil, err
	}
	m, err := s.migrationOf(ctx, r)
	if errors.Is(err, db.ErrNotFound) {
		return nil, api.NotFound("Migration %s not found for instance %s", oneLine(r.Param("migration_id"), 60), r.Param("server_id"))
	}
	if err != nil {
		return nil, err
	}
	allowed := []string{migrationRunning}
	if r.Version.AtLeast(vAbortQueued) {
		allowed = append(allowed, migrationQueued, migrationLivePreparing)
	}
	err = s.db.Write(ctx, func(tx *db.Tx) error {
		now, err := findMigration(tx, m.ID)
		if err != nil {
			return err
		}
		if now.Kind != migrationLive || !slices.Contains(allowed, now.Status) {
			return wrongMigrationState(now, "abort live migration")
		}
		if err := s.changeMigration(tx, m.ID, func(m *migration) { m.Detail.Live.Abort = true }); err != nil {
			return err
		}
		if err := s.engine.SignalResource(tx, m.ServerID); err != nil {
			return err
		}
		row, err := findServer(tx, m.ServerID)
		if err != nil {
			return err
		}
		return s.recordAdmitted(tx, r, row, "", "live_migration.abort.start")
	})
	return nil, err
}

// serverMigrationAction answers POST /servers/{id}/migrations/{migration_id}/action, of which there is force_complete alone: the guest
// stands still until everything has gone over.
func (s *Service) serverMigrationAction(ctx context.Context, r *api.Request) (any, error) {
	if err := s.migratingServer(ctx, r, "force_complete"); err != nil {
		return nil, err
	}
	m, err := s.migrationOf(ctx, r)
	switch {
	case errors.Is(err, db.ErrNotFound):
		return nil, api.BadRequest("Migration %s not found for instance %s", oneLine(r.Param("migration_id"), 60), r.Param("server_id"))
	case err != nil:
		return nil, err
	case m.Kind != migrationLive || m.Status != migrationRunning:
		return nil, wrongMigrationState(m, "force complete")
	}
	question, err := json.Marshal(orders.HastenQuestion{ServerID: m.ServerID})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	_, err = s.deps.Bus.Call(ctx, orders.Topic(m.SourceHost), orders.QuestionHasten, question)
	switch {
	case err == nil, err != nil && strings.Contains(err.Error(), orders.ErrNoMigration): // it has come to its end meanwhile, or is about to
	case errors.Is(err, bus.ErrNobody), errors.Is(err, context.DeadlineExceeded):
		return nil, api.Conflict("The host of instance %s does not answer.", m.ServerID).Because(err)
	default:
		return nil, api.Unavailable("The migration cannot be forced to complete now.").Because(err)
	}
	return nil, s.db.Write(ctx, func(tx *db.Tx) error {
		row, err := findServer(tx, m.ServerID)
		if err != nil {
			return fmt.Errorf("read server %s: %w", m.ServerID, err)
		}
		return s.recordAdmitted(tx, r, row, "", "live_migration.force_complete")
	})
}
