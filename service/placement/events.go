package placement

import (
	"virga/core/api/events"
)

// newDesk is where administrators hear of changes; nothing here belongs to users.
func (s *Service) newDesk() (*events.Desk, error) {
	return events.New(events.Config{DB: s.deps.DB, Feed: s.feed, Clock: s.deps.Clock, Auth: s.deps.Auth, Log: s.deps.Log, Metrics: s.deps.Metrics})
}

// Events is where callers hear of changes.
func (s *Service) Events() *events.Desk { return s.events }
