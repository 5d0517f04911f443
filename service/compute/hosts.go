package compute

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"virga/core/api"
	"virga/core/db"
)

// Hosts (os-hosts), until 2.42; os-services and os-hypervisors took their place.

// hostList answers GET /os-hosts with the hosts that are enabled, of one zone if one is named.
func (s *Service) hostList(ctx context.Context, r *api.Request) (any, error) {
	hosts, err := s.readHosts(ctx)
	if err != nil {
		return nil, err
	}
	views := []map[string]string{}
	zone := r.Query.Get("zone")
	for i := range hosts {
		if !hosts[i].Disabled && (zone == "" || zone == hosts[i].Zone) {
			views = append(views, map[string]string{"host_name": hosts[i].Name, "service": "compute", "zone": hosts[i].Zone})
		}
	}
	return map[string]any{"hosts": views}, nil
}

func (s *Service) loadHost(ctx context.Context, r *api.Request) (api.Target, error) {
	name := r.Param("host_name")
	hosts, err := s.readHosts(ctx)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(hosts, func(h host) bool { return h.Name == name })
	if at < 0 {
		return nil, api.NotFound("Compute host %s could not be found.", oneLine(name, 60))
	}
	return hostTarget{&hosts[at]}, nil
}

// resourceView is what somebody has of a host: (total), (used_now), (used_max) or a project.
type resourceView struct {
	Host    string `json:"host"`
	Project string `json:"project"`
	CPU     int64  `json:"cpu"`
	Memory  int64  `json:"memory_mb"`
	Disk    int64  `json:"disk_gb"`
}

// hostShow answers GET /os-hosts/{host_name}.
func (s *Service) hostShow(ctx context.Context, r *api.Request) (any, error) {
	h := api.Loaded[hostTarget](r).host
	var rows []server
	var used map[string]usedByHost
	err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
		if used, err = sumHosts(tx); err != nil {
			return err
		}
		rows, err = serversOfHost(tx, h.Name, 10_000)
		return err
	})
	if err != nil {
		return nil, err
	}
	figures := figuresOf(h, used[h.Name])
	most := resourceView{Host: h.Name, Project: "(used_max)"}
	views := []map[string]*resourceView{
		{"resource": {h.Name, "(total)", figures["vcpus"], figures["memory_mb"], figures["local_gb"]}},
		{"resource": {h.Name, "(used_now)", figures["vcpus_used"], figures["memory_mb_used"], figures["local_gb_used"]}},
		{"resource": &most},
	}
	projects := map[string]*resourceView{}
	for i := range rows {
		row := &rows[i]
		p := projects[row.ProjectID]
		if p == nil {
			p = &resourceView{Host: h.Name, Project: row.ProjectID}
			projects[row.ProjectID], views = p, append(views, map[string]*resourceView{"resource": p})
		}
		for _, sum := range []*resourceView{&most, p} {
			sum.CPU += int64(row.VCPUs)
			sum.Memory += row.MemoryMiB
			sum.Disk += row.Detail.Flavor.RootGiB + row.Detail.Flavor.Ephemeral
		}
	}
	return map[string]any{"host": views}, nil
}

// hostUpdate answers PUT /os-hosts/{host_name}, which enables and disables; no driver here has
// a maintenance mode of its own.
func (s *Service) hostUpdate(ctx context.Context, r *api.Request) (any, error) {
	var in struct {
		Status      *string `json:"status"`
		Maintenance *string `json:"maintenance_mode"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	if _, err := s.loadHost(ctx, r); err != nil {
		return nil, err
	}
	if in.Maintenance != nil {
		return nil, api.BadRequest("The requested functionality is not supported: disable the host instead.")
	}
	name, disabled := r.Param("host_name"), strings.EqualFold(*in.Status, "disable")
	_, err := s.changeHost(ctx, r, func(h *host) bool { return h.Name == name }, api.NotFound("Compute host %s could not be found.", oneLine(name, 60)),
		func(h *host) { h.Disabled, h.Reason = disabled, "" })
	if err != nil {
		return nil, err
	}
	return map[string]string{"host": name, "status": map[bool]string{true: "disabled", false: "enabled"}[disabled]}, nil
}

// hostPower answers GET /os-hosts/{host_name}/{reboot|shutdown|startup}, which nova's libvirt
// driver cannot do either.
func (s *Service) hostPower(ctx context.Context, r *api.Request) (any, error) {
	if _, err := s.loadHost(ctx, r); err != nil {
		return nil, err
	}
	return nil, api.Errorf(http.StatusNotImplemented, "The requested functionality is not supported.")
}
