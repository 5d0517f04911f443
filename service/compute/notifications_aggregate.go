package compute

import (
	"fmt"
	"strconv"

	"virga/core/feed"
	"virga/core/feed/notify"
)

// aggregateNotifications tells of host aggregates, plain (nova/compute/utils.py, notify_about_aggregate_update) and
// versioned (nova/notifications/objects/aggregate.py). Nova tells of each deed twice, before and after.
func aggregateNotifications(e *feed.Entry, host string) ([]notify.Notification, error) {
	before, after, err := both[aggregateDocument](e)
	if err != nil {
		return nil, err
	}
	switch e.Action {
	case "create":
		return aggregateCreated(after, host), nil
	case "delete":
		plain := map[string]any{"aggregate_id": before.Num}
		return append(aggregateTold("delete", "delete", "start", host, plain, before), aggregateTold("delete", "delete", "end", host, plain, before)...), nil
	case "add_host", "remove_host":
		word := map[string]string{"add_host": "addhost", "remove_host": "removehost"}[e.Action]
		start := map[string]any{"aggregate_id": after.Num, "host_name": e.Detail["host"]}
		end := map[string]any{"aggregate_id": after.Num, "host_name": e.Detail["host"], "name": after.Name}
		return append(aggregateTold(word, e.Action, "start", host, start, before), aggregateTold(word, e.Action, "end", host, end, after)...), nil
	case "update", "set_metadata":
		return aggregateUpdated(e, before, after, host), nil
	case "cache_images.start", "cache_images.end":
		return []notify.Notification{aggregateVersioned(e.Action, "nova-api:"+host, "AggregatePayload", "1.1", aggregateData(after))}, nil
	case "cache_images.progress":
		data := map[string]any{"id": after.Num, "uuid": after.ID, "name": after.Name}
		for _, key := range []string{"host", "images_cached", "images_failed", "index", "total"} {
			data[key] = e.Detail[key]
		}
		return []notify.Notification{aggregateVersioned(e.Action, "nova-conductor:"+host, "AggregateCachePayload", "1.0", data)}, nil
	}
	return nil, nil
}

// aggregateCreated tells of a new aggregate, which has no number at the start.
func aggregateCreated(after *aggregateDocument, host string) []notify.Notification {
	plain := func() map[string]any {
		payload := map[string]any{"name": after.Name, "uuid": after.ID}
		if len(after.Metadata) > 0 {
			payload["meta_data"] = after.Metadata
		}
		return payload
	}
	start, end := plain(), plain()
	end["aggregate_id"] = after.Num
	list := aggregateTold("create", "create", "start", host, start, after)
	data := aggregateData(after)
	data["id"], data["hosts"] = nil, nil
	list[1].Payload = novaObject("AggregatePayload", "1.1", data)
	return append(list, aggregateTold("create", "create", "end", host, end, after)...)
}

// aggregateUpdated tells of a name and of metadata that were set, each for itself.
func aggregateUpdated(e *feed.Entry, before, after *aggregateDocument, host string) []notify.Notification {
	var list []notify.Notification
	middle := *before
	if named, _ := e.Detail["name"].(bool); named {
		middle.Name = after.Name
		plain := map[string]any{"aggregate_id": after.Num}
		list = append(list, aggregateTold("updateprop", "update_prop", "start", host, plain, &middle)...)
		list = append(list, aggregateTold("updateprop", "update_prop", "end", host, plain, &middle)...)
	}
	if metadata, given := e.Detail["metadata"]; given {
		plain := map[string]any{"aggregate_id": after.Num, "meta_data": metadata}
		list = append(list, aggregateTold("updatemetadata", "update_metadata", "start", host, plain, &middle)...)
		list = append(list, aggregateTold("updatemetadata", "update_metadata", "end", host, plain, after)...)
	}
	return list
}

// aggregateTold is the pair of notifications of one phase, the plain one first. Its publisher is the number of the
// aggregate, or its name as long as there is no number.
func aggregateTold(plainWord, word, phase, host string, plain map[string]any, doc *aggregateDocument) []notify.Notification {
	publisher := fmt.Sprint(plain["name"])
	if num, numbered := plain["aggregate_id"].(int64); numbered {
		publisher = strconv.FormatInt(num, 10)
	}
	return []notify.Notification{
		{EventType: "aggregate." + plainWord + "." + phase, Publisher: "aggregate." + publisher, Priority: notify.Info, Payload: plain},
		aggregateVersioned(word+"."+phase, "nova-api:"+host, "AggregatePayload", "1.1", aggregateData(doc)),
	}
}

func aggregateVersioned(event, publisher, name, version string, data map[string]any) notify.Notification {
	return notify.Notification{EventType: "aggregate." + event, Publisher: publisher, Priority: notify.Info, Versioned: true, Payload: novaObject(name, version, data)}
}

func aggregateData(a *aggregateDocument) map[string]any {
	return map[string]any{"id": a.Num, "uuid": a.ID, "name": a.Name, "hosts": append([]string{}, a.Hosts...), "metadata": nonNil(a.Metadata)}
}
