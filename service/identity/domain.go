package identity

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"strings"

	"virga/core/api"
	"virga/core/db"
)

// explicitID is the form of an id that an administrator chooses for a domain.
var explicitID = regexp.MustCompile(`^[0-9a-f]{32}$`)

// domainList answers GET /v3/domains.
func (s *Service) domainList(ctx context.Context, r *api.Request) (any, error) {
	shape := listing{table: "projects", sorts: []string{"name", "id"}, filters: map[string]filter{
		"name": {"name", filterText}, "enabled": {"enabled", filterFlag},
	}}
	list, err := shape.query(r)
	if err != nil {
		return nil, err
	}
	list.Where("is_domain = 1")
	confine(r, list, "id")
	var answer any
	err = s.deps.DB.Read(ctx, func(tx *db.Tx) error {
		rows, next, err := readPage(tx, list, func(row projectRow) string { return row.ID })
		if err != nil {
			return err
		}
		views, err := s.viewDomains(tx, r, rows)
		answer = collection(r, "domains", views, next)
		return err
	})
	return answer, err
}

// domainShow answers GET /v3/domains/{domain_id}.
func (s *Service) domainShow(ctx context.Context, r *api.Request) (any, error) {
	row, err := the[projectRow](r)
	if err != nil {
		return nil, err
	}
	return s.showDomain(ctx, r, row)
}

func (s *Service) showDomain(ctx context.Context, r *api.Request, row projectRow) (any, error) {
	var views []json.RawMessage
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
		views, err = s.viewDomains(tx, r, []projectRow{row})
		return err
	})
	if err != nil {
		return nil, err
	}
	return map[string]any{"domain": views[0]}, nil
}

// domainCreate answers POST /v3/domains.
func (s *Service) domainCreate(ctx context.Context, r *api.Request) (any, error) {
	var body domainBody
	extra, err := decodeResource(r, "domain", &body)
	if err != nil {
		return nil, err
	}
	if extra, err = mergeExtra(nil, extra); err != nil {
		return nil, err
	}
	row := projectRow{
		ID: s.newID(), Name: strings.TrimSpace(body.Name.Value), IsDomain: true, Enabled: flag(body.Enabled, true),
		Description: body.Description.Value, Options: body.Options.Value, Extra: extra,
	}
	if body.ExplicitID.Set {
		if row.ID = body.ExplicitID.Value; !explicitID.MatchString(row.ID) {
			return nil, api.BadRequest("Domain ID does not conform to required UUID format.")
		}
	}
	if err := s.saveNewProject(ctx, r, row, body.Tags.Value); err != nil {
		if api.StatusOf(err) == 409 {
			return nil, duplicateName("domain", row.Name, "")
		}
		return nil, err
	}
	return s.showDomain(ctx, r, row)
}

// domainUpdate answers PATCH /v3/domains/{domain_id}.
func (s *Service) domainUpdate(ctx context.Context, r *api.Request) (any, error) {
	row, err := the[projectRow](r)
	if err != nil {
		return nil, err
	}
	var body domainBody
	extra, err := decodeResource(r, "domain", &body)
	if err != nil {
		return nil, err
	}
	row, err = s.saveProject(ctx, r, row.ID, projectBody{
		Name: body.Name, Description: body.Description, Enabled: body.Enabled, Tags: body.Tags, Options: body.Options,
	}, extra)
	if err != nil {
		return nil, err
	}
	return s.showDomain(ctx, r, row)
}

// domainDelete answers DELETE /v3/domains/{domain_id}.
func (s *Service) domainDelete(ctx context.Context, r *api.Request) (any, error) {
	row, err := the[projectRow](r)
	if err != nil {
		return nil, err
	}
	return nil, s.deleteDomain(ctx, r, row.ID)
}

// deleteDomain deletes a disabled domain with all that it owns.
func (s *Service) deleteDomain(ctx context.Context, r *api.Request, id string) error {
	return s.change(ctx, r, func(c *change) error {
		row, err := domainByID(c.Tx, id)
		if errors.Is(err, db.ErrNotFound) {
			return notFound("domain", id)
		}
		if err != nil {
			return err
		}
		if err := checkMutable(row.Options, optional[map[string]any]{}, "domain", id); err != nil {
			return err
		}
		if row.Enabled {
			return api.Forbidden("Cannot delete a domain that is enabled, please disable it first.")
		}
		return removeDomain(c, row)
	})
}

func removeDomain(c *change, row projectRow) error {
	users, err := idsInDomain(c.Tx, "users", row.ID)
	if err != nil {
		return err
	}
	if err := removeUsers(c, users); err != nil {
		return err
	}
	groups, err := idsInDomain(c.Tx, "identity_groups", row.ID)
	if err != nil {
		return err
	}
	if err := removeGroups(c, groups); err != nil {
		return err
	}
	roles, err := idsInDomain(c.Tx, "roles", row.ID)
	if err != nil {
		return err
	}
	for _, role := range roles {
		if err := removeRole(c, role); err != nil {
			return err
		}
	}
	below, err := subtreeOf(c.Tx, row.ID)
	if err != nil {
		return err
	}
	c.forgetAll()
	return removeProjects(c, append(below, row))
}
