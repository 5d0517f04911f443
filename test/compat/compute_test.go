package compat

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/attachinterfaces"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/availabilityzones"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/flavors"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/hypervisors"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/keypairs"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/limits"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/quotasets"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/secgroups"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servergroups"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/services"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/tags"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/gophercloud/gophercloud/v2/openstack/utils"

	"virga/test/cloud"
)

// microversions are those at which clients see something new: the first, server.networks "auto", services by UUID, multi-attach,
// the end of proxies, host names, and the newest.
var microversions = []string{"2.1", "2.37", "2.53", "2.60", "2.79", "2.90", "latest"}

func walkCompute(t *testing.T, c *cloud.Cloud, admin *clients) {
	client, ctx := admin.compute, t.Context()
	supported := need(utils.GetSupportedMicroversions(ctx, client))(t)
	for _, version := range microversions[:6] {
		if there := need(supported.IsSupported(version))(t); !there {
			t.Errorf("%s is not supported by %+v", version, supported)
		}
	}
	image := newImage(t, admin.image, images.CreateOpts{Name: "guest"}).ID
	network := networkNamed(t, admin.network, "private")
	t.Run("flavors", func(t *testing.T) { walkFlavors(t, client) })
	for _, version := range microversions {
		t.Run("servers at "+version, func(t *testing.T) { walkServer(t, c, at(client, version), image, network) })
	}
	s := &scene{cloud: c, client: client, image: image, network: network}
	t.Run("tags and groups", s.walkTagsAndGroups)
	t.Run("interfaces", func(t *testing.T) { s.walkInterfaces(t, admin.network) })
	t.Run("lists", s.walkLists)
	t.Run("operators", func(t *testing.T) { walkComputeOperators(t, client, c.Admin.ProjectID) })
	done(t, images.Delete(ctx, admin.image, image).ExtractErr())
}

func walkFlavors(t *testing.T, client *gophercloud.ServiceClient) {
	ctx, disk, swap := t.Context(), 1, 8
	flavor := need(flavors.Create(ctx, at(client, "2.61"), flavors.CreateOpts{Name: "own", RAM: 64, VCPUs: 1, Disk: &disk, Swap: &swap, IsPublic: gophercloud.Disabled,
		Description: "d"}).Extract())(t)
	if flavor.Swap != 8 || flavor.IsPublic || flavor.Description != "d" {
		t.Errorf("flavor %+v", flavor)
	}
	specs := need(flavors.CreateExtraSpecs(ctx, client, flavor.ID, flavors.ExtraSpecsOpts{"hw:cpu_policy": "shared"}).Extract())(t)
	if specs["hw:cpu_policy"] != "shared" {
		t.Errorf("extra specs %v", specs)
	}
	done(t, flavors.DeleteExtraSpec(ctx, client, flavor.ID, "hw:cpu_policy").ExtractErr())
	const project = "0123456789abcdef0123456789abcdef"
	need(flavors.AddAccess(ctx, client, flavor.ID, flavors.AddAccessOpts{Tenant: project}).Extract())(t)
	equal(t, "access", listed(t, flavors.ListAccesses(client, flavor.ID), flavors.ExtractAccesses, func(a flavors.FlavorAccess) string { return a.TenantID }), project)
	need(flavors.RemoveAccess(ctx, client, flavor.ID, flavors.RemoveAccessOpts{Tenant: project}).Extract())(t)
	names := listed(t, flavors.ListDetail(client, flavors.ListOpts{AccessType: flavors.AllAccess, Limit: 2}), flavors.ExtractFlavors, func(f flavors.Flavor) string { return f.Name })
	if !slices.Contains(names, "own") || !slices.Contains(names, "m1.nano") {
		t.Errorf("flavors %q", names)
	}
	done(t, flavors.Delete(ctx, client, flavor.ID).ExtractErr())
	refused(t, 404, flavors.Get(ctx, client, flavor.ID).Err)
}

// scene is what servers are made of.
type scene struct {
	cloud          *cloud.Cloud
	client         *gophercloud.ServiceClient
	image, network string
}

// flavor is m1.nano of a new cloud.
const flavor = "42"

