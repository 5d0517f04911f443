package compute

import (
	"errors"
	"fmt"
	"time"

	"virga/core/db"
)

// keptDecision is a row of the table decisions: what the scheduler decided for a server in one attempt of an
// operation, or why a request was refused (OperationID is empty then).
type keptDecision struct {
	ID          string `db:"id"`
	ServerID    string `db:"server_id"`
	OperationID string `db:"operation_id"`
	// Kind is that of the operation, also of one that was refused.
	Kind    string `db:"kind"`
	Attempt int    `db:"attempt"`
	// Looks counts how often an attempt that found no host looked; the last one is what is kept.
	Looks     int       `db:"looks"`
	ProjectID string    `db:"project_id"`
	UserID    string    `db:"user_id"`
	RequestID string    `db:"request_id"`
	BeganAt   time.Time `db:"began_at"`
	DecidedAt time.Time `db:"decided_at"`
	Chosen    string    `db:"chosen"`
	// Wanted and Decision are JSON: a wanted and a decision.
	Wanted   string `db:"wanted"`
	Decision string `db:"decision"`
}

// maxAttempts is how many decisions of an operation are kept, the newest; of requests that were refused for a server as many.
const maxAttempts = 20

var decisionColumns = db.Columns(keptDecision{}, "")

// lastDecision returns the newest decision of an operation, or of the refused requests for a server, or nil.
func lastDecision(tx *db.Tx, operationID, serverID string) (*keptDecision, error) {
	k := &keptDecision{}
	err := tx.Get(k, "SELECT "+decisionColumns+" FROM decisions WHERE operation_id = ? AND server_id = ? ORDER BY attempt DESC LIMIT 1", operationID, serverID)
	if errors.Is(err, db.ErrNotFound) {
		return nil, nil
	}
	return k, err
}

// insertDecision keeps a decision as the next attempt and forgets those that are one too many. An operation that found no host
// and looks again goes on with its attempt.
func insertDecision(tx *db.Tx, k *keptDecision) error {
	last, err := lastDecision(tx, k.OperationID, k.ServerID)
	if err != nil {
		return fmt.Errorf("keep decision for server %s: %w", k.ServerID, err)
	}
	k.Attempt, k.Looks = 1, 1
	if last != nil && last.Chosen == "" && k.OperationID != "" {
		_, err := tx.Exec("UPDATE decisions SET looks = looks + 1, decided_at = ?, chosen = ?, wanted = ?, decision = ? WHERE id = ?",
			k.DecidedAt, k.Chosen, k.Wanted, k.Decision, last.ID)
		return err
	}
	if last != nil {
		k.Attempt = last.Attempt + 1
	}
	if err := tx.Insert("decisions", k); err != nil {
		return fmt.Errorf("keep decision for server %s: %w", k.ServerID, err)
	}
	if k.Attempt <= maxAttempts {
		return nil
	}
	_, err = tx.Exec("DELETE FROM decisions WHERE operation_id = ? AND server_id = ? AND attempt <= ?", k.OperationID, k.ServerID, k.Attempt-maxAttempts)
	return err
}

// decisionsOfServer returns the decisions for a server, newest first, at most limit. Marker is the id of the last one of the page before,
// or empty; one that is not there is db.ErrMarker.
func decisionsOfServer(tx *db.Tx, serverID, marker string, limit int) ([]keptDecision, error) {
	l := &db.List{From: "decisions", Key: "id", Order: []db.Order{{Column: "decided_at", Descending: true}}, Marker: marker, Limit: limit}
	l.Where("server_id = ?", serverID)
	var rows []keptDecision
	err := tx.List(&rows, l)
	return rows, err
}

// decisionsOfOperation returns the decisions of an operation in the order of its attempts.
func decisionsOfOperation(tx *db.Tx, operationID string) ([]keptDecision, error) {
	var rows []keptDecision
	err := tx.Select(&rows, "SELECT "+decisionColumns+" FROM decisions WHERE operation_id = ? ORDER BY attempt", operationID)
	return rows, err
}

// forgetDecisions drops the decisions of operations that are forgotten.
func forgetDecisions(tx *db.Tx, operationIDs []string) error {
	marks, args := db.In(operationIDs)
	_, err := tx.Exec("DELETE FROM decisions WHERE operation_id IN "+marks, args...)
	return err
}

// purgeDecisions drops decisions that belong to no operation and are older than a time, at most limit.
func purgeDecisions(tx *db.Tx, before time.Time, limit int) (int, error) {
	var ids []string
	if err := tx.Select(&ids, "SELECT id FROM decisions WHERE operation_id = '' AND decided_at < ? LIMIT ?", before, limit); err != nil || len(ids) == 0 {
		return 0, err
	}
	marks, args := db.In(ids)
	_, err := tx.Exec("DELETE FROM decisions WHERE id IN "+marks, args...)
	return len(ids), err
}
