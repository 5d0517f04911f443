package compute

import (
	"cmp"
	"context"
	"embed"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"virga/core/api"
	"virga/core/api/events"
	"virga/core/authz"
	"virga/core/bus"
	"virga/core/clock"
	"virga/core/db"
	"virga/core/feed"
	"virga/core/pulse"
	"virga/core/token"
	"virga/core/vault"
	"virga/core/work"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

//go:embed schema/*.json
var schemaFiles embed.FS

// Deps is what the compute service needs.
type Deps struct {
	// DB is the service's own database.
	DB      *db.DB
	Bus     bus.Bus
	Clock   clock.Clock
	Log     *slog.Logger
	Metrics prometheus.Registerer
	Auth    token.Authenticator
	// AuthenticateURI is the public address of identity, for WWW-Authenticate.
	AuthenticateURI string
	// Endpoint is the public address of this service without a slash at its end.
	Endpoint string
	// ConsoleEndpoint is the public address of the consoles, without a slash at its end.
	ConsoleEndpoint string
	// ImageEndpoint is the public address of the image service, for links to images.
	ImageEndpoint   string
	PolicyOverrides map[string]string
	// Compiled keeps the compiled schemas of the API for the next life of the service; nil: for this one alone.
	Compiled *api.Compiled
	// Scheduler is how hosts are chosen.
	Scheduler SchedulerSettings
	// RateLimits are rules METHOD PATH COUNT/UNIT of how many requests a project may make.
	RateLimits []string
	// Owner names this process in leases.
	Owner string

	// ResizeOnSameHost lets a resize stay on the server's host although there are others.
	ResizeOnSameHost bool
	// ResizeConfirmWindow is after how long a move is confirmed that nobody confirmed or reverted; 0: never.
	ResizeConfirmWindow time.Duration
	// ReclaimAfter is how long a deleted server can be restored; 0: not at all, it goes at once.
	ReclaimAfter time.Duration

	// OffloadAfter is how long a shelved server stays on its host; 0: it goes at once, negative: it stays.
	OffloadAfter time.Duration

	// CachingHosts is how many hosts of aggregates fetch images at the same time; 0: nova's default.
	CachingHosts int

	// Vault seals passwords that are on their way to guests. Nil: one whose key is known in this
	// process alone.
	Vault Vault

	Images    Images
	Networks  Networks
	Placement Placement
	// Limits are identity's unified limits; nil: there are none.
	Limits Limits
	// Self is the identity under which operations speak to the neighbours; it needs the
	// roles admin and service. Nil: one that is known in this process alone.
	Self *token.Identity
	// Hook is for tests: see work.Config.
	Hook func(o work.Operation, undo, after bool) error
	// Lease is how long a claim on an operation holds; 0: the engine's default.
	Lease time.Duration
	// Keep is how long deleted servers and finished operations are remembered; 0: 90 days.
	Keep time.Duration
	// Roles are whose steps of operations this process carries; nil: everybody's. The
	// reconcilers are the conductor's.
	Roles []string
}

// Service is the compute service.
type Service struct {
	deps    Deps
	db      *db.DB
	clock   clock.Clock
	log     *slog.Logger
	engine  *work.Engine
	feed    *feed.Log
	events  *events.Desk
	table   *api.Table
	handler http.Handler
	// fresh remembers when the network information of servers was last looked at.
	fresh *freshness
	// addressesAfter is the server up to which the repair loop of addresses has come.
	addressesAfter string
	// straysUpTo is the ended operation up to which the repair loop of strays has come.
	straysUpTo work.Operation
	// mirrorLooked says that what placement knows of aggregates was doubted once in this life; reconcileAggregates alone uses it.
	mirrorLooked bool
	scheduler    *scheduler
	// roster is the scheduler's copy of all hosts; deciding measures its decisions.
	roster *roster
	// admissions has those who count a project's quota come one after the other.
	admissions *admissions
	deciding   prometheus.Histogram
	pulse      *pulse.Keeper
	specs      specBook
	rates      []rateRule
	unified    unified
}

// New migrates the database and builds the API; nothing runs before Run.
func New(ctx context.Context, deps Deps) (*Service, error) {
	if deps.Vault == nil {
		own, err := vault.New(vault.NewKey())
		if err != nil {
			return nil, err
		}
		deps.Vault = own
	}
	if deps.Self == nil {
		deps.Self = &token.Identity{UserID: "compute", UserName: "compute",
			Project: token.Project{ID: "service", Name: "service"}, Roles: []token.Role{{Name: "admin"}, {Name: "service"}}}
	}
	deps.Keep = cmp.Or(deps.Keep, keepDeleted)
	deps.CachingHosts = cmp.Or(deps.CachingHosts, cachingAtOnce)
	policy, err := authz.NewEnforcer(policyRules(), deps.PolicyOverrides)
	if err != nil {
		return nil, fmt.Errorf("read the compute policy: %w", err)
	}
	s := &Service{deps: deps, db: deps.DB, clock: deps.Clock, log: deps.Log, fresh: newFreshness(), feed: feed.NewLog("compute", deps.Bus), roster: newRoster(), admissions: newAdmissions(),
		deciding: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "virga_scheduler_decision_seconds",
			Help:    "Time that the scheduler takes to learn what changed, look at all hosts and choose one.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 1.25, 40)})}
	if err := migrate(ctx, deps.DB, db.Backfill{Version: 18, Batch: s.sealPlainPasswords}, db.Backfill{Version: 19, Batch: s.sealRebuildPasswords}); err != nil {
		return nil, err
	}
	if s.scheduler, err = newScheduler(deps.Scheduler); err != nil {
		return nil, err
	}
	if s.rates, err = readRateRules(deps.RateLimits); err != nil {
		return nil, err
	}
	if deps.Metrics != nil {
		if err := deps.Metrics.Register(s.deciding); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	s.pulse = pulse.New(pulse.Config{Clock: deps.Clock, Log: deps.Log, Load: s.loadGenerations, Write: s.writeSigns})
	s.engine = work.New(work.Config{Service: "compute", Owner: deps.Owner, DB: deps.DB, Bus: deps.Bus, Clock: deps.Clock,
		Log: deps.Log, Metrics: deps.Metrics, Hook: deps.Hook, Lease: deps.Lease, Roles: deps.Roles, Keep: deps.Keep, Ended: s.operationEnded, Forgotten: forgetDecisions, Workers: 64})
	if err := s.engine.Register(s.serverCreate(), s.serverDelete(), s.serverStart(), s.serverStop(), s.serverReboot(), s.serverPause(), s.serverUnpause(), s.serverSuspend(), s.serverResume(),
		s.serverRescue(), s.serverUnrescue(), s.serverSoftDelete(), s.serverRestore(), s.serverPassword(), s.serverCrashDump(),
		s.interfaceAttach(), s.interfaceDetach(), s.serverResize(), s.serverMigrate(), s.serverResizeConfirm(), s.serverResizeRevert(),
		s.serverLiveMigrate(), s.serverEvacuate()); err != nil {
		return nil, err
	}
	if err := s.engine.Register(s.imageKinds()...); err != nil {
		return nil, err
	}
	if s.events, err = s.newDesk(); err != nil {
		return nil, err
	}
	schemas, err := fs.Sub(schemaFiles, "schema")
	if err != nil {
		return nil, fmt.Errorf("open the compute schemas: %w", err)
	}
	s.table = &api.Table{
		Service: "compute", Type: "compute", Endpoint: deps.Endpoint, Routes: s.routes(), Versions: microversions(), SlashCounts: true, MethodsByVersion: true, CheckQuery: checkQuery,
		Admit: s.admit, Errors: errorStyle, RequestIDHeader: "X-Compute-Request-Id", Schemas: schemas, Compiled: deps.Compiled, Policy: policy,
		Auth: deps.Auth, AuthenticateURI: deps.AuthenticateURI, Log: deps.Log, Metrics: deps.Metrics,
	}
	inner, err := api.NewHandler(s.table)
	if err != nil {
		return nil, err
	}
	s.handler = withOldPaths(inner)
	return s, nil
}

func migrate(ctx context.Context, d *db.DB, backfills ...db.Backfill) error {
	own, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return fmt.Errorf("open the compute migrations: %w", err)
	}
	for _, m := range []struct {
		owner     string
		files     fs.FS
		backfills []db.Backfill
	}{
		{"work", work.Migrations(), nil},
		{"feed", feed.Migrations(), nil},
		{"compute", own, backfills},
	} {
		if err := d.Migrate(ctx, m.owner, m.files, m.backfills...); err != nil {
			return err
		}
	}
	return nil
}

// Handler serves the API, the service's prefix taken off.
func (s *Service) Handler() http.Handler { return s.handler }

// Table is the API's table of routes.
func (s *Service) Table() *api.Table { return s.table }

// Run carries operations and reconciles until ctx ends and everything at hand is done.
func (s *Service) Run(ctx context.Context) error {
	var all sync.WaitGroup
	defer all.Wait()
	all.Go(func() { s.Attend(ctx) })
	if s.engine.Carries(work.Conductor) {
		for _, r := range s.reconcilers() {
			all.Go(func() { r.run(ctx, s) })
		}
	}
	return s.engine.Run(ctx)
}

// Attend does until ctx ends what every process needs in which hosts and users reach the
// API: it writes the hosts' signs of life and refreshes what requests found to be stale.
// Run does so, too.
func (s *Service) Attend(ctx context.Context) {
	var all sync.WaitGroup
	defer all.Wait()
	all.Go(func() { s.refreshWanted(ctx) })
	s.pulse.Run(ctx)
}

// Ready tells whether the service can answer.
func (s *Service) Ready(ctx context.Context) error { return s.db.Ping(ctx) }

// as is a context in which calls to neighbours are the request's caller's own.
func as(ctx context.Context, r *api.Request) context.Context {
	return token.WithIdentity(ctx, r.Identity)
}

// self is a context in which calls to neighbours are the service's own.
func (s *Service) self(ctx context.Context) context.Context {
	return token.WithIdentity(ctx, s.deps.Self)
}

// reconciler is a repair loop: it has no input, runs on a timer and on a doorbell, and may
// run at any time without harm.
type reconciler struct {
	name  string
	every time.Duration
	// topic rings when there may be something to do; empty: the timer alone.
	topic string
	once  func(ctx context.Context) error
}

func (s *Service) reconcilers() []reconciler {
	return []reconciler{
		{name: "shelved", every: time.Minute, once: s.reconcileShelved},
		{name: "hosts", every: 30 * time.Second, topic: topicHosts, once: s.reconcileHosts},
		{name: "addresses", every: time.Minute, once: s.reconcileAddresses},
		{name: "reclaim", every: time.Minute, once: s.reconcileReclaim},
		{name: "strays", every: time.Minute, once: s.reconcileStrays},
		{name: "confirm", every: time.Minute, once: s.reconcileConfirm},
		{name: "drains", every: quietTime, topic: topicDrains, once: s.reconcileDrains},
		{name: "arrivals", every: time.Minute, once: s.reconcileArrivals},
		{name: "aggregates", every: 30 * time.Second, topic: topicAggregates, once: s.reconcileAggregates},
		{name: "image_caches", every: 30 * time.Second, topic: topicCaches, once: s.reconcileImageCaches},
		{name: "archive", every: time.Hour, once: s.reconcileArchive},
	}
}

func (r reconciler) run(ctx context.Context, s *Service) {
	var rung <-chan struct{}
	if r.topic != "" {
		bell := s.deps.Bus.Listen(r.topic)
		defer bell.Close()
		rung = bell.C
	}
	ticker := time.NewTicker(r.every)
	defer ticker.Stop()
	for {
		if err := r.once(ctx); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "reconcile", "what", r.name, "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-rung:
		case <-ticker.C:
		}
	}
}
