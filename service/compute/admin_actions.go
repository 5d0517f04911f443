package compute

import (
	"context"
	"encoding/json"

	"virga/core/api"
)

// actionInjectNetwork admits what nova admits: a guest has its network from DHCP and the
// metadata documents, which always say what is true now, so there is nothing to bring to it.
func (s *Service) actionInjectNetwork(_ context.Context, r *api.Request, row *server, _ json.RawMessage) (any, error) {
	return accepted(), s.checkLock(r, row)
}

// actionResetNetwork is gone, as in nova: it was for one hypervisor that is gone.
func (s *Service) actionResetNetwork(ctx context.Context, r *api.Request, _ *server, _ json.RawMessage) (any, error) {
	return gone(ctx, r)
}
