package identity

import (
	"context"

	"virga/core/api"
)

func (s *Service) loadService() api.Loader {
	return loader(s, "service", serviceByID, noTarget[serviceRow])
}

// serviceList answers GET /v3/services.
func (s *Service) serviceList(ctx context.Context, r *api.Request) (any, error) {
	shape := listing{table: "services", sorts: []string{"name", "type", "id"}, filters: map[string]filter{
		"name": {"name", filterText}, "type": {"type", filterText}, "enabled": {"enabled", filterFlag},
	}}
	list, err := shape.query(r)
	if err != nil {
		return nil, err
	}
	return listOf(ctx, s, r, "services", list, func(row serviceRow) string { return row.ID }, viewService)
}

func showService(r *api.Request, row serviceRow) (any, error) {
	view, err := viewService(r, row)
	return map[string]any{"service": view}, err
}

// serviceShow answers GET /v3/services/{service_id}.
func (s *Service) serviceShow(_ context.Context, r *api.Request) (any, error) {
	row, err := the[serviceRow](r)
	if err != nil {
		return nil, err
	}
	return showService(r, row)
}

// serviceCreate answers POST /v3/services.
func (s *Service) serviceCreate(ctx context.Context, r *api.Request) (any, error) {
	var body serviceBody
	extra, err := decodeResource(r, "service", &body)
	if err != nil {
		return nil, err
	}
	row := serviceRow{
		ID: s.newID(), Name: body.Name.Value, Type: body.Type.Value, Enabled: flag(body.Enabled, true), Description: body.Description.Value,
	}
	if row.Extra, err = mergeExtra(nil, extra); err != nil {
		return nil, err
	}
	if err := s.change(ctx, r, func(c *change) error { return saveCatalog(c, "services", "service", "create", row.ID, row) }); err != nil {
		return nil, err
	}
	return showService(r, row)
}

// serviceUpdate answers PATCH /v3/services/{service_id}.
func (s *Service) serviceUpdate(ctx context.Context, r *api.Request) (any, error) {
	row, err := the[serviceRow](r)
	if err != nil {
		return nil, err
	}
	var body serviceBody
	extra, err := decodeResource(r, "service", &body)
	if err != nil {
		return nil, err
	}
	err = s.change(ctx, r, func(c *change) (err error) {
		if row, err = serviceByID(c.Tx, row.ID); err != nil {
			return orMissing(err, "service", r.Param("service_id"))
		}
		row.Name, row.Type, row.Description = body.Name.or(row.Name), body.Type.or(row.Type), body.Description.or(row.Description)
		row.Enabled = flag(body.Enabled, row.Enabled)
		if row.Extra, err = mergeExtra(nonNil(row.Extra), extra); err != nil {
			return err
		}
		return saveCatalog(c, "services", "service", "update", row.ID, row)
	})
	if err != nil {
		return nil, err
	}
	return showService(r, row)
}

// serviceDelete answers DELETE /v3/services/{service_id}.
func (s *Service) serviceDelete(ctx context.Context, r *api.Request) (any, error) {
	row, err := the[serviceRow](r)
	if err != nil {
		return nil, err
	}
	return nil, s.change(ctx, r, func(c *change) error { return removeService(c, row.ID) })
}
