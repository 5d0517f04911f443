package placement

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"virga/core/api"
	"virga/core/db"
	"virga/core/feed"
)

// inventoryList shows all inventories of a provider.
func (s *Service) inventoryList(ctx context.Context, r *api.Request) (any, error) {
	var rows []inventoryRow
	provider, err := s.readProvider(ctx, r, func(tx *db.Tx, provider providerRow) (err error) {
		rows, err = inventoriesOf(tx, provider.UUID)
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.answer(r, viewInventories(provider.Generation, rows), lastChange(rows)), nil
}

func lastChange(rows []inventoryRow) time.Time {
	var last time.Time
	for _, row := range rows {
		last = later(last, row.UpdatedAt)
	}
	return last
}

// inventoryShow shows the inventory of one class.
func (s *Service) inventoryShow(ctx context.Context, r *api.Request) (any, error) {
	class := printable(r.Param("resource_class"))
	var row inventoryRow
	provider, err := s.readProvider(ctx, r, func(tx *db.Tx, provider providerRow) (err error) {
		if row, err = getInventory(tx, provider.UUID, class); errors.Is(err, db.ErrNotFound) {
			return api.NotFound("No inventory of class %s for %s", class, provider.UUID)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.answer(r, oneInventoryView{viewInventory(row), provider.Generation}, row.UpdatedAt), nil
}

// inventoryCreate adds an inventory of a class that the provider has none of.
func (s *Service) inventoryCreate(ctx context.Context, r *api.Request) (any, error) {
	var body inventoryWrite
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	var row inventoryRow
	provider, err := s.changeProvider(ctx, r, func(tx *db.Tx, provider *providerRow) error {
		row = body.row(provider.UUID, body.Class)
		row.CreatedAt = s.deps.Clock.Now()
		row.UpdatedAt = row.CreatedAt
		if err := s.checkInventories(tx, r, row); err != nil {
			return err
		}
		if err := insertInventory(tx, row); err != nil {
			return err
		}
		return s.inventoryChanged(tx, r, provider, row.Class)
	})
	if errors.Is(err, db.ErrDuplicate) {
		return nil, concurrent("Update conflict: Inventory for '%s' on resource provider '%s' already exists.", body.Class, provider.UUID)
	}
	if refused := refusedAs(err, missing, badCapacity); refused != nil {
		return nil, api.BadRequest("Unable to create inventory for resource provider %s: %s", provider.UUID, refused.text)
	}
	if err != nil {
		return nil, err
	}
	response := s.answer(r, oneInventoryView{viewInventory(row), provider.Generation}, row.UpdatedAt)
	response.Status = http.StatusCreated
	return located(r, response, "/resource_providers/"+provider.UUID+"/inventories/"+row.Class), nil
}

// inventoryChanged ends every change of a provider's inventories.
func (s *Service) inventoryChanged(tx *db.Tx, r *api.Request, provider *providerRow, classes ...string) error {
	before := documentOfProvider(provider)
	if err := bumpGeneration(tx, provider, s.deps.Clock.Now()); err != nil {
		return err
	}
	return s.record(tx, r, feed.Change{Kind: "resource_provider", ID: provider.UUID, Action: "update_inventory",
		Before: before, After: documentOfProvider(provider), Detail: map[string]any{"classes": classes}})
}

// checkInventories refuses unknown classes and inventories without capacity; before
// microversion 1.26 an inventory may not be reserved as a whole.
func (s *Service) checkInventories(tx *db.Tx, r *api.Request, rows ...inventoryRow) error {
	for _, row := range rows {
		capacity, why := row.capacity(), "greater than total"
		if !since(r, reservedMayBeTotal) {
			capacity, why = capacity-1, "greater than or equal to total"
		}
		if capacity < 0 {
			return &refusal{badCapacity, fmt.Sprintf("Invalid inventory for '%s' on resource provider '%s'. The reserved value is %s.",
				row.Class, row.Provider, why)}
		}
	}
	for _, row := range rows {
		if err := s.checkClass(tx, row.Class); err != nil {
			return err
		}
	}
	return nil
}

// inventoryReplaceAll makes the inventories of a provider what the body says.
func (s *Service) inventoryReplaceAll(ctx context.Context, r *api.Request) (any, error) {
	var body inventoriesWrite
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	var rows []inventoryRow
	provider, err := s.changeProvider(ctx, r, func(tx *db.Tx, provider *providerRow) error {
		if body.Generation != provider.Generation {
			return concurrent("resource provider generation conflict")
		}
		rows = body.rows(provider.UUID)
		if err := s.checkInventories(tx, r, rows...); err != nil {
			return err
		}
		if err := s.replaceInventories(tx, provider.UUID, rows, true); err != nil {
			return err
		}
		return s.inventoryChanged(tx, r, provider, slices.Sorted(maps.Keys(body.Inventories))...)
	})
	if refused := refusedAs(err, missing); refused != nil {
		return nil, api.BadRequest("Unknown resource class in inventory for resource provider %s: %s", provider.UUID, refused.text)
	}
	if refused := refusedAs(err, inUse); refused != nil {
		return nil, api.Conflict("update conflict: %s", refused.text).WithCode(codeInventoryInUse)
	}
	if refused := refusedAs(err, badCapacity); refused != nil {
		return nil, api.BadRequest("Unable to update inventory for resource provider %s: %s", provider.UUID, refused.text)
	}
	if err != nil {
		return nil, err
	}
	return s.answer(r, viewInventories(provider.Generation, rows), time.Time{}), nil
}

func (w inventoriesWrite) rows(provider string) []inventoryRow {
	rows := make([]inventoryRow, 0, len(w.Inventories))
	for _, class := range slices.Sorted(maps.Keys(w.Inventories)) {
		rows = append(rows, w.Inventories[class].row(provider, class))
	}
	return rows
}

// replaceInventories writes the inventories of a provider and, when asked, deletes all
// others. An inventory with allocations cannot be deleted.
func (s *Service) replaceInventories(tx *db.Tx, provider string, rows []inventoryRow, deleteOthers bool) error {
	now := s.deps.Clock.Now()
	former, err := inventoriesOf(tx, provider)
	if err != nil {
		return err
	}
	had := map[string]inventoryRow{}
	for _, row := range former {
		had[row.Class] = row
	}
	for _, row := range rows {
		row.UpdatedAt = now
		if _, update := had[row.Class]; update {
			err = updateInventory(tx, row)
		} else {
			row.CreatedAt = now
			err = insertInventory(tx, row)
		}
		if err != nil {
			return err
		}
		delete(had, row.Class)
	}
	if !deleteOthers {
		return nil
	}
	return deleteInventories(tx, provider, slices.Collect(maps.Values(had)))
}

// inOrderOfClasses compares classes as placement numbers them: standard ones first, in their order, then custom ones.
func inOrderOfClasses(a, b string) int {
	standard := standardClasses()
	x, y := slices.Index(standard, a), slices.Index(standard, b)
	if x < 0 {
		x = len(standard)
	}
	if y < 0 {
		y = len(standard)
	}
	return cmp.Or(cmp.Compare(x, y), strings.Compare(a, b))
}

func deleteInventories(tx *db.Tx, provider string, rows []inventoryRow) error {
	var used []string
	for _, row := range rows {
		if row.Used > 0 {
			used = append(used, row.Class)
		}
	}
	if len(used) > 0 {
		slices.SortFunc(used, inOrderOfClasses)
		return &refusal{inUse, fmt.Sprintf("Inventory for '%s' on resource provider '%s' in use.", strings.Join(used, ", "), provider)}
	}
	for _, row := range rows {
		if err := deleteInventory(tx, provider, row.Class); err != nil {
			return err
		}
	}
	return nil
}

// inventoryUpdate changes the numbers of one inventory.
func (s *Service) inventoryUpdate(ctx context.Context, r *api.Request) (any, error) {
	var body inventoryWrite
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	class := printable(r.Param("resource_class"))
	var row inventoryRow
	provider, err := s.changeProvider(ctx, r, func(tx *db.Tx, provider *providerRow) error {
		if body.Generation != provider.Generation {
			return concurrent("resource provider generation conflict")
		}
		row = body.row(provider.UUID, class)
		row.UpdatedAt = s.deps.Clock.Now()
		if err := s.checkInventories(tx, r, row); err != nil {
			if refused := refusedAs(err, missing); refused != nil {
				return api.NotFound("%s", refused.text)
			}
			return err
		}
		if _, err := getInventory(tx, provider.UUID, class); errors.Is(err, db.ErrNotFound) {
			return api.BadRequest("No inventory record with resource class for resource provider %s: No inventory of class %s found.",
				provider.UUID, class)
		}
		if err := updateInventory(tx, row); err != nil {
			return err
		}
		return s.inventoryChanged(tx, r, provider, class)
	})
	if refused := refusedAs(err, badCapacity); refused != nil {
		return nil, api.BadRequest("Unable to update inventory for resource provider %s: %s", provider.UUID, refused.text)
	}
	if err != nil {
		return nil, err
	}
	return s.answer(r, oneInventoryView{viewInventory(row), provider.Generation}, row.UpdatedAt), nil
}

// inventoryDelete deletes one inventory that nobody uses.
func (s *Service) inventoryDelete(ctx context.Context, r *api.Request) (any, error) {
	class := printable(r.Param("resource_class"))
	_, err := s.changeProvider(ctx, r, func(tx *db.Tx, provider *providerRow) error {
		if err := s.checkClass(tx, class); err != nil {
			return err
		}
		row, err := getInventory(tx, provider.UUID, class)
		if errors.Is(err, db.ErrNotFound) {
			return &refusal{missing, "No inventory of class " + class + " found for delete"}
		}
		if err != nil {
			return err
		}
		if err := deleteInventories(tx, provider.UUID, []inventoryRow{row}); err != nil {
			return err
		}
		return s.inventoryChanged(tx, r, provider, class)
	})
	if refused := refusedAs(err, inUse); refused != nil {
		return nil, concurrent("Unable to delete inventory of class %s: %s", class, refused.text)
	}
	if refused := refusedAs(err, missing); refused != nil {
		return nil, api.NotFound("No inventory of class %s found for delete: %s", class, refused.text)
	}
	return nil, err
}

// inventoryDeleteAll deletes all inventories of a provider that nobody uses.
func (s *Service) inventoryDeleteAll(ctx context.Context, r *api.Request) (any, error) {
	_, err := s.changeProvider(ctx, r, func(tx *db.Tx, provider *providerRow) error {
		if err := s.replaceInventories(tx, provider.UUID, nil, true); err != nil {
			return err
		}
		return s.inventoryChanged(tx, r, provider)
	})
	if refused := refusedAs(err, inUse); refused != nil {
		return nil, api.Conflict("%s", refused.text).WithCode(codeInventoryInUse)
	}
	return nil, err
}
