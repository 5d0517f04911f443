package operations

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"

	"virga/core/work"
)

// view is an operation on the wire. Times are RFC 3339 with microseconds, in UTC.
type view struct {
	ID           string `json:"id"`
	Kind         string `json:"kind"`
	ResourceKind string `json:"resource_kind"`
	ResourceID   string `json:"resource_id"`
	ProjectID    string `json:"project_id"`
	UserID       string `json:"user_id"`
	RequestID    string `json:"request_id"`
	// State is running, undoing, done, failed or abandoned.
	State         string  `json:"state"`
	Step          string  `json:"step"`
	StepStartedAt *string `json:"step_started_at"`
	// Tries counts the failed calls of the step, LastError is what the last one said.
	Tries     int    `json:"tries"`
	LastError string `json:"last_error"`
	// Error is why the operation failed, is undone or was abandoned.
	Error     string `json:"error"`
	Cancelled bool   `json:"cancelled"`
	// ParentID is the operation that started this one, empty for none; Recalled tells that it
	// wants this one undone.
	ParentID string `json:"parent_id"`
	Recalled bool   `json:"recalled"`
	// WakeAt is when the step is called again; null when the operation has ended.
	WakeAt     *string `json:"wake_at"`
	Deadline   *string `json:"deadline"`
	CreatedAt  *string `json:"created_at"`
	UpdatedAt  *string `json:"updated_at"`
	FinishedAt *string `json:"finished_at"`
}

// detail is an operation with all that is known of it.
type detail struct {
	view
	// Worker is the process that has the operation in its hands until LeaseUntil.
	Worker     string  `json:"worker"`
	LeaseUntil *string `json:"lease_until"`
	Epoch      int64   `json:"epoch"`
	// Steps are the names of all steps of the kind; null when this process does not know it.
	Steps []string `json:"steps"`
	// Children are the operations that this one started.
	Children []view          `json:"children"`
	Events   []event         `json:"events"`
	Params   json.RawMessage `json:"params"`
	Frame    json.RawMessage `json:"frame"`
}

// event is a step that ended, well when it has no error.
type event struct {
	Step       string  `json:"step"`
	Undo       bool    `json:"undo"`
	StartedAt  *string `json:"started_at"`
	FinishedAt *string `json:"finished_at"`
	Error      string  `json:"error"`
}

func viewOf(o *work.Operation) view {
	v := view{
		ID: o.ID, Kind: o.Kind, ResourceKind: o.ResourceKind, ResourceID: o.ResourceID, ProjectID: o.ProjectID, UserID: o.UserID,
		RequestID: o.RequestID, State: string(o.State), Step: o.StepName, StepStartedAt: instant(o.StepStartedAt), Tries: o.Tries,
		LastError: o.LastError, Error: o.Error, Cancelled: o.Cancelled, ParentID: o.ParentID, Recalled: o.Recalled, Deadline: instant(o.Deadline), CreatedAt: instant(o.CreatedAt),
		UpdatedAt: instant(o.UpdatedAt), FinishedAt: instant(o.FinishedAt),
	}
	if o.FinishedAt.IsZero() {
		v.WakeAt = instant(o.WakeAt)
	}
	return v
}

func detailOf(o *work.Operation, steps []string, ended []work.Event, children []work.Operation) detail {
	d := detail{view: viewOf(o), Epoch: o.Epoch, Steps: steps, Events: make([]event, len(ended)), Children: make([]view, len(children)),
		Params: masked(o.Params), Frame: masked(o.Frame)}
	if !o.LeaseUntil.IsZero() {
		d.Worker, d.LeaseUntil = o.LeaseOwner, instant(o.LeaseUntil)
	}
	for i := range children {
		d.Children[i] = viewOf(&children[i])
	}
	for i, e := range ended {
		d.Events[i] = event{Step: e.Step, Undo: e.Undo, StartedAt: instant(e.StartedAt), FinishedAt: instant(e.FinishedAt), Error: e.Error}
	}
	return d
}

// instant is a time on the wire, nil for none.
func instant(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	text := t.UTC().Format("2006-01-02T15:04:05.000000Z")
	return &text
}

// masked is stored JSON with stars for every value whose key speaks of a secret. Kinds keep
// no secrets; this is the second lock.
func masked(stored string) json.RawMessage {
	decoder := json.NewDecoder(strings.NewReader(stored))
	decoder.UseNumber()
	var value any
	if decoder.Decode(&value) != nil {
		return json.RawMessage("null")
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if encoder.Encode(mask(value)) != nil {
		return json.RawMessage("null")
	}
	return bytes.TrimSpace(text.Bytes())
}

func mask(value any) any {
	switch value := value.(type) {
	case map[string]any:
		for key, inner := range value {
			if speaksOfSecrets(key) {
				value[key] = "***"
			} else {
				value[key] = mask(inner)
			}
		}
	case []any:
		for i := range value {
			value[i] = mask(value[i])
		}
	}
	return value
}

func speaksOfSecrets(key string) bool {
	key = strings.ToLower(key)
	for _, word := range []string{"pass", "secret", "token", "private", "credential", "user_data", "userdata"} {
		if strings.Contains(key, word) {
			return true
		}
	}
	return false
}
