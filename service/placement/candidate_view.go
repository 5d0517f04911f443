package placement

import (
	"bytes"
	"slices"
	"strconv"

	"virga/core/api"
)

// candidatesView writes the answer to a question for candidates. It writes the JSON
// itself, because answers with thousands of hosts are common: all texts in it are UUIDs,
// names and suffixes, whose alphabets need no escapes.
type candidatesView struct{ text bytes.Buffer }

// The sizes by which room for an answer is made beforehand: of a candidate, and of a provider without its traits.
const (
	candidateBytes = 320
	summaryBytes   = 400
)

// makeRoom has room for about as much as the answer will have, so that it need not be copied while it grows.
func (v *candidatesView) makeRoom(found []candidate) {
	size := 0
	for _, c := range found {
		size += candidateBytes
		if len(c.parts) > 0 {
			size += summaryBytes + len(c.parts[0].node.traits.json)
		}
	}
	v.text.Grow(size)
}

func (v *candidatesView) write(r *api.Request, q *candidateQuery, found []candidate) {
	v.makeRoom(found)
	v.text.WriteString(`{"allocation_requests":[`)
	for i, c := range found {
		v.comma(i)
		if since(r, allocationsAsDict) {
			v.writeRequest(c)
		} else {
			v.writeRequestList(c)
		}
		if since(r, candidateMappings) {
			v.writeMappings(q, c)
		}
		v.text.WriteByte('}')
	}
	v.text.WriteString(`],"provider_summaries":{`)
	v.writeSummaries(r, q, found)
	v.text.WriteString(`}}`)
}

func (v *candidatesView) comma(i int) {
	if i > 0 {
		v.text.WriteByte(',')
	}
}

func (v *candidatesView) quote(text string) {
	v.text.WriteByte('"')
	v.text.WriteString(text)
	v.text.WriteByte('"')
}

func (v *candidatesView) number(key string, n int64) {
	v.quote(key)
	v.text.WriteByte(':')
	v.text.Write(strconv.AppendInt(v.text.AvailableBuffer(), n, 10))
}

// providersOf lists the providers of a candidate's parts, each once.
func providersOf(c candidate) []*node {
	nodes := make([]*node, 0, len(c.parts))
	for _, p := range c.parts {
		if !slices.Contains(nodes, p.node) {
			nodes = append(nodes, p.node)
		}
	}
	return nodes
}

// writeRequest writes the allocations by provider; the object stays open.
func (v *candidatesView) writeRequest(c candidate) {
	v.text.WriteString(`{"allocations":{`)
	for i, n := range providersOf(c) {
		v.comma(i)
		v.quote(n.row.UUID)
		v.text.WriteString(`:{`)
		v.writeResources(c, n)
		v.text.WriteByte('}')
	}
	v.text.WriteByte('}')
}

// writeRequestList writes the allocations as a list, as before microversion 1.12.
func (v *candidatesView) writeRequestList(c candidate) {
	v.text.WriteString(`{"allocations":[`)
	for i, n := range providersOf(c) {
		v.comma(i)
		v.text.WriteString(`{"resource_provider":{"uuid":`)
		v.quote(n.row.UUID)
		v.text.WriteString(`},`)
		v.writeResources(c, n)
		v.text.WriteByte('}')
	}
	v.text.WriteByte(']')
}

func (v *candidatesView) writeResources(c candidate, n *node) {
	v.text.WriteString(`"resources":{`)
	written := 0
	for _, p := range c.parts {
		if p.node == n {
			v.comma(written)
			v.number(p.class, p.count)
			written++
		}
	}
	v.text.WriteByte('}')
}

func (v *candidatesView) writeMappings(q *candidateQuery, c candidate) {
	v.text.WriteString(`,"mappings":{`)
	for i, g := range q.groups {
		v.comma(i)
		v.quote(g.suffix)
		v.text.WriteString(`:[`)
		for j, n := range c.nodes[i] {
			v.comma(j)
			v.quote(n.row.UUID)
		}
		v.text.WriteByte(']')
	}
	v.text.WriteByte('}')
}

// writeSummaries describes the providers of all trees that candidates take from; to
// callers that know nothing of trees, those providers alone.
func (v *candidatesView) writeSummaries(r *api.Request, q *candidateQuery, found []candidate) {
	asked := map[string]bool{}
	for _, g := range q.groups {
		for _, a := range g.resources {
			asked[a.class] = true
		}
	}
	written := 0
	summarize := func(n *node) {
		v.comma(written)
		written++
		v.writeSummary(r, n, asked)
	}
	trees, nodes := map[*tree]bool{}, map[*node]bool{}
	for _, c := range found {
		for _, p := range c.parts {
			switch {
			case q.flat && !nodes[p.node]:
				nodes[p.node] = true
				summarize(p.node)
			case !q.flat && !trees[p.node.tree]:
				trees[p.node.tree] = true
				for _, n := range p.node.tree.nodes {
					summarize(n)
				}
			}
		}
	}
}

func (v *candidatesView) writeSummary(r *api.Request, n *node, asked map[string]bool) {
	v.quote(n.row.UUID)
	v.text.WriteString(`:{"resources":{`)
	written := 0
	for i := range n.inventories {
		inventory := &n.inventories[i]
		if !since(r, summariesOfAllClasses) && !asked[inventory.Class] {
			continue
		}
		v.comma(written)
		written++
		v.quote(inventory.Class)
		v.text.WriteString(`:{`)
		v.number("capacity", inventory.capacity())
		v.text.WriteByte(',')
		v.number("used", inventory.Used)
		v.text.WriteByte('}')
	}
	v.text.WriteByte('}')
	if since(r, candidatesTraits) {
		v.text.WriteString(`,"traits":`)
		v.text.WriteString(n.traits.json)
	}
	if since(r, nestedCandidates) {
		v.text.WriteString(`,"parent_provider_uuid":`)
		if n.row.Parent == "" {
			v.text.WriteString("null")
		} else {
			v.quote(n.row.Parent)
		}
		v.text.WriteString(`,"root_provider_uuid":`)
		v.quote(n.row.Root)
	}
	v.text.WriteByte('}')
}
