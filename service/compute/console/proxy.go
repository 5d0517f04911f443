package console

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

// Session is what a token was made for.
type Session struct {
	ServerID string
	Host     string
	// Kind is Display or Serial.
	Kind   Kind
	UserID string
}

// Kind says what of a guest is reached.
type Kind string

// The kinds.
const (
	// Display is the screen, in the protocol RFB (RFC 6143) without a password.
	Display Kind = "vnc"
	// Serial is the first serial port: bytes as they come.
	Serial Kind = "serial"
)

// ErrNoToken says that there is no such token, or not any more.
var ErrNoToken = errors.New("no such console token")

// Config is what a Proxy needs.
type Config struct {
	// Redeem takes a token and tells what it was made for; it is not good a second time.
	// ErrNoToken: it is not good at all.
	Redeem func(ctx context.Context, token string) (Session, error)
	// Open connects to the guest. The caller closes the stream.
	Open func(ctx context.Context, session Session) (io.ReadWriteCloser, error)
	// Endpoint is the public address of the cloud; only pages from there may connect.
	Endpoint string
	Log      *slog.Logger
	// Max is how many sessions there can be at once; 0: 1000.
	Max int
}

// Proxy is the http.Handler for everything below /console, that prefix taken off.
type Proxy struct {
	cfg    Config
	origin string
	open   atomic.Int64
	mux    *http.ServeMux
	ending chan struct{}
	end    func()
}

// The bounds of a session.
const (
	maxSessions = 1000
	// maxMessage bounds one message of a client in bytes: a pasted text, not more.
	maxMessage = 1 << 20
	// writeWithin is how long a client may take for what it is sent.
	writeWithin = 30 * time.Second
	pingEvery   = 20 * time.Second
	copyBuffer  = 32 << 10
)

// New returns a proxy; the endpoint must be an absolute URL.
func New(cfg Config) (*Proxy, error) {
	public, err := url.Parse(cfg.Endpoint)
	if err != nil {
		return nil, err
	}
	if cfg.Max == 0 {
		cfg.Max = maxSessions
	}
	p := &Proxy{cfg: cfg, origin: originOf(public), mux: http.NewServeMux(), ending: make(chan struct{})}
	p.end = sync.OnceFunc(func() { close(p.ending) })
	p.mux.HandleFunc("GET /ws", p.connect)
	p.mux.Handle("GET /", pages())
	return p, nil
}

// ServeHTTP implements http.Handler.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.mux.ServeHTTP(w, r) }

// Close ends all sessions.
func (p *Proxy) Close() error {
	p.end()
	return nil
}

// originOf is the origin of a URL as browsers write it (RFC 6454): without a default port.
func originOf(u *url.URL) string {
	scheme, host := strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	if port := u.Port(); scheme == "http" && port == "80" || scheme == "https" && port == "443" {
		host = strings.TrimSuffix(host, ":"+port)
	}
	return scheme + "://" + host
}

// allowed tells whether a request comes from a page of the cloud itself, or from no browser:
// browsers say where from and cannot be made to leave it out. The name in the header Host
// counts for nothing, for any name can be made to lead here.
func (p *Proxy) allowed(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	return origin == "" || origin == p.origin
}

// refuse answers without a body: what follows the head would be taken for a message.
func refuse(w http.ResponseWriter, status int) {
	w.Header().Set("Connection", "close")
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(status)
}

func (p *Proxy) connect(w http.ResponseWriter, r *http.Request) {
	if !p.allowed(r) {
		p.cfg.Log.WarnContext(r.Context(), "refuse a console to a foreign page", "origin", r.Header.Get("Origin"))
		refuse(w, http.StatusForbidden)
		return
	}
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		http.Error(w, "A console is a WebSocket with the subprotocol binary.", http.StatusUpgradeRequired)
		return
	}
	if p.open.Add(1) > int64(p.cfg.Max) {
		p.open.Add(-1)
		w.Header().Set("Retry-After", "30")
		refuse(w, http.StatusServiceUnavailable)
		return
	}
	defer p.open.Add(-1)
	session, err := p.cfg.Redeem(r.Context(), r.URL.Query().Get("token"))
	if errors.Is(err, ErrNoToken) {
		refuse(w, http.StatusUnauthorized)
		return
	}
	if err != nil {
		p.cfg.Log.WarnContext(r.Context(), "look up a console token", "error", err)
		w.Header().Set("Retry-After", "2")
		refuse(w, http.StatusServiceUnavailable)
		return
	}
	guest, err := p.cfg.Open(r.Context(), session)
	if err != nil {
		p.cfg.Log.WarnContext(r.Context(), "open a console", "server", session.ServerID, "host", session.Host, "kind", string(session.Kind), "error", err)
		refuse(w, http.StatusBadGateway)
		return
	}
	defer guest.Close()
	// Accept would compare the origin with the header Host; allowed has done better.
	socket, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"binary"}, InsecureSkipVerify: true,
		CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		return // answered
	}
	defer func() { _ = socket.CloseNow() }()
	log := p.cfg.Log.With("server", session.ServerID, "kind", string(session.Kind), "user", session.UserID)
	log.InfoContext(r.Context(), "console opened")
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	go func() { // the server does not end what was taken over from it
		select {
		case <-p.ending:
			cancel()
		case <-ctx.Done():
		}
	}()
	join(ctx, socket, guest)
	log.InfoContext(r.Context(), "console closed")
}

// join copies between a web socket and a stream until one of them ends or ctx does, and ends
// both then.
func join(ctx context.Context, socket *websocket.Conn, stream io.ReadWriteCloser) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	socket.SetReadLimit(maxMessage)
	done := make(chan struct{}, 3)
	go func() {
		fromClient(ctx, socket, stream)
		done <- struct{}{}
	}()
	go func() {
		toClient(ctx, socket, stream)
		done <- struct{}{}
	}()
	go func() {
		keepAlive(ctx, socket)
		done <- struct{}{}
	}()
	<-done
	_ = stream.Close()
	_ = socket.Close(websocket.StatusNormalClosure, "") // a client that is gone does not hear it
	cancel()
	<-done
	<-done
}

func fromClient(ctx context.Context, socket *websocket.Conn, stream io.Writer) {
	for {
		_, data, err := socket.Read(ctx)
		if err != nil {
			return
		}
		if _, err := stream.Write(data); err != nil {
			return
		}
	}
}

func toClient(ctx context.Context, socket *websocket.Conn, stream io.Reader) {
	buffer := make([]byte, copyBuffer)
	for {
		n, err := stream.Read(buffer)
		if n > 0 {
			within, cancel := context.WithTimeout(ctx, writeWithin)
			failed := socket.Write(within, websocket.MessageBinary, buffer[:n])
			cancel()
			if failed != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// keepAlive notices clients that went without a word.
func keepAlive(ctx context.Context, socket *websocket.Conn) {
	ticker := time.NewTicker(pingEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		within, cancel := context.WithTimeout(ctx, writeWithin)
		err := socket.Ping(within)
		cancel()
		if err != nil {
			return
		}
	}
}
