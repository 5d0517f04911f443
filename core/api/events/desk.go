package events

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"virga/core/api"
	"virga/core/authz"
	"virga/core/clock"
	"virga/core/db"
	"virga/core/feed"
	"virga/core/token"
)

// Path is where the row is, in every service.
const Path = "/events"

// The rules, behind the name of the service.
const (
	ruleIndex = ":events:index"
	ruleAll   = ":events:index:all_projects"
)

// Bounds of the streams of one service in one process.
const (
	maxStreams  = 256
	maxPerUser  = 16
	maxFilters  = 50
	maxName     = 255
	heartbeat   = 15 * time.Second
	slowAfter   = 20 * time.Second
	oldest      = "oldest"
	unknown     = -1
	contentType = "text/event-stream"
)

// Config is what a desk is made of.
type Config struct {
	DB    *db.DB
	Feed  *feed.Log
	Clock clock.Clock
	// Auth checks again and again that a stream's token still holds.
	Auth    token.Authenticator
	Log     *slog.Logger
	Metrics prometheus.Registerer
	// Kinds are the kinds of resources that others than administrators may hear of.
	Kinds map[string]Kind
	// Heartbeat is how often a quiet stream says that it is alive and its token is checked;
	// 0: 15 s. SlowAfter is how long a reader may take to read; 0: 20 s.
	Heartbeat, SlowAfter time.Duration
}

// Desk is where callers get the events of one service.
type Desk struct {
	Config
	service string
	tail    *tail

	mu      sync.Mutex
	streams int
	byUser  map[string]int
	closed  chan struct{}

	open    prometheus.Gauge
	dropped prometheus.Counter
}

// New makes the desk of a service.
func New(c Config) (*Desk, error) {
	if c.Heartbeat == 0 {
		c.Heartbeat = heartbeat
	}
	if c.SlowAfter == 0 {
		c.SlowAfter = slowAfter
	}
	service := c.Feed.Service()
	labels := prometheus.Labels{"service": service}
	d := &Desk{Config: c, service: service, tail: &tail{db: c.DB, log: c.Feed, say: c.Log}, byUser: map[string]int{}, closed: make(chan struct{}),
		open: prometheus.NewGauge(prometheus.GaugeOpts{Name: "virga_event_streams", Help: "Streams of events that are open.", ConstLabels: labels}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{Name: "virga_event_streams_dropped_total",
			Help: "Streams of events that ended because their reader was too slow.", ConstLabels: labels})}
	if c.Metrics == nil {
		return d, nil
	}
	return d, errors.Join(c.Metrics.Register(d.open), c.Metrics.Register(d.dropped))
}

// Service is the name of the service.
func (d *Desk) Service() string { return d.service }

// Rules are the defaults of the policy for a service's events.
func Rules(service string) []authz.Rule {
	operation := []authz.Operation{{Method: http.MethodGet, Path: Path}}
	return []authz.Rule{
		{Name: service + ruleIndex, Check: "role:admin or role:reader", Operations: operation,
			Description: "Hear of changes of the resources of one's own project, as far as one may see those resources."},
		{Name: service + ruleAll, Check: "role:admin", Operations: operation,
			Description: "Hear of every change, with everything that is known of it."},
	}
}

// Routes are the rows.
func (d *Desk) Routes() []api.Route {
	return []api.Route{{Method: http.MethodGet, Path: Path, Policy: d.service + ruleIndex, Handle: d.listen, Raw: true,
		Doc: "streams changes as they are made (server-sent events)"}}
}

// Close ends all streams, which tell their readers, and takes no more.
func (d *Desk) Close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	select {
	case <-d.closed:
	default:
		close(d.closed)
	}
}

// admit counts a stream in, or says why not.
func (d *Desk) admit(user string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	select {
	case <-d.closed:
		return api.Unavailable("The service is ending.")
	default:
	}
	if d.byUser[user] >= maxPerUser {
		return tooMany("You have %d streams of events open already.", maxPerUser)
	}
	if d.streams >= maxStreams {
		return tooMany("%d streams of events are open already.", maxStreams)
	}
	d.streams++
	d.byUser[user]++
	d.open.Set(float64(d.streams))
	return nil
}

