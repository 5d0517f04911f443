package identity

import (
	"net/http"
	"slices"

	"virga/core/api"
)

// routes is the Identity API.
func (s *Service) routes() []api.Route {
	return slices.Concat(s.tokenRoutes(), s.domainRoutes(), s.projectRoutes(), s.userRoutes(), s.credentialRoutes(), s.accessRuleRoutes(), s.trustRoutes(), s.roleRoutes(), s.systemRoutes(), s.catalogRoutes(), s.filterRoutes(), s.policyRoutes(), s.domainConfigRoutes(), s.limitRoutes(), s.consumerRoutes(), s.accessTokenRoutes(), s.events.Routes())
}

// tokenRoutes are the rows of versions, tokens, and what a token can do.
func (s *Service) tokenRoutes() []api.Route {
	return []api.Route{
		{Method: "GET", Path: "/", Public: true, Handle: s.versionList, Doc: "lists the versions of the API"},
		{Method: "GET", Path: "/v3", Public: true, Handle: s.versionShow, Doc: "shows version 3"},

		{Method: "POST", Path: "/v3/auth/tokens", Public: true, Handle: s.tokenIssue, Body: "auth", MaxBody: 112 << 10, Status: http.StatusCreated, Doc: "issues a token"},
		{Method: "GET", Path: "/v3/auth/tokens", Policy: "identity:validate_token", Load: s.loadSubject, Handle: s.tokenShow, Doc: "validates a token"},
		{Method: "HEAD", Path: "/v3/auth/tokens", Policy: "identity:check_token", Load: s.loadSubject, Handle: s.tokenShow, Doc: "checks a token"},
		{Method: "DELETE", Path: "/v3/auth/tokens", Policy: "identity:revoke_token", Load: s.loadSubject, Handle: s.tokenRevoke, Doc: "revokes a token"},
		{Method: "GET", Path: "/v3/auth/catalog", Policy: "identity:get_auth_catalog", Handle: s.authCatalog, Doc: "shows the catalog of the caller's scope"},
		{Method: "GET", Path: "/v3/auth/projects", Policy: "identity:get_auth_projects", Handle: s.authProjects, Doc: "lists the projects that the caller can scope a token to"},
		{Method: "GET", Path: "/v3/auth/domains", Policy: "identity:get_auth_domains", Handle: s.authDomains, Doc: "lists the domains that the caller can scope a token to"},
		{Method: "GET", Path: "/v3/auth/system", Policy: "identity:get_auth_system", Handle: s.authSystem, Doc: "tells whether the caller can scope a token to the system"},
	}
}

// domainRoutes are the rows of domains and of roles on them.
func (s *Service) domainRoutes() []api.Route {
	return []api.Route{
		{Method: "GET", Path: "/v3/domains", Policy: "identity:list_domains", Load: s.ownDomain, Handle: s.domainList, Doc: "lists domains"},
		{Method: "POST", Path: "/v3/domains", Policy: "identity:create_domain", Handle: s.domainCreate, Body: "domain_create", Status: http.StatusCreated, Doc: "creates a domain"},
		{Method: "GET", Path: "/v3/domains/{domain_id}", Policy: "identity:get_domain", Load: s.loadDomain(), Handle: s.domainShow, Doc: "shows a domain"},
		{Method: "PATCH", Path: "/v3/domains/{domain_id}", Policy: "identity:update_domain", Load: s.loadDomain(), Handle: s.domainUpdate, Body: "domain_update", Doc: "changes a domain"},
		{Method: "DELETE", Path: "/v3/domains/{domain_id}", Policy: "identity:delete_domain", Load: s.loadDomain(), Handle: s.domainDelete, Doc: "deletes a disabled domain with all that it owns"},
		{Method: "GET", Path: "/v3/domains/{domain_id}/users/{user_id}/roles", Policy: "identity:list_grants", Load: s.loadGrant(targetDomain, actorUser, false), Handle: s.grantList, Doc: "lists the roles of a user on a domain"},
		{Method: "PUT", Path: "/v3/domains/{domain_id}/users/{user_id}/roles/{role_id}", Policy: "identity:create_grant", Load: s.loadGrant(targetDomain, actorUser, false), Handle: s.grantCreate, Status: http.StatusNoContent, Doc: "gives a user a role on a domain"},
		{Method: "GET", Path: "/v3/domains/{domain_id}/users/{user_id}/roles/{role_id}", Policy: "identity:check_grant", Load: s.loadGrant(targetDomain, actorUser, false), Handle: s.grantShow, Status: http.StatusNoContent, Doc: "checks whether a user has a role on a domain"},
		{Method: "DELETE", Path: "/v3/domains/{domain_id}/users/{user_id}/roles/{role_id}", Policy: "identity:revoke_grant", Load: s.loadGrant(targetDomain, actorUser, false), Handle: s.grantDelete, Doc: "takes a role on a domain from a user"},
		{Method: "GET", Path: "/v3/domains/{domain_id}/groups/{group_id}/roles", Policy: "identity:list_grants", Load: s.loadGrant(targetDomain, actorGroup, false), Handle: s.grantList, Doc: "lists the roles of a group on a domain"},
		{Method: "PUT", Path: "/v3/domains/{domain_id}/groups/{group_id}/roles/{role_id}", Policy: "identity:create_grant", Load: s.loadGrant(targetDomain, actorGroup, false), Handle: s.grantCreate, Status: http.StatusNoContent, Doc: "gives a group a role on a domain"},
		{Method: "GET", Path: "/v3/domains/{domain_id}/groups/{group_id}/roles/{role_id}", Policy: "identity:check_grant", Load: s.loadGrant(targetDomain, actorGroup, false), Handle: s.grantShow, Status: http.StatusNoContent, Doc: "checks whether a group has a role on a domain"},
		{Method: "DELETE", Path: "/v3/domains/{domain_id}/groups/{group_id}/roles/{role_id}", Policy: "identity:revoke_grant", Load: s.loadGrant(targetDomain, actorGroup, false), Handle: s.grantDelete, Doc: "takes a role on a domain from a group"},
	}
}

