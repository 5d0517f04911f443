package compute

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"virga/core/feed"
	"virga/core/feed/notify"
)

// Notifications tells changes as nova does: servers plain (nova/notifications/base.py,
// info_from_instance) and versioned (nova/notifications/objects/instance.py), key pairs and
// server groups plain, flavors versioned, aggregates both ways (notifications_aggregate.go). host is this process's, for what no compute host
// tells.
func Notifications(host string) notify.Format {
	return func(e *feed.Entry) ([]notify.Notification, error) {
		switch e.Kind {
		case "server":
			return serverNotifications(e, host)
		case "keypair":
			return keypairNotifications(e, host)
		case "server_group":
			return groupNotifications(e, host)
		case "flavor":
			return flavorNotifications(e, host)
		case "aggregate":
			return aggregateNotifications(e, host)
		}
		return nil, nil
	}
}

// both decodes what a change was about, before and after; nil for none.
func both[T any](e *feed.Entry) (before, after *T, err error) {
	for _, side := range []struct {
		text json.RawMessage
		to   **T
	}{{e.Before, &before}, {e.After, &after}} {
		if len(side.text) == 0 {
			continue
		}
		*side.to = new(T)
		if err := json.Unmarshal(side.text, *side.to); err != nil {
			return nil, nil, fmt.Errorf("read change %d of %s %s: %w", e.Seq, e.Kind, e.ID, err)
		}
	}
	return before, after, nil
}

// novaWords are nova's words for what is done with a server, plain and versioned.
func novaWords(verb string) (plain, versioned string) {
	switch verb {
	case "create", "delete", "reboot", "rebuild", "shelve", "unshelve", "shelve_offload", "pause", "unpause", "suspend", "resume", "rescue", "unrescue", "restore", "soft_delete":
		return verb, verb
	case "start":
		return "power_on", "power_on"
	case "stop":
		return "power_off", "power_off"
	case "resize", "migrate":
		return "resize", "resize"
	case "shelveOffload":
		return "shelve_offload", "shelve_offload"
	case "createImage", "createBackup", "snapshot":
		return "snapshot", "snapshot"
	case "confirmResize", "resize.confirm":
		return "resize.confirm", "resize_confirm"
	case "revertResize", "resize.revert":
		return "resize.revert", "resize_revert"
	case "evacuate":
		return verb, verb
	case "os-migrateLive":
		return "live_migration.pre", "live_migration_pre"
	case "live_migration.post", "live_migration.rollback", "live_migration.abort":
		phase := strings.TrimPrefix(verb, "live_migration.")
		return "live_migration._" + phase, "live_migration_" + phase
	case "live_migration.force_complete":
		return "live.migration.force.complete", "live_migration_force_complete"
	case "attach_interface", "interface.attach":
		return "interface.attach", "interface_attach"
	case "detach_interface", "interface.detach":
		return "interface.detach", "interface_detach"
	}
	return "", ""
}

// serverNotifications tells of a server. An action with .start or .error behind it, or
// alone when it ended well, belongs to an operation; everything else is an update.
func serverNotifications(e *feed.Entry, api string) ([]notify.Notification, error) {
	before, after, err := both[serverDocument](e)
	if err != nil {
		return nil, err
	}
	doc := after
	if doc == nil {
		doc = before
	}
	if doc == nil {
		return nil, nil
	}
	verb, phase := e.Action, "end"
	for _, suffix := range []string{"start", "error"} {
		if rest, ok := strings.CutSuffix(e.Action, "."+suffix); ok {
			verb, phase = rest, suffix
		}
	}
	plain, versioned := novaWords(verb)
	priority := notify.Info
	if phase == "error" {
		priority = notify.Error
	}
	host := doc.Host
	if host == "" {
		host = api
	}
	if plain == "" {
		return serverUpdates(e, before, doc, host), nil
	}
	payload := plainServer(doc)
	switch {
	case phase == "error":
		payload["message"], payload["code"] = faultMessage(doc), 500
		payload["exception"] = map[string]any{"kwargs": map[string]any{}, "message": faultMessage(doc), "code": 500}
	case verb == "create" && phase == "end":
		payload["message"] = "Success"
	case verb == "delete" && phase == "end":
		payload["state"], payload["deleted_at"], payload["terminated_at"] = vmDeleted, plainTime(e), plainTime(e)
	}
	object := versionedServer(e, doc)
	if verb == "delete" && phase == "end" {
		object["state"], object["deleted_at"], object["terminated_at"], object["power_state"] = vmDeleted, secondTime(e.At), secondTime(e.At), "pending"
	}
	object["fault"] = nil
	if phase == "error" {
		object["fault"] = novaObject("ExceptionPayload", "1.1", map[string]any{"exception": "VirgaError", "exception_message": faultMessage(doc),
			"function_name": verb, "module_name": "virga", "traceback": ""})
	}
	if verb == "rescue" {
		object["rescue_image_ref"] = orNull(doc.RescueImageID)
	}
	name := map[string]string{"create": "InstanceCreatePayload", "rescue": "InstanceActionRescuePayload"}[verb]
	if name == "" {
		name = "InstanceActionPayload"
	}
	return []notify.Notification{
		{EventType: "compute.instance." + plain + "." + phase, Publisher: "compute." + host, Priority: priority, Payload: payload},
		{EventType: "instance." + versioned + "." + phase, Publisher: "nova-compute:" + host, Priority: priority, Versioned: true,
			Payload: novaObject(name, "1.8", object)},
	}, nil
}