func tooMany(format string, n int) error {
	e := api.Errorf(http.StatusTooManyRequests, format, n)
	e.Header = http.Header{"Retry-After": {"15"}}
	return e
}

func (d *Desk) dismiss(user string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.streams--
	if d.byUser[user]--; d.byUser[user] == 0 {
		delete(d.byUser, user)
	}
	d.open.Set(float64(d.streams))
}

// filter is what a caller wants to hear of; empty lists are everything.
type filter struct{ kinds, ids, actions, projects []string }

func (f *filter) takes(e *feed.Entry) bool {
	in := func(list []string, value string) bool { return len(list) == 0 || slices.Contains(list, value) }
	return in(f.kinds, e.Kind) && in(f.ids, e.ID) && in(f.actions, e.Action) && in(f.projects, e.OwnerProjectID)
}

func readFilter(r *api.Request) (filter, error) {
	var f filter
	for name, into := range map[string]*[]string{"kind": &f.kinds, "id": &f.ids, "action": &f.actions, "project_id": &f.projects} {
		values := r.Query[name]
		if len(values) > maxFilters {
			return f, api.BadRequest("At most %d values of %s are possible.", maxFilters, name)
		}
		for _, value := range values {
			if value == "" || len(value) > maxName {
				return f, api.BadRequest("Invalid value for %s: it must have 1 to %d characters.", name, maxName)
			}
		}
		*into = values
	}
	return f, nil
}

// readPosition tells behind which number the caller wants to begin. The header, which
// clients send when they connect again, goes before the query, which they repeat.
func readPosition(r *api.Request) (position int64, given bool, err error) {
	name, text := "Last-Event-ID", r.HTTP.Header.Get("Last-Event-ID")
	if text == "" {
		name, text = "after", r.Query.Get("after")
	}
	switch text {
	case "":
		return 0, false, nil
	case oldest:
		return feed.Oldest, true, nil
	}
	position, err = strconv.ParseInt(text, 10, 64)
	if err != nil || position < 0 {
		return 0, false, api.BadRequest("Invalid value for %s: it must be the number of an event, or %s.", name, oldest)
	}
	return position, true, nil
}

// listen answers with a stream.
func (d *Desk) listen(ctx context.Context, r *api.Request) (any, error) {
	wanted, err := readFilter(r)
	if err != nil {
		return nil, err
	}
	follow, given, err := r.Flag("follow")
	if err != nil {
		return nil, err
	}
	position, resumed, err := readPosition(r)
	if err != nil {
		return nil, err
	}
	newest, err := feed.Latest(ctx, d.DB)
	if err != nil {
		return nil, err
	}
	switch {
	case !resumed:
		position = newest
	case position > newest:
		return nil, api.BadRequest("There is no event %d yet; the newest is %d.", position, newest)
	default:
		var next []feed.Entry
		if next, err = feed.After(ctx, d.DB, position, 1); position == feed.Oldest {
			position = newest
			if len(next) > 0 {
				position = next[0].Seq - 1
			}
		}
	}
	if errors.Is(err, feed.ErrForgotten) {
		return nil, api.Errorf(http.StatusGone, "Events since %d are no longer kept. Begin anew, or with after=%s.", position, oldest)
	}
	if err != nil {
		return nil, err
	}
	user := r.UserID()
	if err := d.admit(user); err != nil {
		return nil, err
	}
	d.tail.join(newest)
	s := &stream{desk: d, ctx: ctx, request: r, user: user, wanted: wanted, position: position, told: unknown, follow: follow || !given,
		eyes: eyes{request: r, service: d.service, kinds: d.Kinds, all: r.Can(d.service+ruleAll, nil), lenses: map[string]lens{}}}
	header := http.Header{"Content-Type": {contentType}, "Cache-Control": {"no-store"}, "X-Accel-Buffering": {"no"}}
	return &api.Response{Status: http.StatusOK, Header: header, Stream: s}, nil
}
