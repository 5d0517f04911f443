package identity

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/url"
	"reflect"
	"strings"
	"time"

	"virga/core/api"
	"virga/core/db"
)

const (
	// maxList is how many resources one page holds at most, and without a limit.
	maxList = 10_000
	// maxExtra bounds what a client may store in attributes that the API does not know, in bytes.
	maxExtra = 16 << 10
)

// linksView are the links of a collection.
type linksView struct {
	Next     *string `json:"next"`
	Self     string  `json:"self"`
	Previous *string `json:"previous"`
}

func collectionLinks(r *api.Request, next string) linksView {
	links := linksView{Self: r.SelfURL(r.Query)}
	if next != "" {
		address := r.SelfURL(api.NextQuery(r.Query, next))
		links.Next = &address
	}
	return links
}

// collection shows a list; next is the marker of the page that follows, or empty. As in
// keystone, a list of which there is more says so.
func collection(r *api.Request, name string, views []json.RawMessage, next string) map[string]any {
	if views == nil {
		views = []json.RawMessage{}
	}
	return shortened(map[string]any{name: views, "links": collectionLinks(r, next)}, next != "")
}

// shortened marks a list of which there is more than it shows.
func shortened(answer map[string]any, more bool) map[string]any {
	if more {
		answer["truncated"] = true
	}
	return answer
}

// whole shows projects in a list that is not paged: all of it, or as much as a page holds; more
// tells that there are others.
func whole(tx *db.Tx, r *api.Request, name string, rows []projectRow, more bool,
	view func(*db.Tx, *api.Request, []projectRow) ([]json.RawMessage, error),
) (any, error) {
	views, err := view(tx, r, rows[:min(len(rows), maxList)])
	return shortened(collection(r, name, views, ""), more || len(rows) > maxList), err
}

// bounded shows a list that is not paged, of rows of which one more than a page holds are read.
func bounded[R any](r *api.Request, name string, rows []R, view func(*api.Request, R) (json.RawMessage, error)) (any, error) {
	views, err := viewEach(r, rows[:min(len(rows), maxList)], view)
	return shortened(collection(r, name, views, ""), len(rows) > maxList), err
}

// filter says how a query parameter selects rows.
type filter struct {
	column string
	kind   filterKind
}

type filterKind int

const (
	// filterExact compares the whole value.
	filterExact filterKind = iota
	// filterText also has the forms name__contains, name__startswith, name__endswith and
	// those with an i before the word, which do not tell capitals apart.
	filterText
	// filterFlag reads a boolean.
	filterFlag
	// filterTime reads OPERATOR:TIME, where the operator is lt, lte, eq, neq, gte or gt.
	filterTime
)

// listing is how a resource is listed.
type listing struct {
	table   string
	filters map[string]filter
	// sorts are the columns that sort_key may name.
	sorts []string
}

