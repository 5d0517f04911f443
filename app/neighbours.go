package app

import (
	"context"
	"fmt"
	"net/http"

	"virga/core/api"
	"virga/core/bus"
	"virga/core/token"
)

// internalBase is the address that calls between services carry; nothing listens there.
const internalBase = "http://virga.internal/"

// client returns a client for a service, in this process or another, that acts as identity,
// or as the identity in the call's context when that is nil.
func (cl *cloud) client(service string, identity *token.Identity, header http.Header) api.Client {
	return api.Client{
		HTTP: &http.Client{Transport: as{identity, way{cl, service}}},
		Base: internalBase + service, Header: header,
	}
}

// as is a transport whose requests are made by one identity.
type as struct {
	identity *token.Identity
	next     http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (a as) RoundTrip(r *http.Request) (*http.Response, error) {
	if a.identity != nil {
		r = r.WithContext(token.WithIdentity(r.Context(), a.identity))
	}
	return a.next.RoundTrip(r)
}

// way is the transport to a service, wherever it is served.
type way struct {
	cl      *cloud
	service string
}

// RoundTrip implements http.RoundTripper.
func (w way) RoundTrip(r *http.Request) (*http.Response, error) {
	switch {
	case w.cl.serves(w.service):
		return api.Local{Handler: w.cl.edge}.RoundTrip(r)
	case w.cl.others != nil:
		return w.cl.others.to(w.service).RoundTrip(r)
	}
	if r.Body != nil {
		_ = r.Body.Close()
	}
	return nil, fmt.Errorf("call %s: no process serves %s: %w", r.URL.Path, w.service, bus.ErrUnavailable)
}

// asker is the authenticator of a process without identity: it asks one that has it.
type asker struct{ identity http.RoundTripper }

// Authenticate implements token.Authenticator.
func (a asker) Authenticate(ctx context.Context, text string) (*token.Identity, error) {
	return a.ask(ctx, http.Header{subjectHeader: {text}})
}

// AuthenticateLate implements token.LateAuthenticator.
func (a asker) AuthenticateLate(ctx context.Context, text string) (*token.Identity, error) {
	return a.ask(ctx, http.Header{subjectHeader: {text}, lateHeader: {"yes"}})
}

func (a asker) ask(ctx context.Context, header http.Header) (*token.Identity, error) {
	client := api.Client{HTTP: &http.Client{Transport: a.identity}, Base: internalBase, Header: header}
	var answer authenticated
	if err := client.Do(ctx, http.MethodGet, authenticatePath[1:], nil, &answer); err != nil {
		return nil, fmt.Errorf("ask who the bearer of a token is: %w", err)
	}
	switch {
	case answer.Expired:
		return nil, token.ErrExpired
	case answer.Identity == nil:
		return nil, token.ErrInvalid
	}
	return answer.Identity, nil
}
