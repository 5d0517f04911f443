package identity

import (
	"virga/core/api/events"
	"virga/core/authz"
)

// newDesk is where callers hear of changes: administrators of everything, others of their
// project.
func (s *Service) newDesk() (*events.Desk, error) {
	project := func(id string) authz.Target { return targetOf("project", map[string]any{"id": id}) }
	return events.New(events.Config{DB: s.deps.DB, Feed: s.feed, Clock: s.deps.Clock, Auth: s, Log: s.deps.Log, Metrics: s.deps.Metrics,
		Kinds: map[string]events.Kind{"project": {Rule: "identity:get_project", Target: project}}})
}

// Events is where callers hear of changes.
func (s *Service) Events() *events.Desk { return s.events }
