package image

import (
	"context"
	"fmt"
	"net/http"

	"virga/core/api"
)

type versionsView struct {
	Versions []versionView `json:"versions"`
}

type versionView struct {
	ID     string     `json:"id"`
	Status string     `json:"status"`
	Links  []linkView `json:"links"`
}

type linkView struct {
	Rel  string `json:"rel"`
	Href string `json:"href"`
}

// minors are the minor versions of API v2 that the service speaks, newest first. As in a
// Glance without an image cache, 2.14 and 2.16, which added the cache's API, are not among them.
func minors() []int { return []int{17, 15, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0} }

func versionsDocument(r *api.Request) versionsView {
	view := versionsView{}
	for i, minor := range minors() {
		status := "SUPPORTED"
		if i == 0 {
			status = "CURRENT"
		}
		view.Versions = append(view.Versions, versionView{
			ID: fmt.Sprintf("v2.%d", minor), Status: status, Links: []linkView{{Rel: "self", Href: r.URL("/v2/")}},
		})
	}
	return view
}

// versionsOffer answers at the root, where Glance offers its versions as choices.
func (s *Service) versionsOffer(_ context.Context, r *api.Request) (any, error) {
	return &api.Response{Status: http.StatusMultipleChoices, Body: versionsDocument(r)}, nil
}

// versionsList answers the explicit question for versions.
func (s *Service) versionsList(_ context.Context, r *api.Request) (any, error) {
	return versionsDocument(r), nil
}
