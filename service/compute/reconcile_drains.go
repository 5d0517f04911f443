package compute

import (
	"context"
	"errors"
	"fmt"

	"virga/core/api"
	"virga/core/db"
	"virga/core/work"
)

const (
	topicDrains = "compute.drains"
	// drainAtOnce is how many servers leave a host at the same time.
	drainAtOnce = 4
)

// reconcileDrains moves servers away from hosts that are to be empty.
func (s *Service) reconcileDrains(ctx context.Context) error {
	var drains []drain
	err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
		drains, err = listDrains(tx)
		return err
	})
	if err != nil {
		return fmt.Errorf("list drains: %w", err)
	}
	var errs []error
	for i := range drains {
		if err := s.drainHost(ctx, &drains[i]); err != nil {
			errs = append(errs, fmt.Errorf("drain host %s: %w", drains[i].Host, err))
		}
	}
	return errors.Join(errs...)
}

func (s *Service) drainHost(ctx context.Context, d *drain) error {
	var waiting []string
	var moved []migration
	err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
		if waiting, err = s.serversToDrain(tx, d); err != nil {
			return err
		}
		moved, err = finishedMoves(tx, d.Host, s.clock.Now(), confirmsAtOnce)
		return err
	})
	if err != nil {
		return err
	}
	for _, id := range waiting {
		if err := s.drainServer(ctx, d, id); err != nil {
			return fmt.Errorf("move server %s: %w", id, err)
		}
	}
	for i := range moved { // nobody has asked for these, so nobody is to be asked
		if !moved[i].Detail.Drained {
			continue
		}
		if err := s.confirmMove(ctx, &moved[i]); err != nil {
			return err
		}
	}
	return nil
}

// serversToDrain are those that may leave a host now: as many as are missing to those that do already.
func (s *Service) serversToDrain(tx *db.Tx, d *drain) (ids []string, err error) {
	rows, err := serversOnHost(tx, d.Host, "", maxDrainServers)
	if err != nil {
		return nil, err
	}
	counts, err := movesBegun(tx, d.Host, d.StartedAt)
	if err != nil {
		return nil, err
	}
	all := make([]string, len(rows))
	for i := range rows {
		all[i] = rows[i].ID
	}
	unfinished, err := work.Unfinished(tx, all...)
	if err != nil {
		return nil, err
	}
	room := drainAtOnce
	for i := range rows {
		for _, o := range unfinished[rows[i].ID] {
			if o.Kind == opLiveMigrate || o.Kind == opMigrate {
				room--
			}
		}
	}
	for i := range rows {
		row := &rows[i]
		if len(ids) < room && len(unfinished[row.ID]) == 0 && stuckBecause(row, counts[row.ID]) == "" {
			ids = append(ids, row.ID)
		}
	}
	return ids, nil
}

// drainServer starts the move of a server: while it runs, or cold when it is off.
func (s *Service) drainServer(ctx context.Context, d *drain, id string) error {
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		row, err := findServer(tx, id)
		if errors.Is(err, db.ErrNotFound) || err == nil && row.Host != d.Host {
			return nil
		}
		if err != nil {
			return err
		}
		unfinished, err := work.Unfinished(tx, id)
		if err != nil || len(unfinished[id]) > 0 || stuckBecause(row, nil) != "" {
			return err
		}
		now := s.clock.Now()
		m := &newMigration{ID: s.clock.ID(), ServerID: id, ProjectID: row.ProjectID, UserID: d.UserID, Kind: migrationLive, Status: migrationQueued,
			SourceHost: row.Host, CreatedAt: now, UpdatedAt: now, Detail: migrationDetail{Old: shapeOf(row), New: shapeOf(row), Drained: true}}
		kind, action := opLiveMigrate, "os-migrateLive"
		if row.VMState == vmStopped {
			kind, action, m.Kind, m.Status = opMigrate, "migrate", migrationCold, migrationAccepted
		}
		if err := s.admitMove(tx, m, row); err != nil {
			return err
		}
		return s.startQuietly(tx, row, d.UserID, kind, action, moveParams{Migration: m.ID})
	})
	var refused *api.Error
	if errors.As(err, &refused) { // its host is not there any more, for example
		s.log.InfoContext(ctx, "server is not moved from a host that is drained", "server", id, "host", d.Host, "error", err)
		return nil
	}
	return err
}
