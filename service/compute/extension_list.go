package compute

import (
	"context"

	"virga/core/api"
)

// Nova's API was once put together from extensions. All are part of every version since 2.1;
// what is left of them is the list, in which clients and test suites look for aliases.

type extensionView struct {
	Alias       string     `json:"alias"`
	Name        string     `json:"name"`
	Description string     `json:"description"`
	Namespace   string     `json:"namespace"`
	Updated     string     `json:"updated"`
	Links       []linkView `json:"links"`
}

// viewExtension fills in what all extensions have in common since 2.1.
func viewExtension(e extension) extensionView {
	return extensionView{e.alias, e.name, e.name + ", a part of the API.", "http://docs.openstack.org/compute/ext/fake_xml", "2014-12-03T00:00:00Z", []linkView{}}
}

// extensionList answers GET /extensions.
func (s *Service) extensionList(context.Context, *api.Request) (any, error) {
	views := []extensionView{}
	for _, e := range extensions() {
		views = append(views, viewExtension(e))
	}
	return map[string]any{"extensions": views}, nil
}

// extensionShow answers GET /extensions/{alias}.
func (s *Service) extensionShow(_ context.Context, r *api.Request) (any, error) {
	for _, e := range extensions() {
		if e.alias == r.Param("alias") {
			return map[string]any{"extension": viewExtension(e)}, nil
		}
	}
	return nil, api.NotFound("The resource could not be found.")
}

type extension struct{ alias, name string }

// extensions are those of nova, by alias.
func extensions() []extension {
	return []extension{
		{"NMN", "Multinic"}, {"OS-DCF", "DiskConfig"}, {"OS-EXT-AZ", "ExtendedAvailabilityZone"}, {"OS-EXT-IMG-SIZE", "ImageSize"},
		{"OS-EXT-IPS", "ExtendedIps"}, {"OS-EXT-IPS-MAC", "ExtendedIpsMac"}, {"OS-EXT-SRV-ATTR", "ExtendedServerAttributes"},
		{"OS-EXT-STS", "ExtendedStatus"}, {"OS-FLV-DISABLED", "FlavorDisabled"}, {"OS-FLV-EXT-DATA", "FlavorExtraData"}, {"OS-SCH-HNT", "SchedulerHints"},
		{"OS-SRV-USG", "ServerUsage"}, {"os-access-ips", "AccessIPs"}, {"os-admin-actions", "AdminActions"}, {"os-admin-password", "AdminPassword"},
		{"os-agents", "Agents"}, {"os-aggregates", "Aggregates"}, {"os-assisted-volume-snapshots", "AssistedVolumeSnapshots"},
		{"os-attach-interfaces", "AttachInterfaces"}, {"os-availability-zone", "AvailabilityZone"}, {"os-baremetal-ext-status", "BareMetalExtStatus"},
		{"os-baremetal-nodes", "BareMetalNodes"}, {"os-block-device-mapping", "BlockDeviceMapping"},
		{"os-block-device-mapping-v2-boot", "BlockDeviceMappingV2Boot"}, {"os-cell-capacities", "CellCapacities"}, {"os-cells", "Cells"},
		{"os-certificates", "Certificates"}, {"os-cloudpipe", "Cloudpipe"}, {"os-cloudpipe-update", "CloudpipeUpdate"}, {"os-config-drive", "ConfigDrive"},
		{"os-console-auth-tokens", "ConsoleAuthTokens"}, {"os-console-output", "ConsoleOutput"}, {"os-consoles", "Consoles"},
		{"os-create-backup", "CreateBackup"}, {"os-create-server-ext", "Createserverext"}, {"os-deferred-delete", "DeferredDelete"},
		{"os-evacuate", "Evacuate"}, {"os-extended-evacuate-find-host", "ExtendedEvacuateFindHost"}, {"os-extended-floating-ips", "ExtendedFloatingIps"},
		{"os-extended-hypervisors", "ExtendedHypervisors"}, {"os-extended-networks", "ExtendedNetworks"}, {"os-extended-quotas", "ExtendedQuotas"},
		{"os-extended-rescue-with-image", "ExtendedRescueWithImage"}, {"os-extended-services", "ExtendedServices"},
		{"os-extended-services-delete", "ExtendedServicesDelete"}, {"os-extended-status", "ExtendedStatus"}, {"os-extended-volumes", "ExtendedVolumes"},
		{"os-fixed-ips", "FixedIPs"}, {"os-flavor-access", "FlavorAccess"}, {"os-flavor-extra-specs", "FlavorExtraSpecs"},
		{"os-flavor-manage", "FlavorManage"}, {"os-flavor-rxtx", "FlavorRxtx"}, {"os-flavor-swap", "FlavorSwap"}, {"os-floating-ip-dns", "FloatingIpDns"},
		{"os-floating-ip-pools", "FloatingIpPools"}, {"os-floating-ips", "FloatingIps"}, {"os-floating-ips-bulk", "FloatingIpsBulk"}, {"os-fping", "Fping"},
		{"os-hide-server-addresses", "HideServerAddresses"}, {"os-hosts", "Hosts"}, {"os-hypervisor-status", "HypervisorStatus"},
		{"os-hypervisors", "Hypervisors"}, {"os-instance-actions", "InstanceActions"}, {"os-instance_usage_audit_log", "OSInstanceUsageAuditLog"},
		{"os-keypairs", "Keypairs"}, {"os-lock-server", "LockServer"}, {"os-migrate-server", "MigrateServer"}, {"os-migrations", "Migrations"},
		{"os-multiple-create", "MultipleCreate"}, {"os-networks", "Networks"}, {"os-networks-associate", "NetworkAssociationSupport"},
		{"os-pause-server", "PauseServer"}, {"os-personality", "Personality"}, {"os-preserve-ephemeral-rebuild", "PreserveEphemeralOnRebuild"},
		{"os-quota-class-sets", "QuotaClasses"}, {"os-quota-sets", "Quotas"}, {"os-rescue", "Rescue"},
		{"os-security-group-default-rules", "SecurityGroupDefaultRules"}, {"os-security-groups", "SecurityGroups"},
		{"os-server-diagnostics", "ServerDiagnostics"}, {"os-server-external-events", "ServerExternalEvents"},
		{"os-server-group-quotas", "ServerGroupQuotas"}, {"os-server-groups", "ServerGroups"}, {"os-server-list-multi-status", "ServerListMultiStatus"},
		{"os-server-password", "ServerPassword"}, {"os-server-sort-keys", "ServerSortKeys"}, {"os-server-start-stop", "ServerStartStop"},
		{"os-services", "Services"}, {"os-shelve", "Shelve"}, {"os-simple-tenant-usage", "SimpleTenantUsage"}, {"os-suspend-server", "SuspendServer"},
		{"os-tenant-networks", "OSTenantNetworks"}, {"os-used-limits", "UsedLimits"}, {"os-used-limits-for-admin", "UsedLimitsForAdmin"},
		{"os-user-data", "UserData"}, {"os-user-quotas", "UserQuotas"}, {"os-virtual-interfaces", "VirtualInterfaces"},
		{"os-volume-attachment-update", "VolumeAttachmentUpdate"}, {"os-volumes", "Volumes"},
	}
}
