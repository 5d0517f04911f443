package network

import (
	"context"
	"net/http"
	"slices"

	"virga/core/api"
	"virga/core/db"
	"virga/core/feed"
)

const (
	maxTags      = 50
	maxTagLength = 255
)

// tagged gives handlers the common part of whatever resource a tag route has loaded, and
// the table that it is in.
func tagged(r *api.Request) (*standard, string) {
	switch target := r.Target.(type) {
	case *loadedNetwork:
		return &target.standard, "networks"
	case *loadedSubnet:
		return &target.standard, "subnets"
	case *loadedPort:
		return &target.standard, "ports"
	case *loadedRouter:
		return &target.standard, "routers"
	case *loadedFloatingIP:
		return &target.standard, "floating_ips"
	case *loadedGroup:
		return &target.standard, "security_groups"
	}
	panic("a tag route loads a resource that has tags")
}

func (s *Service) tagList(_ context.Context, r *api.Request) (any, error) {
	row, _ := tagged(r)
	return map[string]any{"tags": listed(row.Tags)}, nil
}

func (s *Service) tagShow(_ context.Context, r *api.Request) (any, error) {
	row, _ := tagged(r)
	if !slices.Contains(row.Tags, r.Param("tag")) {
		return nil, tagNotFound(r.Param("tag"))
	}
	return nil, nil
}

func tagNotFound(tag string) error {
	return missing("TagNotFound", "Tag %.255s could not be found.", tag)
}

// tagReplace gives the resource exactly the tags of the body.
func (s *Service) tagReplace(ctx context.Context, r *api.Request) (any, error) {
	var body struct {
		Tags []string `json:"tags"`
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	tags := slices.Compact(slices.Sorted(slices.Values(body.Tags)))
	if err := s.setTags(ctx, r, func([]string) ([]string, error) { return tags, nil }); err != nil {
		return nil, err
	}
	return map[string]any{"tags": listed(tags)}, nil
}

func (s *Service) tagAdd(ctx context.Context, r *api.Request) (any, error) {
	tag := r.Param("tag")
	if len([]rune(tag)) > maxTagLength || !printable(tag) {
		return nil, badValue("tag", "it must have 1 to %d printable characters", maxTagLength)
	}
	err := s.setTags(ctx, r, func(tags []string) ([]string, error) {
		if slices.Contains(tags, tag) {
			return tags, nil
		}
		return append(tags, tag), nil
	})
	return &api.Response{Status: http.StatusCreated}, err
}

func (s *Service) tagRemove(ctx context.Context, r *api.Request) (any, error) {
	tag := r.Param("tag")
	return nil, s.setTags(ctx, r, func(tags []string) ([]string, error) {
		if !slices.Contains(tags, tag) {
			return nil, tagNotFound(tag)
		}
		return slices.DeleteFunc(tags, func(t string) bool { return t == tag }), nil
	})
}

func (s *Service) tagClear(ctx context.Context, r *api.Request) (any, error) {
	return nil, s.setTags(ctx, r, func([]string) ([]string, error) { return nil, nil })
}

// setTags changes the tags of the loaded resource.
func (s *Service) setTags(ctx context.Context, r *api.Request, change func(tags []string) ([]string, error)) error {
	row, table := tagged(r)
	return s.write(ctx, func(tx *db.Tx) error {
		if err := stillThere(tx, table, row.ID); err != nil {
			return err
		}
		current := &standard{ID: row.ID}
		if err := loadTags(tx, []*standard{current}); err != nil {
			return err
		}
		before := tagsDocument{row.ID, append([]string{}, current.Tags...)}
		tags, err := change(current.Tags)
		if err != nil {
			return err
		}
		if len(tags) > maxTags {
			return badValue("tags", "at most %d tags are possible", maxTags)
		}
		if err := replaceTags(tx, row.ID, tags); err != nil {
			return err
		}
		if err := s.touchRow(tx, table, row.ID); err != nil {
			return err
		}
		return s.record(tx, r, feed.Change{Kind: kindOfTable(table), Action: "tags", ID: row.ID, OwnerProjectID: row.ProjectID,
			Before: before, After: tagsDocument{row.ID, listed(tags)}})
	})
}
