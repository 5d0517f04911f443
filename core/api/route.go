package api

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"virga/core/authz"
	"virga/core/token"
)

// Route is one row of a service's API.
type Route struct {
	Method string
	// Path has {name} for one segment and, at its end, {name...} for all that follow.
	Path string
	// Policy is the rule that is enforced before the handler.
	Policy string
	// Public rows need no token and have no policy.
	Public bool
	Handle Handler
	// Load finds the resource that the path names; the policy is enforced on it and the
	// handler finds it as Request.Target.
	Load Loader
	// Status of a good answer; 0 means 200, or 204 when the handler returns nil.
	Status int
	// Since and Until bound the microversions that have the row; zero means no bound.
	Since, Until Version
	// Body names the JSON Schema of the request body; empty: no JSON body is expected.
	Body string
	// Raw rows read the body themselves, as a stream, without limit of size or time.
	Raw bool
	// MaxBody is the greatest size of a JSON body in bytes; 0 means 1 MiB.
	MaxBody int64
	// Doc says in half a sentence what the row does.
	Doc string
}

// Handler does what a row is for. It returns nil, a *Response, or a value that is
// encoded as JSON.
type Handler func(ctx context.Context, r *Request) (any, error)

// Loader finds the target of a row, or returns an error (404 for what the caller may not see).
type Loader func(ctx context.Context, r *Request) (Target, error)

// Target is a loaded resource.
type Target interface {
	// PolicyTarget is what policy rules may refer to: project_id, user_id, ….
	PolicyTarget() authz.Target
}

// Hidden is a Target whose existence is not told to callers that the policy refuses.
type Hidden interface {
	// HiddenError is the 404 that takes the place of 403.
	HiddenError() error
}

// Response is an answer with more than a JSON value.
type Response struct {
	// Status 0 means the row's.
	Status int
	Header http.Header
	// Body is encoded as JSON; nil: no body. Stream, if set, is copied and closed instead.
	Body   any
	Stream Stream
}

// Stream is a body that is copied to the client; WriteTo, where it has one, is used.
type Stream interface {
	Read(p []byte) (int, error)
	Close() error
}

// Table is the API of one service.
type Table struct {
	// Service is its name in logs and metrics, Type its type in the catalog.
	Service, Type string
	// Endpoint is the address at which clients reach the service, without a slash at
	// its end; links are built from it.
	Endpoint string
	Routes   []Route
	Versions *Versions
	// SlashCounts refuses a slash at the end of paths below a version's own, as Nova and
	// Glance do: it is an empty id, and no client is to get a list or a deletion for it.
	// Rows that take the rest of a path take the slash, too.
	SlashCounts bool
	// MethodsByVersion answers 404 to a method that a path has in other versions only, as Nova
	// does; without it the answer is 405.
	MethodsByVersion bool
	// Admit, if set, is asked before anything of a request but who it is from is looked at: to
	// limit how many there are.
	Admit func(ctx context.Context, r *Request) error
	// CheckQuery, if set, refuses parameters of a query that the row does not have in the
	// request's version.
	CheckQuery func(row *Route, r *Request) error
	Errors     ErrorStyle
	// RequestIDHeader is an older header for the request id, besides X-Openstack-Request-Id.
	RequestIDHeader string
	Schemas         fs.FS
	// Compiled keeps what was compiled of the schemas; nil: this table's alone.
	Compiled *Compiled
	Policy   *authz.Enforcer
	Auth     token.Authenticator
	// AuthenticateURI is told to clients that have no valid token.
	AuthenticateURI string
	Log             *slog.Logger
	Metrics         prometheus.Registerer
}

// check finds mistakes in the rows when the service starts.
func (t *Table) check() error {
	for _, row := range t.Routes {
		name := row.Method + " " + row.Path
		switch {
		case row.Handle == nil:
			return fmt.Errorf("route %s has no handler", name)
		case row.Public == (row.Policy != ""):
			return fmt.Errorf("route %s must have a policy rule or be public, and not both", name)
		case row.Policy != "" && !t.Policy.Has(row.Policy):
			return fmt.Errorf("route %s: no policy rule %q", name, row.Policy)
		case row.Raw && row.Body != "":
			return fmt.Errorf("route %s reads a raw body and names a schema", name)
		case t.Versions == nil && (!row.Since.IsZero() || !row.Until.IsZero()):
			return fmt.Errorf("route %s has versions but the API has none", name)
		}
	}
	if t.Errors == nil || t.Auth == nil || t.Log == nil || t.Policy == nil {
		return errors.New("a table needs Errors, Auth, Policy and Log")
	}
	return nil
}

// accepts tells whether the row is there in a version.
func (r *Route) accepts(v Version) bool {
	return (r.Since.IsZero() || v.AtLeast(r.Since)) && (r.Until.IsZero() || !r.Until.Before(v))
}
