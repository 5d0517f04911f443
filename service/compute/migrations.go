package compute

import (
	"context"
	"errors"
	"strconv"

	"virga/core/api"
	"virga/core/db"
)

// migrationView is a migration in os-migrations.
type migrationView struct {
	ID            int64   `json:"id"`
	UUID          string  `json:"uuid,omitempty"`
	SourceNode    *string `json:"source_node"`
	SourceHost    *string `json:"source_compute"`
	DestNode      *string `json:"dest_node"`
	DestHost      *string `json:"dest_compute"`
	DestIP        *string `json:"dest_host"`
	Status        string  `json:"status"`
	ServerID      string  `json:"instance_uuid"`
	OldFlavor     *int64  `json:"old_instance_type_id"`
	NewFlavor     *int64  `json:"new_instance_type_id"`
	CreatedAt     string  `json:"created_at"`
	UpdatedAt     *string `json:"updated_at"`
	MigrationType string  `json:"migration_type,omitempty"`
	UserID        string  `json:"user_id,omitempty"`
	ProjectID     string  `json:"project_id,omitempty"`
}

func viewMigration(r *api.Request, m *migration) migrationView {
	d := &m.Detail
	view := migrationView{ID: m.Num, SourceNode: orNull(d.SourceNode), SourceHost: orNull(m.SourceHost), DestNode: orNull(d.DestNode), DestHost: orNull(m.DestHost),
		DestIP: orNull(d.DestIP), Status: m.Status, ServerID: m.ServerID, OldFlavor: flavorNumber(d.Old.FlavorID), NewFlavor: flavorNumber(d.New.FlavorID),
		CreatedAt: microTime(m.CreatedAt), UpdatedAt: optionalMicroTime(m.UpdatedAt)}
	if r.Version.AtLeast(vMigrationKind) {
		view.MigrationType = m.Kind
	}
	if r.Version.AtLeast(vMigrationPaging) {
		view.UUID = m.ID
	}
	if r.Version.AtLeast(vMigrationOwner) {
		view.UserID, view.ProjectID = m.UserID, m.ProjectID
	}
	return view
}

// flavorNumber is a flavor's id where the API wants nova's internal number of it, which
// there is not here: ids that are numbers stand for themselves, others are null.
func flavorNumber(id string) *int64 {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return nil
	}
	return &n
}

const maxMigrations = 1000

// migrationFilters are the query parameters that must equal a column.
var migrationFilters = map[string]string{"status": "status", "instance_uuid": "server_id", "migration_type": "kind", "source_compute": "source_host"}

func readMigrationFilter(r *api.Request) (*migrationFilter, error) {
	f := &migrationFilter{limit: maxMigrations, equal: map[string]string{}, host: r.Query.Get("host"), newestFirst: r.Version.AtLeast(vMigrationPaging)}
	for name, column := range migrationFilters {
		if value := r.Query.Get(name); value != "" {
			f.equal[column] = value
		}
	}
	if r.Version.AtLeast(vMigrationOwner) {
		for _, name := range []string{"user_id", "project_id"} {
			if value := r.Query.Get(name); value != "" {
				f.equal[name] = value
			}
		}
	}
	if r.Version.Before(vMigrationPaging) {
		return f, nil
	}
	page, err := readPage(r, api.Paging{Max: maxMigrations})
	if err != nil {
		return nil, err
	}
	f.marker, f.limit = page.Marker, page.Limit
	f.since, f.before, err = readPeriod(r)
	return f, err
}

// migrationList answers GET /os-migrations.
func (s *Service) migrationList(ctx context.Context, r *api.Request) (any, error) {
	f, err := readMigrationFilter(r)
	if err != nil {
		return nil, err
	}
	if f.limit == 0 {
		return withLinks("migrations", []migrationView{}, nil), nil
	}
	var rows []migration
	err = s.db.Read(ctx, func(tx *db.Tx) (err error) {
		rows, err = listMigrations(tx, f)
		return err
	})
	if errors.Is(err, db.ErrMarker) {
		return nil, api.BadRequest("Marker %s could not be found.", oneLine(f.marker, 60))
	}
	if err != nil {
		return nil, err
	}
	views := make([]migrationView, len(rows))
	for i := range rows {
		views[i] = viewMigration(r, &rows[i])
	}
	var links []linkView
	if r.Version.AtLeast(vMigrationPaging) && len(rows) == f.limit {
		links = nextLinks(r, true, rows[len(rows)-1].ID)
	}
	return withLinks("migrations", views, links), nil
}
