package compute

import (
	"virga/core/api/events"
)

// newDesk is where callers hear of changes.
func (s *Service) newDesk() (*events.Desk, error) {
	hidden := map[string]string{"OS-EXT-SRV-ATTR:host": ruleExtendedAttributes, "OS-EXT-SRV-ATTR:reservation_id": ruleExtendedAttributes}
	return events.New(events.Config{DB: s.db, Feed: s.feed, Clock: s.clock, Auth: s.deps.Auth, Log: s.log, Metrics: s.deps.Metrics,
		Kinds: map[string]events.Kind{
			"server":       {Rule: ruleShow, Fields: hidden},
			"server_group": {Rule: ruleGroups + "show"},
			"quota":        {Rule: ruleQuotas + "show"},
		}})
}

// Events is where callers hear of changes.
func (s *Service) Events() *events.Desk { return s.events }