// serverUpdates tells of a change that no operation stands for.
func serverUpdates(e *feed.Entry, before, doc *serverDocument, host string) []notify.Notification {
	old := doc
	if before != nil {
		old = before
	}
	payload := plainServer(doc)
	states := map[string]any{"old_state": old.VMState, "state": doc.VMState, "old_task_state": nil, "new_task_state": nil}
	for key, value := range states {
		payload[key] = value
	}
	begin := e.At.UTC().Truncate(3600e9)
	audit := map[string]any{"audit_period_beginning": begin.Format(pythonTime), "audit_period_ending": e.At.UTC().Format(pythonTime)}
	for key, value := range audit {
		payload[key] = value
	}
	payload["bandwidth"] = map[string]any{}
	object := versionedServer(e, doc)
	object["state_update"] = novaObject("InstanceStateUpdatePayload", "1.0", states)
	object["audit_period"] = novaObject("AuditPeriodPayload", "1.0", audit)
	object["bandwidth"], object["old_display_name"], object["tags"] = []any{}, nil, append([]string{}, doc.Tags...)
	if old.Name != doc.Name {
		payload["old_display_name"], object["old_display_name"] = old.Name, old.Name
	}
	list := []notify.Notification{
		{EventType: "compute.instance.update", Publisher: "compute." + host, Priority: notify.Info, Payload: payload},
		{EventType: "instance.update", Publisher: "nova-compute:" + host, Priority: notify.Info, Versioned: true,
			Payload: novaObject("InstanceUpdatePayload", "2.0", object)},
	}
	if e.Action == "lock" || e.Action == "unlock" {
		list = append(list, notify.Notification{EventType: "instance." + e.Action, Publisher: "nova-api:" + host, Priority: notify.Info, Versioned: true,
			Payload: novaObject("InstanceActionPayload", "1.8", versionedServer(e, doc))})
	}
	return list
}

func faultMessage(doc *serverDocument) string {
	if doc.Fault == nil {
		return ""
	}
	return doc.Fault.Message
}

// pythonTime is how Python's isoformat and nova's strtime write a time.
const pythonTime = "2006-01-02T15:04:05.000000"

func plainTime(e *feed.Entry) string { return e.At.UTC().Format(pythonTime) }