// query turns a request into one page of a list.
func (l listing) query(r *api.Request) (*db.List, error) {
	columns := map[string]string{}
	for _, column := range l.sorts {
		columns[column] = column
	}
	page, err := api.Paging{Max: maxList, Columns: columns}.Read(r.Query)
	if err != nil {
		return nil, err
	}
	list := &db.List{From: l.table, Key: "id", Order: page.Sort, Marker: page.Marker, Limit: page.Limit}
	for parameter := range r.Query {
		name, operator, _ := strings.Cut(parameter, "__")
		known, ok := l.filters[name]
		if !ok {
			continue // keystone does not regard parameters that it does not know
		}
		if err := known.apply(list, r, parameter, operator); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func (f filter) apply(list *db.List, r *api.Request, parameter, operator string) error {
	value := r.Query.Get(parameter)
	switch {
	case f.kind == filterFlag && operator == "":
		flag, ok := api.ParseBool(value)
		// Clients send ?enabled with no value for true.
		list.Where(f.column+" = ?", flag || !ok && value == "")
		if !ok && value != "" {
			return api.BadRequest("Invalid value for %s: %q is not a boolean.", parameter, value)
		}
	case f.kind == filterTime && operator == "":
		return f.compareTime(list, value)
	case operator == "":
		list.Where(f.column+" = ?", value)
	case f.kind == filterText:
		return f.pattern(list, operator, value)
	}
	return nil
}

// compareTime adds a comparison with a time; rows that have none do not pass.
func (f filter) compareTime(list *db.List, value string) error {
	operator := "eq"
	if before, after, found := strings.Cut(value, ":"); found && len(before) <= 3 {
		operator, value = before, after
	}
	at, err := time.Parse(time.RFC3339, value)
	if err != nil {
		return api.BadRequest("Timestamp not in expected format. The server could not comply with the request since it is either malformed" +
			" or otherwise incorrect. The client is assumed to be in error.")
	}
	sign, known := map[string]string{"lt": "<", "lte": "<=", "eq": "=", "neq": "<>", "gte": ">=", "gt": ">"}[operator]
	if !known {
		return api.BadRequest("The given operator %s is not valid. It must be one of the following: 'eq', 'neq', 'lt', 'lte', 'gt', or 'gte'.", operator)
	}
	list.Where(f.column+" <> 0 AND "+f.column+" "+sign+" ?", at)
	return nil
}

// pattern adds a LIKE condition whose wildcards the value cannot bring along.
func (f filter) pattern(list *db.List, operator, value string) error {
	column := f.column
	if folded, found := strings.CutPrefix(operator, "i"); found {
		operator, column, value = folded, "LOWER("+f.column+")", strings.ToLower(value)
	}
	escaped := strings.NewReplacer("!", "!!", "%", "!%", "_", "!_").Replace(value)
	switch operator {
	case "contains":
		escaped = "%" + escaped + "%"
	case "startswith":
		escaped += "%"
	case "endswith":
		escaped = "%" + escaped
	case "exact":
	default:
		return nil // an operator that is not known is not regarded, as in keystone
	}
	list.Where(column+" LIKE ? ESCAPE '!'", escaped)
	return nil
}

// readPage reads a page and the marker of the next one. One row more than the page
// holds is asked for, to know whether there is a next.
func readPage[R any](tx *db.Tx, list *db.List, id func(R) string) (rows []R, next string, err error) {
	limit := list.Limit
	list.Limit++
	err = tx.List(&rows, list)
	if errors.Is(err, db.ErrMarker) {
		return nil, "", api.BadRequest("Marker %s could not be found.", list.Marker)
	}
	if err != nil {
		return nil, "", err
	}
	if len(rows) > limit {
		rows = rows[:limit]
		next = id(rows[limit-1])
	}
	return rows, next, nil
}

// optional is a JSON value that may be absent, null or there.
type optional[T any] struct {
	Set   bool
	Value T
}

// UnmarshalJSON implements json.Unmarshaler; null sets the zero value.
func (o *optional[T]) UnmarshalJSON(text []byte) error {
	o.Set = true
	if bytes.Equal(text, []byte("null")) {
		return nil
	}
	return json.Unmarshal(text, &o.Value)
}

// or is the value, or another where it was not given.
func (o optional[T]) or(other T) T {
	if o.Set {
		return o.Value
	}
	return other
}

// decodeResource reads {"key": {...}} into known, a pointer to a struct, and returns the
// attributes that known has no field for.
func decodeResource(r *api.Request, key string, known any) (extra map[string]any, err error) {
	var outer map[string]json.RawMessage
	if err := r.Decode(&outer); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(outer[key], known); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			return nil, api.BadRequest("Invalid input for field/attribute %s: a %s is not of the right type.", wrong.Field, wrong.Value)
		}
		return nil, api.BadRequest("Malformed request body.").Because(err)
	}
	if err := json.Unmarshal(outer[key], &extra); err != nil {
		return nil, api.BadRequest("Malformed request body.").Because(err)
	}
	for _, name := range jsonNames(reflect.TypeOf(known).Elem()) {
		delete(extra, name)
	}
	// What a client cannot choose, and what must not be kept as it is.
	for _, name := range []string{"id", "links", "original_password"} {
		delete(extra, name)
	}
	return extra, nil
}

func jsonNames(t reflect.Type) []string {
	var names []string
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}

// mergeExtra adds what a request brings to what is stored; null takes an attribute away.
func mergeExtra(stored, given map[string]any) (map[string]any, error) {
	merged := map[string]any{}
	for name, value := range stored {
		merged[name] = value
	}
	for name, value := range given {
		if value == nil && stored != nil {
			delete(merged, name)
			continue
		}
		merged[name] = value
	}
	text, err := json.Marshal(merged)
	if err != nil {
		return nil, err
	}
	if len(text) > maxExtra {
		return nil, api.BadRequest("The further attributes of the resource may have at most %d bytes in all.", maxExtra)
	}
	return merged, nil
}

// withExtra shows a resource together with the attributes that the API does not know.
func withExtra(view any, extra map[string]any) (json.RawMessage, error) {
	text, err := json.Marshal(view)
	if err != nil || len(extra) == 0 {
		return text, err
	}
	var known map[string]json.RawMessage
	if err := json.Unmarshal(text, &known); err != nil {
		return nil, err
	}
	all := make(map[string]any, len(known)+len(extra))
	for name, value := range extra {
		all[name] = value
	}
	for name, value := range known {
		all[name] = value
	}
	return json.Marshal(all)
}

// selfLink is the links member of a resource.
func selfLink(r *api.Request, path ...string) map[string]string {
	address := "/v3"
	for _, part := range path {
		address += "/" + url.PathEscape(part)
	}
	return map[string]string{"self": r.URL(address)}
}

// nonNil makes an empty map show as {}.
func nonNil(m map[string]any) map[string]any {
	if m == nil {
		return map[string]any{}
	}
	return m
}
