package identity

import (
	"context"

	"virga/core/api"
	"virga/core/authz"
	"virga/core/db"
)

// grant is the assignment that a path names.
type grant struct {
	assignmentRow
	role roleRow
	// owner is the domain of the target, empty for the system.
	owner string
}

// loadGrant finds the target, the actor and, where the path names one, the role of an
// assignment.
func (s *Service) loadGrant(targetType, actorType string, inherited bool) api.Loader {
	return func(ctx context.Context, r *api.Request) (api.Target, error) {
		found := loaded[grant]{row: grant{assignmentRow: assignmentRow{
			ActorType: actorType, ActorID: r.Param(actorType + "_id"), TargetType: targetType, TargetID: r.Param(targetType + "_id"),
			RoleID: r.Param("role_id"), Inherited: inherited,
		}}}
		if targetType == targetSystem {
			found.row.TargetID = systemID
		}
		attributes := map[string]any{}
		err := s.deps.DB.Read(ctx, func(tx *db.Tx) error { return found.row.resolve(tx, attributes) })
		if err != nil && api.StatusOf(err) != 404 {
			return nil, err
		}
		found.missing, found.target = err, authz.Target{"target": attributes}
		return found, nil
	}
}

// resolve reads what the grant is made of into it and into the attributes for policy.
func (g *grant) resolve(tx *db.Tx, attributes map[string]any) error {
	if err := g.resolveTarget(tx, attributes); err != nil {
		return err
	}
	if g.ActorType == actorUser {
		user, err := userByID(tx, g.ActorID)
		if err != nil {
			return orMissing(err, "user", g.ActorID)
		}
		attributes["user"] = userAttributes(user)
	} else {
		group, err := groupByID(tx, g.ActorID)
		if err != nil {
			return orMissing(err, "group", g.ActorID)
		}
		attributes["group"] = groupAttributes(group)
	}
	if g.RoleID == "" {
		return nil
	}
	var err error
	if g.role, err = roleByID(tx, g.RoleID); err != nil {
		return orMissing(err, "role", g.RoleID)
	}
	attributes["role"] = roleAttributes(g.role)
	return nil
}

func (g *grant) resolveTarget(tx *db.Tx, attributes map[string]any) error {
	switch g.TargetType {
	case targetProject:
		project, err := projectByID(tx, g.TargetID)
		if err != nil {
			return orMissing(err, "project", g.TargetID)
		}
		g.owner, attributes["project"] = project.owner(), projectAttributes(project)
	case targetDomain:
		domain, err := domainByID(tx, g.TargetID)
		if err != nil {
			return orMissing(err, "domain", g.TargetID)
		}
		g.owner, attributes["domain"] = domain.ID, map[string]any{"id": domain.ID}
	}
	return nil
}

func (g *grant) notFound() error {
	return api.NotFound("Could not find role assignment with role: %s, user or group: %s, project, domain, or system: %s.",
		g.RoleID, g.ActorID, g.TargetID)
}

// grantList answers GET …/roles.
func (s *Service) grantList(ctx context.Context, r *api.Request) (any, error) {
	found, err := the[grant](r)
	if err != nil {
		return nil, err
	}
	var rows []roleRow
	if err := s.deps.DB.Read(ctx, func(tx *db.Tx) error {
		rows, err = rolesGranted(tx, found.assignmentRow)
		return err
	}); err != nil {
		return nil, err
	}
	return bounded(r, "roles", rows, viewRole)
}

// grantShow answers GET and HEAD …/roles/{role_id}.
func (s *Service) grantShow(ctx context.Context, r *api.Request) (any, error) {
	found, err := the[grant](r)
	if err != nil {
		return nil, err
	}
	return nil, s.deps.DB.Read(ctx, func(tx *db.Tx) error {
		there, err := assignmentExists(tx, found.assignmentRow)
		if err == nil && !there {
			err = found.notFound()
		}
		return err
	})
}

// grantCreate answers PUT …/roles/{role_id}.
func (s *Service) grantCreate(ctx context.Context, r *api.Request) (any, error) {
	found, err := the[grant](r)
	if err != nil {
		return nil, err
	}
	return nil, s.change(ctx, r, func(c *change) error {
		// Once more in this transaction: what was deleted meanwhile must not get an assignment.
		if err := found.resolve(c.Tx, map[string]any{}); err != nil {
			return err
		}
		if found.role.DomainID != "" && found.role.DomainID != found.owner {
			return api.Forbidden("Project %s must be in the same domain as the role %s being assigned.", found.TargetID, found.RoleID)
		}
		return insertAssignment(c, found.assignmentRow)
	})
}

// grantDelete answers DELETE …/roles/{role_id}.
func (s *Service) grantDelete(ctx context.Context, r *api.Request) (any, error) {
	found, err := the[grant](r)
	if err != nil {
		return nil, err
	}
	return nil, s.change(ctx, r, func(c *change) error {
		there, err := removeAssignment(c, found.assignmentRow)
		if err == nil && !there {
			err = found.notFound()
		}
		return err
	})
}
