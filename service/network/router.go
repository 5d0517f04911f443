package network

import (
	"context"
	"net/netip"
	"slices"

	"virga/core/api"
	"virga/core/authz"
	"virga/core/db"
	"virga/core/feed"
)

const maxRoutes = 30

// router joins networks, and may join them to an external one.
type router struct {
	standard
	Name         string `db:"name"`
	AdminUp      bool   `db:"admin_state_up"`
	Status       string `db:"status"`
	StatusDetail string `db:"status_detail"`
	// Host carries the router; empty until one can.
	Host             string   `db:"host"`
	GatewayPortID    string   `db:"gateway_port_id"`
	GatewayNetworkID string   `db:"gateway_network_id"`
	SNAT             bool     `db:"enable_snat"`
	Routes           []route  `db:"routes,json"`
	AZHints          []string `db:"az_hints,json"`

	// Gateway are the addresses on the external network.
	Gateway []address `db:"-"`
	Zones   []string  `db:"-"`
}

type loadedRouter struct {
	*router
	reach
}

// PolicyTarget implements api.Target.
func (l *loadedRouter) PolicyTarget() authz.Target { return owned(l.ProjectID) }

func (s *Service) routerCollection() *collection[*router] {
	return &collection[*router]{
		one: "router", many: "routers", table: "routers",
		filters: standardFilters(map[string]filter{"name": byText("name"), "admin_state_up": byFlag("admin_state_up"), "status": byText("status"),
			"external_gateway_info": byGateway}),
		sorts:    standardSorts(map[string]string{"name": "name", "admin_state_up": "admin_state_up", "status": "status"}),
		visible:  func(l *db.List, project string) { l.Where("project_id = ?", project) },
		complete: completeRouters,
		show:     func(_ *api.Request, n *router) any { return showRouter(n) },
	}
}

// byGateway reads network_id=….
func byGateway(l *db.List, values []string) error {
	ids := make([]string, len(values))
	for i, value := range values {
		id, found := cutPrefixed(value, "network_id=")
		if !found {
			return badValue("external_gateway_info", "'%.60s' is not network_id=ID", value)
		}
		ids[i] = id
	}
	db.WhereIn(l, "gateway_network_id", ids)
	return nil
}

func cutPrefixed(text, prefix string) (string, bool) {
	if len(text) < len(prefix) || text[:len(prefix)] != prefix {
		return "", false
	}
	return text[len(prefix):], true
}

func (s *Service) routerLoad(ctx context.Context, r *api.Request) (api.Target, error) {
	id := r.Param("id")
	var loaded *loadedRouter
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) error {
		row, err := getRouter(tx, id)
		if err != nil {
			return err
		}
		loaded = &loadedRouter{row, reach{seesAll(r) || row.ProjectID == r.ProjectID(), routerNotFound(id)}}
		if err := loadTags(tx, []*router{row}); err != nil {
			return err
		}
		return completeRouters(tx, []*router{row})
	})
	return loaded, err
}

func (s *Service) routerList(ctx context.Context, r *api.Request) (any, error) {
	return list[router](ctx, s, r, s.routerCollection())
}

func (s *Service) routerShow(_ context.Context, r *api.Request) (any, error) {
	return shown(r, "router", showRouter(api.Loaded[*loadedRouter](r).router))
}

