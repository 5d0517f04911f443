package placement

import (
	"context"
	"iter"
	"slices"
	"strings"

	"virga/core/api"
)

const (
	// maxCandidates bounds an answer.
	maxCandidates = 100_000
	// maxSteps bounds the work for one question: trees with many like providers have
	// more combinations than anybody can wait for.
	maxSteps = 3_000_000
)

// part is what one provider is to give.
type part struct {
	node *node
	amount
}

// option is one way to serve a group in a tree. Nodes has each provider once; a group
// without resources has a node and no parts.
type option struct {
	parts []part
	nodes []*node
}

// candidate is one way to serve all groups. Parts have each inventory once.
type candidate struct {
	parts []part
	// nodes are the providers by group, in the order of the question's groups.
	nodes [][]*node
}

// search answers one question. A tree is an anchor: candidates take from its providers
// and from such that share with it.
type search struct {
	ctx    context.Context
	forest *forest
	query  *candidateQuery
	steps  int
	// shared are the sharing providers by the aggregates that they are in.
	shared map[string][]*node
	seen   map[string]bool
	found  []candidate
}

func newSearch(ctx context.Context, f *forest, q *candidateQuery) *search {
	s := &search{ctx: ctx, forest: f, query: q, shared: map[string][]*node{}}
	if len(f.sharing) > 0 {
		s.seen = map[string]bool{}
	}
	for _, uuid := range sortedUUIDs(f.sharing) {
		n := f.sharing[uuid]
		for _, aggregate := range n.aggregates {
			s.shared[aggregate] = append(s.shared[aggregate], n)
		}
	}
	return s
}

func sortedUUIDs(nodes map[string]*node) []string {
	uuids := make([]string, 0, len(nodes))
	for uuid := range nodes {
		uuids = append(uuids, uuid)
	}
	slices.Sort(uuids)
	return uuids
}

// run finds candidates, one of each tree in turn, until there are as many as wanted.
func (s *search) run() error {
	limit := s.query.limit
	if limit == 0 {
		limit = maxCandidates
	}
	type source struct {
		next func() (candidate, bool)
		stop func()
	}
	var more []source
	defer func() {
		for _, src := range more {
			src.stop()
		}
	}()
	for _, t := range s.forest.order {
		if len(s.found) >= limit || s.exhausted() {
			break
		}
		options := s.optionsOf(t)
		if options == nil {
			continue
		}
		if single(options) {
			s.combine(options, s.keep)
			continue
		}
		next, stop := iter.Pull(func(yield func(candidate) bool) { s.combine(options, yield) })
		if c, ok := next(); ok {
			s.keep(c)
			more = append(more, source{next, stop})
		} else {
			stop()
		}
	}
	for len(more) > 0 && len(s.found) < limit && !s.exhausted() {
		for i := 0; i < len(more) && len(s.found) < limit; i++ {
			if c, ok := more[i].next(); ok {
				s.keep(c)
				continue
			}
			more[i].stop()
			more = slices.Delete(more, i, i+1)
			i--
		}
	}
	if s.exhausted() && len(s.found) == 0 {
		return api.Unavailable("The question has too many possible answers to look at; none of those looked at fits.")
	}
	return s.ctx.Err()
}

// single tells whether there is one option for each group.
func single(options [][]option) bool {
	return !slices.ContainsFunc(options, func(list []option) bool { return len(list) > 1 })
}

// exhausted tells whether the search has done as much as it may.
func (s *search) exhausted() bool { return s.steps >= maxSteps || s.ctx.Err() != nil }

// keep adds a candidate unless it was found under another anchor already.
func (s *search) keep(c candidate) bool {
	if s.seen != nil {
		key := c.key()
		if s.seen[key] {
			return true
		}
		s.seen[key] = true
	}
	s.found = append(s.found, c)
	return true
}

