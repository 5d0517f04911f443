package image

import (
	"context"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"virga/core/api"
	"virga/core/db"
)

const (
	defaultPage = 25
	maxPage     = 1000
	// maxFilters and maxChoices bound what one list request may ask for.
	maxFilters = 128
	maxChoices = 1000
)

// listQuery is what a list request asks for, and what its caller may see.
type listQuery struct {
	// project is the caller's; seeAll lifts the bounds of visibility.
	project      string
	seeAll       bool
	memberStatus string // of the images shared with the project; "all" for any
	visibility   string // empty, "all" or one of the visibilities
	conditions   []condition
	tags         []string
	properties   map[string]string
	order        []db.Order
	marker       string
	limit        int
}

// condition compares a column with values.
type condition struct {
	column string
	op     string // in, >=, <, and their kin
	values []any
}

func (s *Service) imageList(ctx context.Context, r *api.Request) (any, error) {
	q, err := readListQuery(r)
	if err != nil {
		return nil, err
	}
	if q.marker != "" {
		if _, err := s.visibleImage(ctx, r, q.marker); api.StatusOf(err) == 404 {
			return nil, api.BadRequest("Invalid marker: no image found with ID %s", q.marker)
		} else if err != nil {
			return nil, err
		}
	}
	limit := q.limit
	q.limit++ // one more tells whether there is a next page
	var images []image
	err = s.deps.DB.Read(ctx, func(tx *db.Tx) error { return listImages(tx, &images, q) })
	if errors.Is(err, db.ErrMarker) {
		return nil, api.BadRequest("Invalid marker: no image found with ID %s", q.marker)
	}
	if err != nil {
		return nil, err
	}
	view := imagesView{Images: []map[string]any{}, First: pageLink(r.Query, ""), Schema: "/v2/schemas/images"}
	if len(images) > limit {
		images = images[:limit]
		view.Next = pageLink(r.Query, images[limit-1].ID)
	}
	for i := range images {
		img := &images[i]
		if img.Visibility == visibilityShared && img.Owner != q.project && !q.seeAll {
			img.callerMember = q.project // the list holds it for no other reason
		}
		if r.Can("get_image", img.PolicyTarget()) {
			view.Images = append(view.Images, s.imageViewFor(r, img))
		}
	}
	return view, nil
}

// pageLink is the address of the page after the marker, relative as clients expect it.
func pageLink(query url.Values, marker string) string {
	query = maps.Clone(query)
	query.Del("marker")
	if marker != "" {
		query.Set("marker", marker)
	}
	if len(query) == 0 {
		return "/v2/images"
	}
	return "/v2/images?" + query.Encode()
}

func readListQuery(r *api.Request) (listQuery, error) {
	q := listQuery{project: r.ProjectID(), seeAll: r.Can("image:see_all", nil), memberStatus: "accepted", limit: defaultPage,
		marker: r.Query.Get("marker"), properties: map[string]string{}}
	filters := maps.Clone(r.Query)
	for name, values := range filters {
		for _, value := range values {
			if text := name + value; !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
				return q, api.BadRequest("Invalid query parameter %q.", name)
			}
		}
	}
	var err error
	if q.limit, err = readLimit(filters); err != nil {
		return q, err
	}
	if q.order, err = readSorting(filters); err != nil {
		return q, err
	}
	for _, name := range []string{"limit", "marker", "sort", "sort_key", "sort_dir"} {
		delete(filters, name)
	}
	return q, q.readFilters(filters)
}

func readLimit(query url.Values) (int, error) {
	text := query.Get("limit")
	if text == "" {
		return defaultPage, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return maxPage, nil
	case err != nil && strings.HasPrefix(text, "-"):
		return 0, api.BadRequest("limit param must be positive")
	case err != nil:
		return 0, api.BadRequest("limit param must be an integer")
	case n == 0:
		return defaultPage, nil
	}
	return int(min(n, maxPage)), nil
}

// sortColumns are the keys that images can be sorted by; each is a column.
func sortColumns() []string {
	return []string{"name", "status", "container_format", "disk_format", "size", "id", "created_at", "updated_at"}
}

