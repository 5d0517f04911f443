package compute

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"virga/core/api"
	"virga/core/db"
	"virga/core/feed"
)

// Host aggregates (os-aggregates): groups of hosts with metadata for the scheduler. The
// metadata availability_zone puts the hosts of an aggregate into a zone.

// aggregateNum reads the number that a path names an aggregate by.
func aggregateNum(r *api.Request) (int64, error) {
	num, err := strconv.ParseInt(r.Param("aggregate_id"), 10, 64)
	if errors.Is(err, strconv.ErrRange) {
		return 0, noSuchAggregate(r.Param("aggregate_id"))
	}
	if err != nil {
		return 0, api.BadRequest("Invalid input received: id must be an integer")
	}
	return num, nil
}

func noSuchAggregate(id string) error {
	return api.NotFound("Aggregate %s could not be found.", oneLine(id, 60))
}

func aggregateNameTaken(name string) error {
	return api.Conflict("Aggregate %s already exists.", oneLine(name, 255))
}

func noSuchHost(name string) error {
	return api.NotFound("Compute host %s could not be found.", oneLine(name, 60))
}

// readAggregate finds the aggregate of a path in a transaction.
func readAggregate(tx *db.Tx, r *api.Request) (*aggregate, error) {
	num, err := aggregateNum(r)
	if err != nil {
		return nil, err
	}
	row, err := findAggregate(tx, num)
	if isNotFound(err) {
		return nil, noSuchAggregate(r.Param("aggregate_id"))
	}
	return row, err
}

func (s *Service) aggregateList(ctx context.Context, r *api.Request) (any, error) {
	var rows []aggregate
	err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
		rows, err = listAggregates(tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	views := make([]*aggregateView, 0, len(rows))
	for i := range rows {
		views = append(views, viewAggregate(r, &rows[i]))
	}
	return map[string]any{"aggregates": views}, nil
}

func (s *Service) aggregateShow(ctx context.Context, r *api.Request) (any, error) {
	var row *aggregate
	err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
		row, err = readAggregate(tx, r)
		return err
	})
	if err != nil {
		return nil, err
	}
	return map[string]any{"aggregate": viewAggregate(r, row)}, nil
}

// aggregateBody is what a create and an update have; a zone that is given as null differs from none.
type aggregateBody struct {
	Aggregate struct {
		Name *string         `json:"name"`
		Zone json.RawMessage `json:"availability_zone"`
	} `json:"aggregate"`
}

// readZone decodes a zone: empty for null.
func readZone(raw json.RawMessage) (string, error) {
	var zone *string
	if err := json.Unmarshal(raw, &zone); err != nil {
		return "", api.BadRequest("Invalid input for field/attribute availability_zone. It is the name of a zone.")
	}
	if zone == nil {
		return "", nil
	}
	if strings.Contains(*zone, ":") || checkServerName(*zone) != nil {
		return "", api.BadRequest("Invalid input for field/attribute availability_zone. Value: %s. It must be printable, have no colon and neither begin nor end with blanks.",
			oneLine(*zone, 60))
	}
	return *zone, nil
}

func (s *Service) aggregateCreate(ctx context.Context, r *api.Request) (any, error) {
	var in aggregateBody
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	name, metadata := *in.Aggregate.Name, map[string]string{}
	if err := checkServerName(name); err != nil {
		return nil, err
	}
	if in.Aggregate.Zone != nil {
		zone, err := readZone(in.Aggregate.Zone)
		if err != nil {
			return nil, err
		}
		if zone != "" {
			metadata[zoneKey] = zone
		}
	}
	var made *aggregate
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		n, err := countAggregates(tx)
		if err != nil {
			return err
		}
		if n >= maxAggregates {
			return api.Forbidden("There are %d aggregates already, which is as many as there can be.", n)
		}
		made, err = insertAggregate(tx, newAggregate{ID: s.clock.ID(), Name: name, Metadata: metadata, CreatedAt: s.clock.Now()})
		if err != nil {
			return err
		}
		return s.record(tx, r, feed.Change{Kind: "aggregate", ID: made.ID, Action: "create", After: documentOfAggregate(made)})
	})
	if errors.Is(err, db.ErrDuplicate) {
		return nil, aggregateNameTaken(name)
	}
	if err != nil {
		return nil, err
	}
	return map[string]any{"aggregate": viewNewAggregate(r, made)}, nil
}

