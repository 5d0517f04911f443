package compute

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"virga/core/api"
	"virga/core/db"
)

// The filters of lists of servers, as nova/api/openstack/compute/servers.py reads them: what a version does not know is
// left aside until 2.75 and refused from then on, what is for administrators alone is left aside for others, and of a
// filter that is given several times the last one counts.

// serverFilter is a parameter that narrows a list of servers.
type serverFilter struct {
	// exists is the version before which nobody has it.
	exists api.Version
	// members says that others than administrators may use it, from the version since on.
	members bool
	since   api.Version
	// pattern says that its value is a regular expression.
	pattern bool
	apply   func(q *serverQuery, value string, r *api.Request) error
}

// serverFilters are the filters by name. Status and all_tenants, which are more than that, are read apart.
func serverFilters() map[string]serverFilter {
	members := func(since api.Version, apply func(*serverQuery, string, *api.Request) error) serverFilter {
		return serverFilter{members: true, since: since, apply: apply}
	}
	pattern := func(f serverFilter) serverFilter {
		f.pattern = true
		return f
	}
	admins := func(apply func(*serverQuery, string, *api.Request) error) serverFilter {
		return serverFilter{apply: apply}
	}
	always := api.Version{}
	tags := func(join string, not bool) serverFilter {
		f := members(vTags, tagFilter(join, not))
		f.exists = vTags
		return f
	}
	before, locked := members(vChangesBefore, changeFilter("changes-before", "updated_at <= ?")), members(vLockedReason, lockedFilter)
	before.exists, locked.exists = vChangesBefore, vLockedReason
	return map[string]serverFilter{
		"name":              pattern(members(always, matches(false, nameOf))),
		"image":             members(always, equals("image_id")),
		"flavor":            pattern(members(always, equals("flavor_id"))),
		"reservation_id":    pattern(members(always, matches(false, func(row *server, _ task) string { return row.ReservationID }))),
		"ip":                pattern(members(always, addressFilter(4))),
		"ip6":               pattern(members(vIPv6Filter, addressFilter(6))),
		"changes-since":     members(always, changeFilter("changes-since", "updated_at >= ?")),
		"changes-before":    before,
		"tags":              tags("AND", false),
		"tags-any":          tags("OR", false),
		"not-tags":          tags("AND", true),
		"not-tags-any":      tags("OR", true),
		"locked":            locked,
		"availability_zone": pattern(members(vMoreFilters, zoneFilter)),
		"config_drive":      pattern(members(vMoreFilters, configDriveFilter)),
		"key_name":          pattern(members(vMoreFilters, matches(false, func(row *server, _ task) string { return row.KeyName }))),
		"created_at":        pattern(members(vMoreFilters, timeFilter(func(row *server) time.Time { return row.CreatedAt }))),
		"launched_at":       pattern(members(vMoreFilters, timeFilter(func(row *server) time.Time { return row.LaunchedAt }))),
		"terminated_at":     pattern(members(vMoreFilters, timeFilter(func(row *server) time.Time { return row.DeletedAt }))),
		"power_state":       pattern(members(vMoreFilters, powerFilter)),
		"task_state":        members(vMoreFilters, taskFilter),
		"vm_state":          members(vMoreFilters, stateFilter),
		"progress":          pattern(members(vMoreFilters, matches(false, func(*server, task) string { return "0" }))),
		"user_id":           members(vMoreFilters, equals("user_id")),
		"hostname":          pattern(members(vHostname, matches(false, func(row *server, _ task) string { return row.HostName }))),

		"uuid":                admins(equals("id")),
		"image_ref":           admins(equals("image_id")),
		"host":                admins(equals("host")),
		"node":                pattern(admins(nodeFilter)),
		"project_id":          admins(nothing),
		"tenant_id":           admins(nothing),
		"deleted":             admins(deletedFilter),
		"soft_deleted":        admins(softFilter),
		"display_name":        pattern(admins(matches(false, nameOf))),
		"description":         pattern(admins(matches(true, descriptionOf))),
		"display_description": pattern(admins(matches(true, descriptionOf))),
		"launch_index":        admins(matches(true, func(row *server, _ task) string { return strconv.Itoa(row.Detail.LaunchIndex) })),
		"access_ip_v4":        pattern(admins(matches(true, func(row *server, _ task) string { return row.Detail.AccessIPv4 }))),
		"access_ip_v6":        pattern(admins(matches(true, func(row *server, _ task) string { return row.Detail.AccessIPv6 }))),
		"auto_disk_config":    pattern(admins(diskConfigFilter)),
		"locked_by":           pattern(admins(matches(true, func(row *server, _ task) string { return row.Detail.LockedBy }))),
		"kernel_id":           pattern(admins(matches(true, kernelOfServer))),
		"ramdisk_id":          pattern(admins(matches(true, ramdiskOfServer))),
		"root_device_name":    pattern(admins(matches(true, rootDevice))),
	}
}

