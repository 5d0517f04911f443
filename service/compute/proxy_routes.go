package compute

import (
	"slices"

	"virga/core/api"
)

// routesOfProxies are what other services own and clients of before asked compute for, and
// os-hosts, which went the same way.
func (s *Service) routesOfProxies() []api.Route {
	return slices.Concat(s.routesOfImages(), s.routesOfNetworkProxies(), s.routesOfHosts(), s.routesOfVolumeBoot(), s.routesOfAbsentServices())
}

// routesOfVolumeBoot are servers under the name that they once had when they booted from volumes.
func (s *Service) routesOfVolumeBoot() []api.Route {
	one, until := "/v2.1/os-volumes_boot/{server_id}", before(vNoVolumeBoot)
	return []api.Route{
		{Method: get, Path: "/v2.1/os-volumes_boot", Policy: ruleIndex, Handle: s.serverList, Until: until, Doc: "lists servers"},
		{Method: post, Path: "/v2.1/os-volumes_boot", Policy: ruleCreate, Handle: s.serverCreateRequest, Body: "server_create", Status: 202, Until: until, Doc: "creates servers"},
		{Method: get, Path: "/v2.1/os-volumes_boot/detail", Policy: ruleDetail, Handle: s.serverListDetail, Until: until, Doc: "lists servers with details"},
		{Method: get, Path: one, Policy: ruleShow, Load: s.loadServer, Handle: s.serverShow, Until: until, Doc: "shows a server"},
		{Method: put, Path: one, Policy: ruleUpdate, Load: s.loadServer, Handle: s.serverUpdate, Body: "server_update", Until: until, Doc: "changes a server"},
		{Method: del, Path: one, Policy: ruleDelete, Load: s.loadServer, Handle: s.serverDeleteRequest, Until: until, Doc: "deletes a server"},
		{Method: post, Path: one + "/action", Policy: ruleAction, Load: s.loadServer, Handle: s.serverAction, Body: "server_action", Until: until, Doc: "acts on a server"},
	}
}

func (s *Service) routesOfImages() []api.Route {
	one, until, meta := "/v2.1/images/{image_id}", before(vNoProxies), before(vNoImageMeta)
	return []api.Route{
		{Method: get, Path: "/v2.1/images", Policy: ruleImageProxies, Handle: s.imageList, Until: until, Doc: "lists images"},
		{Method: get, Path: "/v2.1/images/detail", Policy: ruleImageProxies, Handle: s.imageListDetail, Until: until, Doc: "lists images with details"},
		{Method: get, Path: one, Policy: ruleImageProxies, Handle: s.imageShow, Until: until, Doc: "shows an image"},
		{Method: del, Path: one, Policy: ruleImageProxies, Handle: s.imageDelete, Until: until, Doc: "removes an image"},
		{Method: get, Path: one + "/metadata", Policy: ruleImageProxies, Handle: s.imageMetadataList, Until: meta, Doc: "lists an image's properties"},
		{Method: post, Path: one + "/metadata", Policy: ruleImageProxies, Handle: s.imageMetadataMerge, Body: "metadata", Until: meta, Doc: "adds properties to an image"},
		{Method: put, Path: one + "/metadata", Policy: ruleImageProxies, Handle: s.imageMetadataReplace, Body: "metadata", Until: meta, Doc: "replaces an image's properties"},
		{Method: get, Path: one + "/metadata/{key}", Policy: ruleImageProxies, Handle: s.imageMetadataShow, Until: meta, Doc: "shows a property of an image"},
		{Method: put, Path: one + "/metadata/{key}", Policy: ruleImageProxies, Handle: s.imageMetadataSet, Body: "metadata_item", Until: meta, Doc: "sets a property of an image"},
		{Method: del, Path: one + "/metadata/{key}", Policy: ruleImageProxies, Handle: s.imageMetadataDelete, Until: meta, Doc: "removes a property of an image"},
	}
}

