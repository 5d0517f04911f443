package identity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"virga/core/api"
	"virga/core/db"
)

const (
	// maxDepth is how many levels of projects there may be, the domain counted, as in keystone.
	maxDepth = 5
	// maxTags is how many tags a project may have, as in keystone.
	maxTags = 80
)

func projectListing() listing {
	return listing{table: "projects", sorts: []string{"name", "id"}, filters: map[string]filter{
		"name": {"name", filterText}, "domain_id": {"domain_id", filterExact}, "parent_id": {"parent_id", filterExact},
		"enabled": {"enabled", filterFlag}, "is_domain": {"is_domain", filterFlag}, "description": {"description", filterText},
	}}
}

// projectList answers GET /v3/projects.
func (s *Service) projectList(ctx context.Context, r *api.Request) (any, error) {
	list, err := projectListing().query(r)
	if err != nil {
		return nil, err
	}
	if !r.Query.Has("is_domain") {
		list.Where("is_domain = 0")
	}
	confine(r, list, "domain_id")
	tagConditions(list, r)
	var answer any
	err = s.deps.DB.Read(ctx, func(tx *db.Tx) error {
		rows, next, err := readPage(tx, list, func(row projectRow) string { return row.ID })
		if err != nil {
			return err
		}
		views, err := s.viewProjects(tx, r, rows)
		answer = collection(r, "projects", views, next)
		return err
	})
	return answer, err
}

// projectShow answers GET /v3/projects/{project_id}.
func (s *Service) projectShow(ctx context.Context, r *api.Request) (any, error) {
	row, err := the[projectRow](r)
	if err != nil {
		return nil, err
	}
	return s.showProject(ctx, r, row)
}

func (s *Service) showProject(ctx context.Context, r *api.Request, row projectRow) (any, error) {
	var text json.RawMessage
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) error {
		tags, err := tagsOf(tx, []string{row.ID})
		if err != nil {
			return err
		}
		view := viewProject(r, row, tags[row.ID])
		if r.HTTP.Method == "GET" {
			if err := s.relatives(tx, r, row, &view); err != nil {
				return err
			}
		}
		text, err = withExtra(view, row.Extra)
		return err
	})
	return map[string]any{"project": text}, err
}

// projectCreate answers POST /v3/projects.
func (s *Service) projectCreate(ctx context.Context, r *api.Request) (any, error) {
	var body projectBody
	extra, err := decodeResource(r, "project", &body)
	if err != nil {
		return nil, err
	}
	if extra, err = mergeExtra(nil, extra); err != nil {
		return nil, err
	}
	row := projectRow{
		ID: s.newID(), Name: strings.TrimSpace(body.Name.Value), ParentID: body.ParentID.Value, IsDomain: body.IsDomain.Value,
		Enabled: flag(body.Enabled, true), Description: body.Description.Value, Options: body.Options.Value, Extra: extra,
	}
	if !row.IsDomain {
		row.DomainID = s.domainFor(r, body.DomainID.Value)
	}
	if err := r.May("identity:create_project", targetOf("project", projectAttributes(row))); err != nil {
		return nil, err
	}
	if row.IsDomain {
		// A project that acts as a domain is a domain, and only who may create those may create it.
		if err := r.May("identity:create_domain", nil); err != nil {
			return nil, err
		}
	}
	if err := s.saveNewProject(ctx, r, row, body.Tags.Value); err != nil {
		return nil, err
	}
	if row.ParentID == "" {
		row.ParentID = row.DomainID
	}
	return s.showProject(ctx, r, row)
}

func (s *Service) saveNewProject(ctx context.Context, r *api.Request, row projectRow, tags []string) error {
	err := s.change(ctx, r, func(c *change) error {
		row := row
		if err := placeProject(c.Tx, &row); err != nil {
			return err
		}
		if err := insertProject(c, row); err != nil {
			return err
		}
		c.forgetProject(row.ID)
		return replaceTags(c, row.ID, distinct(tags))
	})
	if errors.Is(err, db.ErrDuplicate) {
		return duplicateProject(row)
	}
	return err
}

