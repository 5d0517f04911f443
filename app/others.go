package app

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"net/http/httptrace"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"virga/app/cluster"
	"virga/core/api"
	"virga/core/bus"
	"virga/core/conf"
	"virga/core/db"
	"virga/core/pki"
	"virga/core/token"
)

// Headers that processes of one cloud send each other, and nobody else.
const (
	identityHeader  = "X-Virga-Identity"
	requestIDHeader = "X-Virga-Request-Id"
	subjectHeader   = "X-Virga-Token"
	// lateHeader asks about a token whose time is over.
	lateHeader = "X-Virga-Late"
)

func insideHeaders() []string {
	return []string{identityHeader, requestIDHeader, subjectHeader, lateHeader}
}

const (
	// dialTimeout is how long a process may take to accept a connection.
	dialTimeout = 2 * time.Second
	// pingAfter is how long a connection may be silent before the other side is asked
	// whether it is there, and pingTimeout how long it may take to say so.
	pingAfter, pingTimeout = 5 * time.Second, 4 * time.Second
	// avoidFor is how long a process that was not reached is asked last.
	avoidFor = 10 * time.Second
	// attempts is how many processes are tried for one call.
	attempts = 3
)

// others reaches the services of other processes.
type others struct {
	recent      func(ctx context.Context) ([]cluster.Process, error)
	look        func()
	self        string
	credentials *pki.Credentials

	mu        sync.Mutex
	transport *http.Transport
	avoided   map[string]time.Time
}

func newOthers(c *cluster.Cluster, self string, credentials *pki.Credentials) *others {
	o := &others{recent: c.Recent, look: c.Look, self: self, credentials: credentials, avoided: map[string]time.Time{}}
	o.reconnect()
	return o
}

// reconnect has new calls use new connections, which show the newest certificate; calls
// under way are left alone.
func (o *others) reconnect() {
	fresh := newTransport(o.credentials, pki.Controller)
	fresh.ForceAttemptHTTP2, fresh.MaxIdleConnsPerHost = true, 64
	fresh.HTTP2 = &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout}
	o.mu.Lock()
	old := o.transport
	o.transport = fresh
	o.mu.Unlock()
	if old != nil {
		old.CloseIdleConnections()
	}
}

func (o *others) current() *http.Transport {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.transport
}

// to is the transport to a service.
func (o *others) to(service string) http.RoundTripper { return toService{o, service} }

type toService struct {
	others  *others
	service string
}

// RoundTrip implements http.RoundTripper. The identity and the request id in the context go
// along. Where a process is not reached, or went away before it answered a question that
// changes nothing, the next is asked.
func (t toService) RoundTrip(r *http.Request) (*http.Response, error) {
	body := &onceBody{inner: r.Body}
	defer body.release()
	if db.InTx(r.Context()) {
		return nil, errors.New("call " + r.URL.Path + ": a database transaction is open")
	}
	addresses, err := t.others.addresses(r.Context(), t.service)
	if err == nil && len(addresses) == 0 { // it may have come this moment
		t.others.look()
		addresses, err = t.others.addresses(r.Context(), t.service)
	}
	if err != nil {
		return nil, err
	}
	if len(addresses) == 0 {
		return nil, fmt.Errorf("call %s: no living process serves %s: %w", r.URL.Path, t.service, bus.ErrUnavailable)
	}
	var errs []error
	for _, address := range addresses[:min(len(addresses), attempts)] {
		sent, connected, err := outgoing(r, address, body)
		if err != nil {
			return nil, err
		}
		resp, err := t.others.current().RoundTrip(sent)
		if err == nil {
			body.handOver()
			return resp, nil
		}
		errs = append(errs, fmt.Errorf("ask %s: %w", address, err))
		if r.Context().Err() != nil {
			break
		}
		t.others.avoid(address)
		if body.begun() || connected.Load() && r.Method != http.MethodGet && r.Method != http.MethodHead {
			break
		}
	}
	return nil, fmt.Errorf("%w: %w", bus.ErrUnavailable, errors.Join(errs...))
}

