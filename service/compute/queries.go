package compute

import (
	"slices"

	"virga/core/api"
)

// queryRule is what a row's query may have from a version on.
type queryRule struct {
	since   api.Version
	allowed []string
}

// queryRules are the rows of which unknown parameters were refused before 2.102, where all
// others followed without any. The lists of servers have a rule of their own (readServerQuery),
// and what is no part of nova's API has none.
func queryRules(method, path string) []queryRule {
	paging := []string{"limit", "marker"}
	switch method + " " + path {
	case "GET /v2.1/servers", "GET /v2.1/servers/detail", "GET /v2.1/os-volumes_boot", "GET /v2.1/os-volumes_boot/detail":
		return nil
	case "GET /v2.1/flavors", "GET /v2.1/flavors/detail":
		known := append(paging, "is_public", "minDisk", "minRam", "sort_dir", "sort_key")
		return []queryRule{{vWholeUpdate, known}, {vStrictQueries, append(known, "name")}}
	case "GET /v2.1/os-keypairs":
		return []queryRule{{vWholeUpdate, append(paging, "user_id")}}
	case "GET /v2.1/os-keypairs/{name}", "DELETE /v2.1/os-keypairs/{name}", "GET /v2.1/os-quota-sets/{project_id}", "PUT /v2.1/os-quota-sets/{project_id}",
		"DELETE /v2.1/os-quota-sets/{project_id}", "GET /v2.1/os-quota-sets/{project_id}/detail":
		return []queryRule{{vWholeUpdate, []string{"user_id"}}}
	case "GET /v2.1/os-quota-sets/{project_id}/defaults":
		return []queryRule{{vStrictQueries, []string{"user_id"}}}
	case "GET /v2.1/limits":
		return []queryRule{{vWholeUpdate, []string{"tenant_id"}}}
	case "GET /v2.1/os-server-groups":
		return []queryRule{{vWholeUpdate, []string{"all_projects", "limit", "offset"}}}
	case "GET /v2.1/os-services":
		return []queryRule{{vWholeUpdate, []string{"binary", "host"}}}
	case "GET /v2.1/os-simple-tenant-usage":
		return []queryRule{{vWholeUpdate, append(paging, "detailed", "start", "end")}}
	case "GET /v2.1/os-simple-tenant-usage/{project_id}":
		return []queryRule{{vWholeUpdate, append(paging, "start", "end")}}
	case "GET /v2.1/os-hypervisors", "GET /v2.1/os-hypervisors/detail":
		return []queryRule{{vServiceUUID, append(paging, "hypervisor_hostname_pattern", "with_servers")}}
	case "GET /v2.1/os-hypervisors/{hypervisor_id}":
		return []queryRule{{vServiceUUID, []string{"with_servers"}}}
	case "GET /v2.1/servers/{server_id}/os-instance-actions":
		return []queryRule{{vActionPaging, append(paging, "changes-since", "changes-before")}}
	case "GET /v2.1/os-migrations":
		return []queryRule{{vMigrationPaging, append(paging, "changes-since", "changes-before", "hidden", "host", "instance_uuid", "source_compute", "status",
			"migration_type", "user_id", "project_id")}}
	case "GET /v2.1/servers/{server_id}/os-volume_attachments":
		return []queryRule{{vWholeUpdate, []string{"limit", "offset"}}}
	case "DELETE /v2.1/os-assisted-volume-snapshots/{snapshot_id}":
		return []queryRule{{vWholeUpdate, []string{"delete_info"}}}
	}
	if method == get && len(path) > len("/v2.1/") && path[:len("/v2.1/")] == "/v2.1/" {
		return []queryRule{{vStrictQueries, nil}}
	}
	return nil
}

// checkQuery refuses parameters that a row does not know, from the version on from which nova
// looks at them.
func checkQuery(row *api.Route, r *api.Request) error {
	var rule *queryRule
	for _, candidate := range queryRules(row.Method, row.Path) {
		if r.Version.AtLeast(candidate.since) {
			rule = &candidate
		}
	}
	if rule == nil {
		return nil
	}
	for name := range r.Query {
		if !slices.Contains(rule.allowed, name) {
			return api.BadRequest("Additional properties are not allowed ('%s' was unexpected)", oneLine(name, 60))
		}
	}
	return nil
}