// projectRoutes are the rows of projects, their tags, and roles on them.
func (s *Service) projectRoutes() []api.Route {
	return []api.Route{
		{Method: "GET", Path: "/v3/projects", Policy: "identity:list_projects", Load: s.ownDomain, Handle: s.projectList, Doc: "lists projects"},
		{Method: "POST", Path: "/v3/projects", Policy: "identity:create_project", Load: s.ownDomain, Handle: s.projectCreate, Body: "project_create", Status: http.StatusCreated, Doc: "creates a project"},
		{Method: "GET", Path: "/v3/projects/{project_id}", Policy: "identity:get_project", Load: s.loadProject(), Handle: s.projectShow, Doc: "shows a project"},
		{Method: "PATCH", Path: "/v3/projects/{project_id}", Policy: "identity:update_project", Load: s.loadProject(), Handle: s.projectUpdate, Body: "project_update", Doc: "changes a project"},
		{Method: "DELETE", Path: "/v3/projects/{project_id}", Policy: "identity:delete_project", Load: s.loadProject(), Handle: s.projectDelete, Doc: "deletes a project"},
		{Method: "GET", Path: "/v3/projects/{project_id}/tags", Policy: "identity:list_project_tags", Load: s.loadProject(), Handle: s.tagList, Doc: "lists the tags of a project"},
		{Method: "PUT", Path: "/v3/projects/{project_id}/tags", Policy: "identity:update_project_tags", Load: s.loadProject(), Handle: s.tagReplace, Body: "tags", Doc: "replaces the tags of a project"},
		{Method: "DELETE", Path: "/v3/projects/{project_id}/tags", Policy: "identity:delete_project_tags", Load: s.loadProject(), Handle: s.tagClear, Doc: "removes all tags of a project"},
		{Method: "GET", Path: "/v3/projects/{project_id}/tags/{value}", Policy: "identity:get_project_tag", Load: s.loadProject(), Handle: s.tagShow, Doc: "checks whether a project has a tag"},
		{Method: "PUT", Path: "/v3/projects/{project_id}/tags/{value}", Policy: "identity:create_project_tag", Load: s.loadProject(), Handle: s.tagAdd, Doc: "adds a tag to a project"},
		{Method: "DELETE", Path: "/v3/projects/{project_id}/tags/{value}", Policy: "identity:delete_project_tag", Load: s.loadProject(), Handle: s.tagRemove, Doc: "removes a tag of a project"},
		{Method: "GET", Path: "/v3/projects/{project_id}/users/{user_id}/roles", Policy: "identity:list_grants", Load: s.loadGrant(targetProject, actorUser, false), Handle: s.grantList, Doc: "lists the roles of a user on a project"},
		{Method: "PUT", Path: "/v3/projects/{project_id}/users/{user_id}/roles/{role_id}", Policy: "identity:create_grant", Load: s.loadGrant(targetProject, actorUser, false), Handle: s.grantCreate, Status: http.StatusNoContent, Doc: "gives a user a role on a project"},
		{Method: "GET", Path: "/v3/projects/{project_id}/users/{user_id}/roles/{role_id}", Policy: "identity:check_grant", Load: s.loadGrant(targetProject, actorUser, false), Handle: s.grantShow, Status: http.StatusNoContent, Doc: "checks whether a user has a role on a project"},
		{Method: "DELETE", Path: "/v3/projects/{project_id}/users/{user_id}/roles/{role_id}", Policy: "identity:revoke_grant", Load: s.loadGrant(targetProject, actorUser, false), Handle: s.grantDelete, Doc: "takes a role on a project from a user"},
		{Method: "GET", Path: "/v3/projects/{project_id}/groups/{group_id}/roles", Policy: "identity:list_grants", Load: s.loadGrant(targetProject, actorGroup, false), Handle: s.grantList, Doc: "lists the roles of a group on a project"},
		{Method: "PUT", Path: "/v3/projects/{project_id}/groups/{group_id}/roles/{role_id}", Policy: "identity:create_grant", Load: s.loadGrant(targetProject, actorGroup, false), Handle: s.grantCreate, Status: http.StatusNoContent, Doc: "gives a group a role on a project"},
		{Method: "GET", Path: "/v3/projects/{project_id}/groups/{group_id}/roles/{role_id}", Policy: "identity:check_grant", Load: s.loadGrant(targetProject, actorGroup, false), Handle: s.grantShow, Status: http.StatusNoContent, Doc: "checks whether a group has a role on a project"},
		{Method: "DELETE", Path: "/v3/projects/{project_id}/groups/{group_id}/roles/{role_id}", Policy: "identity:revoke_grant", Load: s.loadGrant(targetProject, actorGroup, false), Handle: s.grantDelete, Doc: "takes a role on a project from a group"},
	}
}

