package placement

import (
	"time"

	"virga/core/db"
)

// namesChanged stands in tree_changes for a change of the custom classes or traits.
const namesChanged = ""

// classRow is a custom resource class.
type classRow struct {
	Name      string    `db:"name"`
	CreatedAt time.Time `db:"created_at"`
	UpdatedAt time.Time `db:"updated_at"`
}

// traitRow is a custom trait.
type traitRow struct {
	Name      string    `db:"name"`
	CreatedAt time.Time `db:"created_at"`
}

// customExists tells whether table, resource_classes or traits, has the name.
func customExists(tx *db.Tx, table, name string) (bool, error) {
	var n int
	err := tx.Get(&n, "SELECT COUNT(*) FROM "+table+" WHERE name = ?", name)
	return n > 0, err
}

func customClasses(tx *db.Tx) ([]classRow, error) {
	var rows []classRow
	err := tx.Select(&rows, "SELECT name, created_at, updated_at FROM resource_classes ORDER BY name")
	return rows, err
}

func customTraits(tx *db.Tx) ([]traitRow, error) {
	var rows []traitRow
	err := tx.Select(&rows, "SELECT name, created_at FROM traits ORDER BY name")
	return rows, err
}

func insertClass(tx *db.Tx, row classRow) error {
	if err := tx.Insert("resource_classes", row); err != nil {
		return err
	}
	return noteChange(tx, namesChanged)
}

// renameClass renames a class and its inventories; allocations follow by their key.
func renameClass(tx *db.Tx, from, to string, now time.Time) error {
	_, err := tx.Exec("UPDATE resource_classes SET name = ?, updated_at = ? WHERE name = ?", to, now, from)
	if err != nil {
		return err
	}
	var roots []string
	err = tx.Select(&roots, `SELECT DISTINCT p.root FROM resource_providers p JOIN inventories i ON i.provider = p.uuid
		WHERE i.resource_class = ?`, from)
	if err != nil {
		return err
	}
	if _, err := tx.Exec("UPDATE inventories SET resource_class = ? WHERE resource_class = ?", to, from); err != nil {
		return err
	}
	for _, root := range append(roots, namesChanged) {
		if err := noteChange(tx, root); err != nil {
			return err
		}
	}
	return nil
}

func deleteClass(tx *db.Tx, name string) error {
	if _, err := tx.Exec("DELETE FROM resource_classes WHERE name = ?", name); err != nil {
		return err
	}
	return noteChange(tx, namesChanged)
}

func insertTrait(tx *db.Tx, row traitRow) error {
	if err := tx.Insert("traits", row); err != nil {
		return err
	}
	return noteChange(tx, namesChanged)
}

func deleteTrait(tx *db.Tx, name string) error {
	if _, err := tx.Exec("DELETE FROM traits WHERE name = ?", name); err != nil {
		return err
	}
	return noteChange(tx, namesChanged)
}

// usedTraits lists the traits that any provider has.
func usedTraits(tx *db.Tx) ([]string, error) {
	var names []string
	err := tx.Select(&names, "SELECT DISTINCT trait FROM provider_traits")
	return names, err
}

func traitInUse(tx *db.Tx, name string) (bool, error) {
	var n int
	err := tx.Get(&n, "SELECT COUNT(*) FROM provider_traits WHERE trait = ?", name)
	return n > 0, err
}

// traitsOf lists the traits of a provider by name.
func traitsOf(tx *db.Tx, provider string) ([]string, error) {
	var names []string
	err := tx.Select(&names, "SELECT trait FROM provider_traits WHERE provider = ? ORDER BY trait", provider)
	return names, err
}

type providerTraitRow struct {
	Provider string `db:"provider"`
	Trait    string `db:"trait"`
}

// replaceTraits makes the traits of a provider the given ones.
func replaceTraits(tx *db.Tx, provider *providerRow, names []string) error {
	if _, err := tx.Exec("DELETE FROM provider_traits WHERE provider = ?", provider.UUID); err != nil {
		return err
	}
	for _, name := range names {
		if err := tx.Insert("provider_traits", providerTraitRow{provider.UUID, name}); err != nil {
			return err
		}
	}
	return noteChange(tx, provider.Root)
}

type providerAggregateRow struct {
	Provider  string `db:"provider"`
	Aggregate string `db:"aggregate"`
}

// aggregatesOf lists the aggregates of a provider.
func aggregatesOf(tx *db.Tx, provider string) ([]string, error) {
	var uuids []string
	err := tx.Select(&uuids, "SELECT aggregate FROM provider_aggregates WHERE provider = ? ORDER BY aggregate", provider)
	return uuids, err
}

// replaceAggregates makes the aggregates of a provider the given ones.
func replaceAggregates(tx *db.Tx, provider *providerRow, uuids []string) error {
	if _, err := tx.Exec("DELETE FROM provider_aggregates WHERE provider = ?", provider.UUID); err != nil {
		return err
	}
	for _, uuid := range uuids {
		if err := tx.Insert("provider_aggregates", providerAggregateRow{provider.UUID, uuid}); err != nil {
			return err
		}
	}
	return noteChange(tx, provider.Root)
}
