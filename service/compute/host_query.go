package compute

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// hostQuery is the scheduler hint query: a list of an operator and its arguments, which may be lists again, as
// [">=", "$free_ram_mb", 1024]. Texts that begin with $ stand for what a host has.
type hostQuery struct {
	operator string
	args     []any // float64, string, bool or *hostQuery
}

const (
	// maxQueryDepth and maxQueryBytes bound the queries that are asked of every host.
	maxQueryDepth = 8
	maxQueryBytes = 2_000
)

var errHostQuery = errors.New("it is no list of an operator and its arguments")

// parseHostQuery reads a query in JSON; an empty one is nil.
func parseHostQuery(text string) (*hostQuery, error) {
	if len(text) > maxQueryBytes {
		return nil, fmt.Errorf("it is longer than %d bytes", maxQueryBytes)
	}
	var list []any
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, errHostQuery
	}
	if len(list) == 0 {
		return nil, nil
	}
	return newHostQuery(list, 1)
}

func newHostQuery(list []any, depth int) (*hostQuery, error) {
	if len(list) == 0 || depth > maxQueryDepth {
		return nil, errHostQuery
	}
	operator, ok := list[0].(string)
	if !ok || !slices.Contains([]string{"=", "<", ">", "in", "<=", ">=", "not", "or", "and"}, operator) {
		return nil, fmt.Errorf("%v is no operator", list[0])
	}
	q := &hostQuery{operator: operator}
	for _, arg := range list[1:] {
		switch a := arg.(type) {
		case []any:
			inner, err := newHostQuery(a, depth+1)
			if err != nil {
				return nil, err
			}
			q.args = append(q.args, inner)
		case string, float64, bool:
			q.args = append(q.args, a)
		default:
			return nil, errHostQuery
		}
	}
	return q, nil
}

// holds tells whether a query is true of a host. Of "not" with several arguments one has to be false.
func (q *hostQuery) holds(c *candidate) bool {
	args := make([]any, 0, len(q.args))
	for _, arg := range q.args {
		switch a := arg.(type) {
		case *hostQuery:
			args = append(args, a.holds(c))
		case string:
			if value := valueOf(c, a); value != nil {
				args = append(args, value)
			}
		default:
			args = append(args, arg)
		}
	}
	switch q.operator {
	case "not":
		return slices.ContainsFunc(args, func(a any) bool { return !truth(a) })
	case "or":
		return slices.ContainsFunc(args, truth)
	case "and":
		return !slices.ContainsFunc(args, func(a any) bool { return !truth(a) })
	}
	if len(args) < 2 {
		return false
	}
	if q.operator == "in" {
		return slices.Contains(args[1:], args[0])
	}
	return !slices.ContainsFunc(args[1:], func(other any) bool { return !related(args[0], q.operator, other) })
}

func truth(a any) bool { return a != false && a != "" && a != 0.0 }

// related compares numbers with numbers and texts with texts; others have no order.
func related(a any, operator string, b any) bool {
	var order int
	switch x := a.(type) {
	case float64:
		y, ok := b.(float64)
		if !ok {
			return false
		}
		order = cmp.Compare(x, y)
	case string:
		y, ok := b.(string)
		if !ok {
			return false
		}
		order = cmp.Compare(x, y)
	default:
		return operator == "=" && a == b
	}
	switch operator {
	case "=":
		return order == 0
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	}
	return order >= 0
}

// valueOf is a text, or what a host has by the name after its $; nil for names that mean nothing.
func valueOf(c *candidate, text string) any {
	name, variable := strings.CutPrefix(text, "$")
	if !variable {
		if text == "" {
			return nil
		}
		return text
	}
	if n, known := c.number(name); known {
		if class := classOf(name); class != "" && c.unit(class) == nil {
			return nil
		}
		return float64(n)
	}
	if name == "hypervisor_version" && c.kind != nil {
		return float64(c.kind.version)
	}
	if text, known := c.capability(strings.ReplaceAll(name, ".", ":")); known {
		return text
	}
	return nil
}

// classOf is the resource class that a number of a host is of, empty for none.
func classOf(name string) string {
	switch {
	case strings.Contains(name, "ram"):
		return classMemory
	case strings.Contains(name, "disk"):
		return classDisk
	case strings.HasPrefix(name, "vcpus"):
		return classVCPU
	}
	return ""
}