// notFilters are the parameters that are no filters.
var notFilters = []string{"limit", "marker", "sort_key", "sort_dir", "all_tenants", "status"}

// joinedTables are names that nova knows as tables and refuses as filters.
var joinedTables = []string{"block_device_mapping", "services", "metadata", "system_metadata", "info_cache", "security_groups", "pci_devices"}

// narrow applies the filters of a request.
func (q *serverQuery) narrow(r *api.Request, admin bool) error {
	filters := serverFilters()
	for name, values := range r.Query {
		if slices.Contains(joinedTables, name) || strings.HasPrefix(name, "_") {
			if admin {
				return api.BadRequest("Invalid filter field: %s.", oneLine(name, 60))
			}
			continue
		}
		filter, known := filters[name]
		if !known || r.Version.Before(filter.exists) {
			if r.Version.AtLeast(vWholeUpdate) && !slices.Contains(notFilters, name) {
				return api.BadRequest("Additional properties are not allowed ('%s' was unexpected)", oneLine(name, 60))
			}
			continue
		}
		value := values[len(values)-1]
		if filter.pattern {
			if _, err := compilePattern(name, value); err != nil {
				return err
			}
		}
		if !admin && (!filter.members || r.Version.Before(filter.since)) || value == "" && name != "availability_zone" {
			continue
		}
		if err := filter.apply(q, value, r); err != nil {
			return err
		}
	}
	return q.checkPeriod(r)
}

// checkPeriod refuses a period that ends before it begins.
func (q *serverQuery) checkPeriod(r *api.Request) error {
	if r.Version.Before(vChangesBefore) {
		return nil
	}
	since, err := parseTime(last(r.Query, "changes-since"))
	if err != nil {
		return nil // there is none, or it was refused
	}
	if until, err := parseTime(last(r.Query, "changes-before")); err == nil && until.Before(since) {
		return api.BadRequest("The value of changes-since must be less than or equal to changes-before.")
	}
	return nil
}

// last is the value of a parameter that counts.
func last(query url.Values, name string) string {
	if values := query[name]; len(values) > 0 {
		return values[len(values)-1]
	}
	return ""
}

func nothing(*serverQuery, string, *api.Request) error { return nil }

func nameOf(row *server, _ task) string { return row.Name }

func descriptionOf(row *server, _ task) string {
	if row.Detail.Description == nil {
		return ""
	}
	return *row.Detail.Description
}

func equals(column string) func(*serverQuery, string, *api.Request) error {
	return func(q *serverQuery, value string, _ *api.Request) error {
		q.and(column+" = ?", value)
		return nil
	}
}

// matches filters by a regular expression; whole says that the text is kept as JSON.
func matches(whole bool, text func(row *server, t task) string) func(*serverQuery, string, *api.Request) error {
	return func(q *serverQuery, value string, _ *api.Request) error {
		pattern, err := compilePattern("", value)
		if err != nil {
			return err
		}
		q.whole = q.whole || whole
		q.match = append(q.match, func(row *server, t task) bool { return pattern.MatchString(text(row, t)) })
		return nil
	}
}

