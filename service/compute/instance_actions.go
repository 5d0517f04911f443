package compute

import (
	"context"
	"errors"
	"net/http"
	"time"

	"virga/core/api"
	"virga/core/db"
	"virga/core/work"
)

// Instance actions are the operations on a server, their events the ended steps.

// actionNames are the compute API's words for the operations.
var actionNames = map[string]string{opCreate: "create", opRebuild: "rebuild", opShelve: "shelve", opOffload: "shelveOffload", opUnshelve: "unshelve", opSnapshot: "createImage", opBackup: "createBackup", opDelete: "delete", opStart: "start", opStop: "stop", opReboot: "reboot",
	opPause: "pause", opUnpause: "unpause", opSuspend: "suspend", opResume: "resume", opPassword: "changePassword", opCrashDump: "trigger_crash_dump", opSoftDelete: "delete", opRestore: "restore", opRescue: "rescue", opUnrescue: "unrescue",
	opAttach: "attach_interface", opDetach: "detach_interface", opResize: "resize", opMigrate: "migrate", opConfirm: "confirmResize",
	opRevert: "revertResize", opLiveMigrate: "live-migration", opEvacuate: "evacuate"}

type actionView struct {
	Action       string      `json:"action"`
	InstanceUUID string      `json:"instance_uuid"`
	RequestID    string      `json:"request_id"`
	UserID       string      `json:"user_id"`
	ProjectID    string      `json:"project_id"`
	StartTime    string      `json:"start_time"`
	Message      *string     `json:"message"`
	UpdatedAt    *string     `json:"updated_at,omitempty"`
	Events       []eventView `json:"events,omitempty"`
}

type eventView struct {
	Event      string   `json:"event"`
	StartTime  string   `json:"start_time"`
	FinishTime *string  `json:"finish_time"`
	Result     *string  `json:"result"`
	Traceback  **string `json:"traceback,omitempty"`
	Host       **string `json:"host,omitempty"`
	HostID     *string  `json:"hostId,omitempty"`
	Details    **string `json:"details,omitempty"`
}

func viewAction(r *api.Request, o *work.Operation) actionView {
	view := actionView{Action: actionNames[o.Kind], InstanceUUID: o.ResourceID, RequestID: o.RequestID, UserID: o.UserID, ProjectID: o.ProjectID,
		StartTime: microTime(o.CreatedAt)}
	if o.State == work.Failed || o.State == work.Abandoned {
		message := "Error"
		view.Message = &message
	}
	if r.Version.AtLeast(vActionPaging) {
		updated := microTime(o.UpdatedAt)
		view.UpdatedAt = &updated
	}
	return view
}

const maxActions = 1000

// actionQuery is what a list of actions is narrowed by since 2.58.
type actionQuery struct {
	marker        string
	limit         int
	since, before time.Time
}

func readActionQuery(r *api.Request) (actionQuery, error) {
	q := actionQuery{limit: maxActions}
	if r.Version.Before(vActionPaging) {
		return q, nil
	}
	page, err := readPage(r, api.Paging{Max: maxActions})
	if err != nil {
		return q, err
	}
	q.marker, q.limit = page.Marker, page.Limit
	q.since, q.before, err = readPeriod(r)
	return q, err
}

func (q *actionQuery) fits(o *work.Operation) bool {
	return !o.UpdatedAt.Before(q.since) && (q.before.IsZero() || !o.UpdatedAt.After(q.before))
}

func (s *Service) actionList(ctx context.Context, r *api.Request) (any, error) {
	q, err := readActionQuery(r)
	if err != nil {
		return nil, err
	}
	if q.limit == 0 {
		return map[string]any{"instanceActions": []actionView{}}, nil
	}
	var operations []work.Operation
	err = s.db.Read(ctx, func(tx *db.Tx) (err error) {
		operations, err = work.OfResource(tx, r.Param("server_id"), 10*maxActions)
		return err
	})
	if err != nil {
		return nil, err
	}
	views := []actionView{}
	passed := q.marker == ""
	full := false
	for i := range operations {
		o := &operations[i]
		if passed && q.fits(o) {
			if full = len(views) == q.limit; full {
				break
			}
			views = append(views, viewAction(r, o))
		}
		passed = passed || o.RequestID == q.marker
	}
	if !passed {
		return nil, api.BadRequest("marker [%s] not found", oneLine(q.marker, 60))
	}
	last := ""
	if full {
		last = views[len(views)-1].RequestID
	}
	document := map[string]any{"instanceActions": views}
	if links := nextLinks(r, full, last); links != nil && r.Version.AtLeast(vActionPaging) {
		document["links"] = links
	}
	return document, nil
}

