package identity

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"virga/core/api"
	"virga/core/db"
)

// policyBody is what clients say of a policy file.
type policyBody struct {
	Type optional[string] `json:"type"`
	Blob optional[string] `json:"blob"`
}

type policyView struct {
	ID    string            `json:"id"`
	Type  string            `json:"type"`
	Blob  string            `json:"blob"`
	Links map[string]string `json:"links"`
}

func viewPolicy(r *api.Request, row policyRow) (json.RawMessage, error) {
	return withExtra(policyView{row.ID, row.Type, row.Blob, selfLink(r, "policies", row.ID)}, row.Extra)
}

func showPolicy(r *api.Request, row policyRow) (any, error) {
	view, err := viewPolicy(r, row)
	return map[string]any{"policy": view}, err
}

func (s *Service) loadPolicy() api.Loader {
	return loader(s, "policy", policyByID, noTarget[policyRow])
}

// policyList answers GET /v3/policies.
func (s *Service) policyList(ctx context.Context, r *api.Request) (any, error) {
	shape := listing{table: "policies", sorts: []string{"id", "type"}, filters: map[string]filter{"type": {"type", filterText}}}
	list, err := shape.query(r)
	if err != nil {
		return nil, err
	}
	return listOf(ctx, s, r, "policies", list, func(row policyRow) string { return row.ID }, viewPolicy)
}

// policyShow answers GET /v3/policies/{policy_id}.
func (s *Service) policyShow(_ context.Context, r *api.Request) (any, error) {
	row, err := the[policyRow](r)
	if err != nil {
		return nil, err
	}
	return showPolicy(r, row)
}

// policyCreate answers POST /v3/policies.
func (s *Service) policyCreate(ctx context.Context, r *api.Request) (any, error) {
	var body policyBody
	extra, err := decodeResource(r, "policy", &body)
	if err != nil {
		return nil, err
	}
	row := policyRow{ID: s.newID(), Type: body.Type.Value, Blob: body.Blob.Value}
	if row.Extra, err = mergeExtra(nil, extra); err != nil {
		return nil, err
	}
	if err := s.change(ctx, r, func(c *change) error {
		if err := c.Insert("policies", row); err != nil {
			return err
		}
		return c.record("policy", "create", row.ID, nil, row)
	}); err != nil {
		return nil, err
	}
	return showPolicy(r, row)
}

// policyUpdate answers PATCH /v3/policies/{policy_id}.
func (s *Service) policyUpdate(ctx context.Context, r *api.Request) (any, error) {
	found, err := the[policyRow](r)
	if err != nil {
		return nil, err
	}
	var body policyBody
	extra, err := decodeResource(r, "policy", &body)
	if err != nil {
		return nil, err
	}
	var row policyRow
	if err := s.change(ctx, r, func(c *change) error {
		before, err := policyByID(c.Tx, found.ID)
		if err != nil {
			return orMissing(err, "policy", found.ID)
		}
		row = before
		row.Type, row.Blob = body.Type.or(row.Type), body.Blob.or(row.Blob)
		if row.Extra, err = mergeExtra(nonNil(before.Extra), extra); err != nil {
			return err
		}
		if err := c.Update("policies", row, "id"); err != nil {
			return err
		}
		return c.record("policy", "update", row.ID, before, row)
	}); err != nil {
		return nil, err
	}
	return showPolicy(r, row)
}

// policyDelete answers DELETE /v3/policies/{policy_id}.
func (s *Service) policyDelete(ctx context.Context, r *api.Request) (any, error) {
	row, err := the[policyRow](r)
	if err != nil {
		return nil, err
	}
	return nil, s.change(ctx, r, func(c *change) error { return removePolicy(c, row) })
}

