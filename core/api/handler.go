package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"virga/core/authz"
	"virga/core/bus"
	"virga/core/db"
	"virga/core/token"
)

const (
	defaultMaxBody = 1 << 20
	// requestTimeout bounds every request but those with raw bodies.
	requestTimeout = 60 * time.Second
	// bodyTimeout bounds how long a body may take to arrive, those of raw rows apart, and
	// answerTimeout how long a client may take to read an answer that is no stream.
	bodyTimeout   = 30 * time.Second
	answerTimeout = 60 * time.Second
)

// server is the handler of a table.
type server struct {
	table   *Table
	router  router
	schemas schemas
	seconds *prometheus.HistogramVec
	// bodyTimeout is the constant of that name but in tests.
	bodyTimeout time.Duration
}

// NewHandler makes the handler of a table, or says what is wrong with its rows.
func NewHandler(t *Table) (http.Handler, error) {
	if err := t.check(); err != nil {
		return nil, fmt.Errorf("%s API: %w", t.Service, err)
	}
	s := &server{table: t, schemas: schemas{t.Schemas, t.Compiled}, bodyTimeout: bodyTimeout}
	if s.schemas.Compiled == nil {
		s.schemas.Compiled = &Compiled{}
	}
	for i := range t.Routes {
		if err := s.router.add(&t.Routes[i]); err != nil {
			return nil, fmt.Errorf("%s API: %w", t.Service, err)
		}
	}
	s.seconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "virga_http_request_seconds", Help: "Time from the request's head to the end of the answer, by route.",
		ConstLabels: prometheus.Labels{"service": t.Service}, Buckets: prometheus.ExponentialBuckets(0.0005, 4, 9),
	}, []string{"method", "route", "status"})
	if t.Metrics != nil {
		if err := t.Metrics.Register(s.seconds); err != nil {
			return nil, fmt.Errorf("%s API: %w", t.Service, err)
		}
	}
	return s, nil
}

// CompileSchemas compiles every schema that a row names; services call it in a test.
func CompileSchemas(t *Table) error {
	s := schemas{t.Schemas, &Compiled{}}
	for _, row := range t.Routes {
		if row.Body == "" {
			continue
		}
		if _, err := s.get(row.Body); err != nil {
			return err
		}
	}
	return nil
}

// ServeHTTP implements http.Handler.
func (s *server) ServeHTTP(w http.ResponseWriter, hr *http.Request) {
	began := time.Now()
	r := &Request{HTTP: hr, ID: RequestID(hr.Context()), Query: hr.URL.Query(), table: s.table}
	counted := &countingWriter{ResponseWriter: w}
	defer func() {
		route := "unknown"
		if r.route != nil {
			route = r.route.Path
		}
		s.seconds.WithLabelValues(methodLabel(hr.Method), route, strconv.Itoa(counted.status)).Observe(time.Since(began).Seconds())
		s.table.Log.DebugContext(hr.Context(), "request", "method", hr.Method, "path", hr.URL.Path,
			"status", counted.status, "seconds", time.Since(began).Seconds())
	}()
	defer s.recover(counted, r)
	if s.table.RequestIDHeader != "" {
		w.Header().Set(s.table.RequestIDHeader, r.ID)
	}
	result, err := s.handle(counted, r)
	if err != nil {
		s.writeError(counted, r, err)
		return
	}
	s.write(counted, r, result)
}

// handle does everything up to the answer. While a body is outstanding that nobody wants
// to be slow, reads have a deadline; also when the request is refused, because the server
// waits for the rest of the body then.
func (s *server) handle(w http.ResponseWriter, r *Request) (any, error) {
	connection := http.NewResponseController(w)
	arriveBy := func(at time.Time) { _ = connection.SetReadDeadline(at) } // not every writer has deadlines
	outstanding := r.HTTP.ContentLength != 0
	if outstanding {
		arriveBy(time.Now().Add(s.bodyTimeout))
	}
	if err := s.negotiate(w.Header(), r); err != nil {
		return nil, err
	}
	if err := s.route(w.Header(), r); err != nil {
		return nil, err
	}
	ctx := r.HTTP.Context()
	if !r.route.Raw {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, requestTimeout)
		defer cancel()
	}
	if err := s.authenticate(ctx, w.Header(), r); err != nil {
		return nil, err
	}
	if r.Identity != nil { // calls to neighbours are made as the caller
		ctx = token.WithIdentity(ctx, r.Identity)
	}
	if s.table.Admit != nil {
		if err := s.table.Admit(ctx, r); err != nil {
			return nil, err
		}
	}
	if err := s.authorize(ctx, r); err != nil {
		return nil, err
	}
	if s.table.CheckQuery != nil && len(r.Query) > 0 {
		if err := s.table.CheckQuery(r.route, r); err != nil {
			return nil, err
		}
	}
	if err := s.readBody(r); err != nil {
		return nil, err
	}
	if outstanding && (r.route.Raw || r.route.Body != "") {
		arriveBy(time.Time{})
	}
	if outstanding && r.route.Raw {
		defer func() { arriveBy(time.Now().Add(s.bodyTimeout)) }() // what the handler has left of the body
	}
	return r.route.Handle(ctx, r)
}