// key tells candidates apart.
func (c candidate) key() string {
	var parts []string
	for _, p := range c.parts {
		parts = append(parts, p.node.row.UUID+p.class)
	}
	slices.Sort(parts)
	for _, nodes := range c.nodes {
		var uuids []string
		for _, n := range nodes {
			uuids = append(uuids, n.row.UUID)
		}
		slices.Sort(uuids)
		parts = append(parts, "="+strings.Join(uuids, "+"))
	}
	return strings.Join(parts, ";")
}

// optionsOf lists for each group its options under an anchor; nil when one has none.
func (s *search) optionsOf(t *tree) [][]option {
	s.steps++
	for _, trait := range s.query.rootRequired {
		if !t.root.hasTrait(trait) {
			return nil
		}
	}
	if t.root.hasAnyTrait(s.query.rootForbidden) {
		return nil
	}
	guests := s.guestsOf(t)
	options := make([][]option, len(s.query.groups))
	for i := range s.query.groups {
		g := &s.query.groups[i]
		if g.suffix == "" {
			options[i] = s.spread(g, t, guests)
		} else {
			options[i] = s.onOne(g, t, guests)
		}
		if len(options[i]) == 0 {
			return nil
		}
	}
	return options
}

// guestsOf lists the providers of other trees that share with the tree.
func (s *search) guestsOf(t *tree) []*node {
	if len(s.shared) == 0 {
		return nil
	}
	var guests []*node
	for _, n := range t.nodes {
		for _, aggregate := range n.aggregates {
			for _, guest := range s.shared[aggregate] {
				if guest.tree != t && !slices.Contains(guests, guest) {
					guests = append(guests, guest)
				}
			}
		}
	}
	return guests
}

// onOne lists the providers that can serve a group alone.
func (s *search) onOne(g *group, t *tree, guests []*node) []option {
	var home *tree
	if g.inTree != "" {
		if home = s.forest.treeOf(g.inTree); home == nil {
			return nil
		}
	}
	var options []option
	serve := func(n *node) {
		s.steps++
		if home != nil && n.tree != home {
			return
		}
		for _, a := range g.resources {
			if !n.has(a) {
				return
			}
		}
		if !n.suits(g.required, g.forbidden) || !n.memberOf(g.memberOf) || n.inAny(g.notMemberOf) {
			return
		}
		o := option{nodes: []*node{n}}
		for _, a := range g.resources {
			o.parts = append(o.parts, part{n, a})
		}
		options = append(options, o)
	}
	for _, n := range t.nodes {
		serve(n)
	}
	for _, n := range guests {
		serve(n)
	}
	return options
}

// spread lists the ways to serve the group without suffix by providers of the tree and
// its guests together. Traits are needed of all together, forbidden to each. An
// aggregate of the root counts for the whole tree.
func (s *search) spread(g *group, t *tree, guests []*node) []option {
	if g.inTree != "" {
		if s.forest.treeOf(g.inTree) != t {
			return nil
		}
		guests = nil
	}
	givers := make([][]*node, len(g.resources))
	for i, a := range g.resources {
		for _, n := range t.nodes {
			s.steps++
			if n.has(a) && s.belongs(g, n, t) {
				givers[i] = append(givers[i], n)
			}
		}
		for _, n := range guests {
			if n.has(a) && n.memberOf(g.memberOf) && s.belongs(g, n, t) {
				givers[i] = append(givers[i], n)
			}
		}
		if len(givers[i]) == 0 {
			return nil
		}
	}
	var options []option
	chosen := make([]*node, len(g.resources))
	var choose func(i int)
	choose = func(i int) {
		if s.steps++; s.exhausted() {
			return
		}
		if i == len(chosen) {
			if together(chosen, g.required) {
				options = append(options, optionOf(g, chosen))
			}
			return
		}
		for _, n := range givers[i] {
			chosen[i] = n
			choose(i + 1)
		}
	}
	choose(0)
	return options
}

