package stream

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"virga/core/bus"
	"virga/core/clock"
)

// Config is what a Server needs.
type Config struct {
	// Bus is what the nodes get.
	Bus   bus.Bus
	Clock clock.Clock
	Log   *slog.Logger
	// Allowed tells whether the connection that ctx belongs to (the context of its request,
	// with the caller's identity) may listen to, ring, ask and serve a topic or address. Its
	// error is told to the other side. Nil refuses everything.
	Allowed func(ctx context.Context, topic string) error
	// Metrics gets the figures of the server; nil: nobody does.
	Metrics prometheus.Registerer
}

// Server is the controller's end: an http.Handler that turns each request into the
// connection of one node and returns when that ends. It needs a connection that can be taken
// over (HTTP/1.1). Whoever mounts it has authenticated the request.
type Server struct {
	cfg Config
}

// NewServer returns a server without connections.
func NewServer(cfg Config) *Server { return &Server{cfg: cfg} }

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, "not yet", http.StatusServiceUnavailable)
}

// Disconnect ends the connections whose context match accepts: their node was removed, say.
func (s *Server) Disconnect(match func(ctx context.Context) bool) {}

// Connected is the number of nodes that are connected now.
func (s *Server) Connected() int { return 0 }

// Close tells all nodes to come back later, ends their connections and waits for that. New
// ones get 503. Call it before http.Server.Shutdown, which does not know of them.
func (s *Server) Close() error { return nil }
