package placement

import (
	"slices"
	"strings"
)

// forest is all trees of providers, as questions see them. Trees are never changed, only
// replaced.
type forest struct {
	// order is the order in which trees are found.
	order []*tree
	trees map[string]*tree
	nodes map[string]*node
	// classes and traits are the custom ones.
	classes, traits map[string]bool
	// sharing are the providers whose inventories members of their aggregates may use.
	sharing map[string]*node
	// interned keeps one copy of each list of names; most hosts have the same.
	interned map[string]nameList
	// version counts the changes since the forest was loaded; gone has, of the providers
	// that went away since, the version at which they did.
	version int64
	gone    map[string]int64
}

// nameList is a sorted list of names with its JSON.
type nameList struct {
	names []string
	json  string
}

// tree is a root provider and all below it; nodes[0] is the root.
type tree struct {
	root  *node
	nodes []*node
	at    int
	// version is the forest's when the tree became as it is.
	version int64
}

// node is one provider.
type node struct {
	row         providerRow
	tree        *tree
	parent      *node
	inventories []inventoryRow
	traits      nameList
	aggregates  []string
}

func newForest() *forest {
	return &forest{
		trees: map[string]*tree{}, nodes: map[string]*node{}, sharing: map[string]*node{}, interned: map[string]nameList{},
		classes: map[string]bool{}, traits: map[string]bool{}, gone: map[string]int64{},
	}
}

// put replaces the trees with the given roots by what rows hold; a root that rows do not
// have is gone. Without whole, traits and aggregates stay as they are.
func (f *forest) put(roots []string, rows treeRows, whole bool) {
	f.version++
	former := map[string]*node{}
	for _, root := range roots {
		if t := f.trees[root]; t != nil {
			for _, n := range t.nodes {
				former[n.row.UUID] = n
			}
		}
	}
	fresh := f.grow(rows)
	if !whole {
		for uuid, n := range fresh {
			if before := former[uuid]; before != nil {
				n.traits, n.aggregates = before.traits, before.aggregates
			}
		}
	}
	kept := map[string]bool{}
	for _, n := range fresh {
		kept[n.row.Root] = true
	}
	for uuid := range former {
		// A node that moved to another tree is there already when that tree was put first.
		if fresh[uuid] == nil && f.nodes[uuid] == former[uuid] {
			delete(f.nodes, uuid)
			delete(f.sharing, uuid)
			f.gone[uuid] = f.version
		}
	}
	for uuid, n := range fresh {
		delete(f.gone, uuid)
		f.nodes[uuid] = n
		delete(f.sharing, uuid)
		if n.hasTrait(sharesViaAggregate) {
			f.sharing[uuid] = n
		}
	}
	for _, root := range roots {
		if !kept[root] {
			f.fell(root)
		}
	}
	for _, row := range rows.providers {
		if row.UUID == row.Root && fresh[row.UUID] != nil {
			f.plant(fresh[row.UUID].tree)
		}
	}
}

// grow makes nodes and trees of rows.
func (f *forest) grow(rows treeRows) map[string]*node {
	nodes := make(map[string]*node, len(rows.providers))
	for _, row := range rows.providers {
		nodes[row.UUID] = &node{row: row, traits: f.intern(nil)}
	}
	for _, row := range rows.inventories {
		if n := nodes[row.Provider]; n != nil {
			row.Provider = n.row.UUID
			row.Class = f.intern([]string{row.Class}).names[0]
			n.inventories = append(n.inventories, row)
		}
	}
	traits := map[string][]string{}
	for _, row := range rows.traits {
		traits[row.Provider] = append(traits[row.Provider], row.Trait)
	}
	for uuid, names := range traits {
		if n := nodes[uuid]; n != nil {
			n.traits = f.intern(names)
		}
	}
	for _, row := range rows.aggregates {
		if n := nodes[row.Provider]; n != nil {
			n.aggregates = append(n.aggregates, row.Aggregate)
		}
	}
	for _, row := range rows.providers { // roots first, so that they are nodes[0]
		if n := nodes[row.UUID]; row.UUID == row.Root {
			n.tree = &tree{root: n, nodes: []*node{n}}
		}
	}
	for _, row := range rows.providers {
		n, root := nodes[row.UUID], nodes[row.Root]
		if row.UUID != row.Root && root != nil {
			n.tree, n.parent = root.tree, nodes[row.Parent]
			n.tree.nodes = append(n.tree.nodes, n)
		}
	}
	return nodes
}

// intern returns the one copy of a sorted list of names.
func (f *forest) intern(names []string) nameList {
	key := strings.Join(names, ",")
	list, known := f.interned[key]
	if !known {
		list = nameList{slices.Clone(names), encodeNames(names)}
		f.interned[key] = list
	}
	return list
}

// plant puts a tree where its former self stood, or behind all others.
func (f *forest) plant(t *tree) {
	if before := f.trees[t.root.row.UUID]; before != nil {
		t.at = before.at
		f.order[t.at] = t
	} else {
		t.at = len(f.order)
		f.order = append(f.order, t)
	}
	t.version = f.version
	f.trees[t.root.row.UUID] = t
}

// fell takes a tree out.
func (f *forest) fell(root string) {
	t := f.trees[root]
	if t == nil {
		return
	}
	delete(f.trees, root)
	f.order = slices.Delete(f.order, t.at, t.at+1)
	for i := t.at; i < len(f.order); i++ {
		f.order[i].at = i
	}
}

// treeOf is the tree that a provider is part of, nil when there is no such provider.
func (f *forest) treeOf(uuid string) *tree {
	if n := f.nodes[uuid]; n != nil {
		return n.tree
	}
	return nil
}

func (n *node) hasTrait(name string) bool {
	_, found := slices.BinarySearch(n.traits.names, name)
	return found
}

func (n *node) inventory(class string) *inventoryRow {
	for i := range n.inventories {
		if n.inventories[i].Class == class {
			return &n.inventories[i]
		}
	}
	return nil
}

// has tells whether the node could give an amount of a class.
func (n *node) has(a amount) bool {
	inventory := n.inventory(a.class)
	return inventory != nil && inventory.fits(a.count)
}

// memberOf tells whether the node is in one aggregate of each list.
func (n *node) memberOf(lists [][]string) bool {
	for _, list := range lists {
		if !n.inAny(list) {
			return false
		}
	}
	return true
}

// inAny tells whether the node is in one of the aggregates.
func (n *node) inAny(aggregates []string) bool {
	for _, aggregate := range n.aggregates {
		if slices.Contains(aggregates, aggregate) {
			return true
		}
	}
	return false
}

// hasAnyTrait tells whether the node has one of the traits.
func (n *node) hasAnyTrait(traits []string) bool {
	return slices.ContainsFunc(traits, n.hasTrait)
}

// suits tells whether the node has one trait of each list of required and none of forbidden.
func (n *node) suits(required [][]string, forbidden []string) bool {
	for _, list := range required {
		if !n.hasAnyTrait(list) {
			return false
		}
	}
	return !n.hasAnyTrait(forbidden)
}

// above tells whether the node is other or an ancestor of it.
func (n *node) above(other *node) bool {
	for ; other != nil; other = other.parent {
		if other == n {
			return true
		}
	}
	return false
}
