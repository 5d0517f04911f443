package compute

import (
	"context"
	"fmt"
	"time"

	"virga/core/api"
)

// auditView tells how far hosts have come with their reports of a month's servers
// (notifications compute.instance.exists).
type auditView struct {
	Beginning    string         `json:"period_beginning"`
	Ending       string         `json:"period_ending"`
	Hosts        int            `json:"num_hosts"`
	HostsDone    int            `json:"num_hosts_done"`
	HostsRunning int            `json:"num_hosts_running"`
	HostsNotRun  int            `json:"num_hosts_not_run"`
	NotRun       []string       `json:"hosts_not_run"`
	Servers      int            `json:"total_instances"`
	Errors       int            `json:"total_errors"`
	Status       string         `json:"overall_status"`
	Log          map[string]any `json:"log"`
}

// auditLatest answers GET /os-instance_usage_audit_log.
func (s *Service) auditLatest(ctx context.Context, _ *api.Request) (any, error) {
	view, err := s.audit(ctx, s.clock.Now())
	return map[string]any{"instance_usage_audit_logs": view}, err
}

// auditBefore answers GET /os-instance_usage_audit_log/{before}.
func (s *Service) auditBefore(ctx context.Context, r *api.Request) (any, error) {
	text := r.Param("before")
	before, err := time.Parse("2006-01-02 15:04:05.999999", text)
	if err != nil {
		return nil, api.BadRequest("Invalid timestamp for date %s", oneLine(text, 60))
	}
	view, err := s.audit(ctx, before)
	return map[string]any{"instance_usage_audit_log": view}, err
}

// audit tells of the last month that ended before a time. Hosts make no such reports here: the
// feed has every change, and os-simple-tenant-usage counts from the servers themselves.
func (s *Service) audit(ctx context.Context, before time.Time) (*auditView, error) {
	hosts, err := s.readHosts(ctx)
	if err != nil {
		return nil, err
	}
	end := time.Date(before.Year(), before.Month(), 1, 0, 0, 0, 0, time.UTC)
	const form = "2006-01-02 15:04:05"
	view := &auditView{Beginning: end.AddDate(0, -1, 0).Format(form), Ending: end.Format(form), Hosts: len(hosts), HostsNotRun: len(hosts),
		NotRun: []string{}, Log: map[string]any{}}
	for _, h := range hosts {
		view.NotRun = append(view.NotRun, h.Name)
	}
	view.Status = fmt.Sprintf("0 of %d hosts done. 0 errors.", len(hosts))
	if len(hosts) == 0 {
		view.Status = "ALL hosts done. 0 errors."
	}
	return view, nil
}
