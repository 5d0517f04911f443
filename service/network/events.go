package network

import (
	"virga/core/api/events"
)

// newDesk is where callers hear of changes.
func (s *Service) newDesk() (*events.Desk, error) {
	provider := "get_network:provider:network_type"
	const binding = "get_port:binding:host_id"
	status := map[string]string{"status_detail": "context_is_admin"}
	port := map[string]string{"status_detail": "context_is_admin", "binding:host_id": binding, "binding:profile": binding,
		"binding:vif_type": binding, "binding:vif_details": binding}
	return events.New(events.Config{DB: s.deps.DB, Feed: s.feed, Clock: s.deps.Clock, Auth: s.deps.Auth, Log: s.deps.Log, Metrics: s.deps.Metrics,
		Kinds: map[string]events.Kind{
			"network": {Rule: "get_network", Fields: map[string]string{"provider:network_type": provider,
				"provider:physical_network": provider, "provider:segmentation_id": provider}},
			"subnet":              {Rule: "get_subnet"},
			"port":                {Rule: "get_port", Fields: port},
			"router":              {Rule: "get_router", Fields: status},
			"floatingip":          {Rule: "get_floatingip", Fields: status},
			"security_group":      {Rule: "get_security_group"},
			"security_group_rule": {Rule: "get_security_group_rule"},
			"quota":               {Rule: "get_quota"},
		}})
}

// Events is where callers hear of changes.
func (s *Service) Events() *events.Desk { return s.events }
