package placement

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"virga/core/api"
	"virga/core/api/events"
	"virga/core/authz"
	"virga/core/bus"
	"virga/core/clock"
	"virga/core/db"
	"virga/core/feed"
	"virga/core/token"
)

//go:embed schema/*.json
var schemaFiles embed.FS

//go:embed migrations/*.sql
var migrationFiles embed.FS

// pruneEvery is how often the log of changed trees is shortened.
const pruneEvery = 10 * time.Minute

// Deps is what the service needs from its surroundings.
type Deps struct {
	// DB is the service's own database.
	DB *db.DB
	// Bus carries the bell of the feed; nil: one that nobody else hears.
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
	// Compiled keeps the compiled schemas of the API for the next life of the service; nil: for this one alone.
	Compiled *api.Compiled
}

// Service is the placement service.
type Service struct {
	deps    Deps
	table   *api.Table
	handler http.Handler
	// prefix is the path of Endpoint; the API's links are paths below it.
	prefix  string
	names   standardNames
	image   *image
	feed    *feed.Log
	events  *events.Desk
	pruning time.Duration
}

// New migrates the database and makes the service's API.
func New(ctx context.Context, deps Deps) (*Service, error) {
	if deps.Bus == nil {
		deps.Bus = bus.NewLocal()
	}
	endpoint, err := url.Parse(deps.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("placement endpoint: %w", err)
	}
	if err := deps.DB.Migrate(ctx, "feed", feed.Migrations()); err != nil {
		return nil, err
	}
	if err := deps.DB.Migrate(ctx, "placement", folder(migrationFiles, "migrations")); err != nil {
		return nil, err
	}
	policy, err := authz.NewEnforcer(rules(), deps.PolicyOverrides)
	if err != nil {
		return nil, fmt.Errorf("placement policy: %w", err)
	}
	s := &Service{
		deps: deps, feed: feed.NewLog("placement", deps.Bus), prefix: strings.TrimSuffix(endpoint.Path, "/"), names: newStandardNames(),
		image: newImage(deps.DB, deps.Clock), pruning: pruneEvery,
	}
	if s.events, err = s.newDesk(); err != nil {
		return nil, err
	}
	s.table = &api.Table{
		Service: "placement", Type: "placement", Endpoint: deps.Endpoint, Routes: s.routes(), Versions: versions(),
		Errors: errorStyle, Schemas: folder(schemaFiles, "schema"), Compiled: deps.Compiled, Policy: policy, Auth: deps.Auth,
		AuthenticateURI: deps.AuthenticateURI, Log: deps.Log, Metrics: deps.Metrics,
		Admit: func(_ context.Context, r *api.Request) error { return admitBody(r.HTTP) },
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

// Ready tells whether the service can answer.
func (s *Service) Ready(ctx context.Context) error { return s.deps.DB.Ping(ctx) }

// Run does the service's chores until ctx ends. It begins by loading the image of all
// trees, which the first question would otherwise wait for.
func (s *Service) Run(ctx context.Context) error {
	if err := s.image.look(ctx, func(*forest) error { return nil }); err != nil && ctx.Err() == nil {
		s.deps.Log.WarnContext(ctx, "load the image of all trees", "error", err)
	}
	tick := time.NewTicker(s.pruning)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			err := s.deps.DB.Write(ctx, pruneChanges)
			if err != nil && !errors.Is(err, context.Canceled) {
				s.deps.Log.WarnContext(ctx, "shorten the log of changed trees", "error", err)
			}
		}
	}
}

// record writes a change into the feed that the caller of r makes.
func (s *Service) record(tx *db.Tx, r *api.Request, c feed.Change) error {
	c.At, c.RequestID, c.UserID, c.ProjectID = s.deps.Clock.Now(), r.ID, r.UserID(), r.ProjectID()
	return s.feed.Record(tx, c)
}
