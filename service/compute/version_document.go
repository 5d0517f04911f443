package compute

import (
	"context"
	"net/http"
	"regexp"
	"strings"

	"virga/core/api"
)

// versionView is one entry of the version documents.
type versionView struct {
	ID         string           `json:"id"`
	Status     string           `json:"status"`
	Version    string           `json:"version"`
	MinVersion string           `json:"min_version"`
	Updated    string           `json:"updated"`
	Links      []map[string]any `json:"links"`
	MediaTypes []map[string]any `json:"media-types,omitempty"`
}

func (s *Service) version21(r *api.Request) versionView {
	versions := microversions()
	return versionView{ID: "v2.1", Status: "CURRENT", Version: versions.Max.String(), MinVersion: versions.Min.String(),
		Updated: "2013-07-23T11:33:21Z", Links: []map[string]any{{"rel": "self", "href": r.URL("/v2.1/")}}}
}

// versionList answers GET /: what clients discover the API with.
func (s *Service) versionList(_ context.Context, r *api.Request) (any, error) {
	return map[string]any{"versions": []versionView{s.version21(r)}}, nil
}

// versionShow answers GET /v2.1.
func (s *Service) versionShow(_ context.Context, r *api.Request) (any, error) {
	v := s.version21(r)
	v.MediaTypes = []map[string]any{{"base": "application/json", "type": "application/vnd.openstack.compute+json;version=2.1"}}
	return map[string]any{"version": v}, nil
}

// projectSegment is the project id that older clients put behind the version.
var projectSegment = regexp.MustCompile(`^/v2\.1/(?:[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/`)

// withoutProject lets /v2.1/{project_id}/servers be /v2.1/servers, as catalogs of before
// microversion 2.18 have it. The project that counts is the token's.
func withoutProject(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if found := projectSegment.FindString(r.URL.Path); found != "" {
			inner := *r
			address := *r.URL
			address.Path = "/v2.1/" + strings.TrimPrefix(address.Path, found)
			if address.RawPath != "" {
				address.RawPath = "/v2.1/" + strings.TrimPrefix(address.RawPath, found)
			}
			inner.URL = &address
			r = &inner
		}
		next.ServeHTTP(w, r)
	})
}