// userRoutes are the rows of users, their application credentials, and groups.
func (s *Service) userRoutes() []api.Route {
	return []api.Route{
		{Method: "GET", Path: "/v3/users", Policy: "identity:list_users", Load: s.ownDomain, Handle: s.userList, Doc: "lists users"},
		{Method: "POST", Path: "/v3/users", Policy: "identity:create_user", Load: s.ownDomain, Handle: s.userCreate, Body: "user_create", Status: http.StatusCreated, Doc: "creates a user"},
		{Method: "GET", Path: "/v3/users/{user_id}", Policy: "identity:get_user", Load: s.loadUser(), Handle: s.userShow, Doc: "shows a user"},
		{Method: "PATCH", Path: "/v3/users/{user_id}", Policy: "identity:update_user", Load: s.loadUser(), Handle: s.userUpdate, Body: "user_update", Doc: "changes a user"},
		{Method: "DELETE", Path: "/v3/users/{user_id}", Policy: "identity:delete_user", Load: s.loadUser(), Handle: s.userDelete, Doc: "deletes a user"},
		{Method: "POST", Path: "/v3/users/{user_id}/password", Public: true, Handle: s.userPassword, Body: "user_password", Status: http.StatusNoContent, Doc: "changes a user's own password"},
		{Method: "GET", Path: "/v3/users/{user_id}/projects", Policy: "identity:list_user_projects", Load: s.loadUser(), Handle: s.userProjects, Doc: "lists the projects of a user"},
		{Method: "GET", Path: "/v3/users/{user_id}/groups", Policy: "identity:list_groups_for_user", Load: s.loadUser(), Handle: s.userGroups, Doc: "lists the groups of a user"},
		{Method: "GET", Path: "/v3/users/{user_id}/application_credentials", Policy: "identity:list_application_credentials", Load: s.loadUser(), Handle: s.appCredentialList, Doc: "lists a user's application credentials"},
		{Method: "POST", Path: "/v3/users/{user_id}/application_credentials", Policy: "identity:create_application_credential", Load: s.loadUser(), Handle: s.appCredentialCreate, Body: "application_credential", Status: http.StatusCreated, Doc: "creates an application credential"},
		{Method: "GET", Path: "/v3/users/{user_id}/application_credentials/{application_credential_id}", Policy: "identity:get_application_credential", Load: s.loadAppCredential, Handle: s.appCredentialShow, Doc: "shows an application credential"},
		{Method: "DELETE", Path: "/v3/users/{user_id}/application_credentials/{application_credential_id}", Policy: "identity:delete_application_credential", Load: s.loadAppCredential, Handle: s.appCredentialDelete, Doc: "deletes an application credential"},
		{Method: "GET", Path: "/v3/groups", Policy: "identity:list_groups", Load: s.ownDomain, Handle: s.groupList, Doc: "lists groups"},
		{Method: "POST", Path: "/v3/groups", Policy: "identity:create_group", Load: s.ownDomain, Handle: s.groupCreate, Body: "group_create", Status: http.StatusCreated, Doc: "creates a group"},
		{Method: "GET", Path: "/v3/groups/{group_id}", Policy: "identity:get_group", Load: s.loadGroup(), Handle: s.groupShow, Doc: "shows a group"},
		{Method: "PATCH", Path: "/v3/groups/{group_id}", Policy: "identity:update_group", Load: s.loadGroup(), Handle: s.groupUpdate, Body: "group_update", Doc: "changes a group"},
		{Method: "DELETE", Path: "/v3/groups/{group_id}", Policy: "identity:delete_group", Load: s.loadGroup(), Handle: s.groupDelete, Doc: "deletes a group"},
		{Method: "GET", Path: "/v3/groups/{group_id}/users", Policy: "identity:list_users_in_group", Load: s.loadGroup(), Handle: s.groupUsers, Doc: "lists the members of a group"},
		{Method: "PUT", Path: "/v3/groups/{group_id}/users/{user_id}", Policy: "identity:add_user_to_group", Load: s.loadMembership, Handle: s.memberAdd, Status: http.StatusNoContent, Doc: "adds a user to a group"},
		{Method: "GET", Path: "/v3/groups/{group_id}/users/{user_id}", Policy: "identity:check_user_in_group", Load: s.loadMembership, Handle: s.memberShow, Status: http.StatusNoContent, Doc: "checks whether a user is in a group"},
		{Method: "DELETE", Path: "/v3/groups/{group_id}/users/{user_id}", Policy: "identity:remove_user_from_group", Load: s.loadMembership, Handle: s.memberRemove, Doc: "takes a user out of a group"},
	}
}

// credentialRoutes are the rows of credentials for other than this API.
func (s *Service) credentialRoutes() []api.Route {
	return []api.Route{
		{Method: "GET", Path: "/v3/credentials", Policy: "identity:list_credentials", Load: s.ownCredentials, Handle: s.credentialList, Doc: "lists credentials"},
		{Method: "POST", Path: "/v3/credentials", Policy: "identity:create_credential", Load: s.ownCredentials, Handle: s.credentialCreate, Body: "credential_create", Status: http.StatusCreated, Doc: "creates a credential"},
		{Method: "GET", Path: "/v3/credentials/{credential_id}", Policy: "identity:get_credential", Load: s.loadCredential(), Handle: s.credentialShow, Doc: "shows a credential"},
		{Method: "PATCH", Path: "/v3/credentials/{credential_id}", Policy: "identity:update_credential", Load: s.loadCredential(), Handle: s.credentialUpdate, Body: "credential_update", Doc: "changes a credential"},
		{Method: "DELETE", Path: "/v3/credentials/{credential_id}", Policy: "identity:delete_credential", Load: s.loadCredential(), Handle: s.credentialDelete, Doc: "deletes a credential"},
		{Method: "GET", Path: "/v3/users/{user_id}/credentials/OS-EC2", Policy: "identity:ec2_list_credentials", Load: s.loadUser(), Handle: s.ec2List, Doc: "lists a user's EC2 key pairs"},
		{Method: "POST", Path: "/v3/users/{user_id}/credentials/OS-EC2", Policy: "identity:ec2_create_credential", Load: s.loadUser(), Handle: s.ec2Create, Body: "ec2_create", Status: http.StatusCreated, Doc: "creates an EC2 key pair"},
		{Method: "GET", Path: "/v3/users/{user_id}/credentials/OS-EC2/{access}", Policy: "identity:ec2_get_credential", Load: s.loadEC2, Handle: s.ec2Show, Doc: "shows an EC2 key pair"},
		{Method: "DELETE", Path: "/v3/users/{user_id}/credentials/OS-EC2/{access}", Policy: "identity:ec2_delete_credential", Load: s.loadEC2, Handle: s.credentialDelete, Doc: "deletes an EC2 key pair"},
		{Method: "POST", Path: "/v3/ec2tokens", Policy: "identity:ec2tokens_validate", Handle: s.ec2Authenticate, Body: "signed_request", Doc: "tells a service whose key has signed a request"},
		{Method: "POST", Path: "/v3/s3tokens", Policy: "identity:s3tokens_validate", Handle: s.s3Authenticate, Body: "signed_request", Doc: "tells an object store whose key has signed a request"},
	}
}

// accessRuleRoutes are the rows of what application credentials can be narrowed to.
func (s *Service) accessRuleRoutes() []api.Route {
	return []api.Route{
		{Method: "GET", Path: "/v3/users/{user_id}/access_rules", Policy: "identity:list_access_rules", Load: s.loadUser(), Handle: s.accessRuleList, Doc: "lists a user's access rules"},
		{Method: "GET", Path: "/v3/users/{user_id}/access_rules/{access_rule_id}", Policy: "identity:get_access_rule", Load: s.loadAccessRule, Handle: s.accessRuleShow, Doc: "shows an access rule"},
		{Method: "DELETE", Path: "/v3/users/{user_id}/access_rules/{access_rule_id}", Policy: "identity:delete_access_rule", Load: s.loadAccessRule, Handle: s.accessRuleDelete, Doc: "deletes an access rule that is not used"},
	}
}

