package compute

import (
	"context"

	"virga/core/api"
	"virga/core/db"
)

type metadataBody struct {
	Metadata map[string]string `json:"metadata"`
}

func (s *Service) metadataList(_ context.Context, r *api.Request) (any, error) {
	return metadataBody{nonNil(api.Loaded[serverTarget](r).Detail.Metadata)}, nil
}

func (s *Service) metadataShow(_ context.Context, r *api.Request) (any, error) {
	key := r.Param("key")
	value, there := api.Loaded[serverTarget](r).Detail.Metadata[key]
	if !there {
		return nil, api.NotFound("Metadata item was not found")
	}
	return map[string]any{"meta": map[string]string{key: value}}, nil
}

// changeMetadata changes the metadata of the request's server; the limit holds for the result.
func (s *Service) changeMetadata(ctx context.Context, r *api.Request, change func(metadata map[string]string) error) (map[string]string, error) {
	row, err := s.changeServer(ctx, r, "metadata", func(tx *db.Tx, row *server) error {
		if err := s.checkLock(r, row); err != nil {
			return err
		}
		metadata := map[string]string{}
		for key, value := range row.Detail.Metadata {
			metadata[key] = value
		}
		if err := change(metadata); err != nil {
			return err
		}
		limits, err := s.quotaLimits(tx, row.ProjectID)
		if err != nil {
			return err
		}
		if limit := limits[quotaMetadata]; limit >= 0 && int64(len(metadata)) > limit && len(metadata) > len(row.Detail.Metadata) {
			return api.Forbidden("Maximum number of metadata items exceeds %d", limit)
		}
		row.Detail.Metadata = metadata
		return nil
	})
	if err != nil {
		return nil, err
	}
	return row.Detail.Metadata, nil
}

func (s *Service) metadataMerge(ctx context.Context, r *api.Request) (any, error) {
	var body metadataBody
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	metadata, err := s.changeMetadata(ctx, r, func(m map[string]string) error {
		for key, value := range body.Metadata {
			m[key] = value
		}
		return nil
	})
	return metadataBody{nonNil(metadata)}, err
}

func (s *Service) metadataReplace(ctx context.Context, r *api.Request) (any, error) {
	var body metadataBody
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	metadata, err := s.changeMetadata(ctx, r, func(m map[string]string) error {
		clear(m)
		for key, value := range body.Metadata {
			m[key] = value
		}
		return nil
	})
	return metadataBody{nonNil(metadata)}, err
}

func (s *Service) metadataSet(ctx context.Context, r *api.Request) (any, error) {
	var body struct {
		Meta map[string]string `json:"meta"`
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	value, there := body.Meta[r.Param("key")]
	if !there || len(body.Meta) != 1 {
		return nil, api.BadRequest("Request body and URI mismatch")
	}
	_, err := s.changeMetadata(ctx, r, func(m map[string]string) error { m[r.Param("key")] = value; return nil })
	return map[string]any{"meta": body.Meta}, err
}

func (s *Service) metadataDelete(ctx context.Context, r *api.Request) (any, error) {
	_, err := s.changeMetadata(ctx, r, func(m map[string]string) error {
		if _, there := m[r.Param("key")]; !there {
			return api.NotFound("Metadata item was not found")
		}
		delete(m, r.Param("key"))
		return nil
	})
	return nil, err
}
