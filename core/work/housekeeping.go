package work

import (
	"context"
	"fmt"
	"time"

	"virga/core/db"
)

const (
	// censusEvery is how old the gauges of unfinished operations may be.
	censusEvery = 15 * time.Second
	// archiveEvery is how often finished operations are looked through.
	archiveEvery = time.Hour
	// archiveBatch bounds a transaction that forgets operations.
	archiveBatch = 200
)

// keepHouse counts the unfinished operations and forgets those that are long over.
func (e *Engine) keepHouse(ctx context.Context) {
	ticker := time.NewTicker(censusEvery)
	defer ticker.Stop()
	var archived time.Time
	for {
		if err := e.census(ctx); err != nil && ctx.Err() == nil {
			e.cfg.Log.Warn("count unfinished operations", "service", e.cfg.Service, "error", err)
		}
		if now := e.cfg.Clock.Now(); now.Sub(archived) >= archiveEvery {
			archived = now
			if err := e.archive(ctx); err != nil && ctx.Err() == nil {
				e.cfg.Log.Warn("forget finished operations", "service", e.cfg.Service, "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// archive forgets finished operations after their time, in small transactions.
func (e *Engine) archive(ctx context.Context) error {
	for ctx.Err() == nil {
		gone := 0
		err := e.cfg.DB.Write(ctx, func(tx *db.Tx) error {
			ids, err := Forget(tx, e.cfg.Clock.Now().Add(-e.cfg.Keep), archiveBatch)
			if gone = len(ids); err != nil || gone == 0 || e.cfg.Forgotten == nil {
				return err
			}
			return e.cfg.Forgotten(tx, ids)
		})
		if err != nil || gone < archiveBatch {
			return err
		}
	}
	return nil
}

// census sets the gauges of unfinished operations and of those past their deadline.
func (e *Engine) census(ctx context.Context) error {
	var counts []struct {
		Kind       string `db:"kind"`
		Unfinished int    `db:"unfinished"`
		Overdue    int    `db:"overdue"`
	}
	err := e.cfg.DB.Read(ctx, func(tx *db.Tx) error {
		return tx.Select(&counts, "SELECT kind, COUNT(*) AS unfinished, COUNT(CASE WHEN deadline < ? THEN 1 END) AS overdue"+
			" FROM operations WHERE finished_at = 0 GROUP BY kind", e.cfg.Clock.Now())
	})
	if err != nil {
		return fmt.Errorf("count unfinished operations: %w", err)
	}
	for kind := range e.kinds {
		e.metrics.counted[kind] = true
	}
	for _, c := range counts {
		e.metrics.counted[c.Kind] = true
	}
	for kind := range e.metrics.counted { // one that has none now is 0, not what it was
		e.metrics.unfinished.WithLabelValues(kind).Set(0)
		e.metrics.overdue.WithLabelValues(kind).Set(0)
	}
	for _, c := range counts {
		e.metrics.unfinished.WithLabelValues(c.Kind).Set(float64(c.Unfinished))
		e.metrics.overdue.WithLabelValues(c.Kind).Set(float64(c.Overdue))
	}
	return nil
}
