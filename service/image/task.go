package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"virga/core/api"
	"virga/core/api/operations"
	"virga/core/db"
	"virga/core/work"
)

// operations is where operators see what the API calls tasks, with their steps.
func (s *Service) operations() *operations.Desk {
	return &operations.Desk{Service: "image", DB: s.deps.DB, Clock: s.deps.Clock, Engine: s.engine}
}

// A task is what the Image API calls an operation. It is forgotten with the operation.

const (
	// taskLife is how long the engine remembers operations that have ended.
	taskLife = 90 * 24 * time.Hour
	// maxImageTasks is how many tasks of an image are listed, the newest.
	maxImageTasks = 100
)

type taskView struct {
	ID        string         `json:"id"`
	Type      string         `json:"type"`
	Status    string         `json:"status"`
	Owner     string         `json:"owner"`
	Input     map[string]any `json:"input"`
	Result    map[string]any `json:"result"`
	Message   string         `json:"message"`
	ImageID   string         `json:"image_id"`
	RequestID string         `json:"request_id"`
	UserID    string         `json:"user_id"`
	ExpiresAt *string        `json:"expires_at"`
	CreatedAt string         `json:"created_at"`
	UpdatedAt string         `json:"updated_at"`
	Self      string         `json:"self"`
	Schema    string         `json:"schema"`
}

func (s *Service) viewTask(o work.Operation) (taskView, error) {
	kind, input, err := taskInput(o)
	if err != nil {
		return taskView{}, fmt.Errorf("read operation %s: %w", o.ID, err)
	}
	view := taskView{ID: o.ID, Type: kind, Status: "processing", Owner: o.ProjectID, Message: o.Error, ImageID: o.ResourceID, RequestID: o.RequestID,
		UserID: o.UserID, CreatedAt: isoTime(o.CreatedAt), UpdatedAt: isoTime(o.UpdatedAt), Self: "/v2/tasks/" + o.ID, Schema: "/v2/schemas/task",
		Input: input}
	switch o.State {
	case work.Done:
		view.Status, view.Result = "success", map[string]any{"image_id": o.ResourceID}
	case work.Failed, work.Abandoned:
		view.Status = "failure"
	}
	if !o.FinishedAt.IsZero() {
		expires := isoTime(o.FinishedAt.Add(taskLife))
		view.ExpiresAt = &expires
	}
	return view, nil
}

// taskInput is the API's word for the kind of an operation, and what it was asked for.
func taskInput(o work.Operation) (kind string, input map[string]any, err error) {
	input = map[string]any{"image_id": o.ResourceID}
	if o.Kind == opLocation {
		var params locationParams
		err = json.Unmarshal([]byte(o.Params), &params)
		input["loc_url"], input["validation_data"] = params.Request.URL, params.Request.Validation
		return "location_import", input, err
	}
	var params importParams
	err = json.Unmarshal([]byte(o.Params), &params)
	input["import_req"], input["backend"] = params.Request, slices.Concat([]string{}, params.Stores)
	return "api_image_import", input, err
}

func (s *Service) viewTasks(list []work.Operation) ([]taskView, error) {
	views := make([]taskView, 0, len(list))
	for _, o := range list {
		view, err := s.viewTask(o)
		if err != nil {
			return nil, err
		}
		views = append(views, view)
	}
	return views, nil
}

// imageTaskList lists the tasks on an image.
func (s *Service) imageTaskList(ctx context.Context, r *api.Request) (any, error) {
	var list []work.Operation
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
		list, err = work.OfResource(tx, api.Loaded[*image](r).ID, maxImageTasks)
		return err
	})
	if err != nil {
		return nil, err
	}
	views, err := s.viewTasks(list)
	return map[string]any{"tasks": views}, err
}

func (s *Service) taskList(ctx context.Context, r *api.Request) (any, error) {
	limit := defaultPage
	if text := r.Query.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, api.BadRequest("limit param must be an integer")
		}
		if n < 0 {
			return nil, api.BadRequest("limit param must be positive")
		}
		limit = min(n, maxPage)
	}
	var list []work.Operation
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
		list, err = work.List(tx, false, r.Query.Get("marker"), limit+1)
		return err
	})
	if errors.Is(err, db.ErrMarker) {
		return nil, api.BadRequest("Invalid marker format")
	}
	if err != nil {
		return nil, err
	}
	view := map[string]any{"first": listLink("/v2/tasks", r.Query, ""), "schema": "/v2/schemas/tasks"}
	if len(list) > limit {
		if list = list[:limit]; limit > 0 {
			view["next"] = listLink("/v2/tasks", r.Query, list[limit-1].ID)
		}
	}
	view["tasks"], err = s.viewTasks(list)
	return view, err
}

func (s *Service) taskShow(ctx context.Context, r *api.Request) (any, error) {
	id := r.Param("task_id")
	var o work.Operation
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
		o, err = work.Find(tx, id)
		return err
	})
	if errors.Is(err, db.ErrNotFound) {
		return nil, api.NotFound("Task with the given id %s was not found", id)
	}
	if err != nil {
		return nil, err
	}
	return s.viewTask(o)
}
