package identity

import (
	"context"
	"errors"

	"virga/core/api"
	"virga/core/authz"
	"virga/core/db"
)

// loaded is the resource that a path names, or the fact that there is none: policy is
// enforced in both cases, so that a caller who may not see resources cannot find out
// which of them exist.
type loaded[R any] struct {
	row     R
	target  authz.Target
	missing error
}

// PolicyTarget implements api.Target.
func (l loaded[R]) PolicyTarget() authz.Target { return l.target }

// the is the row that the request's loader found.
func the[R any](r *api.Request) (R, error) {
	found := api.Loaded[loaded[R]](r)
	return found.row, found.missing
}

// loader makes a Loader that reads a row by the path parameter that is named after its
// kind, "user_id" for a user.
func loader[R any](s *Service, kind string, read func(*db.Tx, string) (R, error), target func(R) authz.Target) api.Loader {
	return func(ctx context.Context, r *api.Request) (api.Target, error) {
		id := r.Param(kind + "_id")
		found := loaded[R]{target: authz.Target{}}
		err := s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
			found.row, err = read(tx, id)
			return err
		})
		switch {
		case errors.Is(err, db.ErrNotFound):
			found.missing = notFound(kind, id)
		case err != nil:
			return nil, err
		default:
			found.target = target(found.row)
		}
		return found, nil
	}
}

func targetOf(kind string, attributes map[string]any) authz.Target {
	return authz.Target{"target": map[string]any{kind: attributes}}
}

func projectAttributes(row projectRow) map[string]any {
	return map[string]any{"id": row.ID, "name": row.Name, "domain_id": orNil(row.DomainID)}
}

func userAttributes(row userRow) map[string]any {
	return map[string]any{"id": row.ID, "name": row.Name, "domain_id": row.DomainID}
}

func groupAttributes(row groupRow) map[string]any {
	return map[string]any{"id": row.ID, "name": row.Name, "domain_id": row.DomainID}
}

func roleAttributes(row roleRow) map[string]any {
	return map[string]any{"id": row.ID, "name": row.Name, "domain_id": orNil(row.DomainID)}
}

// orNil makes an empty id what policies call None.
func orNil(id string) any {
	if id == "" {
		return nil
	}
	return id
}

func (s *Service) loadDomain() api.Loader {
	return loader(s, "domain", domainByID, func(row projectRow) authz.Target {
		return targetOf("domain", map[string]any{"id": row.ID, "name": row.Name})
	})
}

func (s *Service) loadProject() api.Loader {
	return loader(s, "project", projectByID, func(row projectRow) authz.Target { return targetOf("project", projectAttributes(row)) })
}

func (s *Service) loadUser() api.Loader {
	return loader(s, "user", userByID, func(row userRow) authz.Target {
		target := targetOf("user", userAttributes(row))
		target["user_id"] = row.ID
		return target
	})
}

func (s *Service) loadGroup() api.Loader {
	return loader(s, "group", groupByID, func(row groupRow) authz.Target { return targetOf("group", groupAttributes(row)) })
}

func (s *Service) loadRole() api.Loader {
	return loader(s, "role", roleByID, func(row roleRow) authz.Target { return targetOf("role", roleAttributes(row)) })
}

// domainByID finds a domain; db.ErrNotFound for other projects too.
func domainByID(tx *db.Tx, id string) (projectRow, error) {
	row, err := projectByID(tx, id)
	if err == nil && !row.IsDomain {
		err = db.ErrNotFound
	}
	return row, err
}

// ownDomain has list rules see the domain of the caller's token: what such a caller gets
// is cut down to that domain.
func (s *Service) ownDomain(_ context.Context, r *api.Request) (api.Target, error) {
	id := r.Identity.Domain.ID
	if id == "" {
		return loaded[string]{target: authz.Target{}}, nil
	}
	inside := map[string]any{"domain_id": id, "id": id}
	return loaded[string]{row: id, target: authz.Target{"target": map[string]any{
		"domain_id": id, "project": inside, "user": inside, "group": inside, "domain": inside,
	}}}, nil
}

// confine cuts a list down to the domain of a domain-scoped token.
func confine(r *api.Request, list *db.List, column string) {
	if id := r.Identity.Domain.ID; id != "" {
		list.Where(column+" = ?", id)
	}
}