// trustRoutes are the rows of trusts.
func (s *Service) trustRoutes() []api.Route {
	one := "/v3/OS-TRUST/trusts/{trust_id}"
	return []api.Route{
		{Method: "GET", Path: "/v3/OS-TRUST/trusts", Policy: "identity:ask_for_trusts", Handle: s.trustList, Doc: "lists trusts"},
		{Method: "POST", Path: "/v3/OS-TRUST/trusts", Policy: "identity:create_trust", Load: s.ownTrusts, Handle: s.trustCreate, Body: "trust", Status: http.StatusCreated, Doc: "creates a trust"},
		{Method: "GET", Path: one, Policy: "identity:get_trust", Load: s.loadTrust, Handle: s.trustShow, Doc: "shows a trust"},
		{Method: "DELETE", Path: one, Policy: "identity:delete_trust", Load: s.loadTrust, Handle: s.trustDelete, Doc: "deletes a trust"},
		{Method: "GET", Path: one + "/roles", Policy: "identity:list_roles_for_trust", Load: s.loadTrust, Handle: s.trustRoleList, Doc: "lists the roles of a trust"},
		{Method: "GET", Path: one + "/roles/{role_id}", Policy: "identity:get_role_for_trust", Load: s.loadTrust, Handle: s.trustRoleShow, Doc: "shows a role of a trust"},
	}
}

// roleRoutes are the rows of roles, their implications, and lists of assignments.
func (s *Service) roleRoutes() []api.Route {
	return []api.Route{
		{Method: "GET", Path: "/v3/roles", Policy: "identity:list_roles", Handle: s.roleList, Doc: "lists roles"},
		{Method: "POST", Path: "/v3/roles", Policy: "identity:create_role", Handle: s.roleCreate, Body: "role_create", Status: http.StatusCreated, Doc: "creates a role"},
		{Method: "GET", Path: "/v3/roles/{role_id}", Policy: "identity:get_role", Load: s.loadRole(), Handle: s.roleShow, Doc: "shows a role"},
		{Method: "PATCH", Path: "/v3/roles/{role_id}", Policy: "identity:update_role", Load: s.loadRole(), Handle: s.roleUpdate, Body: "role_update", Doc: "changes a role"},
		{Method: "DELETE", Path: "/v3/roles/{role_id}", Policy: "identity:delete_role", Load: s.loadRole(), Handle: s.roleDelete, Doc: "deletes a role"},
		{Method: "GET", Path: "/v3/roles/{role_id}/implies", Policy: "identity:list_implied_roles", Load: s.loadRole(), Handle: s.impliedList, Doc: "lists the roles that a role implies"},
		{Method: "GET", Path: "/v3/roles/{role_id}/implies/{implied_role_id}", Policy: "identity:get_implied_role", Load: s.loadRole(), Handle: s.impliedShow, Doc: "shows that a role implies another"},
		{Method: "PUT", Path: "/v3/roles/{role_id}/implies/{implied_role_id}", Policy: "identity:create_implied_role", Load: s.loadRole(), Handle: s.impliedCreate, Status: http.StatusCreated, Doc: "has a role imply another"},
		{Method: "DELETE", Path: "/v3/roles/{role_id}/implies/{implied_role_id}", Policy: "identity:delete_implied_role", Load: s.loadRole(), Handle: s.impliedDelete, Doc: "has a role no longer imply another"},
		{Method: "GET", Path: "/v3/role_inferences", Policy: "identity:list_role_inference_rules", Handle: s.inferenceList, Doc: "lists all implications of roles"},
		{Method: "GET", Path: "/v3/role_assignments", Policy: "identity:list_role_assignments", Load: s.ownDomain, Handle: s.roleAssignmentList, Doc: "lists role assignments"},
	}
}

