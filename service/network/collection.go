package network

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"virga/core/api"
	"virga/core/db"
)

// maxPage bounds a page of a list; whoever wants more follows the links.
const maxPage = 1000

// filter adds the condition that a query parameter asks for; values are those of all its
// occurrences.
type filter func(l *db.List, values []string) error

// collection is what lists of one kind of resource are made of.
type collection[R identified] struct {
	// one and many are the names in bodies: network, networks.
	one, many string
	table     string
	// filters and sorts are by the API's attribute names.
	filters map[string]filter
	sorts   map[string]string
	// visible restricts a list to what a caller without admin rights may see.
	visible func(l *db.List, project string)
	// complete loads what rows have in other tables, for all rows at once.
	complete func(tx *db.Tx, rows []R) error
	// without is complete for readers who choose fields and not an attribute that is dear.
	without map[string]func(tx *db.Tx, rows []R) error
	// show makes the body of a row.
	show func(r *api.Request, row R) any
}

// listRow is a pointer type whose element is scanned.
type listRow[E any] interface {
	*E
	identified
}

// list answers GET of a collection.
func list[E any, R listRow[E]](ctx context.Context, s *Service, r *api.Request, c *collection[R]) (any, error) {
	page, err := api.Paging{Max: maxPage, Columns: c.sorts, Order: []db.Order{{Column: "id"}}}.Read(r.Query)
	if err != nil {
		return nil, err
	}
	query := &db.List{From: c.table, Key: "id", Order: page.Sort, Marker: page.Marker, Backwards: page.Reverse, Limit: page.Limit + 1}
	if !seesAll(r) {
		c.visible(query, r.ProjectID())
	}
	if err := applyFilters(c.filters, query, r.Query); err != nil {
		return nil, err
	}
	if page.Marker != "" && !printable(page.Marker) {
		return nil, badMarker(page.Marker)
	}
	var rows []R
	more := false
	err = s.deps.DB.Read(ctx, func(tx *db.Tx) error {
		var found []E
		if err := tx.List(&found, query); err != nil {
			return err
		}
		if more = len(found) > page.Limit; more && page.Reverse {
			found = found[1:]
		} else if more {
			found = found[:page.Limit]
		}
		rows = make([]R, len(found))
		for i := range found {
			rows[i] = &found[i]
		}
		if err := loadTags(tx, rows); err != nil {
			return err
		}
		return c.completeFor(r)(tx, rows)
	})
	if errors.Is(err, db.ErrMarker) {
		return nil, badMarker(page.Marker)
	}
	if err != nil {
		return nil, err
	}
	views := make([]any, len(rows))
	for i, row := range rows {
		if views[i], err = chosenFields(r, c.show(r, row)); err != nil {
			return nil, err
		}
	}
	body := map[string]any{c.many: views}
	if links := pageLinks(r, page, rows, more); len(links) > 0 {
		body[c.many+"_links"] = links
	}
	return body, nil
}

func badMarker(marker string) error {
	return api.BadRequest("The marker %q is not in the list.", marker)
}

// pageLinks are the links to the pages before and after.
func pageLinks[R identified](r *api.Request, page api.Page, rows []R, more bool) []map[string]string {
	if len(rows) == 0 {
		return nil
	}
	link := func(rel, marker string, reverse bool) map[string]string {
		query := api.NextQuery(r.Query, marker)
		query.Del("page_reverse")
		if reverse {
			query.Set("page_reverse", "True")
		}
		return map[string]string{"rel": rel, "href": r.SelfURL(query)}
	}
	first, last := rows[0].common().ID, rows[len(rows)-1].common().ID
	var links []map[string]string
	if more && !page.Reverse || page.Reverse && page.Marker != "" {
		links = append(links, link("next", last, false))
	}
	if more && page.Reverse || !page.Reverse && page.Marker != "" {
		links = append(links, link("previous", first, true))
	}
	return links
}

// notFilters are the query parameters with a meaning of their own.
var notFilters = []string{"limit", "marker", "page_reverse", "sort_key", "sort_dir", "sort", "fields"}

