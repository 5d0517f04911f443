package compute

import (
	"context"
	"net/http"
	"slices"

	"virga/core/api"
	"virga/core/db"
)

const maxTags = 50

// readTags returns the tags of the request's server.
func (s *Service) readTags(ctx context.Context, id string) ([]string, error) {
	tags := []string{}
	err := s.db.Read(ctx, func(tx *db.Tx) error {
		byID, err := tagsOf(tx, []string{id})
		tags = append(tags, byID[id]...)
		return err
	})
	return tags, err
}

// changeTags reads, changes and writes the tags of the request's server.
func (s *Service) changeTags(ctx context.Context, r *api.Request, change func(tags []string) ([]string, error)) ([]string, error) {
	id := r.Param("server_id")
	tags := []string{}
	_, err := s.changeServer(ctx, r, "tags", func(tx *db.Tx, row *server) error {
		byID, err := tagsOf(tx, []string{id})
		if err != nil {
			return err
		}
		changed, err := change(byID[id])
		if err != nil {
			return err
		}
		tags = append([]string{}, slices.Compact(slices.Sorted(slices.Values(changed)))...)
		if err := checkTags(tags); err != nil {
			return err
		}
		return replaceServerTags(tx, row.ID, tags)
	})
	return tags, err
}

func (s *Service) tagsList(ctx context.Context, r *api.Request) (any, error) {
	tags, err := s.readTags(ctx, r.Param("server_id"))
	return map[string]any{"tags": tags}, err
}

func (s *Service) tagsReplace(ctx context.Context, r *api.Request) (any, error) {
	var body struct {
		Tags []string `json:"tags"`
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	tags, err := s.changeTags(ctx, r, func([]string) ([]string, error) { return body.Tags, nil })
	return map[string]any{"tags": tags}, err
}

func (s *Service) tagsDelete(ctx context.Context, r *api.Request) (any, error) {
	_, err := s.changeTags(ctx, r, func([]string) ([]string, error) { return nil, nil })
	return nil, err
}

func noSuchTag(id, tag string) error {
	return api.NotFound("Server %s has no tag '%s'", id, oneLine(tag, 60))
}

func (s *Service) tagShow(ctx context.Context, r *api.Request) (any, error) {
	tags, err := s.readTags(ctx, r.Param("server_id"))
	if err == nil && !slices.Contains(tags, r.Param("tag")) {
		err = noSuchTag(r.Param("server_id"), r.Param("tag"))
	}
	return nil, err
}

func (s *Service) tagAdd(ctx context.Context, r *api.Request) (any, error) {
	tag, there := r.Param("tag"), false
	_, err := s.changeTags(ctx, r, func(tags []string) ([]string, error) {
		there = slices.Contains(tags, tag)
		return append(tags, tag), nil
	})
	if err != nil || there {
		return nil, err
	}
	return &api.Response{Status: http.StatusCreated, Header: http.Header{"Location": {r.SelfURL(nil)}}}, nil
}

func (s *Service) tagDelete(ctx context.Context, r *api.Request) (any, error) {
	tag := r.Param("tag")
	_, err := s.changeTags(ctx, r, func(tags []string) ([]string, error) {
		if !slices.Contains(tags, tag) {
			return nil, noSuchTag(r.Param("server_id"), tag)
		}
		return slices.DeleteFunc(tags, func(t string) bool { return t == tag }), nil
	})
	return nil, err
}
