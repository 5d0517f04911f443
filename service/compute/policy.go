package compute

import (
	"slices"

	"virga/core/api/events"
	"virga/core/api/operations"
	"virga/core/authz"
)

// The names of the rules, Nova's own where Nova has one.
const (
	prefix = "os_compute_api:"

	ruleNode     = "compute:node"
	ruleDrains   = "compute:drains:"
	rulePlaces   = "compute:placements:"
	ruleAction   = "compute:servers:action"
	ruleExternal = prefix + "os-server-external-events:create"

	ruleIndex                = prefix + "servers:index"
	ruleDetail               = prefix + "servers:detail"
	ruleIndexAllTenants      = prefix + "servers:index:get_all_tenants"
	ruleDetailAllTenants     = prefix + "servers:detail:get_all_tenants"
	ruleShow                 = prefix + "servers:show"
	ruleShowHostStatus       = prefix + "servers:show:host_status"
	ruleFlavorSpecs          = prefix + "servers:show:flavor-extra-specs"
	ruleCreate               = prefix + "servers:create"
	ruleForcedHost           = prefix + "servers:create:forced_host"
	ruleRequestedDestination = "compute:servers:create:requested_destination"
	ruleZeroDisk             = prefix + "servers:create:zero_disk_flavor"
	ruleExternalNetwork      = "network:attach_external_network"
	ruleUpdate               = prefix + "servers:update"
	ruleDelete               = prefix + "servers:delete"
	ruleReboot               = prefix + "servers:reboot"
	ruleStart                = prefix + "servers:start"
	ruleStop                 = prefix + "servers:stop"
	rulePause                = prefix + "os-pause-server:pause"
	ruleUnpause              = prefix + "os-pause-server:unpause"
	ruleSuspend              = prefix + "os-suspend-server:suspend"
	ruleResume               = prefix + "os-suspend-server:resume"
	ruleRescue               = prefix + "os-rescue"
	ruleUnrescue             = prefix + "os-unrescue"
	ruleRestore              = prefix + "os-deferred-delete:restore"
	ruleAdminPassword        = prefix + "os-admin-password"
	ruleServerPassword       = prefix + "os-server-password:"
	ruleMultinic             = prefix + "os-multinic:"
	ruleCrashDump            = prefix + "servers:trigger_crash_dump"
	ruleInjectNetwork        = prefix + "os-admin-actions:inject_network_info"
	ruleDiagnostics          = prefix + "os-server-diagnostics"
	ruleExtendedAttributes   = prefix + "os-extended-server-attributes"
	ruleRemoteConsoles       = prefix + "os-remote-consoles"
	ruleConsoleTokens        = prefix + "os-console-auth-tokens"
	ruleConsoleOutput        = prefix + "os-console-output"
	ruleLock                 = prefix + "os-lock-server:lock"
	ruleUnlock               = prefix + "os-lock-server:unlock"
	ruleUnlockOverride       = prefix + "os-lock-server:unlock:unlock_override"
	ruleResize               = prefix + "servers:resize"
	ruleResizeConfirm        = prefix + "servers:confirm_resize"
	ruleResizeRevert         = prefix + "servers:revert_resize"
	ruleMigrate              = prefix + "os-migrate-server:migrate"
	ruleMigrateHost          = prefix + "os-migrate-server:migrate:host"
	ruleEvacuate             = prefix + "os-evacuate"
	ruleMigrateLive          = prefix + "os-migrate-server:migrate_live"
	ruleMigrateLiveHost      = prefix + "os-migrate-server:migrate_live:host"
	ruleServerMigrations     = prefix + "servers:migrations:"
	ruleShelve               = prefix + "os-shelve:shelve"
	ruleUnshelve             = prefix + "os-shelve:unshelve"
	ruleUnshelveHost         = prefix + "os-shelve:unshelve_to_host"
	ruleShelveOffload        = prefix + "os-shelve:shelve_offload"
	ruleRebuild              = prefix + "servers:rebuild"
	ruleCreateImage          = prefix + "servers:create_image"
	ruleCreateBackup         = prefix + "os-create-backup"
	ruleResetState           = prefix + "os-admin-actions:reset_state"
	ruleForceDelete          = prefix + "os-deferred-delete:force"
	ruleMetadata             = prefix + "server-metadata:"
	ruleTags                 = prefix + "os-server-tags:"
	ruleIPs                  = prefix + "ips:"
	ruleActionsList          = prefix + "os-instance-actions:list"
	ruleActionsShow          = prefix + "os-instance-actions:show"
	ruleActionEvents         = prefix + "os-instance-actions:events"
	ruleInterfaces           = prefix + "os-attach-interfaces:"
	ruleVolumesIndex         = prefix + "os-volumes-attachments:index"
	ruleVolumes              = prefix + "os-volumes-attachments:"
	ruleShares               = prefix + "os-server-shares:"
	ruleTopology             = "compute:server:topology:"
	ruleTopologyHost         = "compute:server:topology:host:index"
	ruleGroupAdd             = prefix + "os-security-groups:add"
	ruleGroupRemove          = prefix + "os-security-groups:remove"
	ruleGroupList            = prefix + "os-security-groups:list"

	ruleFlavors            = prefix + "flavors"
	ruleFlavorCreate       = prefix + "os-flavor-manage:create"
	ruleFlavorUpdate       = prefix + "os-flavor-manage:update"
	ruleFlavorDelete       = prefix + "os-flavor-manage:delete"
	ruleFlavorAccess       = prefix + "os-flavor-access"
	ruleFlavorAccessAdd    = prefix + "os-flavor-access:add_tenant_access"
	ruleFlavorAccessRemove = prefix + "os-flavor-access:remove_tenant_access"
	ruleExtraSpecs         = prefix + "os-flavor-extra-specs:"
	ruleExtraSpecsIndex    = prefix + "os-flavor-extra-specs:index"

	ruleKeypairsIndex  = prefix + "os-keypairs:index"
	ruleKeypairsShow   = prefix + "os-keypairs:show"
	ruleKeypairsCreate = prefix + "os-keypairs:create"
	ruleKeypairsDelete = prefix + "os-keypairs:delete"

	ruleLimits      = prefix + "limits"
	ruleLimitsOther = prefix + "limits:other_project"
	ruleQuotas      = prefix + "os-quota-sets:"
	ruleClasses     = prefix + "os-quota-class-sets:"
	ruleServices    = prefix + "os-services:"
	ruleHypervisors = prefix + "os-hypervisors:"
	ruleZones       = prefix + "os-availability-zone:"
	ruleGroups      = prefix + "os-server-groups:"
	ruleUsage       = prefix + "os-simple-tenant-usage:"
	ruleAggregates  = prefix + "os-aggregates:"
	// ruleAggregateAction stands before the rules of the actions.
	ruleAggregateAction = "compute:aggregates:action"
	// ruleAggregateImages is of nova's newer way of naming rules.
	ruleAggregateImages = "compute:aggregates:images"
	ruleMigrations      = prefix + "os-migrations:index"
	ruleExtensions      = prefix + "extensions"

	// ruleGone stands before what the API no longer has, ruleImageProxies before what the image
	// service enforces itself; nova has no rules for either.
	ruleGone           = "compute:gone"
	ruleImageProxies   = "compute:images"
	ruleSecurityGroups = prefix + "os-security-groups:"
	ruleFloatingPools  = prefix + "os-floating-ip-pools"
	ruleFloatingIPs    = prefix + "os-floating-ips:"
	ruleNetworks       = prefix + "os-networks:"
	ruleProjectNets    = prefix + "os-tenant-networks:"
	ruleHosts          = prefix + "os-hosts:"
	ruleUsageAudit     = prefix + "os-instance-usage-audit-log:"
	ruleVolumeProxies  = prefix + "os-volumes:"
	ruleVolumeSnaps    = prefix + "os-assisted-volume-snapshots:"
	ruleBareMetal      = prefix + "os-baremetal-nodes:"
)