// belongs tells whether aggregates and forbidden traits let a provider serve a group
// under an anchor.
func (s *search) belongs(g *group, n *node, t *tree) bool {
	if n.hasAnyTrait(g.forbidden) || n.inAny(g.notMemberOf) || t.root.inAny(g.notMemberOf) {
		return false
	}
	return n.memberOf(g.memberOf) || t.root.memberOf(g.memberOf)
}

// together tells whether the nodes have one trait of each list between them.
func together(nodes []*node, required [][]string) bool {
	for _, list := range required {
		if !slices.ContainsFunc(nodes, func(n *node) bool { return n.hasAnyTrait(list) }) {
			return false
		}
	}
	return true
}

func optionOf(g *group, chosen []*node) option {
	o := option{parts: make([]part, len(chosen))}
	for i, n := range chosen {
		o.parts[i] = part{n, g.resources[i]}
		if !slices.Contains(o.nodes, n) {
			o.nodes = append(o.nodes, n)
		}
	}
	return o
}

// combine yields all combinations of one option of each group that hold together. A
// branch is left as soon as what is chosen does not fit.
func (s *search) combine(options [][]option, yield func(candidate) bool) {
	chosen := make([]*option, len(options))
	var choose func(i int, parts []part) bool
	choose = func(i int, parts []part) bool {
		if s.steps++; s.exhausted() {
			return false
		}
		if i == len(options) {
			if !s.holds(chosen, parts) {
				return true
			}
			return yield(candidateOf(chosen, parts))
		}
		for j := range options[i] {
			o := &options[i][j]
			if s.query.isolate && s.query.groups[i].suffix != "" && s.taken(chosen[:i], o.nodes[0]) {
				continue
			}
			chosen[i] = o
			if sum, fits := add(parts, o.parts); fits && !choose(i+1, sum) {
				return false
			}
		}
		return true
	}
	choose(0, nil)
}

func candidateOf(chosen []*option, parts []part) candidate {
	c := candidate{parts: parts, nodes: make([][]*node, len(chosen))}
	for i, o := range chosen {
		c.nodes[i] = o.nodes
	}
	return c
}

// taken tells whether a group with a suffix is served by the node already.
func (s *search) taken(chosen []*option, n *node) bool {
	for i, o := range chosen {
		if s.query.groups[i].suffix != "" && o.nodes[0] == n {
			return true
		}
	}
	return false
}

// add adds parts to a sum with one part for each inventory, in a new list unless the sum
// is empty; fits is false when an inventory cannot give the sum.
func add(sum, parts []part) (added []part, fits bool) {
	if len(sum) == 0 {
		return parts, true
	}
	added = slices.Clone(sum)
	for _, p := range parts {
		i := slices.IndexFunc(added, func(other part) bool { return other.node == p.node && other.class == p.class })
		if i < 0 {
			added = append(added, p)
			continue
		}
		added[i].count += p.count
		inventory := p.node.inventory(p.class)
		if inventory.Used+added[i].count > inventory.capacity() || added[i].count > inventory.MaxUnit {
			return nil, false
		}
	}
	return added, true
}

// holds tells whether chosen options obey what concerns several groups.
func (s *search) holds(chosen []*option, parts []part) bool {
	if s.query.flat && sameTreeTwice(parts) {
		return false
	}
	for _, suffixes := range s.query.subtrees {
		var nodes []*node
		for i, o := range chosen {
			if slices.Contains(suffixes, s.query.groups[i].suffix) {
				nodes = append(nodes, o.nodes...)
			}
		}
		if !oneSubtree(nodes) {
			return false
		}
	}
	return true
}

// sameTreeTwice tells whether two providers of one tree take part.
func sameTreeTwice(parts []part) bool {
	for i, p := range parts {
		for _, other := range parts[:i] {
			if other.node != p.node && other.node.tree == p.node.tree {
				return true
			}
		}
	}
	return false
}

// oneSubtree tells whether one of the nodes is above all of them.
func oneSubtree(nodes []*node) bool {
	return slices.ContainsFunc(nodes, func(top *node) bool {
		return !slices.ContainsFunc(nodes, func(n *node) bool { return !top.above(n) })
	})
}
