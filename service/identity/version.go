package identity

import (
	"context"
	"net/http"

	"virga/core/api"
)

// versionView is what clients discover the API with.
type versionView struct {
	ID         string          `json:"id"`
	Status     string          `json:"status"`
	Updated    string          `json:"updated"`
	Links      []versionLink   `json:"links"`
	MediaTypes []mediaTypeView `json:"media-types"`
}

type versionLink struct {
	Rel  string `json:"rel"`
	Href string `json:"href"`
}

type mediaTypeView struct {
	Base string `json:"base"`
	Type string `json:"type"`
}

func version3(r *api.Request) versionView {
	return versionView{
		ID: "v3.14", Status: "stable", Updated: "2020-04-07T00:00:00Z",
		Links:      []versionLink{{"self", r.URL("/v3/")}},
		MediaTypes: []mediaTypeView{{"application/json", "application/vnd.openstack.identity-v3+json"}},
	}
}

// versionList answers GET /.
func (s *Service) versionList(_ context.Context, r *api.Request) (any, error) {
	return &api.Response{
		Status: http.StatusMultipleChoices,
		Header: http.Header{"Location": {r.URL("/v3/")}},
		Body:   map[string]any{"versions": map[string]any{"values": []versionView{version3(r)}}},
	}, nil
}

// versionShow answers GET /v3.
func (s *Service) versionShow(_ context.Context, r *api.Request) (any, error) {
	return map[string]any{"version": version3(r)}, nil
}