// The checks that most rules are.
const (
	checkReader  = "rule:project_reader_or_admin"
	checkMember  = "rule:project_member_or_admin"
	checkAdmin   = "rule:context_is_admin"
	checkAnybody = "@"
	// checkKeyOwner lets users at their own key pairs.
	checkKeyOwner = "rule:context_is_admin or user_id:%(user_id)s"
)

// policyRules are the defaults of the service's policy.
func policyRules() []authz.Rule {
	rules := slices.Concat(authz.BaseRules(), operations.Rules("compute"), events.Rules("compute"))
	add := func(check, description string, names ...string) {
		for _, name := range names {
			rules = append(rules, authz.Rule{Name: name, Check: check, Description: description})
		}
	}
	add("role:node", "Node agents: report hosts and guests, read orders and metadata.", ruleNode)
	add("rule:context_is_admin", "Have hosts emptied, and see how far that is.", ruleDrains+"list", ruleDrains+"show", ruleDrains+"start", ruleDrains+"stop")
	add("rule:context_is_admin", "See what the scheduler decided for servers, and what it would decide.", rulePlaces+"list", rulePlaces+"dry_run")
	add("rule:admin_or_owner", "Act on a server of one's own project; each action has a rule of its own besides.", ruleAction)
	add("rule:service_or_admin", "Tell what happened to the ports of servers.", ruleExternal)
	addServerRules(add)
	addFlavorRules(add)
	add(checkKeyOwner, "Use one's own key pairs, administrators anybody's.", ruleKeypairsIndex, ruleKeypairsShow, ruleKeypairsCreate, ruleKeypairsDelete)
	add(checkAnybody, "Show one's own project's limits.", ruleLimits)
	add(checkAdmin, "Show another project's limits.", ruleLimitsOther)
	add(checkReader, "Show a project's quotas and what it uses.", ruleQuotas+"show", ruleQuotas+"detail")
	add(checkAnybody, "Show the default quotas.", ruleQuotas+"defaults")
	add(checkAdmin, "Change a project's quotas.", ruleQuotas+"update", ruleQuotas+"delete")
	add(checkAdmin, "Show and change the default quotas.", ruleClasses+"show", ruleClasses+"update")
	add(checkAdmin, "List, enable, disable and remove compute services.", ruleServices+"list", ruleServices+"update", ruleServices+"delete")
	add(checkAdmin, "Show hypervisors.", ruleHypervisors+"list", ruleHypervisors+"list-detail", ruleHypervisors+"show",
		ruleHypervisors+"uptime", ruleHypervisors+"search", ruleHypervisors+"servers", ruleHypervisors+"statistics")
	add(checkAnybody, "List availability zones.", ruleZones+"list")
	add(checkAdmin, "List availability zones with their hosts.", ruleZones+"detail")
	add(checkReader, "Show server groups.", ruleGroups+"index", ruleGroups+"show")
	add(checkMember, "Make and remove server groups.", ruleGroups+"create", ruleGroups+"delete")
	add(checkReader, "Show a project's usage.", ruleUsage+"show")
	add(checkAdmin, "Show the usage of all projects.", ruleUsage+"list")
	add(checkAdmin, "List migrations.", ruleMigrations)
	addAggregateRules(add)
	add(checkAnybody, "List extensions.", ruleExtensions)
	addProxyRules(add)
	return rules
}

