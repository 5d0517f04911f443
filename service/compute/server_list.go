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
	"strings"
	"time"

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
	// whole says that match looks at what is kept as JSON.
	whole bool
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
	case *q.deleted:
		l.Where("deleted_at > 0")
	case q.soft:
		l.Where("deleted_at = 0")
	default:
		l.Where("deleted_at = 0 AND vm_state <> ?", vmSoft)
	}
	for _, c := range q.where {
		l.Where(c.text, c.args...)
	}
	return l
}

// serverColumnOf maps sort keys to columns; those of the second list are for administrators.
var serverColumnOf = map[string]string{
	"availability_zone": "zone", "config_drive": "config_drive", "created_at": "created_at", "display_name": "name", "hostname": "hostname",
	"image_ref": "image_id", "instance_type_id": "flavor_id", "key_name": "key_name", "launched_at": "launched_at", "locked": "locked",
	"power_state": "power_state", "project_id": "project_id", "terminated_at": "deleted_at", "updated_at": "updated_at", "user_id": "user_id",
	"uuid": "id", "vm_state": "vm_state", "name": "name", "display_description": "id", "access_ip_v4": "id", "access_ip_v6": "id",
	"auto_disk_config": "id", "kernel_id": "id", "launch_index": "id", "locked_by": "id", "progress": "id", "ramdisk_id": "id",
	"root_device_name": "id", "task_state": "id", "host": "host", "node": "host",
}

var serverPaging = api.Paging{Max: maxServersPage, Columns: serverColumnOf,
	Order: []db.Order{{Column: "created_at", Descending: true}, {Column: "id", Descending: true}}}

// serverFilters are the filters by name; filters of administrators are ignored for others,
// as Nova does.
var serverFilters = map[string]struct {
	// since is the version from which everybody may use it; memberNever: administrators alone.
	since       api.Version
	memberNever bool
	apply       func(q *serverQuery, values []string, r *api.Request) error
}{
	"name":              {apply: func(q *serverQuery, v []string, _ *api.Request) error { return q.byName(v[0]) }},
	"status":            {apply: func(q *serverQuery, v []string, r *api.Request) error { return q.byStatus(v, r) }},
	"image":             {apply: equals("image_id")},
	"flavor":            {apply: equals("flavor_id")},
	"reservation_id":    {apply: equals("reservation_id")},
	"uuid":              {apply: equals("id")},
	"ip":                {apply: func(q *serverQuery, v []string, _ *api.Request) error { return q.byAddress(v[0], 4) }},
	"ip6":               {since: vIPv6Filter, apply: func(q *serverQuery, v []string, _ *api.Request) error { return q.byAddress(v[0], 6) }},
	"changes-since":     {apply: func(q *serverQuery, v []string, _ *api.Request) error { return q.changed(v[0], "updated_at >= ?") }},
	"changes-before":    {since: vChangesBefore, apply: func(q *serverQuery, v []string, _ *api.Request) error { return q.changed(v[0], "updated_at <= ?") }},
	"tags":              {since: vTags, apply: tagFilter("AND", false)},
	"tags-any":          {since: vTags, apply: tagFilter("OR", false)},
	"not-tags":          {since: vTags, apply: tagFilter("AND", true)},
	"not-tags-any":      {since: vTags, apply: tagFilter("OR", true)},
	"locked":            {since: vLockedReason, apply: flagFilter("locked")},
	"availability_zone": {since: vMoreFilters, apply: zoneFilterOf},
	"config_drive":      {since: vMoreFilters, apply: flagFilter("config_drive")},
	"key_name":          {since: vMoreFilters, apply: equals("key_name")},
	"user_id":           {since: vMoreFilters, apply: equals("user_id")},
	"vm_state":          {since: vMoreFilters, apply: stateFilter},
	"power_state":       {since: vMoreFilters, apply: powerFilter},
	"task_state":        {since: vMoreFilters, apply: taskFilter},
	"hostname":          {memberNever: true, apply: equals("hostname")},
	"host":              {memberNever: true, apply: equals("host")},
	"node":              {memberNever: true, apply: equals("host")},
	"project_id":        {memberNever: true, apply: func(*serverQuery, []string, *api.Request) error { return nil }},
	"tenant_id":         {memberNever: true, apply: func(*serverQuery, []string, *api.Request) error { return nil }},
	"deleted":           {memberNever: true, apply: func(q *serverQuery, v []string, _ *api.Request) error { return q.deletedOnly(v[0]) }},
	"description":       {memberNever: true, apply: descriptionFilter},
	"launch_index":      {memberNever: true, apply: launchIndexFilter},
}

// ignoredParams are known and change nothing here: no server differs in them.
var ignoredParams = []string{"limit", "marker", "sort_key", "sort_dir", "all_tenants", "access_ip_v4", "access_ip_v6", "auto_disk_config",
	"created_at", "launched_at", "terminated_at", "progress", "kernel_id", "ramdisk_id", "root_device_name", "locked_by", "soft_deleted", "instance_type_id",
	"image_ref", "disk_config", "display_description", "auto_disk_config", "block_device_mapping", "services", "security_groups"}

