package compute

import (
	"context"
	"encoding/json"

	"virga/core/api"
	"virga/core/work"
	"virga/service/compute/orders"
)

const (
	opPause   = "server_pause"
	opUnpause = "server_unpause"
	opSuspend = "server_suspend"
	opResume  = "server_resume"
)

// serverPause has a server stand still in its host's memory.
func (s *Service) serverPause() work.Registrable { return s.powerKind(opPause, orders.Paused, "pause") }

// serverUnpause has a paused server go on.
func (s *Service) serverUnpause() work.Registrable {
	return s.powerKind(opUnpause, orders.Running, "unpause")
}

// serverSuspend puts a server's memory on its host's disk; it stays there when the host
// restarts.
func (s *Service) serverSuspend() work.Registrable {
	return s.powerKind(opSuspend, orders.Suspended, "suspend")
}

// serverResume has a suspended server go on where it was.
func (s *Service) serverResume() work.Registrable {
	return s.powerKind(opResume, orders.Running, "resume")
}

func (s *Service) actionPause(ctx context.Context, r *api.Request, _ *server, _ json.RawMessage) (any, error) {
	_, err := s.start(ctx, r, "pause", opPause, powerParams{}, inStates("pause", vmActive))
	return accepted(), err
}

func (s *Service) actionUnpause(ctx context.Context, r *api.Request, _ *server, _ json.RawMessage) (any, error) {
	_, err := s.start(ctx, r, "unpause", opUnpause, powerParams{}, inStates("unpause", vmPaused))
	return accepted(), err
}

func (s *Service) actionSuspend(ctx context.Context, r *api.Request, _ *server, _ json.RawMessage) (any, error) {
	_, err := s.start(ctx, r, "suspend", opSuspend, powerParams{}, inStates("suspend", vmActive))
	return accepted(), err
}

func (s *Service) actionResume(ctx context.Context, r *api.Request, _ *server, _ json.RawMessage) (any, error) {
	_, err := s.start(ctx, r, "resume", opResume, powerParams{}, inStates("resume", vmSuspended))
	return accepted(), err
}
