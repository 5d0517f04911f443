package identity

import (
	"context"
	"errors"
	"net/http"

	"virga/core/api"
	"virga/core/authz"
	"virga/core/db"
)

// maxRegionDepth bounds how deep regions are nested.
const maxRegionDepth = 32

func noTarget[R any](R) authz.Target { return authz.Target{} }

func (s *Service) loadRegion() api.Loader {
	return loader(s, "region", regionByID, noTarget[regionRow])
}

// regionList answers GET /v3/regions.
func (s *Service) regionList(ctx context.Context, r *api.Request) (any, error) {
	shape := listing{table: "regions", sorts: []string{"id"}, filters: map[string]filter{"parent_region_id": {"parent_region_id", filterExact}}}
	list, err := shape.query(r)
	if err != nil {
		return nil, err
	}
	return listOf(ctx, s, r, "regions", list, func(row regionRow) string { return row.ID }, viewRegion)
}

// regionShow answers GET /v3/regions/{region_id}.
func (s *Service) regionShow(_ context.Context, r *api.Request) (any, error) {
	row, err := the[regionRow](r)
	if err != nil {
		return nil, err
	}
	view, err := viewRegion(r, row)
	return map[string]any{"region": view}, err
}

// regionCreate answers POST /v3/regions and PUT /v3/regions/{region_id}; clients may
// choose the id.
func (s *Service) regionCreate(ctx context.Context, r *api.Request) (any, error) {
	var body regionBody
	extra, err := decodeResource(r, "region", &body)
	if err != nil {
		return nil, err
	}
	row := regionRow{ID: body.ID, Description: body.Description.Value, ParentID: body.ParentID.Value}
	if named := r.Param("region_id"); named != "" {
		if row.ID != "" && row.ID != named {
			return nil, api.BadRequest("Conflicting region IDs specified: \"%s\" != \"%s\"", named, row.ID)
		}
		row.ID = named
	}
	if row.ID == "" {
		row.ID = s.newID()
	}
	if len(row.ID) > 255 {
		return nil, api.BadRequest("Invalid input for field/attribute id. It has more than 255 characters.")
	}
	if row.Extra, err = mergeExtra(nil, extra); err != nil {
		return nil, err
	}
	err = s.change(ctx, r, func(c *change) error {
		_, err := regionByID(c.Tx, row.ID)
		if err == nil {
			return conflict("region", "Duplicate ID, "+row.ID)
		}
		if !errors.Is(err, db.ErrNotFound) {
			return err
		}
		if err := checkParentRegion(c.Tx, row); err != nil {
			return err
		}
		return saveCatalog(c, "regions", "region", "create", row.ID, row)
	})
	if err != nil {
		return nil, err
	}
	view, err := viewRegion(r, row)
	return &api.Response{Status: http.StatusCreated, Body: map[string]any{"region": view}}, err
}

// checkParentRegion walks up from a region: the parent must be there, and no region may
// be below itself.
func checkParentRegion(tx *db.Tx, row regionRow) error {
	parent := row.ParentID
	for range maxRegionDepth {
		if parent == "" {
			return nil
		}
		if parent == row.ID {
			return api.BadRequest("The specified parent region %s would create a circular region hierarchy.", row.ParentID)
		}
		above, err := regionByID(tx, parent)
		if err != nil {
			return orMissing(err, "region", parent)
		}
		parent = above.ParentID
	}
	return api.BadRequest("Regions may be nested at most %d levels deep.", maxRegionDepth)
}

// regionUpdate answers PATCH /v3/regions/{region_id}.
func (s *Service) regionUpdate(ctx context.Context, r *api.Request) (any, error) {
	row, err := the[regionRow](r)
	if err != nil {
		return nil, err
	}
	var body regionBody
	extra, err := decodeResource(r, "region", &body)
	if err != nil {
		return nil, err
	}
	if body.ID != "" && body.ID != row.ID {
		return nil, api.BadRequest("Cannot change region ID")
	}
	err = s.change(ctx, r, func(c *change) (err error) {
		if row, err = regionByID(c.Tx, row.ID); err != nil {
			return orMissing(err, "region", r.Param("region_id"))
		}
		row.Description, row.ParentID = body.Description.or(row.Description), body.ParentID.or(row.ParentID)
		if row.Extra, err = mergeExtra(nonNil(row.Extra), extra); err != nil {
			return err
		}
		if err := checkParentRegion(c.Tx, row); err != nil {
			return err
		}
		return saveCatalog(c, "regions", "region", "update", row.ID, row)
	})
	if err != nil {
		return nil, err
	}
	view, err := viewRegion(r, row)
	return map[string]any{"region": view}, err
}

// regionDelete answers DELETE /v3/regions/{region_id}.
func (s *Service) regionDelete(ctx context.Context, r *api.Request) (any, error) {
	row, err := the[regionRow](r)
	if err != nil {
		return nil, err
	}
	return nil, s.change(ctx, r, func(c *change) error {
		used, err := regionUsed(c.Tx, row.ID)
		if err != nil {
			return err
		}
		if used {
			return api.Forbidden("Unable to delete region %s because it or its child regions have associated endpoints.", row.ID)
		}
		return removeCatalog(c, "regions", "region", row.ID)
	})
}
