package identity

import (
	"slices"

	"virga/core/db"
)

// endpointGroupRow groups endpoints by what they share.
type endpointGroupRow struct {
	ID          string            `db:"id"`
	Name        string            `db:"name"`
	Description string            `db:"description"`
	Filters     map[string]string `db:"filters,json"`
}

// projectEndpointRow has the catalogs of a project show an endpoint.
type projectEndpointRow struct {
	ProjectID  string `db:"project_id"`
	EndpointID string `db:"endpoint_id"`
}

// projectGroupRow has the catalogs of a project show the endpoints of a group.
type projectGroupRow struct {
	ProjectID string `db:"project_id"`
	GroupID   string `db:"endpoint_group_id"`
}

func endpointGroupByID(tx *db.Tx, id string) (endpointGroupRow, error) {
	var row endpointGroupRow
	err := tx.Get(&row, "SELECT "+db.Columns(row, "")+" FROM endpoint_groups WHERE id = ?", id)
	return row, err
}

// has tells whether an endpoint is in the group.
func (g endpointGroupRow) has(e endpointRow) bool {
	for name, want := range g.Filters {
		got := map[string]string{"interface": e.Interface, "region_id": e.RegionID, "service_id": e.ServiceID, "enabled": "False"}[name]
		if name == "enabled" && e.Enabled {
			got = "True"
		}
		if got != want {
			return false
		}
	}
	return true
}

func removeEndpointGroup(c *change, row endpointGroupRow) error {
	if _, err := c.Exec("DELETE FROM project_endpoint_groups WHERE endpoint_group_id = ?", row.ID); err != nil {
		return err
	}
	if _, err := c.Exec("DELETE FROM endpoint_groups WHERE id = ?", row.ID); err != nil {
		return err
	}
	c.forgetCatalog()
	return c.record("endpoint_group", "delete", row.ID, row, nil)
}

// shownRows are all associations of projects with endpoints and groups of endpoints.
func shownRows(tx *db.Tx) (single []projectEndpointRow, grouped []projectGroupRow, err error) {
	if err := tx.Select(&single, "SELECT project_id, endpoint_id FROM project_endpoints"); err != nil {
		return nil, nil, err
	}
	err = tx.Select(&grouped, "SELECT project_id, endpoint_group_id FROM project_endpoint_groups")
	return single, grouped, err
}

// endpointsOfProject are those which the project is associated with, by itself or by groups.
func endpointsOfProject(tx *db.Tx, projectID string) ([]endpointRow, error) {
	all, err := allEndpoints(tx)
	if err != nil {
		return nil, err
	}
	shown, err := shownEndpoints(tx, all)
	return slices.DeleteFunc(all, func(e endpointRow) bool { return !shown[projectID][e.ID] }), err
}

// shownEndpoints are the ids of the endpoints that each project with associations sees.
func shownEndpoints(tx *db.Tx, all []endpointRow) (map[string]map[string]bool, error) {
	single, grouped, err := shownRows(tx)
	if err != nil {
		return nil, err
	}
	shown := map[string]map[string]bool{}
	show := func(projectID, endpointID string) {
		if shown[projectID] == nil {
			shown[projectID] = map[string]bool{}
		}
		shown[projectID][endpointID] = true
	}
	for _, row := range single {
		show(row.ProjectID, row.EndpointID)
	}
	groups := map[string]endpointGroupRow{}
	for _, row := range grouped {
		group, known := groups[row.GroupID]
		if !known {
			if group, err = endpointGroupByID(tx, row.GroupID); err != nil {
				return nil, err
			}
			groups[row.GroupID] = group
		}
		for _, e := range all {
			if group.has(e) {
				show(row.ProjectID, e.ID)
			}
		}
	}
	return shown, nil
}

func projectsOfEndpoint(tx *db.Tx, endpointID string) ([]projectRow, error) {
	var rows []projectRow
	err := tx.Select(&rows, "SELECT "+db.Columns(projectRow{}, "p.")+" FROM projects p JOIN project_endpoints e ON e.project_id = p.id"+
		" WHERE e.endpoint_id = ? ORDER BY p.id LIMIT ?", endpointID, maxList+1)
	return rows, err
}

func projectsOfGroup(tx *db.Tx, groupID string) ([]projectRow, error) {
	var rows []projectRow
	err := tx.Select(&rows, "SELECT "+db.Columns(projectRow{}, "p.")+" FROM projects p JOIN project_endpoint_groups g ON g.project_id = p.id"+
		" WHERE g.endpoint_group_id = ? ORDER BY p.id LIMIT ?", groupID, maxList+1)
	return rows, err
}

func groupsOfProject(tx *db.Tx, projectID string) ([]endpointGroupRow, error) {
	var rows []endpointGroupRow
	err := tx.Select(&rows, "SELECT "+db.Columns(endpointGroupRow{}, "e.")+" FROM endpoint_groups e JOIN project_endpoint_groups g"+
		" ON g.endpoint_group_id = e.id WHERE g.project_id = ? ORDER BY e.id LIMIT ?", projectID, maxList+1)
	return rows, err
}

// associated tells whether a row of one of the two tables of associations is there.
func associated(tx *db.Tx, table, column, projectID, id string) (bool, error) {
	var n int
	err := tx.Get(&n, "SELECT COUNT(*) FROM "+table+" WHERE project_id = ? AND "+column+" = ?", projectID, id)
	return n > 0, err
}

// dissociate deletes a row of one of the two tables; false when it was not there.
func dissociate(c *change, table, column, projectID, id string) (bool, error) {
	n, err := c.Exec("DELETE FROM "+table+" WHERE project_id = ? AND "+column+" = ?", projectID, id)
	c.forgetCatalog()
	return n > 0, err
}

// removeProjectFilters deletes what a project that goes is associated with.
func removeProjectFilters(c *change, projectID string) error {
	for _, table := range []string{"project_endpoints", "project_endpoint_groups"} {
		if _, err := c.Exec("DELETE FROM "+table+" WHERE project_id = ?", projectID); err != nil {
			return err
		}
	}
	c.forgetCatalog()
	return nil
}
