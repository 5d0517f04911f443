package identity

import (
	"encoding/json"
	"time"

	"virga/core/api"
	"virga/core/token"
)

// appCredentialBody is what clients say of an application credential.
type appCredentialBody struct {
	Credential struct {
		Name         string                     `json:"name"`
		Description  optional[string]           `json:"description"`
		Secret       optional[secretText]       `json:"secret"`
		ExpiresAt    optional[string]           `json:"expires_at"`
		Roles        optional[[]nameBody]       `json:"roles"`
		Unrestricted optional[bool]             `json:"unrestricted"`
		AccessRules  optional[[]accessRuleBody] `json:"access_rules"`
	} `json:"application_credential"`
}

// accessRuleBody is a rule by its id, or by what it says.
type accessRuleBody struct {
	ID      string `json:"id"`
	Service string `json:"service"`
	Method  string `json:"method"`
	Path    string `json:"path"`
}

type appCredentialView struct {
	ID           string            `json:"id"`
	Name         string            `json:"name"`
	Description  string            `json:"description"`
	ProjectID    string            `json:"project_id"`
	UserID       string            `json:"user_id"`
	ExpiresAt    *string           `json:"expires_at"`
	Unrestricted bool              `json:"unrestricted"`
	Roles        []appCredRoleView `json:"roles"`
	AccessRules  []accessRuleView  `json:"access_rules,omitempty"`
	// Secret is shown in the answer to the creation and never again.
	Secret string            `json:"secret,omitempty"`
	Links  map[string]string `json:"links"`
}

type appCredRoleView struct {
	ID       string  `json:"id"`
	Name     string  `json:"name"`
	DomainID *string `json:"domain_id"`
}

// viewExpiry writes the end of an application credential as keystone does: without a zone,
// which gophercloud insists on.
func viewExpiry(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000") }

// viewAppCredential shows a credential; roles are those of the cloud by id, and secret is
// empty but for a new one.
func viewAppCredential(r *api.Request, row appCredentialRow, roles map[string]roleRow, secret token.Secret) (json.RawMessage, error) {
	view := appCredentialView{
		ID: row.ID, Name: row.Name, Description: row.Description, ProjectID: row.ProjectID, UserID: row.UserID, Unrestricted: row.Unrestricted,
		Roles: []appCredRoleView{}, Secret: secret.Reveal(), Links: selfLink(r, "users", row.UserID, "application_credentials", row.ID),
	}
	if !row.Expires.IsZero() {
		expires := viewExpiry(row.Expires)
		view.ExpiresAt = &expires
	}
	for _, id := range row.Roles {
		if role, there := roles[id]; there {
			view.Roles = append(view.Roles, appCredRoleView{role.ID, role.Name, nullable(role.DomainID)})
		}
	}
	for _, rule := range row.AccessRules {
		view.AccessRules = append(view.AccessRules, accessRuleView(rule))
	}
	return json.Marshal(view)
}
