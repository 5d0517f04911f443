package identity

import (
	"context"
	"encoding/json"
	"net/http"

	"virga/core/api"
)

// consumerBody is what clients say of a consumer.
type consumerBody struct {
	Description optional[string]     `json:"description"`
	Secret      optional[secretText] `json:"secret"`
}

type consumerView struct {
	ID          string  `json:"id"`
	Description *string `json:"description"`
	// Secret is shown in the answer to the creation and never again.
	Secret string            `json:"secret,omitempty"`
	Links  map[string]string `json:"links"`
}

func viewConsumer(r *api.Request, row consumerRow) (json.RawMessage, error) {
	return withExtra(consumerView{ID: row.ID, Description: nullable(row.Description), Links: selfLink(r, "OS-OAUTH1", "consumers", row.ID)}, row.Extra)
}

func (s *Service) loadConsumer() api.Loader {
	return loader(s, "consumer", consumerByID, noTarget[consumerRow])
}

// consumerList answers GET /v3/OS-OAUTH1/consumers.
func (s *Service) consumerList(ctx context.Context, r *api.Request) (any, error) {
	list, err := listing{table: "consumers", sorts: []string{"id"}}.query(r)
	if err != nil {
		return nil, err
	}
	return listOf(ctx, s, r, "consumers", list, func(row consumerRow) string { return row.ID }, viewConsumer)
}

// consumerShow answers GET /v3/OS-OAUTH1/consumers/{consumer_id}.
func (s *Service) consumerShow(_ context.Context, r *api.Request) (any, error) {
	row, err := the[consumerRow](r)
	if err != nil {
		return nil, err
	}
	view, err := viewConsumer(r, row)
	return map[string]any{"consumer": view}, err
}

// consumerCreate answers POST /v3/OS-OAUTH1/consumers.
func (s *Service) consumerCreate(ctx context.Context, r *api.Request) (any, error) {
	var body consumerBody
	extra, err := decodeResource(r, "consumer", &body)
	if err != nil {
		return nil, err
	}
	secret := newSecret()
	row := consumerRow{ID: s.newID(), Description: body.Description.Value}
	row.Sealed = s.deps.Vault.Seal([]byte(secret.Reveal()), "consumer "+row.ID)
	if row.Extra, err = mergeExtra(nil, extra); err != nil {
		return nil, err
	}
	if err := s.change(ctx, r, func(c *change) error { return insertConsumer(c, row) }); err != nil {
		return nil, err
	}
	view, err := withExtra(consumerView{row.ID, nullable(row.Description), secret.Reveal(), selfLink(r, "OS-OAUTH1", "consumers", row.ID)}, row.Extra)
	return &api.Response{Status: http.StatusCreated, Body: map[string]any{"consumer": view}}, err
}

// consumerUpdate answers PATCH /v3/OS-OAUTH1/consumers/{consumer_id}.
func (s *Service) consumerUpdate(ctx context.Context, r *api.Request) (any, error) {
	found, err := the[consumerRow](r)
	if err != nil {
		return nil, err
	}
	var body consumerBody
	extra, err := decodeResource(r, "consumer", &body)
	if err != nil {
		return nil, err
	}
	if body.Secret.Set {
		return nil, api.BadRequest("Cannot change consumer secret")
	}
	var row consumerRow
	if err := s.change(ctx, r, func(c *change) error {
		before, err := consumerByID(c.Tx, found.ID)
		if err != nil {
			return orMissing(err, "consumer", found.ID)
		}
		row = before
		row.Description = body.Description.or(row.Description)
		if row.Extra, err = mergeExtra(nonNil(before.Extra), extra); err != nil {
			return err
		}
		return updateConsumer(c, before, row)
	}); err != nil {
		return nil, err
	}
	view, err := viewConsumer(r, row)
	return map[string]any{"consumer": view}, err
}

// consumerDelete answers DELETE /v3/OS-OAUTH1/consumers/{consumer_id}.
func (s *Service) consumerDelete(ctx context.Context, r *api.Request) (any, error) {
	row, err := the[consumerRow](r)
	if err != nil {
		return nil, err
	}
	return nil, s.change(ctx, r, func(c *change) error { return removeConsumer(c, row) })
}
