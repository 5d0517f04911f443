package compute

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"

	"virga/core/api"
	"virga/core/db"
	"virga/core/work"
)

const (
	// maxServersPage is nova's max_limit.
	maxServersPage = 1000
	// maxScanned bounds how many rows one request goes through for filters that the
	// database cannot apply.
	maxScanned = 100_000
)

// serverQuery is a list request, read and checked.
type serverQuery struct {
	where  []condition
	match  []func(row *server, t task) bool
	order  []db.Order
	marker string
	limit  int
	// projectID narrows to one project; empty: all.
	projectID string
	deleted   *bool // nil: both
	// soft says that servers which wait to be restored are asked for.
	soft bool
	// changes says that a period is asked for, deletedSaid and softSaid what was said of deleted servers.
	changes, deletedSaid bool
	softSaid             *bool
	// whole says that match looks at what is kept as JSON.
	whole bool
	// sorts, if there are any, say the order that the database cannot; see server_sort.go.
	sorts []serverSort
	// zones and nodes, if set, are patterns of what hosts are in and called.
	zones, nodes *regexp.Regexp
}

type condition struct {
	text string
	args []any
}

func (q *serverQuery) and(text string, args ...any) { q.where = append(q.where, condition{text, args}) }

func (q *serverQuery) list() *db.List {
	l := &db.List{From: "servers", Key: "id", Order: q.order, Marker: q.marker, LooseMarker: true, Limit: q.limit}
	if q.projectID != "" {
		l.Where("project_id = ?", q.projectID)
	}
	switch {
	case q.deleted == nil:
	case *q.deleted && (!q.deletedSaid || q.softSaid != nil && !*q.softSaid):
		l.Where("deleted_at > 0")
	case *q.deleted:
		l.Where("(deleted_at > 0 OR vm_state = ?)", vmSoft)
	case q.soft || q.softSaid != nil && *q.softSaid:
		l.Where("deleted_at = 0")
	default:
		l.Where("deleted_at = 0 AND vm_state <> ?", vmSoft)
	}
	for _, c := range q.where {
		l.Where(c.text, c.args...)
	}
	return l
}

// scope reads all_tenants, project_id and tenant_id.
func (q *serverQuery) scope(r *api.Request, rule string) error {
	project := last(r.Query, "project_id")
	if project == "" {
		project = last(r.Query, "tenant_id")
	}
	all := r.Query.Has("all_tenants")
	if text := last(r.Query, "all_tenants"); text != "" {
		var ok bool
		if all, ok = api.ParseBool(text); !ok {
			return api.BadRequest("Invalid input for query parameters all_tenants. Value: %s.", oneLine(text, 60))
		}
	}
	if !all {
		return nil // as in nova, a project given alone is ignored
	}
	if err := r.May(rule, nil); err != nil {
		return err
	}
	q.projectID = ""
	if r.Can("context_is_admin", nil) {
		q.projectID = project
	}
	return nil
}

// readServers returns the rows of one page: the given columns, or all without the card when
// a filter needs them.
func (s *Service) readServers(ctx context.Context, q *serverQuery, columns string) ([]*serverWithCard, error) {
	var found []*serverWithCard
	if q.whole {
		columns = serverColumns
	}
	err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
		found = nil
		if err := q.checkMarker(tx); err != nil || q.limit == 0 {
			return err
		}
		if err := q.resolveHosts(tx); err != nil {
			return err
		}
		if len(q.sorts) > 0 {
			found, err = q.sorted(tx)
			return err
		}
		l := q.list()
		l.Columns = columns
		if len(q.match) > 0 {
			l.Limit = max(q.limit, 500)
		}
		for scanned := 0; scanned < maxScanned; {
			var rows []serverWithCard
			if err := tx.List(&rows, l); err != nil {
				return err
			}
			scanned += len(rows)
			if err := q.take(tx, rows, &found); err != nil {
				return err
			}
			if len(rows) < l.Limit || len(found) == q.limit {
				return nil
			}
			l.Marker = rows[len(rows)-1].ID
		}
		return nil
	})
	return found, err
}

