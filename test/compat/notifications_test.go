package compat

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"virga/core/bus/bustest"
	"virga/core/conf"
	"virga/core/feed/notify/notifytest"
	"virga/test/cloud"
)

// heardFields are what Ceilometer's definitions of events and meters read of notifications
// (ceilometer/pipeline/data/event_definitions.yaml), with what Designate's and Masakari's
// handlers read, by the beginning of the event's type.
var heardFields = map[string][]string{
	"compute.instance.": {"tenant_id", "user_id", "instance_id", "display_name", "instance_type", "instance_type_id", "instance_flavor_id", "memory_mb",
		"disk_gb", "root_gb", "ephemeral_gb", "vcpus", "state", "created_at", "launched_at", "deleted_at", "host", "node", "availability_zone",
		"image_meta", "metadata", "fixed_ips"},
	"compute.instance.update": {"old_state", "state", "audit_period_beginning", "audit_period_ending", "bandwidth"},
	"image.": {"id", "name", "status", "owner", "size", "created_at", "updated_at", "deleted", "deleted_at", "checksum", "disk_format", "container_format",
		"is_public", "visibility", "min_disk", "min_ram", "protected", "properties", "tags"},
	"identity.":               {"typeURI", "id", "eventType", "eventTime", "action", "outcome", "initiator.id", "initiator.typeURI", "target.id", "target.typeURI", "observer.id"},
	"network.create.":         {"network.id", "network.tenant_id", "network.name", "network.status"},
	"network.delete.":         {"network_id"},
	"subnet.create.end":       {"subnet.id", "subnet.network_id", "subnet.cidr"},
	"port.create.end":         {"port.id", "port.network_id", "port.device_id", "port.fixed_ips", "port.tenant_id"},
	"port.delete.end":         {"port_id", "port.fixed_ips"},
	"router.create.end":       {"router.id", "router.tenant_id"},
	"router.interface.":       {"router_interface.id", "router_interface.port_id", "router_interface.subnet_id"},
	"floatingip.create.end":   {"floatingip.id", "floatingip.floating_ip_address", "floatingip.tenant_id"},
	"floatingip.delete.start": {"floatingip_id"},
	"security_group.create.":  {"security_group.id"},
	"instance.": {"nova_object.name", "nova_object.version", "nova_object.data.uuid", "nova_object.data.tenant_id", "nova_object.data.host",
		"nova_object.data.state", "nova_object.data.power_state", "nova_object.data.ip_addresses", "nova_object.data.flavor.nova_object.data.vcpus"},
}

// wantedTypes are notifications that the walks of the other tests must make.
var wantedTypes = []string{
	"nova compute.instance.create.start", "nova compute.instance.create.end", "nova compute.instance.update", "nova compute.instance.delete.start",
	"nova compute.instance.delete.end", "nova compute.instance.power_off.end", "nova compute.instance.power_on.end", "nova compute.instance.reboot.end",
	"nova keypair.create.end", "nova instance.create.end", "nova instance.delete.end", "nova flavor.create",
	"neutron network.create.start", "neutron network.create.end", "neutron subnet.create.end", "neutron port.create.end", "neutron port.update.end",
	"neutron port.delete.end", "neutron router.create.end", "neutron router.interface.create", "neutron router.interface.delete", "neutron floatingip.create.end",
	"neutron floatingip.delete.end", "neutron security_group.create.end", "neutron security_group_rule.create.end", "neutron network.delete.end",
	"glance image.create", "glance image.prepare", "glance image.upload", "glance image.activate", "glance image.update", "glance image.delete",
	"keystone identity.authenticate", "keystone identity.project.created", "keystone identity.project.deleted", "keystone identity.user.created",
	"keystone identity.user.deleted", "keystone identity.role_assignment.created", "keystone identity.group.updated",
}

// TestNotificationsReachOpenStacksListener has gophercloud walk through every service while
// oslo.messaging's own listener hears what the cloud tells.
func TestNotificationsReachOpenStacksListener(t *testing.T) {
	bustest.Each(t, func(t *testing.T, b *bustest.Broker) {
		c := cloud.Start(t, func(settings *conf.Config) { settings.Notifications = conf.Secret(b.OpenStackURL()) })
		for _, service := range []string{"identity", "image", "network", "compute"} {
			c.Await(t, service+" publishes", func() error {
				if strings.Contains(c.Log.String(), `msg="notifications are published" service=`+service) {
					return nil
				}
				return fmt.Errorf("not yet")
			})
		}
		options := readAccount(t, filepath.Join(c.DataDir, "clouds.yaml"))
		admin := connect(t, options)
		walkIdentity(t, admin, options)
		walkImage(t, admin)
		walkNetwork(t, admin)
		walkCompute(t, c, admin)
		heard := map[string][]notifytest.Heard{}
		missing := func() []string {
			return slices.DeleteFunc(slices.Clone(wantedTypes), func(name string) bool { return heard[name] != nil })
		}
		// The queue of a topic is one for all exchanges, as in OpenStack.
		listener := notifytest.Listen(t, b.OpenStackURL(), "nova:notifications", "nova:versioned_notifications")
		for deadline := time.After(time.Minute); len(missing()) > 0; {
			select {
			case one := <-listener:
				name := exchangeOf(one.EventType) + " " + one.EventType
				heard[name] = append(heard[name], one)
			case <-deadline:
				t.Fatalf("not heard: %q, only %q", missing(), slices.Sorted(maps.Keys(heard)))
			}
		}
		checked := 0
		for name, all := range heard {
			_, event, _ := strings.Cut(name, " ")
			for prefix, fields := range heardFields {
				if !strings.HasPrefix(event, prefix) || strings.Contains(event, ".member.") {
					continue
				}
				for _, one := range all {
					if _, text := one.Payload.(string); text && one.Priority == "error" {
						continue // glance's errors are texts
					}
					for _, field := range fields {
						checked++
						if !has(one.Payload, field) {
							t.Errorf("%s by %s has no %s: %v", event, one.Publisher, field, one.Payload)
						}
					}
				}
			}
		}
		if checked < 500 {
			t.Errorf("only %d fields were looked at", checked)
		}
		for name, all := range heard {
			if text := fmt.Sprint(all); strings.Contains(text, cloud.AdminPassword) {
				t.Errorf("%s tells a password", name)
			}
		}
	})
}

// exchangeOf is the service that an event is of.
func exchangeOf(event string) string {
	kind, _, _ := strings.Cut(event, ".")
	switch kind {
	case "compute", "instance", "keypair", "flavor", "servergroup", "server_group":
		return "nova"
	case "image":
		return "glance"
	case "identity":
		return "keystone"
	}
	return "neutron"
}

// has tells whether a payload has a field; "nova_object.…" is one name.
func has(payload any, path string) bool {
	object, ok := payload.(map[string]any)
	if !ok {
		return false
	}
	if _, ok := object[path]; ok {
		return true
	}
	for name, inner := range object {
		if rest, ok := strings.CutPrefix(path, name+"."); ok && has(inner, rest) {
			return true
		}
	}
	return false
}