// systemRoutes are the rows of roles on the system, and of roles that projects inherit.
func (s *Service) systemRoutes() []api.Route {
	return []api.Route{
		{Method: "GET", Path: "/v3/system/users/{user_id}/roles", Policy: "identity:list_system_grants_for_user", Load: s.loadGrant(targetSystem, actorUser, false), Handle: s.grantList, Doc: "lists the roles of a user on the system"},
		{Method: "PUT", Path: "/v3/system/users/{user_id}/roles/{role_id}", Policy: "identity:create_system_grant_for_user", Load: s.loadGrant(targetSystem, actorUser, false), Handle: s.grantCreate, Status: http.StatusNoContent, Doc: "gives a user a role on the system"},
		{Method: "GET", Path: "/v3/system/users/{user_id}/roles/{role_id}", Policy: "identity:check_system_grant_for_user", Load: s.loadGrant(targetSystem, actorUser, false), Handle: s.grantShow, Status: http.StatusNoContent, Doc: "checks whether a user has a role on the system"},
		{Method: "DELETE", Path: "/v3/system/users/{user_id}/roles/{role_id}", Policy: "identity:revoke_system_grant_for_user", Load: s.loadGrant(targetSystem, actorUser, false), Handle: s.grantDelete, Doc: "takes a role on the system from a user"},
		{Method: "GET", Path: "/v3/system/groups/{group_id}/roles", Policy: "identity:list_system_grants_for_group", Load: s.loadGrant(targetSystem, actorGroup, false), Handle: s.grantList, Doc: "lists the roles of a group on the system"},
		{Method: "PUT", Path: "/v3/system/groups/{group_id}/roles/{role_id}", Policy: "identity:create_system_grant_for_group", Load: s.loadGrant(targetSystem, actorGroup, false), Handle: s.grantCreate, Status: http.StatusNoContent, Doc: "gives a group a role on the system"},
		{Method: "GET", Path: "/v3/system/groups/{group_id}/roles/{role_id}", Policy: "identity:check_system_grant_for_group", Load: s.loadGrant(targetSystem, actorGroup, false), Handle: s.grantShow, Status: http.StatusNoContent, Doc: "checks whether a group has a role on the system"},
		{Method: "DELETE", Path: "/v3/system/groups/{group_id}/roles/{role_id}", Policy: "identity:revoke_system_grant_for_group", Load: s.loadGrant(targetSystem, actorGroup, false), Handle: s.grantDelete, Doc: "takes a role on the system from a group"},
		{Method: "GET", Path: "/v3/OS-INHERIT/domains/{domain_id}/users/{user_id}/roles/inherited_to_projects", Policy: "identity:list_grants", Load: s.loadGrant(targetDomain, actorUser, true), Handle: s.grantList, Doc: "lists the roles of a user on a domain for the projects below"},
		{Method: "PUT", Path: "/v3/OS-INHERIT/domains/{domain_id}/users/{user_id}/roles/{role_id}/inherited_to_projects", Policy: "identity:create_grant", Load: s.loadGrant(targetDomain, actorUser, true), Handle: s.grantCreate, Status: http.StatusNoContent, Doc: "gives a user a role on a domain for the projects below"},
		{Method: "GET", Path: "/v3/OS-INHERIT/domains/{domain_id}/users/{user_id}/roles/{role_id}/inherited_to_projects", Policy: "identity:check_grant", Load: s.loadGrant(targetDomain, actorUser, true), Handle: s.grantShow, Status: http.StatusNoContent, Doc: "checks whether a user has a role on a domain for the projects below"},
		{Method: "DELETE", Path: "/v3/OS-INHERIT/domains/{domain_id}/users/{user_id}/roles/{role_id}/inherited_to_projects", Policy: "identity:revoke_grant", Load: s.loadGrant(targetDomain, actorUser, true), Handle: s.grantDelete, Doc: "takes a role on a domain from a user for the projects below"},
		{Method: "GET", Path: "/v3/OS-INHERIT/domains/{domain_id}/groups/{group_id}/roles/inherited_to_projects", Policy: "identity:list_grants", Load: s.loadGrant(targetDomain, actorGroup, true), Handle: s.grantList, Doc: "lists the roles of a group on a domain for the projects below"},
		{Method: "PUT", Path: "/v3/OS-INHERIT/domains/{domain_id}/groups/{group_id}/roles/{role_id}/inherited_to_projects", Policy: "identity:create_grant", Load: s.loadGrant(targetDomain, actorGroup, true), Handle: s.grantCreate, Status: http.StatusNoContent, Doc: "gives a group a role on a domain for the projects below"},
		{Method: "GET", Path: "/v3/OS-INHERIT/domains/{domain_id}/groups/{group_id}/roles/{role_id}/inherited_to_projects", Policy: "identity:check_grant", Load: s.loadGrant(targetDomain, actorGroup, true), Handle: s.grantShow, Status: http.StatusNoContent, Doc: "checks whether a group has a role on a domain for the projects below"},
		{Method: "DELETE", Path: "/v3/OS-INHERIT/domains/{domain_id}/groups/{group_id}/roles/{role_id}/inherited_to_projects", Policy: "identity:revoke_grant", Load: s.loadGrant(targetDomain, actorGroup, true), Handle: s.grantDelete, Doc: "takes a role on a domain from a group for the projects below"},
		{Method: "GET", Path: "/v3/OS-INHERIT/projects/{project_id}/users/{user_id}/roles/inherited_to_projects", Policy: "identity:list_grants", Load: s.loadGrant(targetProject, actorUser, true), Handle: s.grantList, Doc: "lists the roles of a user on a project for the projects below"},
		{Method: "PUT", Path: "/v3/OS-INHERIT/projects/{project_id}/users/{user_id}/roles/{role_id}/inherited_to_projects", Policy: "identity:create_grant", Load: s.loadGrant(targetProject, actorUser, true), Handle: s.grantCreate, Status: http.StatusNoContent, Doc: "gives a user a role on a project for the projects below"},
		{Method: "GET", Path: "/v3/OS-INHERIT/projects/{project_id}/users/{user_id}/roles/{role_id}/inherited_to_projects", Policy: "identity:check_grant", Load: s.loadGrant(targetProject, actorUser, true), Handle: s.grantShow, Status: http.StatusNoContent, Doc: "checks whether a user has a role on a project for the projects below"},
		{Method: "DELETE", Path: "/v3/OS-INHERIT/projects/{project_id}/users/{user_id}/roles/{role_id}/inherited_to_projects", Policy: "identity:revoke_grant", Load: s.loadGrant(targetProject, actorUser, true), Handle: s.grantDelete, Doc: "takes a role on a project from a user for the projects below"},
		{Method: "GET", Path: "/v3/OS-INHERIT/projects/{project_id}/groups/{group_id}/roles/inherited_to_projects", Policy: "identity:list_grants", Load: s.loadGrant(targetProject, actorGroup, true), Handle: s.grantList, Doc: "lists the roles of a group on a project for the projects below"},
		{Method: "PUT", Path: "/v3/OS-INHERIT/projects/{project_id}/groups/{group_id}/roles/{role_id}/inherited_to_projects", Policy: "identity:create_grant", Load: s.loadGrant(targetProject, actorGroup, true), Handle: s.grantCreate, Status: http.StatusNoContent, Doc: "gives a group a role on a project for the projects below"},
		{Method: "GET", Path: "/v3/OS-INHERIT/projects/{project_id}/groups/{group_id}/roles/{role_id}/inherited_to_projects", Policy: "identity:check_grant", Load: s.loadGrant(targetProject, actorGroup, true), Handle: s.grantShow, Status: http.StatusNoContent, Doc: "checks whether a group has a role on a project for the projects below"},
		{Method: "DELETE", Path: "/v3/OS-INHERIT/projects/{project_id}/groups/{group_id}/roles/{role_id}/inherited_to_projects", Policy: "identity:revoke_grant", Load: s.loadGrant(targetProject, actorGroup, true), Handle: s.grantDelete, Doc: "takes a role on a project from a group for the projects below"},
	}
}

