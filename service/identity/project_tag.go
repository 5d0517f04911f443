package identity

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"virga/core/api"
	"virga/core/db"
)

// tagList answers GET /v3/projects/{project_id}/tags.
func (s *Service) tagList(ctx context.Context, r *api.Request) (any, error) {
	tags, err := s.readTags(ctx, r)
	return viewTags(r, tags), err
}

func (s *Service) readTags(ctx context.Context, r *api.Request) ([]string, error) {
	row, err := the[projectRow](r)
	if err != nil {
		return nil, err
	}
	var tags map[string][]string
	err = s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
		tags, err = tagsOf(tx, []string{row.ID})
		return err
	})
	return tags[row.ID], err
}

func viewTags(r *api.Request, tags []string) map[string]any {
	if tags == nil {
		tags = []string{}
	}
	return map[string]any{"tags": tags, "links": map[string]string{"self": r.SelfURL(nil)}}
}

// tagShow answers GET /v3/projects/{project_id}/tags/{value}.
func (s *Service) tagShow(ctx context.Context, r *api.Request) (any, error) {
	tags, err := s.readTags(ctx, r)
	if err == nil && !slices.Contains(tags, r.Param("value")) {
		err = notFound("project tag", r.Param("value"))
	}
	return nil, err
}

// tagReplace answers PUT /v3/projects/{project_id}/tags.
func (s *Service) tagReplace(ctx context.Context, r *api.Request) (any, error) {
	var body struct {
		Tags []string `json:"tags"`
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	tags, err := s.changeTags(ctx, r, func([]string) ([]string, error) { return distinct(body.Tags), nil })
	return viewTags(r, tags), err
}

// tagClear answers DELETE /v3/projects/{project_id}/tags.
func (s *Service) tagClear(ctx context.Context, r *api.Request) (any, error) {
	_, err := s.changeTags(ctx, r, func([]string) ([]string, error) { return nil, nil })
	return nil, err
}

// tagAdd answers PUT /v3/projects/{project_id}/tags/{value}.
func (s *Service) tagAdd(ctx context.Context, r *api.Request) (any, error) {
	tag := r.Param("value")
	if len(tag) > 255 || strings.ContainsAny(tag, "/,") {
		return nil, api.BadRequest("Invalid input for field/attribute tags. Value: %.50q. A tag has at most 255 characters and neither slash nor comma.", tag)
	}
	_, err := s.changeTags(ctx, r, func(tags []string) ([]string, error) {
		tags = distinct(append(tags, tag))
		if len(tags) > maxTags {
			return nil, api.BadRequest("Invalid input for field/attribute tags. A project has at most %d tags.", maxTags)
		}
		return tags, nil
	})
	if err != nil {
		return nil, err
	}
	return &api.Response{Status: http.StatusCreated, Header: http.Header{"Location": {r.SelfURL(nil)}}}, nil
}

// tagRemove answers DELETE /v3/projects/{project_id}/tags/{value}.
func (s *Service) tagRemove(ctx context.Context, r *api.Request) (any, error) {
	tag := r.Param("value")
	_, err := s.changeTags(ctx, r, func(tags []string) ([]string, error) {
		if !slices.Contains(tags, tag) {
			return nil, notFound("project tag", tag)
		}
		return slices.DeleteFunc(tags, func(other string) bool { return other == tag }), nil
	})
	return nil, err
}

// changeTags replaces the tags of the request's project by what decide makes of them.
func (s *Service) changeTags(ctx context.Context, r *api.Request, decide func([]string) ([]string, error)) ([]string, error) {
	row, err := the[projectRow](r)
	if err != nil {
		return nil, err
	}
	var tags []string
	err = s.change(ctx, r, func(c *change) error {
		row, err := projectByID(c.Tx, row.ID)
		if err != nil {
			return orMissing(err, "project", r.Param("project_id"))
		}
		if err := checkMutable(row.Options, optional[map[string]any]{}, "project", row.ID); err != nil {
			return err
		}
		stored, err := tagsOf(c.Tx, []string{row.ID})
		if err != nil {
			return err
		}
		if tags, err = decide(stored[row.ID]); err != nil {
			return err
		}
		if err := replaceTags(c, row.ID, tags); err != nil {
			return err
		}
		return c.record("project", "update", row.ID, documentOfProject(row, stored[row.ID]), documentOfProject(row, tags))
	})
	return tags, err
}
