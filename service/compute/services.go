package compute

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"virga/core/api"
	"virga/core/authz"
	"virga/core/db"
	"virga/core/feed"
)

// The hosts as services (os-services) and availability zones.

const binaryCompute = "nova-compute"

// hostTarget is a host as a route's target.
type hostTarget struct{ *host }

// PolicyTarget implements api.Target.
func (hostTarget) PolicyTarget() authz.Target { return authz.Target{} }

func (s *Service) viewService(r *api.Request, h *host) map[string]any {
	status, state := "enabled", "up"
	if h.Disabled {
		status = "disabled"
	}
	if !h.up(s.clock.Now()) {
		state = "down"
	}
	view := map[string]any{"id": h.Num, "binary": binaryCompute, "host": h.Name, "zone": h.Zone, "status": status, "state": state,
		"updated_at": microTime(h.LastSeen), "disabled_reason": orNull(h.Reason)}
	if r.Version.AtLeast(vForcedDown) {
		view["forced_down"] = h.ForcedDown
	}
	if r.Version.AtLeast(vServiceUUID) {
		view["id"] = h.ServiceID
	}
	return view
}

func (s *Service) readHosts(ctx context.Context) ([]host, error) {
	var hosts []host
	err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
		hosts, err = listHosts(tx)
		return err
	})
	return hosts, err
}

func (s *Service) serviceList(ctx context.Context, r *api.Request) (any, error) {
	hosts, err := s.readHosts(ctx)
	if err != nil {
		return nil, err
	}
	views := []map[string]any{}
	binary, name := r.Query.Get("binary"), r.Query.Get("host")
	for i := range hosts {
		if binary != "" && binary != binaryCompute || name != "" && name != hosts[i].Name {
			continue
		}
		views = append(views, s.viewService(r, &hosts[i]))
	}
	return map[string]any{"services": views}, nil
}

// changeHost reads a host in a transaction, changes and writes it.
func (s *Service) changeHost(ctx context.Context, r *api.Request, pick func(h *host) bool, missing error, change func(h *host)) (*host, error) {
	var found *host
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		found = nil
		hosts, err := listHosts(tx)
		if err != nil {
			return err
		}
		for i := range hosts {
			if pick(&hosts[i]) {
				found = &hosts[i]
			}
		}
		if found == nil {
			return missing
		}
		before := documentOfHost(found)
		change(found)
		found.UpdatedAt = s.clock.Now()
		if err := updateHost(tx, found, true); err != nil {
			return err
		}
		return s.record(tx, r, feed.Change{Kind: "host", ID: found.Name, Action: "update", Before: before, After: documentOfHost(found)})
	})
	return found, err
}

// serviceUpdate answers PUT /os-services/{service_id} since 2.53.
func (s *Service) serviceUpdate(ctx context.Context, r *api.Request) (any, error) {
	var in struct {
		Status     *string   `json:"status"`
		Reason     *string   `json:"disabled_reason"`
		ForcedDown *flexBool `json:"forced_down"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	switch {
	case in.Reason != nil && (in.Status == nil || *in.Status != "disabled"):
		return nil, api.BadRequest("Specifying disabled_reason is only allowed when setting the service status to 'disabled'.")
	case in.Status == nil && in.ForcedDown == nil:
		return nil, api.BadRequest("No updates were requested. Fields 'status' or 'forced_down' should be specified.")
	}
	id := r.Param("service_id")
	row, err := s.changeHost(ctx, r, func(h *host) bool { return h.ServiceID == id },
		api.NotFound("Service %s not found.", oneLine(id, 60)), func(h *host) {
			if in.Status != nil {
				h.Disabled, h.Reason = *in.Status == "disabled", ""
			}
			if in.Reason != nil {
				h.Reason = *in.Reason
			}
			if in.ForcedDown != nil {
				h.ForcedDown = bool(*in.ForcedDown)
			}
		})
	if err != nil {
		return nil, err
	}
	return map[string]any{"service": s.viewService(r, row)}, nil
}

// serviceAction answers PUT /os-services/{enable|disable|…} before 2.53.
func (s *Service) serviceAction(ctx context.Context, r *api.Request) (any, error) {
	var in struct {
		Host       string    `json:"host"`
		Binary     string    `json:"binary"`
		Reason     string    `json:"disabled_reason"`
		ForcedDown *flexBool `json:"forced_down"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	action := r.Param("service_id")
	view := map[string]any{"host": in.Host, "binary": in.Binary}
	var change func(h *host)
	switch {
	case action == "enable":
		change, view["status"] = func(h *host) { h.Disabled, h.Reason = false, "" }, "enabled"
	case action == "disable":
		change, view["status"] = func(h *host) { h.Disabled, h.Reason = true, "" }, "disabled"
	case action == "disable-log-reason" && in.Reason != "":
		change, view["status"], view["disabled_reason"] = func(h *host) { h.Disabled, h.Reason = true, in.Reason }, "disabled", in.Reason
	case action == "disable-log-reason":
		return nil, api.BadRequest("Missing disabled reason field")
	case action == "force-down" && r.Version.AtLeast(vForcedDown) && in.ForcedDown != nil:
		change, view["forced_down"] = func(h *host) { h.ForcedDown = bool(*in.ForcedDown) }, bool(*in.ForcedDown)
	default:
		return nil, api.NotFound("Unknown action")
	}
	_, err := s.changeHost(ctx, r, func(h *host) bool { return h.Name == in.Host && in.Binary == binaryCompute },
		api.NotFound("Could not find binary %s on host %s.", oneLine(in.Binary, 60), oneLine(in.Host, 60)), change)
	if err != nil {
		return nil, err
	}
	return map[string]any{"service": view}, nil
}

// serviceDelete forgets a host that has no servers and no longer reports.
func (s *Service) serviceDelete(ctx context.Context, r *api.Request) (any, error) {
	id := r.Param("service_id")
	var gone host
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		hosts, err := listHosts(tx)
		if err != nil {
			return err
		}
		for _, h := range hosts {
			if h.ServiceID == id || r.Version.Before(vServiceUUID) && strconv.FormatInt(h.Num, 10) == id {
				gone = h
			}
		}
		if gone.Name == "" {
			return api.NotFound("Service %s not found.", oneLine(id, 60))
		}
		servers, err := serversOfHost(tx, gone.Name, 1)
		if err != nil {
			return err
		}
		if len(servers) > 0 {
			return api.Conflict("Unable to delete compute service that is hosting instances. Migrate or delete the instances first.")
		}
		if moves, err := countMovesOfHost(tx, gone.Name); err != nil {
			return err
		} else if moves > 0 {
			return api.Conflict("Unable to delete compute service that has in-progress migrations. Complete the migrations or delete the instances first.")
		}
		if gone.up(s.clock.Now()) {
			return api.Conflict("Host %s still reports; stop its agent first.", gone.Name)
		}
		if err := deleteHost(tx, gone.Name); err != nil {
			return err
		}
		if err := leaveAggregates(tx, gone.Name); err != nil {
			return err
		}
		if err := forgetFailures(tx, gone.Name); err != nil {
			return err
		}
		if err := abandonProvider(tx, &gone); err != nil {
			return err
		}
		tx.AfterCommit(func() { s.deps.Bus.Ring(topicHosts) })
		return s.record(tx, r, feed.Change{Kind: "host", ID: gone.Name, Action: "delete", Before: documentOfHost(&gone)})
	})
	return nil, err
}

