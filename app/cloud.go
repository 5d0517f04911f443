package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"virga/core/api"
	"virga/core/bus"
	"virga/core/clock"
	"virga/core/conf"
	"virga/core/obs"
	"virga/core/token"
)

// part is a service as the wiring sees it.
type part interface {
	Handler() http.Handler
	Run(ctx context.Context) error
	Ready(ctx context.Context) error
}

// cloud is everything that one process holds.
type cloud struct {
	conf    *conf.Config
	version string
	log     *slog.Logger
	metrics *prometheus.Registry
	health  *obs.Health
	bus     bus.Bus
	clock   clock.Clock
	edge    *api.Edge
	// parts and jobs run until the end; closers are called after it, last first.
	parts   []part
	jobs    []func(context.Context) error
	closers []func() error
}

// newCloud makes the data folder ready and opens what all services share.
func newCloud(c *conf.Config, version string, log *slog.Logger) (*cloud, error) {
	// Others may pass through the data folder, because the hypervisor runs guests under a
	// user of its own; all folders below but that of the guests are closed to them.
	if err := os.MkdirAll(c.DataDir, 0o711); err != nil {
		return nil, fmt.Errorf("make data folder: %w", err)
	}
	release, err := lockDataDir(c.DataDir)
	if err != nil {
		return nil, err
	}
	cl := &cloud{conf: c, version: version, log: log, metrics: obs.NewRegistry(), health: &obs.Health{}, bus: bus.NewLocal(), clock: clock.System{}}
	cl.onClose(func() error { release(); return nil })
	cl.edge = &api.Edge{Clock: cl.clock, Services: map[string]http.Handler{}, Fallback: cl.ownPages()}
	return cl, nil
}

func (cl *cloud) onClose(fn func() error) { cl.closers = append(cl.closers, fn) }

// close undoes newCloud and everything that was opened since.
func (cl *cloud) close() error {
	var errs []error
	for i := len(cl.closers) - 1; i >= 0; i-- {
		errs = append(errs, cl.closers[i]())
	}
	return errors.Join(errs...)
}

// ownPages answers what belongs to no service: health, metrics and a list of the services.
// Paths are taken as they stand; http.ServeMux would lead clients from others to those it
// takes them for.
func (cl *cloud) ownPages() http.Handler {
	front := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintf(w, "Virga %s\n\n", cl.version)
		for _, s := range catalog() {
			fmt.Fprintf(w, "%-10s %s%s\n", s.kind, cl.conf.Endpoint, s.path)
		}
	})
	pages := map[string]http.Handler{"/": front, "/healthz": obs.Alive(), "/readyz": cl.health.Ready(), "/metrics": obs.Metrics(cl.metrics)}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page := pages[r.URL.Path]
		switch {
		case page == nil:
			http.NotFound(w, r)
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		default:
			page.ServeHTTP(w, r)
		}
	})
}

// add makes a service part of the cloud, below the prefix.
func (cl *cloud) add(name string, p part) {
	cl.parts = append(cl.parts, p)
	cl.edge.Services["/"+name] = p.Handler()
	cl.health.Add(name, p.Ready)
}

// endpoint is the public address of a service.
func (cl *cloud) endpoint(name string) string { return cl.conf.Endpoint + "/" + name }

// internalBase is the address that in-process calls carry; nothing listens there.
const internalBase = "http://virga.internal/"

// client returns a client for a service of this process that acts as identity, or as the
// identity in the call's context when that is nil.
func (cl *cloud) client(service string, identity *token.Identity, header http.Header) api.Client {
	return api.Client{
		HTTP: &http.Client{Transport: as{identity, api.Local{Handler: cl.edge}}},
		Base: internalBase + service, Header: header,
	}
}

// as is a transport whose requests are made by one identity.
type as struct {
	identity *token.Identity
	next     http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (a as) RoundTrip(r *http.Request) (*http.Response, error) {
	if a.identity != nil {
		r = r.WithContext(token.WithIdentity(r.Context(), a.identity))
	}
	return a.next.RoundTrip(r)
}

// nodeIdentity is who the agents of a host are.
func nodeIdentity(host string) *token.Identity {
	return &token.Identity{UserID: "node:" + host, UserName: "node:" + host, Roles: []token.Role{{ID: "node", Name: "node"}}}
}

// serviceIdentity is who a service is towards its neighbours. It belongs to no project.
func serviceIdentity(name string) *token.Identity {
	return &token.Identity{UserID: name, UserName: name,
		Roles: []token.Role{{ID: "admin", Name: "admin"}, {ID: "service", Name: "service"}}}
}

// contextAttrs is what log records take from the context.
func contextAttrs(ctx context.Context) []slog.Attr {
	if id := api.RequestID(ctx); id != "" {
		return []slog.Attr{slog.String("request_id", id)}
	}
	return nil
}

// shutdownTimeout is how long requests under way get when the process ends.
const shutdownTimeout = 10 * time.Second
