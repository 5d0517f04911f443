package placement

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"virga/core/db"
)

// claim is what one consumer is to have, in place of all that it had; without wants it
// is to have nothing.
type claim struct {
	consumer          string
	projectID, userID string
	// consumerType is empty when the request's microversion has no types; then a
	// consumer keeps its type.
	consumerType    string
	checkGeneration bool
	// generation is the consumer's as the caller knows it; nil: it does not exist.
	generation *int64
	wants      []want
}

// want is an amount of a class on a provider.
type want struct {
	provider, class string
	amount          int64
}

// inventoryKey names an inventory.
type inventoryKey struct{ provider, class string }

// replaceAllocations gives each consumer what its claim says, all or nothing. It reads,
// checks and writes in the caller's transaction, which is serializable; so what it
// finds free is free until the commit. Refusals: missing (no such provider or class),
// badInventory (it does not fit); a consumer's wrong generation is the API's conflict.
func (s *Service) replaceAllocations(tx *db.Tx, claims []claim) error {
	now := s.deps.Clock.Now()
	uuids := make([]string, len(claims))
	for i, c := range claims {
		uuids[i] = c.consumer
	}
	consumers, err := s.settleConsumers(tx, claims, uuids, now)
	if err != nil {
		return err
	}
	former, err := allocationsOfConsumers(tx, uuids)
	if err != nil {
		return err
	}
	touched, inventories, err := s.loadClaimed(tx, claims, former)
	if err != nil {
		return err
	}
	delta, err := weigh(claims, former, inventories)
	if err != nil {
		return err
	}
	if err := writeClaims(tx, claims, consumers, former, now); err != nil {
		return err
	}
	for _, key := range sortedKeys(delta) {
		if delta[key] == 0 {
			continue
		}
		if err := addUsed(tx, key.provider, key.class, delta[key]); err != nil {
			return err
		}
	}
	return bumpClaimed(tx, claims, former, touched, now)
}