func (s *Service) zoneList(ctx context.Context, _ *api.Request) (any, error) {
	return s.zones(ctx, false)
}

func (s *Service) zoneListDetail(ctx context.Context, _ *api.Request) (any, error) {
	return s.zones(ctx, true)
}

type zoneView struct {
	Name  string                               `json:"zoneName"`
	State map[string]bool                      `json:"zoneState"`
	Hosts map[string]map[string]map[string]any `json:"hosts"`
}

// zones lists the zones of hosts as nova does: one with an enabled host is available, whether or not that is up, and comes before those
// without, whose hosts are not shown. A cloud without hosts has the default zone.
func (s *Service) zones(ctx context.Context, detail bool) (any, error) {
	hosts, err := s.readHosts(ctx)
	if err != nil {
		return nil, err
	}
	if len(hosts) == 0 {
		return map[string]any{"availabilityZoneInfo": []*zoneView{{Name: defaultZone, State: map[string]bool{"available": true}}}}, nil
	}
	byName := map[string]*zoneView{}
	for i := range hosts {
		h := &hosts[i]
		view := byName[h.Zone]
		if view == nil {
			view = &zoneView{Name: h.Zone, State: map[string]bool{"available": false}}
			byName[h.Zone] = view
		}
		if h.Disabled {
			continue
		}
		view.State["available"] = true
		if detail {
			if view.Hosts == nil {
				view.Hosts = map[string]map[string]map[string]any{}
			}
			view.Hosts[h.Name] = map[string]map[string]any{binaryCompute: {"available": h.up(s.clock.Now()), "active": true, "updated_at": microTime(h.LastSeen)}}
		}
	}
	views := slices.SortedFunc(maps.Values(byName), func(a, b *zoneView) int {
		if x, y := a.State["available"], b.State["available"]; x != y {
			if x {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Name, b.Name)
	})
	return map[string]any{"availabilityZoneInfo": views}, nil
}

// loadHypervisor finds a host by the id of its hypervisor.
func (s *Service) loadHypervisor(ctx context.Context, r *api.Request) (api.Target, error) {
	id := r.Param("hypervisor_id")
	hosts, err := s.readHosts(ctx)
	if err != nil {
		return nil, err
	}
	for i := range hosts {
		if r.Version.AtLeast(vServiceUUID) && hosts[i].HypervisorID == id || r.Version.Before(vServiceUUID) && strconv.FormatInt(hosts[i].Num, 10) == id {
			return hostTarget{&hosts[i]}, nil
		}
	}
	return nil, api.NotFound("Compute host %s could not be found.", oneLine(id, 60))
}

// isNotFound tells whether a row was missing.
func isNotFound(err error) bool { return errors.Is(err, db.ErrNotFound) }
