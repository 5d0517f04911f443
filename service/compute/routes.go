package compute

import (
	"net/http"
	"slices"

	"virga/core/api"
	"virga/core/api/operations"
)

const (
	get  = http.MethodGet
	post = http.MethodPost
	put  = http.MethodPut
	del  = http.MethodDelete
)

// routes is the API: every route as one row, in URL order.
func (s *Service) routes() []api.Route {
	desk := operations.Desk{Service: "compute", DB: s.db, Clock: s.clock, Engine: s.engine}
	return slices.Concat(s.routesOfServers(), s.routesOfConsoles(), s.routesOfFlavors(), s.routesOfTheRest(), s.routesOfProxies(), s.routesGone(), desk.Routes(), s.events.Routes())
}

func (s *Service) routesOfServers() []api.Route {
	server := "/v2.1/servers/{server_id}"
	return []api.Route{
		{Method: get, Path: "/v2.1/servers", Policy: ruleIndex, Handle: s.serverList, Doc: "lists servers"},
		{Method: post, Path: "/v2.1/servers", Policy: ruleCreate, Handle: s.serverCreateRequest, Body: "server_create", Status: 202, Doc: "creates servers"},
		{Method: get, Path: "/v2.1/servers/detail", Policy: ruleDetail, Handle: s.serverListDetail, Doc: "lists servers with details"},
		{Method: get, Path: server, Policy: ruleShow, Load: s.loadServer, Handle: s.serverShow, Doc: "shows a server"},
		{Method: put, Path: server, Policy: ruleUpdate, Load: s.loadServer, Handle: s.serverUpdate, Body: "server_update", Doc: "changes a server"},
		{Method: del, Path: server, Policy: ruleDelete, Load: s.loadServer, Handle: s.serverDeleteRequest, Doc: "deletes a server"},
		{Method: post, Path: server + "/action", Policy: ruleAction, Load: s.loadServer, Handle: s.serverAction, Body: "server_action", Doc: "acts on a server"},
		{Method: get, Path: server + "/diagnostics", Policy: ruleDiagnostics, Load: s.loadServer, Handle: s.serverDiagnostics, Doc: "shows the meters of a running server"},
		{Method: get, Path: server + "/ips", Policy: ruleIPs + "index", Load: s.loadServer, Handle: s.serverAddresses, Doc: "lists a server's addresses"},
		{Method: get, Path: server + "/ips/{network}", Policy: ruleIPs + "show", Load: s.loadServer, Handle: s.serverAddressesOfNetwork, Doc: "lists a server's addresses on a network"},
		{Method: get, Path: server + "/metadata", Policy: ruleMetadata + "index", Load: s.loadServer, Handle: s.metadataList, Doc: "lists metadata"},
		{Method: post, Path: server + "/metadata", Policy: ruleMetadata + "create", Load: s.loadServer, Handle: s.metadataMerge, Body: "metadata", Doc: "adds metadata"},
		{Method: put, Path: server + "/metadata", Policy: ruleMetadata + "update_all", Load: s.loadServer, Handle: s.metadataReplace, Body: "metadata", Doc: "replaces metadata"},
		{Method: get, Path: server + "/metadata/{key}", Policy: ruleMetadata + "show", Load: s.loadServer, Handle: s.metadataShow, Doc: "shows a metadata item"},
		{Method: put, Path: server + "/metadata/{key}", Policy: ruleMetadata + "update", Load: s.loadServer, Handle: s.metadataSet, Body: "metadata_item", Doc: "sets a metadata item"},
		{Method: del, Path: server + "/metadata/{key}", Policy: ruleMetadata + "delete", Load: s.loadServer, Handle: s.metadataDelete, Doc: "removes a metadata item"},
		{Method: get, Path: server + "/migrations", Policy: ruleServerMigrations + "index", Load: s.loadServer, Handle: s.serverMigrations, Since: vMigrationKind, Doc: "lists a server's live migrations at work"},
		{Method: get, Path: server + "/migrations/{migration_id}", Policy: ruleServerMigrations + "show", Load: s.loadServer, Handle: s.serverMigrationShow, Since: vMigrationKind, Doc: "shows a live migration at work"},
		{Method: del, Path: server + "/migrations/{migration_id}", Policy: ruleServerMigrations + "delete", Load: s.loadServer, Handle: s.serverMigrationAbort, Since: vMigrationAbort, Status: 202, Doc: "gives up a live migration"},
		{Method: post, Path: server + "/migrations/{migration_id}/action", Policy: ruleServerMigrations + "force_complete", Load: s.loadServer, Handle: s.serverMigrationAction, Body: "force_complete", Since: vForceComplete, Status: 202, Doc: "has a live migration come to its end soon"},
		{Method: get, Path: server + "/os-instance-actions", Policy: ruleActionsList, Load: s.loadServerEver, Handle: s.actionList, Doc: "lists what was done with a server"},
		{Method: get, Path: server + "/os-instance-actions/{request_id}", Policy: ruleActionsShow, Load: s.loadServerEver, Handle: s.actionShow, Doc: "shows one action with its events"},
		{Method: get, Path: server + "/os-interface", Policy: ruleInterfaces + "list", Load: s.loadServer, Handle: s.interfaceList, Doc: "lists interfaces"},
		{Method: post, Path: server + "/os-interface", Policy: ruleInterfaces + "create", Load: s.loadServer, Handle: s.interfaceAttachRequest, Body: "interface_attach", Doc: "attaches an interface"},
		{Method: get, Path: server + "/os-interface/{port_id}", Policy: ruleInterfaces + "show", Load: s.loadServer, Handle: s.interfaceShow, Doc: "shows an interface"},
		{Method: del, Path: server + "/os-interface/{port_id}", Policy: ruleInterfaces + "delete", Load: s.loadServer, Handle: s.interfaceDetachRequest, Status: 202, Doc: "detaches an interface"},
		{Method: get, Path: server + "/os-security-groups", Policy: ruleGroupList, Load: s.loadServer, Handle: s.serverSecurityGroups, Doc: "lists a server's security groups"},
		{Method: get, Path: server + "/os-server-password", Policy: ruleServerPassword + "show", Load: s.loadServer, Handle: s.passwordShow, Doc: "shows the sealed password that a server has deposited"},
		{Method: del, Path: server + "/os-server-password", Policy: ruleServerPassword + "clear", Load: s.loadServer, Handle: s.passwordClear, Doc: "forgets the sealed password that a server has deposited"},
		{Method: get, Path: server + "/os-volume_attachments", Policy: ruleVolumesIndex, Load: s.loadServer, Handle: s.volumeAttachments, Doc: "lists a server's volumes"},
		{Method: post, Path: server + "/os-volume_attachments", Policy: ruleVolumes + "create", Load: s.loadServer, Handle: volumeAttach, Body: "volume_attach", Doc: "attaches a volume: there are none"},
		{Method: get, Path: server + "/os-volume_attachments/{volume_id}", Policy: ruleVolumes + "show", Load: s.loadServer, Handle: volumeAttachmentShow, Doc: "shows a server's volume: there are none"},
		{Method: put, Path: server + "/os-volume_attachments/{volume_id}", Policy: ruleVolumes + "update", Load: s.loadServer, Handle: volumeAttachmentShow, Doc: "changes a server's volume: there are none"},
		{Method: del, Path: server + "/os-volume_attachments/{volume_id}", Policy: ruleVolumes + "delete", Load: s.loadServer, Handle: volumeDetach, Doc: "detaches a volume: there are none"},
		{Method: get, Path: server + "/shares", Policy: ruleShares + "index", Load: s.loadServer, Handle: shareList, Since: vShares, Doc: "lists a server's shares"},
		{Method: post, Path: server + "/shares", Policy: ruleShares + "create", Load: s.loadServer, Handle: shareAttach, Body: "share_attach", Since: vShares, Doc: "attaches a share: there are none"},
		{Method: get, Path: server + "/shares/{share_id}", Policy: ruleShares + "show", Load: s.loadServer, Handle: shareShow, Since: vShares, Doc: "shows a server's share: there are none"},
		{Method: del, Path: server + "/shares/{share_id}", Policy: ruleShares + "delete", Load: s.loadServer, Handle: shareShow, Since: vShares, Doc: "detaches a share: there are none"},
		{Method: get, Path: server + "/tags", Policy: ruleTags + "index", Load: s.loadServer, Handle: s.tagsList, Since: vTags, Doc: "lists tags"},
		{Method: put, Path: server + "/tags", Policy: ruleTags + "update_all", Load: s.loadServer, Handle: s.tagsReplace, Body: "tags", Since: vTags, Doc: "replaces tags"},
		{Method: del, Path: server + "/tags", Policy: ruleTags + "delete_all", Load: s.loadServer, Handle: s.tagsDelete, Since: vTags, Doc: "removes all tags"},
		{Method: get, Path: server + "/tags/{tag}", Policy: ruleTags + "show", Load: s.loadServer, Handle: s.tagShow, Since: vTags, Doc: "tells whether a tag is there"},
		{Method: put, Path: server + "/tags/{tag}", Policy: ruleTags + "update", Load: s.loadServer, Handle: s.tagAdd, Since: vTags, Doc: "adds a tag"},
		{Method: del, Path: server + "/tags/{tag}", Policy: ruleTags + "delete", Load: s.loadServer, Handle: s.tagDelete, Since: vTags, Doc: "removes a tag"},
		{Method: get, Path: server + "/topology", Policy: ruleTopology + "index", Load: s.loadServer, Handle: s.topologyShow, Since: vTopology, Doc: "shows a server's NUMA nodes"},
	}
}