// readSorting reads sort=key:dir,… or repeated sort_key and sort_dir; one sort_dir holds
// for all keys. Newest first is the default, and the last resort.
func readSorting(query url.Values) ([]db.Order, error) {
	keys, directions := query["sort_key"], query["sort_dir"]
	if sort := query.Get("sort"); sort != "" {
		if len(keys)+len(directions) > 0 {
			return nil, api.BadRequest("Old and new sorting syntax cannot be combined")
		}
		for part := range strings.SplitSeq(sort, ",") {
			key, direction, _ := strings.Cut(part, ":")
			if strings.TrimSpace(direction) == "" {
				direction = "desc"
			}
			keys, directions = append(keys, key), append(directions, direction)
		}
	}
	if len(keys) == 0 {
		keys = []string{"created_at"}
	}
	if len(directions) == 0 {
		directions = []string{"desc"}
	}
	if len(directions) > 1 && len(directions) != len(keys) {
		return nil, api.BadRequest("Number of sort dirs does not match the number of sort keys")
	}
	var order []db.Order
	for i, key := range keys {
		key, direction := strings.TrimSpace(key), strings.TrimSpace(directions[min(i, len(directions)-1)])
		if !slices.Contains(sortColumns(), key) {
			return nil, api.BadRequest("Invalid sort key: %s. It must be one of the following: %s.", key, strings.Join(sortColumns(), ", "))
		}
		if direction != "asc" && direction != "desc" {
			return nil, api.BadRequest("Invalid sort direction: %s", direction)
		}
		if !ordersBy(order, key) {
			order = append(order, db.Order{Column: key, Descending: direction == "desc"})
		}
	}
	for _, key := range []string{"created_at", "id"} {
		if !ordersBy(order, key) {
			order = append(order, db.Order{Column: key, Descending: order[0].Descending})
		}
	}
	// What comes after an id decides nothing.
	last := slices.IndexFunc(order, func(o db.Order) bool { return o.Column == "id" })
	return order[:last+1], nil
}

func ordersBy(order []db.Order, column string) bool {
	return slices.ContainsFunc(order, func(o db.Order) bool { return o.Column == column })
}

// readFilters reads the parameters that are left: attributes, tags, and properties by name.
func (q *listQuery) readFilters(filters url.Values) error {
	if len(filters)+len(filters["tag"]) > maxFilters {
		return api.BadRequest("More than %d filters.", maxFilters)
	}
	if !filters.Has("os_hidden") {
		filters["os_hidden"] = []string{"false"}
	}
	for _, name := range slices.Sorted(maps.Keys(filters)) {
		if err := q.readFilter(name, filters[name]); err != nil {
			return err
		}
	}
	return nil
}

func (q *listQuery) readFilter(name string, values []string) error {
	value := values[len(values)-1]
	switch name {
	case "tag":
		for _, tag := range values {
			q.tags = append(q.tags, strings.TrimSpace(tag))
		}
		return nil
	case "member_status":
		if !slices.Contains([]string{"pending", "accepted", "rejected", "all"}, value) {
			return api.BadRequest("Invalid status: %s", value)
		}
		q.memberStatus = value
		return nil
	case "visibility":
		if !slices.Contains([]string{"", "all", visibilityCommunity, visibilityPublic, visibilityPrivate, visibilityShared}, value) {
			return api.BadRequest("Invalid visibility value: %s", value)
		}
		q.visibility = value
		return nil
	case "changes-since":
		return api.BadRequest(`The "changes-since" filter is no longer available on v2.`)
	case "os_hidden", "protected":
		flag, err := strconv.ParseBool(strings.ToLower(value))
		if err != nil {
			return api.BadRequest("Invalid value '%s' for '%s' filter. Valid values are 'true' or 'false'.", value, name)
		}
		q.where(name, "in", flag)
		return nil
	case "created_at", "updated_at":
		return q.readTimeFilter(name, value)
	case "name", "id", "status", "container_format", "disk_format":
		return q.readChoiceFilter(name, value)
	case "owner", "checksum", "os_hash_value", "os_hash_algo":
		q.where(name, "in", value)
		return nil
	}
	if found, err := q.readNumberFilter(name, value); found {
		return err
	}
	q.properties[name] = value
	return nil
}