func addServerRules(add func(check, description string, names ...string)) {
	add(checkReader, "List and show servers.", ruleIndex, ruleDetail, ruleShow)
	add(checkAdmin, "List the servers of all projects.", ruleIndexAllTenants, ruleDetailAllTenants)
	add(checkAdmin, "See the status of a server's host.", ruleShowHostStatus)
	add(checkReader, "See the extra specs of a server's flavor.", ruleFlavorSpecs)
	add(checkMember, "Create, change and delete servers.", ruleCreate, ruleUpdate, ruleDelete)
	add(checkAdmin, "Choose a server's host.", ruleForcedHost, ruleRequestedDestination)
	add(checkAdmin, "Create a server with a flavor that has no disk, whose root disk is as large as its image.", ruleZeroDisk)
	add(checkAdmin, "Put a server on an external network.", ruleExternalNetwork)
	add(checkMember, "Reboot, start and stop servers.", ruleReboot, ruleStart, ruleStop)
	add(checkMember, "Have a server stand still and go on.", rulePause, ruleUnpause)
	add(checkMember, "Put a server's memory on the disk and have it go on from there.", ruleSuspend, ruleResume)
	add(checkMember, "Start a server from another image, with its own disks beside it, and back.", ruleRescue, ruleUnrescue)
	add(checkMember, "Bring a server back that was deleted a short while ago.", ruleRestore)
	add(checkMember, "Change the password of a server's administrator.", ruleAdminPassword)
	add(checkReader, "Show the sealed password that a server has deposited.", ruleServerPassword+"show")
	add(checkMember, "Forget the sealed password that a server has deposited.", ruleServerPassword+"clear")
	add(checkMember, "Give a server a fixed or floating address, and take it away.", ruleMultinic+"add", ruleMultinic+"remove", ruleFloatingIPs+"add", ruleFloatingIPs+"remove")
	add(checkMember, "Have a server write a dump of itself.", ruleCrashDump)
	add(checkAdmin, "Bring network information to a server.", ruleInjectNetwork)
	add(checkAdmin, "Read the meters of a running server.", ruleDiagnostics)
	add(checkAdmin, "See a server's host, names on it and user data.", ruleExtendedAttributes)
	add(checkMember, "Read a server's console output.", ruleConsoleOutput)
	add(checkMember, "Connect to a server's display and serial port.", ruleRemoteConsoles)
	add(checkAdmin, "Show what a console's token is for.", ruleConsoleTokens)
	add(checkMember, "Lock and unlock servers.", ruleLock, ruleUnlock)
	add(checkAdmin, "Go past somebody else's lock.", ruleUnlockOverride)
	add(checkMember, "Give a server another flavor, and confirm that or take it back.", ruleResize, ruleResizeConfirm, ruleResizeRevert)
	add(checkAdmin, "Move a server to another host.", ruleMigrate, ruleMigrateHost)
	add(checkAdmin, "Make a server anew on another host because its own is down.", ruleEvacuate)
	add(checkAdmin, "Move a running server to another host.", ruleMigrateLive, ruleMigrateLiveHost)
	add(checkAdmin, "List the live migrations of a server.", ruleServerMigrations+"index", ruleServerMigrations+"show")
	add(checkAdmin, "End a live migration before its time, or soon.", ruleServerMigrations+"delete", ruleServerMigrations+"force_complete")
	add(checkMember, "Shelve servers and bring them back.", ruleShelve, ruleUnshelve)
	add(checkAdmin, "Take a shelved server from its host, and bring it back to a host of one's choice.", ruleShelveOffload, ruleUnshelveHost)
	add(checkMember, "Give a server new disks, from an image.", ruleRebuild)
	add(checkMember, "Make an image or a backup of a server.", ruleCreateImage, ruleCreateBackup)
	add(checkAdmin, "Set a server's state by hand.", ruleResetState)
	add(checkMember, "Delete a server at once.", ruleForceDelete)
	add(checkReader, "Read a server's metadata.", ruleMetadata+"index", ruleMetadata+"show")
	add(checkMember, "Change a server's metadata.", ruleMetadata+"create", ruleMetadata+"update_all", ruleMetadata+"update", ruleMetadata+"delete")
	add(checkReader, "Read a server's tags.", ruleTags+"index", ruleTags+"show")
	add(checkMember, "Change a server's tags.", ruleTags+"update_all", ruleTags+"update", ruleTags+"delete", ruleTags+"delete_all")
	add(checkReader, "Read a server's addresses.", ruleIPs+"index", ruleIPs+"show")
	add(checkReader, "Read what was done with a server.", ruleActionsList, ruleActionsShow)
	add(checkAdmin, "Read the errors of what was done with a server.", ruleActionEvents)
	add(checkReader, "Read a server's interfaces.", ruleInterfaces+"list", ruleInterfaces+"show")
	add(checkMember, "Attach and detach interfaces.", ruleInterfaces+"create", ruleInterfaces+"delete")
	add(checkReader, "Show a server's volumes and shares.", ruleVolumesIndex, ruleVolumes+"show", ruleShares+"index", ruleShares+"show")
	add(checkMember, "Attach, change and detach a server's volumes and shares.", ruleVolumes+"create", ruleVolumes+"update", ruleVolumes+"delete",
		ruleShares+"create", ruleShares+"delete")
	add(checkReader, "Show a server's NUMA nodes.", ruleTopology+"index")
	add(checkAdmin, "Show where on the host a server's NUMA nodes and processors are.", ruleTopologyHost)
	add(checkMember, "Add and remove a server's security groups.", ruleGroupAdd, ruleGroupRemove)
	add(checkReader, "Show a project's security groups, and a server's.", ruleGroupList, ruleSecurityGroups+"get", ruleSecurityGroups+"show")
}

