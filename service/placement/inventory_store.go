package placement

import (
	"math"
	"time"

	"virga/core/db"
)

// inventoryRow is how much of a resource class a provider has. Used is the sum of its
// allocations.
type inventoryRow struct {
	Provider        string    `db:"provider"`
	Class           string    `db:"resource_class"`
	Total           int64     `db:"total"`
	Reserved        int64     `db:"reserved"`
	MinUnit         int64     `db:"min_unit"`
	MaxUnit         int64     `db:"max_unit"`
	StepSize        int64     `db:"step_size"`
	AllocationRatio float64   `db:"allocation_ratio"`
	Used            int64     `db:"used"`
	CreatedAt       time.Time `db:"created_at"`
	UpdatedAt       time.Time `db:"updated_at"`
}

// capacity is how much may be allocated in all, in whole units.
func (i *inventoryRow) capacity() int64 {
	capacity := i.exactCapacity()
	if capacity >= math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(capacity)
}

func (i *inventoryRow) exactCapacity() float64 {
	return float64(i.Total-i.Reserved) * i.AllocationRatio
}

// suits tells whether an amount obeys the inventory's units.
func (i *inventoryRow) suits(amount int64) bool {
	return amount >= i.MinUnit && amount <= i.MaxUnit && amount%i.StepSize == 0
}

// fits tells whether an amount can be allocated on top of what is used.
func (i *inventoryRow) fits(amount int64) bool {
	return i.suits(amount) && float64(i.Used+amount) <= i.exactCapacity()
}

// inventoriesOf lists the inventories of a provider by class.
func inventoriesOf(tx *db.Tx, provider string) ([]inventoryRow, error) {
	var rows []inventoryRow
	err := tx.Select(&rows, "SELECT "+db.Columns(inventoryRow{}, "")+
		" FROM inventories WHERE provider = ? ORDER BY resource_class", provider)
	return rows, err
}

func getInventory(tx *db.Tx, provider, class string) (inventoryRow, error) {
	var row inventoryRow
	err := tx.Get(&row, "SELECT "+db.Columns(row, "")+
		" FROM inventories WHERE provider = ? AND resource_class = ?", provider, class)
	return row, err
}

// inventoriesOfAll lists the inventories of several providers.
func inventoriesOfAll(tx *db.Tx, providers []string) ([]inventoryRow, error) {
	var rows []inventoryRow
	marks, args := db.In(providers)
	err := tx.Select(&rows, "SELECT "+db.Columns(inventoryRow{}, "")+" FROM inventories WHERE provider IN "+marks, args...)
	return rows, err
}

func insertInventory(tx *db.Tx, row inventoryRow) error { return tx.Insert("inventories", row) }

// updateInventory writes the numbers of an inventory; how much is used stays.
func updateInventory(tx *db.Tx, row inventoryRow) error {
	_, err := tx.Exec(`UPDATE inventories SET total = ?, reserved = ?, min_unit = ?, max_unit = ?, step_size = ?,
		allocation_ratio = ?, updated_at = ? WHERE provider = ? AND resource_class = ?`,
		row.Total, row.Reserved, row.MinUnit, row.MaxUnit, row.StepSize, row.AllocationRatio, row.UpdatedAt, row.Provider, row.Class)
	return err
}

func deleteInventory(tx *db.Tx, provider, class string) error {
	_, err := tx.Exec("DELETE FROM inventories WHERE provider = ? AND resource_class = ?", provider, class)
	return err
}

// addUsed changes how much of an inventory is used by delta.
func addUsed(tx *db.Tx, provider, class string, delta int64) error {
	_, err := tx.Exec("UPDATE inventories SET used = used + ? WHERE provider = ? AND resource_class = ?", delta, provider, class)
	return err
}

// classInUse tells whether any provider has an inventory of the class.
func classInUse(tx *db.Tx, class string) (bool, error) {
	var n int
	err := tx.Get(&n, "SELECT COUNT(*) FROM inventories WHERE resource_class = ?", class)
	return n > 0, err
}