// catalogRoutes are the rows of regions, services and endpoints.
func (s *Service) catalogRoutes() []api.Route {
	return []api.Route{
		{Method: "GET", Path: "/v3/regions", Policy: "identity:list_regions", Handle: s.regionList, Doc: "lists regions"},
		{Method: "POST", Path: "/v3/regions", Policy: "identity:create_region", Handle: s.regionCreate, Body: "region", Status: http.StatusCreated, Doc: "creates a region"},
		{Method: "GET", Path: "/v3/regions/{region_id}", Policy: "identity:get_region", Load: s.loadRegion(), Handle: s.regionShow, Doc: "shows a region"},
		{Method: "PUT", Path: "/v3/regions/{region_id}", Policy: "identity:create_region", Handle: s.regionCreate, Body: "region", Status: http.StatusCreated, Doc: "creates a region with the id of the path"},
		{Method: "PATCH", Path: "/v3/regions/{region_id}", Policy: "identity:update_region", Load: s.loadRegion(), Handle: s.regionUpdate, Body: "region", Doc: "changes a region"},
		{Method: "DELETE", Path: "/v3/regions/{region_id}", Policy: "identity:delete_region", Load: s.loadRegion(), Handle: s.regionDelete, Doc: "deletes a region"},
		{Method: "GET", Path: "/v3/services", Policy: "identity:list_services", Handle: s.serviceList, Doc: "lists services"},
		{Method: "POST", Path: "/v3/services", Policy: "identity:create_service", Handle: s.serviceCreate, Body: "service_create", Status: http.StatusCreated, Doc: "creates a service"},
		{Method: "GET", Path: "/v3/services/{service_id}", Policy: "identity:get_service", Load: s.loadService(), Handle: s.serviceShow, Doc: "shows a service"},
		{Method: "PATCH", Path: "/v3/services/{service_id}", Policy: "identity:update_service", Load: s.loadService(), Handle: s.serviceUpdate, Body: "service_update", Doc: "changes a service"},
		{Method: "DELETE", Path: "/v3/services/{service_id}", Policy: "identity:delete_service", Load: s.loadService(), Handle: s.serviceDelete, Doc: "deletes a service"},
		{Method: "GET", Path: "/v3/endpoints", Policy: "identity:list_endpoints", Handle: s.endpointList, Doc: "lists endpoints"},
		{Method: "POST", Path: "/v3/endpoints", Policy: "identity:create_endpoint", Handle: s.endpointCreate, Body: "endpoint_create", Status: http.StatusCreated, Doc: "creates an endpoint"},
		{Method: "GET", Path: "/v3/endpoints/{endpoint_id}", Policy: "identity:get_endpoint", Load: s.loadEndpoint(), Handle: s.endpointShow, Doc: "shows an endpoint"},
		{Method: "PATCH", Path: "/v3/endpoints/{endpoint_id}", Policy: "identity:update_endpoint", Load: s.loadEndpoint(), Handle: s.endpointUpdate, Body: "endpoint_update", Doc: "changes an endpoint"},
		{Method: "DELETE", Path: "/v3/endpoints/{endpoint_id}", Policy: "identity:delete_endpoint", Load: s.loadEndpoint(), Handle: s.endpointDelete, Doc: "deletes an endpoint"},
	}
}

// filterRoutes are the rows of what the catalogs of projects show.
func (s *Service) filterRoutes() []api.Route {
	group, project := "/v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}", "/v3/OS-EP-FILTER/projects/{project_id}"
	single, grouped := ofEndpoint(), ofEndpointGroup()
	return []api.Route{
		{Method: "GET", Path: "/v3/OS-EP-FILTER/endpoint_groups", Policy: "identity:list_endpoint_groups", Handle: s.endpointGroupList, Doc: "lists groups of endpoints"},
		{Method: "POST", Path: "/v3/OS-EP-FILTER/endpoint_groups", Policy: "identity:create_endpoint_group", Handle: s.endpointGroupCreate, Body: "endpoint_group_create", Status: http.StatusCreated, Doc: "creates a group of endpoints"},
		{Method: "GET", Path: group, Policy: "identity:get_endpoint_group", Load: s.loadEndpointGroup(), Handle: s.endpointGroupShow, Doc: "shows a group of endpoints"},
		{Method: "PATCH", Path: group, Policy: "identity:update_endpoint_group", Load: s.loadEndpointGroup(), Handle: s.endpointGroupUpdate, Body: "endpoint_group_update", Doc: "changes a group of endpoints"},
		{Method: "DELETE", Path: group, Policy: "identity:delete_endpoint_group", Load: s.loadEndpointGroup(), Handle: s.endpointGroupDelete, Doc: "deletes a group of endpoints"},
		{Method: "GET", Path: group + "/endpoints", Policy: "identity:list_endpoints_associated_with_endpoint_group", Load: s.loadEndpointGroup(), Handle: s.endpointGroupEndpoints, Doc: "lists the endpoints of a group"},
		{Method: "GET", Path: group + "/projects", Policy: "identity:list_projects_associated_with_endpoint_group", Load: s.loadEndpointGroup(), Handle: s.endpointGroupProjects, Doc: "lists the projects that see a group of endpoints"},
		{Method: "PUT", Path: group + "/projects/{project_id}", Policy: "identity:add_endpoint_group_to_project", Load: s.loadProject(), Handle: s.associate(grouped), Status: http.StatusNoContent, Doc: "has a project see a group of endpoints"},
		{Method: "GET", Path: group + "/projects/{project_id}", Policy: "identity:get_endpoint_group_in_project", Load: s.loadProject(), Handle: s.associationShow(grouped), Status: http.StatusNoContent, Doc: "checks whether a project sees a group of endpoints"},
		{Method: "DELETE", Path: group + "/projects/{project_id}", Policy: "identity:remove_endpoint_group_from_project", Load: s.loadProject(), Handle: s.dissociate(grouped), Doc: "has a project no longer see a group of endpoints"},
		{Method: "GET", Path: "/v3/OS-EP-FILTER/endpoints/{endpoint_id}/projects", Policy: "identity:list_projects_for_endpoint", Load: s.loadEndpoint(), Handle: s.endpointProjects, Doc: "lists the projects that see an endpoint"},
		{Method: "GET", Path: project + "/endpoints", Policy: "identity:list_endpoints_for_project", Load: s.loadProject(), Handle: s.projectEndpointList, Doc: "lists the endpoints that a project sees"},
		{Method: "PUT", Path: project + "/endpoints/{endpoint_id}", Policy: "identity:add_endpoint_to_project", Load: s.loadProject(), Handle: s.associate(single), Status: http.StatusNoContent, Doc: "has a project see an endpoint"},
		{Method: "GET", Path: project + "/endpoints/{endpoint_id}", Policy: "identity:check_endpoint_in_project", Load: s.loadProject(), Handle: s.associationShow(single), Status: http.StatusNoContent, Doc: "checks whether a project sees an endpoint"},
		{Method: "DELETE", Path: project + "/endpoints/{endpoint_id}", Policy: "identity:remove_endpoint_from_project", Load: s.loadProject(), Handle: s.dissociate(single), Doc: "has a project no longer see an endpoint"},
		{Method: "GET", Path: project + "/endpoint_groups", Policy: "identity:list_endpoint_groups_for_project", Load: s.loadProject(), Handle: s.projectEndpointGroupList, Doc: "lists the groups of endpoints that a project sees"},
	}
}