func addAggregateRules(add func(check, description string, names ...string)) {
	add(checkAdmin, "Show host aggregates.", ruleAggregates+"index", ruleAggregates+"show")
	add(checkAdmin, "Make, change and remove host aggregates.", ruleAggregates+"create", ruleAggregates+"update", ruleAggregates+"delete")
	add(checkAdmin, "Change what hosts and metadata an aggregate has.", ruleAggregates+"add_host", ruleAggregates+"remove_host", ruleAggregates+"set_metadata")
	add(checkAdmin, "Have the hosts of an aggregate cache images.", ruleAggregateImages)
	add(checkAnybody, "Act on a host aggregate; each action has a rule of its own besides.", ruleAggregateAction)
}

func addFlavorRules(add func(check, description string, names ...string)) {
	add(checkAnybody, "List and show flavors.", ruleFlavors)
	add(checkAdmin, "Make, change and remove flavors.", ruleFlavorCreate, ruleFlavorUpdate, ruleFlavorDelete)
	add(checkAdmin, "Show and change who may use a private flavor.", ruleFlavorAccess, ruleFlavorAccessAdd, ruleFlavorAccessRemove)
	add(checkReader, "Read extra specs.", ruleExtraSpecsIndex, ruleExtraSpecs+"show")
	add(checkAdmin, "Change extra specs.", ruleExtraSpecs+"create", ruleExtraSpecs+"update", ruleExtraSpecs+"delete")
}

