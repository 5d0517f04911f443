package identity

import (
	"encoding/json"

	"virga/core/api"
)

// trustBody is what clients say of a trust.
type trustBody struct {
	TrustorID         string                `json:"trustor_user_id"`
	TrusteeID         string                `json:"trustee_user_id"`
	ProjectID         optional[string]      `json:"project_id"`
	Impersonation     bool                  `json:"impersonation"`
	ExpiresAt         optional[string]      `json:"expires_at"`
	RemainingUses     optional[json.Number] `json:"remaining_uses"`
	AllowRedelegation optional[bool]        `json:"allow_redelegation"`
	RedelegationCount optional[*int]        `json:"redelegation_count"`
	Roles             optional[[]nameBody]  `json:"roles"`
}

type trustView struct {
	ID                 string            `json:"id"`
	TrustorUserID      string            `json:"trustor_user_id"`
	TrusteeUserID      string            `json:"trustee_user_id"`
	ProjectID          *string           `json:"project_id"`
	Impersonation      bool              `json:"impersonation"`
	ExpiresAt          *string           `json:"expires_at"`
	DeletedAt          *string           `json:"deleted_at"`
	RemainingUses      *int64            `json:"remaining_uses"`
	RedelegationCount  int               `json:"redelegation_count"`
	RedelegatedTrustID *string           `json:"redelegated_trust_id,omitempty"`
	Roles              []json.RawMessage `json:"roles,omitempty"`
	RolesLinks         *linksView        `json:"roles_links,omitempty"`
	Links              map[string]string `json:"links"`
}

// viewTrust shows a trust; roles are nil in lists.
func viewTrust(r *api.Request, row trustRow, roles []json.RawMessage) (json.RawMessage, error) {
	view := trustView{
		ID: row.ID, TrustorUserID: row.TrustorID, TrusteeUserID: row.TrusteeID, ProjectID: nullable(row.ProjectID), Impersonation: row.Impersonation,
		RedelegationCount: row.Redelegations, RedelegatedTrustID: nullable(row.ParentID), Roles: roles,
		Links: selfLink(r, "OS-TRUST", "trusts", row.ID),
	}
	if !row.Expires.IsZero() {
		expires := viewTime(row.Expires)
		view.ExpiresAt = &expires
	}
	if row.RemainingUses != unbounded {
		view.RemainingUses = &row.RemainingUses
	}
	if roles != nil {
		view.RolesLinks = &linksView{Self: r.URL("/v3/OS-TRUST/trusts/" + row.ID + "/roles")}
	}
	return withExtra(view, row.Extra)
}

// tokenTrustView is the part of a token that tells of its trust.
type tokenTrustView struct {
	ID            string            `json:"id"`
	Impersonation bool              `json:"impersonation"`
	TrustorUser   map[string]string `json:"trustor_user"`
	TrusteeUser   map[string]string `json:"trustee_user"`
}
