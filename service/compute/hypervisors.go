package compute

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"virga/core/api"
	"virga/core/db"
)

// viewHypervisorBrief is what every answer about a hypervisor begins with.
func (s *Service) viewHypervisorBrief(r *api.Request, h *host) map[string]any {
	state, status := "up", "enabled"
	if !h.up(s.clock.Now()) {
		state = "down"
	}
	if h.Disabled {
		status = "disabled"
	}
	view := map[string]any{"id": h.Num, "hypervisor_hostname": h.Facts.HostName, "state": state, "status": status}
	if r.Version.AtLeast(vServiceUUID) {
		view["id"] = h.HypervisorID
	}
	return view
}

// viewHypervisor is a hypervisor in detail. Since 2.88 what placement knows better is gone
// and the uptime is there.
func (s *Service) viewHypervisor(r *api.Request, h *host, used usedByHost) map[string]any {
	view := s.viewHypervisorBrief(r, h)
	service := map[string]any{"host": h.Name, "id": h.Num, "disabled_reason": orNull(h.Reason)}
	if r.Version.AtLeast(vServiceUUID) {
		service["id"] = h.ServiceID
	}
	f := &h.Facts
	view["service"], view["host_ip"], view["hypervisor_type"], view["hypervisor_version"] = service, f.HostIP, f.HypervisorType, f.HypervisorVersion
	if r.Version.AtLeast(vHypervisorUptime) {
		view["uptime"] = orNull(uptimeText(h, s.clock.Now()))
		return view
	}
	for name, value := range figuresOf(h, used) {
		view[name] = value
	}
	view["cpu_info"] = any(f.CPU)
	if r.Version.Before(vCPUInfoObject) {
		if text, err := json.Marshal(f.CPU); err == nil {
			view["cpu_info"] = string(text)
		}
	}
	return view
}

// figuresOf are the figures of a host before 2.88, which the statistics sum up.
func figuresOf(h *host, used usedByHost) map[string]int64 {
	f := &h.Facts
	memoryUsed := used.MemoryMiB + reservedMemoryOf(*f)
	return map[string]int64{"vcpus": int64(f.VCPUs), "memory_mb": f.MemoryMiB, "local_gb": f.LocalGiB, "vcpus_used": used.VCPUs,
		"memory_mb_used": memoryUsed, "local_gb_used": used.DiskGiB, "free_ram_mb": f.MemoryMiB - memoryUsed, "free_disk_gb": f.LocalGiB - used.DiskGiB,
		"current_workload": 0, "running_vms": used.Instances, "disk_available_least": f.LocalFreeGiB}
}

// uptimeText is a host's uptime in the form of uptime(1), which clients take apart.
func uptimeText(h *host, now time.Time) string {
	if !h.up(now) {
		return ""
	}
	up := time.Duration(h.Facts.UptimeSeconds) * time.Second
	days, rest := int(up/(24*time.Hour)), up%(24*time.Hour)
	return fmt.Sprintf(" %s up %d days, %2d:%02d,  0 users,  load average: %.2f, %.2f, %.2f\n", h.LastSeen.Format("15:04:05"), days,
		int(rest/time.Hour), int(rest%time.Hour/time.Minute), h.Facts.Load[0], h.Facts.Load[1], h.Facts.Load[2])
}

const maxHypervisors = 1000

// readHypervisors returns the page of hypervisors that a request asks for.
func (s *Service) readHypervisors(ctx context.Context, r *api.Request) (hosts []host, used map[string]usedByHost, links []linkView, err error) {
	err = s.db.Read(ctx, func(tx *db.Tx) error {
		if hosts, err = listHosts(tx); err != nil {
			return err
		}
		used, err = sumHosts(tx)
		return err
	})
	if err != nil {
		return nil, nil, nil, err
	}
	if pattern := r.Query.Get("hypervisor_hostname_pattern"); pattern != "" && r.Version.AtLeast(vServiceUUID) {
		if hosts = matchingHosts(hosts, pattern); len(hosts) == 0 {
			return nil, nil, nil, api.NotFound("No hypervisor matching '%s' could be found.", oneLine(pattern, 60))
		}
	}
	if r.Version.Before(vHypervisorPaging) {
		return hosts, used, nil, nil
	}
	page, err := readPage(r, api.Paging{Max: maxHypervisors})
	if err != nil {
		return nil, nil, nil, err
	}
	hosts, full, err := pageOfHosts(r, hosts, page)
	if err != nil || !full {
		return hosts, used, nil, err
	}
	return hosts, used, nextLinks(r, true, fmt.Sprint(s.viewHypervisorBrief(r, &hosts[len(hosts)-1])["id"])), nil
}

func matchingHosts(hosts []host, pattern string) []host {
	var found []host
	for _, h := range hosts {
		if strings.Contains(h.Facts.HostName, pattern) {
			found = append(found, h)
		}
	}
	return found
}

func pageOfHosts(r *api.Request, hosts []host, page api.Page) ([]host, bool, error) {
	if page.Marker != "" {
		at := -1
		for i := range hosts {
			if hosts[i].HypervisorID == page.Marker || fmt.Sprint(hosts[i].Num) == page.Marker && r.Version.Before(vServiceUUID) {
				at = i
			}
		}
		if at < 0 {
			return nil, false, api.BadRequest("marker [%s] not found", oneLine(page.Marker, 60))
		}
		hosts = hosts[at+1:]
	}
	full := page.Limit > 0 && len(hosts) >= page.Limit
	return hosts[:min(len(hosts), page.Limit)], full && len(hosts) > 0, nil
}

