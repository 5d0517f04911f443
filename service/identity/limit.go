package identity

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"virga/core/api"
	"virga/core/authz"
	"virga/core/db"
)

// limitBody is what clients say of a limit, registered or not.
type limitBody struct {
	ServiceID     optional[string] `json:"service_id"`
	RegionID      optional[string] `json:"region_id"`
	ProjectID     optional[string] `json:"project_id"`
	DomainID      optional[string] `json:"domain_id"`
	ResourceName  optional[string] `json:"resource_name"`
	DefaultLimit  optional[int64]  `json:"default_limit"`
	ResourceLimit optional[int64]  `json:"resource_limit"`
	Description   optional[string] `json:"description"`
}

type registeredLimitView struct {
	ID           string            `json:"id"`
	ServiceID    string            `json:"service_id"`
	RegionID     *string           `json:"region_id"`
	ResourceName string            `json:"resource_name"`
	DefaultLimit int64             `json:"default_limit"`
	Description  *string           `json:"description"`
	Links        map[string]string `json:"links"`
}

type limitView struct {
	ID            string            `json:"id"`
	ServiceID     string            `json:"service_id"`
	RegionID      *string           `json:"region_id"`
	ResourceName  string            `json:"resource_name"`
	ProjectID     *string           `json:"project_id"`
	DomainID      *string           `json:"domain_id"`
	ResourceLimit int64             `json:"resource_limit"`
	Description   *string           `json:"description"`
	Links         map[string]string `json:"links"`
}

func viewRegisteredLimit(r *api.Request, row registeredLimitRow) (json.RawMessage, error) {
	return json.Marshal(registeredLimitView{row.ID, row.ServiceID, nullable(row.RegionID), row.ResourceName, row.DefaultLimit, nullable(row.Description),
		selfLink(r, "registered_limits", row.ID)})
}

func viewLimit(r *api.Request, row wholeLimit) (json.RawMessage, error) {
	return json.Marshal(limitView{row.ID, row.ServiceID, nullable(row.RegionID), row.ResourceName, nullable(row.ProjectID), nullable(row.DomainID),
		row.ResourceLimit, nullable(row.Description), selfLink(r, "limits", row.ID)})
}

// limitModel answers GET /v3/limits/model: how limits of projects relate to each other.
func (s *Service) limitModel(context.Context, *api.Request) (any, error) {
	return map[string]any{"model": map[string]string{"name": "flat",
		"description": "Limit enforcement and validation does not take project hierarchy into consideration."}}, nil
}

func (s *Service) loadRegisteredLimit() api.Loader {
	return loader(s, "registered_limit", registeredLimitByID, noTarget[registeredLimitRow])
}

func (s *Service) loadLimit() api.Loader {
	return loader(s, "limit", limitByID, limitTarget)
}

func limitTarget(row wholeLimit) authz.Target {
	return targetOf("limit", map[string]any{"project_id": orNil(row.ProjectID), "domain_id": orNil(row.DomainID),
		"domain": map[string]any{"id": orNil(row.DomainID)}})
}

// registeredLimitList answers GET /v3/registered_limits.
func (s *Service) registeredLimitList(ctx context.Context, r *api.Request) (any, error) {
	shape := listing{table: "registered_limits", sorts: []string{"id", "resource_name"}, filters: map[string]filter{
		"service_id": {"service_id", filterExact}, "region_id": {"region_id", filterExact}, "resource_name": {"resource_name", filterExact}}}
	list, err := shape.query(r)
	if err != nil {
		return nil, err
	}
	return listOf(ctx, s, r, "registered_limits", list, func(row registeredLimitRow) string { return row.ID }, viewRegisteredLimit)
}

// registeredLimitShow answers GET /v3/registered_limits/{registered_limit_id}.
func (s *Service) registeredLimitShow(_ context.Context, r *api.Request) (any, error) {
	row, err := the[registeredLimitRow](r)
	if err != nil {
		return nil, err
	}
	view, err := viewRegisteredLimit(r, row)
	return map[string]any{"registered_limit": view}, err
}

