package identity

import (
	"net/http"

	"virga/core/api"
)

// routes is the Identity API, in the order of its paths.
func (s *Service) routes() []api.Route {
	return []api.Route{
		{Method: "GET", Path: "/", Public: true, Handle: s.versionList, Doc: "lists the versions of the API"},
		{Method: "GET", Path: "/v3", Public: true, Handle: s.versionShow, Doc: "shows version 3"},

		{Method: "POST", Path: "/v3/auth/tokens", Public: true, Handle: s.tokenIssue, Body: "auth", MaxBody: 112 << 10, Status: http.StatusCreated, Doc: "issues a token"},
		{Method: "GET", Path: "/v3/auth/tokens", Policy: "identity:validate_token", Load: s.loadSubject, Handle: s.tokenShow, Doc: "validates a token"},
		{Method: "DELETE", Path: "/v3/auth/tokens", Policy: "identity:revoke_token", Load: s.loadSubject, Handle: s.tokenRevoke, Doc: "revokes a token"},
		{Method: "GET", Path: "/v3/auth/catalog", Policy: "identity:get_auth_catalog", Handle: s.authCatalog, Doc: "shows the catalog of the caller's scope"},
		{Method: "GET", Path: "/v3/auth/projects", Policy: "identity:get_auth_projects", Handle: s.authProjects, Doc: "lists the projects that the caller can scope a token to"},
		{Method: "GET", Path: "/v3/auth/domains", Policy: "identity:get_auth_domains", Handle: s.authDomains, Doc: "lists the domains that the caller can scope a token to"},
		{Method: "GET", Path: "/v3/auth/system", Policy: "identity:get_auth_system", Handle: s.authSystem, Doc: "tells whether the caller can scope a token to the system"},
	}
}