// take appends those rows that the other filters let through.
func (q *serverQuery) take(tx *db.Tx, rows []serverWithCard, found *[]*serverWithCard) error {
	tasks := map[string]task{}
	if len(q.match) > 0 {
		ids := make([]string, len(rows))
		for i := range rows {
			ids[i] = rows[i].ID
		}
		unfinished, err := work.Unfinished(tx, ids...)
		if err != nil {
			return err
		}
		for id, operations := range unfinished {
			tasks[id] = taskOf(operations)
		}
	}
	for i := range rows {
		row := &rows[i]
		fits := !slices.ContainsFunc(q.match, func(match func(*server, task) bool) bool { return !match(&row.server, tasks[row.ID]) })
		if fits && len(*found) < q.limit {
			*found = append(*found, row)
		}
	}
	return nil
}

// checkMarker finds out whether the marker is a server that the caller may see.
func (q *serverQuery) checkMarker(tx *db.Tx) error {
	if q.marker == "" {
		return nil
	}
	row, err := findServerEver(tx, q.marker)
	if errors.Is(err, db.ErrNotFound) || err == nil && q.projectID != "" && row.ProjectID != q.projectID {
		return api.BadRequest("marker [%s] not found", oneLine(q.marker, 60))
	}
	return err
}

func (s *Service) serverList(ctx context.Context, r *api.Request) (any, error) {
	q, err := s.readServerQuery(r, ruleIndexAllTenants)
	if err != nil {
		return nil, err
	}
	columns := namedColumns
	if len(q.match) > 0 || q.zones != nil || q.nodes != nil {
		columns = briefColumns
	}
	rows, err := s.readServers(ctx, q, columns)
	if err != nil {
		return nil, err
	}
	views := make([]serverBrief, len(rows))
	for i, row := range rows {
		views[i] = serverBrief{row.ID, row.Name, linksOf(r, "servers", row.ID)}
	}
	return withLinks("servers", views, serverLinks(r, rows, q.limit)), nil
}

func (s *Service) serverListDetail(ctx context.Context, r *api.Request) (any, error) {
	q, err := s.readServerQuery(r, ruleDetailAllTenants)
	if err != nil {
		return nil, err
	}
	found, err := s.readServers(ctx, q, listedColumns)
	if err != nil {
		return nil, err
	}
	rows := make([]*server, len(found))
	for i := range found {
		rows[i] = &found[i].server
	}
	c, err := s.readContext(ctx, r, rows)
	if err != nil {
		return nil, err
	}
	cards, err := s.cardsOf(ctx, found)
	if err != nil {
		return nil, err
	}
	s.freshenCards(ctx, rows, cards)
	text, err := s.newPageText(r, c, len(rows)).page(rows, cards, serverLinks(r, found, q.limit))
	if err != nil {
		return nil, err
	}
	header := http.Header{"Content-Type": {"application/json"}, "Content-Length": {strconv.Itoa(len(text))}}
	return &api.Response{Status: http.StatusOK, Header: header, Stream: io.NopCloser(bytes.NewReader(text))}, nil
}

// cardsOf takes the cards of rows apart. Those that are missing, of another form or older
// than the row (which was read again whole) are made of the row.
func (s *Service) cardsOf(ctx context.Context, rows []*serverWithCard) ([]card, error) {
	cards := make([]card, len(rows))
	var missing []string
	at := map[string]int{}
	for i, row := range rows {
		if row.Detail.Flavor.ID == "" {
			if cards[i] = readCard(row.Card); cards[i] == nil {
				missing = append(missing, row.ID)
				at[row.ID] = i
			}
			continue
		}
		text, err := makeCard(&row.server)
		if err != nil {
			return nil, err
		}
		cards[i] = readCard(text)
	}
	if len(missing) == 0 {
		return cards, nil
	}
	var whole []*server
	if err := s.db.Read(ctx, func(tx *db.Tx) (err error) { whole, err = serversEver(tx, missing); return err }); err != nil {
		return nil, err
	}
	for _, row := range whole {
		text, err := makeCard(row)
		if err != nil {
			return nil, err
		}
		cards[at[row.ID]] = readCard(text)
	}
	for _, i := range at {
		if cards[i] == nil { // it was purged in between
			text, err := makeCard(&rows[i].server)
			if err != nil {
				return nil, err
			}
			cards[i] = readCard(text)
		}
	}
	return cards, nil
}

func serverLinks(r *api.Request, rows []*serverWithCard, limit int) []linkView {
	if len(rows) == 0 || len(rows) < limit {
		return nil
	}
	return []linkView{{"next", r.SelfURL(api.NextQuery(r.Query, rows[len(rows)-1].ID))}}
}
