package identity

import (
	"context"
	"errors"

	"virga/core/api"
	"virga/core/db"
)

func (s *Service) loadEndpoint() api.Loader {
	return loader(s, "endpoint", endpointByID, noTarget[endpointRow])
}

// endpointList answers GET /v3/endpoints.
func (s *Service) endpointList(ctx context.Context, r *api.Request) (any, error) {
	shape := listing{table: "endpoints", sorts: []string{"id", "interface"}, filters: map[string]filter{
		"service_id": {"service_id", filterExact}, "region_id": {"region_id", filterExact}, "region": {"region_id", filterExact},
		"interface": {"interface", filterExact}, "enabled": {"enabled", filterFlag},
	}}
	list, err := shape.query(r)
	if err != nil {
		return nil, err
	}
	return listOf(ctx, s, r, "endpoints", list, func(row endpointRow) string { return row.ID }, viewEndpoint)
}

func showEndpoint(r *api.Request, row endpointRow) (any, error) {
	view, err := viewEndpoint(r, row)
	return map[string]any{"endpoint": view}, err
}

// endpointShow answers GET /v3/endpoints/{endpoint_id}.
func (s *Service) endpointShow(_ context.Context, r *api.Request) (any, error) {
	row, err := the[endpointRow](r)
	if err != nil {
		return nil, err
	}
	return showEndpoint(r, row)
}

// endpointCreate answers POST /v3/endpoints.
func (s *Service) endpointCreate(ctx context.Context, r *api.Request) (any, error) {
	var body endpointBody
	extra, err := decodeResource(r, "endpoint", &body)
	if err != nil {
		return nil, err
	}
	row := endpointRow{ID: s.newID(), Enabled: true}
	if err := s.saveEndpoint(ctx, r, "create", &row, body, extra); err != nil {
		return nil, err
	}
	return showEndpoint(r, row)
}

// endpointUpdate answers PATCH /v3/endpoints/{endpoint_id}.
func (s *Service) endpointUpdate(ctx context.Context, r *api.Request) (any, error) {
	row, err := the[endpointRow](r)
	if err != nil {
		return nil, err
	}
	var body endpointBody
	extra, err := decodeResource(r, "endpoint", &body)
	if err != nil {
		return nil, err
	}
	if err := s.saveEndpoint(ctx, r, "update", &row, body, extra); err != nil {
		return nil, err
	}
	return showEndpoint(r, row)
}

// saveEndpoint writes what a body says of an endpoint. A region that is given by its
// older name is made when it is not there.
func (s *Service) saveEndpoint(ctx context.Context, r *api.Request, action string, row *endpointRow, body endpointBody, extra map[string]any) error {
	return s.change(ctx, r, func(c *change) error {
		if action == "update" {
			stored, err := endpointByID(c.Tx, row.ID)
			if err != nil {
				return orMissing(err, "endpoint", row.ID)
			}
			*row = stored
		}
		row.ServiceID, row.Interface = body.ServiceID.or(row.ServiceID), body.Interface.or(row.Interface)
		row.URL, row.Name, row.Enabled = body.URL.or(row.URL), body.Name.or(row.Name), flag(body.Enabled, row.Enabled)
		if err := checkURLTemplate(row.URL); err != nil {
			return api.BadRequest("Cannot create an endpoint with an invalid URL: %s.", row.URL).Because(err)
		}
		var err error
		if row.Extra, err = mergeExtra(nonNil(row.Extra), extra); err != nil {
			return err
		}
		if _, err := serviceByID(c.Tx, row.ServiceID); err != nil {
			return orBadRequest(err, notFound("service", row.ServiceID))
		}
		if err := placeEndpoint(c, row, body); err != nil {
			return err
		}
		return saveCatalog(c, "endpoints", "endpoint", action, row.ID, *row)
	})
}

func placeEndpoint(c *change, row *endpointRow, body endpointBody) error {
	byOldName := !body.RegionID.Set && body.Region.Set
	row.RegionID = body.RegionID.or(body.Region.or(row.RegionID))
	if row.RegionID == "" {
		return nil
	}
	_, err := regionByID(c.Tx, row.RegionID)
	if errors.Is(err, db.ErrNotFound) && byOldName {
		return saveCatalog(c, "regions", "region", "create", row.RegionID, regionRow{ID: row.RegionID})
	}
	return orBadRequest(err, notFound("region", row.RegionID))
}

// endpointDelete answers DELETE /v3/endpoints/{endpoint_id}.
func (s *Service) endpointDelete(ctx context.Context, r *api.Request) (any, error) {
	row, err := the[endpointRow](r)
	if err != nil {
		return nil, err
	}
	return nil, s.change(ctx, r, func(c *change) error { return removeCatalog(c, "endpoints", "endpoint", row.ID) })
}