func duplicateProject(row projectRow) error {
	if row.IsDomain {
		return conflict("project", "it is not permitted to have two projects acting as domains with the same name: "+row.Name)
	}
	return conflict("project", fmt.Sprintf("it is not permitted to have two projects with either the same name or same id in the same domain: name is %s, project id %s",
		row.Name, row.ID))
}

// placeProject finds the parent of a new project and checks that it may have children.
func placeProject(tx *db.Tx, row *projectRow) error {
	if row.IsDomain {
		if row.ParentID != "" {
			return api.BadRequest("only root projects are allowed to act as domains.")
		}
		return nil
	}
	if _, err := domainByID(tx, row.DomainID); err != nil {
		return orBadRequest(err, notFound("domain", row.DomainID))
	}
	if row.ParentID == "" {
		row.ParentID = row.DomainID
	}
	parent, err := projectByID(tx, row.ParentID)
	if err != nil {
		return orBadRequest(err, notFound("project", row.ParentID))
	}
	if parent.owner() != row.DomainID {
		return api.BadRequest("Cannot create project, since it specifies its domain_id %s, but specifies a parent in a different domain (%s).",
			row.DomainID, parent.owner())
	}
	above, err := parentsOf(tx, parent)
	if err != nil {
		return err
	}
	if !parent.IsDomain {
		above = append([]projectRow{parent}, above...)
	}
	for _, one := range append(above, parent) {
		if !one.Enabled {
			return api.BadRequest("cannot create a project in a branch containing a disabled project: %s", one.ID)
		}
	}
	if len(above)+2 > maxDepth {
		return api.Forbidden("Max hierarchy depth reached for %s branch.", row.ParentID)
	}
	return nil
}

// orBadRequest answers 400 with the words of a 404 when err says that a row is missing.
func orBadRequest(err error, missing *api.Error) error {
	if errors.Is(err, db.ErrNotFound) {
		return api.BadRequest("%s", missing.Message)
	}
	return err
}

// projectUpdate answers PATCH /v3/projects/{project_id}.
func (s *Service) projectUpdate(ctx context.Context, r *api.Request) (any, error) {
	row, err := the[projectRow](r)
	if err != nil {
		return nil, err
	}
	var body projectBody
	extra, err := decodeResource(r, "project", &body)
	if err != nil {
		return nil, err
	}
	row, err = s.saveProject(ctx, r, row.ID, body, extra)
	if err != nil {
		return nil, err
	}
	return s.showProject(ctx, r, row)
}

// saveProject changes a project or a domain by what a body says.
func (s *Service) saveProject(ctx context.Context, r *api.Request, id string, body projectBody, extra map[string]any) (projectRow, error) {
	var row projectRow
	err := s.change(ctx, r, func(c *change) (err error) {
		if row, err = projectByID(c.Tx, id); err != nil {
			return err
		}
		was := row
		if err := applyProject(c.Tx, &row, body); err != nil {
			return err
		}
		if row.Extra, err = mergeExtra(nonNil(row.Extra), extra); err != nil {
			return err
		}
		if err := updateProject(c, row); err != nil {
			return err
		}
		if body.Tags.Set {
			if err := replaceTags(c, id, distinct(body.Tags.Value)); err != nil {
				return err
			}
		}
		if was.IsDomain {
			c.forgetAll()
		}
		c.forgetProject(id)
		return nil
	})
	switch {
	case errors.Is(err, db.ErrNotFound):
		return row, notFound("project", id)
	case errors.Is(err, db.ErrDuplicate):
		return row, duplicateProject(row)
	}
	return row, err
}