func (s *Service) routerCreate(ctx context.Context, r *api.Request) (any, error) {
	body, err := single[routerBody](r, "router")
	if err != nil {
		return nil, err
	}
	project, err := ownerOf(r, body.bodyStandard)
	if err != nil {
		return nil, err
	}
	if err := body.may(r, "create_router", owned(project)); err != nil {
		return nil, err
	}
	fresh := router{standard: s.newStandard(project, body.bodyStandard), Name: body.Name.Value, AdminUp: bool(body.AdminUp.or(true)),
		Status: statusActive, SNAT: true, Routes: []route{}, AZHints: listed(body.AZHints.Value)}
	var row router
	err = s.write(ctx, func(tx *db.Tx) error {
		row = fresh
		if err := s.admit(tx, quotaRouter, project, 1); err != nil {
			return err
		}
		if err := tx.Insert("routers", row); err != nil {
			return err
		}
		if wanted := gatewayWanted(body.Gateway); wanted != nil {
			if err := s.setGateway(tx, &row, wanted, seesAll(r)); err != nil {
				return err
			}
			if err := tx.Update("routers", row, "id"); err != nil {
				return err
			}
		}
		if err := completeRouters(tx, []*router{&row}); err != nil {
			return err
		}
		return s.record(tx, r, feed.Change{Kind: "router", Action: "create", ID: row.ID, OwnerProjectID: row.ProjectID, After: showRouter(&row)})
	})
	if err != nil {
		return nil, err
	}
	return map[string]any{"router": showRouter(&row)}, nil
}

// may enforces the rules of the gateway's attributes.
func (b *routerBody) may(r *api.Request, action string, target authz.Target) error {
	if !b.Gateway.Set {
		return nil
	}
	rule := action + ":external_gateway_info"
	if err := r.May(rule, target); err != nil {
		return err
	}
	if b.Gateway.Value.SNAT.Set {
		if err := r.May(rule+":enable_snat", target); err != nil {
			return err
		}
	}
	if len(b.Gateway.Value.FixedIPs.Value) > 0 {
		return r.May(rule+":external_fixed_ips", target)
	}
	return nil
}

