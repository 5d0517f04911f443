package image

import (
	"virga/core/api/events"
)

// newDesk is where callers hear of changes.
func (s *Service) newDesk() (*events.Desk, error) {
	return events.New(events.Config{DB: s.deps.DB, Feed: s.feed, Clock: s.deps.Clock, Auth: s.deps.Auth, Log: s.deps.Log, Metrics: s.deps.Metrics,
		Kinds: map[string]events.Kind{"image": {Rule: "get_image"}, "image_cache": {Rule: "cache_list"}}})
}

// Events is where callers hear of changes.
func (s *Service) Events() *events.Desk { return s.events }
