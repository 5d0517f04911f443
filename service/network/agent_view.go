package network

import (
	"slices"
	"time"

	"virga/core/api"
)

const agentTopic = "network"

// agentView is the body of an agent.
type agentView struct {
	ID               string         `json:"id"`
	Type             string         `json:"agent_type"`
	Binary           string         `json:"binary"`
	Host             string         `json:"host"`
	Topic            string         `json:"topic"`
	AvailabilityZone string         `json:"availability_zone"`
	Alive            bool           `json:"alive"`
	AdminUp          bool           `json:"admin_state_up"`
	Description      string         `json:"description"`
	CreatedAt        string         `json:"created_at"`
	StartedAt        string         `json:"started_at"`
	HeartbeatAt      string         `json:"heartbeat_timestamp"`
	Configurations   map[string]any `json:"configurations"`
	ResourceVersions map[string]any `json:"resource_versions"`
	ResourcesSynced  *bool          `json:"resources_synced"`
}

type agentBody struct {
	AdminUp     given[flag]   `json:"admin_state_up"`
	Description given[string] `json:"description"`
}

// agentTime is the form of times of agents, which is not that of the other resources.
func agentTime(t time.Time) string { return t.Format("2006-01-02 15:04:05") }

func (s *Service) showAgent(a *agent) agentView {
	configurations := map[string]any{}
	for key, value := range a.Configurations {
		configurations[key] = value
	}
	if a.Version != "" {
		configurations["version"] = a.Version
	}
	if len(a.Capabilities) > 0 {
		configurations["capabilities"] = a.Capabilities
	}
	return agentView{
		ID: a.ID, Type: a.Type, Binary: a.Binary, Host: a.Host, Topic: agentTopic, AvailabilityZone: a.AvailabilityZone,
		Alive: s.deps.Clock.Now().Before(a.DeadAt), AdminUp: a.AdminUp, Description: a.Description,
		CreatedAt: agentTime(a.CreatedAt), StartedAt: agentTime(a.StartedAt), HeartbeatAt: agentTime(a.HeartbeatAt),
		Configurations: configurations, ResourceVersions: map[string]any{},
	}
}

// zoneView is one availability zone, as networks or as routers know it.
type zoneView struct {
	Name     string `json:"name"`
	Resource string `json:"resource"`
	State    string `json:"state"`
}

// matches tells whether the view passes the filters of the query.
func (v zoneView) matches(r *api.Request) bool {
	for name, value := range map[string]string{"name": v.Name, "resource": v.Resource, "state": v.State} {
		if wanted := r.Query[name]; len(wanted) > 0 && !slices.Contains(wanted, value) {
			return false
		}
	}
	return true
}
