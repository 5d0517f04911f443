package compute

import (
	"context"
	"errors"
	"math"
	"time"

	"virga/core/db"
	"virga/core/work"
)

const (
	opDelete = "server_delete"
	// noDeadline is longer than anybody waits: a delete never fails, it goes on.
	noDeadline = 100 * 365 * 24 * time.Hour
	// forEver is more tries than will ever be made.
	forEver = math.MaxInt32
)

// deleteParams is empty: the server's id says all.
type deleteParams struct{}

type deleteFrame struct{}

type deleteRun = work.Run[deleteParams, deleteFrame]

// serverDelete ends a server, whatever else goes on with it: the handler cancels the other
// operations, the first step waits until they have undone what they did.
func (s *Service) serverDelete() work.Registrable {
	return work.Kind[deleteParams, deleteFrame]{
		Name: opDelete, Deadline: noDeadline,
		Steps: []work.Step[deleteParams, deleteFrame]{
			{Name: "preempt", Do: s.deletePreempt, Tries: forEver, Pivot: true},
			{Name: "guest", Do: s.deleteGuest, Tries: forEver},
			{Name: "network", Do: s.deleteNetwork, Tries: forEver},
			{Name: "claim", Do: s.deleteClaim, Tries: forEver},
			{Name: "forget", Do: s.deleteForget, Tries: forEver},
		},
	}
}

func (s *Service) deletePreempt(ctx context.Context, run *deleteRun) error {
	return s.engine.WaitForOthers(ctx, run.Operation)
}

func (s *Service) deleteGuest(ctx context.Context, run *deleteRun) error {
	return s.removeGuest(ctx, run.Operation)
}

func (s *Service) deleteNetwork(ctx context.Context, run *deleteRun) error {
	return s.unplugPorts(ctx, run.Operation.ResourceID)
}

func (s *Service) deleteClaim(ctx context.Context, run *deleteRun) error {
	if err := s.dropShelved(ctx, run.Operation.ResourceID); err != nil {
		return err
	}
	if err := s.releaseMoves(ctx, run.Operation.ResourceID); err != nil {
		return err
	}
	return s.deps.Placement.Release(s.self(ctx), run.Operation.ResourceID)
}

func (s *Service) deleteForget(_ context.Context, run *deleteRun) error {
	s.fresh.forget(run.Operation.ResourceID)
	run.InCommit(func(tx *db.Tx) error {
		s.ringOperation(tx, run.Operation.ID)
		row, err := findServer(tx, run.Operation.ResourceID)
		if errors.Is(err, db.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := markServerDeleted(tx, row.ID, s.clock.Now()); err != nil {
			return err
		}
		if err := s.closeMoves(tx, row.ID); err != nil {
			return err
		}
		c := s.ofOperation(run.Operation, "delete")
		c.OwnerProjectID, c.Before = row.ProjectID, documentOfServer(row)
		return s.feed.Record(tx, c)
	})
	return nil
}