// readServerQuery reads the query of a list request for a rule's caller.
func (s *Service) readServerQuery(r *api.Request, allTenantsRule string) (*serverQuery, error) {
	page, err := serverPaging.Read(r.Query)
	if err != nil {
		return nil, err
	}
	admin := r.Can("context_is_admin", nil)
	live := false
	if limit, err := strconv.Atoi(r.Query.Get("limit")); err == nil && limit == 0 {
		page.Limit = 0 // nova's limit of zero is none at all, not the greatest
	}
	q := &serverQuery{order: page.Sort, marker: page.Marker, limit: page.Limit, projectID: r.ProjectID(), deleted: &live}
	for _, o := range page.Sort {
		if o.Column == "host" && !admin {
			return nil, api.BadRequest("Only administrators can sort servers by host")
		}
	}
	if err := q.scope(r, allTenantsRule, admin); err != nil {
		return nil, err
	}
	for name, values := range r.Query {
		filter, known := serverFilters[name]
		if !known {
			if r.Version.AtLeast(vWholeUpdate) && !slices.Contains(ignoredParams, name) {
				return nil, api.BadRequest("Additional properties are not allowed ('%s' was unexpected)", oneLine(name, 60))
			}
			continue
		}
		if !admin && (filter.memberNever || r.Version.Before(filter.since)) || values[0] == "" && name != "availability_zone" {
			continue
		}
		if err := filter.apply(q, values, r); err != nil {
			return nil, err
		}
	}
	return q, nil
}

