package identity

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"runtime"
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
	"virga/core/vault"
)

//go:embed migrations/*.sql
var migrations embed.FS

//go:embed schema/*.json
var schemaFiles embed.FS

const (
	// defaultLifetime is how long tokens last, as in keystone.
	defaultLifetime = time.Hour
	// defaultHashCost is bcrypt's cost for new passwords, as in keystone.
	defaultHashCost = 12
	// cachedIdentities is how many validated tokens are remembered.
	cachedIdentities = 100_000
	// cacheTTL bounds how long a change made by another process can go unnoticed when
	// neither its doorbell nor the look at the feed told of it.
	cacheTTL = time.Minute
	// validateTimeout bounds one validation.
	validateTimeout = 10 * time.Second
)

// Deps is what the identity service is made from.
type Deps struct {
	// DB is this service's own database.
	DB      *db.DB
	Bus     bus.Bus
	Clock   clock.Clock
	Log     *slog.Logger
	Metrics prometheus.Registerer
	// AuthenticateURI is told to clients that have no valid token; empty means Endpoint.
	AuthenticateURI string
	// Endpoint is the public address of this service without a slash at its end.
	Endpoint        string
	PolicyOverrides map[string]string
	// Owner is the name of this process.
	Owner string
	// Keys seal and open Fernet tokens.
	Keys *token.Keys
	// SigningKeys sign and verify JWS tokens; nil where there are none.
	SigningKeys *token.SigningKeys
	// TokenKind is the kind of new tokens, token.KindFernet or token.KindJWS; empty means Fernet. Tokens of both are
	// accepted.
	TokenKind string
	// Vault seals what users deposit: credentials, seeds of one-time passwords.
	Vault *vault.Safe
	// TokenLifetime is how long tokens last; 0 means one hour.
	TokenLifetime time.Duration
	PasswordRules PasswordRules
	// HashCost is bcrypt's cost for new passwords; 0 means 12.
	HashCost int
}

// Service is the identity service.
type Service struct {
	deps    Deps
	table   *api.Table
	handler http.Handler
	tokens  *token.Provider
	cache   *token.Cache
	caching *token.Caching
	hasher  *hasher
	catalog catalogCache
	feed    *feed.Log
	journal journal
	codes   throttle
	events  *events.Desk
}

// New migrates the database and makes the service; it serves at once and needs Run only
// for clearing away what has expired and for hearing of other processes' changes.
func New(ctx context.Context, deps Deps) (*Service, error) {
	if deps.TokenLifetime == 0 {
		deps.TokenLifetime = defaultLifetime
	}
	if deps.HashCost == 0 {
		deps.HashCost = defaultHashCost
	}
	if deps.AuthenticateURI == "" {
		deps.AuthenticateURI = deps.Endpoint
	}
	tokens, err := token.NewProvider(deps.TokenKind, deps.Keys, deps.SigningKeys, deps.Clock)
	if err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	if err := migrate(ctx, deps.DB); err != nil {
		return nil, err
	}
	s := &Service{
		deps:   deps,
		feed:   feed.NewLog("identity", deps.Bus),
		tokens: tokens,
		cache:  token.NewCache(token.CacheConfig{Size: cachedIdentities, TTL: cacheTTL, Clock: deps.Clock}),
	}
	s.caching = token.NewCaching(validator{s}, s.cache, validateTimeout)
	s.hasher = newHasher(deps.HashCost, runtime.GOMAXPROCS(0))
	if s.events, err = s.newDesk(); err != nil {
		return nil, err
	}
	policy, err := authz.NewEnforcer(rules(s.routes()), deps.PolicyOverrides)
	if err != nil {
		return nil, fmt.Errorf("identity policy: %w", err)
	}
	s.table = s.newTable(policy)
	if s.handler, err = api.NewHandler(s.table); err != nil {
		return nil, err
	}
	return s, nil
}

func migrate(ctx context.Context, d *db.DB) error {
	own, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	if err := d.Migrate(ctx, "identity", own); err != nil {
		return err
	}
	return d.Migrate(ctx, "feed", feed.Migrations())
}

func (s *Service) newTable(policy *authz.Enforcer) *api.Table {
	schemas, err := fs.Sub(schemaFiles, "schema")
	if err != nil {
		panic("the embedded folder is there: " + err.Error())
	}
	return &api.Table{
		Service: "identity", Type: "identity", Endpoint: s.deps.Endpoint, Routes: s.routes(), Errors: errorStyle,
		Schemas: schemas, Policy: policy, Auth: s, AuthenticateURI: s.deps.AuthenticateURI, Log: s.deps.Log, Metrics: s.deps.Metrics,
	}
}

// Handler serves the API; its paths are those of the routes, without a prefix.
func (s *Service) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Answers depend on the caller's token, also where an intermediary caches them.
		w.Header().Set("Vary", "X-Auth-Token")
		s.handler.ServeHTTP(w, r)
	})
}

// Table is the API as data.
func (s *Service) Table() *api.Table { return s.table }

// Authenticate implements token.Authenticator.
func (s *Service) Authenticate(ctx context.Context, text string) (*token.Identity, error) {
	return s.caching.Authenticate(ctx, text)
}

// AuthenticateLate implements token.LateAuthenticator: within expiredWindow, of tokens that stand
// but for their time.
func (s *Service) AuthenticateLate(ctx context.Context, text string) (*token.Identity, error) {
	return s.identifyExpired(ctx, text)
}

// Ready tells whether the service can answer.
func (s *Service) Ready(ctx context.Context) error { return s.deps.DB.Ping(ctx) }

// newID mints an id in the form of this API: a UUID's 32 hexadecimal digits.
func (s *Service) newID() string {
	id := s.deps.Clock.ID()
	return id[0:8] + id[9:13] + id[14:18] + id[19:23] + id[24:]
}
