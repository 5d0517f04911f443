package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"

	"github.com/prometheus/client_golang/prometheus"

	"virga/app/cluster"
	"virga/app/folder"
	"virga/core/api"
	"virga/core/bus"
	"virga/core/clock"
	"virga/core/conf"
	"virga/core/obs"
	"virga/core/pki"
	"virga/core/token"
	computeagent "virga/service/compute/agent"
	"virga/service/fleet"
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
	folder  *folder.Folder
	cluster *cluster.Cluster
	// process is how other processes see this one.
	process cluster.Process
	// auth finds out who the bearer of a token is.
	auth token.Authenticator
	// authority issues certificates to the cloud's own, credentials are this process's.
	authority   *pki.Authority
	credentials *pki.Credentials
	// nodeCredentials are those of the node that this process also is, nil when it is none.
	nodeCredentials *pki.Credentials
	// controllers are the ways to the controllers of a node that has joined a cloud; nil where
	// this process is a controller itself.
	controllers *controllers
	// exchange is how simulated hosts of this process reach each other.
	exchange computeagent.Exchange
	// fleet knows the members of the cloud.
	fleet *fleet.Service
	// others reaches services of other processes; nil where there are none.
	others *others
	// hosts are the agents of this process by their host's name.
	hosts map[string]*computeagent.Agent
	// public serves clients, internal (nil where there are no other processes) the cloud's own.
	public, internal net.Listener
	// parts and jobs run until the end; seeds are sown before clients are served; closers
	// are called after the end, last first.
	parts   []part
	jobs    []func(context.Context) error
	seeds   []func(context.Context) error
	closers []func() error
}

// newCloud takes the data folder into use.
func newCloud(c *conf.Config, version string, log *slog.Logger) (*cloud, error) {
	if err := makeDataDir(c.DataDir); err != nil {
		return nil, err
	}
	cl := &cloud{conf: c, version: version, log: log, metrics: obs.NewRegistry(), health: &obs.Health{}, bus: bus.NewLocal(), clock: clock.System{},
		hosts: map[string]*computeagent.Agent{}}
	used, err := folder.Open(c.DataDir, folder.Use{Alone: c.Server() == "", Node: c.Roles.Node, NewID: cl.clock.ID})
	if err != nil {
		return nil, err
	}
	cl.folder = used
	cl.onClose(func() error { used.Close(); return nil })
	cl.edge = &api.Edge{Clock: cl.clock, Services: map[string]http.Handler{}, Fallback: cl.ownPages()}
	return cl, nil
}

// makeDataDir makes the data folder. Others may pass through it, because the hypervisor runs
// guests under a user of its own; all folders below but that of the guests are closed to them.
func makeDataDir(dir string) error {
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return fmt.Errorf("make data folder: %w", err)
	}
	return nil
}

func (cl *cloud) onClose(fn func() error) { cl.closers = append(cl.closers, fn) }

// seed has something be made before clients are served. Of several processes that do so at
// once all go on with what the first has made.
func (cl *cloud) seed(make func(context.Context) error) {
	cl.seeds = append(cl.seeds, func(ctx context.Context) error {
		return cluster.SettleAll(ctx, func() error { return make(ctx) })
	})
}

func (cl *cloud) onRun(job func(context.Context) error) { cl.jobs = append(cl.jobs, job) }

// close undoes newCloud and everything that was opened since.
func (cl *cloud) close() error {
	var errs []error
	for i := len(cl.closers) - 1; i >= 0; i-- {
		errs = append(errs, cl.closers[i]())
	}
	return errors.Join(errs...)
}

// add makes a service part of the process. Where the process has the role for it, its API is
// served below the prefix.
func (cl *cloud) add(name string, p part) {
	cl.parts = append(cl.parts, p)
	cl.health.Add(name, p.Ready)
	cl.endEvents(p)
	if cl.conf.Roles.Serves(name) {
		cl.edge.Services["/"+name] = p.Handler()
	}
}

// serves tells whether this process answers for a service.
func (cl *cloud) serves(name string) bool { return cl.edge.Services["/"+name] != nil }

// endpoint is the public address of a service.
func (cl *cloud) endpoint(name string) string { return cl.conf.Endpoint + "/" + name }

// owner names this process in leases. No two living processes share the name, and a process
// that is started anew in the same data folder has the name of one that is dead.
func (cl *cloud) owner() string {
	const room = 64 - 9 // of the column
	return fmt.Sprintf("%.*s-%.8s", room, cl.conf.Host, cl.folder.Process())
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
