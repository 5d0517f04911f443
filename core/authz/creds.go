package authz

import (
	"virga/core/token"
)

// Creds is the caller, as rules see it. An empty string means that the caller does not have the attribute.
type Creds struct {
	UserID          string
	UserDomainID    string
	ProjectID       string
	ProjectDomainID string
	DomainID        string
	// SystemScope is "all" for a system-scoped token.
	SystemScope string
	Roles       []string

	// IsAdmin is what a service found out by its own rule, usually context_is_admin.
	IsAdmin        bool
	IsAdminProject bool

	ServiceUserID          string
	ServiceUserDomainID    string
	ServiceProjectID       string
	ServiceProjectDomainID string
	ServiceRoles           []string

	// Token is what the attributes that begin with "token." are read from; nil leaves them unset.
	Token *token.Identity
	// Extra holds attributes that a service adds: scalars, lists, or maps of those.
	Extra map[string]any
}

// systemAll is the only system scope that the field knows.
const systemAll = "all"

// CredsOf describes the identity to the rules; it is made once for a request. A nil identity gives empty credentials.
func CredsOf(id *token.Identity) *Creds {
	if id == nil {
		return &Creds{}
	}
	creds := &Creds{
		UserID:          id.UserID,
		UserDomainID:    id.UserDomain.ID,
		ProjectID:       id.Project.ID,
		ProjectDomainID: id.Project.DomainID,
		DomainID:        id.Domain.ID,
		Roles:           id.RoleNames(),
		IsAdminProject:  true,
		Token:           id,
	}
	if id.System {
		creds.SystemScope = systemAll
	}
	if service := id.Service; service != nil {
		creds.ServiceUserID = service.UserID
		creds.ServiceUserDomainID = service.UserDomain.ID
		creds.ServiceProjectID = service.Project.ID
		creds.ServiceProjectDomainID = service.Project.DomainID
		creds.ServiceRoles = service.RoleNames()
	}
	return creds
}

// scope names the scope for the comparison with a rule's scope types; as in oslo.policy a token without any scope counts
// as one of a project.
func (c *Creds) scope() string {
	switch {
	case c.SystemScope != "":
		return string(token.ScopeSystem)
	case c.DomainID != "":
		return string(token.ScopeDomain)
	}
	return string(token.ScopeProject)
}
