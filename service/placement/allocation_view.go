package placement

import (
	"maps"
	"slices"

	"virga/core/api"
)

// consumerWrite is what a body says of one consumer.
type consumerWrite struct {
	Allocations map[string]allocationWrite `json:"allocations"`
	ProjectID   string                     `json:"project_id"`
	UserID      string                     `json:"user_id"`
	// Generation is nil where the consumer is said not to exist yet.
	Generation *int64 `json:"consumer_generation"`
	Type       string `json:"consumer_type"`
}

type allocationWrite struct {
	Resources map[string]int64 `json:"resources"`
}

// consumerListWrite is the body before microversion 1.12.
type consumerListWrite struct {
	Allocations []struct {
		Provider struct {
			UUID string `json:"uuid"`
		} `json:"resource_provider"`
		Resources map[string]int64 `json:"resources"`
	} `json:"allocations"`
	ProjectID string `json:"project_id"`
	UserID    string `json:"user_id"`
}

// incompleteConsumer stands for project and user of a consumer that was made before
// microversion 1.8 asked for them.
const incompleteConsumer = "00000000-0000-0000-0000-000000000000"

// lifted is the body in the form of the newest microversion.
func (w consumerListWrite) lifted() consumerWrite {
	body := consumerWrite{ProjectID: w.ProjectID, UserID: w.UserID, Allocations: map[string]allocationWrite{}}
	if body.ProjectID == "" {
		body.ProjectID, body.UserID = incompleteConsumer, incompleteConsumer
	}
	for _, allocation := range w.Allocations {
		body.Allocations[allocation.Provider.UUID] = allocationWrite{allocation.Resources}
	}
	return body
}

// claim is the body as rules see it.
func (w consumerWrite) claim(r *api.Request, consumer string) claim {
	c := claim{
		consumer: consumer, projectID: w.ProjectID, userID: w.UserID, consumerType: w.Type,
		checkGeneration: since(r, consumerGenerations), generation: w.Generation,
	}
	byProvider := make(map[string]map[string]int64, len(w.Allocations))
	for _, given := range slices.Sorted(maps.Keys(w.Allocations)) {
		provider, _ := normalUUID(given)
		byProvider[provider] = w.Allocations[given].Resources
	}
	for _, provider := range slices.Sorted(maps.Keys(byProvider)) {
		for _, class := range slices.Sorted(maps.Keys(byProvider[provider])) {
			c.wants = append(c.wants, want{provider, class, byProvider[provider][class]})
		}
	}
	return c
}

type consumerAllocationView struct {
	Resources  map[string]int64 `json:"resources"`
	Generation int64            `json:"generation"`
}

// consumerView shows a consumer; what a microversion does not have is nil.
type consumerView struct {
	Allocations map[string]consumerAllocationView `json:"allocations"`
	ProjectID   *string                           `json:"project_id,omitempty"`
	UserID      *string                           `json:"user_id,omitempty"`
	Generation  *int64                            `json:"consumer_generation,omitempty"`
	Type        *string                           `json:"consumer_type,omitempty"`
}

func viewConsumer(r *api.Request, consumer consumerRow, rows []allocationRow, providers map[string]*providerRow) consumerView {
	view := consumerView{Allocations: map[string]consumerAllocationView{}}
	for _, row := range rows {
		on, seen := view.Allocations[row.Provider]
		if !seen {
			on = consumerAllocationView{map[string]int64{}, providers[row.Provider].Generation}
			view.Allocations[row.Provider] = on
		}
		on.Resources[row.Class] = row.Used
	}
	if len(rows) == 0 {
		return view
	}
	if since(r, allocationsAsDict) {
		view.ProjectID, view.UserID = &consumer.ProjectID, &consumer.UserID
	}
	if since(r, consumerGenerations) {
		view.Generation = &consumer.Generation
	}
	if since(r, consumerTypes) {
		if consumer.Type == "" {
			consumer.Type = unknownType
		}
		view.Type = &consumer.Type
	}
	return view
}

type providerAllocationView struct {
	Resources map[string]int64 `json:"resources"`
	// Generation is the consumer's, from microversion 1.28 on.
	Generation *int64 `json:"consumer_generation,omitempty"`
}

type providerAllocationsView struct {
	Allocations map[string]providerAllocationView `json:"allocations"`
	Generation  int64                             `json:"resource_provider_generation"`
}

func viewProviderAllocations(r *api.Request, provider providerRow, rows []consumedRow) providerAllocationsView {
	view := providerAllocationsView{map[string]providerAllocationView{}, provider.Generation}
	for i := range rows {
		row := &rows[i]
		of, seen := view.Allocations[row.Consumer]
		if !seen {
			of = providerAllocationView{Resources: map[string]int64{}}
			if since(r, consumerGenerations) {
				of.Generation = &row.Generation
			}
			view.Allocations[row.Consumer] = of
		}
		of.Resources[row.Class] = row.Used
	}
	return view
}