// outgoing is a request as another process gets it. connected tells afterwards whether it may
// have arrived there.
func outgoing(r *http.Request, address string, body *onceBody) (out *http.Request, connected *atomic.Bool, err error) {
	connected = new(atomic.Bool)
	out = r.Clone(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	}))
	out.URL.Scheme, out.URL.Host, out.Host = "https", address, ""
	if r.Body != nil && r.Body != http.NoBody {
		out.Body, out.GetBody = body, nil
	}
	if id := api.RequestID(r.Context()); id != "" {
		out.Header.Set(requestIDHeader, id)
	}
	if identity, ok := token.IdentityFrom(r.Context()); ok {
		passed := *identity
		passed.AppCred.AccessRules = nil // they were for the caller's own request, and there may be many
		text, err := json.Marshal(&passed)
		if err != nil {
			return nil, nil, fmt.Errorf("pass on who calls: %w", err)
		}
		out.Header.Set(identityHeader, base64.RawURLEncoding.EncodeToString(text))
	}
	return out, connected, nil
}

// addresses lists where a service is served by others, those last that are silent or were
// not reached a moment ago. The first stays the same while the processes do, because what it remembers of
// a caller (a cursor, a page) helps with the next question; of two callers it is another.
func (o *others) addresses(ctx context.Context, service string) ([]string, error) {
	recent, err := o.recent(ctx)
	if err != nil {
		return nil, err
	}
	var good, bad []string
	now := time.Now()
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, p := range recent {
		switch {
		case p.ID == o.self || p.Address == "" || !p.Serves(service):
		case p.Silent || now.Sub(o.avoided[p.Address]) < avoidFor:
			bad = append(bad, p.Address)
		default:
			good = append(good, p.Address)
		}
	}
	if len(good) > 1 {
		slices.Sort(good)
		sum := fnv.New32a()
		_, _ = io.WriteString(sum, o.self+service) // a hash takes everything
		first := int(sum.Sum32() % uint32(len(good)))
		good = append(good[first:], good[:first]...)
	}
	return append(good, bad...), nil
}

// serving lists the services that are served by others and not here.
func (o *others) serving(ctx context.Context, here func(service string) bool) (names []string) {
	for _, service := range conf.Services() {
		if here(service) {
			continue
		}
		if addresses, err := o.addresses(ctx, service); err == nil && len(addresses) > 0 {
			names = append(names, service)
		}
	}
	return names
}

// avoid has a process that was not reached be asked last for a while.
func (o *others) avoid(address string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	for old, at := range o.avoided {
		if now.Sub(at) >= avoidFor {
			delete(o.avoided, old)
		}
	}
	o.avoided[address] = now
	o.look()
}

// onceBody is a request's body that several attempts may be made with as long as nobody has
// read of it.
type onceBody struct {
	inner io.ReadCloser
	read  atomic.Bool

	mu sync.Mutex
	// given tells that the attempt under way is the one that is answered, closed that it
	// needs the body no more.
	given, closed bool
}

// Read implements io.Reader.
func (b *onceBody) Read(p []byte) (int, error) {
	b.read.Store(true)
	return b.inner.Read(p)
}

// Close implements io.Closer. An attempt that failed does not take the body from the next.
func (b *onceBody) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	if b.given && b.inner != nil {
		return b.inner.Close()
	}
	return nil
}

func (b *onceBody) begun() bool { return b.read.Load() }

// handOver leaves the body to the attempt that is answered.
func (b *onceBody) handOver() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.given = true; b.closed && b.inner != nil {
		_ = b.inner.Close()
	}
}

// release closes the body where no attempt was answered.
func (b *onceBody) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.given && b.inner != nil {
		_ = b.inner.Close()
	}
}
