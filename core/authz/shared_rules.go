package authz

// BaseRules are the rules that services share; a service registers them before its own, which refer to them.
//
// They count on implied roles being expanded in the token: who holds admin also holds manager, member and reader.
func BaseRules() []Rule {
	return []Rule{
		{Name: "context_is_admin", Check: "role:admin",
			Description: "Decides whether a request is made by an administrator of the cloud."},
		{Name: "admin_required", Check: "rule:context_is_admin",
			Description: "Administrators of the cloud."},
		{Name: "admin_api", Check: "rule:context_is_admin",
			Description: "Administrators of the cloud; the name that compute's rules use."},
		{Name: "owner", Check: "user_id:%(user_id)s",
			Description: "The user whom the target belongs to."},
		{Name: "project_owner", Check: "project_id:%(project_id)s",
			Description: "Anybody with a role on the project that the target belongs to."},
		{Name: "admin_or_owner", Check: "rule:context_is_admin or rule:project_owner",
			Description: "Administrators of the cloud, and anybody with a role on the target's project."},
		{Name: "project_reader_api", Check: "role:reader and rule:project_owner",
			Description: "Readers of the target's project."},
		{Name: "project_member_api", Check: "role:member and rule:project_owner",
			Description: "Members of the target's project."},
		{Name: "project_manager_api", Check: "role:manager and rule:project_owner",
			Description: "Managers of the target's project."},
		{Name: "project_reader_or_admin", Check: "rule:project_reader_api or rule:context_is_admin",
			Description: "Readers of the target's project, and administrators of the cloud."},
		{Name: "project_member_or_admin", Check: "rule:project_member_api or rule:context_is_admin",
			Description: "Members of the target's project, and administrators of the cloud."},
		{Name: "project_manager_or_admin", Check: "rule:project_manager_api or rule:context_is_admin",
			Description: "Managers of the target's project, and administrators of the cloud."},
		{Name: "service_api", Check: "role:service",
			Description: "Services of the cloud, which speak to each other."},
		{Name: "service_or_admin", Check: "rule:service_api or rule:context_is_admin",
			Description: "Services of the cloud, and its administrators."},
		{Name: "public_api", Check: "@",
			Description: "Anybody with a valid token."},
	}
}
