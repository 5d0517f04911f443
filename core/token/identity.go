package token

import (
	"context"
	"slices"
	"time"
)

// Scope says what an identity's roles were granted on.
type Scope string

// The scopes a token can have; the words are those of oslo.policy's scope_types, unscoped apart.
const (
	ScopeUnscoped Scope = "unscoped"
	ScopeProject  Scope = "project"
	ScopeDomain   Scope = "domain"
	ScopeSystem   Scope = "system"
)

// Domain names a domain by id and name.
type Domain struct {
	ID   string
	Name string
}

// Project names a project together with the domain that owns it.
type Project struct {
	ID         string
	Name       string
	DomainID   string
	DomainName string
	// IsDomain is true for a project that acts as a domain.
	IsDomain bool
}

// Role names a role that the caller holds in its scope, implied ones included.
type Role struct {
	ID   string
	Name string
}

// Trust is the delegation that a trust-scoped token stands on; the zero value means none.
type Trust struct {
	ID            string
	TrustorID     string
	TrusteeID     string
	Impersonation bool
}

// AppCred is the application credential that a token was made with; the zero value means none.
type AppCred struct {
	ID   string
	Name string
	// Restricted is true when the token may not make or delete application credentials and trusts.
	Restricted bool
	// AccessRules, when not empty, lists the only requests that the token may make.
	AccessRules []AccessRule
}

// AccessToken is the OAuth1 access token that a token was made with; the zero value means none.
type AccessToken struct {
	ID         string
	ConsumerID string
}

// Identity is the validated caller of a request.
//
// It is shared by all requests that carry the same token and is never changed after it was made.
type Identity struct {
	UserID     string
	UserName   string
	UserDomain Domain
	// PasswordExpiresAt is when the user has to choose another password; zero for never.
	PasswordExpiresAt time.Time

	// Project, Domain and System: at most one of them is set.
	Project Project
	Domain  Domain
	System  bool

	Roles    []Role
	Methods  []string
	AuditIDs []string

	IssuedAt  time.Time
	ExpiresAt time.Time

	Trust       Trust
	AppCred     AppCred
	AccessToken AccessToken

	// Service is the identity of the service that speaks for the user (X-Service-Token), nil without one.
	Service *Identity
}

// Scope says what the identity is scoped to.
func (id *Identity) Scope() Scope {
	switch {
	case id.System:
		return ScopeSystem
	case id.Domain.ID != "":
		return ScopeDomain
	case id.Project.ID != "":
		return ScopeProject
	}
	return ScopeUnscoped
}

// RoleNames lists the names of the identity's roles.
func (id *Identity) RoleNames() []string {
	names := make([]string, len(id.Roles))
	for i, role := range id.Roles {
		names[i] = role.Name
	}
	return names
}

// HasRole tells whether the identity holds the role of exactly that name; policy decisions belong to core/authz.
func (id *Identity) HasRole(name string) bool {
	return slices.ContainsFunc(id.Roles, func(role Role) bool { return role.Name == name })
}

// Delegated tells whether the token stands on a trust, an application credential or an access token instead of the
// user's own roles.
func (id *Identity) Delegated() bool {
	return id.Trust.ID != "" || id.AppCred.ID != "" || id.AccessToken.ID != ""
}

// AuditID is the token's own audit id, empty when it has none.
func (id *Identity) AuditID() string {
	if len(id.AuditIDs) == 0 {
		return ""
	}
	return id.AuditIDs[0]
}

// AuditChainID is the audit id of the first token in the chain that this one was made from; revoking a chain names it.
func (id *Identity) AuditChainID() string {
	if len(id.AuditIDs) == 0 {
		return ""
	}
	return id.AuditIDs[len(id.AuditIDs)-1]
}

type identityKey struct{}

// WithIdentity returns a context that carries the identity.
func WithIdentity(ctx context.Context, id *Identity) context.Context {
	return context.WithValue(ctx, identityKey{}, id)
}

// IdentityFrom returns the identity that the context carries, and whether there is one.
func IdentityFrom(ctx context.Context) (*Identity, bool) {
	id, ok := ctx.Value(identityKey{}).(*Identity)
	return id, ok && id != nil
}
