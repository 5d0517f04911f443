package identity

import (
	"context"
	"encoding/json"
	"slices"

	"virga/core/api"
	"virga/core/db"
)

// authCatalog answers GET /v3/auth/catalog.
func (s *Service) authCatalog(ctx context.Context, r *api.Request) (any, error) {
	if r.Identity.Project.ID == "" {
		return nil, api.Forbidden("A project-scoped token is required to produce a service catalog.")
	}
	catalog, err := s.catalogFor(ctx, r.Identity)
	if err != nil {
		return nil, err
	}
	return struct {
		Catalog json.RawMessage `json:"catalog"`
		Links   linksView       `json:"links"`
	}{catalog, collectionLinks(r, "")}, nil
}

// authProjects answers GET /v3/auth/projects: the enabled projects that the caller may
// scope a token to.
func (s *Service) authProjects(ctx context.Context, r *api.Request) (any, error) {
	var answer any
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) error {
		rows, more, err := usableProjects(tx, r.Identity.UserID)
		if err != nil {
			return err
		}
		if r.Identity.AppCred.ID != "" || r.Identity.AccessToken.ID != "" {
			rows, more = slices.DeleteFunc(rows, func(row projectRow) bool { return row.ID != r.Identity.Project.ID }), false
		}
		answer, err = whole(tx, r, "projects", rows, more, s.viewProjects)
		return err
	})
	return answer, err
}

// usableProjects lists the projects on which a user has a role, where the project and
// its domain are enabled; more tells that there may be others.
func usableProjects(tx *db.Tx, userID string) (projects []projectRow, more bool, err error) {
	rows, more, err := projectsOfUser(tx, userID)
	if err != nil {
		return nil, false, err
	}
	var owners []string
	for _, row := range rows {
		if !slices.Contains(owners, row.owner()) {
			owners = append(owners, row.owner())
		}
	}
	domains, err := projectsByID(tx, owners)
	if err != nil {
		return nil, false, err
	}
	enabled := map[string]bool{}
	for _, domain := range domains {
		enabled[domain.ID] = domain.Enabled
	}
	return slices.DeleteFunc(rows, func(row projectRow) bool { return !row.Enabled || !enabled[row.owner()] }), more, nil
}

// authDomains answers GET /v3/auth/domains.
func (s *Service) authDomains(ctx context.Context, r *api.Request) (any, error) {
	var answer any
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) error {
		targets, more, err := targetsOf(tx, r.Identity.UserID, isDomain)
		if err != nil {
			return err
		}
		var ids []string
		for _, target := range targets {
			ids = append(ids, target.TargetID)
		}
		rows, err := projectsByID(tx, ids)
		if err != nil {
			return err
		}
		rows = slices.DeleteFunc(rows, func(row projectRow) bool { return !row.Enabled })
		answer, err = whole(tx, r, "domains", rows, more, s.viewDomains)
		return err
	})
	return answer, err
}

// authSystem answers GET /v3/auth/system.
func (s *Service) authSystem(ctx context.Context, r *api.Request) (any, error) {
	systems := []map[string]bool{}
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) error {
		roles, err := rolesOn(tx, r.Identity.UserID, targetSystem, systemID)
		if len(roles) > 0 {
			systems = append(systems, map[string]bool{"all": true})
		}
		return err
	})
	return map[string]any{"system": systems, "links": collectionLinks(r, "")}, err
}
