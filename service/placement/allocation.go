package placement

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"virga/core/api"
	"virga/core/db"
	"virga/core/feed"
)

// allocationShow shows what a consumer uses; an unknown consumer uses nothing.
func (s *Service) allocationShow(ctx context.Context, r *api.Request) (any, error) {
	uuid, ok := normalUUID(r.Param("consumer_uuid"))
	if !ok {
		return s.answer(r, viewConsumer(r, consumerRow{}, nil, nil), time.Time{}), nil
	}
	var view consumerView
	var modified time.Time
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) error {
		rows, err := allocationsOfConsumers(tx, []string{uuid})
		if err != nil || len(rows) == 0 {
			view = viewConsumer(r, consumerRow{}, nil, nil)
			return err
		}
		consumers, err := consumersOf(tx, []string{uuid})
		if err != nil {
			return err
		}
		used := map[string]bool{}
		for _, row := range rows {
			used[row.Provider] = true
			modified = later(modified, row.CreatedAt)
		}
		providers, err := providersByUUID(tx, slices.Collect(maps.Keys(used)))
		if err == nil {
			view = viewConsumer(r, consumers[0], rows, providers)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.answer(r, view, modified), nil
}

// providerAllocationList lists who uses a provider.
func (s *Service) providerAllocationList(ctx context.Context, r *api.Request) (any, error) {
	var rows []consumedRow
	provider, err := s.readProvider(ctx, r, func(tx *db.Tx, provider providerRow) (err error) {
		rows, err = allocationsOfProvider(tx, provider.UUID)
		return err
	})
	if err != nil {
		return nil, err
	}
	var modified time.Time
	for _, row := range rows {
		modified = later(modified, row.CreatedAt)
	}
	return s.answer(r, viewProviderAllocations(r, provider, rows), modified), nil
}

// allocationReplaceList replaces a consumer's allocations, given as a list (until
// microversion 1.11).
func (s *Service) allocationReplaceList(ctx context.Context, r *api.Request) (any, error) {
	var body consumerListWrite
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	return s.replaceOne(ctx, r, body.lifted())
}

// allocationReplace replaces a consumer's allocations.
func (s *Service) allocationReplace(ctx context.Context, r *api.Request) (any, error) {
	var body consumerWrite
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	return s.replaceOne(ctx, r, body)
}

func (s *Service) replaceOne(ctx context.Context, r *api.Request, body consumerWrite) (any, error) {
	uuid, ok := normalUUID(r.Param("consumer_uuid"))
	if !ok {
		return nil, api.BadRequest("Malformed consumer_uuid: %s", printable(r.Param("consumer_uuid")))
	}
	claims := []claim{body.claim(r, uuid)}
	err := s.deps.DB.Write(ctx, func(tx *db.Tx) error {
		if err := s.replaceAllocations(tx, claims); err != nil {
			return err
		}
		return s.recordClaims(tx, r, claims)
	})
	if refused := refusedAs(err, missing); refused != nil {
		return nil, api.BadRequest("Unable to allocate inventory for consumer %s: %s", uuid, refused.text)
	}
	return nil, asAllocationError(err)
}

// recordClaims writes the change log's entries for claims.
func (s *Service) recordClaims(tx *db.Tx, r *api.Request, claims []claim) error {
	for _, c := range claims {
		resources := make([]map[string]any, 0, len(c.wants))
		for _, w := range c.wants {
			resources = append(resources, map[string]any{"provider": w.provider, "class": w.class, "amount": w.amount})
		}
		change := feed.Change{Kind: "consumer", ID: c.consumer, Action: "allocate", OwnerProjectID: c.projectID,
			After: map[string]any{"consumer": c.consumer, "project_id": c.projectID, "user_id": c.userID, "allocations": resources}}
		if len(c.wants) == 0 {
			change.Action, change.Before, change.After = "deallocate", map[string]any{"consumer": c.consumer, "project_id": c.projectID}, nil
		}
		if err := s.record(tx, r, change); err != nil {
			return err
		}
	}
	return nil
}

// asAllocationError answers refusals that the ways to allocate share.
func asAllocationError(err error) error {
	var unknown *unknownProvider
	if errors.As(err, &unknown) {
		return api.BadRequest("%s", unknown.Error())
	}
	if refused := refusedAs(err, badInventory); refused != nil {
		return api.Conflict("Unable to allocate inventory: %s", refused.text)
	}
	return err
}

// allocationReplaceMany replaces the allocations of several consumers, all or none.
func (s *Service) allocationReplaceMany(ctx context.Context, r *api.Request) (any, error) {
	var body map[string]consumerWrite
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	claims := claimsOf(r, body)
	err := s.deps.DB.Write(ctx, func(tx *db.Tx) error {
		if err := s.replaceAllocations(tx, claims); err != nil {
			return err
		}
		return s.recordClaims(tx, r, claims)
	})
	if refused := refusedAs(err, missing); refused != nil {
		return nil, api.BadRequest("Unable to allocate inventory %s", refused.text)
	}
	return nil, asAllocationError(err)
}

func claimsOf(r *api.Request, body map[string]consumerWrite) []claim {
	byConsumer := make(map[string]claim, len(body))
	for _, given := range slices.Sorted(maps.Keys(body)) {
		uuid, _ := normalUUID(given)
		byConsumer[uuid] = body[given].claim(r, uuid)
	}
	claims := make([]claim, 0, len(byConsumer))
	for _, uuid := range slices.Sorted(maps.Keys(byConsumer)) {
		claims = append(claims, byConsumer[uuid])
	}
	return claims
}

// allocationDelete deletes all allocations of a consumer, and the consumer. The
// generations of the providers stay.
func (s *Service) allocationDelete(ctx context.Context, r *api.Request) (any, error) {
	uuid, ok := normalUUID(r.Param("consumer_uuid"))
	if !ok {
		return nil, noAllocations(printable(r.Param("consumer_uuid")))
	}
	return nil, s.deps.DB.Write(ctx, func(tx *db.Tx) error {
		rows, err := allocationsOfConsumers(tx, []string{uuid})
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return noAllocations(uuid)
		}
		if err := freeAllocations(tx, uuid, rows); err != nil {
			return err
		}
		allocations := make([]map[string]any, len(rows))
		for i, row := range rows {
			allocations[i] = map[string]any{"provider": row.Provider, "class": row.Class, "amount": row.Used}
		}
		return s.record(tx, r, feed.Change{Kind: "consumer", ID: uuid, Action: "deallocate",
			Before: map[string]any{"consumer": uuid, "allocations": allocations}})
	})
}

func noAllocations(consumer string) *api.Error {
	return api.NotFound("No allocations for consumer '%s'", consumer)
}

// freeAllocations deletes a consumer with its allocations, rows.
func freeAllocations(tx *db.Tx, consumer string, rows []allocationRow) error {
	if err := removeAllocations(tx, []string{consumer}); err != nil {
		return err
	}
	if err := deleteConsumer(tx, consumer); err != nil {
		return err
	}
	used := map[string]bool{}
	for _, row := range rows {
		used[row.Provider] = true
		if err := addUsed(tx, row.Provider, row.Class, -row.Used); err != nil {
			return err
		}
	}
	uuids := slices.Sorted(maps.Keys(used))
	providers, err := providersByUUID(tx, uuids)
	if err != nil {
		return err
	}
	for _, uuid := range uuids {
		if err := noteNumbers(tx, providers[uuid].Root); err != nil {
			return err
		}
	}
	return nil
}
