package responder

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Bounds of what one guest can ask at once.
const (
	connectionsPerGuest = 16
	maxMetadataPath     = 1024
	maxMetadataHeader   = 8 << 10
	metadataHeaderTime  = 5 * time.Second
	metadataTime        = 30 * time.Second
)

// newMetadataServer makes the HTTP server of one network. Nothing that a guest says about itself is looked at: no header of the request, forwarded-for,
// instance or project id, goes any further than here; who asks is told by the source address, which the fabric warrants.
func newMetadataServer(ctx context.Context, config Config) *http.Server {
	server := &http.Server{
		Handler:           metadataHandler(config),
		ReadHeaderTimeout: metadataHeaderTime, ReadTimeout: metadataHeaderTime, WriteTimeout: metadataTime,
		MaxHeaderBytes: maxMetadataHeader,
		BaseContext:    func(net.Listener) context.Context { return ctx },
		ErrorLog:       slog.NewLogLogger(config.Log.Handler(), slog.LevelDebug),
	}
	server.SetKeepAlivesEnabled(false) // a guest asks rarely; idle connections would only count against its limit
	return server
}

func metadataHandler(config Config) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		deposit := request.Method == http.MethodPost && isPassword(request.URL.Path)
		if request.Method != http.MethodGet && request.Method != http.MethodHead && !deposit {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		source, err := netip.ParseAddrPort(request.RemoteAddr)
		serverID, known := "", false
		if err == nil {
			serverID, known = config.Server(source.Addr().Unmap())
		}
		if !known {
			http.Error(w, "no server has this address", http.StatusNotFound)
			return
		}
		if len(request.URL.Path) > maxMetadataPath {
			http.Error(w, "path too long", http.StatusRequestURITooLong)
			return
		}
		ctx, cancel := context.WithTimeout(request.Context(), metadataTime)
		defer cancel()
		if deposit {
			storePassword(ctx, config, w, request, serverID)
			return
		}
		status, contentType, body, err := config.Backend.ServeMetadata(ctx, serverID, request.URL.Path)
		if err != nil {
			config.Log.Warn("metadata not available", "network", config.NetworkID, "server_id", serverID, "error", err)
			http.Error(w, "metadata is not available now", http.StatusBadGateway)
			return
		}
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(status)
		if request.Method == http.MethodGet {
			w.Write(body) // a guest that went away is no concern of ours
		}
	})
}

// sourceLimit is a listener that lets every source address have a few connections at a time, so that one guest cannot keep the others out.
type sourceLimit struct {
	net.Listener
	most int

	mu   sync.Mutex
	open map[netip.Addr]int
}

func limitPerSource(listener net.Listener, most int) net.Listener {
	return &sourceLimit{Listener: listener, most: most, open: map[netip.Addr]int{}}
}

// Accept gives the next connection of a source below its limit and closes those above.
func (l *sourceLimit) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		source, err := netip.ParseAddrPort(conn.RemoteAddr().String())
		if err == nil && l.enter(source.Addr()) {
			return &limitedConn{Conn: conn, leave: sync.OnceFunc(func() { l.leave(source.Addr()) })}, nil
		}
		conn.Close()
	}
}

func (l *sourceLimit) enter(source netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[source] >= l.most {
		return false
	}
	l.open[source]++
	return true
}

func (l *sourceLimit) leave(source netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[source]--; l.open[source] <= 0 {
		delete(l.open, source)
	}
}

type limitedConn struct {
	net.Conn
	leave func()
}

// Close closes the connection and gives its place free.
func (c *limitedConn) Close() error {
	c.leave()
	return c.Conn.Close()
}

// isPassword tells whether a path is that of the document to which a server posts its sealed password.
func isPassword(path string) bool {
	parts := strings.FieldsFunc(path, func(c rune) bool { return c == '/' })
	return len(parts) == 3 && parts[0] == "openstack" && parts[2] == "password"
}

// maxPassword bounds a sealed password in bytes, as nova does.
const maxPassword = 4 * 255

// storePassword passes a sealed password on.
func storePassword(ctx context.Context, config Config, w http.ResponseWriter, request *http.Request, serverID string) {
	body, err := io.ReadAll(io.LimitReader(request.Body, maxPassword+1))
	if err != nil || len(body) > maxPassword {
		http.Error(w, "Request is too large.", http.StatusBadRequest)
		return
	}
	status, err := config.Backend.StorePassword(ctx, serverID, string(body))
	if err != nil {
		config.Log.Warn("password not taken", "network", config.NetworkID, "server_id", serverID, "error", err)
		http.Error(w, "metadata is not available now", http.StatusBadGateway)
		return
	}
	w.WriteHeader(status)
}
