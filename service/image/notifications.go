package image

import (
	"encoding/json"
	"fmt"
	"maps"

	"virga/core/feed"
	"virga/core/feed/notify"
)

// Notifications tells changes as glance does (glance/notifier.py). host is this process's.
func Notifications(host string) notify.Format {
	return func(e *feed.Entry) ([]notify.Notification, error) {
		if e.Kind != "image" {
			return nil, nil
		}
		image := e.After
		if image == nil {
			image = e.Before
		}
		var view map[string]any
		if image == nil || json.Unmarshal(image, &view) != nil {
			return nil, fmt.Errorf("read change %d of image %s", e.Seq, e.ID)
		}
		info := func(event string, payload any) notify.Notification {
			return notify.Notification{EventType: event, Publisher: "image." + host, Priority: notify.Info, Payload: payload}
		}
		switch e.Action {
		case "create":
			return []notify.Notification{info("image.create", payloadOf(view))}, nil
		case "upload":
			return []notify.Notification{info("image.prepare", payloadOf(view))}, nil
		case "activate":
			payload := payloadOf(view)
			return []notify.Notification{info("image.upload", payload), info("image.activate", payload)}, nil
		case "upload.error":
			return []notify.Notification{{EventType: "image.upload", Publisher: "image." + host, Priority: notify.Error,
				Payload: fmt.Sprintf("The upload to image %s was broken off.", e.ID)}}, nil
		case "delete":
			payload := payloadOf(view)
			payload["status"], payload["deleted"], payload["deleted_at"] = "deleted", true, isoTime(e.At)
			return []notify.Notification{info("image.delete", payload)}, nil
		case "member.create", "member.update", "member.delete":
			gone := e.Action == "member.delete"
			payload := map[string]any{"image_id": e.ID, "member_id": view["member_id"], "status": view["status"], "created_at": view["created_at"],
				"updated_at": view["updated_at"], "deleted": gone, "deleted_at": nil}
			if gone {
				payload["deleted_at"] = isoTime(e.At)
			}
			return []notify.Notification{info("image."+e.Action, payload)}, nil
		}
		return []notify.Notification{info("image.update", payloadOf(view))}, nil
	}
}

// payloadOf is an image in glance's notifications: attributes, and properties apart.
func payloadOf(view map[string]any) map[string]any {
	payload := map[string]any{"deleted": false, "deleted_at": nil, "is_public": view["visibility"] == visibilityPublic}
	properties := maps.Clone(view)
	for _, name := range []string{"id", "name", "status", "created_at", "updated_at", "min_disk", "min_ram", "protected", "checksum", "owner", "disk_format",
		"container_format", "size", "virtual_size", "visibility", "os_hidden", "os_hash_algo", "os_hash_value", "tags"} {
		payload[name] = view[name]
		delete(properties, name)
	}
	for _, name := range []string{"self", "file", "schema", "stores"} {
		delete(properties, name)
	}
	payload["properties"] = properties
	return payload
}
