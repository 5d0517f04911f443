package api

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"virga/core/db"
)

// Page is what a list request asks for.
type Page struct {
	Limit   int
	Marker  string
	Reverse bool
	Sort    []db.Order
}

// Paging says what a list allows.
type Paging struct {
	// Max bounds the limit; a greater one is cut to it. Default is used without one; 0 means Max.
	Max, Default int
	// Columns maps the sort keys of the API to columns.
	Columns map[string]string
	// Order is used when no sort key is given.
	Order []db.Order
}

// Read takes limit, marker, page_reverse, sort_key and sort_dir (repeatable) and sort
// (key:dir,key:dir) from a query. A negative or garbled limit and an unknown sort key
// are errors.
func (p Paging) Read(query url.Values) (Page, error) {
	page := Page{Limit: p.Default, Marker: query.Get("marker"), Sort: p.Order}
	if page.Limit == 0 {
		page.Limit = p.Max
	}
	if limit := query.Get("limit"); limit != "" {
		n, err := strconv.ParseUint(limit, 10, 64)
		if err != nil {
			return page, BadRequest("Invalid input for query parameters limit. Value: %s. limit must be a non-negative integer.", limit)
		}
		if n > 0 {
			page.Limit = int(min(n, uint64(p.Max)))
		}
	}
	page.Reverse, _ = ParseBool(query.Get("page_reverse"))
	keys, directions := query["sort_key"], query["sort_dir"]
	if sort := query.Get("sort"); sort != "" {
		keys, directions = nil, nil
		for part := range strings.SplitSeq(sort, ",") {
			key, direction, _ := strings.Cut(part, ":")
			keys, directions = append(keys, key), append(directions, direction)
		}
	}
	if len(keys) == 0 {
		if len(directions) > 0 && len(p.Order) > 0 {
			descending, err := descends(directions[0])
			page.Sort = []db.Order{{Column: p.Order[0].Column, Descending: descending}}
			return page, err
		}
		return page, nil
	}
	page.Sort = nil
	for i, key := range keys {
		column, known := p.Columns[key]
		if !known {
			return page, BadRequest("Invalid input for query parameters sort_key. Value: %s. %s is not a valid sort key.", key, key)
		}
		descending := len(p.Order) > 0 && p.Order[0].Descending
		if i < len(directions) {
			var err error
			if descending, err = descends(directions[i]); err != nil {
				return page, err
			}
		}
		if slices.ContainsFunc(page.Sort, func(o db.Order) bool { return o.Column == column }) {
			continue // the first decides, and no request makes the order longer than there are columns
		}
		page.Sort = append(page.Sort, db.Order{Column: column, Descending: descending})
	}
	return page, nil
}

func descends(direction string) (bool, error) {
	switch strings.ToLower(direction) {
	case "asc", "":
		return false, nil
	case "desc":
		return true, nil
	}
	return false, BadRequest("Invalid input for query parameters sort_dir. Value: %s. It must be asc or desc.", direction)
}

// NextQuery is the query of the page after the one that ended with marker.
func NextQuery(query url.Values, marker string) url.Values {
	next := url.Values{}
	for key, values := range query {
		next[key] = values
	}
	next.Set("marker", marker)
	return next
}
