package app

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"virga/app/cluster"
	"virga/core/api"
	"virga/core/clock"
	"virga/core/db"
	"virga/core/db/dbtest"
	"virga/core/pki"
	"virga/core/token"
)

// certified is a process with a certificate of an authority.
func certified(t *testing.T, authority *pki.Authority, kind pki.Kind) *pki.Credentials {
	t.Helper()
	c, err := pki.OpenCredentials(t.TempDir(), clock.System{})
	if err != nil {
		t.Fatal(err)
	}
	subject := pki.Subject{Kind: kind, Name: "host"}
	text, err := c.Request(subject, pki.Names{})
	if err != nil {
		t.Fatal(err)
	}
	request, err := pki.ParseRequest(text)
	if err != nil {
		t.Fatal(err)
	}
	issued, err := authority.Issue(request, subject, pki.Names{}, pki.DefaultLife)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Accept(issued.Chain, subject); err != nil {
		t.Fatal(err)
	}
	return c
}

func newAuthority(t *testing.T) *pki.Authority {
	t.Helper()
	a, err := pki.NewAuthority(clock.System{}, "test")
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// seen is what a service of another process sees of a request.
type seen struct {
	User, Request, Foreign, Body, Path string
	Headers                            bool
}

// authenticator knows one token.
type authenticator struct{}

// Authenticate implements token.Authenticator.
func (authenticator) Authenticate(_ context.Context, text string) (*token.Identity, error) {
	switch text {
	case "good":
		return &token.Identity{UserID: "amélie\x7f", AuditIDs: []string{"a"}}, nil
	case "late":
		return nil, token.ErrExpired
	case "trouble":
		return nil, errors.New("the database is away")
	}
	return nil, token.ErrInvalid
}

// AuthenticateLate implements token.LateAuthenticator.
func (authenticator) AuthenticateLate(_ context.Context, text string) (*token.Identity, error) {
	if text == "late" {
		return &token.Identity{UserID: "late"}, nil
	}
	return nil, token.ErrInvalid
}

// otherProcess runs a process that serves identity and image; it returns its address.
func otherProcess(t *testing.T, credentials *pki.Credentials) string {
	t.Helper()
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		identity, _ := token.IdentityFrom(r.Context())
		body, _ := io.ReadAll(r.Body)
		s := seen{Request: api.RequestID(r.Context()), Foreign: r.Header.Get("X-Auth-Token"), Body: string(body), Path: r.URL.Path}
		if identity != nil {
			s.User = identity.UserID
		}
		for _, name := range insideHeaders() {
			s.Headers = s.Headers || r.Header.Get(name) != ""
		}
		_ = json.NewEncoder(w).Encode(s)
	})
	cl := &cloud{credentials: credentials, auth: authenticator{}, log: slog.New(slog.DiscardHandler), clock: clock.System{}}
	cl.edge = &api.Edge{Clock: cl.clock, Services: map[string]http.Handler{"/identity": echo, "/image": echo}, Fallback: http.NotFoundHandler()}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: cl.inside(func(context.Context, connectedMember) error { return nil })}
	settings := credentials.ServerOf(pki.Controller)
	settings.NextProtos = []string{"h2", "http/1.1"}
	go func() { _ = server.Serve(tls.NewListener(listener, settings)) }()
	t.Cleanup(func() { _ = server.Close() })
	return listener.Addr().String()
}

