package network

import (
	"encoding/json"

	"virga/core/feed"
	"virga/core/feed/notify"
)

// Notifications tells changes as neutron does (neutron/pecan_wsgi/hooks/notifier.py): for
// each request a start and an end with the resource. Statuses that agents report are not
// told there, and so they are not here. host is this process's.
func Notifications(host string) notify.Format {
	return func(e *feed.Entry) ([]notify.Notification, error) {
		tell := func(event string, payload map[string]any) notify.Notification {
			return notify.Notification{EventType: event, Publisher: "network." + host, Priority: notify.Info, Payload: payload}
		}
		switch e.Kind {
		case "network", "subnet", "port", "router", "floatingip", "security_group", "security_group_rule":
		default:
			return nil, nil
		}
		name, key := e.Kind, e.Kind+"_id"
		switch e.Action {
		case "create":
			return []notify.Notification{tell(name+".create.start", map[string]any{name: e.After}), tell(name+".create.end", map[string]any{name: e.After})}, nil
		case "update":
			changed := changedFields(e)
			return []notify.Notification{tell(name+".update.start", map[string]any{"id": e.ID, name: changed}),
				tell(name+".update.end", map[string]any{name: e.After})}, nil
		case "delete":
			return []notify.Notification{tell(name+".delete.start", map[string]any{key: e.ID}),
				tell(name+".delete.end", map[string]any{key: e.ID, name: e.Before})}, nil
		case "interface.create", "interface.delete":
			return []notify.Notification{tell("router."+e.Action, map[string]any{"router_interface": e.Detail["interface"]})}, nil
		case "tags":
			var tags tagsDocument
			if err := json.Unmarshal(e.After, &tags); err != nil {
				return nil, err
			}
			payload := map[string]any{"parent_resource": name + "s", "parent_resource_id": e.ID, "tags": tags.Tags}
			return []notify.Notification{tell("tag.update.start", payload), tell("tag.update.end", payload)}, nil
		}
		return nil, nil
	}
}

// changedFields are the fields that an update gave another value.
func changedFields(e *feed.Entry) map[string]json.RawMessage {
	var before, after map[string]json.RawMessage
	if json.Unmarshal(e.Before, &before) != nil || json.Unmarshal(e.After, &after) != nil {
		return nil
	}
	changed := map[string]json.RawMessage{}
	for name, value := range after {
		if name != "updated_at" && name != "revision_number" && string(value) != string(before[name]) {
			changed[name] = value
		}
	}
	return changed
}
