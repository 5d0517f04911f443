package compute

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"virga/core/api"
	"virga/core/db"
)

const topicAggregates = "compute.aggregates"

// reconcileAggregates has the resource providers of hosts be in the aggregates in placement that have the ids of their
// host aggregates, as nova does, so that whoever asks placement alone can tell them apart. Aggregates in placement that
// are nobody's here are left as they are.
func (s *Service) reconcileAggregates(ctx context.Context) error {
	if !s.mirrorLooked { // another life of this or another process may have told placement something late
		if err := s.db.Write(ctx, func(tx *db.Tx) error { return doubtMirrored(tx, "") }); err != nil {
			return err
		}
		s.mirrorLooked = true
	}
	var changes []mirrorChange
	if err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
		changes, err = aggregatesToMirror(tx)
		return err
	}); err != nil {
		return err
	}
	group := errgroup.Group{}
	group.SetLimit(providing)
	for i := range changes {
		group.Go(func() error {
			if err := s.mirrorAggregates(ctx, &changes[i]); err != nil {
				return fmt.Errorf("tell placement of the aggregates of host %s: %w", changes[i].host, err)
			}
			return nil
		})
	}
	return group.Wait()
}

// mirrorAggregates tells placement what changed of one host. A host that has no provider yet has its turn later.
func (s *Service) mirrorAggregates(ctx context.Context, c *mirrorChange) error {
	if err := s.db.Write(ctx, func(tx *db.Tx) error { return putMirrored(tx, c, false) }); err != nil {
		return err
	}
	asked, cancel := context.WithTimeout(s.self(ctx), 30*time.Second)
	defer cancel()
	err := s.deps.Placement.ChangeAggregates(asked, c.provider, c.add, c.remove)
	if api.StatusOf(err) == http.StatusNotFound && len(c.add) > 0 {
		return nil
	}
	if err != nil && api.StatusOf(err) != http.StatusNotFound {
		return err
	}
	return s.db.Write(ctx, func(tx *db.Tx) error {
		if err := forgetMirrored(tx, c); err != nil {
			return err
		}
		return putMirrored(tx, c, true)
	})
}

// removeGoneProviders removes the providers of hosts that were removed. One that still has allocations stays until they go.
func (s *Service) removeGoneProviders(ctx context.Context) error {
	var rows []goneProvider
	if err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
		rows, err = listGoneProviders(tx, providedAtOnce)
		return err
	}); err != nil {
		return err
	}
	var errs []error
	for _, row := range rows {
		asked, cancel := context.WithTimeout(s.self(ctx), 30*time.Second)
		err := s.deps.Placement.RemoveProvider(asked, row.ID)
		cancel()
		if err == nil {
			err = s.db.Write(ctx, func(tx *db.Tx) error { return forgetGoneProvider(tx, row.ID) })
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("remove the provider of host %s: %w", row.Host, err))
		}
	}
	return errors.Join(errs...)
}