// gone is an address that nobody listens at any more.
func gone(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

// reaching is the ways to processes at addresses.
func reaching(credentials *pki.Credentials, addresses ...string) *others {
	o := newOthers(new(cluster.Cluster), "me", credentials)
	o.look = func() {}
	o.recent = func(context.Context) ([]cluster.Process, error) {
		list := []cluster.Process{{ID: o.self, Services: []string{"image"}, Address: "127.0.0.1:1"}}
		for _, address := range addresses {
			list = append(list, cluster.Process{ID: address, Services: []string{"identity", "image"}, Address: address})
		}
		return list, nil
	}
	return o
}

func TestCallsReachOtherProcessesAsTheirCaller(t *testing.T) {
	authority := newAuthority(t)
	server, here := certified(t, authority, pki.Controller), certified(t, authority, pki.Controller)
	living := []string{gone(t), otherProcess(t, server), gone(t)}
	const id = "req-00000000-0000-4000-8000-000000000001"
	ctx := api.WithRequestID(token.WithIdentity(t.Context(), &token.Identity{UserID: "amélie\x7f"}), id)
	var client api.Client
	var o *others
	for caller := range 9 { // each process is first for some
		o = reaching(here, living...)
		o.self = fmt.Sprint(caller)
		client = api.Client{HTTP: &http.Client{Transport: o.to("image")}, Base: internalBase + "image"}
		var s seen
		if err := client.Do(ctx, http.MethodPost, "/v2/images", map[string]string{"a": "b"}, &s); err != nil {
			t.Fatal(err)
		}
		want := seen{User: "amélie\x7f", Request: id, Body: `{"a":"b"}`, Path: "/v2/images"}
		if s != want {
			t.Errorf("the service sees %+v, want %+v", s, want)
		}
	}
	stream := io.MultiReader(strings.NewReader("a stream that "), strings.NewReader("cannot be read twice"))
	resp, err := client.Open(ctx, http.MethodPut, "/v2/images/x/file", stream)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var s seen
	if err := json.NewDecoder(resp.Body).Decode(&s); err != nil || s.Body != "a stream that cannot be read twice" {
		t.Errorf("the body arrives as %q, %v", s.Body, err)
	}
	if err := client.Do(ctx, http.MethodGet, "/x", nil, nil); err != nil {
		t.Error(err)
	}
	nobody := api.Client{HTTP: &http.Client{Transport: o.to("compute")}, Base: internalBase + "compute"}
	if err := nobody.Do(ctx, http.MethodGet, "/x", nil, nil); err == nil || !strings.Contains(err.Error(), "no living process serves compute") {
		t.Errorf("a service that nobody serves: %v", err)
	}
	all := reaching(here, gone(t), gone(t))
	client.HTTP.Transport = all.to("image")
	if err := client.Do(ctx, http.MethodGet, "/x", nil, nil); err == nil {
		t.Error("processes that are gone answer")
	}
}

func TestOthersSayWhoBearsAToken(t *testing.T) {
	authority := newAuthority(t)
	o := reaching(certified(t, authority, pki.Controller), otherProcess(t, certified(t, authority, pki.Controller)))
	ask := asker{o.to("identity")}
	if identity, err := ask.Authenticate(t.Context(), "good"); err != nil || identity.UserID != "amélie\x7f" || identity.AuditID() != "a" {
		t.Errorf("%+v, %v", identity, err)
	}
	for text, want := range map[string]error{"late": token.ErrExpired, "other": token.ErrInvalid} {
		if _, err := ask.Authenticate(t.Context(), text); !errors.Is(err, want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if identity, err := ask.AuthenticateLate(t.Context(), "late"); err != nil || identity.UserID != "late" {
		t.Errorf("whose a late token was: %+v, %v", identity, err)
	}
	if _, err := ask.AuthenticateLate(t.Context(), "other"); !errors.Is(err, token.ErrInvalid) {
		t.Errorf("whose another was: %v", err)
	}
	if _, err := ask.Authenticate(t.Context(), "trouble"); err == nil || errors.Is(err, token.ErrInvalid) || errors.Is(err, token.ErrExpired) {
		t.Errorf("trouble there: %v", err)
	}
}

// TestOnlyControllersGetInside tries the address for other processes without a certificate,
// with a node's and with one of another cloud.
func TestOnlyControllersGetInside(t *testing.T) {
	authority := newAuthority(t)
	address := otherProcess(t, certified(t, authority, pki.Controller))
	for name, config := range map[string]*tls.Config{
		"nobody": {InsecureSkipVerify: true},
		"a node": certified(t, authority, pki.Node).ClientOf(pki.Controller),
		"another cloud": func() *tls.Config {
			c := certified(t, newAuthority(t), pki.Controller).Client()
			c.InsecureSkipVerify = true
			c.VerifyConnection = nil
			return c
		}(),
	} {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: config}}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+address+authenticatePath, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set(subjectHeader, "good")
		if resp, err := client.Do(r); err == nil {
			_ = resp.Body.Close()
			t.Errorf("%s gets %s", name, resp.Status)
		}
	}
	stranger := reaching(certified(t, newAuthority(t), pki.Controller), address)
	if _, err := (asker{stranger.to("identity")}).Authenticate(t.Context(), "good"); err == nil {
		t.Error("a process of another cloud was asked")
	}
}

// TestClientsCannotSayWhoTheyAre sends the headers of other processes to the public address.
func TestClientsCannotSayWhoTheyAre(t *testing.T) {
	var got http.Header
	cl := &cloud{clock: clock.System{}}
	cl.edge = &api.Edge{Clock: cl.clock, Fallback: http.NotFoundHandler(), Services: map[string]http.Handler{
		"/image": http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header }),
	}}
	r := httptest.NewRequest(http.MethodGet, "/image/v2", nil)
	for _, name := range insideHeaders() {
		r.Header.Set(name, "x")
	}
	cl.front().ServeHTTP(httptest.NewRecorder(), r)
	for _, name := range insideHeaders() {
		if got.Get(name) != "" {
			t.Errorf("%s reaches the service", name)
		}
	}
}

// closes counts how often a body is closed.
type closes struct {
	io.Reader
	count atomic.Int32
}

// Close implements io.Closer.
func (c *closes) Close() error { c.count.Add(1); return nil }

// TestCallsLeaveNothingOpen has bodies of calls that fail and succeed be closed, and calls
// within a transaction refused.
func TestCallsLeaveNothingOpen(t *testing.T) {
	authority := newAuthority(t)
	here, there := certified(t, authority, pki.Controller), otherProcess(t, certified(t, authority, pki.Controller))
	for name, o := range map[string]*others{"answered": reaching(here, there), "unreached": reaching(here, gone(t)), "nobody": reaching(here)} {
		body := &closes{Reader: bytes.NewReader(make([]byte, 1<<20))}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, internalBase+"image/x", body)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := o.to("image").RoundTrip(r)
		if err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
		if (err == nil) != (name == "answered") || body.count.Load() == 0 {
			t.Errorf("%s: %v, the body is closed %d times", name, err, body.count.Load())
		}
	}
	err := dbtest.OpenEngine(t, "sqlite").Write(t.Context(), func(tx *db.Tx) error {
		r, err := http.NewRequestWithContext(tx.Context(), http.MethodGet, internalBase+"image/x", nil)
		if err != nil {
			return err
		}
		resp, err := reaching(here, there).to("image").RoundTrip(r)
		if err == nil {
			_ = resp.Body.Close()
			t.Error("a call was made while a transaction was open")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