// policyPlace is what the path of an association names, checked to be there.
func policyPlace(tx *db.Tx, r *api.Request) (policyAssociationRow, error) {
	place := policyAssociationRow{EndpointID: r.Param("endpoint_id"), ServiceID: r.Param("service_id"), RegionID: r.Param("region_id")}
	if place.EndpointID != "" {
		if _, err := endpointByID(tx, place.EndpointID); err != nil {
			return place, orMissing(err, "endpoint", place.EndpointID)
		}
	}
	if place.ServiceID != "" {
		if _, err := serviceByID(tx, place.ServiceID); err != nil {
			return place, orMissing(err, "service", place.ServiceID)
		}
	}
	if place.RegionID != "" {
		if _, err := regionByID(tx, place.RegionID); err != nil {
			return place, orMissing(err, "region", place.RegionID)
		}
	}
	return place, nil
}

// policyAssociate answers PUT of an association; the one that was there before goes.
func (s *Service) policyAssociate(ctx context.Context, r *api.Request) (any, error) {
	policy, err := the[policyRow](r)
	if err != nil {
		return nil, err
	}
	return nil, s.change(ctx, r, func(c *change) error {
		row, err := policyPlace(c.Tx, r)
		if err != nil {
			return err
		}
		row.PolicyID = policy.ID
		if err := c.Upsert("policy_associations", row, "endpoint_id", "service_id", "region_id"); err != nil {
			return err
		}
		return c.record("policy_association", "create", policy.ID, nil, row)
	})
}

// associatedPolicy finds the association of the path; NotFound when it is another policy's.
func associatedPolicy(tx *db.Tx, r *api.Request, policyID string) (policyAssociationRow, error) {
	place, err := policyPlace(tx, r)
	if err != nil {
		return place, err
	}
	row, err := policyAssociation(tx, place)
	if isGone(err) || err == nil && row.PolicyID != policyID {
		return row, api.NotFound("Could not find policy association")
	}
	return row, err
}

// policyAssociationShow answers GET of an association.
func (s *Service) policyAssociationShow(ctx context.Context, r *api.Request) (any, error) {
	policy, err := the[policyRow](r)
	if err != nil {
		return nil, err
	}
	if err := s.deps.DB.Read(ctx, func(tx *db.Tx) error {
		_, err := associatedPolicy(tx, r, policy.ID)
		return err
	}); err != nil {
		return nil, err
	}
	return &api.Response{Status: http.StatusNoContent}, nil
}

// policyDissociate answers DELETE of an association.
func (s *Service) policyDissociate(ctx context.Context, r *api.Request) (any, error) {
	policy, err := the[policyRow](r)
	if err != nil {
		return nil, err
	}
	return nil, s.change(ctx, r, func(c *change) error {
		row, err := associatedPolicy(c.Tx, r, policy.ID)
		if err != nil {
			return err
		}
		return removePolicyAssociation(c, row)
	})
}

// policyEndpoints answers GET /v3/policies/{policy_id}/OS-ENDPOINT-POLICY/endpoints.
func (s *Service) policyEndpoints(ctx context.Context, r *api.Request) (any, error) {
	policy, err := the[policyRow](r)
	if err != nil {
		return nil, err
	}
	var members []endpointRow
	if err := s.deps.DB.Read(ctx, func(tx *db.Tx) error {
		all, err := allEndpoints(tx)
		if err != nil {
			return err
		}
		members = slices.DeleteFunc(all, func(e endpointRow) bool {
			found, lookErr := policyFor(tx, e)
			if lookErr != nil && !isGone(lookErr) {
				err = lookErr
			}
			return lookErr != nil || found.ID != policy.ID
		})
		return err
	}); err != nil {
		return nil, err
	}
	return bounded(r, "endpoints", members, viewEndpoint)
}

// endpointPolicy answers GET /v3/endpoints/{endpoint_id}/OS-ENDPOINT-POLICY/policy.
func (s *Service) endpointPolicy(ctx context.Context, r *api.Request) (any, error) {
	endpoint, err := the[endpointRow](r)
	if err != nil {
		return nil, err
	}
	var row policyRow
	if err := s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
		row, err = policyFor(tx, endpoint)
		return err
	}); err != nil {
		if isGone(err) {
			err = api.NotFound("No policy is associated with endpoint %s.", endpoint.ID)
		}
		return nil, err
	}
	return showPolicy(r, row)
}
