package identity

import (
	"slices"
	"strings"

	"virga/core/api"
	"virga/core/api/events"
	"virga/core/authz"
)

// Checks that many rules share. Who has the role admin, on whatever project, is an
// administrator of the cloud.
const (
	admin        = "rule:admin_required"
	systemReader = "(role:reader and system_scope:all)"
	adminReader  = admin + " or " + systemReader

	readerOfOwnDomain   = "(role:reader and domain_id:%(target.domain_id)s)"
	readerOfUserDomain  = "(role:reader and domain_id:%(target.user.domain_id)s)"
	readerOfGroupDomain = "(role:reader and domain_id:%(target.group.domain_id)s)"

	getProject     = adminReader + " or (role:reader and domain_id:%(target.project.domain_id)s) or project_id:%(target.project.id)s"
	manageProject  = admin + " or (role:manager and domain_id:%(target.project.domain_id)s)"
	manageUser     = admin + " or (role:manager and domain_id:%(target.user.domain_id)s)"
	manageGroup    = admin + " or (role:manager and domain_id:%(target.group.domain_id)s)"
	manageMember   = admin + " or (role:manager and domain_id:%(target.group.domain_id)s and domain_id:%(target.user.domain_id)s)"
	readMember     = adminReader + " or (role:reader and domain_id:%(target.group.domain_id)s and domain_id:%(target.user.domain_id)s)"
	ownUser        = "user_id:%(target.user.id)s"
	listRoles      = adminReader + " or (role:manager and not domain_id:None)"
	getRole        = adminReader + " or (role:manager and rule:domain_managed_target_role)"
	ownCredential  = "user_id:%(target.credential.user_id)s"
	domainOfActor  = "(domain_id:%(target.user.domain_id)s or domain_id:%(target.group.domain_id)s)"
	domainOfTarget = "(domain_id:%(target.project.domain_id)s or domain_id:%(target.domain.id)s)"
	domainOfRole   = "(domain_id:%(target.role.domain_id)s or None:%(target.role.domain_id)s)"
	grantDomain    = domainOfActor + " and " + domainOfTarget
	manageGrant    = admin + " or (role:admin and " + grantDomain + " and " + domainOfRole + ") or (role:manager and " + grantDomain + " and rule:domain_managed_target_role)"
)

// scopes of tokens that a rule is meant for.
func everyScope() []string    { return []string{"system", "domain", "project"} }
func withoutDomain() []string { return []string{"system", "project"} }

// rules are keystone's rules with its default checks, and the operations of routes that
// each of them governs.
func rules(routes []api.Route) []authz.Rule {
	all := slices.Concat(sharedRules(), tokenRules(), resourceRules(), userRules(), assignmentRules(), catalogRules(), credentialRules(), trustRules(), filterRules(), policyRules(), domainConfigRules(), limitRules(), consumerRules(), accessTokenRules(), events.Rules("identity"))
	for i := range all {
		for _, row := range routes {
			if row.Policy == all[i].Name {
				all[i].Operations = append(all[i].Operations, authz.Operation{Method: row.Method, Path: row.Path})
			}
		}
	}
	return all
}

func rule(name, check string, scopes []string, description string) authz.Rule {
	return authz.Rule{Name: "identity:" + name, Check: check, Scopes: scopes, Description: description}
}

func sharedRules() []authz.Rule {
	return []authz.Rule{
		{Name: "admin_required", Check: "role:admin", Description: "Administrators of the cloud."},
		{Name: "service_role", Check: "role:service", Description: "Services of the cloud."},
		{Name: "service_or_admin", Check: "rule:admin_required or rule:service_role", Description: "Services of the cloud, and its administrators."},
		{Name: "owner", Check: "user_id:%(user_id)s", Description: "The user whom the target belongs to."},
		{Name: "admin_or_owner", Check: "rule:admin_required or rule:owner", Description: "Administrators, and the user whom the target belongs to."},
		{Name: "token_subject", Check: "user_id:%(target.token.user_id)s", Description: "The user whom a token belongs to."},
		{
			Name:        "domain_managed_target_role",
			Check:       "'manager':%(target.role.name)s or 'member':%(target.role.name)s or 'reader':%(target.role.name)s",
			Description: "Roles that managers of a domain may give; none of them may be stronger than manager.",
		},
	}
}

