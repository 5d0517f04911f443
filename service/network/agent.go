package network

import (
	"context"

	"virga/core/api"
	"virga/core/authz"
	"virga/core/db"
	"virga/core/feed"
)

type loadedAgent struct{ *agent }

// PolicyTarget implements api.Target.
func (l loadedAgent) PolicyTarget() authz.Target { return authz.Target{} }

// common makes agents listable; they have no project and no revision.
func (a *agent) common() *standard { return &standard{ID: a.ID} }

func (s *Service) agentCollection() *collection[*agent] {
	return &collection[*agent]{
		one: "agent", many: "agents", table: "agents",
		filters: map[string]filter{"id": byText("id"), "host": byText("host"), "agent_type": byText("agent_type"), "binary": byText("binary_name"),
			"availability_zone": byText("availability_zone"), "admin_state_up": byFlag("admin_state_up"), "description": byText("description"),
			"topic": byConstant(agentTopic), "alive": s.byAlive},
		sorts: map[string]string{"id": "id", "host": "host", "agent_type": "agent_type", "binary": "binary_name", "availability_zone": "availability_zone",
			"admin_state_up": "admin_state_up", "created_at": "created_at", "started_at": "started_at", "heartbeat_timestamp": "heartbeat_at"},
		visible:  func(*db.List, string) {},
		complete: func(*db.Tx, []*agent) error { return nil },
		show:     func(_ *api.Request, a *agent) any { return s.showAgent(a) },
	}
}

func (s *Service) byAlive(l *db.List, values []string) error {
	alive, ok := api.ParseBool(values[0])
	if !ok {
		return badValue("alive", "'%s' cannot be converted to boolean", values[0])
	}
	comparison := "dead_at <= ?"
	if alive {
		comparison = "dead_at > ?"
	}
	l.Where(comparison, s.deps.Clock.Now())
	return nil
}

func (s *Service) agentLoad(ctx context.Context, r *api.Request) (api.Target, error) {
	var a *agent
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
		a, err = getAgent(tx, r.Param("id"))
		return err
	})
	return loadedAgent{a}, err
}

// agentList shows nothing to those who may not see agents: neutron leaves out of its lists
// what their reader may not see, and refuses none.
func (s *Service) agentList(ctx context.Context, r *api.Request) (any, error) {
	if !r.Can("get_agent", nil) {
		return map[string]any{"agents": []any{}}, nil
	}
	return list[agent](ctx, s, r, s.agentCollection())
}

func (s *Service) agentShow(_ context.Context, r *api.Request) (any, error) {
	return shown(r, "agent", s.showAgent(api.Loaded[loadedAgent](r).agent))
}

func (s *Service) agentUpdate(ctx context.Context, r *api.Request) (any, error) {
	body, err := single[agentBody](r, "agent")
	if err != nil {
		return nil, err
	}
	var a *agent
	err = s.write(ctx, func(tx *db.Tx) (err error) {
		if a, err = getAgent(tx, api.Loaded[loadedAgent](r).ID); err != nil {
			return err
		}
		before := s.showAgent(a)
		setFlag(body.AdminUp, &a.AdminUp)
		body.Description.into(&a.Description)
		if err := tx.Update("agents", a, "id"); err != nil {
			return err
		}
		return s.record(tx, r, feed.Change{Kind: "agent", Action: "update", ID: a.ID, Before: before, After: s.showAgent(a)})
	})
	if err != nil {
		return nil, err
	}
	return map[string]any{"agent": s.showAgent(a)}, nil
}

// agentDelete forgets an agent. The routers of its host move to another live one.
func (s *Service) agentDelete(ctx context.Context, r *api.Request) (any, error) {
	return nil, s.write(ctx, func(tx *db.Tx) error {
		a, err := getAgent(tx, api.Loaded[loadedAgent](r).ID)
		if err != nil {
			return err
		}
		if err := deleteAgent(tx, a); err != nil {
			return err
		}
		rest, err := agentsOn(tx, a.Host)
		if err != nil {
			return err
		}
		if rest == 0 {
			if err := s.evacuateRouters(tx, a.Host); err != nil {
				return err
			}
		}
		return s.record(tx, r, feed.Change{Kind: "agent", Action: "delete", ID: a.ID, Before: s.showAgent(a)})
	})
}

// evacuateRouters gives the routers of a host to others.
func (s *Service) evacuateRouters(tx *db.Tx, host string) error {
	routers, err := routersWhere(tx, "host = ?", host)
	if err != nil {
		return err
	}
	for _, row := range routers {
		row.Host = ""
		if err := movePorts(tx, row.ID, ""); err != nil {
			return err
		}
		if err := tx.Update("routers", row, "id"); err != nil {
			return err
		}
	}
	return s.placeAll(tx, routers, "")
}

// zoneList lists the availability zones that agents are in.
func (s *Service) zoneList(ctx context.Context, r *api.Request) (any, error) {
	var zones []zoneRow
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
		zones, err = zoneRows(tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	views := []zoneView{}
	for _, zone := range zones {
		state := "unavailable"
		if zone.Enabled {
			state = "available"
		}
		for _, resource := range []string{"network", "router"} {
			view := zoneView{Name: zone.Name, Resource: resource, State: state}
			if view.matches(r) {
				views = append(views, view)
			}
		}
	}
	return map[string]any{"availability_zones": views}, nil
}

// providerList lists what routes: Virga itself.
func (s *Service) providerList(context.Context, *api.Request) (any, error) {
	return map[string]any{"service_providers": []map[string]any{{"service_type": "L3_ROUTER_NAT", "name": "virga", "default": true}}}, nil
}
