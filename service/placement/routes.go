package placement

import "virga/core/api"

// routes is the API of the service, in the order of its addresses.
func (s *Service) routes() []api.Route {
	v := func(minor int) api.Version { return api.V(1, minor) }
	rows := []api.Route{
		{Method: "GET", Path: "/", Public: true, Handle: s.rootShow, Doc: "the version document"},

		{Method: "GET", Path: "/resource_classes", Policy: "placement:resource_classes:list", Handle: s.resourceClassList, Since: v(2), Doc: "lists all resource classes"},
		{Method: "POST", Path: "/resource_classes", Policy: "placement:resource_classes:create", Handle: s.resourceClassCreate, Since: v(2), Body: "resource_class", Status: 201, Doc: "creates a custom resource class"},
		{Method: "GET", Path: "/resource_classes/{name}", Policy: "placement:resource_classes:show", Handle: s.resourceClassShow, Since: v(2), Doc: "shows a resource class"},
		{Method: "PUT", Path: "/resource_classes/{name}", Policy: "placement:resource_classes:update", Handle: s.resourceClassRename, Since: v(2), Until: v(6), Body: "resource_class", Doc: "renames a custom resource class"},
		{Method: "PUT", Path: "/resource_classes/{name}", Policy: "placement:resource_classes:update", Handle: s.resourceClassEnsure, Since: v(7), Doc: "creates a custom resource class unless it is there"},
		{Method: "DELETE", Path: "/resource_classes/{name}", Policy: "placement:resource_classes:delete", Handle: s.resourceClassDelete, Since: v(2), Doc: "deletes a custom resource class"},

		{Method: "GET", Path: "/resource_providers", Policy: "placement:resource_providers:list", Handle: s.providerList, Doc: "lists resource providers, filtered"},
		{Method: "POST", Path: "/resource_providers", Policy: "placement:resource_providers:create", Handle: s.providerCreate, Until: v(13), Body: "provider_create", Status: 201, Doc: "creates a resource provider"},
		{Method: "POST", Path: "/resource_providers", Policy: "placement:resource_providers:create", Handle: s.providerCreate, Since: v(14), Until: v(19), Body: "provider_create_1_14", Status: 201, Doc: "creates a resource provider, possibly below another"},
		{Method: "POST", Path: "/resource_providers", Policy: "placement:resource_providers:create", Handle: s.providerCreate, Since: v(20), Body: "provider_create_1_14", Status: 200, Doc: "creates a resource provider and shows it"},
		{Method: "GET", Path: "/resource_providers/{uuid}", Policy: "placement:resource_providers:show", Handle: s.providerShow, Doc: "shows a resource provider"},
		{Method: "PUT", Path: "/resource_providers/{uuid}", Policy: "placement:resource_providers:update", Handle: s.providerUpdate, Until: v(13), Body: "provider_update", Doc: "renames a resource provider"},
		{Method: "PUT", Path: "/resource_providers/{uuid}", Policy: "placement:resource_providers:update", Handle: s.providerUpdate, Since: v(14), Body: "provider_update_1_14", Doc: "renames a resource provider or gives it a parent"},
		{Method: "DELETE", Path: "/resource_providers/{uuid}", Policy: "placement:resource_providers:delete", Handle: s.providerDelete, Doc: "deletes a resource provider that nobody uses"},

		{Method: "GET", Path: "/resource_providers/{uuid}/inventories", Policy: "placement:resource_providers:inventories:list", Handle: s.inventoryList, Doc: "shows all inventories of a provider"},
		{Method: "POST", Path: "/resource_providers/{uuid}/inventories", Policy: "placement:resource_providers:inventories:create", Handle: s.inventoryCreate, Body: "inventory_create", Status: 201, Doc: "adds an inventory"},
		{Method: "PUT", Path: "/resource_providers/{uuid}/inventories", Policy: "placement:resource_providers:inventories:update", Handle: s.inventoryReplaceAll, Body: "inventories_set", Doc: "replaces all inventories of a provider"},
		{Method: "DELETE", Path: "/resource_providers/{uuid}/inventories", Policy: "placement:resource_providers:inventories:delete", Handle: s.inventoryDeleteAll, Since: v(5), Doc: "deletes all inventories of a provider"},
		{Method: "GET", Path: "/resource_providers/{uuid}/inventories/{resource_class}", Policy: "placement:resource_providers:inventories:show", Handle: s.inventoryShow, Doc: "shows one inventory"},
		{Method: "PUT", Path: "/resource_providers/{uuid}/inventories/{resource_class}", Policy: "placement:resource_providers:inventories:update", Handle: s.inventoryUpdate, Body: "inventory_update", Doc: "replaces one inventory"},
		{Method: "DELETE", Path: "/resource_providers/{uuid}/inventories/{resource_class}", Policy: "placement:resource_providers:inventories:delete", Handle: s.inventoryDelete, Doc: "deletes one inventory"},

		{Method: "GET", Path: "/resource_providers/{uuid}/usages", Policy: "placement:resource_providers:usages", Handle: s.providerUsageShow, Doc: "shows how much of a provider is used"},

		{Method: "GET", Path: "/resource_providers/{uuid}/aggregates", Policy: "placement:resource_providers:aggregates:list", Handle: s.aggregateList, Since: v(1), Doc: "lists the aggregates of a provider"},
		{Method: "PUT", Path: "/resource_providers/{uuid}/aggregates", Policy: "placement:resource_providers:aggregates:update", Handle: s.aggregateReplace, Since: v(1), Until: v(18), Body: "aggregates_set_1_1", Doc: "replaces the aggregates of a provider"},
		{Method: "PUT", Path: "/resource_providers/{uuid}/aggregates", Policy: "placement:resource_providers:aggregates:update", Handle: s.aggregateReplaceGuarded, Since: v(19), Body: "aggregates_set_1_19", Doc: "replaces the aggregates of a provider, given its generation"},

		{Method: "GET", Path: "/resource_providers/{uuid}/allocations", Policy: "placement:resource_providers:allocations:list", Handle: s.providerAllocationList, Doc: "lists the allocations on a provider"},
	}
	return append(checked(append(rows, s.consumerRoutes()...)), s.events.Routes()...)
}

