package identity

import (
	"encoding/json"
	"fmt"
	"net"
	"time"

	"github.com/google/uuid"

	"virga/core/feed"
	"virga/core/feed/notify"
)

// Notifications tells changes as keystone does (keystone/notifications.py): as CADF events
// (DMTF DSP0262), or in keystone's basic form when basic is set. Log-ins and assignments
// of roles are CADF in both, as there. host is this process's.
func Notifications(host string, basic bool) notify.Format {
	return func(e *feed.Entry) ([]notify.Notification, error) {
		event := func(name string, payload any) []notify.Notification {
			return []notify.Notification{{EventType: name, Publisher: "identity." + host, Priority: notify.Info, Payload: payload}}
		}
		target := cadfTargets()[e.Kind]
		done := map[string]string{"create": "created", "update": "updated", "delete": "deleted"}[e.Action]
		switch {
		case e.Kind == kindAuthentication:
			return event("identity.authenticate", cadfOf(e, host, "authenticate", accountURI, e.UserID, outcomeOf(e))), nil
		case e.Kind == "role_assignment" && done != "":
			more, err := assignmentFields(e)
			return event("identity.role_assignment."+done, cadfOf(e, host, done+".role_assignment", accountURI, e.UserID, more)), err
		case e.Kind == "group_member" && done != "":
			return groupMembership(e, host, basic, event)
		case target.word == "" || done == "":
			return nil, nil
		case basic:
			return event("identity."+target.word+"."+done, map[string]any{"resource_info": e.ID}), nil
		}
		return event("identity."+target.word+"."+done,
			cadfOf(e, host, done+"."+target.word, target.uri, e.ID, map[string]any{"resource_info": e.ID})), nil
	}
}

// CADF's words (pycadf/cadftaxonomy.py).
const (
	cadfEvent       = "http://schemas.dmtf.org/cloud/audit/1.0/event"
	accountURI      = "service/security/account/user"
	serviceSecurity = "service/security"
)

// cadfTarget is what keystone calls a kind of resource, and its CADF type.
type cadfTarget struct{ word, uri string }

// cadfTargets are the kinds that keystone tells of.
func cadfTargets() map[string]cadfTarget {
	return map[string]cadfTarget{"user": {"user", "data/security/account/user"}, "group": {"group", "data/security/group"},
		"project": {"project", "data/security/project"}, "domain": {"domain", "data/security/domain"}, "role": {"role", "data/security/role"},
		"region": {"region", "data/security/region"}, "service": {"service", "data/security/service"}, "endpoint": {"endpoint", "data/security/endpoint"},
		"policy": {"policy", "data/security/policy"}, "application_credential": {"application_credential", "data/security/credential"},
		"trust": {"OS-TRUST:trust", "data/security/trust"}, "consumer": {"OS-OAUTH1:consumer", "data/security/account"}}
}

// cadfSpace is what the ids of events are made in, so that an event told again has the same.
var cadfSpace = uuid.MustParse("2d3c5f80-5a44-4f0e-8c26-55c1f1a9a1e4")

// cadfOf is a CADF event with further fields beside the standard's.
func cadfOf(e *feed.Entry, host, action, targetType, targetID string, more map[string]any) map[string]any {
	initiator := map[string]any{"typeURI": accountURI, "id": e.UserID, "user_id": e.UserID, "request_id": e.RequestID,
		"host": map[string]any{"address": addressOf(e)}}
	if e.UserID == "" {
		initiator["id"], initiator["user_id"] = "virga", "virga"
	}
	if e.ProjectID != "" {
		initiator["project_id"] = e.ProjectID
	}
	payload := map[string]any{
		"typeURI": cadfEvent, "id": uuid.NewSHA1(cadfSpace, fmt.Appendf(nil, "%d/%s", e.Seq, e.At.UTC().Format(time.RFC3339Nano))).String(), "eventType": "activity",
		"eventTime": e.At.UTC().Format("2006-01-02T15:04:05.000000") + "+0000", "action": action, "outcome": "success", "initiator": initiator,
		"target":   map[string]any{"typeURI": targetType, "id": targetID},
		"observer": map[string]any{"typeURI": serviceSecurity, "id": uuid.NewSHA1(cadfSpace, []byte(host)).String()},
	}
	for key, value := range more {
		payload[key] = value
	}
	return payload
}

// addressOf is where a log-in came from.
func addressOf(e *feed.Entry) string {
	var doc authenticationDocument
	if e.Kind != kindAuthentication || json.Unmarshal(e.After, &doc) != nil {
		return ""
	}
	return hostOf(doc.Address)
}

// hostOf is an address without its port.
func hostOf(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return address
}

// outcomeOf are the fields of a log-in that failed; nil of others.
func outcomeOf(e *feed.Entry) map[string]any {
	var doc authenticationDocument
	if e.Action != actionRefused || json.Unmarshal(e.After, &doc) != nil {
		return nil
	}
	return map[string]any{"outcome": "failure", "reason": map[string]any{"reasonCode": "401", "reasonType": doc.Reason}}
}

// assignmentFields name who got or lost which role on what.
func assignmentFields(e *feed.Entry) (map[string]any, error) {
	text := e.After
	if text == nil {
		text = e.Before
	}
	var doc assignmentDocument
	if err := json.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("read change %d of role assignment %s: %w", e.Seq, e.ID, err)
	}
	fields := map[string]any{"role": doc.RoleID, "inherited_to_projects": doc.Inherited, doc.TargetType: doc.TargetID}
	fields[doc.ActorType] = doc.ActorID
	return fields, nil
}

// groupMembership tells of a user who came into a group or left it, as an update of the group.
func groupMembership(e *feed.Entry, host string, basic bool, event func(string, any) []notify.Notification) ([]notify.Notification, error) {
	text, operation := e.After, "added"
	if text == nil {
		text, operation = e.Before, "removed"
	}
	var doc membershipDocument
	if err := json.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("read change %d of group %s: %w", e.Seq, e.ID, err)
	}
	if basic {
		return event("identity.group.updated", map[string]any{"resource_info": e.ID, "actor_id": doc.UserID, "actor_type": "user", "actor_operation": operation}), nil
	}
	return event("identity.group.updated", cadfOf(e, host, "updated.group", cadfTargets()["group"].uri, e.ID, map[string]any{"resource_info": e.ID})), nil
}
