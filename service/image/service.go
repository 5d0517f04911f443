package image

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"slices"
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
	"virga/core/work"
	"virga/service/image/store"
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
	// Owner names this process in the rows of its uploads; no two living processes share
	// a name.
	Owner string
	// Store keeps the content, StoreName is what clients call it; empty means "file".
	Store     store.Store
	StoreName string
	// StorePath is its folder; MoreStores are further stores, to which data goes when a client
	// names them.
	StorePath  string
	MoreStores []NamedStore
	// Remote reads data that stays at its URL; nil: there is no such store. ShowLocations shows
	// the places of images, and lets who may change an image name URLs as such.
	Remote        Remote
	ShowLocations bool
	// Cache keeps images whose data is far away, of at most CacheBytes in all, for this process
	// alone; nil: there is no cache.
	Cache      store.Store
	CacheBytes int64
	// MaxImageBytes bounds the content of one image, in bytes; 0 for no bound.
	MaxImageBytes int64
	// MaxVirtualSize bounds the disk that an image describes, in bytes; 0 for no bound.
	MaxVirtualSize int64
	// Source reads URLs for imports; nil: none is read. ImportMethods are the methods that are
	// offered; nil: all that can be.
	Source        Source
	ImportMethods []string
	// Peers read images of other regions, with tokens that Sealer keeps; nil: none is imported.
	// Of their properties those are taken over that begin with one of CopiedProperties.
	Peers            Peers
	Sealer           Sealer
	CopiedProperties []string
	// Converter converts what is imported to the format ConvertTo; nil: it stays as it is. Unpack
	// has imports of the container format compressed be unpacked. Inject are properties that
	// imported images get, but those of users with one of the roles InjectNotFor.
	Converter    Converter
	ConvertTo    string
	Unpack       bool
	Inject       map[string]string
	InjectNotFor []string
	// MaxProjectBytes bounds the data of all images of a project, MaxUploading how many of its
	// images may be getting data at a time; 0 for no bound.
	MaxProjectBytes int64
	// MaxStagedBytes bounds the staged data of a project; 0 for no bound. Limits are an
	// operator's for single projects and all, which go before these bounds; nil: there are none.
	MaxStagedBytes int64
	Limits         Limits
	MaxUploading   int
	// DelayedDelete is how long the data of deleted images is kept, and they can be restored; 0:
	// it is removed at once.
	DelayedDelete time.Duration
	// IdleTime is how long a client may send, or take, nothing of an image's data before it is
	// cut off; 0: two minutes.
	IdleTime time.Duration
	// Hook is for tests: see work.Config.
	Hook func(o work.Operation, undo, after bool) error
	// MaxImages bounds the images of one project; 0 means 1000, a negative number no bound.
	MaxImages int
}

// defaultMaxImages is the bound of projects where none is configured.
const defaultMaxImages = 1000

// Service is the image service.
type Service struct {
	deps       Deps
	table      *api.Table
	handler    http.Handler
	attributes map[string]attribute
	schemas    map[string]any
	uploads    *uploads
	feed       *feed.Log
	events     *events.Desk
	engine     *work.Engine
	// jobs are transfers to be carried by Run, transfers has an element for each that is begun.
	jobs      chan func(context.Context)
	transfers chan struct{}
	// stores take data; the first is the default.
	stores []NamedStore
	reads  *reads
	limits limitBook
}

// New migrates the database and makes the service's API.
func New(ctx context.Context, deps Deps) (*Service, error) {
	if deps.StoreName == "" {
		deps.StoreName = "file"
	}
	if deps.ImportMethods == nil {
		deps.ImportMethods = importMethods()
	}
	if deps.Source == nil {
		deps.Source = noSource{}
		deps.ImportMethods = slices.DeleteFunc(slices.Clone(deps.ImportMethods), func(name string) bool { return name == importWeb })
	}
	if deps.Peers == nil || deps.Sealer == nil {
		deps.ImportMethods = slices.DeleteFunc(slices.Clone(deps.ImportMethods), func(name string) bool { return name == importPeer })
	}
	if deps.CopiedProperties == nil {
		deps.CopiedProperties = []string{"hw_", "trait:", "os_distro", "os_secure_boot", "os_type"}
	}
	if deps.MaxImages == 0 {
		deps.MaxImages = defaultMaxImages
	}
	if err := deps.DB.Migrate(ctx, "feed", feed.Migrations()); err != nil {
		return nil, err
	}
	if err := deps.DB.Migrate(ctx, "work", work.Migrations()); err != nil {
		return nil, err
	}
	if err := deps.DB.Migrate(ctx, "image", folder(migrationFiles, "migrations")); err != nil {
		return nil, err
	}
	policy, err := authz.NewEnforcer(rules(), deps.PolicyOverrides)
	if err != nil {
		return nil, fmt.Errorf("image policy: %w", err)
	}
	s := &Service{deps: deps, attributes: attributes(), uploads: newUploads(), reads: newReads(), feed: feed.NewLog("image", deps.Bus),
		jobs: make(chan func(context.Context)), transfers: make(chan struct{}, maxTransfers),
		stores: append([]NamedStore{{Name: deps.StoreName, Store: deps.Store, Path: deps.StorePath}}, deps.MoreStores...)}
	if err := checkStores(s.stores); err != nil {
		return nil, err
	}
	s.engine = work.New(work.Config{Service: "image", Owner: deps.Owner, DB: deps.DB, Bus: deps.Bus, Clock: deps.Clock, Log: deps.Log, Metrics: deps.Metrics, Hook: deps.Hook})
	if err := s.engine.Register(s.imageImportKind(), s.imageLocationKind()); err != nil {
		return nil, err
	}
	if s.schemas, err = publicSchemas(folder(schemaFiles, "schema")); err != nil {
		return nil, err
	}
	if s.events, err = s.newDesk(); err != nil {
		return nil, err
	}
	s.table = &api.Table{
		Service: "image", Type: "image", Endpoint: deps.Endpoint, Routes: s.routes(), Errors: errorStyle, SlashCounts: true,
		Schemas: folder(schemaFiles, "schema"), Policy: policy, Auth: deps.Auth,
		AuthenticateURI: deps.AuthenticateURI, Log: deps.Log, Metrics: deps.Metrics,
	}
	inner, err := api.NewHandler(s.table)
	if err != nil {
		return nil, err
	}
	s.handler = draining{inner, cmp.Or(deps.IdleTime, defaultIdleTime)}
	return s, s.loadStandards(ctx)
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

// Ready tells whether the database and the store answer.
func (s *Service) Ready(ctx context.Context) error {
	if err := s.deps.DB.Ping(ctx); err != nil {
		return fmt.Errorf("reach the image database: %w", err)
	}
	for _, named := range s.stores {
		if _, err := named.Store.Size(ctx, "ready"); err != nil && !errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("reach the image store %s: %w", named.Name, err)
		}
	}
	return nil
}

// record writes a change of an image into the feed that the caller of r makes.
func (s *Service) record(tx *db.Tx, r *api.Request, c feed.Change) error {
	c.Kind, c.At, c.RequestID, c.UserID, c.ProjectID = "image", s.deps.Clock.Now(), r.ID, r.UserID(), r.ProjectID()
	return s.feed.Record(tx, c)
}
