package fleet

import (
	"context"

	"virga/core/api"
)

type linkView struct {
	Rel  string `json:"rel"`
	Href string `json:"href"`
}

type versionView struct {
	ID     string     `json:"id"`
	Status string     `json:"status"`
	Links  []linkView `json:"links"`
}

func version(r *api.Request) versionView {
	return versionView{"v1", "CURRENT", []linkView{{"self", r.URL("/v1")}}}
}

func (s *Service) versionList(_ context.Context, r *api.Request) (any, error) {
	return map[string]any{"versions": []versionView{version(r)}}, nil
}

func (s *Service) versionShow(_ context.Context, r *api.Request) (any, error) {
	return map[string]any{"version": version(r)}, nil
}
