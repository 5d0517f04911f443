// Package obs is how Virga is watched: structured logs, metrics, health.
//
// It owns the log handler, the registry of metrics and the three addresses /healthz,
// /readyz and /metrics (who may read the last is up to app). Metric names are declared by those who measure. Everybody may
// import it; it imports nothing of Virga.
package obs

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// NewLogger writes records of at least the level ("debug", "info", "warn", "error") to
// out, as text or as JSON. Each record gets the attributes that fromContext finds in the
// context it was logged under.
func NewLogger(out io.Writer, level, format string, fromContext func(context.Context) []slog.Attr) (*slog.Logger, error) {
	var least slog.Level
	if err := least.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("log level %q is none of debug, info, warn, error", level)
	}
	options := &slog.HandlerOptions{Level: least}
	var handler slog.Handler
	switch format {
	case "text":
		handler = slog.NewTextHandler(out, options)
	case "json":
		handler = slog.NewJSONHandler(out, options)
	default:
		return nil, fmt.Errorf("log format %q is neither text nor json", format)
	}
	return slog.New(contextHandler{handler, fromContext}), nil
}

type contextHandler struct {
	slog.Handler
	fromContext func(context.Context) []slog.Attr
}

// Handle implements slog.Handler.
func (h contextHandler) Handle(ctx context.Context, record slog.Record) error {
	if h.fromContext != nil {
		record = record.Clone() // other handlers may hold the same record
		record.AddAttrs(h.fromContext(ctx)...)
	}
	return h.Handler.Handle(ctx, record)
}

// WithAttrs implements slog.Handler.
func (h contextHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return contextHandler{h.Handler.WithAttrs(attrs), h.fromContext}
}

// WithGroup implements slog.Handler.
func (h contextHandler) WithGroup(name string) slog.Handler {
	return contextHandler{h.Handler.WithGroup(name), h.fromContext}
}

// NewRegistry returns a registry with the process's own figures in it.
func NewRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// Metrics answers with the registry in Prometheus' text form.
func Metrics(r *prometheus.Registry) http.Handler {
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{})
}

// Check tells whether a part works; it gets little time.
type Check func(ctx context.Context) error

// Health knows the parts of the process and whether they are ready.
type Health struct {
	mu     sync.Mutex
	checks map[string]Check
	order  []string
}

// Add has part checked by /readyz.
func (h *Health) Add(part string, check Check) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.checks == nil {
		h.checks = map[string]Check{}
	}
	if h.checks[part] == nil {
		h.order = append(h.order, part)
	}
	h.checks[part] = check
}

// checkTimeout bounds all checks of one request together.
const checkTimeout = 3 * time.Second

// Ready answers 200 when every part works and 503 otherwise, with a line for each part.
func (h *Health) Ready() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), checkTimeout)
		defer cancel()
		h.mu.Lock()
		order, checks := slices.Clone(h.order), maps.Clone(h.checks)
		h.mu.Unlock()
		status := http.StatusOK
		parts := map[string]string{}
		for _, part := range order {
			parts[part] = "ok"
			if err := checks[part](ctx); err != nil {
				parts[part], status = "not ready", http.StatusServiceUnavailable
			}
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]any{"ready": status == http.StatusOK, "parts": parts}) // a client that is gone needs no answer
	})
}

// Alive answers 200 as long as the process answers at all.
func Alive() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, "{\"alive\":true}\n")
	})
}