func stateFilter(q *serverQuery, state string, r *api.Request) error {
	if state == shownOffloaded {
		state = vmOffloaded
	}
	return equals("vm_state")(q, state, r)
}

func lockedFilter(q *serverQuery, value string, _ *api.Request) error {
	locked, ok := api.ParseBool(value)
	if !ok {
		return api.BadRequest("Invalid input received: Unrecognized value '%s', acceptable values are: '0', '1', 'f', 'false', 'n', 'no', 'off', 'on', 't', 'true', 'y', 'yes'",
			oneLine(value, 60))
	}
	q.and("locked = ?", locked)
	return nil
}

// configDriveFilter takes a yes or no; of other texts none is what a server says.
func configDriveFilter(q *serverQuery, value string, _ *api.Request) error {
	drive, ok := api.ParseBool(value)
	if !ok {
		q.and("1 = 0")
		return nil
	}
	q.and("config_drive = ?", drive)
	return nil
}

func diskConfigFilter(q *serverQuery, value string, _ *api.Request) error {
	auto, ok := api.ParseBool(value)
	q.whole = true
	q.match = append(q.match, func(row *server, _ task) bool { return ok && (row.Detail.DiskConfig == "AUTO") == auto })
	return nil
}

// zoneFilter and nodeFilter look for what is known of hosts, which resolveHosts does.
func zoneFilter(q *serverQuery, value string, _ *api.Request) (err error) {
	q.zones, err = compilePattern("availability_zone", value)
	if value == "" {
		q.zones = regexp.MustCompile("^$")
	}
	return err
}

func nodeFilter(q *serverQuery, value string, _ *api.Request) (err error) {
	q.nodes, err = compilePattern("node", value)
	return err
}

// resolveHosts narrows to the hosts that the patterns of zones and nodes are about.
func (q *serverQuery) resolveHosts(tx *db.Tx) error {
	if q.zones == nil && q.nodes == nil {
		return nil
	}
	hosts, err := listHosts(tx)
	if err != nil {
		return fmt.Errorf("list hosts: %w", err)
	}
	zones, nodes := []string{}, []string{}
	for i := range hosts {
		h := &hosts[i]
		if q.zones != nil && q.zones.MatchString(h.Zone) && !slices.Contains(zones, h.Zone) {
			zones = append(zones, h.Zone)
		}
		if q.nodes != nil && q.nodes.MatchString(h.HostName) {
			nodes = append(nodes, h.Name)
		}
	}
	if q.zones != nil { // a server without a host is in the zone that it asked for
		pattern := q.zones
		inZone := map[string]bool{}
		for i := range hosts {
			inZone[hosts[i].Name] = slices.Contains(zones, hosts[i].Zone)
		}
		q.match = append(q.match, func(row *server, _ task) bool {
			in, known := inZone[row.Host]
			return known && in || !known && pattern.MatchString(row.Zone)
		})
	}
	if q.nodes != nil {
		q.match = append(q.match, func(row *server, _ task) bool { return row.Host != "" && slices.Contains(nodes, row.Host) })
	}
	q.zones, q.nodes = nil, nil
	return nil
}

func powerFilter(q *serverQuery, value string, r *api.Request) error {
	if n, err := strconv.Atoi(value); err == nil {
		q.and("power_state = ?", n)
		return nil
	}
	return matches(false, func(row *server, _ task) string { return strconv.Itoa(row.PowerState) })(q, value, r)
}

func taskFilter(q *serverQuery, value string, _ *api.Request) error {
	q.match = append(q.match, func(_ *server, t task) bool { return t.state == value })
	return nil
}

