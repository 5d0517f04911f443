package placement

import (
	"errors"
	"time"

	"virga/core/db"
)

// providerRow is a resource provider. Parent is empty for the root of a tree, Root is
// the root's uuid, its own for a root.
type providerRow struct {
	UUID       string    `db:"uuid"`
	Name       string    `db:"name"`
	Parent     string    `db:"parent"`
	Root       string    `db:"root"`
	Generation int64     `db:"generation"`
	CreatedAt  time.Time `db:"created_at"`
	UpdatedAt  time.Time `db:"updated_at"`
}

// getProvider returns db.ErrNotFound when there is none.
func getProvider(tx *db.Tx, uuid string) (providerRow, error) {
	var row providerRow
	err := tx.Get(&row, "SELECT "+db.Columns(row, "")+" FROM resource_providers WHERE uuid = ?", uuid)
	return row, err
}

// findProvider is getProvider with the API's 404.
func findProvider(tx *db.Tx, uuid string) (providerRow, error) {
	row, err := getProvider(tx, uuid)
	if errors.Is(err, db.ErrNotFound) {
		return row, noProvider(uuid)
	}
	return row, err
}

func insertProvider(tx *db.Tx, row providerRow) error {
	if err := tx.Insert("resource_providers", row); err != nil {
		return err
	}
	return noteChange(tx, row.Root)
}

// duplicatesOf lists providers that have the uuid or the name.
func duplicatesOf(tx *db.Tx, uuid, name string) ([]providerRow, error) {
	var rows []providerRow
	err := tx.Select(&rows, "SELECT "+db.Columns(providerRow{}, "")+" FROM resource_providers WHERE uuid = ? OR name = ?", uuid, name)
	return rows, err
}

// updateProvider writes name and parent of a provider that had the root before.
func updateProvider(tx *db.Tx, row providerRow, formerRoot string) error {
	if err := tx.Update("resource_providers", row, "uuid"); err != nil {
		return err
	}
	if formerRoot != row.Root {
		if err := noteChange(tx, formerRoot); err != nil {
			return err
		}
	}
	return noteChange(tx, row.Root)
}

// providersOfTree lists all providers of a tree.
func providersOfTree(tx *db.Tx, root string) ([]providerRow, error) {
	var rows []providerRow
	err := tx.Select(&rows, "SELECT "+db.Columns(providerRow{}, "")+" FROM resource_providers WHERE root = ?", root)
	return rows, err
}

// moveToTree gives providers another root.
func moveToTree(tx *db.Tx, uuids []string, root string) error {
	marks, args := db.In(uuids)
	_, err := tx.Exec("UPDATE resource_providers SET root = ? WHERE uuid IN "+marks, append([]any{root}, args...)...)
	return err
}

func hasChildren(tx *db.Tx, uuid string) (bool, error) {
	var n int
	err := tx.Get(&n, "SELECT COUNT(*) FROM resource_providers WHERE parent = ?", uuid)
	return n > 0, err
}

func hasAllocations(tx *db.Tx, provider string) (bool, error) {
	var n int
	err := tx.Get(&n, "SELECT COUNT(*) FROM allocations WHERE provider = ?", provider)
	return n > 0, err
}

// deleteProvider deletes a provider, which has neither children nor allocations, with
// all that belongs to it.
func deleteProvider(tx *db.Tx, row providerRow) error {
	for _, text := range []string{
		"DELETE FROM inventories WHERE provider = ?",
		"DELETE FROM provider_traits WHERE provider = ?",
		"DELETE FROM provider_aggregates WHERE provider = ?",
		"DELETE FROM resource_providers WHERE uuid = ?",
	} {
		if _, err := tx.Exec(text, row.UUID); err != nil {
			return err
		}
	}
	return noteChange(tx, row.Root)
}

// bumpGeneration counts a provider's generation up and notes that its numbers changed.
func bumpGeneration(tx *db.Tx, row *providerRow, now time.Time) error {
	row.Generation++
	row.UpdatedAt = now
	_, err := tx.Exec("UPDATE resource_providers SET generation = ?, updated_at = ? WHERE uuid = ?", row.Generation, now, row.UUID)
	if err != nil {
		return err
	}
	return noteNumbers(tx, row.Root)
}
