package identity

import (
	"encoding/json"

	"virga/core/api"
)

// regionBody is what clients say of a region.
type regionBody struct {
	ID          string           `json:"id"`
	Description optional[string] `json:"description"`
	ParentID    optional[string] `json:"parent_region_id"`
}

type regionView struct {
	ID          string            `json:"id"`
	Description string            `json:"description"`
	ParentID    *string           `json:"parent_region_id"`
	Links       map[string]string `json:"links"`
}

func viewRegion(r *api.Request, row regionRow) (json.RawMessage, error) {
	return withExtra(regionView{row.ID, row.Description, nullable(row.ParentID), selfLink(r, "regions", row.ID)}, row.Extra)
}

// serviceBody is what clients say of a service.
type serviceBody struct {
	Name        optional[string] `json:"name"`
	Type        optional[string] `json:"type"`
	Enabled     optional[*bool]  `json:"enabled"`
	Description optional[string] `json:"description"`
}

type serviceView struct {
	ID          string            `json:"id"`
	Name        string            `json:"name,omitempty"`
	Type        string            `json:"type"`
	Enabled     bool              `json:"enabled"`
	Description string            `json:"description,omitempty"`
	Links       map[string]string `json:"links"`
}

func viewService(r *api.Request, row serviceRow) (json.RawMessage, error) {
	return withExtra(serviceView{row.ID, row.Name, row.Type, row.Enabled, row.Description, selfLink(r, "services", row.ID)}, row.Extra)
}

// endpointBody is what clients say of an endpoint; region is the older name of region_id.
type endpointBody struct {
	ServiceID optional[string] `json:"service_id"`
	RegionID  optional[string] `json:"region_id"`
	Region    optional[string] `json:"region"`
	Interface optional[string] `json:"interface"`
	URL       optional[string] `json:"url"`
	Enabled   optional[*bool]  `json:"enabled"`
	Name      optional[string] `json:"name"`
}

type endpointView struct {
	ID        string            `json:"id"`
	ServiceID string            `json:"service_id"`
	RegionID  *string           `json:"region_id"`
	Region    *string           `json:"region"`
	Interface string            `json:"interface"`
	URL       string            `json:"url"`
	Enabled   bool              `json:"enabled"`
	Name      string            `json:"name,omitempty"`
	Links     map[string]string `json:"links"`
}

func viewEndpoint(r *api.Request, row endpointRow) (json.RawMessage, error) {
	region := nullable(row.RegionID)
	return withExtra(endpointView{
		row.ID, row.ServiceID, region, region, row.Interface, row.URL, row.Enabled, row.Name, selfLink(r, "endpoints", row.ID),
	}, row.Extra)
}
