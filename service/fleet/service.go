package fleet

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"virga/core/api"
	"virga/core/api/events"
	"virga/core/authz"
	"virga/core/bus"
	"virga/core/clock"
	"virga/core/db"
	"virga/core/feed"
	"virga/core/pki"
	"virga/core/token"
)

//go:embed schema/*.json
var schemaFiles embed.FS

//go:embed migrations/*.sql
var migrationFiles embed.FS

// Deps is what the service needs from its surroundings.
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
	// Endpoint is the public address of this service, without a slash at its end.
	Endpoint string
	// PolicyOverrides are an operator's rules; nil for none.
	PolicyOverrides map[string]string

	// Authority issues the members' certificates.
	Authority *pki.Authority
	// Life is how long certificates are valid; 0 means pki.DefaultLife.
	Life time.Duration
	// Grace is how long after its certificate has expired a member can come back by its
	// key; 0 means 30 days.
	Grace time.Duration
	// Own are the members that this process itself is: they are enrolled without a token and
	// do not remove themselves.
	Own []pki.Subject
	// CloudID and Region are told to members.
	CloudID, Region string
	// Address is where members reach this process (https://HOST:PORT); empty: not at all.
	Address string
	// Secure tells that the API is served over TLS by the authority's certificate. Without
	// it nobody can join.
	Secure bool
	// Handover is what a new controller is given besides, as JSON; nil: controllers cannot
	// join. It is never logged nor kept.
	Handover func(ctx context.Context) (any, error)
}

const defaultGrace = 30 * 24 * time.Hour

// Service is the fleet service.
type Service struct {
	deps      Deps
	table     *api.Table
	handler   http.Handler
	admission *admission
	feed      *feed.Log
	events    *events.Desk
}

// New migrates the database and makes the service's API.
func New(ctx context.Context, deps Deps) (*Service, error) {
	if deps.Life == 0 {
		deps.Life = pki.DefaultLife
	}
	if deps.Grace == 0 {
		deps.Grace = defaultGrace
	}
	if deps.Authority == nil {
		return nil, errors.New("fleet: an authority is needed")
	}
	if err := deps.DB.Migrate(ctx, "feed", feed.Migrations()); err != nil {
		return nil, err
	}
	if err := deps.DB.Migrate(ctx, "fleet", folder(migrationFiles, "migrations")); err != nil {
		return nil, err
	}
	policy, err := authz.NewEnforcer(rules(), deps.PolicyOverrides)
	if err != nil {
		return nil, fmt.Errorf("fleet policy: %w", err)
	}
	s := &Service{deps: deps, admission: newAdmission(), feed: feed.NewLog("fleet", deps.Bus)}
	s.events, err = events.New(events.Config{DB: deps.DB, Feed: s.feed, Clock: deps.Clock, Auth: deps.Auth, Log: deps.Log, Metrics: deps.Metrics})
	if err != nil {
		return nil, err
	}
	s.table = &api.Table{
		Service: "fleet", Type: "fleet", Endpoint: deps.Endpoint, Routes: s.routes(), Errors: errorStyle, SlashCounts: true,
		Schemas: folder(schemaFiles, "schema"), Policy: policy, Auth: deps.Auth,
		AuthenticateURI: deps.AuthenticateURI, Log: deps.Log, Metrics: deps.Metrics,
	}
	if s.handler, err = api.NewHandler(s.table); err != nil {
		return nil, err
	}
	return s, nil
}

// folder is a subfolder of embedded files.
func folder(files embed.FS, name string) fs.FS {
	sub, err := fs.Sub(files, name)
	if err != nil {
		panic("the embedded folder is there: " + err.Error())
	}
	return sub
}

// Handler is the service's API.
func (s *Service) Handler() http.Handler { return s.handler }

// Table is the API's table of routes.
func (s *Service) Table() *api.Table { return s.table }

// Ready tells whether the database answers.
func (s *Service) Ready(ctx context.Context) error {
	if err := s.deps.DB.Ping(ctx); err != nil {
		return fmt.Errorf("reach the fleet database: %w", err)
	}
	return nil
}

// Run keeps what is known of members fresh and forgets old tokens, until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	bell := s.deps.Bus.Listen(TopicMembers)
	defer bell.Close()
	announce, prune := time.NewTicker(announceEvery), time.NewTicker(pruneEvery)
	defer announce.Stop()
	defer prune.Stop()
	err := errors.Join(s.announce(ctx), s.pruneTokens(ctx))
	for {
		if err != nil && ctx.Err() == nil {
			s.deps.Log.Warn("tell where this controller is, forget old join tokens", "error", err)
		}
		err = nil
		select {
		case <-ctx.Done():
			return nil
		case <-bell.C:
			s.admission.forget()
		case <-announce.C:
			err = s.announce(ctx)
		case <-prune.C:
			err = s.pruneTokens(ctx)
		}
	}
}

// pruneEvery is how often tokens that nobody can use any more are forgotten.
const pruneEvery = time.Hour

// record writes an entry of the change log: what the API shows of the resource before and
// after (nil where it is not there).
func (s *Service) record(tx *db.Tx, r *api.Request, kind, id, action string, before, after any, detail map[string]any) error {
	c := feed.Change{At: s.deps.Clock.Now(), Kind: kind, ID: id, Action: action, Before: before, After: after, Detail: detail}
	if r != nil {
		c.RequestID, c.UserID, c.ProjectID = r.ID, r.UserID(), r.ProjectID()
	}
	return s.feed.Record(tx, c)
}

// Events is where administrators hear of changes; nothing here belongs to users.
func (s *Service) Events() *events.Desk { return s.events }