// policyRoutes are the rows of policy files and of what they are for.
func (s *Service) policyRoutes() []api.Route {
	one := "/v3/policies/{policy_id}"
	return []api.Route{
		{Method: "GET", Path: "/v3/policies", Policy: "identity:list_policies", Handle: s.policyList, Doc: "lists policy files"},
		{Method: "POST", Path: "/v3/policies", Policy: "identity:create_policy", Handle: s.policyCreate, Body: "policy_create", Status: http.StatusCreated, Doc: "keeps a policy file"},
		{Method: "GET", Path: one, Policy: "identity:get_policy", Load: s.loadPolicy(), Handle: s.policyShow, Doc: "shows a policy file"},
		{Method: "PATCH", Path: one, Policy: "identity:update_policy", Load: s.loadPolicy(), Handle: s.policyUpdate, Body: "policy_update", Doc: "changes a policy file"},
		{Method: "DELETE", Path: one, Policy: "identity:delete_policy", Load: s.loadPolicy(), Handle: s.policyDelete, Doc: "deletes a policy file"},
		{Method: "GET", Path: one + "/OS-ENDPOINT-POLICY/endpoints", Policy: "identity:list_endpoints_for_policy", Load: s.loadPolicy(), Handle: s.policyEndpoints, Doc: "lists the endpoints that a policy is for"},
		{Method: "GET", Path: "/v3/endpoints/{endpoint_id}/OS-ENDPOINT-POLICY/policy", Policy: "identity:get_policy_for_endpoint", Load: s.loadEndpoint(), Handle: s.endpointPolicy, Doc: "shows the policy of an endpoint"},
		{Method: "PUT", Path: one + "/OS-ENDPOINT-POLICY/endpoints/{endpoint_id}", Policy: "identity:create_policy_association_for_endpoint", Load: s.loadPolicy(), Handle: s.policyAssociate, Status: http.StatusNoContent, Doc: "has a policy be for an endpoint"},
		{Method: "GET", Path: one + "/OS-ENDPOINT-POLICY/endpoints/{endpoint_id}", Policy: "identity:check_policy_association_for_endpoint", Load: s.loadPolicy(), Handle: s.policyAssociationShow, Status: http.StatusNoContent, Doc: "checks whether a policy is for an endpoint"},
		{Method: "DELETE", Path: one + "/OS-ENDPOINT-POLICY/endpoints/{endpoint_id}", Policy: "identity:delete_policy_association_for_endpoint", Load: s.loadPolicy(), Handle: s.policyDissociate, Doc: "has a policy no longer be for an endpoint"},
		{Method: "PUT", Path: one + "/OS-ENDPOINT-POLICY/services/{service_id}", Policy: "identity:create_policy_association_for_service", Load: s.loadPolicy(), Handle: s.policyAssociate, Status: http.StatusNoContent, Doc: "has a policy be for a service"},
		{Method: "GET", Path: one + "/OS-ENDPOINT-POLICY/services/{service_id}", Policy: "identity:check_policy_association_for_service", Load: s.loadPolicy(), Handle: s.policyAssociationShow, Status: http.StatusNoContent, Doc: "checks whether a policy is for a service"},
		{Method: "DELETE", Path: one + "/OS-ENDPOINT-POLICY/services/{service_id}", Policy: "identity:delete_policy_association_for_service", Load: s.loadPolicy(), Handle: s.policyDissociate, Doc: "has a policy no longer be for a service"},
		{Method: "PUT", Path: one + "/OS-ENDPOINT-POLICY/services/{service_id}/regions/{region_id}", Policy: "identity:create_policy_association_for_region_and_service", Load: s.loadPolicy(), Handle: s.policyAssociate, Status: http.StatusNoContent, Doc: "has a policy be for a service in a region"},
		{Method: "GET", Path: one + "/OS-ENDPOINT-POLICY/services/{service_id}/regions/{region_id}", Policy: "identity:check_policy_association_for_region_and_service", Load: s.loadPolicy(), Handle: s.policyAssociationShow, Status: http.StatusNoContent, Doc: "checks whether a policy is for a service in a region"},
		{Method: "DELETE", Path: one + "/OS-ENDPOINT-POLICY/services/{service_id}/regions/{region_id}", Policy: "identity:delete_policy_association_for_region_and_service", Load: s.loadPolicy(), Handle: s.policyDissociate, Doc: "has a policy no longer be for a service in a region"},
	}
}

// domainConfigRoutes are the rows of domains' configurations.
func (s *Service) domainConfigRoutes() []api.Route {
	one := "/v3/domains/{domain_id}/config"
	return []api.Route{
		{Method: "PUT", Path: one, Policy: "identity:create_domain_config", Load: s.loadDomain(), Handle: s.domainConfigCreate, Body: "domain_config", Status: http.StatusCreated, Doc: "sets the configuration of a domain"},
		{Method: "GET", Path: "/v3/domains/config/default", Policy: "identity:get_domain_config_default", Handle: s.domainConfigDefault, Doc: "shows the defaults of domains' configurations"},
		{Method: "GET", Path: "/v3/domains/config/{group}/default", Policy: "identity:get_domain_config_default", Handle: s.domainConfigDefault, Doc: "shows the defaults of a group of options"},
		{Method: "GET", Path: "/v3/domains/config/{group}/{option}/default", Policy: "identity:get_domain_config_default", Handle: s.domainConfigDefault, Doc: "shows the default of an option"},
		{Method: "GET", Path: one, Policy: "identity:get_domain_config", Load: s.loadDomain(), Handle: s.domainConfigShow, Doc: "shows the configuration of a domain"},
		{Method: "PATCH", Path: one, Policy: "identity:update_domain_config", Load: s.loadDomain(), Handle: s.domainConfigUpdate, Body: "domain_config", Doc: "changes the configuration of a domain"},
		{Method: "DELETE", Path: one, Policy: "identity:delete_domain_config", Load: s.loadDomain(), Handle: s.domainConfigDelete, Doc: "deletes the configuration of a domain"},
		{Method: "GET", Path: one + "/{group}", Policy: "identity:get_domain_config", Load: s.loadDomain(), Handle: s.domainConfigShow, Doc: "shows a group of options of a domain"},
		{Method: "PATCH", Path: one + "/{group}", Policy: "identity:update_domain_config", Load: s.loadDomain(), Handle: s.domainConfigUpdate, Body: "domain_config", Doc: "changes a group of options of a domain"},
		{Method: "DELETE", Path: one + "/{group}", Policy: "identity:delete_domain_config", Load: s.loadDomain(), Handle: s.domainConfigDelete, Doc: "deletes a group of options of a domain"},
		{Method: "GET", Path: one + "/{group}/{option}", Policy: "identity:get_domain_config", Load: s.loadDomain(), Handle: s.domainConfigShow, Doc: "shows an option of a domain"},
		{Method: "PATCH", Path: one + "/{group}/{option}", Policy: "identity:update_domain_config", Load: s.loadDomain(), Handle: s.domainConfigUpdate, Body: "domain_config", Doc: "changes an option of a domain"},
		{Method: "DELETE", Path: one + "/{group}/{option}", Policy: "identity:delete_domain_config", Load: s.loadDomain(), Handle: s.domainConfigDelete, Doc: "deletes an option of a domain"},
	}
}

