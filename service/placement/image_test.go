package placement

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"virga/core/clock"
	"virga/core/db"
	"virga/core/db/dbtest"
)

// describe renders all that questions can see of a forest.
func (f *forest) describe() []string {
	var lines []string
	for _, t := range f.trees {
		if f.order[t.at] != t {
			lines = append(lines, "tree is not where it says: "+t.root.row.UUID)
		}
		for _, n := range t.nodes {
			parent := ""
			if n.parent != nil {
				parent = n.parent.row.UUID
			}
			line := fmt.Sprint(n.row.UUID, n.row.Generation, " in ", t.root.row.UUID, " below ", parent, n.traits, n.aggregates, f.sharing[n.row.UUID] == n, f.nodes[n.row.UUID] == n)
			for _, inventory := range n.inventories {
				line += fmt.Sprint(" ", inventory.Class, inventory.Total, "-", inventory.Used)
			}
			lines = append(lines, line)
		}
	}
	slices.Sort(lines)
	return append(lines, fmt.Sprint(len(f.order), len(f.nodes), len(f.sharing), slices.Sorted(maps.Keys(f.classes)), slices.Sorted(maps.Keys(f.traits))))
}

// TestImageFollowsTheDatabase makes random changes; after each few, an image that
// followed them equals one that was loaded anew.
func TestImageFollowsTheDatabase(t *testing.T) {
	d := dbtest.Open(t)
	if err := d.Migrate(t.Context(), "placement", folder(migrationFiles, "migrations")); err != nil {
		t.Fatal(err)
	}
	ids := clock.NewSeeded(1, time.Unix(0, 0))
	random := rand.New(rand.NewPCG(3, 4))
	follower := newImage(d, ids)
	for round := range 150 {
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			for range 1 + random.IntN(3) {
				if err := changeSomething(tx, random, ids); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		var followed, loaded []string
		err = follower.look(t.Context(), func(f *forest) error { followed = f.describe(); return nil })
		if err != nil {
			t.Fatal(err)
		}
		err = newImage(d, ids).look(t.Context(), func(f *forest) error { loaded = f.describe(); return nil })
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(loaded, followed); diff != "" {
			t.Fatalf("round %d:\n%s", round, diff)
		}
	}
	if len(follower.forest.nodes) < 5 {
		t.Errorf("the test made %d providers only", len(follower.forest.nodes))
	}
}

// changeSomething makes one change as the handlers do.
func changeSomething(tx *db.Tx, random *rand.Rand, ids *clock.Seeded) error {
	ids.Advance(time.Millisecond)
	var all []providerRow
	if err := tx.Select(&all, "SELECT "+db.Columns(providerRow{}, "")+" FROM resource_providers ORDER BY uuid"); err != nil {
		return err
	}
	if len(all) < 5 || random.IntN(6) == 0 {
		row := providerRow{UUID: ids.ID(), CreatedAt: ids.Now()}
		row.Name, row.Root = row.UUID, row.UUID
		if len(all) > 0 && random.IntN(2) == 0 {
			parent := all[random.IntN(len(all))]
			row.Parent, row.Root = parent.UUID, parent.Root
		}
		return insertProvider(tx, row)
	}
	row := all[random.IntN(len(all))]
	switch random.IntN(7) {
	case 0:
		if parent, err := hasChildren(tx, row.UUID); err != nil || parent {
			return err
		}
		return deleteProvider(tx, row)
	case 1:
		formerRoot := row.Root
		if err := reparent(tx, &row, all[random.IntN(len(all))].UUID, true); err != nil {
			return ignoreRefusal(err)
		}
		return updateProvider(tx, row, formerRoot)
	case 2:
		formerRoot := row.Root
		if err := reparent(tx, &row, "", true); err != nil {
			return ignoreRefusal(err)
		}
		return updateProvider(tx, row, formerRoot)
	case 3:
		return replaceTraits(tx, &row, []string{"CUSTOM_" + strings.Repeat("T", 1+random.IntN(3)), sharesViaAggregate}[:random.IntN(3)])
	case 4:
		return replaceAggregates(tx, &row, []string{ids.ID()})
	case 5:
		return insertTrait(tx, traitRow{"CUSTOM_" + ids.ID(), ids.Now()})
	}
	if err := deleteInventory(tx, row.UUID, "VCPU"); err != nil {
		return err
	}
	if err := insertInventory(tx, inventoryRow{Provider: row.UUID, Class: "VCPU", Total: random.Int64N(9), AllocationRatio: 1}); err != nil {
		return err
	}
	return bumpGeneration(tx, &row, ids.Now())
}

func ignoreRefusal(err error) error {
	if refusedAs(err, badAction) != nil {
		return nil
	}
	return err
}

// TestGapsInTheLogAreFilled: a transaction that took a smaller number may end later.
func TestGapsInTheLogAreFilled(t *testing.T) {
	now := clock.NewSeeded(1, time.Unix(0, 0))
	im := newImage(nil, now)
	im.seen = 4
	im.advance([]changeRow{{Seq: 4}, {Seq: 7}})
	if got := slices.Sorted(maps.Keys(im.gaps)); im.seen != 7 || !cmp.Equal(got, []int64{5, 6}) {
		t.Errorf("seen %d, gaps %v", im.seen, got)
	}
	im.advance([]changeRow{{Seq: 5}, {Seq: 7}})
	if got := slices.Sorted(maps.Keys(im.gaps)); im.seen != 7 || !cmp.Equal(got, []int64{6}) {
		t.Errorf("seen %d, gaps %v", im.seen, got)
	}
	now.Advance(gapPatience + time.Second)
	if im.advance([]changeRow{{Seq: 7}}); len(im.gaps) != 0 {
		t.Errorf("a number that never came is still waited for: %v", im.gaps)
	}
}

func TestPruneKeepsTheNewest(t *testing.T) {
	d := dbtest.Open(t)
	if err := d.Migrate(t.Context(), "placement", folder(migrationFiles, "migrations")); err != nil {
		t.Fatal(err)
	}
	var left []int64
	err := d.Write(t.Context(), func(tx *db.Tx) (err error) {
		if err := pruneChanges(tx); err != nil { // an empty log
			return err
		}
		for _, seq := range []int64{1, 2, changesKept, changesKept + 2} {
			if err := tx.Insert("tree_changes", changeRow{Seq: seq, Root: "r"}); err != nil {
				return err
			}
		}
		if err := pruneChanges(tx); err != nil {
			return err
		}
		left, err = lastChanges(tx, 10)
		return err
	})
	if want := []int64{changesKept + 2, changesKept, 2}; err != nil || !slices.Equal(left, want) {
		t.Errorf("left %v, %v", left, err)
	}
}
