package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"virga/core/bus"
)

// ClientConfig is what a Client needs.
type ClientConfig struct {
	// HTTP makes the connection; only its transport and its Timeout (of the handshake) count.
	// A *http.Transport is used without HTTP/2, which cannot carry the connection; another
	// transport has to leave it out by itself.
	HTTP *http.Client
	// Base is the address where the Server is mounted: "https://controller:8780/bus".
	Base string
	// Next, if there is one, gives the address for each attempt instead of Base, so that a
	// node can turn to another controller.
	Next func() string
	Log  *slog.Logger
}

// Back-off: a client waits a random part of a time that is the server's wish at first
// (firstWait without any) and doubles with each failure up to longestWait.
const (
	firstWait   = time.Second
	longestWait = 30 * time.Second
)

// Client is the node's end: a bus.Bus whose other side is the controller's. It works as soon
// as Run does and may be used before. Parties and bells of one Client also reach each other
// only through the controller, except that its own rings are heard at once.
type Client struct {
	cfg   ClientConfig
	local *bus.Local

	mu sync.Mutex
	// listening counts the bells of a topic; serving has the number of the latest Serve of an
	// address and how many there are.
	listening map[string]int
	serving   map[string]service
	serial    uint64
	// changed are subjects about which the server may have to be told.
	changed []subject
	// current is nil while there is no connection; came is closed when there is one.
	current *connection
	came    chan struct{}
	trouble error        // why there was no connection the last time; never nil
	spread  atomic.Int64 // milliseconds
}

type service struct {
	latest uint64
	count  int
}

// subject is a topic (kind listen) or an address (kind serve).
type subject struct {
	kind kind
	name string
}

// connection is a link and what the server has been told over it.
type connection struct {
	link *link
	talk *talk
	told map[subject]uint64
}

var _ bus.Bus = (*Client)(nil)

// NewClient returns a client that is not connected.
func NewClient(cfg ClientConfig) *Client {
	return &Client{cfg: cfg, local: bus.NewLocal(), listening: map[string]int{}, serving: map[string]service{}, came: make(chan struct{}),
		trouble: errors.New("no connection was made yet")}
}

// Run keeps the connection until ctx ends. It returns nil: trouble is logged and tried again.
func (c *Client) Run(ctx context.Context) error {
	for failures := 0; ctx.Err() == nil; {
		address := c.cfg.Base
		if c.cfg.Next != nil {
			address = c.cfg.Next()
		}
		ws, err := c.dial(ctx, address)
		if err == nil {
			failures = 0
			err = c.carry(ctx, ws, address)
		} else {
			failures++
		}
		if ctx.Err() != nil {
			break
		}
		c.lost(nil, err)
		wait := c.wait(failures)
		level := slog.LevelWarn
		if failures > 5 {
			level = slog.LevelDebug // it has been said
		}
		c.cfg.Log.Log(ctx, level, "no connection to the controller's bus", "address", address, "again_in", wait, "error", err)
		pause(ctx, wait)
	}
	c.lost(nil, errors.New("this node's bus has ended"))
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// wait is how long to wait before the next attempt: random, so that nodes that lost their
// controller at the same instant do not come back at the same instant.
func (c *Client) wait(failures int) time.Duration {
	wished := max(firstWait, time.Duration(c.spread.Load())*time.Millisecond)
	longest := max(longestWait, wished)
	for range failures {
		wished = min(2*wished, longest)
	}
	return rand.N(wished) + time.Millisecond
}

// dial makes the connection within deadAfter.
func (c *Client) dial(ctx context.Context, address string) (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, deadAfter)
	defer cancel()
	client := http.Client{}
	if c.cfg.HTTP != nil {
		client = *c.cfg.HTTP
	}
	if t, ok := client.Transport.(*http.Transport); ok {
		client.Transport = withoutHTTP2(t)
	}
	//nolint:bodyclose // the library closes it, and says so
	ws, _, err := websocket.Dial(ctx, address, &websocket.DialOptions{HTTPClient: &client, Subprotocols: []string{subprotocol}})
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	if ws.Subprotocol() != subprotocol {
		_ = ws.CloseNow()
		return nil, fmt.Errorf("connect: the other side does not speak %s", subprotocol)
	}
	return ws, nil
}

// withoutHTTP2 is a transport that offers HTTP/1.1 alone. It is made for each attempt, so
// that what its owner changes (certificates) counts.
func withoutHTTP2(t *http.Transport) *http.Transport {
	t = t.Clone()
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	t.ForceAttemptHTTP2 = false
	if t.TLSClientConfig != nil {
		t.TLSClientConfig.NextProtos = slices.DeleteFunc(slices.Clone(t.TLSClientConfig.NextProtos), func(p string) bool { return p == "h2" })
	}
	return t
}

// carry uses a connection until it breaks and returns why.
func (c *Client) carry(ctx context.Context, ws *websocket.Conn, address string) error {
	conn := &connection{link: newLink(ctx, ws), told: map[subject]uint64{}}
	conn.talk = newTalk(conn.link, c.reply)
	conn.link.take = func(f frame) error { return c.take(conn, f) }
	conn.link.news = func() (frame, bool) { return c.news(conn) }
	c.mu.Lock()
	c.changed = c.changed[:0]
	for topic := range c.listening {
		c.changed = append(c.changed, subject{listen, topic})
	}
	for name := range c.serving {
		c.changed = append(c.changed, subject{serve, name})
	}
	c.current = conn
	close(c.came)
	c.mu.Unlock()
	c.cfg.Log.InfoContext(ctx, "connected to the controller's bus", "address", address)
	defer context.AfterFunc(conn.link.ctx, func() { c.lost(conn, context.Cause(conn.link.ctx)) })()
	err := conn.link.run()
	c.lost(conn, err)
	return err
}

