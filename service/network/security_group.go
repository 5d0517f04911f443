package network

import (
	"context"
	"errors"

	"virga/core/api"
	"virga/core/authz"
	"virga/core/db"
	"virga/core/feed"
)

// defaultGroup is the name of the group that ports are in when nothing else is said.
const defaultGroup = "default"

// securityGroup is a set of rules that ports refer to.
type securityGroup struct {
	standard
	Name string `db:"name"`
	// DefaultOf is the project whose default group this is; NULL for the others, so
	// that each project has at most one.
	DefaultOf string `db:"default_of,null"`

	Rules []*groupRule `db:"-"`
}

type loadedGroup struct {
	*securityGroup
	reach
}

// PolicyTarget implements api.Target.
func (l *loadedGroup) PolicyTarget() authz.Target { return owned(l.ProjectID) }

func (s *Service) groupCollection() *collection[*securityGroup] {
	return &collection[*securityGroup]{
		one: "security_group", many: "security_groups", table: "security_groups",
		filters:  standardFilters(map[string]filter{"name": byText("name")}),
		sorts:    standardSorts(map[string]string{"name": "name"}),
		visible:  func(l *db.List, project string) { l.Where("project_id = ?", project) },
		complete: completeGroups,
		show:     func(_ *api.Request, g *securityGroup) any { return showGroup(g) },
	}
}

func (s *Service) groupLoad(ctx context.Context, r *api.Request) (api.Target, error) {
	id := r.Param("id")
	var loaded *loadedGroup
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) error {
		g, err := getGroup(tx, id)
		if err != nil {
			return err
		}
		loaded = &loadedGroup{g, reach{seesAll(r) || g.ProjectID == r.ProjectID(), groupNotFound(id)}}
		if err := loadTags(tx, []*securityGroup{g}); err != nil {
			return err
		}
		return completeGroups(tx, []*securityGroup{g})
	})
	return loaded, err
}

// groupList lists groups; the caller's project gets its default group first, if it has none.
func (s *Service) groupList(ctx context.Context, r *api.Request) (any, error) {
	if project := r.ProjectID(); project != "" {
		err := s.deps.DB.Read(ctx, func(tx *db.Tx) error {
			_, err := defaultGroupOf(tx, project)
			return err
		})
		if errors.Is(err, db.ErrNotFound) {
			err = s.write(ctx, func(tx *db.Tx) error {
				_, err := s.ensureDefaultGroup(tx, project)
				return err
			})
		}
		if err != nil {
			return nil, err
		}
	}
	return list[securityGroup](ctx, s, r, s.groupCollection())
}

func (s *Service) groupShow(_ context.Context, r *api.Request) (any, error) {
	return shown(r, "security_group", showGroup(api.Loaded[*loadedGroup](r).securityGroup))
}

// ensureDefaultGroup returns the default group of a project and makes it, with its four
// rules, when it is needed for the first time. A project without id has none.
func (s *Service) ensureDefaultGroup(tx *db.Tx, project string) (string, error) {
	if project == "" {
		return "", nil
	}
	id, err := defaultGroupOf(tx, project)
	if !errors.Is(err, db.ErrNotFound) {
		return id, err
	}
	g := &securityGroup{standard: s.newStandard(project, bodyStandard{}), Name: defaultGroup, DefaultOf: project}
	g.Description = "Default security group"
	for _, ethertype := range []string{"IPv4", "IPv6"} {
		in := s.newGroupRule(g, "ingress", ethertype)
		in.RemoteGroupID = g.ID
		g.Rules = append(g.Rules, in, s.newGroupRule(g, "egress", ethertype))
	}
	if err := insertGroup(tx, g); err != nil {
		return "", err
	}
	return g.ID, s.record(tx, nil, feed.Change{Kind: "security_group", Action: "create", ID: g.ID, OwnerProjectID: g.ProjectID, After: showGroup(g)})
}

