package identity

import (
	"context"
	"slices"

	"virga/core/api"
	"virga/core/authz"
	"virga/core/db"
)

// assignmentQuery is what a list of role assignments is asked for.
type assignmentQuery struct {
	user, group, role        string
	project, domain          string
	system                   bool
	inherited                *bool
	effective, names, wholly bool
	// confined is the domain of a domain-scoped token, which sees no other.
	confined string
}

// entry is an assignment in a list; via tells how an effective one came about.
type entry struct {
	assignmentRow
	viaGroup, viaTargetType, viaTarget, viaRole string
}

// roleAssignmentList answers GET /v3/role_assignments.
func (s *Service) roleAssignmentList(ctx context.Context, r *api.Request) (any, error) {
	q, err := readAssignmentQuery(r)
	if err != nil {
		return nil, err
	}
	var views []assignmentView
	truncated := false
	err = s.deps.DB.Read(ctx, func(tx *db.Tx) error {
		if q.wholly {
			project, err := projectByID(tx, q.project)
			if err != nil {
				return orMissing(err, "project", q.project)
			}
			if err := r.May("identity:list_role_assignments_for_tree", authz.Target{"target": map[string]any{
				"domain_id": project.owner(), "project": projectAttributes(project),
			}}); err != nil {
				return err
			}
		}
		entries, more, err := listEntries(tx, q)
		if err != nil {
			return err
		}
		truncated = more || len(entries) > maxList
		entries = entries[:min(len(entries), maxList)]
		names, err := s.namesFor(tx, entries, q)
		if err != nil {
			return err
		}
		views = viewEntries(r, entries, names)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return shortened(map[string]any{"role_assignments": views, "links": collectionLinks(r, "")}, truncated), nil
}

func readAssignmentQuery(r *api.Request) (assignmentQuery, error) {
	get := r.Query.Get
	q := assignmentQuery{
		user: get("user.id"), group: get("group.id"), role: get("role.id"), project: get("scope.project.id"), domain: get("scope.domain.id"),
		system: get("scope.system") != "", effective: asked(r, "effective"), names: asked(r, "include_names"), wholly: asked(r, "include_subtree"),
		confined: r.Identity.Domain.ID,
	}
	if r.Query.Has("scope.OS-INHERIT:inherited_to") {
		inherited := get("scope.OS-INHERIT:inherited_to") == "projects"
		q.inherited = &inherited
	}
	switch {
	case q.domain != "" && q.project != "":
		return q, api.BadRequest("Specify a domain or project, not both")
	case q.system && q.domain != "":
		return q, api.BadRequest("Specify system or domain, not both")
	case q.system && q.project != "":
		return q, api.BadRequest("Specify system or project, not both")
	case q.user != "" && q.group != "":
		return q, api.BadRequest("Specify a user or group, not both")
	case q.effective && q.group != "":
		return q, api.BadRequest("Combining effective and group filter will always result in an empty list.")
	case q.effective && q.inherited != nil && *q.inherited && q.domain != "":
		return q, api.BadRequest("Combining effective, domain and inherited filters will always result in an empty list.")
	case q.wholly && q.project == "":
		return q, api.BadRequest("scope.project.id must be specified if include_subtree is also specified")
	}
	return q, nil
}

// listEntries finds the assignments that a query asks for; more tells that there are others,
// which were not read.
func listEntries(tx *db.Tx, q assignmentQuery) (entries []entry, more bool, err error) {
	scope, err := scopeOf(tx, q)
	if err != nil {
		return nil, false, err
	}
	implied, err := implications(tx)
	if err != nil {
		return nil, false, err
	}
	rows, err := selectAssignments(tx, q, scope, implied)
	if err != nil {
		return nil, false, err
	}
	more = len(rows) > maxList || len(scope.projects) > maxList
	entries = make([]entry, len(rows))
	for i, row := range rows {
		entries[i] = entry{assignmentRow: row}
	}
	if !q.effective {
		return entries, more, nil
	}
	entries, more = trim(entries, more)
	if entries, err = expandGroups(tx, entries, q); err != nil {
		return nil, false, err
	}
	entries, more = trim(entries, more)
	if entries, err = expandInherited(tx, entries, scope); err != nil {
		return nil, false, err
	}
	entries, more = trim(entries, more)
	entries, err = expandImplied(tx, entries, q, implied)
	return entries, more, err
}

// trim cuts a list to what is shown at most, and tells whether it did or somebody else has.
func trim(entries []entry, more bool) ([]entry, bool) {
	return entries[:min(len(entries), maxList)], more || len(entries) > maxList
}

// withoutDomainRoles drops roles of domains, which count only for what they imply: no token
// shows them.
func withoutDomainRoles(tx *db.Tx, entries []entry) ([]entry, error) {
	var ids []string
	for _, e := range entries {
		ids = append(ids, e.RoleID)
	}
	roles, err := rolesByID(tx, distinct(ids))
	if err != nil {
		return nil, err
	}
	confined := map[string]bool{}
	for _, role := range roles {
		confined[role.ID] = role.DomainID != ""
	}
	return slices.DeleteFunc(entries, func(e entry) bool { return confined[e.RoleID] }), nil
}

// assignmentScope is the targets that a query is about.
type assignmentScope struct {
	// projects are those asked for; nil means no restriction.
	projects []string
	// above are the projects and the domain that the asked project inherits from.
	above []string
}

func scopeOf(tx *db.Tx, q assignmentQuery) (assignmentScope, error) {
	if q.project == "" {
		return assignmentScope{}, nil
	}
	scope := assignmentScope{projects: []string{q.project}}
	if q.wholly {
		below, err := subtreeOf(tx, q.project)
		if err != nil {
			return scope, err
		}
		scope.projects = append(scope.projects, projectIDs(below)...)
	}
	if !q.effective {
		return scope, nil
	}
	found, err := projectsByID(tx, []string{q.project})
	if err != nil || len(found) == 0 {
		return scope, err
	}
	parents, err := parentsOf(tx, found[0])
	scope.above = append(projectIDs(parents), found[0].owner())
	return scope, err
}

// expandGroups replaces what groups have by what their members have.
func expandGroups(tx *db.Tx, entries []entry, q assignmentQuery) ([]entry, error) {
	var groups []string
	for _, e := range entries {
		if e.ActorType == actorGroup {
			groups = append(groups, e.ActorID)
		}
	}
	members, err := membersOf(tx, distinct(groups))
	if err != nil {
		return nil, err
	}
	byGroup := map[string][]string{}
	for _, m := range members {
		if q.user == "" || q.user == m.UserID {
			byGroup[m.GroupID] = append(byGroup[m.GroupID], m.UserID)
		}
	}
	var expanded []entry
	for _, e := range entries {
		if e.ActorType == actorUser {
			expanded = append(expanded, e)
			continue
		}
		for _, user := range byGroup[e.ActorID] {
			one := e
			one.ActorType, one.ActorID, one.viaGroup = actorUser, user, e.ActorID
			expanded = append(expanded, one)
		}
		if len(expanded) > maxList {
			break
		}
	}
	return expanded, nil
}

// expandInherited replaces inherited assignments by those on the projects below.
func expandInherited(tx *db.Tx, entries []entry, scope assignmentScope) ([]entry, error) {
	below := map[string][]string{}
	var expanded []entry
	for _, e := range entries {
		if !e.Inherited {
			expanded = append(expanded, e)
			continue
		}
		projects, known := below[e.TargetID]
		if !known {
			rows, err := subtreeOf(tx, e.TargetID)
			if err != nil {
				return nil, err
			}
			projects = projectIDs(rows)
			below[e.TargetID] = projects
		}
		for _, project := range projects {
			if scope.projects != nil && !slices.Contains(scope.projects, project) {
				continue
			}
			one := e
			one.TargetType, one.TargetID, one.viaTargetType, one.viaTarget = targetProject, project, e.TargetType, e.TargetID
			expanded = append(expanded, one)
		}
		if len(expanded) > maxList {
			break
		}
	}
	return expanded, nil
}

// expandImplied adds the roles that are implied, drops those of domains, and cuts the list to the role asked for.
func expandImplied(tx *db.Tx, entries []entry, q assignmentQuery, implied []impliedRow) ([]entry, error) {
	type place struct{ actor, targetType, target, role string }
	seen := map[place]bool{}
	var expanded []entry
	for _, e := range entries {
		all, because := withImplied([]string{e.RoleID}, implied)
		for _, role := range all {
			one := e
			one.RoleID, one.viaRole = role, because[role]
			at := place{one.ActorID, one.TargetType, one.TargetID, role}
			if q.role != "" && q.role != role || seen[at] {
				continue
			}
			seen[at] = true
			expanded = append(expanded, one)
		}
		if len(expanded) > maxList {
			break
		}
	}
	return withoutDomainRoles(tx, expanded)
}
