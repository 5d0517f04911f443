package compute

import (
	"cmp"
	"context"
	"net/http"

	"virga/core/api"
)

// Floating addresses, until 2.35, are the network service's; what stands here shows them in
// nova's form, in which an external network is a pool.

type floatingIPView struct {
	ID       string  `json:"id"`
	Address  string  `json:"ip"`
	Pool     string  `json:"pool"`
	Fixed    *string `json:"fixed_ip"`
	ServerID *string `json:"instance_id"`
}

// viewFloatingIPs finds the names of the pools and the servers that addresses lead to.
func (s *Service) viewFloatingIPs(ctx context.Context, list []ProjectFloatingIP) ([]floatingIPView, error) {
	views := []floatingIPView{}
	if len(list) == 0 {
		return views, nil
	}
	pools, err := s.poolNames(ctx)
	if err != nil {
		return nil, err
	}
	var ports []string
	for _, f := range list {
		if f.PortID != "" {
			ports = append(ports, f.PortID)
		}
	}
	found, err := s.deps.Networks.PortsByID(ctx, ports)
	if err != nil {
		return nil, passedOn("network", err)
	}
	devices := map[string]string{}
	for _, p := range found {
		devices[p.ID] = p.DeviceID
	}
	for _, f := range list {
		views = append(views, floatingIPView{f.ID, f.Address, cmp.Or(pools[f.NetworkID], f.NetworkID), orNull(f.FixedAddress), orNull(devices[f.PortID])})
	}
	return views, nil
}

func (s *Service) poolNames(ctx context.Context) (map[string]string, error) {
	networks, err := s.deps.Networks.ExternalNetworks(ctx)
	if err != nil {
		return nil, passedOn("network", err)
	}
	names := map[string]string{}
	for _, n := range networks {
		names[n.ID] = cmp.Or(n.Name, n.ID)
	}
	return names, nil
}

func (s *Service) viewFloatingIP(ctx context.Context, f ProjectFloatingIP) (any, error) {
	views, err := s.viewFloatingIPs(ctx, []ProjectFloatingIP{f})
	if err != nil {
		return nil, err
	}
	return map[string]any{"floating_ip": views[0]}, nil
}

// floatingPoolList answers GET /os-floating-ip-pools.
func (s *Service) floatingPoolList(ctx context.Context, r *api.Request) (any, error) {
	networks, err := s.deps.Networks.ExternalNetworks(as(ctx, r))
	if err != nil {
		return nil, passedOn("network", err)
	}
	pools := []map[string]string{}
	for _, n := range networks {
		pools = append(pools, map[string]string{"name": cmp.Or(n.Name, n.ID)})
	}
	return map[string]any{"floating_ip_pools": pools}, nil
}

// floatingIPList answers GET /os-floating-ips.
func (s *Service) floatingIPList(ctx context.Context, r *api.Request) (any, error) {
	ctx = as(ctx, r)
	list, err := s.deps.Networks.ProjectFloatingIPs(ctx, r.ProjectID())
	if err != nil {
		return nil, passedOn("network", err)
	}
	views, err := s.viewFloatingIPs(ctx, list)
	return map[string]any{"floating_ips": views}, err
}

// findFloatingIP is the address that a request names.
func (s *Service) findFloatingIP(ctx context.Context, r *api.Request) (ProjectFloatingIP, error) {
	id := r.Param("floating_ip_id")
	found, err := s.deps.Networks.ProjectFloatingIP(as(ctx, r), id)
	return found, fromNetwork(err, "Floating IP not found for ID %s", oneLine(id, 60))
}

// floatingIPShow answers GET /os-floating-ips/{floating_ip_id}.
func (s *Service) floatingIPShow(ctx context.Context, r *api.Request) (any, error) {
	found, err := s.findFloatingIP(ctx, r)
	if err != nil {
		return nil, err
	}
	return s.viewFloatingIP(as(ctx, r), found)
}

// floatingIPCreate answers POST /os-floating-ips.
func (s *Service) floatingIPCreate(ctx context.Context, r *api.Request) (any, error) {
	var in struct {
		Pool *string `json:"pool"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	ctx = as(ctx, r)
	networks, err := s.deps.Networks.ExternalNetworks(ctx)
	if err != nil {
		return nil, passedOn("network", err)
	}
	pool := ""
	for _, n := range networks {
		if in.Pool == nil && pool == "" || in.Pool != nil && (n.ID == *in.Pool || n.Name == *in.Pool) {
			pool = n.ID
		}
	}
	if pool == "" {
		return nil, api.NotFound("Floating IP pool not found.")
	}
	made, err := s.deps.Networks.CreateFloatingIP(ctx, pool)
	switch status := api.StatusOf(err); {
	case err == nil:
		return s.viewFloatingIP(ctx, made)
	case status == http.StatusConflict && in.Pool == nil:
		return nil, api.Forbidden("IP allocation over quota.").Because(err)
	case status == http.StatusConflict:
		return nil, api.Forbidden("IP allocation over quota in pool %s.", oneLine(*in.Pool, 60)).Because(err)
	}
	return nil, fromNetwork(err, "No more floating IPs available.")
}

// floatingIPDelete answers DELETE /os-floating-ips/{floating_ip_id}.
func (s *Service) floatingIPDelete(ctx context.Context, r *api.Request) (any, error) {
	found, err := s.findFloatingIP(ctx, r)
	if err != nil {
		return nil, err
	}
	if err := s.deps.Networks.DeleteFloatingIP(as(ctx, r), found.ID); err != nil {
		return nil, fromNetwork(err, "Floating IP not found for ID %s", found.ID)
	}
	return accepted(), nil
}

// fromNetwork turns a refusal of the network service into nova's: 404 gets a text of nova's own.
func fromNetwork(err error, format string, args ...any) error {
	if err != nil && api.StatusOf(err) == http.StatusNotFound {
		return api.NotFound(format, args...).Because(err)
	}
	return passedOn("network", err)
}

// passedOn hands a neighbour's refusal on; whatever else went wrong there, it cannot be reached now.
func passedOn(neighbour string, err error) error {
	if err == nil || api.StatusOf(err) < http.StatusInternalServerError {
		return err
	}
	return unavailable(neighbour, err)
}
