package work

import (
	"errors"
	"time"

	"virga/core/db"
)

// State is where an operation stands.
type State string

// The states of an operation; the last three are final.
const (
	Running   State = "running"
	Undoing   State = "undoing"
	Done      State = "done"
	Failed    State = "failed"
	Abandoned State = "abandoned"
)

// Operation is one row of the table operations.
type Operation struct {
	ID           string `db:"id"`
	Kind         string `db:"kind"`
	Version      int    `db:"version"`
	ResourceKind string `db:"resource_kind"`
	ResourceID   string `db:"resource_id"`
	ProjectID    string `db:"project_id"`
	UserID       string `db:"user_id"`
	RequestID    string `db:"request_id"`
	State        State  `db:"state"`
	// Step is the index of the current step, StepName its name, StepStartedAt when it
	// was entered.
	Step          int       `db:"step"`
	StepName      string    `db:"step_name"`
	StepStartedAt time.Time `db:"step_started_at"`
	// BackTo is the step at which an undoing operation turns forward again; -1: none.
	BackTo int `db:"back_to"`
	// Tries counts the failed calls of the current step; LastError is what the last of
	// them said, at most maxLastError bytes.
	Tries     int       `db:"tries"`
	LastError string    `db:"last_error"`
	WakeAt    time.Time `db:"wake_at"`
	// Signals counts the wake-ups, so that none is lost to a nap that begins at the same time.
	Signals   int64     `db:"signals"`
	Cancelled bool      `db:"cancelled"`
	Deadline  time.Time `db:"deadline"`
	// ParentID is the operation that started this one and ParentStep the step that did; both
	// are empty for one that nobody but a request started, ParentStep also when the step was
	// undone. Recalled is set when the parent wants it undone.
	ParentID   string `db:"parent_id"`
	ParentStep string `db:"parent_step"`
	Recalled   bool   `db:"recalled"`
	// LeaseOwner works on the operation until LeaseUntil; Epoch counts the claims.
	LeaseOwner string    `db:"lease_owner"`
	LeaseUntil time.Time `db:"lease_until"`
	Epoch      int64     `db:"epoch"`
	// Params and Frame are the kind's own, as JSON.
	Params string `db:"params"`
	Frame  string `db:"frame"`
	// Error is why the operation failed or is being undone.
	Error      string    `db:"error"`
	CreatedAt  time.Time `db:"created_at"`
	UpdatedAt  time.Time `db:"updated_at"`
	FinishedAt time.Time `db:"finished_at"`
}

// Event is a step that ended, well or not.
type Event struct {
	OperationID string    `db:"operation_id"`
	Step        string    `db:"step"`
	Undo        bool      `db:"undone"`
	StartedAt   time.Time `db:"started_at"`
	FinishedAt  time.Time `db:"finished_at"`
	Error       string    `db:"error"`
}

var operationColumns = db.Columns(Operation{}, "")

// Find returns the operation with id, or db.ErrNotFound.
func Find(tx *db.Tx, id string) (Operation, error) {
	var o Operation
	err := tx.Get(&o, "SELECT "+operationColumns+" FROM operations WHERE id = ?", id)
	return o, err
}

// OfResource returns the operations on a resource, newest first, at most limit.
func OfResource(tx *db.Tx, resourceID string, limit int) ([]Operation, error) {
	var list []Operation
	err := tx.Select(&list, "SELECT "+operationColumns+
		" FROM operations WHERE resource_id = ? ORDER BY created_at DESC, id LIMIT ?", resourceID, limit)
	return list, err
}

// ByRequest returns the operation that a request started on a resource, or db.ErrNotFound.
func ByRequest(tx *db.Tx, resourceID, requestID string) (Operation, error) {
	var o Operation
	err := tx.Get(&o, "SELECT "+operationColumns+
		" FROM operations WHERE resource_id = ? AND request_id = ? ORDER BY created_at DESC", resourceID, requestID)
	return o, err
}

// Unfinished returns the live operations on the given resources, in the order in which
// they were started, by resource id.
func Unfinished(tx *db.Tx, resourceIDs ...string) (map[string][]Operation, error) {
	found := map[string][]Operation{}
	for len(resourceIDs) > 0 {
		batch := resourceIDs[:min(len(resourceIDs), 500)]
		resourceIDs = resourceIDs[len(batch):]
		marks, args := db.In(batch)
		var list []Operation
		if err := tx.Select(&list, "SELECT "+operationColumns+
			" FROM operations WHERE resource_id IN "+marks+" AND finished_at = 0 ORDER BY created_at, id", args...); err != nil {
			return nil, err
		}
		for _, o := range list {
			found[o.ResourceID] = append(found[o.ResourceID], o)
		}
	}
	return found, nil
}

// List returns operations, newest first, at most limit; unfinished alone when asked so.
// Marker is the id of the last one of the page before, or empty; one that is not there is
// db.ErrMarker.
func List(tx *db.Tx, unfinished bool, marker string, limit int) ([]Operation, error) {
	l := &db.List{From: "operations", Key: "id", Order: []db.Order{{Column: "created_at", Descending: true}},
		Marker: marker, LooseMarker: true, Limit: limit}
	if unfinished {
		l.Where("finished_at = 0")
	}
	var list []Operation
	err := tx.List(&list, l)
	return list, err
}

// Ended returns operations that ended after the given one, at most at the given time, in the
// order in which they ended, at most limit. The first may be a time alone.
func Ended(tx *db.Tx, after Operation, until time.Time, limit int) ([]Operation, error) {
	var list []Operation
	err := tx.Select(&list, "SELECT "+operationColumns+" FROM operations WHERE finished_at > 0 AND finished_at >= ? AND finished_at <= ?"+
		" AND (finished_at > ? OR id > ?) ORDER BY finished_at, id LIMIT ?", after.FinishedAt, until, after.FinishedAt, after.ID, limit)
	return list, err
}

// Events returns the ended steps of an operation in the order in which they ended.
func Events(tx *db.Tx, operationID string) ([]Event, error) {
	var list []Event
	err := tx.Select(&list, "SELECT "+db.Columns(Event{}, "")+" FROM operation_events WHERE operation_id = ? ORDER BY seq", operationID)
	return list, err
}

// Forget removes finished operations that ended before the given time, at most limit, and
// returns their ids. Those whose parent is alive stay, because it may ask how they ended.
func Forget(tx *db.Tx, before time.Time, limit int) ([]string, error) {
	var ids []string
	if err := tx.Select(&ids, "SELECT id FROM operations WHERE finished_at > 0 AND finished_at < ? AND NOT EXISTS"+
		" (SELECT 1 FROM operations parent WHERE parent.id = operations.parent_id AND parent.finished_at = 0) ORDER BY finished_at LIMIT ?",
		before, limit); err != nil {
		return nil, err
	}
	if len(ids) == 0 {
		return nil, nil
	}
	marks, args := db.In(ids)
	if _, err := tx.Exec("DELETE FROM operation_events WHERE operation_id IN "+marks, args...); err != nil {
		return nil, err
	}
	_, err := tx.Exec("DELETE FROM operations WHERE id IN "+marks, args...)
	return ids, err
}

// ErrFinished is returned where a live operation is needed and this one has ended.
var ErrFinished = errors.New("the operation is finished")
