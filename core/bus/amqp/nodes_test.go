package amqp_test

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"testing"

	"virga/core/bus"
	"virga/core/bus/amqp"
	"virga/core/bus/bustest"
	"virga/core/bus/stream"
	"virga/core/bus/suite"
	"virga/core/clock"
)

// controller is a process on the broker to which nodes connect.
type controller struct {
	bus    *amqp.Bus
	server *stream.Server
	http   *httptest.Server
}

func newController(t *testing.T, url string) *controller {
	t.Helper()
	c := &controller{bus: open(t, url)}
	c.server = stream.NewServer(stream.Config{Bus: c.bus, Clock: clock.System{}, Log: slog.New(slog.DiscardHandler),
		Allowed: func(context.Context, string) error { return nil }})
	c.http = httptest.NewServer(c.server)
	t.Cleanup(func() {
		if err := c.server.Close(); err != nil {
			t.Error(err)
		}
		c.http.Close()
	})
	return c
}

// node connects a node to the controller that at names whenever it connects.
func node(t *testing.T, at func() *controller) *stream.Client {
	t.Helper()
	n := stream.NewClient(stream.ClientConfig{Next: func() string { return at().http.URL }, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	suite.Eventually(t, "the node is connected", func() bool { return n.Ready(t.Context()) == nil })
	return n
}

// TestNodeOfAnotherController goes the longest way there is: from one controller by the
// broker to another, and by the stream to its node.
func TestNodeOfAnotherController(t *testing.T) {
	bustest.Each(t, func(t *testing.T, broker *bustest.Broker) {
		suite.Run(t, func(t *testing.T) (a, b bus.Bus) {
			other := newController(t, broker.URL())
			return open(t, broker.URL()), node(t, func() *controller { return other })
		})
	})
}

// TestNodeMovesToAnotherController has a node lose its controller and turn to another: a third
// process reaches it there.
func TestNodeMovesToAnotherController(t *testing.T) {
	bustest.Each(t, func(t *testing.T, broker *bustest.Broker) {
		suite.NoLeaks(t)
		asking := open(t, broker.URL())
		controllers := []*controller{newController(t, broker.URL()), newController(t, broker.URL())}
		turns := 0
		n := node(t, func() *controller {
			turns++
			return controllers[(turns-1)%2]
		})
		bell := n.Listen("moving.node.h1")
		n.Serve("moving.node.h1", echo)
		reached := func() {
			t.Helper()
			suite.Eventually(t, "the node is reached", func() bool {
				got, err := asking.Call(t.Context(), "moving.node.h1", "q", []byte("body"))
				return err == nil && string(got) == "body"
			})
			suite.Eventually(t, "the node hears", func() bool {
				asking.Ring("moving.node.h1")
				select {
				case <-bell.C:
					return true
				default:
					return false
				}
			})
		}
		reached()
		if err := controllers[0].server.Close(); err != nil {
			t.Fatal(err)
		}
		suite.Eventually(t, "the node has moved", func() bool { return controllers[1].server.Connected() == 1 })
		reached()
	})
}