func applyFilters(filters map[string]filter, l *db.List, query url.Values) error {
	names := make([]string, 0, len(query))
	for name := range query {
		names = append(names, name)
	}
	slices.Sort(names)
	var unknown []string
	for _, name := range names {
		if slices.Contains(notFilters, name) {
			continue
		}
		apply, known := filters[name]
		if !known {
			unknown = append(unknown, name)
			continue
		}
		for _, value := range query[name] {
			if value != "" && !printable(value) {
				return badValue(name, "'%s' is not a valid string", strings.ToValidUTF8(value[:min(len(value), 50)], "?"))
			}
		}
		if len(query[name]) > 500 {
			return badValue(name, "at most 500 values are possible")
		}
		if err := apply(l, query[name]); err != nil {
			return err
		}
	}
	if len(unknown) > 0 {
		return api.BadRequest("%q is invalid attribute for filtering", unknown)
	}
	return nil
}

// byText filters on a column of text.
func byText(column string) filter {
	return func(l *db.List, values []string) error {
		db.WhereIn(l, column, values)
		return nil
	}
}

// byFlag filters on a boolean column.
func byFlag(column string) filter {
	return func(l *db.List, values []string) error {
		flags := make([]bool, len(values))
		for i, value := range values {
			var ok bool
			if flags[i], ok = api.ParseBool(value); !ok {
				return badValue(column, "'%s' cannot be converted to boolean", value)
			}
		}
		db.WhereIn(l, column, flags)
		return nil
	}
}

// byNumber filters on an integer column.
func byNumber(column string) filter {
	return func(l *db.List, values []string) error {
		numbers := make([]int64, len(values))
		for i, value := range values {
			var n whole
			if err := n.UnmarshalJSON([]byte(value)); err != nil {
				return badValue(column, "'%s' is not an integer", value)
			}
			numbers[i] = int64(n)
		}
		db.WhereIn(l, column, numbers)
		return nil
	}
}

// changedSince filters on the time of the last change.
func changedSince(l *db.List, values []string) error {
	at, err := time.Parse("2006-01-02T15:04:05Z07:00", values[0])
	if err != nil {
		if at, err = time.Parse("2006-01-02T15:04:05", values[0]); err != nil {
			return badValue("changed_since", "'%s' is not a time", values[0])
		}
	}
	l.Where("updated_at >= ?", at)
	return nil
}

// standardFilters adds the filters on what all resources have.
func standardFilters(own map[string]filter) map[string]filter {
	for name, apply := range map[string]filter{
		"id": byText("id"), "project_id": byText("project_id"), "tenant_id": byText("project_id"),
		"description": byText("description"), "revision_number": byNumber("revision"), "changed_since": changedSince,
		"tags": tagFilter("tags"), "tags-any": tagFilter("tags-any"), "not-tags": tagFilter("not-tags"), "not-tags-any": tagFilter("not-tags-any"),
	} {
		own[name] = apply
	}
	return own
}

// standardSorts adds the sort keys that all resources have.
func standardSorts(own map[string]string) map[string]string {
	for name, column := range map[string]string{
		"id": "id", "project_id": "project_id", "tenant_id": "project_id", "description": "description",
		"revision_number": "revision", "created_at": "created_at", "updated_at": "updated_at",
	} {
		own[name] = column
	}
	return own
}

// completeFor is what loads as much as a reader wants to see.
func (c *collection[R]) completeFor(r *api.Request) func(tx *db.Tx, rows []R) error {
	fields := fieldsOf(r)
	for attribute, lean := range c.without {
		if fields != nil && !slices.Contains(fields, attribute) {
			return lean
		}
	}
	return c.complete
}

// fieldsOf are the attributes that the query chooses; nil: all.
func fieldsOf(r *api.Request) []string {
	fields := r.Query["fields"]
	if len(fields) == 1 && fields[0] == "" {
		return nil
	}
	return fields
}

// chosenFields reduces a body to the attributes that the query names by "fields".
func chosenFields(r *api.Request, view any) (any, error) {
	fields := fieldsOf(r)
	if len(fields) == 0 {
		return view, nil
	}
	text, err := json.Marshal(view)
	if err != nil {
		return nil, err
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, err
	}
	chosen := map[string]json.RawMessage{}
	for _, field := range fields {
		if value, ok := all[field]; ok {
			chosen[field] = value
		}
	}
	return chosen, nil
}

// shown is the answer to GET of one resource.
func shown(r *api.Request, one string, view any) (any, error) {
	chosen, err := chosenFields(r, view)
	if err != nil {
		return nil, err
	}
	return map[string]any{one: chosen}, nil
}

// created is the answer to a POST of one or of many.
func created(one, many string, bulk bool, views []any) any {
	if bulk {
		return map[string]any{many: views}
	}
	return map[string]any{one: views[0]}
}