// scope reads all_tenants, project_id and tenant_id.
func (q *serverQuery) scope(r *api.Request, rule string, admin bool) error {
	project := r.Query.Get("project_id")
	if project == "" {
		project = r.Query.Get("tenant_id")
	}
	all := r.Query.Has("all_tenants")
	if text := r.Query.Get("all_tenants"); text != "" {
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
	q.projectID = project
	return nil
}

func equals(column string) func(*serverQuery, []string, *api.Request) error {
	return func(q *serverQuery, values []string, _ *api.Request) error {
		marks, args := db.In(values[:min(len(values), 100)])
		q.and(column+" IN "+marks, args...)
		return nil
	}
}

func stateFilter(q *serverQuery, values []string, r *api.Request) error {
	states := slices.Clone(values)
	for i, state := range states {
		if state == shownOffloaded {
			states[i] = vmOffloaded
		}
	}
	return equals("vm_state")(q, states, r)
}

func flagFilter(column string) func(*serverQuery, []string, *api.Request) error {
	return func(q *serverQuery, values []string, _ *api.Request) error {
		value, ok := api.ParseBool(values[0])
		if !ok {
			return api.BadRequest("Invalid input for query parameters %s. Value: %s.", column, oneLine(values[0], 60))
		}
		q.and(column+" = ?", value)
		return nil
	}
}

func zoneFilterOf(q *serverQuery, values []string, _ *api.Request) error {
	q.and("(zone = ? OR host IN (SELECT name FROM hosts WHERE zone = ?))", values[0], values[0])
	return nil
}

func powerFilter(q *serverQuery, values []string, _ *api.Request) error {
	n, err := strconv.Atoi(values[0])
	if err != nil {
		return api.BadRequest("Invalid input for query parameters power_state. Value: %s.", oneLine(values[0], 60))
	}
	q.and("power_state = ?", n)
	return nil
}

func taskFilter(q *serverQuery, values []string, _ *api.Request) error {
	q.match = append(q.match, func(_ *server, t task) bool { return slices.Contains(values, t.state) })
	return nil
}

func descriptionFilter(q *serverQuery, values []string, _ *api.Request) error {
	q.whole = true
	q.match = append(q.match, func(row *server, _ task) bool {
		return row.Detail.Description != nil && strings.Contains(*row.Detail.Description, values[0])
	})
	return nil
}

func launchIndexFilter(q *serverQuery, values []string, _ *api.Request) error {
	q.whole = true
	q.match = append(q.match, func(row *server, _ task) bool { return strconv.Itoa(row.Detail.LaunchIndex) == values[0] })
	return nil
}

func tagFilter(join string, not bool) func(*serverQuery, []string, *api.Request) error {
	return func(q *serverQuery, values []string, _ *api.Request) error {
		tags := strings.Split(values[0], ",")
		if len(tags) > 50 {
			return api.BadRequest("At most 50 tags can be filtered by.")
		}
		parts, args := make([]string, len(tags)), make([]any, len(tags))
		for i, tag := range tags {
			parts[i], args[i] = "id IN (SELECT server_id FROM server_tags WHERE tag = ?)", tag
		}
		text := "(" + strings.Join(parts, " "+join+" ") + ")"
		if not {
			text = "NOT " + text
		}
		q.and(text, args...)
		return nil
	}
}

// maxPattern bounds the regular expressions of filters, which are RE2 and so run in linear time.
const maxPattern = 255

func compilePattern(name, text string) (*regexp.Regexp, error) {
	if len(text) > maxPattern {
		return nil, api.BadRequest("Invalid input for query parameters %s: it is too long.", name)
	}
	pattern, err := regexp.Compile("(?i)" + text)
	if err != nil {
		return nil, api.BadRequest("Invalid input for query parameters %s. Value: %s. It is not a regular expression.", name, oneLine(text, 60))
	}
	return pattern, nil
}

func (q *serverQuery) byName(text string) error {
	pattern, err := compilePattern("name", text)
	if err != nil {
		return err
	}
	q.match = append(q.match, func(row *server, _ task) bool { return pattern.MatchString(row.Name) })
	return nil
}

func (q *serverQuery) byAddress(text string, version int) error {
	pattern, err := compilePattern("ip", text)
	if err != nil {
		return err
	}
	q.whole = true
	q.match = append(q.match, func(row *server, _ task) bool {
		for _, n := range row.NICs {
			for _, fixed := range n.FixedIPs {
				for _, address := range append([]string{fixed.Address}, fixed.Floating...) {
					if ipVersion(address) == version && pattern.MatchString(address) {
						return true
					}
				}
			}
		}
		return false
	})
	return nil
}

// vmStatesOf are the vm_states that a status can stand for.
var vmStatesOf = map[string][]string{
	"ACTIVE": {vmActive}, "BUILD": {vmBuilding}, "SHUTOFF": {vmStopped}, "PAUSED": {vmPaused}, "SUSPENDED": {vmSuspended}, "RESCUE": {vmRescued}, "PASSWORD": {vmActive}, "SOFT_DELETED": {vmSoft}, "ERROR": {vmError, vmBuilding}, "DELETED": {vmDeleted},
	"REBOOT": {vmActive, vmStopped, vmPaused, vmSuspended, vmError}, "HARD_REBOOT": {vmActive, vmStopped, vmPaused, vmSuspended, vmError},
	"SHELVED": {vmShelved}, "SHELVED_OFFLOADED": {vmOffloaded},
	"REBUILD": {vmActive, vmStopped, vmError},
	"RESIZE":  {vmActive, vmStopped}, "VERIFY_RESIZE": {vmResized}, "REVERT_RESIZE": {vmResized},
}

// otherStatuses are statuses of Nova that no server has here.
var otherStatuses = []string{"MIGRATING", "UNKNOWN"}

func (q *serverQuery) byStatus(values []string, r *api.Request) error {
	var states, statuses []string
	for _, value := range values {
		status := strings.ToUpper(value)
		known := vmStatesOf[status]
		if known == nil && !slices.Contains(otherStatuses, status) && r.Version.AtLeast(vStatusChecked) {
			return api.BadRequest("Invalid status value %s", oneLine(value, 60))
		}
		if status == "DELETED" {
			if !r.Can("context_is_admin", nil) {
				return api.Forbidden("Only administrators may list deleted instances")
			}
			q.deleted = nil
		}
		q.soft = q.soft || status == "SOFT_DELETED"
		states, statuses = append(states, known...), append(statuses, status)
	}
	marks, args := db.In(states)
	q.and("vm_state IN "+marks, args...)
	q.match = append(q.match, func(row *server, t task) bool {
		return slices.Contains(statuses, statusOf(vmStateOf(row, t), t))
	})
	return nil
}

func (q *serverQuery) changed(text, condition string) error {
	at, err := parseTime(text)
	if err != nil {
		return api.BadRequest("Invalid input for query parameters changes-since or changes-before. Value: %s. It is not a date and time.", oneLine(text, 60))
	}
	q.deleted = nil
	q.and(condition, at)
	return nil
}

func (q *serverQuery) deletedOnly(text string) error {
	deleted, ok := api.ParseBool(text)
	if !ok {
		return api.BadRequest("Invalid input for query parameters deleted. Value: %s.", oneLine(text, 60))
	}
	q.deleted = &deleted
	return nil
}

// parseTime reads the forms of ISO 8601 that clients send; without a zone it is UTC.
func parseTime(text string) (time.Time, error) {
	text = strings.Replace(text, " ", "+", 1) // a plus sign that nobody escaped
	for _, form := range []string{time.RFC3339Nano, "2006-01-02T15:04:05-0700", "2006-01-02T15:04:05", "2006-01-02+15:04:05", "2006-01-02"} {
		if at, err := time.Parse(form, text); err == nil {
			return at.UTC(), nil
		}
	}
	return time.Time{}, errors.New("not a date and time")
}

// readServers returns the rows of one page: the given columns, or all without the card when
// a filter needs them.
func (s *Service) readServers(ctx context.Context, q *serverQuery, columns string) ([]*serverWithCard, error) {
	var found []*serverWithCard
	if q.whole {
		columns = serverColumns
	}
	err := s.db.Read(ctx, func(tx *db.Tx) error {
		found = nil
		if err := q.checkMarker(tx); err != nil || q.limit == 0 {
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
	if len(q.match) > 0 {
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
