package identity

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"virga/core/api"
	"virga/core/authz"
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
	if err := s.deps.DB.Read(ctx, func(tx *db.Tx) error {
		return tx.Select(&rows, "SELECT "+db.Columns(endpointRow{}, "")+" FROM endpoints ORDER BY id LIMIT ?", maxList)
	}); err != nil {
		return nil, err
	}
	for _, row := range rows {
		if group.has(row) {
			members = append(members, row)
		}
	}
	views, err := viewEach(r, members, viewEndpoint)
	return collection(r, "endpoints", views, ""), err
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
			answer, err = whole(tx, r, "projects", rows, s.viewProjects)
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
	views, err := viewEach(r, rows, viewEndpoint)
	return collection(r, "endpoints", views, ""), err
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
	views, err := viewEach(r, rows, viewEndpointGroup)
	return collection(r, "endpoint_groups", views, ""), err
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

// filterRoutes are the rows of what the catalogs of projects show.
func (s *Service) filterRoutes() []api.Route {
	group, project := "/v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}", "/v3/OS-EP-FILTER/projects/{project_id}"
	single, grouped := ofEndpoint(), ofEndpointGroup()
	return []api.Route{
		{Method: "GET", Path: "/v3/OS-EP-FILTER/endpoint_groups", Policy: "identity:list_endpoint_groups", Handle: s.endpointGroupList, Doc: "lists groups of endpoints"},
		{Method: "POST", Path: "/v3/OS-EP-FILTER/endpoint_groups", Policy: "identity:create_endpoint_group", Handle: s.endpointGroupCreate, Body: "endpoint_group_create", Status: http.StatusCreated, Doc: "creates a group of endpoints"},
		{Method: "GET", Path: group, Policy: "identity:get_endpoint_group", Load: s.loadEndpointGroup(), Handle: s.endpointGroupShow, Doc: "shows a group of endpoints"},
		{Method: "PATCH", Path: group, Policy: "identity:update_endpoint_group", Load: s.loadEndpointGroup(), Handle: s.endpointGroupUpdate, Body: "endpoint_group_update", Doc: "changes a group of endpoints"},
		{Method: "DELETE", Path: group, Policy: "identity:delete_endpoint_group", Load: s.loadEndpointGroup(), Handle: s.endpointGroupDelete, Doc: "deletes a group of endpoints"},
		{Method: "GET", Path: group + "/endpoints", Policy: "identity:list_endpoints_associated_with_endpoint_group", Load: s.loadEndpointGroup(), Handle: s.endpointGroupEndpoints, Doc: "lists the endpoints of a group"},
		{Method: "GET", Path: group + "/projects", Policy: "identity:list_projects_associated_with_endpoint_group", Load: s.loadEndpointGroup(), Handle: s.endpointGroupProjects, Doc: "lists the projects that see a group of endpoints"},
		{Method: "PUT", Path: group + "/projects/{project_id}", Policy: "identity:add_endpoint_group_to_project", Load: s.loadProject(), Handle: s.associate(grouped), Status: http.StatusNoContent, Doc: "has a project see a group of endpoints"},
		{Method: "GET", Path: group + "/projects/{project_id}", Policy: "identity:get_endpoint_group_in_project", Load: s.loadProject(), Handle: s.associationShow(grouped), Status: http.StatusNoContent, Doc: "checks whether a project sees a group of endpoints"},
		{Method: "DELETE", Path: group + "/projects/{project_id}", Policy: "identity:remove_endpoint_group_from_project", Load: s.loadProject(), Handle: s.dissociate(grouped), Doc: "has a project no longer see a group of endpoints"},
		{Method: "GET", Path: "/v3/OS-EP-FILTER/endpoints/{endpoint_id}/projects", Policy: "identity:list_projects_for_endpoint", Load: s.loadEndpoint(), Handle: s.endpointProjects, Doc: "lists the projects that see an endpoint"},
		{Method: "GET", Path: project + "/endpoints", Policy: "identity:list_endpoints_for_project", Load: s.loadProject(), Handle: s.projectEndpointList, Doc: "lists the endpoints that a project sees"},
		{Method: "PUT", Path: project + "/endpoints/{endpoint_id}", Policy: "identity:add_endpoint_to_project", Load: s.loadProject(), Handle: s.associate(single), Status: http.StatusNoContent, Doc: "has a project see an endpoint"},
		{Method: "GET", Path: project + "/endpoints/{endpoint_id}", Policy: "identity:check_endpoint_in_project", Load: s.loadProject(), Handle: s.associationShow(single), Status: http.StatusNoContent, Doc: "checks whether a project sees an endpoint"},
		{Method: "DELETE", Path: project + "/endpoints/{endpoint_id}", Policy: "identity:remove_endpoint_from_project", Load: s.loadProject(), Handle: s.dissociate(single), Doc: "has a project no longer see an endpoint"},
		{Method: "GET", Path: project + "/endpoint_groups", Policy: "identity:list_endpoint_groups_for_project", Load: s.loadProject(), Handle: s.projectEndpointGroupList, Doc: "lists the groups of endpoints that a project sees"},
	}
}

func filterRules() []authz.Rule {
	var all []authz.Rule
	for name, description := range map[string]string{
		"list_endpoint_groups": "List groups of endpoints.", "get_endpoint_group": "Show a group of endpoints.",
		"list_endpoints_associated_with_endpoint_group": "List the endpoints of a group.",
		"list_projects_associated_with_endpoint_group":  "List the projects that see a group of endpoints.",
		"get_endpoint_group_in_project":                 "Check whether a project sees a group of endpoints.",
		"list_projects_for_endpoint":                    "List the projects that see an endpoint.",
		"list_endpoints_for_project":                    "List the endpoints that a project sees.",
		"check_endpoint_in_project":                     "Check whether a project sees an endpoint.",
		"list_endpoint_groups_for_project":              "List the groups of endpoints that a project sees.",
	} {
		all = append(all, rule(name, adminReader, withoutDomain(), description))
	}
	for name, description := range map[string]string{
		"create_endpoint_group": "Create a group of endpoints.", "update_endpoint_group": "Change a group of endpoints.",
		"delete_endpoint_group":              "Delete a group of endpoints.",
		"add_endpoint_group_to_project":      "Have a project see a group of endpoints.",
		"remove_endpoint_group_from_project": "Have a project no longer see a group of endpoints.",
		"add_endpoint_to_project":            "Have a project see an endpoint.",
		"remove_endpoint_from_project":       "Have a project no longer see an endpoint.",
	} {
		all = append(all, rule(name, admin, withoutDomain(), description))
	}
	return all
}
