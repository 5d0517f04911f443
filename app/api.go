package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"virga/core/api/events"
	"virga/core/conf"
)

// listen opens the address for clients. Every process has one: those that serve no API tell
// there how they are.
func (cl *cloud) listen(ctx context.Context) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", cl.conf.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	cl.onClose(func() error { _ = listener.Close(); return nil }) // the server has closed it when it ran
	cl.public = listener
	return nil
}

// front is what clients talk to.
func (cl *cloud) front() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, name := range insideHeaders() {
			r.Header.Del(name)
		}
		cl.edge.ServeHTTP(w, r)
	})
}

// ownPages answers what belongs to no service of this process: health, metrics, a list of
// the services, and what other processes serve. Paths are taken as they stand;
// http.ServeMux would lead clients from others to those it takes them for.
func (cl *cloud) ownPages() http.Handler {
	list := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintf(w, "Virga %s\n\n", cl.version)
		for _, s := range catalog() {
			fmt.Fprintf(w, "%-10s %s%s\n", s.kind, cl.conf.Endpoint, s.path)
		}
	})
	pages := cl.watchPages(cl.guardedMetrics())
	pages["/"], pages[events.Path] = list, cl.allEvents()
	own := only(pages)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if pages[r.URL.Path] == nil && cl.relays(r) {
			cl.relay(w, r)
			return
		}
		own.ServeHTTP(w, r)
	})
}

// serviceOf is the service that a path belongs to, empty for none.
func serviceOf(path string) string {
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	for _, service := range conf.Services() {
		if service == first {
			return service
		}
	}
	return ""
}

// serveHTTP has a server serve until ctx ends; requests under way get a while then.
func (cl *cloud) serveHTTP(ctx context.Context, group *errgroup.Group, server *http.Server, listener net.Listener) {
	// Handshakes and broken requests of strangers are theirs to mend.
	server.ErrorLog = slog.NewLogLogger(cl.log.Handler(), slog.LevelDebug)
	server.ReadHeaderTimeout, server.IdleTimeout, server.MaxHeaderBytes = 10*time.Second, 2*time.Minute, 64<<10
	group.Go(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve: %w", err)
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		if err := server.Shutdown(end); err != nil {
			return server.Close()
		}
		return nil
	})
}
