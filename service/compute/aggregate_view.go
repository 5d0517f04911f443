package compute

import (
	"virga/core/api"
)

// aggregateView is an aggregate as the aggregates API shows it.
type aggregateView struct {
	ID        int64              `json:"id"`
	UUID      string             `json:"uuid,omitempty"`
	Name      string             `json:"name"`
	Zone      *string            `json:"availability_zone"`
	Hosts     *[]string          `json:"hosts,omitempty"`
	Metadata  *map[string]string `json:"metadata,omitempty"`
	CreatedAt string             `json:"created_at"`
	UpdatedAt *string            `json:"updated_at"`
	Deleted   bool               `json:"deleted"`
	DeletedAt *string            `json:"deleted_at"`
}

func viewAggregate(r *api.Request, a *aggregate) *aggregateView {
	hosts, metadata := a.hosts, a.Metadata
	if hosts == nil {
		hosts = []string{}
	}
	if metadata == nil {
		metadata = map[string]string{}
	}
	view := &aggregateView{ID: a.Num, Name: a.Name, Zone: orNull(a.zone()), Hosts: &hosts, Metadata: &metadata, CreatedAt: microTime(a.CreatedAt),
		UpdatedAt: optionalMicroTime(a.UpdatedAt)}
	if r.Version.AtLeast(vAggregateUUID) {
		view.UUID = a.ID
	}
	return view
}

// viewNewAggregate leaves out what the answer to a create does not have.
func viewNewAggregate(r *api.Request, a *aggregate) *aggregateView {
	view := viewAggregate(r, a)
	view.Hosts, view.Metadata = nil, nil
	return view
}

// aggregateDocument is a host aggregate in the feed.
type aggregateDocument struct {
	Num      int64             `json:"num"`
	ID       string            `json:"id"`
	Name     string            `json:"name"`
	Metadata map[string]string `json:"metadata"`
	Hosts    []string          `json:"hosts"`
}

func documentOfAggregate(a *aggregate) *aggregateDocument {
	metadata := make(map[string]string, len(a.Metadata))
	for key, value := range a.Metadata {
		metadata[key] = value
	}
	return &aggregateDocument{Num: a.Num, ID: a.ID, Name: a.Name, Metadata: metadata, Hosts: append([]string{}, a.hosts...)}
}