// changeAggregate reads an aggregate in a transaction, has it changed and writes it, the zones of its hosts and of
// those that it loses included.
// Detail is what else the feed says of it.
func (s *Service) changeAggregate(ctx context.Context, r *api.Request, action string, detail map[string]any, change func(tx *db.Tx, row *aggregate) error) (any, error) {
	var row *aggregate
	err := s.db.Write(ctx, func(tx *db.Tx) (err error) {
		if row, err = readAggregate(tx, r); err != nil {
			return err
		}
		before := documentOfAggregate(row)
		if err := change(tx, row); err != nil {
			return err
		}
		row.UpdatedAt = s.clock.Now()
		if err := updateAggregate(tx, row); err != nil {
			return err
		}
		if row, err = findAggregate(tx, row.Num); err != nil {
			return err
		}
		if err := s.settleZones(tx, r, hostsConcerned(before, row)); err != nil {
			return err
		}
		if !slices.Equal(before.Hosts, row.hosts) {
			tx.AfterCommit(func() { s.deps.Bus.Ring(topicAggregates) })
		}
		return s.record(tx, r, feed.Change{Kind: "aggregate", ID: row.ID, Action: action, Before: before, After: documentOfAggregate(row), Detail: detail})
	})
	if err != nil {
		return nil, err
	}
	return map[string]any{"aggregate": viewAggregate(r, row)}, nil
}

// hostsConcerned are the hosts whose zone a change of an aggregate may have changed.
func hostsConcerned(before *aggregateDocument, after *aggregate) []string {
	all := append(slices.Clone(before.Hosts), after.hosts...)
	if before.Metadata[zoneKey] == after.zone() {
		all = slices.DeleteFunc(all, func(name string) bool {
			return slices.Contains(before.Hosts, name) && slices.Contains(after.hosts, name)
		})
	}
	return all
}

// settleZones writes the zones that hosts are in now, and has the scheduler look at aggregates anew.
func (s *Service) settleZones(tx *db.Tx, r *api.Request, names []string) error {
	if err := noteAggregates(tx); err != nil {
		return err
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		row, err := findHost(tx, name)
		if isNotFound(err) {
			continue
		}
		if err != nil {
			return err
		}
		zone, err := zoneByAggregates(tx, name, 0)
		if err != nil {
			return err
		}
		if zone = zoneOr(zone); zone == row.Zone {
			continue
		}
		before := documentOfHost(row)
		row.Zone, row.UpdatedAt = zone, s.clock.Now()
		if err := updateHost(tx, row, true); err != nil {
			return err
		}
		if err := s.record(tx, r, feed.Change{Kind: "host", ID: name, Action: "update", Before: before, After: documentOfHost(row)}); err != nil {
			return err
		}
	}
	return nil
}

// zoneByAggregates is the zone that the aggregates of a host put it into, but for one of them; empty for none.
func zoneByAggregates(tx *db.Tx, host string, butFor int64) (string, error) {
	rows, err := aggregatesOfHosts(tx, []string{host})
	if err != nil {
		return "", err
	}
	for i := range rows {
		if rows[i].Num != butFor && rows[i].zone() != "" {
			return rows[i].zone(), nil
		}
	}
	return "", nil
}

