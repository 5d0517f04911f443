package network

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"strconv"

	"virga/core/api"
	"virga/core/authz"
	"virga/core/db"
	"virga/service/network/desired"
)

const (
	// reportInterval is how often an agent reports, in seconds.
	reportInterval = 10
	agentType      = "Virga node agent"
	agentBinary    = "virga"
	defaultZone    = "nova"
)

// hostTarget is the host that an agent speaks for.
type hostTarget struct{ name string }

// PolicyTarget implements api.Target.
func (h hostTarget) PolicyTarget() authz.Target { return authz.Target{"host": h.name} }

// hostLoad lets an agent at its own host only: its identity is "node:" and the host's name.
func (s *Service) hostLoad(_ context.Context, r *api.Request) (api.Target, error) {
	name := r.Param("host")
	if !printable(name) {
		return nil, api.NotFound("Host could not be found.")
	}
	if r.Identity == nil || r.Identity.UserID != "node:"+name {
		return nil, api.Forbidden("The caller is not the agent of host %s.", name).WithCode("PolicyNotAuthorized")
	}
	return hostTarget{name}, nil
}

// hostReport takes an agent's report, which is its heartbeat too.
func (s *Service) hostReport(ctx context.Context, r *api.Request) (any, error) {
	name := api.Loaded[hostTarget](r).name
	var report desired.HostReport
	if err := r.Decode(&report); err != nil {
		return nil, err
	}
	var h host
	err := s.write(ctx, func(tx *db.Tx) error {
		changed, err := s.storeHost(tx, name, report.VTEP)
		if err != nil {
			return err
		}
		if err := s.storeAgent(tx, name, &report); err != nil {
			return err
		}
		unplaced, err := unplacedRouters(tx, "")
		if err != nil {
			return err
		}
		if err := s.placeAll(tx, unplaced, ""); err != nil {
			return err
		}
		if changed {
			if err := s.touchNeighbours(tx, name); err != nil {
				return err
			}
		}
		h, err = getHost(tx, name)
		return err
	})
	if err != nil {
		return nil, err
	}
	return desired.HostAnswer{Host: h.Name, Generation: h.Generation, ReportInterval: reportInterval}, nil
}

// storeHost writes the host; changed tells whether others must learn its tunnel address.
func (s *Service) storeHost(tx *db.Tx, name string, vtep netip.Addr) (changed bool, err error) {
	text := ""
	if vtep.IsValid() {
		text = vtep.String()
	}
	h, err := getHost(tx, name)
	if errors.Is(err, db.ErrNotFound) {
		return true, tx.Insert("hosts", host{Name: name, VTEP: text, Generation: 1})
	}
	if err != nil || h.VTEP == text {
		return false, err
	}
	h.VTEP = text
	return true, tx.Update("hosts", h, "name")
}

func (s *Service) storeAgent(tx *db.Tx, name string, report *desired.HostReport) error {
	kind := report.AgentType
	if kind == "" {
		kind = agentType
	}
	a, err := agentOf(tx, name, kind)
	if err != nil {
		return err
	}
	now := s.deps.Clock.Now()
	isNew := a == nil
	if isNew {
		a = &agent{ID: s.deps.Clock.ID(), Host: name, Type: kind, AdminUp: true, CreatedAt: now, StartedAt: now}
	}
	a.Binary, a.Version, a.HeartbeatAt = agentBinary, report.Version, now
	if report.Binary != "" {
		a.Binary = report.Binary
	}
	a.AvailabilityZone = defaultZone
	if report.AvailabilityZone != "" {
		a.AvailabilityZone = report.AvailabilityZone
	}
	a.Capabilities, a.Configurations = listed(report.Capabilities), report.Configurations
	if !report.StartedAt.IsZero() {
		a.StartedAt = report.StartedAt.UTC()
	}
	if isNew {
		return tx.Insert("agents", a)
	}
	return tx.Update("agents", a, "id")
}

// hostDesired answers with everything that should be on the host, or that nothing changed.
func (s *Service) hostDesired(ctx context.Context, r *api.Request) (any, error) {
	name := api.Loaded[hostTarget](r).name
	since := int64(-1)
	if text := r.Query.Get("since"); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 {
			return nil, badValue("since", "'%.30s' is not a generation", text)
		}
		since = n
	}
	var state *desired.State
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) error {
		h, err := getHost(tx, name)
		if errors.Is(err, db.ErrNotFound) {
			return api.NotFound("Host %s has not reported yet.", name)
		}
		if err != nil {
			return err
		}
		if h.Generation == since {
			state = &desired.State{Generation: h.Generation, Unchanged: true}
			return nil
		}
		state, err = s.desiredState(tx, h)
		return err
	})
	return state, err
}

// hostPorts takes the statuses of the host's ports.
func (s *Service) hostPorts(ctx context.Context, r *api.Request) (any, error) {
	name := api.Loaded[hostTarget](r).name
	report, err := statusReport(r)
	if err != nil {
		return nil, err
	}
	return nil, s.write(ctx, func(tx *db.Tx) error { return s.storePortStatuses(tx, name, report) })
}

// hostRouters takes the statuses of the host's routers and of their floating IPs.
func (s *Service) hostRouters(ctx context.Context, r *api.Request) (any, error) {
	name := api.Loaded[hostTarget](r).name
	report, err := statusReport(r)
	if err != nil {
		return nil, err
	}
	return nil, s.write(ctx, func(tx *db.Tx) error { return s.storeRouterStatuses(tx, name, report) })
}

func statusReport(r *api.Request) (desired.StatusReport, error) {
	var report desired.StatusReport
	if err := json.Unmarshal(r.Body, &report); err != nil {
		return nil, api.BadRequest("The report could not be read.").Because(err)
	}
	return report, nil
}
