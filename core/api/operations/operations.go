package operations

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"virga/core/api"
	"virga/core/authz"
	"virga/core/clock"
	"virga/core/db"
	"virga/core/feed"
	"virga/core/work"
)

// Desk is where operators see the operations of one service.
type Desk struct {
	// Service is the name that the rules begin with: "compute".
	Service string
	// DB holds the operations and the feed.
	DB     *db.DB
	Clock  clock.Clock
	Engine *work.Engine
}

const (
	// path is where the rows are, in every service.
	path = "/internal/operations"
	// schema names the schema of the body of an action, which the service's folder holds.
	schema = "operation_action"
	// maxList bounds a page.
	maxList = 1000
)

// The rules, behind the name of the service.
const (
	ruleIndex   = ":operations:index"
	ruleShow    = ":operations:show"
	ruleRetry   = ":operations:retry"
	ruleAbandon = ":operations:abandon"
)

// Rules are the defaults of the policy for a service's operations: administrators alone.
func Rules(service string) []authz.Rule {
	rule := func(name, description, method, path string) authz.Rule {
		return authz.Rule{Name: service + name, Check: "rule:context_is_admin", Description: description,
			Operations: []authz.Operation{{Method: method, Path: path}}}
	}
	return []authz.Rule{
		rule(ruleIndex, "List durable operations.", http.MethodGet, path),
		rule(ruleShow, "Show a durable operation with its steps.", http.MethodGet, path+"/{operation_id}"),
		rule(ruleRetry, "Have a waiting operation go on at once.", http.MethodPost, path+"/{operation_id}/action"),
		rule(ruleAbandon, "End an operation as it stands.", http.MethodPost, path+"/{operation_id}/action"),
	}
}

// Routes are the rows.
func (d Desk) Routes() []api.Route {
	return []api.Route{
		{Method: http.MethodGet, Path: path, Policy: d.Service + ruleIndex, Handle: d.list, Doc: "lists durable operations"},
		{Method: http.MethodGet, Path: path + "/{operation_id}", Policy: d.Service + ruleShow, Handle: d.show, Doc: "shows an operation with its steps"},
		{Method: http.MethodPost, Path: path + "/{operation_id}/action", Policy: d.Service + ruleShow, Handle: d.act, Body: schema,
			Doc: "retries or abandons an operation; each has a rule of its own besides"},
	}
}

// list answers with operations, newest first; unfinished=true leaves out those that ended.
func (d Desk) list(ctx context.Context, r *api.Request) (any, error) {
	page, err := (api.Paging{Max: maxList}).Read(r.Query)
	if err != nil {
		return nil, err
	}
	unfinished, _, err := r.Flag("unfinished")
	if err != nil {
		return nil, err
	}
	var found []work.Operation
	err = d.DB.Read(ctx, func(tx *db.Tx) error {
		found, err = work.List(tx, unfinished, page.Marker, page.Limit+1)
		return err
	})
	if errors.Is(err, db.ErrMarker) {
		return nil, api.BadRequest("The marker %q could not be found.", shorten(page.Marker))
	}
	if err != nil {
		return nil, err
	}
	more := len(found) > page.Limit
	found = found[:min(len(found), page.Limit)]
	views := make([]view, len(found))
	for i := range found {
		views[i] = viewOf(&found[i])
	}
	answer := map[string]any{"operations": views}
	if more {
		next := r.SelfURL(api.NextQuery(r.Query, found[len(found)-1].ID))
		answer["operations_links"] = []map[string]string{{"rel": "next", "href": next}}
	}
	return answer, nil
}

func (d Desk) show(ctx context.Context, r *api.Request) (any, error) {
	id := r.Param("operation_id")
	var o work.Operation
	var events []work.Event
	var children []work.Operation
	err := d.DB.Read(ctx, func(tx *db.Tx) (err error) {
		if o, err = work.Find(tx, id); err != nil {
			return err
		}
		if children, err = work.Children(tx, id); err != nil {
			return err
		}
		events, err = work.Events(tx, id)
		return err
	})
	if errors.Is(err, db.ErrNotFound) {
		return nil, noSuchOperation(id)
	}
	if err != nil {
		return nil, err
	}
	return map[string]any{"operation": detailOf(&o, d.Engine.Kinds()[o.Kind], events, children)}, nil
}

// act retries or abandons and answers with the operation as it is then.
func (d Desk) act(ctx context.Context, r *api.Request) (any, error) {
	var body struct {
		Retry   *struct{} `json:"retry"`
		Abandon *struct {
			Because string `json:"because"`
		} `json:"abandon"`
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	id, rule, verb := r.Param("operation_id"), ruleRetry, "retry"
	change := func(tx *db.Tx) error { return d.Engine.RetryNow(tx, id) }
	if body.Abandon != nil {
		rule, verb = ruleAbandon, "abandon"
		because := fmt.Sprintf("%s (%s)", body.Abandon.Because, r.UserID())
		change = func(tx *db.Tx) error { return d.Engine.Abandon(tx, id, because) }
	}
	if err := r.May(d.Service+rule, nil); err != nil {
		return nil, err
	}
	var o work.Operation
	err := d.DB.Write(ctx, func(tx *db.Tx) (err error) {
		if o, err = work.Find(tx, id); err != nil {
			return err
		}
		before := viewOf(&o)
		if err = change(tx); err != nil {
			return err
		}
		if o, err = work.Find(tx, id); err != nil {
			return err
		}
		return feed.Record(tx, feed.Change{At: d.Clock.Now(), RequestID: r.ID, UserID: r.UserID(), ProjectID: r.ProjectID(),
			OperationID: id, Kind: "operation", ID: id, Action: verb, OwnerProjectID: o.ProjectID, Before: before, After: viewOf(&o)})
	})
	switch {
	case errors.Is(err, db.ErrNotFound):
		return nil, noSuchOperation(id)
	case errors.Is(err, work.ErrFinished):
		return nil, api.Conflict("The operation %s has ended: it is %s.", id, o.State)
	case err != nil:
		return nil, err
	}
	return map[string]any{"operation": viewOf(&o)}, nil
}

func noSuchOperation(id string) error {
	return api.NotFound("The operation %s could not be found.", shorten(id))
}

// shorten keeps what clients send out of the way of the message that repeats it.
func shorten(text string) string { return text[:min(len(text), 64)] }
