package compute

import (
	"encoding/json"
	"fmt"

	"virga/core/api"
)

type linkView struct {
	Rel  string `json:"rel"`
	HRef string `json:"href"`
}

// linksOf are the two links that Nova gives each resource.
func linksOf(r *api.Request, kind, id string) []linkView {
	return []linkView{{"self", r.URL("/v2.1/" + kind + "/" + id)}, {"bookmark", r.URL("/" + kind + "/" + id)}}
}

type flavorBrief struct {
	ID          string     `json:"id"`
	Name        string     `json:"name"`
	Description **string   `json:"description,omitempty"`
	Links       []linkView `json:"links"`
}

type flavorView struct {
	ID          string             `json:"id"`
	Name        string             `json:"name"`
	RAM         int64              `json:"ram"`
	VCPUs       int                `json:"vcpus"`
	Disk        int64              `json:"disk"`
	Ephemeral   int64              `json:"OS-FLV-EXT-DATA:ephemeral"`
	Swap        any                `json:"swap"`
	Disabled    *bool              `json:"OS-FLV-DISABLED:disabled,omitempty"`
	IsPublic    bool               `json:"os-flavor-access:is_public"`
	RXTXFactor  *json.Number       `json:"rxtx_factor,omitempty"`
	Description **string           `json:"description,omitempty"`
	ExtraSpecs  *map[string]string `json:"extra_specs,omitempty"`
	Links       []linkView         `json:"links"`
}

// viewFlavor is a flavor as version v shows it; before 2.75 no swap is an empty string.
func viewFlavor(r *api.Request, f *flavor) flavorView {
	view := flavorView{ID: f.ID, Name: f.Name, RAM: f.MemoryMiB, VCPUs: f.VCPUs, Disk: f.RootGiB, Ephemeral: f.Ephemeral,
		Swap: f.SwapMiB, IsPublic: f.IsPublic, Links: linksOf(r, "flavors", f.ID)}
	if f.SwapMiB == 0 && r.Version.Before(vWholeUpdate) {
		view.Swap = ""
	}
	if r.Version.Before(vStrictQueries) {
		disabled, factor := false, json.Number(floatText(f.RXTXFactor))
		view.Disabled, view.RXTXFactor = &disabled, &factor
	}
	if r.Version.AtLeast(vFlavorDescription) {
		view.Description = &f.Description
	}
	if r.Version.AtLeast(vFlavorSpecs) && r.Can(ruleExtraSpecsIndex, nil) {
		view.ExtraSpecs = specsOf(f)
	}
	return view
}

func specsOf(f *flavor) *map[string]string {
	specs := f.ExtraSpecs
	if specs == nil {
		specs = map[string]string{}
	}
	return &specs
}

func viewFlavorBrief(r *api.Request, f *flavor) flavorBrief {
	view := flavorBrief{ID: f.ID, Name: f.Name, Links: linksOf(r, "flavors", f.ID)}
	if r.Version.AtLeast(vFlavorDescription) {
		view.Description = &f.Description
	}
	return view
}

// floatText writes a number as Python's JSON does: 1.0 and not 1.
func floatText(f float64) string {
	text := fmt.Sprintf("%g", f)
	for _, c := range text {
		if c == '.' || c == 'e' {
			return text
		}
	}
	return text + ".0"
}