func (s *Service) routesOfFlavors() []api.Route {
	one := "/v2.1/flavors/{flavor_id}"
	return []api.Route{
		{Method: get, Path: "/v2.1/flavors", Policy: ruleFlavors, Handle: s.flavorList, Doc: "lists flavors"},
		{Method: post, Path: "/v2.1/flavors", Policy: ruleFlavorCreate, Handle: s.flavorCreate, Body: "flavor_create", Doc: "creates a flavor"},
		{Method: get, Path: "/v2.1/flavors/detail", Policy: ruleFlavors, Handle: s.flavorListDetail, Doc: "lists flavors with details"},
		{Method: get, Path: one, Policy: ruleFlavors, Load: s.loadFlavor, Handle: s.flavorShow, Doc: "shows a flavor"},
		{Method: put, Path: one, Policy: ruleFlavorUpdate, Load: s.loadManagedFlavor(ruleFlavorUpdate), Handle: s.flavorUpdate, Body: "flavor_update", Since: vFlavorDescription, Doc: "changes a flavor's description"},
		{Method: del, Path: one, Policy: ruleFlavorDelete, Load: s.loadManagedFlavor(ruleFlavorDelete), Handle: s.flavorDelete, Status: 202, Doc: "removes a flavor"},
		{Method: post, Path: one + "/action", Policy: ruleFlavorAccess, Load: s.loadManagedFlavor(ruleFlavorAccess), Handle: s.flavorAction, Body: "object", Doc: "gives and takes access to a private flavor"},
		{Method: get, Path: one + "/os-extra_specs", Policy: ruleExtraSpecsIndex, Load: s.loadFlavor, Handle: s.extraSpecsShow, Doc: "lists extra specs"},
		{Method: post, Path: one + "/os-extra_specs", Policy: ruleExtraSpecs + "create", Load: s.loadManagedFlavor(ruleExtraSpecs + "create"), Handle: s.extraSpecsCreate, Body: "extra_specs", Doc: "adds extra specs"},
		{Method: get, Path: one + "/os-extra_specs/{key}", Policy: ruleExtraSpecs + "show", Load: s.loadFlavor, Handle: s.extraSpecShow, Doc: "shows an extra spec"},
		{Method: put, Path: one + "/os-extra_specs/{key}", Policy: ruleExtraSpecs + "update", Load: s.loadManagedFlavor(ruleExtraSpecs + "update"), Handle: s.extraSpecUpdate, Body: "extra_spec", Doc: "sets an extra spec"},
		{Method: del, Path: one + "/os-extra_specs/{key}", Policy: ruleExtraSpecs + "delete", Load: s.loadManagedFlavor(ruleExtraSpecs + "delete"), Handle: s.extraSpecDelete, Status: 200, Doc: "removes an extra spec"},
		{Method: get, Path: one + "/os-flavor-access", Policy: ruleFlavorAccess, Load: s.loadManagedFlavor(ruleFlavorAccess), Handle: s.flavorAccessList, Doc: "lists who may use a private flavor"},
	}
}