// lost notes that a connection is no more, or (nil) that there is still none, and why.
func (c *Client) lost(conn *connection, cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current != conn {
		return
	}
	c.trouble = cause
	if conn != nil {
		c.current, c.came = nil, make(chan struct{})
	}
}

// Ready tells why the client has no connection now, nil when it has one.
func (c *Client) Ready(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current != nil {
		return nil
	}
	return c.unavailable()
}

// unavailable is the error of having no connection; mu is held.
func (c *Client) unavailable() error {
	return fmt.Errorf("no connection to the controller's bus (%s): %w", c.trouble.Error(), bus.ErrUnavailable)
}

// take handles one frame of the server.
func (c *Client) take(conn *connection, f frame) error {
	if conn.talk.take(f) {
		return nil
	}
	switch f.Kind {
	case alive:
		c.spread.Store(min(f.Millis, (10 * time.Minute).Milliseconds()))
	case ring:
		c.local.Ring(f.Topic)
	case refused:
		c.cfg.Log.WarnContext(conn.link.ctx, "the controller's bus refuses a topic", "topic", f.Topic, "reason", f.Text)
	}
	return nil
}

// news is the next thing that the server does not know yet about bells and parties. What
// changed and changed back is not told, so that this list is never long.
func (c *Client) news(conn *connection) (frame, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.changed) > 0 && c.current == conn {
		s := c.changed[0]
		c.changed = c.changed[1:]
		wanted := c.serving[s.name].latest
		if s.kind == listen {
			wanted = uint64(min(1, c.listening[s.name]))
		}
		if wanted == conn.told[s] {
			continue
		}
		if wanted == 0 {
			delete(conn.told, s)
			return frame{Kind: s.kind + 1, Topic: s.name}, true // unlisten, unserve
		}
		conn.told[s] = wanted
		return frame{Kind: s.kind, Topic: s.name}, true
	}
	return frame{}, false
}

// change notes a subject for news; mu is held.
func (c *Client) change(s subject) {
	if c.current != nil && !slices.Contains(c.changed, s) {
		c.changed = append(c.changed, s)
		c.current.link.nudge()
	}
}

// Ring implements bus.Bus.
func (c *Client) Ring(topic string) {
	c.local.Ring(topic)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current != nil {
		c.current.link.ring(topic)
	}
}

// Listen implements bus.Bus.
func (c *Client) Listen(topic string) *bus.Bell {
	bell := c.local.Listen(topic)
	c.count(topic, 1)
	var once sync.Once
	return bus.NewBell(bell.C, func() {
		once.Do(func() {
			bell.Close()
			c.count(topic, -1)
		})
	})
}

// count notes that the bells of a topic are more or less by n.
func (c *Client) count(topic string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listening[topic] += n
	if c.listening[topic] == 0 {
		delete(c.listening, topic)
	}
	c.change(subject{listen, topic})
}

// Serve implements bus.Bus.
func (c *Client) Serve(address string, answer bus.Answer) (stop func()) {
	stopLocal := c.local.Serve(address, answer)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.serial++
	c.serving[address] = service{c.serial, c.serving[address].count + 1}
	c.change(subject{serve, address})
	return sync.OnceFunc(func() {
		stopLocal()
		c.mu.Lock()
		defer c.mu.Unlock()
		s := c.serving[address]
		if s.count--; s.count == 0 {
			delete(c.serving, address)
		} else {
			c.serving[address] = s
		}
		c.change(subject{serve, address})
	})
}

// Call implements bus.Bus.
func (c *Client) Call(ctx context.Context, address, question string, body []byte) ([]byte, error) {
	ctx, cancel := bus.Bounded(ctx)
	defer cancel()
	result, err := c.call(ctx, address, question, body)
	if err != nil {
		return nil, bus.Asked(address, question, err)
	}
	return result, nil
}

func (c *Client) call(ctx context.Context, address, question string, body []byte) ([]byte, error) {
	if err := bus.CheckQuestion(address, question, body); err != nil {
		return nil, err
	}
	conn, err := c.connection(ctx)
	if err != nil {
		return nil, err
	}
	return conn.talk.ask(ctx, address, question, body)
}

// connection is the current one; it is waited for with patience.
func (c *Client) connection(ctx context.Context) (*connection, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		c.mu.Lock()
		conn, came, away := c.current, c.came, c.unavailable()
		c.mu.Unlock()
		if conn != nil {
			return conn, nil
		}
		select {
		case <-came:
		case <-ctx.Done():
			return nil, away
		}
	}
}

// reply answers a question that came over the connection.
func (c *Client) reply(ctx context.Context, address, question string, body []byte) ([]byte, error) {
	answer := c.local.Party(address)
	if answer == nil {
		return nil, bus.ErrNobody
	}
	return bus.Try(ctx, answer, question, body)
}
