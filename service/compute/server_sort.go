package compute

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"virga/core/api"
	"virga/core/db"
	"virga/core/work"
)

// serverColumnOf maps sort keys to columns.
var serverColumnOf = map[string]string{
	"availability_zone": "zone", "config_drive": "config_drive", "created_at": "created_at", "display_name": "name", "hostname": "hostname",
	"image_ref": "image_id", "instance_type_id": "flavor_id", "key_name": "key_name", "launched_at": "launched_at", "locked": "locked",
	"power_state": "power_state", "project_id": "project_id", "terminated_at": "deleted_at", "updated_at": "updated_at", "user_id": "user_id",
	"uuid": "id", "vm_state": "vm_state", "host": "host", "node": "host",
}

// serverTextOf are the sort keys that no column is for. A list that has one of them is sorted in memory by all of its keys.
var serverTextOf = map[string]func(row *server, t task) string{
	"access_ip_v4":        func(row *server, _ task) string { return row.Detail.AccessIPv4 },
	"access_ip_v6":        func(row *server, _ task) string { return row.Detail.AccessIPv6 },
	"auto_disk_config":    func(row *server, _ task) string { return strconv.FormatBool(row.Detail.DiskConfig == "AUTO") },
	"display_description": descriptionOf,
	"kernel_id":           kernelOfServer,
	"launch_index":        func(row *server, _ task) string { return fmt.Sprintf("%08d", row.Detail.LaunchIndex) },
	"locked_by":           func(row *server, _ task) string { return row.Detail.LockedBy },
	"progress":            func(*server, task) string { return "0" },
	"ramdisk_id":          ramdiskOfServer,
	"root_device_name":    rootDevice,
	"task_state":          func(_ *server, t task) string { return t.state },
}

