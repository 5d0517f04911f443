package neighbour

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"virga/core/api"
	"virga/service/compute"
)

// placementVersion is the microversion that the calls below are written for.
const placementVersion = "placement 1.36"

// conflicts is how often a change that lost a race is tried again.
const conflicts = 5

// Placement is the placement service, for compute.
type Placement struct{ client api.Client }

// NewPlacement takes a client of the placement API.
func NewPlacement(client api.Client) *Placement {
	client.Header = http.Header{"Openstack-Api-Version": {placementVersion}}
	return &Placement{client}
}

var _ compute.Placement = (*Placement)(nil)

type inventoryView struct {
	Total    int64   `json:"total"`
	Reserved int64   `json:"reserved"`
	Ratio    float64 `json:"allocation_ratio"`
	MinUnit  int64   `json:"min_unit"`
	MaxUnit  int64   `json:"max_unit"`
	StepSize int64   `json:"step_size"`
}

type inventoriesView struct {
	Generation  int64                    `json:"resource_provider_generation"`
	Inventories map[string]inventoryView `json:"inventories"`
}

type traitsView struct {
	Generation int64    `json:"resource_provider_generation"`
	Traits     []string `json:"traits"`
}

func providerPath(id string) string { return "/resource_providers/" + url.PathEscape(id) }

// hasProvider tells whether the provider is there.
func (p *Placement) hasProvider(ctx context.Context, id string) (bool, error) {
	err := p.client.Do(ctx, http.MethodGet, providerPath(id), nil, nil)
	if status(err) == http.StatusNotFound {
		return false, nil
	}
	return err == nil, refusal(err)
}

// EnsureProvider implements compute.Placement.
func (p *Placement) EnsureProvider(ctx context.Context, id, name string, inventory map[string]compute.Inventory, traits []string) error {
	there, err := p.hasProvider(ctx, id)
	if err != nil {
		return err
	}
	if !there {
		err := p.client.Do(ctx, http.MethodPost, "/resource_providers", map[string]string{"uuid": id, "name": name}, nil)
		if err != nil && status(err) != http.StatusConflict {
			return refusal(err)
		}
	}
	if err := p.again(ctx, func() error { return p.setInventory(ctx, id, inventory) }); err != nil {
		return err
	}
	return p.again(ctx, func() error { return p.setTraits(ctx, id, traits) })
}

// ChangeAggregates implements compute.Placement.
func (p *Placement) ChangeAggregates(ctx context.Context, id string, add, remove []string) error {
	return p.again(ctx, func() error {
		var now struct {
			Generation int64    `json:"resource_provider_generation"`
			Aggregates []string `json:"aggregates"`
		}
		if err := p.client.Do(ctx, http.MethodGet, providerPath(id)+"/aggregates", nil, &now); err != nil {
			return err
		}
		want := slices.DeleteFunc(slices.Clone(now.Aggregates), func(a string) bool { return slices.Contains(remove, a) })
		for _, a := range add {
			if !slices.Contains(want, a) {
				want = append(want, a)
			}
		}
		if slices.Equal(want, now.Aggregates) {
			return nil
		}
		now.Aggregates = append([]string{}, want...)
		return p.client.Do(ctx, http.MethodPut, providerPath(id)+"/aggregates", now, nil)
	})
}

// RemoveProvider implements compute.Placement.
func (p *Placement) RemoveProvider(ctx context.Context, id string) error {
	err := p.client.Do(ctx, http.MethodDelete, providerPath(id), nil, nil)
	if status(err) == http.StatusNotFound {
		return nil
	}
	return refusal(err)
}

// again repeats a change that is guarded by a generation while it loses races.
func (p *Placement) again(ctx context.Context, change func() error) error {
	var err error
	for range conflicts {
		if err = change(); status(err) != http.StatusConflict || ctx.Err() != nil {
			break
		}
	}
	return refusal(err)
}

// setInventory makes the classes of hosts what they are; what an operator has added stays, and so does a ratio that
// was set here and not on the host.
func (p *Placement) setInventory(ctx context.Context, id string, inventory map[string]compute.Inventory) error {
	var now inventoriesView
	if err := p.client.Do(ctx, http.MethodGet, providerPath(id)+"/inventories", nil, &now); err != nil {
		return err
	}
	want := map[string]inventoryView{}
	for class, there := range now.Inventories {
		if !compute.ReportedClass(class) {
			want[class] = there
		}
	}
	for class, i := range inventory {
		ratio := i.Ratio
		if there, known := now.Inventories[class]; known && !i.Fixed {
			ratio = there.Ratio
		}
		want[class] = inventoryView{Total: i.Total, Reserved: i.Reserved, Ratio: ratio, MinUnit: 1, MaxUnit: i.Total, StepSize: 1}
	}
	if maps.Equal(now.Inventories, want) {
		return nil
	}
	now.Inventories = want
	return p.client.Do(ctx, http.MethodPut, providerPath(id)+"/inventories", now, nil)
}

// setTraits makes the traits that hosts report what they report; those that an operator has added stay.
func (p *Placement) setTraits(ctx context.Context, id string, traits []string) error {
	var known, now traitsView
	if len(traits) > 0 {
		query := url.Values{"name": {"in:" + strings.Join(traits, ",")}}
		if err := p.client.Do(ctx, http.MethodGet, "/traits?"+query.Encode(), nil, &known); err != nil {
			return err
		}
	}
	if err := p.client.Do(ctx, http.MethodGet, providerPath(id)+"/traits", nil, &now); err != nil {
		return err
	}
	for _, trait := range now.Traits {
		if !compute.ReportedTrait(trait) {
			known.Traits = append(known.Traits, trait)
		}
	}
	slices.Sort(known.Traits)
	slices.Sort(now.Traits)
	if slices.Equal(known.Traits, now.Traits) {
		return nil
	}
	if known.Traits == nil {
		known.Traits = []string{}
	}
	now.Traits = known.Traits
	return p.client.Do(ctx, http.MethodPut, providerPath(id)+"/traits", now, nil)
}