// limitRoutes are the rows of limits, which services enforce.
func (s *Service) limitRoutes() []api.Route {
	registered, one := "/v3/registered_limits/{registered_limit_id}", "/v3/limits/{limit_id}"
	return []api.Route{
		{Method: "GET", Path: "/v3/limits/model", Policy: "identity:get_limit_model", Handle: s.limitModel, Doc: "shows how limits relate to each other"},
		{Method: "GET", Path: "/v3/registered_limits", Policy: "identity:list_registered_limits", Handle: s.registeredLimitList, Doc: "lists limits for all projects"},
		{Method: "POST", Path: "/v3/registered_limits", Policy: "identity:create_registered_limits", Handle: s.registeredLimitCreate, Body: "registered_limit_create", Status: http.StatusCreated, Doc: "creates limits for all projects"},
		{Method: "GET", Path: registered, Policy: "identity:get_registered_limit", Load: s.loadRegisteredLimit(), Handle: s.registeredLimitShow, Doc: "shows a limit for all projects"},
		{Method: "PATCH", Path: registered, Policy: "identity:update_registered_limit", Load: s.loadRegisteredLimit(), Handle: s.registeredLimitUpdate, Body: "registered_limit_update", Doc: "changes a limit for all projects"},
		{Method: "DELETE", Path: registered, Policy: "identity:delete_registered_limit", Load: s.loadRegisteredLimit(), Handle: s.registeredLimitDelete, Doc: "deletes a limit for all projects"},
		{Method: "GET", Path: "/v3/limits", Policy: "identity:list_limits", Handle: s.limitList, Doc: "lists limits of projects and domains"},
		{Method: "POST", Path: "/v3/limits", Policy: "identity:create_limits", Handle: s.limitCreate, Body: "limit_create", Status: http.StatusCreated, Doc: "creates limits of projects and domains"},
		{Method: "GET", Path: one, Policy: "identity:get_limit", Load: s.loadLimit(), Handle: s.limitShow, Doc: "shows a limit of a project or a domain"},
		{Method: "PATCH", Path: one, Policy: "identity:update_limit", Load: s.loadLimit(), Handle: s.limitUpdate, Body: "limit_update", Doc: "changes a limit of a project or a domain"},
		{Method: "DELETE", Path: one, Policy: "identity:delete_limit", Load: s.loadLimit(), Handle: s.limitDelete, Doc: "deletes a limit of a project or a domain"},
	}
}

// consumerRoutes are the rows of programs that may ask users to hand them roles on.
func (s *Service) consumerRoutes() []api.Route {
	one := "/v3/OS-OAUTH1/consumers/{consumer_id}"
	return []api.Route{
		{Method: "GET", Path: "/v3/OS-OAUTH1/consumers", Policy: "identity:list_consumers", Handle: s.consumerList, Doc: "lists consumers"},
		{Method: "POST", Path: "/v3/OS-OAUTH1/consumers", Policy: "identity:create_consumer", Handle: s.consumerCreate, Body: "consumer", Status: http.StatusCreated, Doc: "creates a consumer"},
		{Method: "GET", Path: one, Policy: "identity:get_consumer", Load: s.loadConsumer(), Handle: s.consumerShow, Doc: "shows a consumer"},
		{Method: "PATCH", Path: one, Policy: "identity:update_consumer", Load: s.loadConsumer(), Handle: s.consumerUpdate, Body: "consumer", Doc: "changes a consumer"},
		{Method: "DELETE", Path: one, Policy: "identity:delete_consumer", Load: s.loadConsumer(), Handle: s.consumerDelete, Doc: "deletes a consumer"},
	}
}

// accessTokenRoutes are the rows by which consumers are handed roles on.
func (s *Service) accessTokenRoutes() []api.Route {
	all := "/v3/users/{user_id}/OS-OAUTH1/access_tokens"
	one := all + "/{access_token_id}"
	return []api.Route{
		{Method: "POST", Path: "/v3/OS-OAUTH1/request_token", Public: true, Handle: s.requestTokenCreate, Doc: "asks for roles on a project, signed by a consumer"},
		{Method: "PUT", Path: "/v3/OS-OAUTH1/authorize/{request_token_id}", Policy: "identity:authorize_request_token", Handle: s.requestTokenGrant, Body: "request_token_grant", Doc: "hands the caller's roles on to a consumer"},
		{Method: "POST", Path: "/v3/OS-OAUTH1/access_token", Public: true, Handle: s.accessTokenCreate, Doc: "exchanges a request token, signed by a consumer"},
		{Method: "GET", Path: all, Policy: "identity:list_access_tokens", Load: s.ofPathUser, Handle: s.accessTokenList, Doc: "lists the access tokens of a user"},
		{Method: "GET", Path: one, Policy: "identity:get_access_token", Load: s.loadAccessToken, Handle: s.accessTokenShow, Doc: "shows an access token"},
		{Method: "DELETE", Path: one, Policy: "identity:delete_access_token", Load: s.loadAccessToken, Handle: s.accessTokenDelete, Doc: "deletes an access token; tokens made with it end"},
		{Method: "GET", Path: one + "/roles", Policy: "identity:list_access_token_roles", Load: s.loadAccessToken, Handle: s.accessTokenRoleList, Doc: "lists the roles that an access token hands on"},
		{Method: "GET", Path: one + "/roles/{role_id}", Policy: "identity:get_access_token_role", Load: s.loadAccessToken, Handle: s.accessTokenRoleShow, Doc: "shows a role that an access token hands on"},
	}
}