func (s *Service) routerUpdate(ctx context.Context, r *api.Request) (any, error) {
	target := api.Loaded[*loadedRouter](r)
	body, err := single[routerBody](r, "router")
	if err != nil {
		return nil, err
	}
	if err := body.may(r, "update_router", target.PolicyTarget()); err != nil {
		return nil, err
	}
	var row *router
	err = s.changeRouter(ctx, r, target.ID, func(tx *db.Tx, current *router) error {
		row = current
		body.Name.into(&row.Name)
		body.Description.into(&row.Description)
		setFlag(body.AdminUp, &row.AdminUp)
		if body.Gateway.Set {
			if err := s.setGateway(tx, row, gatewayWanted(body.Gateway), seesAll(r)); err != nil {
				return err
			}
		}
		if body.Routes.Set {
			return setRoutes(tx, row, body.Routes.Value)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return shown(r, "router", showRouter(row))
}

// gatewayWanted is nil for no gateway, which clients say with null, {} or by silence.
func gatewayWanted(g given[gatewayBody]) *gatewayBody {
	if g.Null || g.Value.NetworkID == "" {
		return nil
	}
	return &g.Value
}

// changeRouter is alterRouter for changes of what the router's body shows.
func (s *Service) changeRouter(ctx context.Context, r *api.Request, id string, change func(tx *db.Tx, row *router) error) error {
	return s.alterRouter(ctx, r, id, "update", func(tx *db.Tx, row *router) (map[string]any, error) { return nil, change(tx, row) })
}

// alterRouter runs a change of one router in a transaction, stores it, lets its host know
// and records it with the detail that change returns.
func (s *Service) alterRouter(ctx context.Context, r *api.Request, id, action string,
	change func(tx *db.Tx, row *router) (map[string]any, error)) error {
	return s.write(ctx, func(tx *db.Tx) error {
		before, err := routerDocument(tx, id)
		if err != nil {
			return err
		}
		row, err := getRouter(tx, id)
		if err != nil {
			return err
		}
		if err := checkRevision(r, &row.standard); err != nil {
			return err
		}
		detail, err := change(tx, row)
		if err != nil {
			return err
		}
		s.touch(&row.standard)
		if err := tx.Update("routers", row, "id"); err != nil {
			return err
		}
		if err := s.touchRouter(tx, row.ID); err != nil {
			return err
		}
		if err := completeRouters(tx, []*router{row}); err != nil {
			return err
		}
		if err := loadTags(tx, []*router{row}); err != nil {
			return err
		}
		return s.record(tx, r, feed.Change{Kind: "router", Action: action, ID: row.ID, OwnerProjectID: row.ProjectID, Before: before, After: showRouter(row), Detail: detail})
	})
}

func (s *Service) routerDelete(ctx context.Context, r *api.Request) (any, error) {
	target := api.Loaded[*loadedRouter](r)
	return nil, s.write(ctx, func(tx *db.Tx) error {
		row, err := getRouter(tx, target.ID)
		if err != nil {
			return err
		}
		if err := checkRevision(r, &row.standard); err != nil {
			return err
		}
		ports, err := interfacesOf(tx, row.ID)
		if err != nil {
			return err
		}
		if len(ports) > 0 {
			return conflict("RouterInUse", "Router %s still has ports", row.ID)
		}
		before, err := routerDocument(tx, row.ID)
		if err != nil {
			return err
		}
		if err := s.touchRouter(tx, row.ID); err != nil {
			return err
		}
		if err := s.setGateway(tx, row, nil, true); err != nil {
			return err
		}
		if err := deleteRouter(tx, row.ID); err != nil {
			return err
		}
		return s.record(tx, r, feed.Change{Kind: "router", Action: "delete", ID: row.ID, OwnerProjectID: row.ProjectID, Before: before})
	})
}

// setRoutes gives a router exactly these extra routes; each next hop is on one of its
// subnets and is not the router itself.
func setRoutes(tx *db.Tx, row *router, routes []route) error {
	routes = slices.Clone(listed(routes))
	if len(routes) > maxRoutes {
		return refuse("RoutesExhausted", "Unable to complete operation for %s. The number of routes exceeds the maximum %d.", row.ID, maxRoutes)
	}
	subnets, own, err := routerSubnets(tx, row.ID)
	if err != nil {
		return err
	}
	for i := range routes {
		if err := routes[i].normalize(); err != nil {
			return badValue("routes", "%s", err)
		}
		if slices.Contains(routes[:i], routes[i]) {
			return badValue("routes", "Duplicate route '%s via %s'", routes[i].Destination, routes[i].NextHop)
		}
		hop, _ := netip.ParseAddr(routes[i].NextHop)
		if !slices.ContainsFunc(subnets, func(n *subnet) bool { return n.cidr().Contains(hop) }) {
			return invalidRoutes(routes[i], "the nexthop is not connected with router")
		}
		if slices.Contains(own, hop) {
			return invalidRoutes(routes[i], "the nexthop is used by router")
		}
	}
	row.Routes = routes
	return nil
}

func invalidRoutes(t route, why string) error {
	return refuse("InvalidRoutes", "Invalid format for routes: %s via %s, %s", t.Destination, t.NextHop, why)
}

// routerAddRoutes and routerRemoveRoutes change single routes without a race.
func (s *Service) routerAddRoutes(ctx context.Context, r *api.Request) (any, error) {
	return s.editRoutes(ctx, r, func(old, given []route) []route {
		for _, t := range given {
			if !slices.Contains(old, t) {
				old = append(old, t)
			}
		}
		return old
	})
}

func (s *Service) routerRemoveRoutes(ctx context.Context, r *api.Request) (any, error) {
	return s.editRoutes(ctx, r, func(old, given []route) []route {
		return slices.DeleteFunc(old, func(t route) bool { return slices.Contains(given, t) })
	})
}

func (s *Service) editRoutes(ctx context.Context, r *api.Request, edit func(old, given []route) []route) (any, error) {
	target := api.Loaded[*loadedRouter](r)
	body, err := single[routerBody](r, "router")
	if err != nil {
		return nil, err
	}
	for i := range body.Routes.Value {
		if err := body.Routes.Value[i].normalize(); err != nil {
			return nil, badValue("routes", "%s", err)
		}
	}
	var row *router
	err = s.changeRouter(ctx, r, target.ID, func(tx *db.Tx, current *router) error {
		row = current
		return setRoutes(tx, row, edit(slices.Clone(row.Routes), body.Routes.Value))
	})
	if err != nil {
		return nil, err
	}
	return map[string]any{"router": showRouter(row)}, nil
}
