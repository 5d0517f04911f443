package identity

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"virga/core/api"
	"virga/core/db"
)

// endpointGroupBody is what clients say of a group of endpoints.
type endpointGroupBody struct {
	Name        optional[string]         `json:"name"`
	Description optional[string]         `json:"description"`
	Filters     optional[map[string]any] `json:"filters"`
}

type endpointGroupView struct {
	ID          string            `json:"id"`
	Name        string            `json:"name"`
	Description *string           `json:"description"`
	Filters     map[string]any    `json:"filters"`
	Links       map[string]string `json:"links"`
}

func viewEndpointGroup(r *api.Request, row endpointGroupRow) (json.RawMessage, error) {
	filters := map[string]any{}
	for name, value := range row.Filters {
		filters[name] = value
		if name == "enabled" {
			filters[name] = value == "True"
		}
	}
	return json.Marshal(endpointGroupView{row.ID, row.Name, nullable(row.Description), filters,
		selfLink(r, "OS-EP-FILTER", "endpoint_groups", row.ID)})
}

func (s *Service) loadEndpointGroup() api.Loader {
	return loader(s, "endpoint_group", endpointGroupByID, noTarget[endpointGroupRow])
}

// endpointGroupList answers GET /v3/OS-EP-FILTER/endpoint_groups.
func (s *Service) endpointGroupList(ctx context.Context, r *api.Request) (any, error) {
	shape := listing{table: "endpoint_groups", sorts: []string{"id", "name"}, filters: map[string]filter{"name": {"name", filterText}}}
	list, err := shape.query(r)
	if err != nil {
		return nil, err
	}
	return listOf(ctx, s, r, "endpoint_groups", list, func(row endpointGroupRow) string { return row.ID }, viewEndpointGroup)
}

func showEndpointGroup(r *api.Request, row endpointGroupRow) (any, error) {
	view, err := viewEndpointGroup(r, row)
	return map[string]any{"endpoint_group": view}, err
}

// endpointGroupShow answers GET /v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}.
func (s *Service) endpointGroupShow(_ context.Context, r *api.Request) (any, error) {
	row, err := the[endpointGroupRow](r)
	if err != nil {
		return nil, err
	}
	return showEndpointGroup(r, row)
}

// endpointGroupCreate answers POST /v3/OS-EP-FILTER/endpoint_groups.
func (s *Service) endpointGroupCreate(ctx context.Context, r *api.Request) (any, error) {
	row := endpointGroupRow{ID: s.newID()}
	if err := s.readEndpointGroup(r, &row); err != nil {
		return nil, err
	}
	if err := s.change(ctx, r, func(c *change) error {
		if err := c.Insert("endpoint_groups", row); err != nil {
			return err
		}
		return c.record("endpoint_group", "create", row.ID, nil, row)
	}); err != nil {
		return nil, err
	}
	return showEndpointGroup(r, row)
}

// endpointGroupUpdate answers PATCH /v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}.
func (s *Service) endpointGroupUpdate(ctx context.Context, r *api.Request) (any, error) {
	found, err := the[endpointGroupRow](r)
	if err != nil {
		return nil, err
	}
	var row endpointGroupRow
	if err := s.change(ctx, r, func(c *change) error {
		before, err := endpointGroupByID(c.Tx, found.ID)
		if err != nil {
			return orMissing(err, "endpoint_group", found.ID)
		}
		row = before
		if err := s.readEndpointGroup(r, &row); err != nil {
			return err
		}
		if err := c.Update("endpoint_groups", row, "id"); err != nil {
			return err
		}
		c.forgetCatalog()
		return c.record("endpoint_group", "update", row.ID, before, row)
	}); err != nil {
		return nil, err
	}
	return showEndpointGroup(r, row)
}

// readEndpointGroup takes what the body says of a group.
func (s *Service) readEndpointGroup(r *api.Request, row *endpointGroupRow) error {
	var body endpointGroupBody
	if _, err := decodeResource(r, "endpoint_group", &body); err != nil {
		return err
	}
	row.Name, row.Description = body.Name.or(row.Name), body.Description.or(row.Description)
	if !body.Filters.Set {
		return nil
	}
	row.Filters = map[string]string{}
	for name, value := range body.Filters.Value {
		switch value := value.(type) {
		case string:
			row.Filters[name] = value
		case bool:
			row.Filters[name] = map[bool]string{true: "True", false: "False"}[value]
		}
	}
	return nil
}

// endpointGroupDelete answers DELETE /v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}.
func (s *Service) endpointGroupDelete(ctx context.Context, r *api.Request) (any, error) {
	row, err := the[endpointGroupRow](r)
	if err != nil {
		return nil, err
	}
	return nil, s.change(ctx, r, func(c *change) error { return removeEndpointGroup(c, row) })
}

// endpointGroupEndpoints answers GET /v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/endpoints.
func (s *Service) endpointGroupEndpoints(ctx context.Context, r *api.Request) (any, error) {
	group, err := the[endpointGroupRow](r)
	if err != nil {
		return nil, err
	}
	var rows, members []endpointRow
	if err := s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
		rows, err = allEndpoints(tx)
		return err
	}); err != nil {
		return nil, err
	}
	for _, row := range rows {
		if group.has(row) {
			members = append(members, row)
		}
	}
	return bounded(r, "endpoints", members, viewEndpoint)
}