// addProxyRules adds the rules of what other services own, of what went and of os-hosts.
func addProxyRules(add func(check, description string, names ...string)) {
	add(checkAnybody, "Ask for what the API no longer has; the answer is 410.", ruleGone)
	add(checkAnybody, "Use images through this API; the image service has rules of its own.", ruleImageProxies)
	add(checkMember, "Make, change and remove security groups and their rules through this API.", ruleSecurityGroups+"create", ruleSecurityGroups+"update",
		ruleSecurityGroups+"delete", ruleSecurityGroups+"rule:create", ruleSecurityGroups+"rule:delete")
	add(checkAnybody, "List the pools of floating addresses through this API.", ruleFloatingPools)
	add(checkReader, "Show floating addresses through this API.", ruleFloatingIPs+"list", ruleFloatingIPs+"show")
	add(checkMember, "Take and give back floating addresses through this API.", ruleFloatingIPs+"create", ruleFloatingIPs+"delete")
	add(checkReader, "Show networks through this API.", ruleNetworks+"list", ruleNetworks+"show", ruleProjectNets+"list", ruleProjectNets+"show")
	add(checkAdmin, "Show, enable and disable hosts.", ruleHosts+"list", ruleHosts+"show", ruleHosts+"update", ruleHosts+"reboot", ruleHosts+"shutdown", ruleHosts+"start")
	add(checkAdmin, "Read how far hosts have come with their reports of usage.", ruleUsageAudit+"list", ruleUsageAudit+"show")
	add(checkReader, "Read volumes and their snapshots through this API.", ruleVolumeProxies+"list", ruleVolumeProxies+"detail", ruleVolumeProxies+"show",
		ruleVolumeProxies+"snapshots:list", ruleVolumeProxies+"snapshots:detail", ruleVolumeProxies+"snapshots:show")
	add(checkMember, "Make and remove volumes and their snapshots through this API.", ruleVolumeProxies+"create", ruleVolumeProxies+"delete",
		ruleVolumeProxies+"snapshots:create", ruleVolumeProxies+"snapshots:delete")
	add("rule:service_or_admin", "Have hosts take snapshots of volumes, for block storage services.", ruleVolumeSnaps+"create", ruleVolumeSnaps+"delete")
	add(checkAdmin, "Show bare metal nodes through this API.", ruleBareMetal+"list", ruleBareMetal+"show")
}