func tokenRules() []authz.Rule {
	return []authz.Rule{
		rule("check_token", adminReader+" or rule:service_role or rule:token_subject", everyScope(), "Find out whether a token is valid."),
		rule("validate_token", adminReader+" or rule:service_role or rule:token_subject", everyScope(), "Validate a token and show whom it belongs to."),
		rule("revoke_token", admin+" or rule:token_subject", everyScope(), "Revoke a token."),
		rule("get_auth_catalog", "", nil, "Show the catalog of the caller's scope."),
		rule("get_auth_projects", "", nil, "List the projects that the caller can scope a token to."),
		rule("get_auth_domains", "", nil, "List the domains that the caller can scope a token to."),
		rule("get_auth_system", "", nil, "Tell whether the caller can scope a token to the system."),
	}
}

func resourceRules() []authz.Rule {
	return []authz.Rule{
		rule("get_domain", adminReader+" or token.domain.id:%(target.domain.id)s or token.project.domain.id:%(target.domain.id)s", everyScope(), "Show a domain."),
		rule("list_domains", adminReader+" or (role:reader and domain_id:%(target.domain.id)s)", everyScope(), "List domains."),
		rule("create_domain", admin, withoutDomain(), "Create a domain."),
		rule("update_domain", admin, withoutDomain(), "Change a domain."),
		rule("delete_domain", admin, withoutDomain(), "Delete a domain."),
		rule("get_project", getProject, everyScope(), "Show a project."),
		rule("list_projects", adminReader+" or "+readerOfOwnDomain, everyScope(), "List projects."),
		rule("list_user_projects", adminReader+" or "+readerOfUserDomain+" or "+ownUser, everyScope(), "List the projects of a user."),
		rule("create_project", manageProject, everyScope(), "Create a project."),
		rule("update_project", manageProject, everyScope(), "Change a project."),
		rule("delete_project", manageProject, everyScope(), "Delete a project."),
		rule("list_project_tags", getProject, everyScope(), "List the tags of a project."),
		rule("get_project_tag", getProject, everyScope(), "Check whether a project has a tag."),
		rule("update_project_tags", manageProject, everyScope(), "Replace the tags of a project."),
		rule("create_project_tag", manageProject, everyScope(), "Add a tag to a project."),
		rule("delete_project_tags", manageProject, everyScope(), "Remove all tags of a project."),
		rule("delete_project_tag", manageProject, everyScope(), "Remove a tag of a project."),
	}
}

func userRules() []authz.Rule {
	return []authz.Rule{
		rule("get_user", adminReader+" or (role:reader and token.domain.id:%(target.user.domain_id)s) or "+ownUser, everyScope(), "Show a user."),
		rule("list_users", adminReader+" or "+readerOfOwnDomain, everyScope(), "List users."),
		rule("create_user", manageUser, everyScope(), "Create a user."),
		rule("update_user", manageUser, everyScope(), "Change a user."),
		rule("delete_user", manageUser, everyScope(), "Delete a user."),
		rule("get_group", adminReader+" or "+readerOfGroupDomain, everyScope(), "Show a group."),
		rule("list_groups", adminReader+" or "+readerOfGroupDomain, everyScope(), "List groups."),
		rule("list_groups_for_user", adminReader+" or "+readerOfUserDomain+" or "+ownUser, everyScope(), "List the groups of a user."),
		rule("create_group", manageGroup, everyScope(), "Create a group."),
		rule("update_group", manageGroup, everyScope(), "Change a group."),
		rule("delete_group", manageGroup, everyScope(), "Delete a group."),
		rule("list_users_in_group", adminReader+" or "+readerOfGroupDomain, everyScope(), "List the members of a group."),
		rule("check_user_in_group", readMember, everyScope(), "Check whether a user is in a group."),
		rule("add_user_to_group", manageMember, everyScope(), "Add a user to a group."),
		rule("remove_user_from_group", manageMember, everyScope(), "Take a user out of a group."),
	}
}

