package placement

import (
	"context"
	"slices"
	"time"

	"virga/core/api"
	"virga/core/db"
	"virga/core/feed"
)

type aggregatesView struct {
	Aggregates []string `json:"aggregates"`
	// Generation is shown from microversion 1.19 on.
	Generation *int64 `json:"resource_provider_generation,omitempty"`
}

type aggregatesWrite struct {
	Aggregates []string `json:"aggregates"`
	Generation int64    `json:"resource_provider_generation"`
}

func (s *Service) viewAggregates(r *api.Request, provider providerRow, uuids []string) *api.Response {
	view := aggregatesView{Aggregates: append([]string{}, uuids...)}
	if since(r, aggregatesGeneration) {
		view.Generation = &provider.Generation
	}
	return s.answer(r, view, time.Time{})
}

// aggregateList lists the aggregates of a provider.
func (s *Service) aggregateList(ctx context.Context, r *api.Request) (any, error) {
	var uuids []string
	provider, err := s.readProvider(ctx, r, func(tx *db.Tx, provider providerRow) (err error) {
		uuids, err = aggregatesOf(tx, provider.UUID)
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.viewAggregates(r, provider, uuids), nil
}

// recordAggregates writes into the feed which aggregates a provider is in now.
func (s *Service) recordAggregates(tx *db.Tx, r *api.Request, provider *providerRow, former, now []string) error {
	return s.record(tx, r, feed.Change{Kind: "resource_provider", ID: provider.UUID, Action: "update_aggregates",
		Before: map[string]any{"uuid": provider.UUID, "aggregates": former}, After: map[string]any{"uuid": provider.UUID, "aggregates": now}})
}

// aggregateReplace makes the aggregates of a provider those of the body, a bare list;
// the provider's generation stays (until microversion 1.18).
func (s *Service) aggregateReplace(ctx context.Context, r *api.Request) (any, error) {
	var uuids []string
	if err := r.Decode(&uuids); err != nil {
		return nil, err
	}
	uuids = normalUUIDs(uuids)
	provider, err := s.changeProvider(ctx, r, func(tx *db.Tx, provider *providerRow) error {
		former, err := aggregatesOf(tx, provider.UUID)
		if err != nil {
			return err
		}
		if err := replaceAggregates(tx, provider, uuids); err != nil {
			return err
		}
		return s.recordAggregates(tx, r, provider, former, uuids)
	})
	if err != nil {
		return nil, err
	}
	return s.viewAggregates(r, provider, uuids), nil
}

// aggregateReplaceGuarded is aggregateReplace with a check of the provider's generation,
// which then grows.
func (s *Service) aggregateReplaceGuarded(ctx context.Context, r *api.Request) (any, error) {
	var body aggregatesWrite
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	uuids := normalUUIDs(body.Aggregates)
	provider, err := s.changeProvider(ctx, r, func(tx *db.Tx, provider *providerRow) error {
		if provider.Generation != body.Generation {
			return concurrent(generationChanged)
		}
		former, err := aggregatesOf(tx, provider.UUID)
		if err != nil {
			return err
		}
		if err := replaceAggregates(tx, provider, uuids); err != nil {
			return err
		}
		if err := bumpGeneration(tx, provider, s.deps.Clock.Now()); err != nil {
			return err
		}
		return s.recordAggregates(tx, r, provider, former, uuids)
	})
	if err != nil {
		return nil, err
	}
	return s.viewAggregates(r, provider, uuids), nil
}

// normalUUIDs brings UUIDs into their normal form, each once and in the order given.
func normalUUIDs(texts []string) []string {
	var uuids []string
	for _, text := range texts {
		if id, ok := normalUUID(text); ok && !slices.Contains(uuids, id) {
			uuids = append(uuids, id)
		}
	}
	return uuids
}