func (s *Service) actionShow(ctx context.Context, r *api.Request) (any, error) {
	var o work.Operation
	var events []work.Event
	var decisions []keptDecision
	err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
		if o, err = work.ByRequest(tx, r.Param("server_id"), r.Param("request_id")); err != nil {
			return err
		}
		if events, err = work.Events(tx, o.ID); err != nil || r.Version.Before(vEventDetails) {
			return err
		}
		decisions, err = decisionsOfOperation(tx, o.ID)
		return err
	})
	if errors.Is(err, db.ErrNotFound) {
		return nil, api.NotFound("Action for request_id %s on instance %s not found", oneLine(r.Param("request_id"), 60), r.Param("server_id"))
	}
	if err != nil {
		return nil, err
	}
	view := viewAction(r, &o)
	target := serverTarget{api.Loaded[serverTarget](r).server}.PolicyTarget()
	if r.Version.AtLeast(vActionUpdated) || r.Can(ruleActionEvents, target) {
		view.Events = s.viewEvents(r, &o, events, decisions)
	}
	return map[string]any{"instanceAction": view}, nil
}

// viewEvents lists the ended steps and the one at hand. Those that chose a host have the scheduler's decision for administrators.
func (s *Service) viewEvents(r *api.Request, o *work.Operation, events []work.Event, decisions []keptDecision) []eventView {
	row := api.Loaded[serverTarget](r).server
	admin := r.Can(ruleActionEvents, nil) && r.Can("context_is_admin", nil)
	views := []eventView{}
	add := func(e work.Event, ended bool) {
		view := eventView{Event: eventName(e), StartTime: microTime(e.StartedAt)}
		none := (*string)(nil)
		if ended {
			finish, result := microTime(e.FinishedAt), "Success"
			if e.Error != "" {
				result = "Error"
			}
			view.FinishTime, view.Result = &finish, &result
		}
		if admin {
			view.Traceback = &none
			if e.Error != "" {
				text := orNull(e.Error)
				view.Traceback = &text
			}
		}
		if r.Version.AtLeast(vEventHost) {
			hostID := hostIDOf(row)
			view.HostID = &hostID
			if admin {
				name := orNull(row.Host)
				view.Host = &name
			}
		}
		if r.Version.AtLeast(vEventDetails) {
			text := orNull(e.Error)
			if admin && e.Error == "" && !e.Undo && ended {
				text = orNull(decidedIn(decisions, e.StartedAt, e.FinishedAt))
			}
			view.Details = &text
		}
		views = append(views, view)
	}
	for _, e := range events {
		add(e, true)
	}
	if o.FinishedAt.IsZero() {
		add(work.Event{Step: o.StepName, Undo: o.State == work.Undoing, StartedAt: o.StepStartedAt}, false)
	}
	return views
}

// eventName is a step as the name of an event.
func eventName(e work.Event) string {
	if e.Undo {
		return "compute_undo_" + e.Step
	}
	return "compute_" + e.Step
}

// externalEvents answers POST /os-server-external-events: what the network service says
// happened to ports. Only a look at the network service follows, so any event may be sent twice.
func (s *Service) externalEvents(ctx context.Context, r *api.Request) (any, error) {
	var body struct {
		Events []struct {
			Name     string  `json:"name"`
			ServerID string  `json:"server_uuid"`
			Status   string  `json:"status"`
			Tag      *string `json:"tag,omitempty"`
		} `json:"events"`
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	var ids []string
	since := eventsSince()
	for _, e := range body.Events {
		if r.Version.Before(since[e.Name]) {
			return nil, api.BadRequest("Invalid input for field/attribute name. Value: %s. It is no event of this version.", e.Name)
		}
		ids = append(ids, e.ServerID)
	}
	var rows []*server
	if err := s.db.Read(ctx, func(tx *db.Tx) (err error) { rows, err = serversByID(tx, ids); return err }); err != nil {
		return nil, err
	}
	known := map[string]bool{}
	for _, row := range rows {
		known[row.ID] = true
	}
	results, status := []map[string]any{}, http.StatusOK
	var changed []string
	for _, e := range body.Events {
		result := map[string]any{"name": e.Name, "server_uuid": e.ServerID, "status": "completed", "code": 200}
		if e.Tag != nil {
			result["tag"] = *e.Tag
		}
		if known[e.ServerID] {
			changed = append(changed, e.ServerID)
			s.fresh.forget(e.ServerID)
		} else {
			result["status"], result["code"], status = "failed", 404, http.StatusMultiStatus
		}
		results = append(results, result)
	}
	if len(changed) == 0 {
		return nil, api.NotFound("No instances found for any event")
	}
	s.fresh.want(changed)
	return &api.Response{Status: status, Body: map[string]any{"events": results}}, nil
}