// timeFilter takes a time to the second, or a pattern of how it is written.
func timeFilter(of func(row *server) time.Time) func(*serverQuery, string, *api.Request) error {
	return func(q *serverQuery, value string, _ *api.Request) error {
		pattern, err := compilePattern("", value)
		if err != nil {
			return err
		}
		at, err := parseTime(value)
		exact := err == nil && strings.Contains(value, ":")
		q.match = append(q.match, func(row *server, _ task) bool {
			is := of(row).UTC()
			if exact || is.IsZero() {
				return exact && is.Truncate(time.Second).Equal(at.Truncate(time.Second))
			}
			return pattern.MatchString(is.Format("2006-01-02 15:04:05.000000")) || pattern.MatchString(is.Format("2006-01-02T15:04:05.000000Z"))
		})
		return nil
	}
}

func tagFilter(join string, not bool) func(*serverQuery, string, *api.Request) error {
	return func(q *serverQuery, value string, _ *api.Request) error {
		tags := strings.Split(value, ",")
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

func addressFilter(version int) func(*serverQuery, string, *api.Request) error {
	return func(q *serverQuery, value string, _ *api.Request) error {
		pattern, err := compilePattern("ip", value)
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
}

// vmStatesOf are the vm_states that a status can stand for.
var vmStatesOf = map[string][]string{
	"ACTIVE": {vmActive}, "BUILD": {vmBuilding}, "SHUTOFF": {vmStopped}, "PAUSED": {vmPaused}, "SUSPENDED": {vmSuspended}, "RESCUE": {vmRescued}, "PASSWORD": {vmActive}, "SOFT_DELETED": {vmSoft}, "ERROR": {vmError, vmBuilding}, "DELETED": {vmDeleted},
	"REBOOT": {vmActive, vmStopped, vmPaused, vmSuspended, vmError}, "HARD_REBOOT": {vmActive, vmStopped, vmPaused, vmSuspended, vmError},
	"SHELVED": {vmShelved}, "SHELVED_OFFLOADED": {vmOffloaded},
	"REBUILD": {vmActive, vmStopped, vmError}, "MIGRATING": {vmActive, vmPaused},
	"RESIZE": {vmActive, vmStopped}, "VERIFY_RESIZE": {vmResized}, "REVERT_RESIZE": {vmResized},
}

// byStatus narrows to statuses; those that there are not count for nothing beside others, and are refused alone.
func (q *serverQuery) byStatus(values []string, r *api.Request, admin bool) error {
	var states, statuses []string
	for _, value := range values {
		status := strings.ToUpper(value)
		if known := vmStatesOf[status]; known != nil {
			states, statuses = append(states, known...), append(statuses, status)
		}
		q.soft = q.soft || status == "SOFT_DELETED"
	}
	if len(states) == 0 {
		if r.Version.AtLeast(vStatusChecked) {
			return api.BadRequest("Invalid status value")
		}
		q.and("1 = 0")
		return nil
	}
	if !slices.ContainsFunc(statuses, func(status string) bool { return status != "DELETED" }) {
		if !admin {
			return api.Forbidden("Only administrators may list deleted instances")
		}
		deleted := true
		q.deleted = &deleted
	}
	marks, args := db.In(states)
	q.and("vm_state IN "+marks, args...)
	q.match = append(q.match, func(row *server, t task) bool {
		return slices.Contains(statuses, statusOf(vmStateOf(row, t), t))
	})
	return nil
}

// changeFilter narrows to servers that changed in a period, those that were deleted included unless something is said of them.
func changeFilter(name, condition string) func(*serverQuery, string, *api.Request) error {
	return func(q *serverQuery, value string, _ *api.Request) error {
		at, err := parseTime(value)
		if err != nil {
			return notATime(name, value)
		}
		q.changes = true
		q.and(condition, at)
		return nil
	}
}

// deletedFilter narrows to servers that are deleted, or are not. What is neither yes nor no is no, as with nova.
func deletedFilter(q *serverQuery, value string, _ *api.Request) error {
	deleted, _ := api.ParseBool(value)
	q.deletedSaid, q.deleted = true, &deleted
	return nil
}

// softFilter says whether servers that wait to be restored count as deleted, and otherwise whether they are listed.
func softFilter(q *serverQuery, value string, _ *api.Request) error {
	if soft, ok := api.ParseBool(value); ok {
		q.softSaid = &soft
	}
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