// registeredLimitCreate answers POST /v3/registered_limits: all of the list or none.
func (s *Service) registeredLimitCreate(ctx context.Context, r *api.Request) (any, error) {
	var body struct {
		Limits []limitBody `json:"registered_limits"`
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	var rows []registeredLimitRow
	err := s.change(ctx, r, func(c *change) error {
		rows = nil
		for _, wish := range body.Limits {
			row := registeredLimitRow{ID: s.newID()}
			wish.fill(&row)
			if err := checkLimited(c.Tx, row.ServiceID, row.RegionID); err != nil {
				return err
			}
			if err := saveRegisteredLimit(c, "create", nil, row); err != nil {
				return err
			}
			rows = append(rows, row)
		}
		return nil
	})
	if errors.Is(err, db.ErrDuplicate) {
		err = conflict("registered_limit", "Duplicate entry")
	}
	if err != nil {
		return nil, err
	}
	views, err := viewEach(r, rows, viewRegisteredLimit)
	return &api.Response{Status: http.StatusCreated, Body: map[string]any{"registered_limits": views}}, err
}

func (b *limitBody) fill(row *registeredLimitRow) {
	row.ServiceID, row.RegionID, row.ResourceName = b.ServiceID.or(row.ServiceID), b.RegionID.or(row.RegionID), b.ResourceName.or(row.ResourceName)
	row.DefaultLimit, row.Description = b.DefaultLimit.or(row.DefaultLimit), b.Description.or(row.Description)
}

func checkLimited(tx *db.Tx, serviceID, regionID string) error {
	if _, err := serviceByID(tx, serviceID); err != nil {
		return orBadRequest(err, notFound("service", serviceID))
	}
	if regionID == "" {
		return nil
	}
	_, err := regionByID(tx, regionID)
	return orBadRequest(err, notFound("region", regionID))
}

// registeredLimitUpdate answers PATCH /v3/registered_limits/{registered_limit_id}. What is
// limited stays while projects have limits of their own.
func (s *Service) registeredLimitUpdate(ctx context.Context, r *api.Request) (any, error) {
	found, err := the[registeredLimitRow](r)
	if err != nil {
		return nil, err
	}
	var body struct {
		Limit limitBody `json:"registered_limit"`
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	var row registeredLimitRow
	err = s.change(ctx, r, func(c *change) error {
		before, err := registeredLimitByID(c.Tx, found.ID)
		if err != nil {
			return orMissing(err, "registered_limit", found.ID)
		}
		row = before
		body.Limit.fill(&row)
		if row.ServiceID != before.ServiceID || row.RegionID != before.RegionID || row.ResourceName != before.ResourceName {
			if err := unused(c.Tx, before); err != nil {
				return err
			}
		}
		if err := checkLimited(c.Tx, row.ServiceID, row.RegionID); err != nil {
			return err
		}
		return saveRegisteredLimit(c, "update", before, row)
	})
	if errors.Is(err, db.ErrDuplicate) {
		err = conflict("registered_limit", "Duplicate entry")
	}
	if err != nil {
		return nil, err
	}
	view, err := viewRegisteredLimit(r, row)
	return map[string]any{"registered_limit": view}, err
}

func unused(tx *db.Tx, row registeredLimitRow) error {
	n, err := limitsOf(tx, row.ID)
	if err == nil && n > 0 {
		err = api.Forbidden("Unable to update or delete registered limit %s because there are project limits associated with it.", row.ID)
	}
	return err
}

// registeredLimitDelete answers DELETE /v3/registered_limits/{registered_limit_id}.
func (s *Service) registeredLimitDelete(ctx context.Context, r *api.Request) (any, error) {
	row, err := the[registeredLimitRow](r)
	if err != nil {
		return nil, err
	}
	return nil, s.change(ctx, r, func(c *change) error {
		if err := unused(c.Tx, row); err != nil {
			return err
		}
		return removeRegisteredLimit(c, row)
	})
}

// limitList answers GET /v3/limits: all for administrators, those of their own project or
// domain for others.
func (s *Service) limitList(ctx context.Context, r *api.Request) (any, error) {
	shape := listing{filters: map[string]filter{
		"service_id": {"r.service_id", filterExact}, "region_id": {"r.region_id", filterExact}, "resource_name": {"r.resource_name", filterExact},
		"project_id": {"l.project_id", filterExact}, "domain_id": {"l.domain_id", filterExact}}}
	list, err := shape.query(r)
	if err != nil {
		return nil, err
	}
	ofLimits(list)
	if !r.Can("identity:get_limit", limitTarget(wholeLimit{limitRow: limitRow{ProjectID: "another", DomainID: "another"}})) {
		if id := r.Identity.Domain.ID; id != "" {
			list.Where("l.domain_id = ?", id)
		} else {
			list.Where("l.project_id = ?", r.Identity.Project.ID)
		}
	}
	return listOf(ctx, s, r, "limits", list, func(row wholeLimit) string { return row.ID }, viewLimit)
}

// limitShow answers GET /v3/limits/{limit_id}.
func (s *Service) limitShow(_ context.Context, r *api.Request) (any, error) {
	row, err := the[wholeLimit](r)
	if err != nil {
		return nil, err
	}
	view, err := viewLimit(r, row)
	return map[string]any{"limit": view}, err
}

// limitCreate answers POST /v3/limits: all of the list or none.
func (s *Service) limitCreate(ctx context.Context, r *api.Request) (any, error) {
	var body struct {
		Limits []limitBody `json:"limits"`
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	var rows []wholeLimit
	err := s.change(ctx, r, func(c *change) error {
		rows = nil
		for _, wish := range body.Limits {
			row, err := s.newLimit(c.Tx, wish)
			if err == nil {
				err = insertLimit(c, row.limitRow)
			}
			if err != nil {
				return err
			}
			rows = append(rows, row)
		}
		return nil
	})
	if errors.Is(err, db.ErrDuplicate) {
		err = conflict("limit", "Duplicate entry")
	}
	if err != nil {
		return nil, err
	}
	views, err := viewEach(r, rows, viewLimit)
	return &api.Response{Status: http.StatusCreated, Body: map[string]any{"limits": views}}, err
}

// newLimit is a limit of one project or one domain for what is registered.
func (s *Service) newLimit(tx *db.Tx, wish limitBody) (wholeLimit, error) {
	row := wholeLimit{limitRow{ID: s.newID(), ProjectID: wish.ProjectID.Value, DomainID: wish.DomainID.Value, ResourceLimit: wish.ResourceLimit.Value,
		Description: wish.Description.Value}, wish.ServiceID.Value, wish.RegionID.Value, wish.ResourceName.Value}
	if (row.ProjectID == "") == (row.DomainID == "") {
		return row, api.BadRequest("Expecting exactly one of project_id and domain_id in a limit." + malformed)
	}
	if row.ProjectID != "" {
		project, err := projectByID(tx, row.ProjectID)
		if err == nil && project.IsDomain {
			err = db.ErrNotFound
		}
		if err != nil {
			return row, orBadRequest(err, notFound("project", row.ProjectID))
		}
	} else if _, err := domainByID(tx, row.DomainID); err != nil {
		return row, orBadRequest(err, notFound("domain", row.DomainID))
	}
	registered, err := registeredLimitFor(tx, row.ServiceID, row.RegionID, row.ResourceName)
	if isGone(err) {
		return row, api.Forbidden("Unable to create a limit that has no corresponding registered limit.")
	}
	row.RegisteredID = registered.ID
	return row, err
}

// limitUpdate answers PATCH /v3/limits/{limit_id}.
func (s *Service) limitUpdate(ctx context.Context, r *api.Request) (any, error) {
	found, err := the[wholeLimit](r)
	if err != nil {
		return nil, err
	}
	var body struct {
		Limit limitBody `json:"limit"`
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	var row wholeLimit
	if err := s.change(ctx, r, func(c *change) error {
		before, err := limitByID(c.Tx, found.ID)
		if err != nil {
			return orMissing(err, "limit", found.ID)
		}
		row = before
		row.ResourceLimit, row.Description = body.Limit.ResourceLimit.or(row.ResourceLimit), body.Limit.Description.or(row.Description)
		return updateLimit(c, before.limitRow, row.limitRow)
	}); err != nil {
		return nil, err
	}
	view, err := viewLimit(r, row)
	return map[string]any{"limit": view}, err
}

// limitDelete answers DELETE /v3/limits/{limit_id}.
func (s *Service) limitDelete(ctx context.Context, r *api.Request) (any, error) {
	row, err := the[wholeLimit](r)
	if err != nil {
		return nil, err
	}
	return nil, s.change(ctx, r, func(c *change) error { return removeLimit(c, row.limitRow) })
}
