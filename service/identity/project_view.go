package identity

import (
	"encoding/json"

	"virga/core/api"
	"virga/core/db"
)

// projectBody is what clients say of a project.
type projectBody struct {
	Name        optional[string]         `json:"name"`
	DomainID    optional[string]         `json:"domain_id"`
	ParentID    optional[string]         `json:"parent_id"`
	Description optional[string]         `json:"description"`
	Enabled     optional[*bool]          `json:"enabled"`
	IsDomain    optional[bool]           `json:"is_domain"`
	Tags        optional[[]string]       `json:"tags"`
	Options     optional[map[string]any] `json:"options"`
}

// domainBody is what clients say of a domain.
type domainBody struct {
	Name        optional[string]         `json:"name"`
	Description optional[string]         `json:"description"`
	Enabled     optional[*bool]          `json:"enabled"`
	Tags        optional[[]string]       `json:"tags"`
	Options     optional[map[string]any] `json:"options"`
	ExplicitID  optional[string]         `json:"explicit_domain_id"`
}

type projectView struct {
	ID          string            `json:"id"`
	Name        string            `json:"name"`
	DomainID    *string           `json:"domain_id"`
	Description string            `json:"description"`
	Enabled     bool              `json:"enabled"`
	ParentID    *string           `json:"parent_id"`
	IsDomain    bool              `json:"is_domain"`
	Tags        []string          `json:"tags"`
	Options     map[string]any    `json:"options"`
	Links       map[string]string `json:"links"`
	Parents     any               `json:"parents,omitempty"`
	Subtree     any               `json:"subtree,omitempty"`
}

type domainFullView struct {
	ID          string            `json:"id"`
	Name        string            `json:"name"`
	Description string            `json:"description"`
	Enabled     bool              `json:"enabled"`
	Tags        []string          `json:"tags"`
	Options     map[string]any    `json:"options"`
	Links       map[string]string `json:"links"`
}

func viewProject(r *api.Request, row projectRow, tags []string) projectView {
	if tags == nil {
		tags = []string{}
	}
	return projectView{
		ID: row.ID, Name: row.Name, DomainID: nullable(row.DomainID), Description: row.Description, Enabled: row.Enabled,
		ParentID: nullable(row.ParentID), IsDomain: row.IsDomain, Tags: tags, Options: nonNil(row.Options), Links: selfLink(r, "projects", row.ID),
	}
}

// nullable shows an empty id as null.
func nullable(id string) *string {
	if id == "" {
		return nil
	}
	return &id
}

// viewProjects shows projects with their tags, which are read in one query.
func (s *Service) viewProjects(tx *db.Tx, r *api.Request, rows []projectRow) ([]json.RawMessage, error) {
	tags, err := tagsOf(tx, projectIDs(rows))
	if err != nil {
		return nil, err
	}
	views := make([]json.RawMessage, len(rows))
	for i, row := range rows {
		if views[i], err = withExtra(viewProject(r, row, tags[row.ID]), row.Extra); err != nil {
			return nil, err
		}
	}
	return views, nil
}

// viewDomains shows domains with their tags.
func (s *Service) viewDomains(tx *db.Tx, r *api.Request, rows []projectRow) ([]json.RawMessage, error) {
	tags, err := tagsOf(tx, projectIDs(rows))
	if err != nil {
		return nil, err
	}
	views := make([]json.RawMessage, len(rows))
	for i, row := range rows {
		project := viewProject(r, row, tags[row.ID])
		view := domainFullView{
			ID: row.ID, Name: row.Name, Description: row.Description, Enabled: row.Enabled,
			Tags: project.Tags, Options: project.Options, Links: selfLink(r, "domains", row.ID),
		}
		if views[i], err = withExtra(view, row.Extra); err != nil {
			return nil, err
		}
	}
	return views, nil
}

func projectIDs(rows []projectRow) []string {
	ids := make([]string, len(rows))
	for i, row := range rows {
		ids[i] = row.ID
	}
	return ids
}

// flag reads enabled, which may be null.
func flag(o optional[*bool], otherwise bool) bool {
	if o.Set && o.Value != nil {
		return *o.Value
	}
	return otherwise
}