// awaitStatus waits until a server has the status and nothing goes on with it.
func awaitStatus(t *testing.T, c *cloud.Cloud, client *gophercloud.ServiceClient, id, status string) *servers.Server {
	t.Helper()
	var server *servers.Server
	c.Await(t, "server "+id+" becomes "+status, func() (err error) {
		if server, err = servers.Get(t.Context(), client, id).Extract(); err != nil {
			return err
		}
		if server.Status != status || server.TaskState != "" {
			return fmt.Errorf("it is %s, %s: %s", server.Status, server.TaskState, server.Fault.Message)
		}
		return nil
	})
	return server
}

func awaitGone(t *testing.T, c *cloud.Cloud, client *gophercloud.ServiceClient, id string) {
	t.Helper()
	done(t, servers.Delete(t.Context(), client, id).ExtractErr())
	c.Await(t, "server "+id+" is gone", func() error {
		if err := servers.Get(t.Context(), client, id).Err; !gophercloud.ResponseCodeIs(err, 404) {
			return fmt.Errorf("it is still there: %w", err)
		}
		return nil
	})
}

// makeKey makes the key pair "key". Since 2.92 the cloud takes public keys only.
func makeKey(t *testing.T, client *gophercloud.ServiceClient) {
	t.Helper()
	made := need(keypairs.Create(t.Context(), at(client, "2.1"), keypairs.CreateOpts{Name: "key"}).Extract())(t)
	if !strings.HasPrefix(made.PrivateKey, "-----BEGIN") || !strings.HasPrefix(made.PublicKey, "ssh-") {
		t.Errorf("key pair %+v", made)
	}
	done(t, keypairs.Delete(t.Context(), client, "key", nil).ExtractErr())
	imported := need(keypairs.Create(t.Context(), client, keypairs.CreateOpts{Name: "key", PublicKey: made.PublicKey}).Extract())(t)
	if imported.Fingerprint != made.Fingerprint || imported.PrivateKey != "" {
		t.Errorf("imported %+v, made %+v", imported, made)
	}
}

// walkServer is the life of a server in one microversion.
func walkServer(t *testing.T, c *cloud.Cloud, client *gophercloud.ServiceClient, image, network string) {
	ctx := t.Context()
	makeKey(t, client)
	made := need(servers.Create(ctx, client, keypairs.CreateOptsExt{KeyName: "key", CreateOptsBuilder: servers.CreateOpts{Name: "ada", ImageRef: image, FlavorRef: flavor,
		Networks: []servers.Network{{UUID: network}}, Metadata: map[string]string{"role": "web"}, UserData: []byte("#!/bin/sh\n"), ConfigDrive: gophercloud.Enabled,
		AdminPass: "open sesame"}}, nil).Extract())(t)
	if made.AdminPass != "open sesame" {
		t.Errorf("a new server has the password %q", made.AdminPass)
	}
	server := awaitStatus(t, c, client, made.ID, "ACTIVE")
	if server.PowerState != servers.RUNNING || server.KeyName != "key" || server.Image["id"] != image || server.Metadata["role"] != "web" || len(server.Addresses["private"].([]any)) != 1 ||
		server.AvailabilityZone != "nova" || server.Host != c.Host || server.TenantID != c.Admin.ProjectID || server.Created.IsZero() || server.LaunchedAt.IsZero() {
		t.Errorf("server %+v", server)
	}
	if id, original := server.Flavor["id"], server.Flavor["original_name"]; id != flavor && original != "m1.nano" {
		t.Errorf("flavor %v", server.Flavor)
	}
	refused(t, 409, servers.Start(ctx, client, made.ID).ExtractErr())
	done(t, servers.Stop(ctx, client, made.ID).ExtractErr())
	awaitStatus(t, c, client, made.ID, "SHUTOFF")
	done(t, servers.Start(ctx, client, made.ID).ExtractErr())
	awaitStatus(t, c, client, made.ID, "ACTIVE")
	for _, how := range []servers.RebootMethod{servers.SoftReboot, servers.HardReboot} {
		done(t, servers.Reboot(ctx, client, made.ID, servers.RebootOpts{Type: how}).ExtractErr())
		awaitStatus(t, c, client, made.ID, "ACTIVE")
	}
	need(servers.ShowConsoleOutput(ctx, client, made.ID, servers.ShowConsoleOutputOpts{Length: 10}).Extract())(t)
	done(t, servers.Lock(ctx, client, made.ID).ExtractErr())
	done(t, servers.Unlock(ctx, client, made.ID).ExtractErr())
	renamed := need(servers.Update(ctx, client, made.ID, servers.UpdateOpts{Name: "eve", AccessIPv4: "192.0.2.1"}).Extract())(t)
	if renamed.Name != "eve" || renamed.AccessIPv4 != "192.0.2.1" {
		t.Errorf("renamed %+v", renamed)
	}
	metadata := need(servers.UpdateMetadata(ctx, client, made.ID, servers.MetadataOpts{"more": "1"}).Extract())(t)
	if metadata["role"] != "web" || metadata["more"] != "1" {
		t.Errorf("metadata %v", metadata)
	}
	done(t, servers.DeleteMetadatum(ctx, client, made.ID, "more").ExtractErr())
	addresses := need(servers.ListAddresses(client, made.ID).AllPages(ctx))(t)
	if all := need(servers.ExtractAddresses(addresses))(t); len(all["private"]) != 1 {
		t.Errorf("addresses %v", all)
	}
	awaitGone(t, c, client, made.ID)
	done(t, keypairs.Delete(ctx, client, "key", nil).ExtractErr())
}

