package placement

import (
	"encoding/json"

	"virga/core/api"
)

type linkView struct {
	Rel  string `json:"rel"`
	Href string `json:"href"`
}

type providerView struct {
	UUID       string     `json:"uuid"`
	Name       string     `json:"name"`
	Generation int64      `json:"generation"`
	Links      []linkView `json:"links"`
}

// nestedProviderView is a provider from microversion 1.14 on.
type nestedProviderView struct {
	providerView
	Parent *string `json:"parent_provider_uuid"`
	Root   string  `json:"root_provider_uuid"`
}

type providersView struct {
	Providers []any `json:"resource_providers"`
}

// providerWrite is the body that creates or updates a provider.
type providerWrite struct {
	Name   string       `json:"name"`
	UUID   string       `json:"uuid"`
	Parent optionalUUID `json:"parent_provider_uuid"`
}

// optionalUUID tells null (Given, Value empty) from absent.
type optionalUUID struct {
	Given bool
	Value string
}

// UnmarshalJSON implements json.Unmarshaler.
func (o *optionalUUID) UnmarshalJSON(text []byte) error {
	o.Given = true
	var value *string
	if err := json.Unmarshal(text, &value); err != nil || value == nil {
		return err
	}
	o.Value, _ = normalUUID(*value)
	return nil
}

// viewProvider shows a provider in the request's microversion.
func (s *Service) viewProvider(r *api.Request, row providerRow) any {
	self := s.prefix + "/resource_providers/" + row.UUID
	view := providerView{UUID: row.UUID, Name: row.Name, Generation: row.Generation}
	view.Links = append(view.Links, linkView{"self", self},
		linkView{"inventories", self + "/inventories"}, linkView{"usages", self + "/usages"})
	for _, link := range []struct {
		since int
		name  string
	}{{providerAggregatesLink, "aggregates"}, {providerTraitsLink, "traits"}, {providerAllocationsLink, "allocations"}} {
		if since(r, link.since) {
			view.Links = append(view.Links, linkView{link.name, self + "/" + link.name})
		}
	}
	if !since(r, nestedProviders) {
		return view
	}
	nested := nestedProviderView{providerView: view, Root: row.Root}
	if row.Parent != "" {
		nested.Parent = &row.Parent
	}
	return nested
}
