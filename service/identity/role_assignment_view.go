package identity

import (
	"net/url"

	"virga/core/api"
	"virga/core/db"
)

// namedView names a resource, with its domain where names are asked for.
type namedView struct {
	ID     string      `json:"id"`
	Name   string      `json:"name,omitempty"`
	Domain *domainView `json:"domain,omitempty"`
}

type assignmentScopeView struct {
	Project     *namedView      `json:"project,omitempty"`
	Domain      *namedView      `json:"domain,omitempty"`
	System      map[string]bool `json:"system,omitempty"`
	InheritedTo string          `json:"OS-INHERIT:inherited_to,omitempty"`
}

type assignmentView struct {
	Role  namedView           `json:"role"`
	User  *namedView          `json:"user,omitempty"`
	Group *namedView          `json:"group,omitempty"`
	Scope assignmentScopeView `json:"scope"`
	Links map[string]string   `json:"links"`
}

// nameIndex maps ids to how they are shown with include_names.
type nameIndex map[string]namedView

func (n nameIndex) of(id string) namedView {
	if found, ok := n[id]; ok {
		return found
	}
	return namedView{ID: id}
}

// owned is a name with the domain that it belongs to, which may be empty.
type owned struct{ id, name, domain string }

// namesFor reads the names of all that the entries refer to, a query for each kind.
func (s *Service) namesFor(tx *db.Tx, entries []entry, q assignmentQuery) (nameIndex, error) {
	if !q.names {
		return nil, nil
	}
	all, err := ownedNames(tx, entries)
	if err != nil {
		return nil, err
	}
	var owners []string
	for _, one := range all {
		owners = append(owners, one.domain)
	}
	rows, err := projectsByID(tx, unique(owners))
	if err != nil {
		return nil, err
	}
	domains := map[string]*domainView{}
	for _, row := range rows {
		domains[row.ID] = &domainView{row.ID, row.Name}
	}
	found := nameIndex{}
	for _, one := range all {
		found[one.id] = namedView{one.id, one.name, domains[one.domain]}
	}
	return found, nil
}

func ownedNames(tx *db.Tx, entries []entry) ([]owned, error) {
	var actors, roles, targets []string
	for _, e := range entries {
		actors, roles, targets = append(actors, e.ActorID), append(roles, e.RoleID), append(targets, e.TargetID)
	}
	actors = unique(actors)
	var all []owned
	users, err := usersByID(tx, actors)
	for _, row := range users {
		all = append(all, owned{row.ID, row.Name, row.DomainID})
	}
	if err != nil {
		return nil, err
	}
	groups, err := groupsByID(tx, actors)
	for _, row := range groups {
		all = append(all, owned{row.ID, row.Name, row.DomainID})
	}
	if err != nil {
		return nil, err
	}
	roleRows, err := rolesByID(tx, unique(roles))
	for _, row := range roleRows {
		all = append(all, owned{row.ID, row.Name, row.DomainID})
	}
	if err != nil {
		return nil, err
	}
	projects, err := projectsByID(tx, unique(targets))
	for _, row := range projects {
		all = append(all, owned{row.ID, row.Name, row.DomainID})
	}
	return all, err
}

// unique drops repeated ids of long lists.
func unique(ids []string) []string {
	seen := make(map[string]bool, len(ids))
	var once []string
	for _, id := range ids {
		if !seen[id] {
			seen[id] = true
			once = append(once, id)
		}
	}
	return once
}

func viewEntries(r *api.Request, entries []entry, named nameIndex) []assignmentView {
	views := make([]assignmentView, len(entries))
	for i, e := range entries {
		views[i] = viewEntry(r, e, named)
	}
	return views
}

func viewEntry(r *api.Request, e entry, named nameIndex) assignmentView {
	view := assignmentView{Role: named.of(e.RoleID), Links: map[string]string{}}
	actor, target := named.of(e.ActorID), named.of(e.TargetID)
	if e.ActorType == actorUser {
		view.User = &actor
	} else {
		view.Group = &actor
	}
	switch e.TargetType {
	case targetProject:
		view.Scope.Project = &target
	case targetDomain:
		view.Scope.Domain = &target
	default:
		view.Scope.System = map[string]bool{"all": true}
	}
	path := linkTarget(e)
	if e.viaGroup != "" {
		view.Links["membership"] = r.URL("/v3/groups/" + e.viaGroup + "/users/" + e.ActorID)
		path += "/groups/" + e.viaGroup
	} else {
		path += "/" + e.ActorType + "s/" + e.ActorID
	}
	role := e.RoleID
	if e.viaRole != "" {
		role = e.viaRole
		view.Links["prior_role"] = r.URL("/v3/prior_role/" + e.viaRole + "/implies/" + e.RoleID)
	}
	path += "/roles/" + role
	if e.Inherited {
		view.Scope.InheritedTo = "projects"
		path = "/OS-INHERIT" + path + "/inherited_to_projects"
	}
	view.Links["assignment"] = r.URL("/v3" + path)
	return view
}

// linkTarget is the beginning of the path of the assignment from which an entry came.
func linkTarget(e entry) string {
	kind, id := e.TargetType, e.TargetID
	if e.viaTarget != "" {
		kind, id = e.viaTargetType, e.viaTarget
	}
	if kind == targetSystem {
		return "/system"
	}
	return "/" + kind + "s/" + url.PathEscape(id)
}
