package compute

import (
	"context"

	"virga/core/api"
)

// topologyShow answers GET /servers/{server_id}/topology. Guests have no NUMA nodes of their
// own here, which nova shows this way.
func topologyShow(context.Context, *api.Request) (any, error) {
	return map[string]any{"nodes": []any{}, "pagesize_kb": nil}, nil
}