func (q *listQuery) where(column, op string, values ...any) {
	q.conditions = append(q.conditions, condition{column, op, values})
}

// readNumberFilter reads NAME, NAME_min and NAME_max of the attributes that are numbers.
func (q *listQuery) readNumberFilter(name, value string) (bool, error) {
	column, op := name, "in"
	if short, ok := strings.CutSuffix(name, "_min"); ok {
		column, op = short, ">="
	} else if short, ok := strings.CutSuffix(name, "_max"); ok {
		column, op = short, "<="
	}
	if !slices.Contains([]string{"size", "virtual_size", "min_disk", "min_ram"}, column) {
		return false, nil
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return true, api.BadRequest("Unable to filter on a range with a non-numeric value.")
	}
	q.where(column, op, n)
	if op == "<=" {
		q.where(column, ">=", 0) // an unknown size is not a small one
	}
	return true, nil
}

// readChoiceFilter reads a value, or in:a,b,"c,d".
func (q *listQuery) readChoiceFilter(name, value string) error {
	op, list, found := strings.Cut(value, ":")
	switch {
	case !found || op == "eq":
		if found {
			value = list
		}
		q.where(name, "in", value)
		return nil
	case op != "in":
		return api.BadRequest("Unable to filter by unknown operator '%s'.", op)
	}
	choices, err := splitChoices(list)
	if err != nil {
		return err
	}
	if len(choices) > maxChoices {
		return api.BadRequest("More than %d values for filter %s.", maxChoices, name)
	}
	values := make([]any, len(choices))
	for i, choice := range choices {
		values[i] = choice
	}
	q.where(name, "in", values...)
	return nil
}

// splitChoices splits at commas; a value in double quotes may hold commas, and quotes behind a backslash.
func splitChoices(list string) ([]string, error) {
	var choices []string
	for rest := list; ; {
		var choice, after string
		if strings.HasPrefix(rest, `"`) {
			end := 1
			for end < len(rest) && rest[end] != '"' {
				if rest[end] == '\\' && end+1 < len(rest) {
					end++
				}
				choice += rest[end : end+1]
				end++
			}
			if end == len(rest) {
				return nil, api.BadRequest("Invalid filter value %s. The quote is not closed.", list)
			}
			after = rest[end+1:]
			if after != "" && after[0] != ',' {
				return nil, api.BadRequest("Invalid filter value %s. There is no comma after closing quotation mark.", list)
			}
		} else {
			end := strings.IndexByte(rest, ',')
			if end < 0 {
				end = len(rest)
			}
			choice, after = rest[:end], rest[end:]
			if strings.Contains(choice, `"`) {
				return nil, api.BadRequest("Invalid filter value %s. There is no comma before opening quotation mark.", list)
			}
		}
		choices = append(choices, choice)
		if after == "" {
			return choices, nil
		}
		rest = after[1:]
	}
}

// readTimeFilter reads a time, possibly behind an operator. Times are compared to the
// second, as they are shown.
func (q *listQuery) readTimeFilter(column, value string) error {
	at, ok := parseTime(value)
	op := "eq"
	if !ok {
		var text string
		op, text, _ = strings.Cut(value, ":")
		if at, ok = parseTime(text); !ok {
			return api.BadRequest(`Bad "%s" query filter format. Use ISO 8601 DateTime notation.`, column)
		}
	}
	next := at.Add(time.Second)
	switch op {
	case "gt":
		q.where(column, ">=", next)
	case "gte":
		q.where(column, ">=", at)
	case "lt":
		q.where(column, "<", at)
	case "lte":
		q.where(column, "<", next)
	case "eq":
		q.where(column, ">=", at)
		q.where(column, "<", next)
	case "neq":
		q.where(column, "outside", at, next)
	default:
		return api.BadRequest("Unable to filter on a unknown operator.")
	}
	return nil
}

func parseTime(text string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04:05Z0700", "2006-01-02"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC().Truncate(time.Second), true
		}
	}
	return time.Time{}, false
}