// plainServer is the payload of plain notifications.
func plainServer(doc *serverDocument) map[string]any {
	fixed := []map[string]any{}
	for name, addresses := range doc.Addresses {
		for _, a := range addresses {
			if a.Type == "fixed" {
				fixed = append(fixed, map[string]any{"address": a.Address, "version": a.Version, "type": "fixed", "label": name, "vif_mac": a.MAC,
					"meta": map[string]any{}, "floating_ips": floatingOf(addresses, a.MAC)})
			}
		}
	}
	slices.SortFunc(fixed, func(a, b map[string]any) int {
		return strings.Compare(fmt.Sprint(a["address"]), fmt.Sprint(b["address"]))
	})
	image := map[string]any{"base_image_ref": doc.ImageID, "min_disk": fmt.Sprint(doc.Flavor.RootGiB)}
	for key, value := range doc.ImageMeta {
		image[key] = value
	}
	text := func(p *string) string {
		if p == nil {
			return ""
		}
		return *p
	}
	kernel, ramdisk := kernelNames(doc.ImageMeta)
	return map[string]any{
		"tenant_id": doc.TenantID, "user_id": doc.UserID, "instance_id": doc.ID, "display_name": doc.Name, "reservation_id": doc.ReservationID,
		"hostname": doc.HostName, "instance_type": doc.Flavor.Name, "instance_type_id": 0, "instance_flavor_id": doc.Flavor.ID,
		"architecture": architectureOf(doc.ImageMeta), "memory_mb": doc.Flavor.MemoryMiB, "disk_gb": doc.Flavor.RootGiB + doc.Flavor.Ephemeral,
		"vcpus": doc.Flavor.VCPUs, "root_gb": doc.Flavor.RootGiB, "ephemeral_gb": doc.Flavor.Ephemeral, "host": orNull(doc.Host),
		"node": orNull(doc.Host), "availability_zone": orNull(doc.Zone), "cell_name": "", "created_at": strings.Replace(strings.TrimSuffix(doc.Created, "Z"), "T", " ", 1) + "+00:00",
		"terminated_at": text(doc.TerminatedAt), "deleted_at": text(doc.TerminatedAt), "launched_at": text(doc.LaunchedAt),
		"image_ref_url": doc.ImageID, "os_type": orNull(doc.ImageMeta["os_type"]), "kernel_id": kernel, "ramdisk_id": ramdisk, "state": doc.VMState,
		"state_description": "", "progress": "", "access_ip_v4": orNull(doc.AccessIPv4), "access_ip_v6": orNull(doc.AccessIPv6),
		"image_meta": image, "metadata": nonNil(doc.Metadata), "fixed_ips": fixed,
	}
}

func floatingOf(addresses []addressView, mac string) []map[string]any {
	list := []map[string]any{}
	for _, a := range addresses {
		if a.Type == "floating" && a.MAC == mac {
			list = append(list, map[string]any{"address": a.Address, "version": a.Version, "type": "floating", "meta": map[string]any{}})
		}
	}
	return list
}

// novaObject is an object of versioned notifications.
func novaObject(name, version string, data map[string]any) map[string]any {
	return map[string]any{"nova_object.name": name, "nova_object.namespace": "nova", "nova_object.version": version, "nova_object.data": data}
}

// versionedServer is the data of a versioned notification, that of InstancePayload 1.8.
func versionedServer(e *feed.Entry, doc *serverDocument) map[string]any {
	addresses := []any{}
	for _, port := range doc.Ports {
		for _, address := range port.Addresses {
			addresses = append(addresses, novaObject("IpPayload", "1.0", map[string]any{"label": port.NetworkName, "mac": port.MAC, "meta": map[string]any{},
				"port_uuid": port.PortID, "version": ipVersion(address), "address": address, "device_name": "tap" + port.PortID[:min(len(port.PortID), 11)]}))
		}
	}
	second := func(p *string) any {
		if p == nil {
			return nil
		}
		whole, _, _ := strings.Cut(*p, ".")
		return whole + "Z"
	}
	power := map[int]string{powerNone: "pending", powerRunning: "running", powerPaused: "paused", powerShutdown: "shutdown", powerCrashed: "crashed"}
	kernel, ramdisk := kernelNames(doc.ImageMeta)
	return map[string]any{
		"uuid": doc.ID, "user_id": doc.UserID, "tenant_id": doc.TenantID, "reservation_id": doc.ReservationID, "display_name": doc.Name,
		"display_description": doc.Description, "host_name": doc.HostName, "host": orNull(doc.Host), "node": orNull(doc.Host), "os_type": orNull(doc.ImageMeta["os_type"]),
		"architecture": orNull(architectureOf(doc.ImageMeta)), "availability_zone": orNull(doc.Zone), "flavor": novaObject("FlavorPayload", "1.4", flavorData(&flavorDocument{
			ID: doc.Flavor.ID, Name: doc.Flavor.Name, RAM: doc.Flavor.MemoryMiB, VCPUs: doc.Flavor.VCPUs, Disk: doc.Flavor.RootGiB,
			Ephemeral: doc.Flavor.Ephemeral, Swap: doc.Flavor.SwapMiB, RXTXFactor: 1, IsPublic: true, ExtraSpecs: doc.Flavor.ExtraSpecs})),
		"image_uuid": doc.ImageID, "key_name": orNull(doc.KeyName), "kernel_id": kernel, "ramdisk_id": ramdisk, "created_at": doc.Created, "updated_at": orNull(doc.Updated),
		"launched_at": second(doc.LaunchedAt), "terminated_at": second(doc.TerminatedAt), "deleted_at": second(doc.TerminatedAt),
		"state": doc.VMState, "power_state": power[doc.PowerState], "task_state": nil, "progress": 0, "ip_addresses": addresses,
		"block_devices": []any{}, "metadata": nonNil(doc.Metadata), "locked": doc.Locked, "locked_reason": orNull(doc.LockedReason),
		"auto_disk_config": orAuto(doc.DiskConfig), "request_id": orNull(e.RequestID), "action_initiator_user": orNull(e.UserID),
		"action_initiator_project": orNull(e.ProjectID),
	}
}

