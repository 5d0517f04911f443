package placement

import (
	"context"
	"errors"
	"maps"
	"slices"

	"virga/core/api"
	"virga/core/db"
)

type reshapeWrite struct {
	Inventories map[string]inventoriesWrite `json:"inventories"`
	Allocations map[string]consumerWrite    `json:"allocations"`
}

// reshape replaces the inventories of several providers together with the allocations
// on them, all or nothing: so an inventory in use moves from a provider to its child.
func (s *Service) reshape(ctx context.Context, r *api.Request) (any, error) {
	var body reshapeWrite
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	claims := claimsOf(r, body.Allocations)
	err := s.deps.DB.Write(ctx, func(tx *db.Tx) error {
		if err := s.checkReshape(tx, r, body.Inventories); err != nil {
			return err
		}
		// Old and new inventories side by side: those in use cannot go yet, those to
		// be used must be there.
		if err := s.writeReshaped(tx, r, body.Inventories, false); err != nil {
			return err
		}
		if err := s.replaceAllocations(tx, claims); err != nil {
			return err
		}
		if err := s.writeReshaped(tx, r, body.Inventories, true); err != nil {
			return err
		}
		return s.recordClaims(tx, r, claims)
	})
	if refused := refusedAs(err, missing); refused != nil {
		return nil, api.BadRequest("malformed reshaper data: %s", refused.text)
	}
	if refused := refusedAs(err, inUse); refused != nil {
		return nil, api.Conflict("update conflict: %s", refused.text).WithCode(codeInventoryInUse)
	}
	return nil, asAllocationError(err)
}

// checkReshape refuses unknown providers and classes and wrong generations.
func (s *Service) checkReshape(tx *db.Tx, r *api.Request, inventories map[string]inventoriesWrite) error {
	for _, given := range slices.Sorted(maps.Keys(inventories)) {
		uuid, _ := normalUUID(given)
		provider, err := getProvider(tx, uuid)
		if errors.Is(err, db.ErrNotFound) {
			return api.BadRequest("Resource provider %s in inventories not found: "+providerNotFoundFormat, uuid, uuid).
				WithCode(codeProviderNotFound)
		}
		if err != nil {
			return err
		}
		if wanted := inventories[given].Generation; wanted != provider.Generation {
			return concurrent("resource provider generation conflict for provider %s: actual: %d, given: %d",
				uuid, provider.Generation, wanted)
		}
		err = s.checkInventories(tx, r, inventories[given].rows(uuid)...)
		if refused := refusedAs(err, badCapacity); refused != nil {
			return api.BadRequest("malformed reshaper data: %s", refused.text)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// writeReshaped writes the inventories of each provider; the first time, when others are
// kept, a provider that is to have none is left as it is.
func (s *Service) writeReshaped(tx *db.Tx, r *api.Request, inventories map[string]inventoriesWrite, deleteOthers bool) error {
	for _, given := range slices.Sorted(maps.Keys(inventories)) {
		uuid, _ := normalUUID(given)
		rows := inventories[given].rows(uuid)
		if len(rows) == 0 && !deleteOthers {
			continue
		}
		if err := s.replaceInventories(tx, uuid, rows, deleteOthers); err != nil {
			return err
		}
		provider, err := getProvider(tx, uuid)
		if err != nil {
			return err
		}
		if err := s.inventoryChanged(tx, r, &provider, slices.Sorted(maps.Keys(inventories[given].Inventories))...); err != nil {
			return err
		}
	}
	return nil
}