func (s *Service) groupCreate(ctx context.Context, r *api.Request) (any, error) {
	requests, bulk, err := bodies[groupBody](r, "security_group", "security_groups")
	if err != nil {
		return nil, err
	}
	rows := make([]*securityGroup, len(requests))
	for i := range requests {
		body := &requests[i]
		project, err := ownerOf(r, body.bodyStandard)
		if err != nil {
			return nil, err
		}
		if body.Name.Value == defaultGroup {
			return nil, conflict("SecurityGroupDefaultAlreadyExists", "Default security group already exists.")
		}
		g := &securityGroup{standard: s.newStandard(project, body.bodyStandard), Name: body.Name.Value}
		g.Rules = []*groupRule{s.newGroupRule(g, "egress", "IPv4"), s.newGroupRule(g, "egress", "IPv6")}
		rows[i] = g
	}
	err = s.write(ctx, func(tx *db.Tx) error {
		for _, g := range rows {
			if _, err := s.ensureDefaultGroup(tx, g.ProjectID); err != nil {
				return err
			}
		}
		if err := admitAll(s, tx, quotaGroup, rows); err != nil {
			return err
		}
		for _, g := range rows {
			if err := insertGroup(tx, g); err != nil {
				return err
			}
			if err := s.record(tx, r, feed.Change{Kind: "security_group", Action: "create", ID: g.ID, OwnerProjectID: g.ProjectID, After: showGroup(g)}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	views := make([]any, len(rows))
	for i, g := range rows {
		views[i] = showGroup(g)
	}
	return created("security_group", "security_groups", bulk, views), nil
}

func (s *Service) groupUpdate(ctx context.Context, r *api.Request) (any, error) {
	target := api.Loaded[*loadedGroup](r)
	body, err := single[groupBody](r, "security_group")
	if err != nil {
		return nil, err
	}
	var g *securityGroup
	err = s.write(ctx, func(tx *db.Tx) (err error) {
		before, err := groupDocument(tx, target.ID)
		if err != nil {
			return err
		}
		if g, err = getGroup(tx, target.ID); err != nil {
			return err
		}
		if err := checkRevision(r, &g.standard); err != nil {
			return err
		}
		if body.Name.Set && body.Name.Value != g.Name {
			if g.DefaultOf != "" {
				return conflict("SecurityGroupCannotUpdateDefault", "Updating default security group not allowed.")
			}
			if body.Name.Value == defaultGroup {
				return conflict("SecurityGroupDefaultAlreadyExists", "Default security group already exists.")
			}
		}
		body.Name.into(&g.Name)
		body.Description.into(&g.Description)
		s.touch(&g.standard)
		if err := tx.Update("security_groups", g, "id"); err != nil {
			return err
		}
		if err := loadTags(tx, []*securityGroup{g}); err != nil {
			return err
		}
		if err := completeGroups(tx, []*securityGroup{g}); err != nil {
			return err
		}
		return s.record(tx, r, feed.Change{Kind: "security_group", Action: "update", ID: g.ID, OwnerProjectID: g.ProjectID, Before: before, After: showGroup(g)})
	})
	if err != nil {
		return nil, err
	}
	return shown(r, "security_group", showGroup(g))
}

func (s *Service) groupDelete(ctx context.Context, r *api.Request) (any, error) {
	target := api.Loaded[*loadedGroup](r)
	return nil, s.write(ctx, func(tx *db.Tx) error {
		g, err := getGroup(tx, target.ID)
		if err != nil {
			return err
		}
		if err := checkRevision(r, &g.standard); err != nil {
			return err
		}
		if g.DefaultOf != "" && !r.Can("context_is_admin", nil) {
			return conflict("SecurityGroupCannotRemoveDefault", "Insufficient rights for removing default security group.")
		}
		used, err := groupUsed(tx, g.ID)
		if err != nil {
			return err
		}
		if used {
			return conflict("SecurityGroupInUse", "Security Group %s in use.", g.ID)
		}
		// Rules of other groups that name this one as their remote side go with it.
		referring, err := groupsReferringTo(tx, g.ID)
		if err != nil {
			return err
		}
		for _, id := range referring {
			if err := s.touchGroup(tx, id); err != nil {
				return err
			}
		}
		before, err := groupDocument(tx, g.ID)
		if err != nil {
			return err
		}
		if err := deleteGroup(tx, g.ID); err != nil {
			return err
		}
		return s.record(tx, r, feed.Change{Kind: "security_group", Action: "delete", ID: g.ID, OwnerProjectID: g.ProjectID, Before: before})
	})
}