func assignmentRules() []authz.Rule {
	readGrant := "(role:reader and " + grantDomain + ")"
	all := []authz.Rule{
		rule("get_role", getRole, everyScope(), "Show a role."),
		rule("list_roles", listRoles, everyScope(), "List roles."),
		rule("create_role", admin, withoutDomain(), "Create a role."),
		rule("update_role", admin, withoutDomain(), "Change a role."),
		rule("delete_role", admin, withoutDomain(), "Delete a role."),
		rule("get_domain_role", adminReader, withoutDomain(), "Show a role of a domain."),
		rule("list_domain_roles", adminReader, withoutDomain(), "List the roles of a domain."),
		rule("create_domain_role", admin, withoutDomain(), "Create a role of a domain."),
		rule("update_domain_role", admin, withoutDomain(), "Change a role of a domain."),
		rule("delete_domain_role", admin, withoutDomain(), "Delete a role of a domain."),
		rule("get_implied_role", adminReader, withoutDomain(), "Show what a role implies."),
		rule("list_implied_roles", adminReader, withoutDomain(), "List the roles that a role implies."),
		rule("create_implied_role", admin, withoutDomain(), "Have a role imply another."),
		rule("delete_implied_role", admin, withoutDomain(), "Have a role no longer imply another."),
		rule("list_role_inference_rules", adminReader, withoutDomain(), "List all implications of roles."),
		rule("check_implied_role", adminReader, withoutDomain(), "Check whether a role implies another."),
		rule("check_grant", adminReader+" or ("+readGrant+" and "+domainOfRole+")", everyScope(), "Check whether an actor has a role on a target."),
		rule("list_grants", adminReader+" or "+readGrant, everyScope(), "List the roles of an actor on a target."),
		rule("create_grant", manageGrant, everyScope(), "Give an actor a role on a target."),
		rule("revoke_grant", manageGrant, everyScope(), "Take a role on a target from an actor."),
		rule("list_role_assignments", adminReader+" or "+readerOfOwnDomain, everyScope(), "List role assignments."),
		rule("list_role_assignments_for_tree", adminReader+" or "+readerOfOwnDomain+" or (role:admin and project_id:%(target.project.id)s)", everyScope(), "List the role assignments of a tree of projects."),
	}
	for _, actor := range []string{actorUser, actorGroup} {
		all = append(all,
			rule("list_system_grants_for_"+actor, adminReader, withoutDomain(), "List the roles of a "+actor+" on the system."),
			rule("check_system_grant_for_"+actor, adminReader, withoutDomain(), "Check whether a "+actor+" has a role on the system."),
			rule("create_system_grant_for_"+actor, admin, withoutDomain(), "Give a "+actor+" a role on the system."),
			rule("revoke_system_grant_for_"+actor, admin, withoutDomain(), "Take a role on the system from a "+actor+"."))
	}
	return all
}

func catalogRules() []authz.Rule {
	all := []authz.Rule{
		rule("get_region", "", everyScope(), "Show a region."),
		rule("list_regions", "", everyScope(), "List regions."),
		rule("get_service", adminReader, withoutDomain(), "Show a service."),
		rule("list_services", adminReader, withoutDomain(), "List services."),
		rule("get_endpoint", adminReader, withoutDomain(), "Show an endpoint."),
		rule("list_endpoints", adminReader, withoutDomain(), "List endpoints."),
	}
	for _, kind := range []string{"region", "service", "endpoint"} {
		for _, verb := range []string{"create", "update", "delete"} {
			description := strings.ToUpper(verb[:1]) + verb[1:] + " " + kind + "s of the catalog."
			all = append(all, rule(verb+"_"+kind, admin, withoutDomain(), description))
		}
	}
	return all
}

func trustRules() []authz.Rule {
	const trustor, trustee = "user_id:%(target.trust.trustor_user_id)s", "user_id:%(target.trust.trustee_user_id)s"
	return []authz.Rule{
		rule("ask_for_trusts", "", nil, "Ask for a list of trusts; which list is given is decided by the rules of the three lists."),
		rule("list_trusts", adminReader, withoutDomain(), "List all trusts."),
		rule("list_trusts_for_trustor", adminReader+" or "+trustor, everyScope(), "List the trusts of a trustor."),
		rule("list_trusts_for_trustee", adminReader+" or "+trustee, everyScope(), "List the trusts of a trustee."),
		rule("create_trust", trustor, []string{"project"}, "Create a trust."),
		rule("get_trust", adminReader+" or "+trustor+" or "+trustee, everyScope(), "Show a trust."),
		rule("delete_trust", admin+" or "+trustor, everyScope(), "Delete a trust."),
		rule("list_roles_for_trust", adminReader+" or "+trustor+" or "+trustee, everyScope(), "List the roles of a trust."),
		rule("get_role_for_trust", adminReader+" or "+trustor+" or "+trustee, everyScope(), "Show a role of a trust."),
	}
}