// endpointGroupProjects answers GET /v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/projects.
func (s *Service) endpointGroupProjects(ctx context.Context, r *api.Request) (any, error) {
	group, err := the[endpointGroupRow](r)
	if err != nil {
		return nil, err
	}
	return s.listProjects(ctx, r, func(tx *db.Tx) ([]projectRow, error) { return projectsOfGroup(tx, group.ID) })
}

// endpointProjects answers GET /v3/OS-EP-FILTER/endpoints/{endpoint_id}/projects.
func (s *Service) endpointProjects(ctx context.Context, r *api.Request) (any, error) {
	endpoint, err := the[endpointRow](r)
	if err != nil {
		return nil, err
	}
	return s.listProjects(ctx, r, func(tx *db.Tx) ([]projectRow, error) { return projectsOfEndpoint(tx, endpoint.ID) })
}

func (s *Service) listProjects(ctx context.Context, r *api.Request, read func(*db.Tx) ([]projectRow, error)) (answer any, err error) {
	err = s.deps.DB.Read(ctx, func(tx *db.Tx) error {
		rows, err := read(tx)
		if err == nil {
			answer, err = whole(tx, r, "projects", rows, false, s.viewProjects)
		}
		return err
	})
	return answer, err
}

// projectEndpointList answers GET /v3/OS-EP-FILTER/projects/{project_id}/endpoints.
func (s *Service) projectEndpointList(ctx context.Context, r *api.Request) (any, error) {
	project, err := the[projectRow](r)
	if err != nil {
		return nil, err
	}
	var rows []endpointRow
	if err := s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
		rows, err = endpointsOfProject(tx, project.ID)
		return err
	}); err != nil {
		return nil, err
	}
	return bounded(r, "endpoints", rows, viewEndpoint)
}

// projectEndpointGroupList answers GET /v3/OS-EP-FILTER/projects/{project_id}/endpoint_groups.
func (s *Service) projectEndpointGroupList(ctx context.Context, r *api.Request) (any, error) {
	project, err := the[projectRow](r)
	if err != nil {
		return nil, err
	}
	var rows []endpointGroupRow
	if err := s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
		rows, err = groupsOfProject(tx, project.ID)
		return err
	}); err != nil {
		return nil, err
	}
	return bounded(r, "endpoint_groups", rows, viewEndpointGroup)
}

// association is a project with what its catalogs are to show: an endpoint or a group.
type association struct {
	table, column, parameter, kind string
	exists                         func(*db.Tx, string) error
	row                            func(projectID, id string) any
}

func ofEndpoint() association {
	return association{"project_endpoints", "endpoint_id", "endpoint_id", "endpoint",
		func(tx *db.Tx, id string) error { _, err := endpointByID(tx, id); return err },
		func(projectID, id string) any { return projectEndpointRow{projectID, id} }}
}

func ofEndpointGroup() association {
	return association{"project_endpoint_groups", "endpoint_group_id", "endpoint_group_id", "endpoint_group",
		func(tx *db.Tx, id string) error { _, err := endpointGroupByID(tx, id); return err },
		func(projectID, id string) any { return projectGroupRow{projectID, id} }}
}

// associate answers PUT of an association.
func (s *Service) associate(a association) api.Handler {
	return func(ctx context.Context, r *api.Request) (any, error) {
		project, err := the[projectRow](r)
		if err != nil {
			return nil, err
		}
		id := r.Param(a.parameter)
		err = s.change(ctx, r, func(c *change) error {
			if err := a.exists(c.Tx, id); err != nil {
				return orMissing(err, a.kind, id)
			}
			there, err := associated(c.Tx, a.table, a.column, project.ID, id)
			if err != nil || there {
				return err
			}
			if err := c.Insert(a.table, a.row(project.ID, id)); err != nil {
				return err
			}
			c.forgetCatalog()
			return c.record("project_"+a.kind, "create", project.ID+"/"+id, nil, a.row(project.ID, id))
		})
		if errors.Is(err, db.ErrDuplicate) { // another request was as fast
			err = nil
		}
		return nil, err
	}
}

// associationShow answers GET of an association.
func (s *Service) associationShow(a association) api.Handler {
	return func(ctx context.Context, r *api.Request) (any, error) {
		project, err := the[projectRow](r)
		if err != nil {
			return nil, err
		}
		id, there := r.Param(a.parameter), false
		if err := s.deps.DB.Read(ctx, func(tx *db.Tx) error {
			there, err = associated(tx, a.table, a.column, project.ID, id)
			return err
		}); err != nil {
			return nil, err
		}
		if !there {
			return nil, api.NotFound("Endpoint %s not found in project %s", id, project.ID)
		}
		return &api.Response{Status: http.StatusNoContent}, nil
	}
}

// dissociate answers DELETE of an association.
func (s *Service) dissociate(a association) api.Handler {
	return func(ctx context.Context, r *api.Request) (any, error) {
		project, err := the[projectRow](r)
		if err != nil {
			return nil, err
		}
		id := r.Param(a.parameter)
		return nil, s.change(ctx, r, func(c *change) error {
			there, err := dissociate(c, a.table, a.column, project.ID, id)
			if err == nil && !there {
				err = api.NotFound("Endpoint %s not found in project %s", id, project.ID)
			}
			if err != nil {
				return err
			}
			return c.record("project_"+a.kind, "delete", project.ID+"/"+id, a.row(project.ID, id), nil)
		})
	}
}
