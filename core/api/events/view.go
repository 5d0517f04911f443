package events

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"virga/core/api"
	"virga/core/authz"
	"virga/core/feed"
)

// Event is a change on the wire.
type Event struct {
	// Sequence counts up within one service.
	Sequence int64  `json:"sequence"`
	Service  string `json:"service"`
	// Time is RFC 3339 with microseconds, in UTC.
	Time string `json:"time"`
	// RequestID, UserID and ProjectID tell who asked for the change and where; OperationID is
	// the durable operation, or Virga's own routine, that made it.
	RequestID   string `json:"request_id"`
	UserID      string `json:"user_id"`
	ProjectID   string `json:"project_id"`
	OperationID string `json:"operation_id"`
	Kind        string `json:"kind"`
	ID          string `json:"id"`
	Action      string `json:"action"`
	// OwnerProjectID is the project that the resource belongs to.
	OwnerProjectID string `json:"owner_project_id"`
	// Before and After are the resource, null before it was there and after it is gone.
	Before json.RawMessage `json:"before"`
	After  json.RawMessage `json:"after"`
	Detail map[string]any  `json:"detail,omitempty"`
}

// Name is the event's name in the stream: "server.create".
func (e *Event) Name() string { return e.Kind + "." + e.Action }

// Kind says who but administrators may see the changes of a kind of resource.
type Kind struct {
	// Rule is the one by which the API shows such a resource.
	Rule string
	// Target is what the rule is asked about for a resource of a project; nil: its project.
	Target func(projectID string) authz.Target
	// Fields are those of the resource that have a rule of their own, with it.
	Fields map[string]string
}

// lens is what one caller sees of one kind.
type lens struct {
	visible bool
	hidden  []string
}

// eyes is what one caller sees.
type eyes struct {
	request *api.Request
	service string
	kinds   map[string]Kind
	// all callers see the resources of every project.
	all    bool
	lenses map[string]lens
}

func (e *eyes) lens(kind string) lens {
	if known, ok := e.lenses[kind]; ok {
		return known
	}
	rules, shown := e.kinds[kind]
	project := e.request.ProjectID()
	target := authz.Target{"project_id": project, "tenant_id": project}
	l := lens{visible: e.all || shown}
	if shown && !e.all {
		asked := target
		if rules.Target != nil {
			asked = rules.Target(project)
		}
		l.visible = e.request.Can(rules.Rule, asked)
	}
	for field, rule := range rules.Fields {
		if !e.request.Can(rule, target) {
			l.hidden = append(l.hidden, field)
		}
	}
	e.lenses[kind] = l
	return l
}

// see returns a change as the caller may see it, nil when it may not.
func (e *eyes) see(entry *feed.Entry) (*Event, error) {
	if !e.all && (entry.OwnerProjectID == "" || entry.OwnerProjectID != e.request.ProjectID()) {
		return nil, nil
	}
	l := e.lens(entry.Kind)
	if !l.visible {
		return nil, nil
	}
	seen := &Event{Sequence: entry.Seq, Service: e.service, Time: entry.At.UTC().Format(timeForm), RequestID: entry.RequestID, UserID: entry.UserID,
		ProjectID: entry.ProjectID, OperationID: entry.OperationID, Kind: entry.Kind, ID: entry.ID, Action: entry.Action,
		OwnerProjectID: entry.OwnerProjectID}
	var err error
	if seen.Before, err = without(entry.Before, l.hidden); err != nil {
		return nil, fmt.Errorf("show change %d: %w", entry.Seq, err)
	}
	if seen.After, err = without(entry.After, l.hidden); err != nil {
		return nil, fmt.Errorf("show change %d: %w", entry.Seq, err)
	}
	if e.all {
		seen.Detail = entry.Detail
	} else if strings.HasPrefix(entry.UserID, "node:") { // hosts have no names for users
		seen.UserID = ""
	}
	return seen, nil
}

const timeForm = "2006-01-02T15:04:05.000000Z"

// At is the time of the change.
func (e *Event) At() (time.Time, error) { return time.Parse(timeForm, e.Time) }

// without is a document without some of its fields.
func without(document json.RawMessage, hidden []string) (json.RawMessage, error) {
	if len(document) == 0 || len(hidden) == 0 {
		return document, nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(document, &fields); err != nil {
		return nil, err
	}
	for _, field := range hidden {
		delete(fields, field)
	}
	return json.Marshal(fields)
}
