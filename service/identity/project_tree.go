package identity

import (
	"encoding/json"

	"virga/core/api"
	"virga/core/db"
)

// relatives adds the parents and the subtree of a project, as the query asks for.
func (s *Service) relatives(tx *db.Tx, r *api.Request, row projectRow, view *projectView) error {
	if r.Query.Has("parents_as_list") && r.Query.Has("parents_as_ids") {
		return api.BadRequest("Cannot use parents_as_list and parents_as_ids query params at the same time.")
	}
	if r.Query.Has("subtree_as_list") && r.Query.Has("subtree_as_ids") {
		return api.BadRequest("Cannot use subtree_as_list and subtree_as_ids query params at the same time.")
	}
	if asked(r, "parents_as_list") || asked(r, "parents_as_ids") {
		parents, err := parentsOf(tx, row)
		if err != nil {
			return err
		}
		if asked(r, "parents_as_ids") {
			view.Parents = nestParents(row, parents)
		} else if view.Parents, err = s.listRelatives(tx, r, parents); err != nil {
			return err
		}
	}
	if asked(r, "subtree_as_list") || asked(r, "subtree_as_ids") {
		below, err := subtreeOf(tx, row.ID)
		if err != nil {
			return err
		}
		if asked(r, "subtree_as_ids") {
			view.Subtree = nestSubtree(row.ID, below)
		} else if view.Subtree, err = s.listRelatives(tx, r, below); err != nil {
			return err
		}
	}
	return nil
}

// asked tells whether a flag of the query is set; a flag without a value is.
func asked(r *api.Request, name string) bool {
	value, given := r.Query[name]
	if !given {
		return false
	}
	set, ok := api.ParseBool(value[0])
	return set || !ok && value[0] == ""
}

// listRelatives shows those projects that the caller has a role on, each in an object of
// its own.
func (s *Service) listRelatives(tx *db.Tx, r *api.Request, rows []projectRow) ([]map[string]json.RawMessage, error) {
	mine, _, err := projectsOfUser(tx, r.UserID())
	if err != nil {
		return nil, err
	}
	allowed := map[string]bool{}
	for _, project := range mine {
		allowed[project.ID] = true
	}
	var visible []projectRow
	for _, row := range rows {
		if allowed[row.ID] {
			visible = append(visible, row)
		}
	}
	views, err := s.viewProjects(tx, r, visible)
	wrapped := make([]map[string]json.RawMessage, len(views))
	for i, view := range views {
		wrapped[i] = map[string]json.RawMessage{"project": view}
	}
	return wrapped, err
}

// nestParents nests the ids above a project: {parent: {grandparent: {domain: null}}}.
func nestParents(row projectRow, parents []projectRow) map[string]any {
	if row.IsDomain {
		return nil
	}
	nested := map[string]any{row.DomainID: nil}
	for i := len(parents) - 1; i >= 0; i-- {
		nested = map[string]any{parents[i].ID: nested}
	}
	return nested
}

// nestSubtree nests the ids below a project: {child: {grandchild: null}}.
func nestSubtree(id string, below []projectRow) map[string]any {
	children := map[string][]string{}
	for _, row := range below {
		children[row.ParentID] = append(children[row.ParentID], row.ID)
	}
	var nest func(string) map[string]any
	nest = func(id string) map[string]any {
		var nested map[string]any
		for _, child := range children[id] {
			if nested == nil {
				nested = map[string]any{}
			}
			if inner := nest(child); inner != nil {
				nested[child] = inner
			} else {
				nested[child] = nil
			}
		}
		return nested
	}
	return nest(id)
}