// columnText is what a column of serverColumnOf holds, in a form that sorts as the column does.
func columnText(column string) func(row *server, t task) string {
	at := func(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000") }
	return func(row *server, _ task) string {
		switch column {
		case "zone":
			return row.Zone
		case "config_drive":
			return strconv.FormatBool(row.ConfigDrive)
		case "created_at":
			return at(row.CreatedAt)
		case "name":
			return row.Name
		case "hostname":
			return row.HostName
		case "image_id":
			return row.ImageID
		case "flavor_id":
			return row.FlavorID
		case "key_name":
			return row.KeyName
		case "launched_at":
			return at(row.LaunchedAt)
		case "locked":
			return strconv.FormatBool(row.Locked)
		case "power_state":
			return strconv.Itoa(row.PowerState)
		case "project_id":
			return row.ProjectID
		case "deleted_at":
			return at(row.DeletedAt)
		case "updated_at":
			return at(row.UpdatedAt)
		case "user_id":
			return row.UserID
		case "vm_state":
			return row.VMState
		case "host":
			return row.Host
		}
		return row.ID
	}
}

// ignoredSortKeys are keys that nova once knew: they change nothing until 2.74, and are unknown from 2.75 on.
var ignoredSortKeys = []string{"architecture", "cell_name", "cleaned", "default_ephemeral_device", "default_swap_device", "deleted", "deleted_at",
	"disable_terminate", "ephemeral_gb", "ephemeral_key_uuid", "id", "key_data", "launched_on", "memory_mb", "os_type", "reservation_id", "root_gb",
	"shutdown_terminate", "user_data", "vcpus", "vm_mode"}

var serverPaging = api.Paging{Max: maxServersPage, Columns: serverColumnOf,
	Order: []db.Order{{Column: "created_at", Descending: true}, {Column: "id", Descending: true}}}

// serverSort is one key of an order in memory.
type serverSort struct {
	text       func(row *server, t task) string
	descending bool
}

// sortBy reads sort_key and sort_dir: keys without a direction have the first one that is given, and what is equal by
// them is in the order of creation.
func (q *serverQuery) sortBy(r *api.Request, admin bool) error {
	keys, directions, err := readSort(r)
	if err != nil {
		return err
	}
	if len(directions) == 0 {
		directions = []string{"desc"}
	}
	var order []db.Order
	inMemory := false
	sorts := []serverSort{}
	for i, key := range append(keys, "created_at", "uuid") {
		direction := directions[0]
		if i < min(len(keys), len(directions)) {
			direction = directions[i]
		}
		if (key == "host" || key == "node") && !admin {
			return api.Forbidden("Only administrators can sort servers by %s", key)
		}
		column, text := serverColumnOf[key], serverTextOf[key]
		if text != nil {
			inMemory = true
		} else {
			text = columnText(column)
		}
		sorts = append(sorts, serverSort{text, direction == "desc"})
		if column != "" && !slices.ContainsFunc(order, func(o db.Order) bool { return o.Column == column }) {
			order = append(order, db.Order{Column: column, Descending: direction == "desc"})
		}
	}
	q.order = order
	if inMemory {
		q.whole, q.sorts = true, sorts
	}
	return nil
}

// maxSortKeys is how many keys there are.
const maxSortKeys = 64

// readSort reads and checks keys and directions.
func readSort(r *api.Request) (keys, directions []string, err error) {
	for _, direction := range r.Query["sort_dir"] {
		directions = append(directions, strings.TrimSpace(direction))
	}
	given := r.Query["sort_key"]
	if len(given) > maxSortKeys {
		return nil, nil, api.BadRequest("Invalid input for query parameters sort_key. There are at most %d.", maxSortKeys)
	}
	for _, key := range given {
		key = strings.TrimSpace(key)
		_, column := serverColumnOf[key]
		_, text := serverTextOf[key]
		ignored := slices.Contains(ignoredSortKeys, key) && r.Version.Before(vWholeUpdate) || key == "locked" && r.Version.Before(vLockedReason)
		if !ignored {
			if !column && !text {
				return nil, nil, api.BadRequest("Invalid input for query parameters sort_key. Value: %s. '%s' is not one of the sort keys.", oneLine(key, 60), oneLine(key, 60))
			}
			keys = append(keys, key)
			continue
		}
		if at := len(keys); at < len(directions) { // its direction goes with it
			directions = slices.Delete(directions, at, at+1)
		}
	}
	for _, direction := range directions {
		if direction != "asc" && direction != "desc" {
			return nil, nil, api.BadRequest("Invalid input received: Unknown sort direction, must be 'desc' or 'asc'")
		}
	}
	if len(directions) > max(len(keys), 1) {
		return nil, nil, api.BadRequest("Invalid input received: Sort direction size exceeds sort key size")
	}
	return keys, directions, nil
}

// sorted returns one page of an order that the database cannot make.
func (q *serverQuery) sorted(tx *db.Tx) ([]*serverWithCard, error) {
	all := *q
	all.marker, all.limit = "", maxScanned
	l := all.list()
	l.Columns, l.Order, l.Limit = serverColumns, []db.Order{{Column: "id"}}, 500
	var found []*serverWithCard
	tasks := map[string]task{}
	for scanned := 0; scanned < maxScanned; {
		var rows []serverWithCard
		if err := tx.List(&rows, l); err != nil {
			return nil, err
		}
		ids := make([]string, len(rows))
		for i := range rows {
			ids[i] = rows[i].ID
		}
		unfinished, err := work.Unfinished(tx, ids...)
		if err != nil {
			return nil, err
		}
		for id, operations := range unfinished {
			tasks[id] = taskOf(operations)
		}
		if err := all.take(tx, rows, &found); err != nil {
			return nil, err
		}
		if scanned += len(rows); len(rows) < l.Limit {
			break
		}
		l.Marker = rows[len(rows)-1].ID
	}
	compare := func(a, b *serverWithCard) int {
		for _, key := range q.sorts {
			if c := cmp.Compare(key.text(&a.server, tasks[a.ID]), key.text(&b.server, tasks[b.ID])); c != 0 {
				if key.descending {
					return -c
				}
				return c
			}
		}
		return 0
	}
	slices.SortFunc(found, compare)
	if q.marker != "" {
		row, err := findServerEver(tx, q.marker)
		if err != nil {
			return nil, err
		}
		if unfinished, err := work.Unfinished(tx, row.ID); err != nil {
			return nil, err
		} else if operations := unfinished[row.ID]; len(operations) > 0 {
			tasks[row.ID] = taskOf(operations)
		}
		marker := &serverWithCard{server: *row}
		at, exact := slices.BinarySearchFunc(found, marker, compare)
		if exact {
			at++
		}
		found = found[at:]
	}
	return found[:min(len(found), q.limit)], nil
}

// readServerQuery reads the query of a list request for a rule's caller.
func (s *Service) readServerQuery(r *api.Request, allTenantsRule string) (*serverQuery, error) {
	paging := url.Values{}
	for _, name := range []string{"limit", "marker"} {
		if value := last(r.Query, name); value != "" {
			paging.Set(name, value)
		}
	}
	page, err := serverPaging.Read(paging)
	if err != nil {
		return nil, err
	}
	if limit, err := strconv.Atoi(paging.Get("limit")); err == nil && limit == 0 {
		page.Limit = 0 // nova's limit of zero is none at all, not the greatest
	}
	admin, live := r.Can("context_is_admin", nil), false
	q := &serverQuery{order: page.Sort, marker: page.Marker, limit: page.Limit, projectID: r.ProjectID(), deleted: &live}
	if r.Query.Has("sort_key") || r.Query.Has("sort_dir") {
		if err := q.sortBy(r, admin); err != nil {
			return nil, err
		}
	}
	if err := q.narrow(r, admin); err != nil {
		return nil, err
	}
	if q.changes && !q.deletedSaid {
		q.deleted = nil
	}
	if r.Query.Has("status") {
		if err := q.byStatus(r.Query["status"], r, admin); err != nil {
			return nil, err
		}
	}
	return q, q.scope(r, allTenantsRule)
}