func (s *Service) routesOfNetworkProxies() []api.Route {
	group, until := "/v2.1/os-security-groups/{security_group_id}", before(vNoProxies)
	return []api.Route{
		{Method: get, Path: "/v2.1/os-floating-ip-pools", Policy: ruleFloatingPools, Handle: s.floatingPoolList, Until: until, Doc: "lists pools of floating addresses"},
		{Method: get, Path: "/v2.1/os-floating-ips", Policy: ruleFloatingIPs + "list", Handle: s.floatingIPList, Until: until, Doc: "lists floating addresses"},
		{Method: post, Path: "/v2.1/os-floating-ips", Policy: ruleFloatingIPs + "create", Handle: s.floatingIPCreate, Body: "floating_ip_create", Until: until, Doc: "takes a floating address"},
		{Method: get, Path: "/v2.1/os-floating-ips/{floating_ip_id}", Policy: ruleFloatingIPs + "show", Handle: s.floatingIPShow, Until: until, Doc: "shows a floating address"},
		{Method: del, Path: "/v2.1/os-floating-ips/{floating_ip_id}", Policy: ruleFloatingIPs + "delete", Handle: s.floatingIPDelete, Until: until, Doc: "gives a floating address back"},
		{Method: get, Path: "/v2.1/os-networks", Policy: ruleNetworks + "list", Handle: s.networkList, Until: until, Doc: "lists networks"},
		{Method: get, Path: "/v2.1/os-networks/{network_id}", Policy: ruleNetworks + "show", Handle: s.networkShow, Until: until, Doc: "shows a network"},
		{Method: post, Path: "/v2.1/os-security-group-rules", Policy: ruleSecurityGroups + "rule:create", Handle: s.securityGroupRuleCreate, Body: "security_group_rule", Until: until, Doc: "adds a rule to a security group"},
		{Method: del, Path: "/v2.1/os-security-group-rules/{security_group_rule_id}", Policy: ruleSecurityGroups + "rule:delete", Handle: s.securityGroupRuleDelete, Until: until, Doc: "removes a rule of a security group"},
		{Method: get, Path: "/v2.1/os-security-groups", Policy: ruleSecurityGroups + "get", Handle: s.securityGroupList, Until: until, Doc: "lists a project's security groups"},
		{Method: post, Path: "/v2.1/os-security-groups", Policy: ruleSecurityGroups + "create", Handle: s.securityGroupCreate, Body: "security_group", Until: until, Doc: "creates a security group"},
		{Method: get, Path: group, Policy: ruleSecurityGroups + "show", Handle: s.securityGroupShow, Until: until, Doc: "shows a security group"},
		{Method: put, Path: group, Policy: ruleSecurityGroups + "update", Handle: s.securityGroupUpdate, Body: "security_group", Until: until, Doc: "changes a security group"},
		{Method: del, Path: group, Policy: ruleSecurityGroups + "delete", Handle: s.securityGroupDelete, Until: until, Doc: "removes a security group"},
		{Method: get, Path: "/v2.1/os-tenant-networks", Policy: ruleProjectNets + "list", Handle: s.projectNetworkList, Until: until, Doc: "lists a project's networks"},
		{Method: get, Path: "/v2.1/os-tenant-networks/{network_id}", Policy: ruleProjectNets + "show", Handle: s.projectNetworkShow, Until: until, Doc: "shows a project's network"},
	}
}

func (s *Service) routesOfHosts() []api.Route {
	one, until := "/v2.1/os-hosts/{host_name}", before(vNoHosts)
	return []api.Route{
		{Method: get, Path: "/v2.1/os-hosts", Policy: ruleHosts + "list", Handle: s.hostList, Until: until, Doc: "lists hosts"},
		{Method: get, Path: one, Policy: ruleHosts + "show", Load: s.loadHost, Handle: s.hostShow, Until: until, Doc: "shows what a host has and who uses it"},
		{Method: put, Path: one, Policy: ruleHosts + "update", Handle: s.hostUpdate, Body: "host_update", Until: until, Doc: "enables and disables a host"},
		{Method: get, Path: one + "/reboot", Policy: ruleHosts + "reboot", Handle: s.hostPower, Until: until, Doc: "reboots a host: no driver can"},
		{Method: get, Path: one + "/shutdown", Policy: ruleHosts + "shutdown", Handle: s.hostPower, Until: until, Doc: "switches a host off: no driver can"},
		{Method: get, Path: one + "/startup", Policy: ruleHosts + "start", Handle: s.hostPower, Until: until, Doc: "switches a host on: no driver can"},
		{Method: get, Path: "/v2.1/os-instance_usage_audit_log", Policy: ruleUsageAudit + "list", Handle: s.auditLatest, Doc: "tells of the hosts' reports of usage in the last month"},
		{Method: get, Path: "/v2.1/os-instance_usage_audit_log/{before}", Policy: ruleUsageAudit + "show", Handle: s.auditBefore, Doc: "tells of the hosts' reports of usage in the month before a time"},
	}
}

