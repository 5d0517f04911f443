package placement

import (
	"slices"

	"virga/core/api/events"
	"virga/core/authz"
)

// adminOrService guards what only the cloud's services and its administrators do.
const adminOrService = "rule:admin_or_service_api"

// ruleFollow is Virga's own: the route that it guards is not part of OpenStack's API.
const ruleFollow = "placement:internal:follow"

// rules are the default rules, under the names that OpenStack's placement gives them.
func rules() []authz.Rule {
	all := []authz.Rule{
		{Name: "admin_api", Check: "role:admin", Scopes: projectScope(), Description: "Administrators of the cloud."},
		{Name: "service_api", Check: "role:service", Scopes: projectScope(), Description: "Services of the cloud."},
		{Name: "admin_or_service_api", Check: "role:admin or role:service", Scopes: projectScope(),
			Description: "Services of the cloud and its administrators."},
		{Name: "project_reader_api", Check: "role:reader and project_id:%(project_id)s",
			Description: "Readers of the project that is asked about."},
		{Name: "admin_or_project_reader_or_service_api", Check: "role:admin or rule:project_reader_api or role:service",
			Scopes: projectScope(), Description: "Readers of the project that is asked about, services and administrators."},
	}
	return slices.Concat(all, apiRules(), events.Rules("placement"))
}

// apiRules are the rules that rows of the table name.
func apiRules() []authz.Rule {
	provider := "/resource_providers/{uuid}"
	inventories, traits := provider+"/inventories", provider+"/traits"
	return []authz.Rule{
		guarded("placement:resource_providers:list", "List resource providers.", "GET", "/resource_providers"),
		guarded("placement:resource_providers:create", "Create a resource provider.", "POST", "/resource_providers"),
		guarded("placement:resource_providers:show", "Show a resource provider.", "GET", provider),
		guarded("placement:resource_providers:update", "Rename or re-parent a resource provider.", "PUT", provider),
		guarded("placement:resource_providers:delete", "Delete a resource provider.", "DELETE", provider),
		guarded("placement:resource_providers:inventories:list", "List a provider's inventories.", "GET", inventories),
		guarded("placement:resource_providers:inventories:create", "Add one inventory.", "POST", inventories),
		guarded("placement:resource_providers:inventories:show", "Show one inventory.", "GET", inventories+"/{resource_class}"),
		guarded("placement:resource_providers:inventories:update", "Replace one or all inventories.",
			"PUT", inventories, inventories+"/{resource_class}"),
		guarded("placement:resource_providers:inventories:delete", "Delete one or all inventories.",
			"DELETE", inventories, inventories+"/{resource_class}"),
		guarded("placement:resource_providers:aggregates:list", "List a provider's aggregates.", "GET", provider+"/aggregates"),
		guarded("placement:resource_providers:aggregates:update", "Replace a provider's aggregates.", "PUT", provider+"/aggregates"),
		guarded("placement:resource_providers:traits:list", "List a provider's traits.", "GET", traits),
		guarded("placement:resource_providers:traits:update", "Replace a provider's traits.", "PUT", traits),
		guarded("placement:resource_providers:traits:delete", "Remove all traits of a provider.", "DELETE", traits),
		guarded("placement:resource_providers:usages", "Show how much of a provider is used.", "GET", provider+"/usages"),
		guarded("placement:resource_providers:allocations:list", "List the allocations on a provider.", "GET", provider+"/allocations"),
		guarded("placement:resource_classes:list", "List resource classes.", "GET", "/resource_classes"),
		guarded("placement:resource_classes:create", "Create a custom resource class.", "POST", "/resource_classes"),
		guarded("placement:resource_classes:show", "Show a resource class.", "GET", "/resource_classes/{name}"),
		guarded("placement:resource_classes:update", "Create or rename a custom resource class.", "PUT", "/resource_classes/{name}"),
		guarded("placement:resource_classes:delete", "Delete a custom resource class.", "DELETE", "/resource_classes/{name}"),
		guarded("placement:traits:list", "List traits.", "GET", "/traits"),
		guarded("placement:traits:show", "Tell whether a trait exists.", "GET", "/traits/{name}"),
		guarded("placement:traits:update", "Create a custom trait.", "PUT", "/traits/{name}"),
		guarded("placement:traits:delete", "Delete a custom trait.", "DELETE", "/traits/{name}"),
		guarded("placement:allocations:manage", "Replace the allocations of several consumers at once.", "POST", "/allocations"),
		guarded("placement:allocations:list", "Show a consumer's allocations.", "GET", "/allocations/{consumer_uuid}"),
		guarded("placement:allocations:update", "Replace a consumer's allocations.", "PUT", "/allocations/{consumer_uuid}"),
		guarded("placement:allocations:delete", "Delete a consumer's allocations.", "DELETE", "/allocations/{consumer_uuid}"),
		guarded("placement:allocation_candidates:list", "Find where resources could be allocated.", "GET", "/allocation_candidates"),
		{Name: "placement:usages", Check: "rule:admin_or_project_reader_or_service_api", Scopes: projectScope(),
			Description: "Show how much a project uses in all.", Operations: operations("GET", "/usages")},
		guarded(ruleFollow, "Follow the changes of all providers.", "GET", "/internal/providers"),
		{Name: "placement:reshaper:reshape", Check: "rule:service_api", Scopes: projectScope(),
			Description: "Move inventories between providers together with their allocations.", Operations: operations("POST", "/reshaper")},
	}
}

// guarded is a rule for administrators and services.
func guarded(name, description, method string, paths ...string) authz.Rule {
	return authz.Rule{
		Name: name, Check: adminOrService, Scopes: projectScope(),
		Description: description, Operations: operations(method, paths...),
	}
}

func operations(method string, paths ...string) []authz.Operation {
	var all []authz.Operation
	for _, path := range paths {
		all = append(all, authz.Operation{Method: method, Path: path})
	}
	return all
}

func projectScope() []string { return []string{"project"} }