func (s *Service) hypervisorList(ctx context.Context, r *api.Request) (any, error) {
	hosts, _, links, err := s.readHypervisors(ctx, r)
	if err != nil {
		return nil, err
	}
	views := []map[string]any{}
	for i := range hosts {
		views = append(views, s.viewHypervisorBrief(r, &hosts[i]))
	}
	if err := s.addServers(ctx, r, hosts, views); err != nil {
		return nil, err
	}
	return withLinks("hypervisors", views, links), nil
}

func (s *Service) hypervisorListDetail(ctx context.Context, r *api.Request) (any, error) {
	hosts, used, links, err := s.readHypervisors(ctx, r)
	if err != nil {
		return nil, err
	}
	views := []map[string]any{}
	for i := range hosts {
		views = append(views, s.viewHypervisor(r, &hosts[i], used[hosts[i].Name]))
	}
	if err := s.addServers(ctx, r, hosts, views); err != nil {
		return nil, err
	}
	return withLinks("hypervisors", views, links), nil
}

func (s *Service) hypervisorShow(ctx context.Context, r *api.Request) (any, error) {
	h := api.Loaded[hostTarget](r).host
	var used map[string]usedByHost
	if err := s.db.Read(ctx, func(tx *db.Tx) (err error) { used, err = sumHosts(tx); return err }); err != nil {
		return nil, err
	}
	view := s.viewHypervisor(r, h, used[h.Name])
	if err := s.addServers(ctx, r, []host{*h}, []map[string]any{view}); err != nil {
		return nil, err
	}
	return map[string]any{"hypervisor": view}, nil
}

// addServers adds to the views of hosts their servers when they are asked for (2.53; with 2.75 always a list).
func (s *Service) addServers(ctx context.Context, r *api.Request, hosts []host, views []map[string]any) error {
	with, _, err := r.Flag("with_servers")
	if err != nil || !with || r.Version.Before(vServiceUUID) {
		return err
	}
	names := make([]string, len(hosts))
	for i := range hosts {
		names[i] = hosts[i].Name
	}
	var ids map[string][]string
	if err := s.db.Read(ctx, func(tx *db.Tx) (err error) { ids, err = serverIDsOfHosts(tx, names); return err }); err != nil {
		return err
	}
	for i, view := range views {
		list := []map[string]string{}
		for _, id := range ids[names[i]] {
			list = append(list, map[string]string{"uuid": id, "name": instanceName(id)})
		}
		if len(list) > 0 || r.Version.AtLeast(vWholeUpdate) {
			view["servers"] = list
		}
	}
	return nil
}

func (s *Service) hypervisorUptime(_ context.Context, r *api.Request) (any, error) {
	h := api.Loaded[hostTarget](r).host
	view := s.viewHypervisorBrief(r, h)
	text := uptimeText(h, s.clock.Now())
	if text == "" {
		return nil, api.BadRequest("Service nova-compute on host %s is down.", h.Name)
	}
	view["uptime"] = text
	return map[string]any{"hypervisor": view}, nil
}

// hypervisorSearch and hypervisorServers answer the lookups of before 2.53.
func (s *Service) hypervisorSearch(ctx context.Context, r *api.Request) (any, error) {
	return s.hypervisorLookup(ctx, r, false)
}

func (s *Service) hypervisorServers(ctx context.Context, r *api.Request) (any, error) {
	return s.hypervisorLookup(ctx, r, true)
}

func (s *Service) hypervisorLookup(ctx context.Context, r *api.Request, servers bool) (any, error) {
	hosts, err := s.readHosts(ctx)
	if err != nil {
		return nil, err
	}
	found := matchingHosts(hosts, r.Param("hypervisor_id"))
	if len(found) == 0 {
		return nil, api.NotFound("No hypervisor matching '%s' could be found.", oneLine(r.Param("hypervisor_id"), 60))
	}
	views := []map[string]any{}
	for i := range found {
		view := s.viewHypervisorBrief(r, &found[i])
		if servers {
			var rows []server
			if err := s.db.Read(ctx, func(tx *db.Tx) (err error) { rows, err = serversOfHost(tx, found[i].Name, 10_000); return err }); err != nil {
				return nil, err
			}
			var list []map[string]string
			for _, row := range rows {
				list = append(list, map[string]string{"uuid": row.ID, "name": instanceName(row.ID)})
			}
			if list != nil {
				view["servers"] = list
			}
		}
		views = append(views, view)
	}
	return map[string]any{"hypervisors": views}, nil
}

// hypervisorStatistics sums up all enabled hosts, until 2.87.
func (s *Service) hypervisorStatistics(ctx context.Context, _ *api.Request) (any, error) {
	var hosts []host
	var used map[string]usedByHost
	err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
		if hosts, err = listHosts(tx); err != nil {
			return err
		}
		used, err = sumHosts(tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	sum := figuresOf(&host{}, usedByHost{})
	sum["count"] = 0
	for i := range hosts {
		if hosts[i].Disabled {
			continue
		}
		sum["count"]++
		for name, value := range figuresOf(&hosts[i], used[hosts[i].Name]) {
			sum[name] += value
		}
	}
	return map[string]any{"hypervisor_statistics": sum}, nil
}