func (s *Service) routesOfAbsentServices() []api.Route {
	node, until := "/v2.1/os-baremetal-nodes", before(vNoProxies)
	return []api.Route{
		{Method: post, Path: "/v2.1/os-assisted-volume-snapshots", Policy: ruleVolumeSnaps + "create", Handle: volumeSnapshotCreate, Body: "assisted_volume_snapshot", Doc: "takes a snapshot of a volume: there are none"},
		{Method: del, Path: "/v2.1/os-assisted-volume-snapshots/{snapshot_id}", Policy: ruleVolumeSnaps + "delete", Handle: volumeSnapshotDelete, Doc: "removes a snapshot of a volume: there are none"},
		{Method: get, Path: node, Policy: ruleBareMetal + "list", Handle: noBareMetal, Until: until, Doc: "lists bare metal nodes: there is no such service"},
		{Method: post, Path: node, Policy: ruleBareMetal + "list", Handle: noBareMetalChange, Until: until, Doc: "refuses to create a bare metal node"},
		{Method: get, Path: node + "/{node_id}", Policy: ruleBareMetal + "show", Handle: noBareMetal, Until: until, Doc: "shows a bare metal node: there is no such service"},
		{Method: del, Path: node + "/{node_id}", Policy: ruleBareMetal + "show", Handle: noBareMetalChange, Until: until, Doc: "refuses to remove a bare metal node"},
		{Method: post, Path: node + "/{node_id}/action", Policy: ruleBareMetal + "show", Handle: noBareMetalAction, Until: until, Doc: "refuses to change a bare metal node"},
		{Method: get, Path: "/v2.1/os-snapshots", Policy: ruleVolumeProxies + "snapshots:list", Handle: noVolumes, Until: until, Doc: "lists snapshots of volumes: there is no such service"},
		{Method: post, Path: "/v2.1/os-snapshots", Policy: ruleVolumeProxies + "snapshots:create", Handle: noVolumes, Until: until, Doc: "takes a snapshot of a volume: there is no such service"},
		{Method: get, Path: "/v2.1/os-snapshots/detail", Policy: ruleVolumeProxies + "snapshots:detail", Handle: noVolumes, Until: until, Doc: "lists snapshots of volumes with details: there is no such service"},
		{Method: get, Path: "/v2.1/os-snapshots/{snapshot_id}", Policy: ruleVolumeProxies + "snapshots:show", Handle: noVolumes, Until: until, Doc: "shows a snapshot of a volume: there is no such service"},
		{Method: del, Path: "/v2.1/os-snapshots/{snapshot_id}", Policy: ruleVolumeProxies + "snapshots:delete", Handle: noVolumes, Until: until, Doc: "removes a snapshot of a volume: there is no such service"},
		{Method: get, Path: "/v2.1/os-volumes", Policy: ruleVolumeProxies + "list", Handle: noVolumes, Until: until, Doc: "lists volumes: there is no such service"},
		{Method: post, Path: "/v2.1/os-volumes", Policy: ruleVolumeProxies + "create", Handle: noVolumes, Until: until, Doc: "creates a volume: there is no such service"},
		{Method: get, Path: "/v2.1/os-volumes/detail", Policy: ruleVolumeProxies + "detail", Handle: noVolumes, Until: until, Doc: "lists volumes with details: there is no such service"},
		{Method: get, Path: "/v2.1/os-volumes/{volume_id}", Policy: ruleVolumeProxies + "show", Handle: noVolumes, Until: until, Doc: "shows a volume: there is no such service"},
		{Method: del, Path: "/v2.1/os-volumes/{volume_id}", Policy: ruleVolumeProxies + "delete", Handle: noVolumes, Until: until, Doc: "removes a volume: there is no such service"},
	}
}