func credentialRules() []authz.Rule {
	return []authz.Rule{
		rule("get_application_credential", adminReader+" or rule:owner", withoutDomain(), "Show an application credential."),
		rule("list_application_credentials", adminReader+" or rule:owner", withoutDomain(), "List the application credentials of a user."),
		rule("create_application_credential", "rule:owner", []string{"project"}, "Create an application credential for oneself."),
		rule("delete_application_credential", admin+" or rule:owner", withoutDomain(), "Delete an application credential."),
		rule("list_access_rules", adminReader+" or rule:owner", withoutDomain(), "List a user's access rules."),
		rule("get_access_rule", adminReader+" or rule:owner", withoutDomain(), "Show an access rule."),
		rule("delete_access_rule", admin+" or rule:owner", withoutDomain(), "Delete an access rule."),
		rule("get_credential", adminReader+" or "+ownCredential, everyScope(), "Show a credential."),
		rule("list_credentials", adminReader+" or "+ownCredential, everyScope(), "List credentials: one's own, or all."),
		rule("create_credential", admin+" or "+ownCredential, everyScope(), "Create a credential."),
		rule("update_credential", admin+" or "+ownCredential, everyScope(), "Change a credential."),
		rule("delete_credential", admin+" or "+ownCredential, everyScope(), "Delete a credential."),
		rule("ec2_get_credential", adminReader+" or rule:owner", everyScope(), "Show an EC2 key pair."),
		rule("ec2_list_credentials", adminReader+" or rule:owner", everyScope(), "List a user's EC2 key pairs."),
		rule("ec2_create_credential", admin+" or rule:owner", everyScope(), "Create an EC2 key pair."),
		rule("ec2_delete_credential", admin+" or rule:owner", everyScope(), "Delete an EC2 key pair."),
		rule("ec2tokens_validate", "rule:service_or_admin", everyScope(), "Find out whose EC2 key has signed a request."),
		rule("s3tokens_validate", "rule:service_or_admin", everyScope(), "Find out whose key has signed a request to an object store."),
	}
}

func filterRules() []authz.Rule {
	var all []authz.Rule
	for name, description := range map[string]string{
		"list_endpoint_groups": "List groups of endpoints.", "get_endpoint_group": "Show a group of endpoints.",
		"list_endpoints_associated_with_endpoint_group": "List the endpoints of a group.",
		"list_projects_associated_with_endpoint_group":  "List the projects that see a group of endpoints.",
		"get_endpoint_group_in_project":                 "Check whether a project sees a group of endpoints.",
		"list_projects_for_endpoint":                    "List the projects that see an endpoint.",
		"list_endpoints_for_project":                    "List the endpoints that a project sees.",
		"check_endpoint_in_project":                     "Check whether a project sees an endpoint.",
		"list_endpoint_groups_for_project":              "List the groups of endpoints that a project sees.",
	} {
		all = append(all, rule(name, adminReader, withoutDomain(), description))
	}
	for name, description := range map[string]string{
		"create_endpoint_group": "Create a group of endpoints.", "update_endpoint_group": "Change a group of endpoints.",
		"delete_endpoint_group":              "Delete a group of endpoints.",
		"add_endpoint_group_to_project":      "Have a project see a group of endpoints.",
		"remove_endpoint_group_from_project": "Have a project no longer see a group of endpoints.",
		"add_endpoint_to_project":            "Have a project see an endpoint.",
		"remove_endpoint_from_project":       "Have a project no longer see an endpoint.",
	} {
		all = append(all, rule(name, admin, withoutDomain(), description))
	}
	return all
}