func (s *Service) routesOfTheRest() []api.Route {
	hypervisor := "/v2.1/os-hypervisors/{hypervisor_id}"
	quotas := "/v2.1/os-quota-sets/{project_id}"
	return []api.Route{
		{Method: get, Path: "/", Public: true, Handle: s.versionList, Doc: "lists the versions of the API"},
		{Method: get, Path: "/v2", Public: true, Handle: s.versionShowOld, Doc: "shows version 2.0 of the API"},
		{Method: get, Path: "/v2.1", Public: true, Handle: s.versionShow, Doc: "shows version 2.1 of the API"},
		{Method: get, Path: "/v2.1/extensions", Policy: ruleExtensions, Handle: s.extensionList, Doc: "lists the parts of the API"},
		{Method: get, Path: "/v2.1/extensions/{alias}", Policy: ruleExtensions, Handle: s.extensionShow, Doc: "shows a part of the API"},
		{Method: get, Path: "/v2.1/limits", Policy: ruleLimits, Handle: s.limitsShow, Doc: "shows limits and what is used of them"},
		{Method: get, Path: "/v2.1/os-aggregates", Policy: ruleAggregates + "index", Handle: s.aggregateList, Doc: "lists host aggregates"},
		{Method: post, Path: "/v2.1/os-aggregates", Policy: ruleAggregates + "create", Handle: s.aggregateCreate, Body: "aggregate_create", Status: 200, Doc: "creates a host aggregate"},
		{Method: get, Path: "/v2.1/os-aggregates/{aggregate_id}", Policy: ruleAggregates + "show", Handle: s.aggregateShow, Doc: "shows a host aggregate"},
		{Method: put, Path: "/v2.1/os-aggregates/{aggregate_id}", Policy: ruleAggregates + "update", Handle: s.aggregateUpdate, Body: "aggregate_update", Status: 200, Doc: "changes a host aggregate's name and zone"},
		{Method: del, Path: "/v2.1/os-aggregates/{aggregate_id}", Policy: ruleAggregates + "delete", Handle: s.aggregateDelete, Status: 200, Doc: "removes a host aggregate"},
		{Method: post, Path: "/v2.1/os-aggregates/{aggregate_id}/action", Policy: ruleAggregateAction, Handle: s.aggregateAction, Body: "aggregate_action", Status: 200, Doc: "changes what hosts and metadata a host aggregate has"},
		{Method: post, Path: "/v2.1/os-aggregates/{aggregate_id}/images", Policy: ruleAggregateImages, Handle: s.aggregateImages, Since: vAggregateImages, Body: "aggregate_images", Status: 202, Doc: "has the hosts of an aggregate cache images"},
		{Method: get, Path: "/v2.1/os-availability-zone", Policy: ruleZones + "list", Handle: s.zoneList, Doc: "lists availability zones"},
		{Method: get, Path: "/v2.1/os-availability-zone/detail", Policy: ruleZones + "detail", Handle: s.zoneListDetail, Doc: "lists availability zones with hosts"},
		{Method: get, Path: "/v2.1/os-hypervisors", Policy: ruleHypervisors + "list", Handle: s.hypervisorList, Doc: "lists hypervisors"},
		{Method: get, Path: "/v2.1/os-hypervisors/detail", Policy: ruleHypervisors + "list-detail", Handle: s.hypervisorListDetail, Doc: "lists hypervisors with details"},
		{Method: get, Path: "/v2.1/os-hypervisors/statistics", Policy: ruleHypervisors + "statistics", Handle: s.hypervisorStatistics, Until: before(vHypervisorUptime), Doc: "sums up hypervisors"},
		{Method: get, Path: hypervisor, Policy: ruleHypervisors + "show", Load: s.loadHypervisor, Handle: s.hypervisorShow, Doc: "shows a hypervisor"},
		{Method: get, Path: hypervisor + "/uptime", Policy: ruleHypervisors + "uptime", Load: s.loadHypervisor, Handle: s.hypervisorUptime, Until: before(vHypervisorUptime), Doc: "shows a hypervisor's uptime"},
		{Method: get, Path: hypervisor + "/search", Policy: ruleHypervisors + "search", Handle: s.hypervisorSearch, Until: before(vServiceUUID), Doc: "finds hypervisors by name"},
		{Method: get, Path: hypervisor + "/servers", Policy: ruleHypervisors + "servers", Handle: s.hypervisorServers, Until: before(vServiceUUID), Doc: "finds hypervisors by name, with servers"},
		{Method: get, Path: "/v2.1/os-keypairs", Policy: ruleKeypairsIndex, Handle: s.keypairList, Doc: "lists key pairs"},
		{Method: post, Path: "/v2.1/os-keypairs", Policy: ruleKeypairsCreate, Handle: s.keypairCreate, Body: "keypair_create", Doc: "imports or makes a key pair"},
		{Method: get, Path: "/v2.1/os-keypairs/{name}", Policy: ruleKeypairsShow, Load: s.loadKeypair, Handle: s.keypairShow, Doc: "shows a key pair"},
		{Method: del, Path: "/v2.1/os-keypairs/{name}", Policy: ruleKeypairsDelete, Load: s.loadKeypair, Handle: s.keypairDelete, Doc: "removes a key pair"},
		{Method: get, Path: "/v2.1/os-migrations", Policy: ruleMigrations, Handle: s.migrationList, Doc: "lists migrations and resizes"},
		{Method: get, Path: "/v2.1/os-quota-class-sets/{class}", Policy: ruleClasses + "show", Handle: s.quotaClassShow, Doc: "shows default quotas"},
		{Method: put, Path: "/v2.1/os-quota-class-sets/{class}", Policy: ruleClasses + "update", Handle: s.quotaClassUpdate, Body: "quota_class_set", Doc: "changes default quotas"},
		{Method: get, Path: quotas, Policy: ruleQuotas + "show", Load: loadProject, Handle: s.quotaShow, Doc: "shows a project's quotas"},
		{Method: put, Path: quotas, Policy: ruleQuotas + "update", Load: loadProject, Handle: s.quotaUpdate, Body: "quota_set", Doc: "changes a project's quotas"},
		{Method: del, Path: quotas, Policy: ruleQuotas + "delete", Load: loadProject, Handle: s.quotaDelete, Status: 202, Doc: "resets a project's quotas"},
		{Method: get, Path: quotas + "/defaults", Policy: ruleQuotas + "defaults", Load: loadProject, Handle: s.quotaDefaults, Doc: "shows default quotas"},
		{Method: get, Path: quotas + "/detail", Policy: ruleQuotas + "detail", Load: loadProject, Handle: s.quotaDetail, Doc: "shows a project's quotas and use"},
		{Method: post, Path: "/v2.1/os-server-external-events", Policy: ruleExternal, Handle: s.externalEvents, Body: "external_events", Doc: "takes events of other services"},
		{Method: get, Path: "/v2.1/os-server-groups", Policy: ruleGroups + "index", Handle: s.groupList, Doc: "lists server groups"},
		{Method: post, Path: "/v2.1/os-server-groups", Policy: ruleGroups + "create", Handle: s.groupCreate, Body: "server_group_create", Doc: "creates a server group"},
		{Method: get, Path: "/v2.1/os-server-groups/{group_id}", Policy: ruleGroups + "show", Load: s.loadGroup, Handle: s.groupShow, Doc: "shows a server group"},
		{Method: del, Path: "/v2.1/os-server-groups/{group_id}", Policy: ruleGroups + "delete", Load: s.loadGroup, Handle: s.groupDelete, Doc: "removes a server group"},
		{Method: get, Path: "/v2.1/os-services", Policy: ruleServices + "list", Handle: s.serviceList, Doc: "lists compute services"},
		{Method: put, Path: "/v2.1/os-services/{service_id}", Policy: ruleServices + "update", Handle: s.serviceAction, Body: "service_action", Until: before(vServiceUUID), Doc: "enables and disables a service"},
		{Method: put, Path: "/v2.1/os-services/{service_id}", Policy: ruleServices + "update", Handle: s.serviceUpdate, Body: "service_update", Since: vServiceUUID, Doc: "enables and disables a service"},
		{Method: del, Path: "/v2.1/os-services/{service_id}", Policy: ruleServices + "delete", Handle: s.serviceDelete, Doc: "forgets a service"},
		{Method: get, Path: "/v2.1/os-simple-tenant-usage", Policy: ruleUsage + "list", Handle: s.usageList, Doc: "shows the usage of all projects"},
		{Method: get, Path: "/v2.1/os-simple-tenant-usage/{project_id}", Policy: ruleUsage + "show", Load: loadProject, Handle: s.usageShow, Doc: "shows a project's usage"},
		{Method: get, Path: "/internal/drains", Policy: ruleDrains + "list", Handle: s.drainList, Doc: "lists hosts that are to be empty"},
		{Method: get, Path: "/internal/drains/{host}", Policy: ruleDrains + "show", Handle: s.drainShow, Doc: "tells how far the emptying of a host is"},
		{Method: put, Path: "/internal/drains/{host}", Policy: ruleDrains + "start", Handle: s.drainStart, Body: "drain", Status: 200, Doc: "has a host emptied"},
		{Method: del, Path: "/internal/drains/{host}", Policy: ruleDrains + "stop", Handle: s.drainStop, Doc: "ends the emptying of a host"},
		{Method: post, Path: "/internal/placements/dry-run", Policy: rulePlaces + "dry_run", Handle: s.placementDryRun, Body: "placement_dry_run", Status: 200, Doc: "tells where servers would go, and why not to other hosts"},
		{Method: get, Path: "/internal/servers/{server_id}/placements", Policy: rulePlaces + "list", Load: s.loadServerOfAnyTime, Handle: s.placementList, Doc: "lists what the scheduler decided for a server"},
		{Method: put, Path: "/internal/hosts/{host}", Policy: ruleNode, Load: s.loadNode, Handle: s.hostReport, Body: "object", Doc: "takes what a host says of itself"},
		{Method: put, Path: "/internal/hosts/{host}/alive", Policy: ruleNode, Load: s.loadNode, Handle: s.hostAlive, Body: "object", Status: 200, Doc: "takes a host's sign of life"},
		{Method: put, Path: "/internal/hosts/{host}/caches/{cache_id}", Policy: ruleNode, Load: s.loadNode, Handle: s.cacheReport, Body: "cache_report", Doc: "takes what became of images that a host was to cache"},
		{Method: get, Path: "/internal/hosts/{host}/guests", Policy: ruleNode, Load: s.loadNode, Handle: s.hostGuests, Doc: "tells a host what it should have"},
		{Method: put, Path: "/internal/hosts/{host}/guests/{server_id}", Policy: ruleNode, Load: s.loadNode, Handle: s.guestReport, Body: "guest_report", Doc: "takes what became of an order"},
		{Method: get, Path: "/internal/metadata/{server_id}/{path...}", Policy: ruleNode, Handle: s.metadataAnswer, Doc: "serves a guest's metadata"},
		{Method: put, Path: "/internal/metadata/{server_id}/password", Policy: ruleNode, Handle: s.metadataPassword, Body: "object", Doc: "takes the sealed password that a guest deposits"},
	}
}