func orAuto(text string) string {
	if text == "" {
		return "AUTO"
	}
	return text
}

func flavorData(f *flavorDocument) map[string]any {
	return map[string]any{"flavorid": f.ID, "name": f.Name, "memory_mb": f.RAM, "vcpus": f.VCPUs, "root_gb": f.Disk, "ephemeral_gb": f.Ephemeral,
		"swap": f.Swap, "rxtx_factor": f.RXTXFactor, "vcpu_weight": 0, "disabled": false, "is_public": f.IsPublic, "extra_specs": nonNil(f.ExtraSpecs),
		"projects": append([]string{}, f.Projects...), "description": f.Description}
}

func flavorNotifications(e *feed.Entry, host string) ([]notify.Notification, error) {
	before, after, err := both[flavorDocument](e)
	if err != nil {
		return nil, err
	}
	verb, doc := "update", after
	switch {
	case before == nil:
		verb = "create"
	case after == nil:
		verb, doc = "delete", before
	}
	if doc == nil {
		return nil, nil
	}
	return []notify.Notification{{EventType: "flavor." + verb, Publisher: "nova-api:" + host, Priority: notify.Info, Versioned: true,
		Payload: novaObject("FlavorPayload", "1.4", flavorData(doc))}}, nil
}

func keypairNotifications(e *feed.Entry, host string) ([]notify.Notification, error) {
	before, after, err := both[keypairDocument](e)
	if err != nil {
		return nil, err
	}
	verb, doc := "create", after
	if doc == nil {
		verb, doc = "delete", before
	}
	if doc == nil {
		return nil, nil
	}
	payload := map[string]any{"tenant_id": e.ProjectID, "user_id": doc.UserID, "key_name": doc.Name}
	data := map[string]any{"user_id": doc.UserID, "name": doc.Name, "public_key": doc.PublicKey, "fingerprint": doc.Fingerprint, "type": doc.Type}
	var list []notify.Notification
	for _, phase := range []string{"start", "end"} {
		list = append(list,
			notify.Notification{EventType: "keypair." + verb + "." + phase, Publisher: "api." + host, Priority: notify.Info, Payload: payload},
			notify.Notification{EventType: "keypair." + verb + "." + phase, Publisher: "nova-api:" + host, Priority: notify.Info, Versioned: true,
				Payload: novaObject("KeypairPayload", "1.0", data)})
	}
	return list, nil
}

func groupNotifications(e *feed.Entry, host string) ([]notify.Notification, error) {
	before, after, err := both[groupDocument](e)
	if err != nil {
		return nil, err
	}
	verb, doc := "create", after
	if doc == nil {
		verb, doc = "delete", before
	}
	if doc == nil {
		return nil, nil
	}
	payload := map[string]any{"server_group_id": doc.ID}
	if verb == "create" {
		payload["name"], payload["project_id"], payload["user_id"], payload["policies"] = doc.Name, doc.ProjectID, doc.UserID, []string{doc.Policy}
	}
	data := map[string]any{"uuid": doc.ID, "name": doc.Name, "user_id": doc.UserID, "project_id": doc.ProjectID, "policies": []string{doc.Policy},
		"policy": doc.Policy, "members": []string{}, "hosts": nil, "rules": map[string]any{}}
	return []notify.Notification{
		{EventType: "servergroup." + verb, Publisher: "api." + host, Priority: notify.Info, Payload: payload},
		{EventType: "server_group." + verb, Publisher: "nova-api:" + host, Priority: notify.Info, Versioned: true,
			Payload: novaObject("ServerGroupPayload", "1.1", data)},
	}, nil
}
