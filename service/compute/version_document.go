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

// version20 is the API as it was before microversions: the same rows, a request at a time
// taken as one of 2.1 with whatever more stands in its body.
func (s *Service) version20(r *api.Request) versionView {
	return versionView{ID: "v2.0", Status: "SUPPORTED", Updated: "2011-01-21T11:33:21Z", Links: []map[string]any{{"rel": "self", "href": r.URL("/v2/")}}}
}

// versionList answers GET /: what clients discover the API with.
func (s *Service) versionList(_ context.Context, r *api.Request) (any, error) {
	return map[string]any{"versions": []versionView{s.version20(r), s.version21(r)}}, nil
}

// versionShow answers GET /v2.1.
func (s *Service) versionShow(_ context.Context, r *api.Request) (any, error) {
	return map[string]any{"version": described(s.version21(r), "2.1")}, nil
}

// versionShowOld answers GET /v2.
func (s *Service) versionShowOld(_ context.Context, r *api.Request) (any, error) {
	return map[string]any{"version": described(s.version20(r), "2")}, nil
}

// described adds what a version's own document has more than the list.
func described(v versionView, number string) versionView {
	v.Links = append(v.Links, map[string]any{"rel": "describedby", "type": "text/html", "href": "http://docs.openstack.org/"})
	v.MediaTypes = []map[string]any{{"base": "application/json", "type": "application/vnd.openstack.compute+json;version=" + number}}
	return v
}

// projectSegment is the project id that older clients put behind the version.
var projectSegment = regexp.MustCompile(`^/v2\.1/(?:[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/`)

// oldPath is what paths of the API of before microversions begin with.
const oldPath = "/v2/"

// withOldPaths lets /v2.1/{project_id}/servers be /v2.1/servers, as catalogs of before
// microversion 2.18 have it (the project that counts is the token's), and /v2/servers, too,
// without microversions and with whatever else a body has.
func withOldPaths(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, oldPath) && r.URL.Path != oldPath {
			r = r.Clone(api.WithRelaxedBodies(r.Context()))
			r.Header.Del("OpenStack-API-Version")
			r.Header.Del("X-OpenStack-Nova-API-Version")
			replacePrefix(r, oldPath, "/v2.1/")
			w = withoutVersion{w}
		}
		if found := projectSegment.FindString(r.URL.Path); found != "" {
			inner := *r
			address := *r.URL
			inner.URL = &address
			r = &inner
			replacePrefix(r, found, "/v2.1/")
		}
		next.ServeHTTP(w, r)
	})
}

func replacePrefix(r *http.Request, before, after string) {
	r.URL.Path = after + strings.TrimPrefix(r.URL.Path, before)
	if r.URL.RawPath != "" {
		r.URL.RawPath = after + strings.TrimPrefix(r.URL.RawPath, before)
	}
}

// withoutVersion keeps the microversion out of an answer.
type withoutVersion struct{ http.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (w withoutVersion) WriteHeader(status int) {
	for _, name := range []string{"OpenStack-API-Version", "X-OpenStack-Nova-API-Version", "Vary"} {
		w.Header().Del(name)
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (w withoutVersion) Unwrap() http.ResponseWriter { return w.ResponseWriter }