func (s *scene) walkTagsAndGroups(t *testing.T) {
	client, ctx := at(s.client, "2.90"), t.Context()
	group := need(servergroups.Create(ctx, client, servergroups.CreateOpts{Name: "apart", Policy: "soft-anti-affinity"}).Extract())(t)
	made := need(servers.Create(ctx, client, servers.CreateOpts{Name: "tagged", ImageRef: s.image, FlavorRef: flavor, Networks: "auto", Tags: []string{"a"}, Hostname: "sunny"},
		servers.SchedulerHintOpts{Group: group.ID}).Extract())(t)
	server := awaitStatus(t, s.cloud, client, made.ID, "ACTIVE")
	if server.ServerGroups == nil || !slices.Equal(*server.ServerGroups, []string{group.ID}) || server.Hostname == nil || *server.Hostname != "sunny" {
		t.Errorf("server %+v", server)
	}
	done(t, tags.Add(ctx, client, made.ID, "b").ExtractErr())
	equal(t, "tags", need(tags.List(ctx, client, made.ID).Extract())(t), "a", "b")
	equal(t, "servers by tags", listed(t, servers.List(client, servers.ListOpts{Tags: "a,b"}), servers.ExtractServers, nameOf), "tagged")
	done(t, tags.Delete(ctx, client, made.ID, "a").ExtractErr())
	done(t, tags.DeleteAll(ctx, client, made.ID).ExtractErr())
	groups := listed(t, secgroups.ListByServer(client, made.ID), secgroups.ExtractSecurityGroups, func(g secgroups.SecurityGroup) string { return g.Name })
	equal(t, "security groups", groups, "default")
	awaitGone(t, s.cloud, client, made.ID)
	done(t, servergroups.Delete(ctx, client, group.ID).ExtractErr())
}

func (s *scene) walkInterfaces(t *testing.T, network *gophercloud.ServiceClient) {
	client, ctx := at(s.client, "2.79"), t.Context()
	made := need(servers.Create(ctx, client, servers.CreateOpts{Name: "lonely", ImageRef: s.image, FlavorRef: flavor, Networks: "none"}, nil).Extract())(t)
	awaitStatus(t, s.cloud, client, made.ID, "ACTIVE")
	port := need(ports.Create(ctx, network, ports.CreateOpts{NetworkID: s.network}).Extract())(t)
	attached := need(attachinterfaces.Create(ctx, client, made.ID, attachinterfaces.CreateOpts{PortID: port.ID}).Extract())(t)
	if attached.PortID != port.ID || attached.FixedIPs[0].IPAddress != port.FixedIPs[0].IPAddress || attached.MACAddr != port.MACAddress {
		t.Errorf("interface %+v of %+v", attached, port)
	}
	id := func(i attachinterfaces.Interface) string { return i.PortID }
	equal(t, "interfaces", listed(t, attachinterfaces.List(client, made.ID), attachinterfaces.ExtractInterfaces, id), port.ID)
	s.cloud.Await(t, "the port is active", func() error {
		now, err := ports.Get(ctx, network, port.ID).Extract()
		if err == nil && now.Status != "ACTIVE" {
			err = fmt.Errorf("it is %s", now.Status)
		}
		return err
	})
	done(t, attachinterfaces.Delete(ctx, client, made.ID, port.ID).ExtractErr())
	s.cloud.Await(t, "the port is free", func() error {
		now, err := ports.Get(ctx, network, port.ID).Extract()
		if err == nil && now.DeviceID != "" {
			err = fmt.Errorf("it is that of %s", now.DeviceID)
		}
		return err
	})
	awaitGone(t, s.cloud, client, made.ID)
	need(ports.Get(ctx, network, port.ID).Extract())(t) // who made a port keeps it
	done(t, ports.Delete(ctx, network, port.ID).ExtractErr())
}

