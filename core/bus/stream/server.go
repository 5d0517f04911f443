package stream

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/prometheus/client_golang/prometheus"

	"virga/core/bus"
	"virga/core/clock"
)

// Config is what a Server needs.
type Config struct {
	// Bus is what the nodes get.
	Bus bus.Bus
	// Clock names connections in the log.
	Clock clock.Clock
	Log   *slog.Logger
	// Allowed tells whether the connection that ctx belongs to (the context of its request,
	// with the caller's identity) may listen to, ring, ask and serve a topic or address. Its
	// error is told to the other side. Nil refuses everything.
	Allowed func(ctx context.Context, topic string) error
	// Metrics gets the figures of the server; nil: nobody does.
	Metrics prometheus.Registerer
}

// comeBackRate is how many nodes a server wants to come back in a second when all do.
const comeBackRate = 500

// Server is the controller's end: an http.Handler that turns each request into the
// connection of one node and returns when that ends. It needs a connection that can be taken
// over (HTTP/1.1). Whoever mounts it has authenticated the request.
type Server struct {
	cfg                     Config
	connected               prometheus.Gauge
	connections, refusals   prometheus.Counter
	rings, asked, questions prometheus.Counter

	mu       sync.Mutex
	sessions map[*session]struct{}
	closed   bool
	handlers sync.WaitGroup
}

// NewServer returns a server without connections.
func NewServer(cfg Config) *Server {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	s := &Server{
		cfg: cfg, sessions: map[*session]struct{}{},
		connected:   prometheus.NewGauge(prometheus.GaugeOpts{Name: "virga_bus_nodes_connected", Help: "Nodes that have the bus by a connection to this process now."}),
		connections: counter("virga_bus_node_connections_total", "Connections that nodes have made."),
		refusals:    counter("virga_bus_node_refusals_total", "Topics and addresses that nodes were refused."),
		rings:       counter("virga_bus_node_rings_total", "Rings that were sent to nodes."),
		asked:       counter("virga_bus_node_questions_total", "Questions that were put to nodes."),
		questions:   counter("virga_bus_questions_from_nodes_total", "Questions that nodes have put."),
	}
	if cfg.Metrics != nil {
		cfg.Metrics.MustRegister(s.connected, s.connections, s.refusals, s.rings, s.asked, s.questions)
	}
	return s
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !offers(r) {
		http.Error(w, "This is the bus of nodes: a WebSocket with the subprotocol "+subprotocol+".", http.StatusBadRequest)
		return
	}
	if !s.enter() {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "This controller is about to end. Please try again.", http.StatusServiceUnavailable)
		return
	}
	defer s.handlers.Done()
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{subprotocol}})
	if err != nil {
		s.cfg.Log.WarnContext(r.Context(), "connect node to the bus", "remote", r.RemoteAddr, "error", err) // it has its answer
		return
	}
	c := newSession(s, r.Context(), ws)
	if !s.add(c) {
		_ = ws.CloseNow()
		return
	}
	s.cfg.Log.InfoContext(r.Context(), "node connected to the bus", "connection", c.id, "remote", r.RemoteAddr)
	cause := c.run()
	s.remove(c)
	s.cfg.Log.InfoContext(r.Context(), "node disconnected from the bus", "connection", c.id, "remote", r.RemoteAddr, "cause", cause)
}

// offers tells whether a request wants our protocol; a WebSocket without it would be let in.
func offers(r *http.Request) bool {
	for _, line := range r.Header.Values("Sec-WebSocket-Protocol") {
		for name := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(name), subprotocol) {
				return true
			}
		}
	}
	return false
}

func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.handlers.Add(1)
	}
	return !s.closed
}

func (s *Server) add(c *session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.sessions[c] = struct{}{}
	s.connections.Inc()
	s.connected.Set(float64(len(s.sessions)))
	return true
}

func (s *Server) remove(c *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, c)
	s.connected.Set(float64(len(s.sessions)))
}

// spread is over how many milliseconds the nodes should come back when all are lost.
func (s *Server) spread() int64 {
	return max(time.Second.Milliseconds(), int64(s.Connected())*1000/comeBackRate)
}

// Disconnect ends the connections whose context match accepts: their node was removed, say.
func (s *Server) Disconnect(match func(ctx context.Context) bool) {
	for _, c := range s.list() {
		if match(c.ctx) {
			c.link.end(errors.New("this node was disconnected by the controller"))
		}
	}
}

func (s *Server) list() []*session {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*session, 0, len(s.sessions))
	for c := range s.sessions {
		list = append(list, c)
	}
	return slices.Clip(list)
}

// Connected is the number of nodes that are connected now.
func (s *Server) Connected() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sessions)
}

// Close ends all connections and waits for that; new ones get 503. Nodes come back to
// whoever serves then, spread over some time. Call it before http.Server.Shutdown, which
// does not know of the connections.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	for _, c := range s.list() {
		c.link.end(errors.New("the controller ends"))
	}
	s.handlers.Wait()
	return nil
}
