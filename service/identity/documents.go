package identity

import (
	"time"
)

// The feed keeps resources in these forms, which have the names of the API. Hashes of
// passwords and secrets are in none of them.

type userDocument struct {
	ID               string         `json:"id"`
	Name             string         `json:"name"`
	DomainID         string         `json:"domain_id"`
	Enabled          bool           `json:"enabled"`
	DefaultProjectID string         `json:"default_project_id,omitempty"`
	Options          map[string]any `json:"options,omitempty"`
	Extra            map[string]any `json:"extra,omitempty"`
	// PasswordChanged tells that the change set another one.
	PasswordChanged bool `json:"credentials_changed,omitempty"`
}

func documentOfUser(row userRow) *userDocument {
	return &userDocument{ID: row.ID, Name: row.Name, DomainID: row.DomainID, Enabled: row.Enabled, DefaultProjectID: row.DefaultProjectID,
		Options: row.Options, Extra: row.Extra}
}

type groupDocument struct {
	ID          string         `json:"id"`
	Name        string         `json:"name"`
	DomainID    string         `json:"domain_id"`
	Description string         `json:"description"`
	Extra       map[string]any `json:"extra,omitempty"`
}

func documentOfGroup(row groupRow) *groupDocument {
	return &groupDocument{ID: row.ID, Name: row.Name, DomainID: row.DomainID, Description: row.Description, Extra: row.Extra}
}

type membershipDocument struct {
	GroupID string `json:"group_id"`
	UserID  string `json:"user_id"`
}

func documentOfMembership(row membershipRow) *membershipDocument {
	return &membershipDocument{GroupID: row.GroupID, UserID: row.UserID}
}

type projectDocument struct {
	ID          string         `json:"id"`
	Name        string         `json:"name"`
	DomainID    *string        `json:"domain_id"`
	ParentID    *string        `json:"parent_id"`
	IsDomain    bool           `json:"is_domain"`
	Enabled     bool           `json:"enabled"`
	Description string         `json:"description"`
	Tags        []string       `json:"tags"`
	Options     map[string]any `json:"options,omitempty"`
	Extra       map[string]any `json:"extra,omitempty"`
}

func documentOfProject(row projectRow, tags []string) *projectDocument {
	return &projectDocument{ID: row.ID, Name: row.Name, DomainID: nullable(row.DomainID), ParentID: nullable(row.ParentID), IsDomain: row.IsDomain,
		Enabled: row.Enabled, Description: row.Description, Tags: append([]string{}, tags...), Options: row.Options, Extra: row.Extra}
}

type roleDocument struct {
	ID          string         `json:"id"`
	Name        string         `json:"name"`
	DomainID    *string        `json:"domain_id"`
	Description *string        `json:"description"`
	Options     map[string]any `json:"options,omitempty"`
	Extra       map[string]any `json:"extra,omitempty"`
}

func documentOfRole(row roleRow) *roleDocument {
	return &roleDocument{ID: row.ID, Name: row.Name, DomainID: nullable(row.DomainID), Description: nullable(row.Description),
		Options: row.Options, Extra: row.Extra}
}

type implicationDocument struct {
	PriorID   string `json:"prior_role_id"`
	ImpliedID string `json:"implied_role_id"`
}

func documentOfImplication(row impliedRow) *implicationDocument {
	return &implicationDocument{PriorID: row.PriorID, ImpliedID: row.ImpliedID}
}

type assignmentDocument struct {
	ActorType  string `json:"actor_type"`
	ActorID    string `json:"actor_id"`
	TargetType string `json:"target_type"`
	TargetID   string `json:"target_id"`
	RoleID     string `json:"role_id"`
	Inherited  bool   `json:"inherited"`
}

func documentOfAssignment(row assignmentRow) *assignmentDocument {
	return &assignmentDocument{ActorType: row.ActorType, ActorID: row.ActorID, TargetType: row.TargetType, TargetID: row.TargetID,
		RoleID: row.RoleID, Inherited: row.Inherited}
}

type appCredentialDocument struct {
	ID           string     `json:"id"`
	Name         string     `json:"name"`
	UserID       string     `json:"user_id"`
	ProjectID    string     `json:"project_id"`
	Description  string     `json:"description"`
	ExpiresAt    *time.Time `json:"expires_at"`
	Unrestricted bool       `json:"unrestricted"`
	Roles        []string   `json:"roles"`
}

func documentOfAppCredential(row appCredentialRow) *appCredentialDocument {
	doc := &appCredentialDocument{ID: row.ID, Name: row.Name, UserID: row.UserID, ProjectID: row.ProjectID, Description: row.Description,
		Unrestricted: row.Unrestricted, Roles: row.Roles}
	if !row.Expires.IsZero() {
		doc.ExpiresAt = &row.Expires
	}
	return doc
}

type regionDocument struct {
	ID          string         `json:"id"`
	Description string         `json:"description"`
	ParentID    *string        `json:"parent_region_id"`
	Extra       map[string]any `json:"extra,omitempty"`
}

func documentOfRegion(row regionRow) *regionDocument {
	return &regionDocument{ID: row.ID, Description: row.Description, ParentID: nullable(row.ParentID), Extra: row.Extra}
}

type serviceDocument struct {
	ID          string         `json:"id"`
	Name        string         `json:"name"`
	Type        string         `json:"type"`
	Enabled     bool           `json:"enabled"`
	Description string         `json:"description"`
	Extra       map[string]any `json:"extra,omitempty"`
}

func documentOfService(row serviceRow) *serviceDocument {
	return &serviceDocument{ID: row.ID, Name: row.Name, Type: row.Type, Enabled: row.Enabled, Description: row.Description, Extra: row.Extra}
}

type endpointDocument struct {
	ID        string         `json:"id"`
	ServiceID string         `json:"service_id"`
	RegionID  string         `json:"region_id"`
	Interface string         `json:"interface"`
	URL       string         `json:"url"`
	Enabled   bool           `json:"enabled"`
	Extra     map[string]any `json:"extra,omitempty"`
}

func documentOfEndpoint(row endpointRow) *endpointDocument {
	return &endpointDocument{ID: row.ID, ServiceID: row.ServiceID, RegionID: row.RegionID, Interface: row.Interface, URL: row.URL,
		Enabled: row.Enabled, Extra: row.Extra}
}

// tokenDocument is a token as far as it may be told: by its audit id.
type tokenDocument struct {
	AuditID   string    `json:"audit_id"`
	ExpiresAt time.Time `json:"expires_at"`
	Revoked   bool      `json:"revoked"`
}