func (s *server) readBody(r *Request) (err error) {
	if r.route.Body == "" {
		return nil
	}
	limit := r.route.MaxBody
	if limit == 0 {
		limit = defaultMaxBody
	}
	r.Body, err = s.schemas.readBody(r.HTTP.Body, limit, r.route.Body, r.Relaxed())
	return err
}

func (s *server) negotiate(header http.Header, r *Request) error {
	v := s.table.Versions
	if v == nil {
		return nil
	}
	version, wrong := v.negotiate(r.HTTP.Header)
	if wrong != nil {
		v.announce(header, v.Min)
		return wrong
	}
	v.announce(header, version)
	r.Version = version
	return nil
}

// route finds the row: 404 when the path has none in this version, 405 when none has the method.
func (s *server) route(header http.Header, r *Request) error {
	path := r.HTTP.URL.EscapedPath()
	rows, values := s.router.find(path, r.Version)
	if s.table.SlashCounts && strings.HasSuffix(path, "/") && len(segments(path)) > 1 {
		rows = slices.DeleteFunc(slices.Clone(rows), func(row routed) bool { return !strings.HasSuffix(row.route.Path, "...}") })
	}
	method := r.HTTP.Method
	var allowed []string
	for _, row := range rows {
		if row.route.Method == method || method == http.MethodHead && row.route.Method == http.MethodGet && r.route == nil {
			r.route, r.names, r.values = row.route, row.names, values
		}
		if !slices.Contains(allowed, row.route.Method) {
			allowed = append(allowed, row.route.Method)
		}
	}
	switch {
	case r.route != nil:
		return nil
	case len(allowed) > 0 && !s.otherwise(path, method):
		slices.Sort(allowed)
		header.Set("Allow", strings.Join(allowed, ", "))
		return Errorf(http.StatusMethodNotAllowed, "The method %s is not allowed for this resource.", method)
	}
	return NotFound("The resource could not be found.")
}

// otherwise tells whether a path has the method in another version and that counts.
func (s *server) otherwise(path, method string) bool {
	if !s.table.MethodsByVersion {
		return false
	}
	rows, _ := s.router.find(path, anyVersion)
	return slices.ContainsFunc(rows, func(row routed) bool { return row.route.Method == method })
}

// authorize loads the target and enforces the row's rule on it.
func (s *server) authorize(ctx context.Context, r *Request) error {
	target := r.ownTarget()
	if r.route.Load != nil {
		loaded, err := r.route.Load(ctx, r)
		if err != nil {
			return err
		}
		r.Target, target = loaded, loaded.PolicyTarget()
	}
	if r.route.Public || s.table.Policy.Enforce(r.route.Policy, r.creds, target).Allowed {
		return nil
	}
	if hidden, ok := r.Target.(Hidden); ok {
		if err := hidden.HiddenError(); err != nil && !s.owns(r, target) {
			return err
		}
	}
	return Forbidden("Policy doesn't allow %s to be performed.", r.route.Policy)
}

// owns tells whether the target belongs to the caller's project.
func (s *server) owns(r *Request, target authz.Target) bool {
	project, ok := target["project_id"].(string)
	return ok && project != "" && project == r.ProjectID()
}