func policyRules() []authz.Rule {
	all := []authz.Rule{
		rule("list_policies", adminReader, withoutDomain(), "List policy files."),
		rule("get_policy", adminReader, withoutDomain(), "Show a policy file."),
		rule("create_policy", admin, withoutDomain(), "Keep a policy file."),
		rule("update_policy", admin, withoutDomain(), "Change a policy file."),
		rule("delete_policy", admin, withoutDomain(), "Delete a policy file."),
		rule("list_endpoints_for_policy", adminReader, withoutDomain(), "List the endpoints that a policy is for."),
		rule("get_policy_for_endpoint", adminReader, withoutDomain(), "Show the policy of an endpoint."),
	}
	for _, place := range []string{"endpoint", "service", "region_and_service"} {
		name := "policy_association_for_" + place
		all = append(all,
			rule("create_"+name, admin, withoutDomain(), "Say what a policy is for."),
			rule("check_"+name, adminReader, withoutDomain(), "Check what a policy is for."),
			rule("delete_"+name, admin, withoutDomain(), "Have a policy no longer be for something."))
	}
	return all
}

func domainConfigRules() []authz.Rule {
	return []authz.Rule{
		rule("create_domain_config", admin, withoutDomain(), "Set the configuration of a domain."),
		rule("get_domain_config", adminReader, withoutDomain(), "Show the configuration of a domain."),
		rule("update_domain_config", admin, withoutDomain(), "Change the configuration of a domain."),
		rule("delete_domain_config", admin, withoutDomain(), "Delete the configuration of a domain."),
		rule("get_domain_config_default", adminReader, withoutDomain(), "Show the defaults of domains' configurations."),
	}
}

func limitRules() []authz.Rule {
	ofOwn := "domain_id:%(target.limit.domain.id)s or domain_id:%(target.limit.project.domain_id)s or (project_id:%(target.limit.project_id)s and not None:%(target.limit.project_id)s)"
	return []authz.Rule{
		rule("get_limit_model", "", everyScope(), "Show how limits relate to each other."),
		rule("list_registered_limits", "", everyScope(), "List limits for all projects."),
		rule("get_registered_limit", "", everyScope(), "Show a limit for all projects."),
		rule("create_registered_limits", admin, withoutDomain(), "Create limits for all projects."),
		rule("update_registered_limit", admin, withoutDomain(), "Change a limit for all projects."),
		rule("delete_registered_limit", admin, withoutDomain(), "Delete a limit for all projects."),
		rule("list_limits", "", everyScope(), "List limits: those of the own project or domain, or all."),
		rule("get_limit", adminReader+" or ("+ofOwn+")", everyScope(), "Show a limit of a project or a domain."),
		rule("create_limits", admin, withoutDomain(), "Create limits of projects and domains."),
		rule("update_limit", admin, withoutDomain(), "Change a limit of a project or a domain."),
		rule("delete_limit", admin, withoutDomain(), "Delete a limit of a project or a domain."),
	}
}

func consumerRules() []authz.Rule {
	return []authz.Rule{
		rule("list_consumers", adminReader, withoutDomain(), "List consumers."),
		rule("get_consumer", adminReader, withoutDomain(), "Show a consumer."),
		rule("create_consumer", admin, withoutDomain(), "Create a consumer."),
		rule("update_consumer", admin, withoutDomain(), "Change a consumer."),
		rule("delete_consumer", admin, withoutDomain(), "Delete a consumer."),
	}
}

// accessTokenRules let users see to what they have handed on themselves; in the field only
// administrators may.
func accessTokenRules() []authz.Rule {
	return []authz.Rule{
		rule("authorize_request_token", "", []string{"project"}, "Hand roles that one has on the project of a request token on to its consumer."),
		rule("list_access_tokens", "rule:admin_or_owner", []string{"project"}, "List the access tokens of a user."),
		rule("get_access_token", "rule:admin_or_owner", []string{"project"}, "Show an access token."),
		rule("delete_access_token", "rule:admin_or_owner", []string{"project"}, "Delete an access token."),
		rule("list_access_token_roles", "rule:admin_or_owner", []string{"project"}, "List the roles that an access token hands on."),
		rule("get_access_token_role", "rule:admin_or_owner", []string{"project"}, "Show a role that an access token hands on."),
	}
}