func (s *Service) aggregateUpdate(ctx context.Context, r *api.Request) (any, error) {
	var in aggregateBody
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	name := ""
	if in.Aggregate.Name != nil {
		name = strings.TrimSpace(*in.Aggregate.Name)
		if err := checkServerName(name); err != nil {
			return nil, err
		}
	}
	zone := ""
	if in.Aggregate.Zone != nil {
		var err error
		if zone, err = readZone(in.Aggregate.Zone); err != nil {
			return nil, err
		}
	}
	detail := map[string]any{"name": in.Aggregate.Name != nil}
	if in.Aggregate.Zone != nil {
		detail["metadata"] = map[string]any{zoneKey: zone}
	}
	answer, err := s.changeAggregate(ctx, r, "update", detail, func(tx *db.Tx, row *aggregate) error {
		if name != "" {
			row.Name = name
		}
		if in.Aggregate.Zone == nil {
			return nil
		}
		return setAggregateMetadata(tx, row, map[string]*string{zoneKey: &zone}, "update aggregate")
	})
	if errors.Is(err, db.ErrDuplicate) {
		return nil, aggregateNameTaken(name)
	}
	return answer, err
}

// setAggregateMetadata sets keys, and drops those whose value is nil, unless servers would change their zone.
// What says what is done: "update aggregate".
func setAggregateMetadata(tx *db.Tx, row *aggregate, metadata map[string]*string, what string) error {
	if zone, given := metadata[zoneKey]; given {
		refuse := func(reason string) error { return api.BadRequest("Cannot %s %d. Reason: %s.", what, row.Num, reason) }
		if zone == nil || *zone == "" {
			return refuse("Aggregate " + row.Name + " does not support empty named availability zone")
		}
		if reason, err := zoneConflict(tx, row, *zone, row.hosts); err != nil {
			return err
		} else if reason != "" {
			return refuse(reason)
		}
		if *zone != row.zone() {
			if n, err := countServersOfHosts(tx, row.hosts); err != nil {
				return err
			} else if n > 0 {
				return refuse("One or more hosts contain instances in this zone")
			}
		}
	}
	if row.Metadata == nil {
		row.Metadata = map[string]string{}
	}
	for key, value := range metadata {
		if value == nil {
			delete(row.Metadata, key)
		} else {
			row.Metadata[key] = *value
		}
	}
	if len(row.Metadata) > maxAggregateMetadata {
		return api.Forbidden("An aggregate can have at most %d items of metadata.", maxAggregateMetadata)
	}
	return nil
}

// maxAggregateMetadata bounds what one aggregate keeps.
const maxAggregateMetadata = 1_000

// zoneConflict tells why hosts of an aggregate cannot be in a zone: another aggregate puts them elsewhere.
func zoneConflict(tx *db.Tx, row *aggregate, zone string, hosts []string) (string, error) {
	others, err := aggregatesOfHosts(tx, hosts)
	if err != nil {
		return "", err
	}
	var elsewhere []string
	for i := range others {
		if other := others[i].zone(); others[i].Num != row.Num && other != "" && other != zone {
			elsewhere = append(elsewhere, "'"+other+"'")
		}
	}
	if len(elsewhere) == 0 {
		return "", nil
	}
	return "One or more hosts already in availability zone(s) [" + strings.Join(elsewhere, ", ") + "]", nil
}

func (s *Service) aggregateDelete(ctx context.Context, r *api.Request) (any, error) {
	return nil, s.db.Write(ctx, func(tx *db.Tx) error {
		row, err := readAggregate(tx, r)
		if err != nil {
			return err
		}
		if len(row.hosts) > 0 {
			return api.BadRequest("Cannot remove host from aggregate %d. Reason: Host aggregate is not empty.", row.Num)
		}
		if err := deleteAggregate(tx, row.Num); err != nil {
			return err
		}
		if err := noteAggregates(tx); err != nil {
			return err
		}
		return s.record(tx, r, feed.Change{Kind: "aggregate", ID: row.ID, Action: "delete", Before: documentOfAggregate(row)})
	})
}