// Changes implements compute.Placement. A placement service that is not Virga's own has no
// such question: there the candidates for a little of everything tell how all are.
func (p *Placement) Changes(ctx context.Context, cursor string) (compute.ProviderChanges, error) {
	var answer struct {
		Cursor    string `json:"cursor"`
		Whole     bool   `json:"whole"`
		Providers []struct {
			UUID      string                      `json:"uuid"`
			Traits    int                         `json:"traits"`
			Resources map[string]compute.Resource `json:"resources"`
		} `json:"providers"`
		Gone  []string         `json:"gone"`
		Names map[int][]string `json:"traits"`
	}
	err := p.client.Do(ctx, http.MethodGet, "/internal/providers?since="+url.QueryEscape(cursor), nil, &answer)
	if status(err) == http.StatusNotFound {
		return p.everything(ctx)
	}
	if err != nil {
		return compute.ProviderChanges{}, refusal(err)
	}
	changes := compute.ProviderChanges{Cursor: answer.Cursor, Whole: answer.Whole, Gone: answer.Gone, Providers: make([]compute.Provider, len(answer.Providers))}
	for i, provider := range answer.Providers {
		changes.Providers[i] = compute.Provider{ID: provider.UUID, Traits: answer.Names[provider.Traits], Resources: provider.Resources}
	}
	return changes, nil
}

// everything asks for all providers that have memory left, by the public API.
func (p *Placement) everything(ctx context.Context) (compute.ProviderChanges, error) {
	var answer struct {
		Summaries map[string]struct {
			Traits    []string                    `json:"traits"`
			Resources map[string]compute.Resource `json:"resources"`
		} `json:"provider_summaries"`
	}
	if err := p.client.Do(ctx, http.MethodGet, "/allocation_candidates?resources=MEMORY_MB:1", nil, &answer); err != nil {
		return compute.ProviderChanges{}, refusal(err)
	}
	changes := compute.ProviderChanges{Whole: true}
	for id, summary := range answer.Summaries {
		changes.Providers = append(changes.Providers, compute.Provider{ID: id, Traits: summary.Traits, Resources: summary.Resources})
	}
	return changes, nil
}

// allocationView is the body of PUT /allocations/{consumer}.
type allocationView struct {
	Allocations map[string]resourcesView `json:"allocations"`
	ProjectID   string                   `json:"project_id"`
	UserID      string                   `json:"user_id"`
	// Generation is null for a consumer that has nothing yet.
	Generation *int64 `json:"consumer_generation"`
}

type resourcesView struct {
	Resources map[string]int64 `json:"resources"`
}

// Claim implements compute.Placement. A consumer that has something already gets exactly
// this instead; when it is this already nothing happens.
func (p *Placement) Claim(ctx context.Context, claim compute.Claim) error {
	path := "/allocations/" + url.PathEscape(claim.ConsumerID)
	want := resourcesView{Resources: map[string]int64{}}
	for class, n := range claim.Resources {
		if n > 0 {
			want.Resources[class] = n
		}
	}
	body := allocationView{Allocations: map[string]resourcesView{claim.ProviderID: want}, ProjectID: claim.ProjectID, UserID: claim.UserID}
	err := p.client.Do(ctx, http.MethodPut, path, body, nil)
	if status(err) != http.StatusConflict {
		return refusal(err)
	}
	var now allocationView
	if readErr := p.client.Do(ctx, http.MethodGet, path, nil, &now); readErr != nil {
		return fmt.Errorf("read allocations of %s: %w", claim.ConsumerID, readErr)
	}
	if len(now.Allocations) == 0 {
		return refusal(err) // there was no room, or the race was about the provider
	}
	if have := now.Allocations[claim.ProviderID]; len(now.Allocations) == 1 && maps.Equal(have.Resources, want.Resources) {
		return nil
	}
	body.Generation = now.Generation
	return refusal(p.client.Do(ctx, http.MethodPut, path, body, nil))
}

// Reallocate implements compute.Placement.
func (p *Placement) Reallocate(ctx context.Context, claims []compute.Claim) error {
	return p.again(ctx, func() error {
		body := map[string]allocationView{}
		for _, claim := range claims {
			path := "/allocations/" + url.PathEscape(claim.ConsumerID)
			var now allocationView
			if err := p.client.Do(ctx, http.MethodGet, path, nil, &now); err != nil {
				return fmt.Errorf("read allocations of %s: %w", claim.ConsumerID, err)
			}
			want := allocationView{Allocations: map[string]resourcesView{}, ProjectID: claim.ProjectID, UserID: claim.UserID, Generation: now.Generation}
			resources := maps.Clone(claim.Resources)
			maps.DeleteFunc(resources, func(_ string, n int64) bool { return n <= 0 })
			switch {
			case len(resources) > 0:
				want.Allocations[claim.ProviderID] = resourcesView{Resources: resources}
			case len(now.Allocations) == 0:
				continue // there is nothing to take away
			}
			body[claim.ConsumerID] = want
		}
		return p.client.Do(ctx, http.MethodPost, "/allocations", body, nil)
	})
}

// Release implements compute.Placement.
func (p *Placement) Release(ctx context.Context, consumerID string) error {
	err := p.client.Do(ctx, http.MethodDelete, "/allocations/"+url.PathEscape(consumerID), nil, nil)
	if status(err) == http.StatusNotFound {
		return nil
	}
	return refusal(err)
}