// consumerRoutes are the rows from /resource_providers/{uuid}/traits on.
func (s *Service) consumerRoutes() []api.Route {
	v := func(minor int) api.Version { return api.V(1, minor) }
	return []api.Route{
		{Method: "GET", Path: "/resource_providers/{uuid}/traits", Policy: "placement:resource_providers:traits:list", Handle: s.providerTraitList, Since: v(6), Doc: "lists the traits of a provider"},
		{Method: "PUT", Path: "/resource_providers/{uuid}/traits", Policy: "placement:resource_providers:traits:update", Handle: s.providerTraitReplace, Since: v(6), Body: "traits_set", Doc: "replaces the traits of a provider"},
		{Method: "DELETE", Path: "/resource_providers/{uuid}/traits", Policy: "placement:resource_providers:traits:delete", Handle: s.providerTraitClear, Since: v(6), Doc: "removes all traits of a provider"},

		{Method: "POST", Path: "/allocations", Policy: "placement:allocations:manage", Handle: s.allocationReplaceMany, Since: v(13), Until: v(27), Body: "allocations_many_1_13", Status: 204, Doc: "replaces the allocations of several consumers at once"},
		{Method: "POST", Path: "/allocations", Policy: "placement:allocations:manage", Handle: s.allocationReplaceMany, Since: v(28), Until: v(33), Body: "allocations_many_1_28", Status: 204, Doc: "the same, given the consumers' generations"},
		{Method: "POST", Path: "/allocations", Policy: "placement:allocations:manage", Handle: s.allocationReplaceMany, Since: v(34), Until: v(37), Body: "allocations_many_1_34", Status: 204, Doc: "the same, mappings allowed"},
		{Method: "POST", Path: "/allocations", Policy: "placement:allocations:manage", Handle: s.allocationReplaceMany, Since: v(38), Body: "allocations_many_1_38", Status: 204, Doc: "the same, given the consumers' types"},
		{Method: "GET", Path: "/allocations/{consumer_uuid}", Policy: "placement:allocations:list", Handle: s.allocationShow, Doc: "shows a consumer's allocations"},
		{Method: "PUT", Path: "/allocations/{consumer_uuid}", Policy: "placement:allocations:update", Handle: s.allocationReplaceList, Until: v(7), Body: "allocations_1_0", Status: 204, Doc: "replaces a consumer's allocations"},
		{Method: "PUT", Path: "/allocations/{consumer_uuid}", Policy: "placement:allocations:update", Handle: s.allocationReplaceList, Since: v(8), Until: v(11), Body: "allocations_1_8", Status: 204, Doc: "the same, given project and user"},
		{Method: "PUT", Path: "/allocations/{consumer_uuid}", Policy: "placement:allocations:update", Handle: s.allocationReplace, Since: v(12), Until: v(27), Body: "allocations_1_12", Status: 204, Doc: "the same, by provider"},
		{Method: "PUT", Path: "/allocations/{consumer_uuid}", Policy: "placement:allocations:update", Handle: s.allocationReplace, Since: v(28), Until: v(33), Body: "allocations_1_28", Status: 204, Doc: "the same, given the consumer's generation"},
		{Method: "PUT", Path: "/allocations/{consumer_uuid}", Policy: "placement:allocations:update", Handle: s.allocationReplace, Since: v(34), Until: v(37), Body: "allocations_1_34", Status: 204, Doc: "the same, mappings allowed"},
		{Method: "PUT", Path: "/allocations/{consumer_uuid}", Policy: "placement:allocations:update", Handle: s.allocationReplace, Since: v(38), Body: "allocations_1_38", Status: 204, Doc: "the same, given the consumer's type"},
		{Method: "DELETE", Path: "/allocations/{consumer_uuid}", Policy: "placement:allocations:delete", Handle: s.allocationDelete, Doc: "deletes a consumer's allocations"},

		{Method: "GET", Path: "/allocation_candidates", Policy: "placement:allocation_candidates:list", Handle: s.candidateList, Since: v(10), Doc: "finds where resources could be allocated"},

		{Method: "GET", Path: "/traits", Policy: "placement:traits:list", Handle: s.traitList, Since: v(6), Doc: "lists traits, filtered"},
		{Method: "GET", Path: "/traits/{name}", Policy: "placement:traits:show", Handle: s.traitShow, Since: v(6), Status: 204, Doc: "tells whether a trait exists"},
		{Method: "PUT", Path: "/traits/{name}", Policy: "placement:traits:update", Handle: s.traitEnsure, Since: v(6), Status: 201, Doc: "creates a custom trait unless it is there"},
		{Method: "DELETE", Path: "/traits/{name}", Policy: "placement:traits:delete", Handle: s.traitDelete, Since: v(6), Doc: "deletes a custom trait"},

		{Method: "GET", Path: "/usages", Policy: "placement:usages", Load: loadUsageProject, Handle: s.usageShow, Since: v(9), Doc: "shows how much a project uses in all"},

		{Method: "GET", Path: "/internal/providers", Policy: ruleFollow, Handle: s.providerFollow, Doc: "tells a scheduler which providers changed since it asked last"},

		{Method: "POST", Path: "/reshaper", Policy: "placement:reshaper:reshape", Handle: s.reshape, Since: v(30), Until: v(33), Body: "reshaper_1_30", Status: 204, Doc: "moves inventories together with their allocations"},
		{Method: "POST", Path: "/reshaper", Policy: "placement:reshaper:reshape", Handle: s.reshape, Since: v(34), Until: v(37), Body: "reshaper_1_34", Status: 204, Doc: "the same, mappings allowed"},
		{Method: "POST", Path: "/reshaper", Policy: "placement:reshaper:reshape", Handle: s.reshape, Since: v(38), Body: "reshaper_1_38", Status: 204, Doc: "the same, given the consumers' types"},
	}
}
