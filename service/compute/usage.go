package compute

import (
	"context"
	"time"

	"virga/core/api"
	"virga/core/db"
)

const (
	// usagePage is how many servers one page of a report is made from; reports of before 2.40
	// have no pages and are made from as many as there are, up to maxUsageRows.
	usagePage    = 1000
	maxUsageRows = 100_000
)

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

// usagePeriod reads start and end, which are now where they are not given; what is to come
// does not count.
func (s *Service) usagePeriod(r *api.Request) (start, end time.Time, err error) {
	now := s.clock.Now()
	start, end = now, now
	for name, into := range map[string]*time.Time{"start": &start, "end": &end} {
		if text := r.Query.Get(name); text != "" {
			if *into, err = parseTime(text); err != nil {
				return start, end, api.BadRequest("Datetime is in invalid format")
			}
		}
	}
	given := r.Query.Get("start") != "" || r.Query.Get("end") != ""
	if start.After(end) || given && start.Equal(end) {
		return start, end, api.BadRequest("Invalid start time. The start time cannot occur after the end time.")
	}
	if end.After(now) {
		end = now
	}
	return start, end, nil
}

// usageReport is a report, or a page of one.
type usageReport struct {
	projects []*projectUsage
	// last is the last server of a full page; empty when there is no further one.
	last string
}

// usage makes the report that a request asks for, of one project or of all for an empty id.
func (s *Service) usage(ctx context.Context, r *api.Request, projectID string) (*usageReport, error) {
	start, end, err := s.usagePeriod(r)
	if err != nil {
		return nil, err
	}
	page, limit := api.Page{}, maxUsageRows
	if r.Version.AtLeast(vUsagePaging) {
		if page, err = (api.Paging{Max: usagePage}).Read(r.Query); err != nil {
			return nil, err
		}
		limit = page.Limit
	}
	report := &usageReport{}
	err = s.db.Read(ctx, func(tx *db.Tx) error {
		report.projects, report.last = nil, ""
		var after *server
		if page.Marker != "" {
			if after, err = findServerEver(tx, page.Marker); isNotFound(err) {
				return api.BadRequest("Marker %s could not be found.", oneLine(page.Marker, 60))
			} else if err != nil {
				return err
			}
		}
		for read := 0; read < limit; {
			rows, err := serversDuring(tx, projectID, start, end, after, min(usagePage, limit-read))
			if err != nil {
				return err
			}
			for i := range rows {
				report.count(&rows[i], start, end, s.clock.Now())
			}
			if read += len(rows); len(rows) < usagePage && read < limit {
				return nil
			}
			after = &rows[len(rows)-1]
		}
		report.last = after.ID
		return nil
	})
	return report, err
}

// count adds a server to its project, which comes in the order of servers.
func (u *usageReport) count(row *server, start, end, now time.Time) {
	var p *projectUsage
	if n := len(u.projects); n > 0 && u.projects[n-1].ProjectID == row.ProjectID {
		p = u.projects[n-1]
	} else {
		p = &projectUsage{ProjectID: row.ProjectID, Start: microTime(start), Stop: microTime(end), Servers: &[]serverUsage{}}
		u.projects = append(u.projects, p)
	}
	p.add(row, start, end, now)
}

// links leads to the next page, from 2.40 on.
func (u *usageReport) links(r *api.Request) []linkView {
	return nextLinks(r, u.last != "" && r.Version.AtLeast(vUsagePaging), u.last)
}

// add counts the time that a server ran within the period.
func (p *projectUsage) add(row *server, start, end, now time.Time) {
	from, to, until, state := row.LaunchedAt, end, now, shownState(row.VMState)
	if from.Before(start) {
		from = start
	}
	if !row.DeletedAt.IsZero() {
		until, state = row.DeletedAt, "terminated"
		if row.DeletedAt.Before(end) {
			to = row.DeletedAt
		}
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
		State: state, Uptime: int64(until.Sub(row.LaunchedAt).Seconds())})
}

func (s *Service) usageList(ctx context.Context, r *api.Request) (any, error) {
	report, err := s.usage(ctx, r, "")
	if err != nil {
		return nil, err
	}
	list := []*projectUsage{}
	for _, p := range report.projects {
		if r.Query.Get("detailed") != "1" {
			p.Servers = nil
		}
		list = append(list, p)
	}
	return withLinks("tenant_usages", list, report.links(r)), nil
}

func (s *Service) usageShow(ctx context.Context, r *api.Request) (any, error) {
	report, err := s.usage(ctx, r, r.Param("project_id"))
	if err != nil {
		return nil, err
	}
	var usage any = map[string]any{}
	if len(report.projects) > 0 {
		usage = report.projects[0]
	}
	return withLinks("tenant_usage", usage, report.links(r)), nil
}
