package image

import (
	"context"

	"virga/core/api"
)

// fileChunk is how many bytes a file store reads at a time, which the API tells.
const fileChunk = 64 << 10

// storeView is a store as the API lists it; its flags are texts.
type storeView struct {
	ID          string `json:"id"`
	Description string `json:"description,omitempty"`
	Default     string `json:"default,omitempty"`
	ReadOnly    string `json:"read-only,omitempty"`
}

// storeDetail is a store as administrators see it.
type storeDetail struct {
	storeView
	Type       string         `json:"type"`
	Weight     int            `json:"weight"`
	Properties map[string]any `json:"properties"`
}

func (s *Service) viewStores() []storeDetail {
	var views []storeDetail
	for i, named := range s.stores {
		view := storeDetail{storeView: storeView{ID: named.Name, Description: named.Description}, Type: "file",
			Properties: map[string]any{"data_dir": named.Path, "chunk_size": fileChunk, "thin_provisioning": false}}
		if i == 0 {
			view.Default = "true"
		}
		views = append(views, view)
	}
	if s.deps.Remote != nil {
		views = append(views, storeDetail{storeView: storeView{ID: storeHTTP, ReadOnly: "true"}, Type: "http", Properties: map[string]any{}})
	}
	return views
}

func (s *Service) storeList(context.Context, *api.Request) (any, error) {
	views := []storeView{}
	for _, detail := range s.viewStores() {
		views = append(views, detail.storeView)
	}
	return map[string]any{"stores": views}, nil
}

func (s *Service) storeDetailList(context.Context, *api.Request) (any, error) {
	return map[string]any{"stores": s.viewStores()}, nil
}
