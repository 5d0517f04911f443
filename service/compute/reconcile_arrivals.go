package compute

import (
	"context"
	"errors"
	"fmt"
	"time"

	"virga/core/db"
	"virga/core/work"
)

const (
	// arrivedFor is how long ports say that their server came from another host while it ran: as long as a connection that began
	// before may be silent and go on nevertheless.
	arrivedFor = 10 * time.Minute
	// arrivalsAtOnce bounds one round.
	arrivalsAtOnce = 100
)

// reconcileArrivals has the ports of servers that arrived some time ago be like all others.
func (s *Service) reconcileArrivals(ctx context.Context) error {
	var rows []migration
	now := s.clock.Now()
	err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
		rows, err = arrivedMoves(tx, now.Add(-arrivedFor), arrivalsAtOnce)
		return err
	})
	if err != nil {
		return fmt.Errorf("find servers that arrived: %w", err)
	}
	for i := range rows {
		if err := s.closeArrival(ctx, &rows[i]); err != nil {
			return fmt.Errorf("close arrival of server %s: %w", rows[i].ServerID, err)
		}
	}
	return nil
}

// closeArrival leaves the ports of a server alone that is about to move on: the next arrival ends this one, too.
func (s *Service) closeArrival(ctx context.Context, m *migration) error {
	here := false
	err := s.db.Read(ctx, func(tx *db.Tx) error {
		row, err := findServer(tx, m.ServerID)
		if errors.Is(err, db.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		unfinished, err := work.Unfinished(tx, m.ServerID)
		here = row.Host == m.DestHost && len(unfinished[m.ServerID]) == 0
		return err
	})
	if err != nil {
		return err
	}
	if here {
		if err := s.expectPorts(ctx, m.ServerID, ""); err != nil {
			return err
		}
	}
	return s.db.Write(ctx, func(tx *db.Tx) error { return closeArrivals(tx, m.ID) })
}