func nameOf(s servers.Server) string { return s.Name }

func (s *scene) walkLists(t *testing.T) {
	ctx := t.Context()
	made := need(servers.Create(ctx, s.client, servers.CreateOpts{Name: "herd", ImageRef: s.image, FlavorRef: flavor, Min: 3, Max: 3,
		Networks: []servers.Network{{UUID: s.network}}}, nil).Extract())(t)
	awaitStatus(t, s.cloud, s.client, made.ID, "ACTIVE")
	herd := []string{"herd-1", "herd-2", "herd-3"}
	for what, query := range map[string]servers.ListOpts{
		"pages of one": {Limit: 1}, "by name": {Name: "^herd-[0-9]$"}, "by flavor": {Flavor: flavor}, "by image": {Image: s.image},
		"on a host": {Host: s.cloud.Host, AllTenants: true}, "of a project": {TenantID: s.cloud.Admin.ProjectID, AllTenants: true}, "changed since": {ChangesSince: "2020-01-01T00:00:00Z", Name: "herd"},
	} {
		equal(t, what, listed(t, servers.List(s.client, query), servers.ExtractServers, nameOf), herd...)
	}
	ids := listed(t, servers.ListSimple(s.client, servers.ListOpts{}), servers.ExtractServers, func(one servers.Server) string { return one.ID })
	used := need(limits.Get(ctx, s.client, nil).Extract())(t)
	if used.Absolute.TotalInstancesUsed != 3 || used.Absolute.TotalRAMUsed != 3*128 {
		t.Errorf("limits %+v", used.Absolute)
	}
	for _, id := range ids {
		awaitGone(t, s.cloud, s.client, id)
	}
}

func walkComputeOperators(t *testing.T, client *gophercloud.ServiceClient, project string) {
	ctx := t.Context()
	for _, version := range []string{"2.1", "2.53", "2.88"} {
		page := need(hypervisors.List(at(client, version), nil).AllPages(ctx))(t)
		for _, host := range need(hypervisors.ExtractHypervisors(page))(t) {
			if host.State != "up" || host.HypervisorType != "fake" {
				t.Errorf("hypervisor at %s: %+v", version, host)
			}
		}
	}
	newer := at(client, "2.53")
	page := need(services.List(newer, services.ListOpts{Binary: "nova-compute"}).AllPages(ctx))(t)
	service := need(services.ExtractServices(page))(t)[0]
	need(services.Update(ctx, newer, service.ID, services.UpdateOpts{Status: services.ServiceDisabled, DisabledReason: "rest"}).Extract())(t)
	need(services.Update(ctx, newer, service.ID, services.UpdateOpts{Status: services.ServiceEnabled}).Extract())(t)
	for _, zone := range need(availabilityzones.ExtractAvailabilityZones(need(availabilityzones.List(client).AllPages(ctx))(t)))(t) {
		if zone.ZoneName != "nova" || !zone.ZoneState.Available {
			t.Errorf("zone %+v", zone)
		}
	}
	cores := 33
	quota := need(quotasets.Update(ctx, client, project, quotasets.UpdateOpts{Cores: &cores}).Extract())(t)
	if detail := need(quotasets.GetDetail(ctx, client, project).Extract())(t); quota.Cores != 33 || detail.Cores.Limit != 33 {
		t.Errorf("quota %+v %+v", quota, detail)
	}
	done(t, quotasets.Delete(ctx, client, project).Err)
}
