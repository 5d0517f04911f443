package neighbour

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"virga/core/api"
)

// Limits reads the unified limits of one service from the identity service.
type Limits struct {
	client      api.Client
	serviceType string
}

// NewLimits makes Limits of the service with a type in the catalog; client acts as a service.
func NewLimits(client api.Client, serviceType string) *Limits {
	return &Limits{client: client, serviceType: serviceType}
}

// Of returns the limits that hold for a project, by the names of resources: its own, and else
// the registered ones.
func (l *Limits) Of(ctx context.Context, projectID string) (map[string]int64, error) {
	var services struct{ Services []struct{ ID string } }
	if err := l.client.Do(ctx, http.MethodGet, "/v3/services?type="+url.QueryEscape(l.serviceType), nil, &services); err != nil {
		return nil, fmt.Errorf("find the service of limits: %w", err)
	}
	type limit struct {
		Name    string `json:"resource_name"`
		Default int64  `json:"default_limit"`
		Own     int64  `json:"resource_limit"`
	}
	found := map[string]int64{}
	for _, service := range services.Services {
		var registered struct {
			Limits []limit `json:"registered_limits"`
		}
		if err := l.client.Do(ctx, http.MethodGet, "/v3/registered_limits?service_id="+url.QueryEscape(service.ID), nil, &registered); err != nil {
			return nil, fmt.Errorf("read registered limits: %w", err)
		}
		if len(registered.Limits) == 0 {
			continue // nothing of it can be limited for a project
		}
		for _, r := range registered.Limits {
			found[r.Name] = r.Default
		}
		var own struct{ Limits []limit }
		query := url.Values{"service_id": {service.ID}, "project_id": {projectID}}
		if err := l.client.Do(ctx, http.MethodGet, "/v3/limits?"+query.Encode(), nil, &own); err != nil {
			return nil, fmt.Errorf("read limits of project %s: %w", projectID, err)
		}
		for _, o := range own.Limits {
			found[o.Name] = o.Own
		}
	}
	return found, nil
}
