package compute

import (
	"context"
	"errors"
	"fmt"
	"time"

	"virga/core/api"
	"virga/core/db"
	"virga/core/feed"
	"virga/core/work"
)

// Draining a host: it gets no new servers, and those that it has move to others, running ones while they run. That a host is to be
// empty is a row; reconcile_drains.go makes it so, by the operations that move servers.

// The states of a drain.
const (
	drainMoving  = "draining"
	drainDone    = "drained"
	drainBlocked = "blocked" // what is left cannot be moved
)

// drainTries is how often a server's move may fail until it counts as one that cannot be moved.
const drainTries = 3

// drainView is how far a drain is.
type drainView struct {
	Host      string    `json:"host"`
	Reason    string    `json:"reason"`
	Status    string    `json:"status"`
	StartedAt time.Time `json:"started_at"`
	// Moved counts the servers that left, Moving those on their way or waiting for their turn, Stuck those that cannot be moved.
	Moved   int           `json:"moved"`
	Moving  int           `json:"moving"`
	Stuck   int           `json:"stuck"`
	Servers []drainServer `json:"servers"`
}

// drainServer is a server that is still on the host.
type drainServer struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Status string `json:"status"`
	// Task is what goes on with it; Stuck is why it cannot be moved.
	Task  string `json:"task,omitempty"`
	Stuck string `json:"stuck,omitempty"`
}

// maxDrainServers bounds the servers of an answer and of one round.
const maxDrainServers = 1000

// stuckBecause tells why a server is not moved from a host that is drained; tasks are what goes on with it.
func stuckBecause(row *server, counts map[string]int) string {
	switch {
	case row.VMState == vmResized:
		return "its resize waits for being confirmed or reverted"
	case row.VMState != vmActive && row.VMState != vmPaused && row.VMState != vmStopped:
		return "it is " + row.VMState
	case counts[migrationFailed]+counts[migrationCancelled] >= drainTries:
		reason := "its move failed several times"
		if row.Detail.Fault != nil {
			reason += ": " + row.Detail.Fault.Message
		}
		return reason
	}
	return ""
}

// viewDrain tells how far a drain is.
func (s *Service) viewDrain(tx *db.Tx, d *drain) (*drainView, error) {
	view := &drainView{Host: d.Host, Reason: d.Reason, StartedAt: d.StartedAt, Servers: []drainServer{}}
	rows, err := serversOnHost(tx, d.Host, "", maxDrainServers)
	if err != nil {
		return nil, err
	}
	counts, err := movesBegun(tx, d.Host, d.StartedAt)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(rows))
	for i := range rows {
		ids[i] = rows[i].ID
	}
	unfinished, err := work.Unfinished(tx, ids...)
	if err != nil {
		return nil, err
	}
	for i := range rows {
		row := &rows[i]
		t := taskOf(unfinished[row.ID])
		item := drainServer{ID: row.ID, Name: row.Name, Status: statusOf(row.VMState, t), Task: t.state}
		if len(unfinished[row.ID]) == 0 {
			item.Stuck = stuckBecause(row, counts[row.ID])
		}
		if item.Stuck != "" {
			view.Stuck++
		} else {
			view.Moving++
		}
		view.Servers = append(view.Servers, item)
	}
	for _, byStatus := range counts {
		if byStatus[migrationCompleted]+byStatus[migrationConfirmed] > 0 {
			view.Moved++
		}
		view.Moving += byStatus[migrationFinished] + byStatus[migrationConfirms]
	}
	switch {
	case view.Moving > 0:
		view.Status = drainMoving
	case view.Stuck > 0:
		view.Status = drainBlocked
	default:
		view.Status = drainDone
	}
	return view, nil
}

