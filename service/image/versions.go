package image

import (
	"context"
	"fmt"
	"net/http"
	"slices"

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

// minors are the minor versions of API v2 that the service speaks, newest first. As with
// Glance, 2.14 and 2.16, which added the cache's API, are those of a service with a cache.
func minors(cache bool) []int {
	list := []int{17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0}
	if !cache {
		list = slices.DeleteFunc(list, func(minor int) bool { return minor == 16 || minor == 14 })
	}
	return list
}

func (s *Service) versionsDocument(r *api.Request) versionsView {
	view := versionsView{}
	for i, minor := range minors(s.deps.Cache != nil) {
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
	return &api.Response{Status: http.StatusMultipleChoices, Body: s.versionsDocument(r)}, nil
}

// versionsList answers the explicit question for versions.
func (s *Service) versionsList(_ context.Context, r *api.Request) (any, error) {
	return s.versionsDocument(r), nil
}
