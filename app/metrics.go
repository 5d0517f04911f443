package app

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"golang.org/x/sync/errgroup"

	"virga/core/obs"
)

// watchPages are the pages by which a process is watched; metrics are shown to those who may
// read them.
func (cl *cloud) watchPages(metrics http.Handler) map[string]http.Handler {
	return map[string]http.Handler{"/healthz": obs.Alive(), "/readyz": cl.health.Ready(), "/metrics": metrics}
}

// guardedMetrics shows metrics to who brings the token; without a token to programs on this
// machine. What came by a proxy is from elsewhere, wherever the proxy is.
func (cl *cloud) guardedMetrics() http.Handler {
	return cl.metricsFor(func(r *http.Request) bool {
		for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via"} {
			if r.Header.Get(name) != "" {
				return false
			}
		}
		peer, err := netip.ParseAddrPort(r.RemoteAddr)
		return err == nil && peer.Addr().Unmap().IsLoopback()
	})
}

// metricsFor shows metrics to who brings the token, or, when there is none, to those who are
// let in.
func (cl *cloud) metricsFor(lets func(*http.Request) bool) http.Handler {
	page, token := obs.Metrics(cl.metrics), cl.conf.MetricsToken.Reveal()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case token != "" && !bears(r, token):
			w.Header().Set("Www-Authenticate", `Bearer realm="metrics"`)
			http.Error(w, "the token of the setting metrics-token is required", http.StatusUnauthorized)
		case token == "" && !lets(r):
			http.Error(w, "metrics are for programs on this machine; the settings metrics-token and metrics-listen let others read them", http.StatusForbidden)
		default:
			page.ServeHTTP(w, r)
		}
	})
}

// bears tells whether a request shows a token, in a time that tells nothing of it.
func bears(r *http.Request, token string) bool {
	scheme, shown, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	got, want := sha256.Sum256([]byte(strings.TrimSpace(shown))), sha256.Sum256([]byte(token))
	return strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(got[:], want[:]) == 1
}

// serveMetrics serves the address of metrics-listen, where there is one, until ctx ends.
func (cl *cloud) serveMetrics(ctx context.Context, group *errgroup.Group) error {
	if cl.conf.MetricsListen == "" {
		return nil
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", cl.conf.MetricsListen)
	if err != nil {
		return fmt.Errorf("listen for readers of metrics: %w", err)
	}
	pages := cl.watchPages(cl.metricsFor(func(*http.Request) bool { return true }))
	cl.serveHTTP(ctx, group, &http.Server{Handler: only(pages), ConnState: newNewcomers(maxNewcomers).observe}, listener)
	return nil
}

// only serves some pages and nothing else.
func only(pages map[string]http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch page := pages[r.URL.Path]; {
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
