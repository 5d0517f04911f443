package api

import (
	"context"
	"net/http"
	"regexp"
	"strings"
	"time"

	"virga/core/clock"
)

// foreignIdentity are headers by which other deployments pass an identity on behind
// their edge. Virga never reads them; they are dropped so that nothing ever can.
var foreignIdentity = []string{
	"X-Identity-Status", "X-Service-Identity-Status", "X-User", "X-User-Id", "X-User-Name", "X-User-Domain-Id", "X-User-Domain-Name",
	"X-Role", "X-Roles", "X-Tenant", "X-Tenant-Id", "X-Tenant-Name", "X-Project-Id", "X-Project-Name", "X-Project-Domain-Id",
	"X-Project-Domain-Name", "X-Domain-Id", "X-Domain-Name", "X-Service-Catalog", "X-Is-Admin-Project", "X-Service-Roles",
	"X-Service-User-Id", "X-Service-User-Name", "X-Service-Project-Id", "X-Service-Project-Name", "X-Instance-Id",
	"X-Instance-Id-Signature", "X-System-Scope", "Openstack-System-Scope",
}

type requestIDKey struct{}

// RequestID is the id of the request that ctx belongs to, or empty.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// WithRequestID has calls made under the context carry the id.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}

// globalRequestID is what oslo.middleware lets through as a caller's own request id.
var globalRequestID = regexp.MustCompile(`^req-[A-Fa-f0-9]{8}-([A-Fa-f0-9]{4}-){3}[A-Fa-f0-9]{12}$`)

// Edge is the outermost handler: it gives requests their id, drops identity headers and
// hands each request to the service whose prefix ("/compute") its path begins with. The
// prefix is taken off. Paths of no service go to fallback.
type Edge struct {
	Clock    clock.Clock
	Services map[string]http.Handler
	Fallback http.Handler
}

// ServeHTTP implements http.Handler.
func (e *Edge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // that of the request before; not every writer has any
	id := RequestID(r.Context())                                    // an in-process caller's
	if id == "" {
		id = "req-" + e.Clock.ID()
		if given := r.Header.Get("X-Openstack-Request-Id"); globalRequestID.MatchString(given) {
			w.Header().Set("X-Openstack-Global-Request-Id", given)
		}
		for _, name := range foreignIdentity {
			r.Header.Del(name)
		}
	}
	w.Header().Set("X-Openstack-Request-Id", id)
	ctx := WithRequestID(r.Context(), id)
	prefix, rest := splitPrefix(r.URL.Path)
	service := e.Services[prefix]
	if service == nil {
		e.Fallback.ServeHTTP(w, r.WithContext(ctx))
		return
	}
	inner := r.WithContext(ctx)
	address := *r.URL
	address.Path = rest
	if address.RawPath != "" {
		_, address.RawPath = splitPrefix(address.RawPath)
	}
	inner.URL = &address
	service.ServeHTTP(w, inner)
}

// splitPrefix splits "/compute/v2.1/servers" into "/compute" and "/v2.1/servers".
func splitPrefix(path string) (prefix, rest string) {
	if !strings.HasPrefix(path, "/") {
		return "", path
	}
	if i := strings.IndexByte(path[1:], '/'); i >= 0 {
		return path[:i+1], path[i+1:]
	}
	return path, "/"
}