func sortedKeys(delta map[inventoryKey]int64) []inventoryKey {
	return slices.SortedFunc(maps.Keys(delta), func(a, b inventoryKey) int {
		if a.provider != b.provider {
			return compare(a.provider, b.provider)
		}
		return compare(a.class, b.class)
	})
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// settleConsumers checks the generations of the claims' consumers and returns each as it
// will be.
func (s *Service) settleConsumers(tx *db.Tx, claims []claim, uuids []string, now time.Time) (map[string]consumerRow, error) {
	rows, err := consumersOf(tx, uuids)
	if err != nil {
		return nil, err
	}
	consumers := make(map[string]consumerRow, len(rows))
	for _, row := range rows {
		consumers[row.UUID] = row
	}
	for _, c := range claims {
		row, exists := consumers[c.consumer]
		if c.checkGeneration {
			if err := checkConsumerGeneration(row, exists, c.generation); err != nil {
				return nil, err
			}
		}
		if !exists {
			row = consumerRow{UUID: c.consumer, CreatedAt: now}
		}
		row.ProjectID, row.UserID, row.UpdatedAt = c.projectID, c.userID, now
		row.Generation++
		if c.consumerType != "" {
			row.Type = c.consumerType
		}
		consumers[c.consumer] = row
	}
	return consumers, nil
}

func checkConsumerGeneration(row consumerRow, exists bool, given *int64) error {
	switch {
	case !exists && given != nil:
		return concurrent("consumer generation conflict - expected null but got %d", *given)
	case exists && (given == nil || *given != row.Generation):
		got := "None"
		if given != nil {
			got = strconv.FormatInt(*given, 10)
		}
		return concurrent("consumer generation conflict - expected %d but got %s", row.Generation, got)
	}
	return nil
}

// loadClaimed reads the providers and inventories that claims or former allocations
// name, and refuses providers and classes that do not exist.
func (s *Service) loadClaimed(tx *db.Tx, claims []claim, former []allocationRow) (
	map[string]*providerRow, map[inventoryKey]*inventoryRow, error,
) {
	named, classes := map[string]bool{}, map[string]bool{}
	for _, c := range claims {
		for _, w := range c.wants {
			named[w.provider], classes[w.class] = true, true
		}
	}
	wanted := slices.Sorted(maps.Keys(named))
	for _, row := range former {
		named[row.Provider] = true
	}
	all := slices.Sorted(maps.Keys(named))
	providers, err := providersByUUID(tx, all)
	if err != nil {
		return nil, nil, err
	}
	for _, uuid := range wanted {
		if providers[uuid] == nil {
			return nil, nil, &unknownProvider{uuid}
		}
	}
	for _, class := range slices.Sorted(maps.Keys(classes)) {
		if err := s.checkClass(tx, class); err != nil {
			return nil, nil, err
		}
	}
	rows, err := inventoriesOfAll(tx, all)
	if err != nil {
		return nil, nil, err
	}
	inventories := make(map[inventoryKey]*inventoryRow, len(rows))
	for i := range rows {
		inventories[inventoryKey{rows[i].Provider, rows[i].Class}] = &rows[i]
	}
	return providers, inventories, nil
}

// unknownProvider is a claim on a provider that does not exist.
type unknownProvider struct{ uuid string }

// Error implements error.
func (u *unknownProvider) Error() string {
	return fmt.Sprintf("Allocation for resource provider '%s' that does not exist.", u.uuid)
}

// weigh finds out by how much each inventory's use changes and whether that fits. An
// inventory that was over its capacity before (it was made smaller) may stay so as long
// as it does not get worse.
func weigh(claims []claim, former []allocationRow, inventories map[inventoryKey]*inventoryRow) (map[inventoryKey]int64, error) {
	delta := map[inventoryKey]int64{}
	for _, row := range former {
		delta[inventoryKey{row.Provider, row.Class}] -= row.Used
	}
	var wanted []inventoryKey
	for _, c := range claims {
		for _, w := range c.wants {
			key := inventoryKey{w.provider, w.class}
			inventory := inventories[key]
			if inventory == nil {
				return nil, &refusal{badInventory, fmt.Sprintf("Inventory for '%s' on resource provider '%s' invalid.", w.class, w.provider)}
			}
			if !inventory.suits(w.amount) {
				return nil, &refusal{badInventory, fmt.Sprintf("Unable to create allocation for '%s' on resource provider '%s'. "+
					"The requested amount would violate inventory constraints.", w.class, w.provider)}
			}
			delta[key] += w.amount
			wanted = append(wanted, key)
		}
	}
	for _, key := range wanted {
		inventory := inventories[key]
		if float64(inventory.Used+delta[key]) > inventory.exactCapacity() && delta[key] > 0 {
			return nil, &refusal{badInventory, fmt.Sprintf("Unable to create allocation for '%s' on resource provider '%s'. "+
				"The requested amount would exceed the capacity.", key.class, key.provider)}
		}
	}
	return delta, nil
}

// writeClaims replaces the rows of the claims' consumers; a consumer without allocations
// is deleted.
func writeClaims(tx *db.Tx, claims []claim, consumers map[string]consumerRow, former []allocationRow, now time.Time) error {
	if len(former) > 0 {
		held := map[string]bool{}
		for _, row := range former {
			held[row.Consumer] = true
		}
		if err := removeAllocations(tx, slices.Sorted(maps.Keys(held))); err != nil {
			return err
		}
	}
	var rows []allocationRow
	for _, c := range claims {
		if len(c.wants) == 0 {
			if err := deleteConsumer(tx, c.consumer); err != nil {
				return err
			}
			continue
		}
		if err := saveConsumer(tx, consumers[c.consumer]); err != nil {
			return err
		}
		for _, w := range c.wants {
			rows = append(rows, allocationRow{c.consumer, w.provider, w.class, w.amount, now})
		}
	}
	return insertAllocations(tx, rows)
}

// bumpClaimed counts up the generation of each provider that a claim uses or that a
// claim for nothing leaves, and notes the change of the trees of all others.
func bumpClaimed(tx *db.Tx, claims []claim, former []allocationRow, providers map[string]*providerRow, now time.Time) error {
	grows, emptied := map[string]bool{}, map[string]bool{}
	for _, c := range claims {
		for _, w := range c.wants {
			grows[w.provider] = true
		}
		emptied[c.consumer] = len(c.wants) == 0
	}
	for _, row := range former {
		grows[row.Provider] = grows[row.Provider] || emptied[row.Consumer]
	}
	for _, uuid := range slices.Sorted(maps.Keys(grows)) {
		var err error
		if grows[uuid] {
			err = bumpGeneration(tx, providers[uuid], now)
		} else {
			err = noteNumbers(tx, providers[uuid].Root)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
