package network

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"virga/core/api"
	"virga/core/api/events"
	"virga/core/bus"
	"virga/core/clock"
	"virga/core/db"
	"virga/core/feed"
	"virga/core/pulse"
	"virga/core/token"
)

//go:embed migrations/*.sql
var migrations embed.FS

//go:embed schema/*.json
var schemas embed.FS

// Deps is what the service is made of.
type Deps struct {
	// DB is the service's own database.
	DB      *db.DB
	Bus     bus.Bus
	Clock   clock.Clock
	Log     *slog.Logger
	Metrics prometheus.Registerer
	Auth    token.Authenticator
	// AuthenticateURI is the public address of the identity service.
	AuthenticateURI string
	// Endpoint is the public address of this service without a slash at its end.
	Endpoint        string
	PolicyOverrides map[string]string
	// Compiled keeps the compiled schemas of the API for the next life of the service; nil: for this one alone.
	Compiled *api.Compiled
	// Owner names this process.
	Owner string

	// PhysicalMTU is the MTU of the networks underneath, in bytes; 0 means 1500.
	PhysicalMTU int
	// DNSServers are given to guests of IPv4 subnets that name none.
	DNSServers []netip.Addr
	// DNSDomain is what guests' host names end with; empty means openstacklocal.
	DNSDomain string
	// DefaultQuotas replaces single default limits, by the API's resource names; -1 is no limit.
	DefaultQuotas map[string]int
}

// Service is the network API with its rules and tables.
type Service struct {
	deps    Deps
	table   *api.Table
	handler http.Handler
	feed    *feed.Log
	events  *events.Desk
	// changes is what is new for agents, spread the bells that are to be rung for many of
	// them, sights what they see of it, pulse their signs of life.
	changes *changes
	spread  *spread
	sights  *sights
	pulse   *pulse.Keeper
}

// New migrates the database and compiles the table.
func New(ctx context.Context, deps Deps) (*Service, error) {
	if deps.PhysicalMTU == 0 {
		deps.PhysicalMTU = 1500
	}
	if deps.DNSDomain == "" {
		deps.DNSDomain = "openstacklocal"
	}
	s := &Service{deps: deps, feed: feed.NewLog("network", deps.Bus), changes: newChanges(deps.DB, deps.Clock.Now, deps.Clock.ID()), spread: newSpread()}
	s.sights = newSights(s.changes)
	s.pulse = pulse.New(pulse.Config{Clock: deps.Clock, Log: deps.Log, Load: s.loadHosts, Write: s.writeSigns})
	for _, owner := range []struct {
		name  string
		files func() (fs.FS, error)
	}{
		{"network", func() (fs.FS, error) { return fs.Sub(migrations, "migrations") }},
		{"feed", func() (fs.FS, error) { return feed.Migrations(), nil }},
	} {
		files, err := owner.files()
		if err != nil {
			return nil, fmt.Errorf("start network service: %w", err)
		}
		if err := deps.DB.Migrate(ctx, owner.name, files); err != nil {
			return nil, fmt.Errorf("start network service: %w", err)
		}
	}
	policy, err := newEnforcer(deps.PolicyOverrides)
	if err != nil {
		return nil, fmt.Errorf("start network service: %w", err)
	}
	if s.events, err = s.newDesk(); err != nil {
		return nil, fmt.Errorf("start network service: %w", err)
	}
	files, err := fs.Sub(schemas, "schema")
	if err != nil {
		return nil, fmt.Errorf("start network service: %w", err)
	}
	s.table = &api.Table{Service: "network", Type: "network", Endpoint: deps.Endpoint, Routes: s.routes(), Errors: errorStyle,
		Schemas: files, Compiled: deps.Compiled, Policy: policy, Auth: deps.Auth, AuthenticateURI: deps.AuthenticateURI, Log: deps.Log, Metrics: deps.Metrics}
	if s.handler, err = api.NewHandler(s.table); err != nil {
		return nil, fmt.Errorf("start network service: %w", err)
	}
	return s, nil
}

// races is how often a change is tried when another one takes what it was about to take.
const races = 8

// write runs a change in a transaction. What is to be unique (an address, a segment, the
// default group of a project) is looked up before it is inserted, so a refused key means
// that another change came first on an engine that lets changes run side by side: the
// change is made again and sees what the other one did.
func (s *Service) write(ctx context.Context, change func(tx *db.Tx) error) error {
	var err error
	for range races {
		if err = s.deps.DB.Write(ctx, change); !errors.Is(err, db.ErrDuplicate) {
			return err
		}
	}
	return api.Unavailable("The change collided with others again and again.").Because(err)
}

// Handler serves the API, the service's prefix taken off.
func (s *Service) Handler() http.Handler { return s.handler }

// Table is the API as data.
func (s *Service) Table() *api.Table { return s.table }

// Run does the service's chores until ctx ends: it shortens the log of changes, besides
// what Attend does.
func (s *Service) Run(ctx context.Context) error {
	var all sync.WaitGroup
	defer all.Wait()
	all.Go(func() { s.Attend(ctx) })
	tick := time.NewTicker(pruneEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := s.deps.DB.Write(ctx, pruneChanges); err != nil && ctx.Err() == nil {
				s.deps.Log.WarnContext(ctx, "shorten the log of changes", "error", err)
			}
		}
	}
}

// Attend does until ctx ends what every process needs in which hosts reach the API: it
// writes their signs of life, follows the log of changes and rings for those that concern
// many hosts. Run does so, too.
func (s *Service) Attend(ctx context.Context) {
	var all sync.WaitGroup
	defer all.Wait()
	all.Go(func() { s.pulse.Run(ctx) })
	all.Go(func() { s.ringMany(ctx) })
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := s.changes.refresh(ctx); err != nil && ctx.Err() == nil {
				s.deps.Log.WarnContext(ctx, "follow the log of changes", "error", err)
			}
		}
	}
}

// Ready tells whether the service can answer.
func (s *Service) Ready(ctx context.Context) error { return s.deps.DB.Ping(ctx) }
