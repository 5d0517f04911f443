package network

import (
	"context"
	"encoding/json"

	"virga/core/api"
	"virga/core/authz"
	"virga/core/db"
	"virga/core/feed"
)

// quotaTarget is the project whose quotas a path names.
type quotaTarget struct{ project string }

// PolicyTarget implements api.Target.
func (q quotaTarget) PolicyTarget() authz.Target { return owned(q.project) }

func (s *Service) quotaLoad(_ context.Context, r *api.Request) (api.Target, error) {
	project := r.Param("project_id")
	if !printable(project) || len(project) > 64 {
		return nil, api.NotFound("The resource could not be found.")
	}
	return quotaTarget{project}, nil
}

// quotaList lists the projects that have limits of their own.
func (s *Service) quotaList(ctx context.Context, _ *api.Request) (any, error) {
	var rows []quotaRow
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
		rows, err = quotaRows(tx, "")
		return err
	})
	if err != nil {
		return nil, err
	}
	views := []map[string]any{}
	for start := 0; start < len(rows); {
		end := start
		for end < len(rows) && rows[end].ProjectID == rows[start].ProjectID {
			end++
		}
		view := s.limits(rows[start:end])
		view["project_id"], view["tenant_id"] = rows[start].ProjectID, rows[start].ProjectID
		views = append(views, view)
		start = end
	}
	return map[string]any{"quotas": views}, nil
}

// limits are all limits of one project whose own are in rows.
func (s *Service) limits(rows []quotaRow) map[string]any {
	view := map[string]any{}
	for _, c := range counted {
		view[string(c.kind)] = s.defaultQuota(c.kind)
	}
	for _, row := range rows {
		if _, known := view[row.Resource]; known {
			view[row.Resource] = row.Amount
		}
	}
	return view
}

// quotaOwn tells a caller which project its quotas are those of.
func (s *Service) quotaOwn(_ context.Context, r *api.Request) (any, error) {
	own := r.ProjectID()
	return map[string]any{"tenant": map[string]string{"tenant_id": own, "project_id": own}}, nil
}

func (s *Service) quotaShow(ctx context.Context, r *api.Request) (any, error) {
	project := api.Loaded[quotaTarget](r).project
	var rows []quotaRow
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
		rows, err = quotaRows(tx, project)
		return err
	})
	if err != nil {
		return nil, err
	}
	return shown(r, "quota", s.limits(rows))
}

func (s *Service) quotaDefault(context.Context, *api.Request) (any, error) {
	return map[string]any{"quota": s.limits(nil)}, nil
}

// quotaDetails tells limits and use; nothing is ever reserved, since a limit is counted
// in the transaction that inserts.
func (s *Service) quotaDetails(ctx context.Context, r *api.Request) (any, error) {
	project := api.Loaded[quotaTarget](r).project
	view := map[string]any{}
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) error {
		rows, err := quotaRows(tx, project)
		if err != nil {
			return err
		}
		limits := s.limits(rows)
		for _, c := range counted {
			used, err := usedOf(tx, c.kind, project)
			if err != nil {
				return err
			}
			view[string(c.kind)] = map[string]any{"limit": limits[string(c.kind)], "used": used, "reserved": 0}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return map[string]any{"quota": view}, nil
}

// quotaBody holds the limits to be set, by kind.
type quotaBody map[string]whole

// UnmarshalJSON implements json.Unmarshaler. The openstack command sends "force" to have a limit
// below what is in use; here that is possible always.
func (q *quotaBody) UnmarshalJSON(text []byte) error {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil {
		return err
	}
	*q = quotaBody{}
	for kind, value := range all {
		if kind == "force" {
			continue
		}
		var amount whole
		if err := json.Unmarshal(value, &amount); err != nil {
			return err
		}
		(*q)[kind] = amount
	}
	return nil
}

func (s *Service) quotaUpdate(ctx context.Context, r *api.Request) (any, error) {
	project := api.Loaded[quotaTarget](r).project
	amounts, err := single[quotaBody](r, "quota")
	if err != nil {
		return nil, err
	}
	var rows []quotaRow
	err = s.write(ctx, func(tx *db.Tx) (err error) {
		before, err := quotaRows(tx, project)
		if err != nil {
			return err
		}
		for _, c := range counted {
			amount, given := amounts[string(c.kind)]
			if !given {
				continue
			}
			if err := setQuota(tx, quotaRow{project, string(c.kind), int(amount)}); err != nil {
				return err
			}
		}
		if rows, err = quotaRows(tx, project); err != nil {
			return err
		}
		return s.record(tx, r, feed.Change{Kind: "quota", Action: "update", ID: project, OwnerProjectID: project, Before: s.limits(before), After: s.limits(rows)})
	})
	if err != nil {
		return nil, err
	}
	return map[string]any{"quota": s.limits(rows)}, nil
}

func (s *Service) quotaDelete(ctx context.Context, r *api.Request) (any, error) {
	project := api.Loaded[quotaTarget](r).project
	return nil, s.write(ctx, func(tx *db.Tx) error {
		before, err := quotaRows(tx, project)
		if err != nil {
			return err
		}
		gone, err := deleteQuotas(tx, project)
		if err != nil {
			return err
		}
		if gone == 0 {
			return missing("TenantQuotaNotFound", "Quota for tenant %s could not be found.", project)
		}
		return s.record(tx, r, feed.Change{Kind: "quota", Action: "delete", ID: project, OwnerProjectID: project, Before: s.limits(before)})
	})
}
