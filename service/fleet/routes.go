package fleet

import "virga/core/api"

// maxRequest bounds bodies that strangers may send.
const maxRequest = 32 << 10

// routes is the API of the service, in the order of its addresses.
func (s *Service) routes() []api.Route {
	return append([]api.Route{
		{Method: "GET", Path: "/", Public: true, Handle: s.versionList, Doc: "lists the versions"},
		{Method: "GET", Path: "/v1", Public: true, Handle: s.versionShow, Doc: "shows the version"},

		{Method: "POST", Path: "/v1/join", Public: true, Handle: s.memberJoin, Body: "join", MaxBody: maxRequest, Doc: "makes the holder of a join token a member"},

		{Method: "GET", Path: "/v1/join-tokens", Policy: ruleTokens, Handle: s.tokenList, Doc: "lists join tokens"},
		{Method: "POST", Path: "/v1/join-tokens", Policy: ruleTokens, Handle: s.tokenCreate, Body: "join_token", MaxBody: maxRequest, Status: 201, Doc: "creates a join token, which is shown this once"},
		{Method: "DELETE", Path: "/v1/join-tokens/{id}", Policy: ruleTokens, Handle: s.tokenDelete, Doc: "revokes a join token"},

		{Method: "GET", Path: "/v1/members", Policy: ruleMembers, Handle: s.memberList, Doc: "lists nodes and controllers"},
		{Method: "GET", Path: "/v1/members/{kind}/{host}", Policy: ruleMembers, Handle: s.memberShow, Doc: "shows a node or controller"},
		{Method: "DELETE", Path: "/v1/members/{kind}/{host}", Policy: ruleRemove, Handle: s.memberDelete, Doc: "removes a node or controller and refuses its certificates"},

		{Method: "POST", Path: "/v1/recover", Public: true, Handle: s.memberRecover, Body: "recover", MaxBody: maxRequest, Doc: "gives a member whose certificate has expired a new one, by its key"},
		{Method: "POST", Path: "/v1/renew", Policy: ruleRenew, Handle: s.memberRenew, Body: "renew", MaxBody: maxRequest, Doc: "gives the calling member a new certificate"},
		{Method: "GET", Path: "/v1/settings", Policy: ruleSettings, Handle: s.settingsShow, Doc: "tells a member where controllers are"},
	}, s.events.Routes()...)
}
