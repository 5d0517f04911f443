package fleet

import (
	"slices"

	"virga/core/api/events"
	"virga/core/authz"
)

// The service's rules.
const (
	ruleTokens  = "fleet:join_tokens"
	ruleMembers = "fleet:members"
	ruleRemove  = "fleet:members:delete"
	ruleRenew   = "fleet:renew"
	// ruleSettings is for members.
	ruleSettings = "fleet:settings"
)

func rules() []authz.Rule {
	own := []authz.Rule{
		{Name: ruleTokens, Check: "rule:context_is_admin", Description: "Create, list and revoke join tokens.", Operations: []authz.Operation{
			{Method: "GET", Path: "/v1/join-tokens"}, {Method: "POST", Path: "/v1/join-tokens"}, {Method: "DELETE", Path: "/v1/join-tokens/{id}"}}},
		{Name: ruleMembers, Check: "rule:context_is_admin", Description: "List the members of the cloud.", Operations: []authz.Operation{
			{Method: "GET", Path: "/v1/members"}, {Method: "GET", Path: "/v1/members/{kind}/{host}"}}},
		{Name: ruleRemove, Check: "rule:context_is_admin", Description: "Remove a member; its certificates are refused from then on.",
			Operations: []authz.Operation{{Method: "DELETE", Path: "/v1/members/{kind}/{host}"}}},
		{Name: ruleRenew, Check: "role:node", Description: "Members: renew the own certificate.",
			Operations: []authz.Operation{{Method: "POST", Path: "/v1/renew"}}},
		{Name: ruleSettings, Check: "role:node or rule:context_is_admin", Description: "Members: find the controllers.",
			Operations: []authz.Operation{{Method: "GET", Path: "/v1/settings"}}},
	}
	return slices.Concat(authz.BaseRules(), own, events.Rules("fleet"))
}
