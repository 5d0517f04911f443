package api

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// router finds rows by path. A segment that stands in a row as it is goes before a
// parameter. Segments are unescaped one by one, so that an escaped slash stays inside
// its segment; nothing is cleaned or redirected.
type router struct{ root node }

type node struct {
	literal map[string]*node
	param   *node
	rest    *node
	// rows that end here, of any method and version, with the names of their parameters.
	rows []routed
}

type routed struct {
	route *Route
	names []string
}

func (rt *router) add(route *Route) error {
	at := &rt.root
	var names []string
	for _, segment := range segments(route.Path) {
		name, isParam := strings.CutPrefix(segment, "{")
		if !isParam {
			if at.literal == nil {
				at.literal = map[string]*node{}
			}
			if at.literal[segment] == nil {
				at.literal[segment] = &node{}
			}
			at = at.literal[segment]
			continue
		}
		name, closed := strings.CutSuffix(name, "}")
		if !closed || name == "" {
			return fmt.Errorf("route %s: segment %q is not {name}", route.Path, segment)
		}
		if rest, ok := strings.CutSuffix(name, "..."); ok {
			names = append(names, rest)
			if at.rest == nil {
				at.rest = &node{}
			}
			at = at.rest
			break
		}
		names = append(names, name)
		if at.param == nil {
			at.param = &node{}
		}
		at = at.param
	}
	for _, other := range at.rows {
		if other.route.Method == route.Method && overlap(other.route, route) {
			return fmt.Errorf("route %s %s stands twice", route.Method, route.Path)
		}
	}
	at.rows = append(at.rows, routed{route, names})
	return nil
}

func overlap(a, b *Route) bool {
	before := func(x, y *Route) bool { return !x.Until.IsZero() && !y.Since.IsZero() && x.Until.Before(y.Since) }
	return !before(a, b) && !before(b, a)
}

// find returns the rows of a path that a version has, of whatever method, and the values
// of its parameters.
func (rt *router) find(escapedPath string, v Version) ([]routed, []string) {
	return rt.root.find(segments(escapedPath), nil, v)
}

func (n *node) find(path, values []string, v Version) ([]routed, []string) {
	if len(path) == 0 {
		if rows := n.accepting(v); len(rows) > 0 {
			return rows, values
		}
		return n.rest.accepting(v), append(slices.Clip(values), "")
	}
	segment, err := url.PathUnescape(path[0])
	if err != nil {
		return nil, nil
	}
	if next := n.literal[segment]; next != nil {
		if rows, found := next.find(path[1:], values, v); len(rows) > 0 {
			return rows, found
		}
	}
	if n.param != nil && segment != "" {
		if rows, found := n.param.find(path[1:], append(slices.Clip(values), segment), v); len(rows) > 0 {
			return rows, found
		}
	}
	rest, err := url.PathUnescape(strings.Join(path, "/"))
	if err != nil {
		return nil, nil
	}
	return n.rest.accepting(v), append(slices.Clip(values), rest)
}

// anyVersion finds the rows of all versions.
var anyVersion = Version{Major: -1}

// accepting are the rows that end at the node in a version; most nodes have no others.
func (n *node) accepting(v Version) []routed {
	if n == nil {
		return nil
	}
	if v == anyVersion || !slices.ContainsFunc(n.rows, func(row routed) bool { return !row.route.accepts(v) }) {
		return n.rows
	}
	var rows []routed
	for _, row := range n.rows {
		if row.route.accepts(v) {
			rows = append(rows, row)
		}
	}
	return rows
}

// segments splits a path; one slash at its end is not regarded.
func segments(path string) []string {
	path = strings.TrimSuffix(strings.TrimPrefix(path, "/"), "/")
	if path == "" {
		return nil
	}
	return strings.Split(path, "/")
}