// drainList answers GET /internal/drains.
func (s *Service) drainList(ctx context.Context, _ *api.Request) (any, error) {
	views := []*drainView{}
	err := s.db.Read(ctx, func(tx *db.Tx) error {
		views = views[:0]
		rows, err := listDrains(tx)
		if err != nil {
			return err
		}
		for i := range rows {
			view, err := s.viewDrain(tx, &rows[i])
			if err != nil {
				return err
			}
			view.Servers = nil
			views = append(views, view)
		}
		return nil
	})
	return map[string]any{"drains": views}, err
}

// drainShow answers GET /internal/drains/{host}.
func (s *Service) drainShow(ctx context.Context, r *api.Request) (any, error) {
	var view *drainView
	err := s.db.Read(ctx, func(tx *db.Tx) error {
		d, err := findDrain(tx, r.Param("host"))
		if err != nil {
			return err
		}
		if d == nil {
			return notDrained(r)
		}
		view, err = s.viewDrain(tx, d)
		return err
	})
	return map[string]any{"drain": view}, err
}

func notDrained(r *api.Request) error {
	return api.NotFound("Host %s is not being drained.", oneLine(r.Param("host"), 255))
}

// drainStart answers PUT /internal/drains/{host}; a repeat changes the reason.
func (s *Service) drainStart(ctx context.Context, r *api.Request) (any, error) {
	var in struct {
		Reason string `json:"reason"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	name, now := r.Param("host"), s.clock.Now()
	var view *drainView
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		h, err := findHost(tx, name)
		if errors.Is(err, db.ErrNotFound) {
			return api.NotFound("Compute host %s could not be found.", oneLine(name, 255))
		}
		if err != nil {
			return err
		}
		d, err := findDrain(tx, name)
		if err != nil {
			return err
		}
		if d == nil {
			d = &drain{Host: name, WasDisabled: h.Disabled, WasReason: h.Reason, StartedAt: now}
		} else if err := deleteDrain(tx, name); err != nil {
			return err
		}
		d.Reason, d.UserID = in.Reason, r.UserID()
		if err := insertDrain(tx, d); err != nil {
			return err
		}
		if err := s.disableForDrain(tx, r, h, true, drainReason(d)); err != nil {
			return err
		}
		tx.AfterCommit(func() { s.deps.Bus.Ring(topicDrains) })
		view, err = s.viewDrain(tx, d)
		return err
	})
	return map[string]any{"drain": view}, err
}

// drainReason is what the list of services says of a host that is drained.
func drainReason(d *drain) string {
	if d.Reason == "" {
		return "drained"
	}
	return "drained: " + d.Reason
}

// disableForDrain changes whether a host gets servers, in the same breath as the drain.
func (s *Service) disableForDrain(tx *db.Tx, r *api.Request, h *host, disabled bool, reason string) error {
	before := documentOfHost(h)
	h.Disabled, h.Reason, h.UpdatedAt = disabled, reason, s.clock.Now()
	if err := updateHost(tx, h, true); err != nil {
		return err
	}
	return s.record(tx, r, feed.Change{Kind: "host", ID: h.Name, Action: "update", Before: before, After: documentOfHost(h)})
}

// drainStop answers DELETE /internal/drains/{host}: the host gets servers again, if it did before. What is on its way arrives; who has
// left stays away.
func (s *Service) drainStop(ctx context.Context, r *api.Request) (any, error) {
	name := r.Param("host")
	return nil, s.db.Write(ctx, func(tx *db.Tx) error {
		d, err := findDrain(tx, name)
		if err != nil {
			return err
		}
		if d == nil {
			return notDrained(r)
		}
		if err := deleteDrain(tx, name); err != nil {
			return fmt.Errorf("end drain of host %s: %w", name, err)
		}
		h, err := findHost(tx, name)
		if errors.Is(err, db.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Disabled && h.Reason == drainReason(d) { // otherwise somebody has said something else since
			return s.disableForDrain(tx, r, h, d.WasDisabled, d.WasReason)
		}
		return s.record(tx, r, feed.Change{Kind: "host", ID: h.Name, Action: "update", Before: documentOfHost(h), After: documentOfHost(h)})
	})
}