func (s *server) write(w http.ResponseWriter, r *Request, result any) {
	if response, ok := result.(*Response); !ok || response.Stream == nil {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerTimeout)) // not every writer has deadlines
	}
	response, ok := result.(*Response)
	if !ok {
		response = &Response{Body: result}
	}
	status := response.Status
	if status == 0 {
		status = r.route.Status
	}
	if status == 0 {
		status = http.StatusOK
		if response.Body == nil && response.Stream == nil {
			status = http.StatusNoContent
		}
	}
	for key, values := range response.Header {
		w.Header()[http.CanonicalHeaderKey(key)] = values
	}
	switch {
	case response.Stream != nil:
		s.stream(w, r, status, response.Stream)
	case response.Body == nil:
		if status != http.StatusNoContent && status != http.StatusNotModified {
			w.Header().Set("Content-Length", "0")
		}
		w.WriteHeader(status)
	default:
		body, err := json.Marshal(response.Body)
		if err != nil {
			s.writeError(w, r, fmt.Errorf("encode answer: %w", err))
			return
		}
		if w.Header().Get("Content-Type") == "" {
			w.Header().Set("Content-Type", "application/json")
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(status)
		_, _ = w.Write(body) // a client that is gone needs no answer
	}
}

// stream copies a body; when it breaks off the connection is cut, so that the client
// sees that something is missing.
func (s *server) stream(w http.ResponseWriter, r *Request, status int, stream Stream) {
	defer func() { _ = stream.Close() }()
	w.WriteHeader(status)
	if r.HTTP.Method == http.MethodHead {
		return
	}
	if _, err := io.Copy(w, stream); err != nil {
		if r.HTTP.Context().Err() == nil {
			s.table.Log.WarnContext(r.HTTP.Context(), "answer broke off", "path", r.HTTP.URL.Path, "error", err)
		}
		panic(http.ErrAbortHandler)
	}
}

// passes tells of an error that it is no bug but a state that the same request may not meet again.
func passes(err error) bool {
	return errors.Is(err, db.ErrUnavailable) || errors.Is(err, bus.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded)
}

func (s *server) writeError(w http.ResponseWriter, r *Request, err error) {
	var e *Error
	known := errors.As(err, &e)
	if (!known || e.Status >= 500 && e.cause != nil) && r.HTTP.Context().Err() == nil {
		level := slog.LevelError
		if known && e.Status == http.StatusServiceUnavailable || !known && passes(err) {
			level = slog.LevelWarn
		}
		s.table.Log.Log(r.HTTP.Context(), level, "request failed", "method", r.HTTP.Method, "path", r.HTTP.URL.Path, "error", err)
	}
	switch {
	case known:
	case !writableAddress(r):
		e = BadRequest("The address is not UTF-8 text or has the character NUL in it.")
	case errors.Is(err, db.ErrUnavailable):
		e = Unavailable("The database cannot serve this now. Please try again.")
	case errors.Is(err, bus.ErrUnavailable):
		e = Unavailable("The parts of the cloud do not reach each other now. Please try again.")
	case errors.Is(err, context.DeadlineExceeded):
		e = Unavailable("The request took too long. Please try again.")
	default:
		e = Errorf(http.StatusInternalServerError, "An unexpected error prevented the server from fulfilling your request.")
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerTimeout)) // not every writer has deadlines
	for key, values := range e.Header {
		w.Header()[http.CanonicalHeaderKey(key)] = values
	}
	contentType, body := s.table.Errors(e, r)
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(e.Status)
	_, _ = w.Write(body)
}

// recover turns a panic of one request into its 500 and leaves the others alone.
func (s *server) recover(w *countingWriter, r *Request) {
	cause := recover()
	switch {
	case cause == nil:
		return
	case cause == http.ErrAbortHandler: //nolint:errorlint // the sentinel of net/http is compared as it says
		panic(cause)
	}
	s.table.Log.ErrorContext(r.HTTP.Context(), "request panicked", "method", r.HTTP.Method, "path", r.HTTP.URL.Path,
		"cause", cause, "stack", string(debug.Stack()))
	if w.status != 0 { // the client must see that the rest of the answer is missing
		panic(http.ErrAbortHandler)
	}
	s.writeError(w, r, Errorf(http.StatusInternalServerError, "An unexpected error prevented the server from fulfilling your request."))
}

// methodLabel keeps methods that clients invent out of the metrics.
func methodLabel(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
		return method
	}
	return "other"
}

// countingWriter remembers the status.
type countingWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (c *countingWriter) WriteHeader(status int) {
	c.status = status
	c.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (c *countingWriter) Write(p []byte) (int, error) {
	if c.status == 0 {
		c.status = http.StatusOK
	}
	return c.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the connection.
func (c *countingWriter) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// ReadFrom keeps the way of sendfile open.
func (c *countingWriter) ReadFrom(src io.Reader) (int64, error) {
	if to, ok := c.ResponseWriter.(io.ReaderFrom); ok {
		return to.ReadFrom(src)
	}
	return io.Copy(struct{ io.Writer }{c.ResponseWriter}, src)
}