// aggregateAction answers POST /os-aggregates/{aggregate_id}/action.
func (s *Service) aggregateAction(ctx context.Context, r *api.Request) (any, error) {
	var body map[string]json.RawMessage
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	name := slices.Sorted(maps.Keys(body))[0] // the schema wants exactly one
	var in struct {
		Host     string             `json:"host"`
		Metadata map[string]*string `json:"metadata"`
	}
	var change func(tx *db.Tx, row *aggregate) error
	switch name {
	case "add_host":
		change = func(tx *db.Tx, row *aggregate) error { return takeHost(tx, row, in.Host) }
	case "remove_host":
		change = func(tx *db.Tx, row *aggregate) error { return giveHost(tx, row, in.Host) }
	case "set_metadata":
		change = func(tx *db.Tx, row *aggregate) error {
			return setAggregateMetadata(tx, row, in.Metadata, "update metadata of aggregate")
		}
	default:
		return nil, api.BadRequest("There is no such action: %s", oneLine(name, 60))
	}
	if err := r.May(ruleAggregates+name, nil); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(body[name], &in); err != nil {
		return nil, api.BadRequest("Invalid input for field/attribute %s.", name)
	}
	detail := map[string]any{}
	if name == "set_metadata" {
		detail["metadata"] = in.Metadata
	} else {
		detail["host"] = in.Host
	}
	answer, err := s.changeAggregate(ctx, r, name, detail, change)
	if name == "remove_host" && api.StatusOf(err) == 404 {
		return nil, api.NotFound("Cannot remove host %s in aggregate %s", oneLine(in.Host, 60), oneLine(r.Param("aggregate_id"), 60))
	}
	return answer, err
}

// zoneText is how nova's texts show a zone that may be none.
func zoneText(zone string) string {
	if zone == "" {
		return "None"
	}
	return zone
}

// serversWouldMove tells why a host with servers cannot leave its zone for another; empty: it can.
func serversWouldMove(tx *db.Tx, host, verb, from, to string) (string, error) {
	if from == to {
		return "", nil
	}
	n, err := countServersOfHosts(tx, []string{host})
	if err != nil || n == 0 {
		return "", err
	}
	return fmt.Sprintf("The host cannot be %s the aggregate as the availability zone of the host would change from '%s' to '%s' but the host already has %d "+
		"instance(s). Changing the AZ of an existing instance is not supported by this action. Move the instances away from this host then try again. "+
		"If you need to move the instances between AZs then you can use shelve_offload and unshelve to achieve this.", verb, zoneText(from), zoneText(to), n), nil
}

// takeHost adds a host to an aggregate.
func takeHost(tx *db.Tx, row *aggregate, name string) error {
	if _, err := findHost(tx, name); isNotFound(err) {
		return noSuchHost(name)
	} else if err != nil {
		return err
	}
	refuse := func(reason string) error {
		return api.Conflict("Cannot add host to aggregate %d. Reason: %s.", row.Num, reason)
	}
	if zone := row.zone(); zone != "" {
		if reason, err := zoneConflict(tx, row, zone, []string{name}); err != nil {
			return err
		} else if reason != "" {
			return refuse(reason)
		}
		from, err := zoneByAggregates(tx, name, 0)
		if err != nil {
			return err
		}
		if reason, err := serversWouldMove(tx, name, "added to", from, zone); err != nil {
			return err
		} else if reason != "" {
			return refuse(reason)
		}
	}
	if slices.Contains(row.hosts, name) {
		return api.Conflict("Aggregate %d already has host %s.", row.Num, name)
	}
	return addAggregateHost(tx, row.Num, name)
}

// giveHost takes a host out of an aggregate.
func giveHost(tx *db.Tx, row *aggregate, name string) error {
	if !slices.Contains(row.hosts, name) {
		return api.NotFound("Aggregate %d has no host %s.", row.Num, oneLine(name, 60))
	}
	if zone := row.zone(); zone != "" {
		to, err := zoneByAggregates(tx, name, row.Num)
		if err != nil {
			return err
		}
		if reason, err := serversWouldMove(tx, name, "removed from", zone, to); err != nil {
			return err
		} else if reason != "" {
			return api.Conflict("Cannot remove host from aggregate %d. Reason: %s.", row.Num, reason)
		}
	}
	return removeAggregateHost(tx, row.Num, name)
}
