package placement

import (
	"strings"

	"virga/core/db"
)

// changeRow says that a tree changed: as a whole, or only the numbers in it (what its
// providers have, what of it is used, their generations). An empty root stands for the
// custom classes and traits.
type changeRow struct {
	Seq   int64  `db:"seq"`
	Root  string `db:"root"`
	Whole bool   `db:"whole"`
}

// newChange is a change without its number, which the database counts.
type newChange struct {
	Root  string `db:"root"`
	Whole bool   `db:"whole"`
}

// noteChange notes that anything of a tree may have changed. Every transaction that
// changes a tree notes it, or questions would be answered from an old image.
func noteChange(tx *db.Tx, root string) error {
	return tx.Insert("tree_changes", newChange{root, true})
}

// noteNumbers notes that numbers of a tree changed.
func noteNumbers(tx *db.Tx, root string) error {
	return tx.Insert("tree_changes", newChange{root, false})
}

// changesKept is how many changes the log keeps; a process that slept through more
// loads everything anew.
const changesKept = 20000

// pruneChanges forgets old changes.
func pruneChanges(tx *db.Tx) error {
	newest, err := lastChanges(tx, 1)
	if err != nil || len(newest) == 0 {
		return err
	}
	_, err = tx.Exec("DELETE FROM tree_changes WHERE seq < ?", newest[0]-changesKept)
	return err
}

// changesFrom lists the changes from number seq on, and those in gaps.
func changesFrom(tx *db.Tx, seq int64, gaps []int64) ([]changeRow, error) {
	var rows []changeRow
	text, args := "SELECT seq, root, whole FROM tree_changes WHERE seq >= ?", []any{seq}
	if len(gaps) > 0 {
		marks, more := db.In(gaps)
		text, args = text+" OR seq IN "+marks, append(args, more...)
	}
	err := tx.Select(&rows, text+" ORDER BY seq", args...)
	return rows, err
}

// lastChanges lists the numbers of the newest changes, newest first.
func lastChanges(tx *db.Tx, limit int) ([]int64, error) {
	var seqs []int64
	err := tx.Select(&seqs, "SELECT seq FROM tree_changes ORDER BY seq DESC LIMIT ?", limit)
	return seqs, err
}

// treeRows are the rows of some trees.
type treeRows struct {
	providers   []providerRow
	inventories []inventoryRow
	traits      []providerTraitRow
	aggregates  []providerAggregateRow
}

// loadTrees reads the trees with the given roots, all trees when roots is nil; without
// whole, traits and aggregates are left out.
func loadTrees(tx *db.Tx, roots []string, whole bool) (treeRows, error) {
	var rows treeRows
	where, args := "", []any(nil)
	if roots != nil {
		marks, values := db.In(roots)
		where, args = " WHERE p.root IN "+marks, values
	}
	of := func(table string) string {
		return " FROM " + table + " x JOIN resource_providers p ON p.uuid = x.provider" + where
	}
	err := tx.Select(&rows.providers, "SELECT "+db.Columns(providerRow{}, "p.")+" FROM resource_providers p"+where+
		" ORDER BY p.created_at, p.uuid", args...)
	if err != nil {
		return rows, err
	}
	err = tx.Select(&rows.inventories, "SELECT "+db.Columns(inventoryRow{}, "x.")+of("inventories")+" ORDER BY x.resource_class", args...)
	if err != nil || !whole {
		return rows, err
	}
	err = tx.Select(&rows.traits, "SELECT "+db.Columns(providerTraitRow{}, "x.")+of("provider_traits")+" ORDER BY x.trait", args...)
	if err != nil {
		return rows, err
	}
	err = tx.Select(&rows.aggregates, "SELECT "+db.Columns(providerAggregateRow{}, "x.")+of("provider_aggregates")+
		" ORDER BY x.aggregate", args...)
	return rows, err
}

// loadNames reads the names of the custom classes and traits.
func loadNames(tx *db.Tx) (classes, traits map[string]bool, err error) {
	classRows, err := customClasses(tx)
	if err != nil {
		return nil, nil, err
	}
	traitRows, err := customTraits(tx)
	classes, traits = map[string]bool{}, map[string]bool{}
	for _, row := range classRows {
		classes[row.Name] = true
	}
	for _, row := range traitRows {
		traits[row.Name] = true
	}
	return classes, traits, err
}

// encodeNames renders names, which have no characters to be escaped, as JSON.
func encodeNames(names []string) string {
	if len(names) == 0 {
		return "[]"
	}
	return `["` + strings.Join(names, `","`) + `"]`
}