func applyProject(tx *db.Tx, row *projectRow, body projectBody) error {
	switch {
	case body.ParentID.Set && body.ParentID.Value != row.ParentID:
		return api.Forbidden("Update of `parent_id` is not allowed.")
	case body.IsDomain.Set && body.IsDomain.Value != row.IsDomain:
		return api.BadRequest("Update of `is_domain` is not allowed.")
	case body.DomainID.Set && body.DomainID.Value != row.DomainID:
		return api.BadRequest("Cannot change Domain ID")
	}
	if err := checkMutable(row.Options, body.Options, "project", row.ID); err != nil {
		return err
	}
	enabled := flag(body.Enabled, row.Enabled)
	if enabled != row.Enabled && !row.IsDomain {
		if err := checkSwitch(tx, *row, enabled); err != nil {
			return err
		}
	}
	row.Enabled = enabled
	row.Name = strings.TrimSpace(body.Name.or(row.Name))
	row.Description = body.Description.or(row.Description)
	row.Options = mergeOptions(row.Options, body.Options)
	return nil
}

// checkSwitch keeps the tree consistent: what is below a disabled project is disabled.
func checkSwitch(tx *db.Tx, row projectRow, enable bool) error {
	if enable {
		parents, err := parentsOf(tx, row)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(parents, func(p projectRow) bool { return !p.Enabled }) {
			return api.Forbidden("Cannot enable project %s since it has disabled parents", row.ID)
		}
		return nil
	}
	below, err := subtreeOf(tx, row.ID)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(below, func(p projectRow) bool { return p.Enabled }) {
		return api.Forbidden("Cannot disable project %s since its subtree contains enabled projects.", row.ID)
	}
	return nil
}

// projectDelete answers DELETE /v3/projects/{project_id}.
func (s *Service) projectDelete(ctx context.Context, r *api.Request) (any, error) {
	row, err := the[projectRow](r)
	if err != nil {
		return nil, err
	}
	if row.IsDomain {
		if err := r.May("identity:delete_domain", targetOf("domain", map[string]any{"id": row.ID})); err != nil {
			return nil, err
		}
		return nil, s.deleteDomain(ctx, r, row.ID)
	}
	return nil, s.change(ctx, r, func(c *change) error {
		row, err := projectByID(c.Tx, row.ID)
		if err != nil {
			return orMissing(err, "project", r.Param("project_id"))
		}
		if err := checkMutable(row.Options, optional[map[string]any]{}, "project", row.ID); err != nil {
			return err
		}
		below, err := childrenOf(c.Tx, []string{row.ID})
		if err != nil {
			return err
		}
		if len(below) > 0 {
			return api.Forbidden("Cannot delete the project %s since it is not a leaf in the hierarchy. Use the cascade option if you want to delete a whole subtree.", row.ID)
		}
		c.forgetProject(row.ID)
		return removeProjects(c, []projectRow{row})
	})
}

// orMissing answers 404 when err says that a row is missing.
func orMissing(err error, kind, id string) error {
	if errors.Is(err, db.ErrNotFound) {
		return notFound(kind, id)
	}
	return err
}

// domainFor is the domain of a new resource: as given, or that of the caller's scope.
func (s *Service) domainFor(r *api.Request, given string) string {
	switch {
	case given != "":
		return given
	case r.Identity.Domain.ID != "":
		return r.Identity.Domain.ID
	case r.Identity.Project.DomainID != "":
		return r.Identity.Project.DomainID
	}
	return defaultDomainID
}

// checkMutable refuses changes of resources with the option immutable, but for one that
// takes the option away.
func checkMutable(stored map[string]any, given optional[map[string]any], kind, id string) error {
	immutable, _ := stored["immutable"].(bool)
	if !immutable {
		return nil
	}
	if wish, named := given.Value["immutable"]; named && wish != true {
		return nil
	}
	return api.Forbidden("Unable to change immutable %s resource: `%s. Set resource option \"immutable\" to false first.", kind, id)
}

// mergeOptions sets the options that are given; null takes one away.
func mergeOptions(stored map[string]any, given optional[map[string]any]) map[string]any {
	if !given.Set {
		return stored
	}
	merged := map[string]any{}
	for name, value := range stored {
		merged[name] = value
	}
	for name, value := range given.Value {
		if value == nil {
			delete(merged, name)
		} else {
			merged[name] = value
		}
	}
	return merged
}

// distinct drops repeated words, keeping the order.
func distinct(words []string) []string {
	var once []string
	for _, word := range words {
		if !slices.Contains(once, word) {
			once = append(once, word)
		}
	}
	return once
}
