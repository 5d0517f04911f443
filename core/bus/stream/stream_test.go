package stream_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"virga/core/bus"
	"virga/core/bus/stream"
	"virga/core/bus/suite"
	"virga/core/clock"
)

func everything(context.Context, string) error { return nil }

// hub is a controller: a bus and a server of it.
type hub struct {
	bus    *bus.Local
	server *stream.Server
	http   *httptest.Server
}

func newHub(t *testing.T, allowed func(context.Context, string) error) *hub {
	t.Helper()
	h := &hub{bus: bus.NewLocal()}
	h.server = stream.NewServer(stream.Config{Bus: h.bus, Clock: clock.System{}, Log: slog.New(slog.DiscardHandler),
		Allowed: allowed, Metrics: prometheus.NewRegistry()})
	h.http = httptest.NewServer(h.server)
	t.Cleanup(func() {
		if err := h.server.Close(); err != nil {
			t.Error(err)
		}
		h.http.Close()
	})
	return h
}

// join connects a node; it ends with the test.
func (h *hub) join(t *testing.T) *stream.Client {
	t.Helper()
	c := stream.NewClient(stream.ClientConfig{HTTP: h.http.Client(), Base: h.http.URL, Log: slog.New(slog.DiscardHandler)})
	run(t, c)
	suite.Eventually(t, "the node is connected", func() bool { return c.Ready(t.Context()) == nil })
	return c
}

// run runs a client until the test's end or the returned function's call.
func run(t *testing.T, c *stream.Client) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	stop = func() {
		cancel()
		if err, more := <-done; more {
			close(done)
			if err != nil {
				t.Error(err)
			}
		}
	}
	t.Cleanup(stop)
	return stop
}

func TestNodeAndController(t *testing.T) {
	suite.Run(t, func(t *testing.T) (a, b bus.Bus) {
		h := newHub(t, everything)
		return h.bus, h.join(t)
	})
}

func TestTwoNodes(t *testing.T) {
	suite.Run(t, func(t *testing.T) (a, b bus.Bus) {
		h := newHub(t, everything)
		return h.join(t), h.join(t)
	})
}

func TestWhatIsNotAllowedIsRefused(t *testing.T) {
	suite.NoLeaks(t)
	h := newHub(t, func(_ context.Context, topic string) error {
		if strings.HasSuffix(topic, ".node.h1") {
			return nil
		}
		return errors.New("not yours")
	})
	c := h.join(t)
	echo := func(_ context.Context, question string, _ []byte) ([]byte, error) { return []byte(question), nil }
	foreign, own := c.Listen("compute.node.h2"), c.Listen("compute.node.h1")
	c.Serve("compute.node.h2", echo)
	c.Serve("compute.node.h1", echo)
	suite.Eventually(t, "the own address is served", func() bool {
		_, err := h.bus.Call(t.Context(), "compute.node.h1", "q", nil)
		return err == nil
	})
	<-own.C
	if _, err := h.bus.Call(t.Context(), "compute.node.h2", "q", nil); !errors.Is(err, bus.ErrNobody) {
		t.Errorf("the address of another node: %v", err)
	}
	others := h.bus.Listen("compute.node.h2")
	c.Ring("compute.node.h2") // the node's own bell hears it, nobody else's does
	<-foreign.C
	h.bus.Ring("compute.node.h2")
	h.bus.Ring("compute.node.h1")
	<-others.C
	<-own.C
	select {
	case <-foreign.C:
		t.Error("the bell of another node was heard")
	default:
	}
	if _, err := c.Call(t.Context(), "identity.secrets", "q", nil); err == nil || !strings.Contains(err.Error(), "not yours") {
		t.Errorf("a question to an address that is not allowed: %v", err)
	}
}

func TestOtherRequestsAreToldWhatThisIs(t *testing.T) {
	h := newHub(t, everything)
	resp, err := h.http.Client().Get(h.http.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("a plain request: %s", resp.Status)
	}
}

func TestDisconnectedNodeComesBack(t *testing.T) {
	suite.NoLeaks(t)
	h := newHub(t, everything)
	c := h.join(t)
	bell := c.Listen("compute.node.h1")
	<-bell.C // the controller rings when it listens
	began := time.Now()
	h.server.Disconnect(func(context.Context) bool { return true })
	<-bell.C // and so after the loss
	if h.server.Connected() != 1 {
		t.Errorf("%d nodes are connected", h.server.Connected())
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("coming back took %v", took)
	}
}

func TestClosedServerTurnsNodesAway(t *testing.T) {
	suite.NoLeaks(t)
	h := newHub(t, everything)
	c := h.join(t)
	asked := make(chan struct{})
	c.Serve("compute.node.h1", func(ctx context.Context, question string, _ []byte) ([]byte, error) {
		if question == "wait" {
			close(asked)
			<-ctx.Done()
		}
		return nil, ctx.Err()
	})
	suite.Eventually(t, "the node serves", func() bool {
		_, err := h.bus.Call(t.Context(), "compute.node.h1", "q", nil)
		return err == nil
	})
	back := make(chan error, 1)
	go func() {
		_, err := h.bus.Call(t.Context(), "compute.node.h1", "wait", nil)
		back <- err
	}()
	<-asked
	if err := h.server.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-back; !errors.Is(err, bus.ErrUnavailable) {
		t.Errorf("the question under way: %v", err)
	}
	if _, err := h.bus.Call(t.Context(), "compute.node.h1", "q", nil); !errors.Is(err, bus.ErrNobody) {
		t.Errorf("the node after the server's end: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	suite.Eventually(t, "the node notices", func() bool { return c.Ready(t.Context()) != nil })
	if _, err := c.Call(ctx, "anybody", "q", nil); !errors.Is(err, bus.ErrUnavailable) {
		t.Errorf("a question of a node without connection: %v", err)
	}
	req := httptest.NewRequest(http.MethodGet, "/", nil)
	req.Header.Set("Sec-WebSocket-Protocol", "virga.bus.1")
	w := httptest.NewRecorder()
	h.server.ServeHTTP(w, req)
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("a new connection: %d", w.Code)
	}
}

// TestConnectsWhereHTTP2IsSpoken has a server and a transport that prefer HTTP/2, which cannot
// carry the connection.
func TestConnectsWhereHTTP2IsSpoken(t *testing.T) {
	h := &hub{bus: bus.NewLocal()}
	h.server = stream.NewServer(stream.Config{Bus: h.bus, Clock: clock.System{}, Log: slog.New(slog.DiscardHandler), Allowed: everything})
	h.http = httptest.NewUnstartedServer(h.server)
	h.http.EnableHTTP2 = true
	h.http.StartTLS()
	t.Cleanup(func() {
		if err := h.server.Close(); err != nil {
			t.Error(err)
		}
		h.http.Close()
	})
	resp, err := h.http.Client().Get(h.http.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.ProtoMajor != 2 {
		t.Fatalf("the test's transport speaks %s", resp.Proto)
	}
	<-h.join(t).Listen("compute.node.h1").C
}
