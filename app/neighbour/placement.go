package neighbour

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
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

func (v inventoryView) capacity() int64 { return int64(float64(v.Total-v.Reserved) * v.Ratio) }

type inventoriesView struct {
	Generation  int64                    `json:"resource_provider_generation"`
	Inventories map[string]inventoryView `json:"inventories"`
}

type traitsView struct {
	Generation int64    `json:"resource_provider_generation"`
	Traits     []string `json:"traits"`
}

func providerPath(id string) string { return "/resource_providers/" + url.PathEscape(id) }

// HasProvider implements compute.Placement.
func (p *Placement) HasProvider(ctx context.Context, id string) (bool, error) {
	err := p.client.Do(ctx, http.MethodGet, providerPath(id), nil, nil)
	if status(err) == http.StatusNotFound {
		return false, nil
	}
	return err == nil, refusal(err)
}

// EnsureProvider implements compute.Placement.
func (p *Placement) EnsureProvider(ctx context.Context, id, name string, inventory map[string]compute.Inventory, traits []string) error {
	there, err := p.HasProvider(ctx, id)
	if err != nil {
		return err
	}
	if !there {
		err := p.client.Do(ctx, http.MethodPost, "/resource_providers", map[string]string{"uuid": id, "name": name}, nil)
		if err != nil && status(err) != http.StatusConflict {
			return refusal(err)
		}
	}
	want := map[string]inventoryView{}
	for class, i := range inventory {
		want[class] = inventoryView{Total: i.Total, Reserved: i.Reserved, Ratio: i.Ratio, MinUnit: 1, MaxUnit: i.Total, StepSize: 1}
	}
	if err := p.again(ctx, func() error { return p.setInventory(ctx, id, want) }); err != nil {
		return err
	}
	return p.again(ctx, func() error { return p.setTraits(ctx, id, traits) })
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

func (p *Placement) setInventory(ctx context.Context, id string, want map[string]inventoryView) error {
	var now inventoriesView
	if err := p.client.Do(ctx, http.MethodGet, providerPath(id)+"/inventories", nil, &now); err != nil {
		return err
	}
	if maps.Equal(now.Inventories, want) {
		return nil
	}
	now.Inventories = want
	return p.client.Do(ctx, http.MethodPut, providerPath(id)+"/inventories", now, nil)
}

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

// Resources implements compute.Placement.
func (p *Placement) Resources(ctx context.Context, id string) (map[string]compute.Resource, error) {
	var has inventoriesView
	if err := p.client.Do(ctx, http.MethodGet, providerPath(id)+"/inventories", nil, &has); err != nil {
		return nil, refusal(err)
	}
	var used struct{ Usages map[string]int64 }
	if err := p.client.Do(ctx, http.MethodGet, providerPath(id)+"/usages", nil, &used); err != nil {
		return nil, refusal(err)
	}
	all := map[string]compute.Resource{}
	for class, inventory := range has.Inventories {
		all[class] = compute.Resource{Capacity: inventory.capacity(), Used: used.Usages[class]}
	}
	return all, nil
}

// Candidates implements compute.Placement.
func (p *Placement) Candidates(ctx context.Context, resources map[string]int64, limit int) ([]compute.Candidate, error) {
	var wanted []string
	for _, class := range slices.Sorted(maps.Keys(resources)) {
		if n := resources[class]; n > 0 {
			wanted = append(wanted, class+":"+strconv.FormatInt(n, 10))
		}
	}
	query := url.Values{"resources": {strings.Join(wanted, ",")}, "limit": {strconv.Itoa(limit)}}
	var answer struct {
		Requests []struct {
			Allocations map[string]any `json:"allocations"`
		} `json:"allocation_requests"`
		Summaries map[string]struct {
			Resources map[string]struct{ Capacity, Used int64 } `json:"resources"`
		} `json:"provider_summaries"`
	}
	if err := p.client.Do(ctx, http.MethodGet, "/allocation_candidates?"+query.Encode(), nil, &answer); err != nil {
		return nil, refusal(err)
	}
	var candidates []compute.Candidate
	for _, request := range answer.Requests {
		for id := range request.Allocations {
			candidate := compute.Candidate{ProviderID: id, Resources: map[string]compute.Resource{}}
			for class, r := range answer.Summaries[id].Resources {
				candidate.Resources[class] = compute.Resource{Capacity: r.Capacity, Used: r.Used}
			}
			candidates = append(candidates, candidate)
		}
	}
	return candidates, nil
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

// Release implements compute.Placement.
func (p *Placement) Release(ctx context.Context, consumerID string) error {
	err := p.client.Do(ctx, http.MethodDelete, "/allocations/"+url.PathEscape(consumerID), nil, nil)
	if status(err) == http.StatusNotFound {
		return nil
	}
	return refusal(err)
}
