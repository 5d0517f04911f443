package compute

import (
	"context"
	"maps"
	"slices"
	"time"

	"virga/core/api"
	"virga/core/db"
)

// maxUsageRows bounds the servers that one usage report is made from.
const maxUsageRows = 100_000

type serverUsage struct {
	Hours      float64 `json:"hours"`
	Flavor     string  `json:"flavor"`
	InstanceID string  `json:"instance_id"`
	Name       string  `json:"name"`
	ProjectID  string  `json:"tenant_id"`
	MemoryMiB  int64   `json:"memory_mb"`
	LocalGiB   int64   `json:"local_gb"`
	VCPUs      int     `json:"vcpus"`
	StartedAt  string  `json:"started_at"`
	EndedAt    *string `json:"ended_at"`
	State      string  `json:"state"`
	Uptime     int64   `json:"uptime"`
}

type projectUsage struct {
	ProjectID string         `json:"tenant_id"`
	Start     string         `json:"start"`
	Stop      string         `json:"stop"`
	Hours     float64        `json:"total_hours"`
	MemoryMiB float64        `json:"total_memory_mb_usage"`
	LocalGiB  float64        `json:"total_local_gb_usage"`
	VCPUs     float64        `json:"total_vcpus_usage"`
	Servers   *[]serverUsage `json:"server_usages,omitempty"`
}

// usagePeriod reads start and end; without them it is the last four weeks.
func (s *Service) usagePeriod(r *api.Request) (start, end time.Time, err error) {
	end = s.clock.Now()
	start = end.Add(-4 * 7 * 24 * time.Hour)
	for name, into := range map[string]*time.Time{"start": &start, "end": &end} {
		if text := r.Query.Get(name); text != "" {
			if *into, err = parseTime(text); err != nil {
				return start, end, api.BadRequest("Invalid input for query parameters %s. Value: %s.", name, oneLine(text, 60))
			}
		}
	}
	if start.After(end) {
		return start, end, api.BadRequest("Invalid start time. The start time cannot occur after the end time.")
	}
	return start, end, nil
}

func (s *Service) usage(ctx context.Context, projectID string, start, end time.Time) (map[string]*projectUsage, error) {
	var rows []server
	err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
		rows, err = serversDuring(tx, projectID, start, end, maxUsageRows)
		return err
	})
	if err != nil {
		return nil, err
	}
	projects := map[string]*projectUsage{}
	for i := range rows {
		row := &rows[i]
		p := projects[row.ProjectID]
		if p == nil {
			p = &projectUsage{ProjectID: row.ProjectID, Start: microTime(start), Stop: microTime(end), Servers: &[]serverUsage{}}
			projects[row.ProjectID] = p
		}
		p.add(row, start, end)
	}
	return projects, nil
}

// add counts the time that a server ran within the period.
func (p *projectUsage) add(row *server, start, end time.Time) {
	from, to := row.LaunchedAt, end
	if from.Before(start) {
		from = start
	}
	if !row.DeletedAt.IsZero() && row.DeletedAt.Before(end) {
		to = row.DeletedAt
	}
	hours := max(to.Sub(from).Hours(), 0)
	f := &row.Detail.Flavor
	disk := f.RootGiB + f.Ephemeral
	p.Hours += hours
	p.VCPUs += hours * float64(row.VCPUs)
	p.MemoryMiB += hours * float64(row.MemoryMiB)
	p.LocalGiB += hours * float64(disk)
	*p.Servers = append(*p.Servers, serverUsage{Hours: hours, Flavor: f.Name, InstanceID: row.ID, Name: row.Name, ProjectID: row.ProjectID,
		MemoryMiB: row.MemoryMiB, LocalGiB: disk, VCPUs: row.VCPUs, StartedAt: microTime(row.LaunchedAt), EndedAt: optionalMicroTime(row.DeletedAt),
		State: row.VMState, Uptime: int64(to.Sub(row.LaunchedAt).Seconds())})
}

func (s *Service) usageList(ctx context.Context, r *api.Request) (any, error) {
	start, end, err := s.usagePeriod(r)
	if err != nil {
		return nil, err
	}
	projects, err := s.usage(ctx, "", start, end)
	if err != nil {
		return nil, err
	}
	detailed := r.Query.Get("detailed") == "1"
	list := []*projectUsage{}
	for _, id := range slices.Sorted(maps.Keys(projects)) {
		p := projects[id]
		if !detailed {
			p.Servers = nil
		}
		list = append(list, p)
	}
	return map[string]any{"tenant_usages": list}, nil
}

func (s *Service) usageShow(ctx context.Context, r *api.Request) (any, error) {
	start, end, err := s.usagePeriod(r)
	if err != nil {
		return nil, err
	}
	id := r.Param("project_id")
	projects, err := s.usage(ctx, id, start, end)
	if err != nil {
		return nil, err
	}
	if projects[id] == nil {
		return map[string]any{"tenant_usage": map[string]any{}}, nil
	}
	return map[string]any{"tenant_usage": projects[id]}, nil
}
