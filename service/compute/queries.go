package compute

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"virga/core/api"
)

// queryRule is what a row's query may have from a version on.
type queryRule struct {
	since   api.Version
	allowed []string
	// once are those of them that may be given one time only.
	once []string
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
		return []queryRule{{since: vWholeUpdate, allowed: known}, {since: vStrictQueries, allowed: append(known, "name")}}
	case "GET /v2.1/os-keypairs":
		return []queryRule{{since: vWholeUpdate, allowed: append(paging, "user_id")}}
	case "GET /v2.1/os-keypairs/{name}", "DELETE /v2.1/os-keypairs/{name}", "GET /v2.1/os-quota-sets/{project_id}", "PUT /v2.1/os-quota-sets/{project_id}",
		"DELETE /v2.1/os-quota-sets/{project_id}", "GET /v2.1/os-quota-sets/{project_id}/detail":
		return []queryRule{{since: vWholeUpdate, allowed: []string{"user_id"}}}
	case "GET /v2.1/os-quota-sets/{project_id}/defaults":
		return []queryRule{{since: vStrictQueries, allowed: []string{"user_id"}}}
	case "GET /v2.1/limits":
		return []queryRule{{since: vWholeUpdate, allowed: []string{"tenant_id"}}}
	case "GET /v2.1/os-server-groups":
		return []queryRule{{since: vWholeUpdate, allowed: []string{"all_projects", "limit", "offset"}}}
	case "GET /v2.1/os-services":
		return []queryRule{{since: vWholeUpdate, allowed: []string{"binary", "host"}}}
	case "GET /v2.1/os-simple-tenant-usage":
		return []queryRule{{since: vWholeUpdate, allowed: append(paging, "detailed", "start", "end")}}
	case "GET /v2.1/os-simple-tenant-usage/{project_id}":
		return []queryRule{{since: vWholeUpdate, allowed: append(paging, "start", "end")}}
	case "GET /v2.1/os-hypervisors", "GET /v2.1/os-hypervisors/detail":
		return []queryRule{{since: vServiceUUID, allowed: append(paging, "hypervisor_hostname_pattern", "with_servers"),
			once: append(paging, "hypervisor_hostname_pattern", "with_servers")}}
	case "GET /v2.1/os-hypervisors/{hypervisor_id}":
		return []queryRule{{since: vServiceUUID, allowed: []string{"with_servers"}, once: []string{"with_servers"}}}
	case "GET /v2.1/servers/{server_id}/os-instance-actions":
		since, both := append(paging, "changes-since"), append(paging, "changes-since", "changes-before")
		return []queryRule{{since: vActionPaging, allowed: since, once: since}, {since: vChangesBefore, allowed: both, once: both}}
	case "GET /v2.1/os-migrations":
		known := []string{"hidden", "host", "instance_uuid", "source_compute", "status", "migration_type"}
		since, both := append(paging, "changes-since"), append(paging, "changes-since", "changes-before")
		owned := append(slices.Clone(both), "user_id", "project_id")
		return []queryRule{{since: vMigrationPaging, allowed: slices.Concat(known, since), once: since}, {since: vChangesBefore, allowed: slices.Concat(known, both), once: both},
			{since: vMigrationOwner, allowed: slices.Concat(known, owned), once: owned}}
	case "GET /v2.1/servers/{server_id}/os-volume_attachments":
		return []queryRule{{since: vWholeUpdate, allowed: []string{"limit", "offset"}}}
	case "DELETE /v2.1/os-assisted-volume-snapshots/{snapshot_id}":
		return []queryRule{{since: vWholeUpdate, allowed: []string{"delete_info"}}}
	}
	if method == get && len(path) > len("/v2.1/") && path[:len("/v2.1/")] == "/v2.1/" {
		return []queryRule{{since: vStrictQueries, allowed: nil}}
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
	for _, name := range rule.once {
		if values := r.Query[name]; len(values) > 1 {
			return api.BadRequest("Invalid input for query parameters %s. Value: ['%s']. ['%s'] is too long", name, oneLine(strings.Join(values, "', '"), 60),
				oneLine(strings.Join(values, "', '"), 60))
		}
	}
	return nil
}

// readPage is p.Read as nova has it: a limit of zero is an empty page, not the greatest.
func readPage(r *api.Request, p api.Paging) (api.Page, error) {
	page, err := p.Read(r.Query)
	if n, notNumber := strconv.Atoi(r.Query.Get("limit")); err == nil && notNumber == nil && n == 0 {
		page.Limit = 0
	}
	return page, err
}

// readPeriod reads changes-since and, from 2.66 on, changes-before; a time that is not given is zero.
func readPeriod(r *api.Request) (since, before time.Time, err error) {
	times := map[string]*time.Time{"changes-since": &since}
	if r.Version.AtLeast(vChangesBefore) {
		times["changes-before"] = &before
	}
	for name, into := range times {
		if text := r.Query.Get(name); text != "" {
			if *into, err = parseTime(text); err != nil {
				return since, before, notATime(name, text)
			}
		}
	}
	if !since.IsZero() && !before.IsZero() && before.Before(since) {
		return since, before, api.BadRequest("The value of changes-since must be less than or equal to changes-before.")
	}
	return since, before, nil
}

func notATime(name, text string) error {
	return api.BadRequest("Invalid input for query parameters %s. Value: %s. '%s' is not a 'date-time'", name, oneLine(text, 60), oneLine(text, 60))
}
