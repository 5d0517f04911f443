package agent

import (
	"context"
	"fmt"
	"net/http"
	"sync"

	"virga/core/api"
)

// Exchange lets the hosts of one process fetch disks from each other without sockets and
// certificates: for clouds in one process and for simulations. The zero value is ready.
type Exchange struct {
	mu    sync.Mutex
	hosts map[string]http.Handler
}

// exchangeScheme and the host's name are the address of a host in an Exchange.
const exchangeSuffix = ".host.invalid"

type callerKey struct{}

// URL is the Config.TransferURL of a host that was added.
func (e *Exchange) URL(host string) string { return "http://" + host + exchangeSuffix }

// Add makes an agent's disks known to the others; an agent of the same host takes its place.
func (e *Exchange) Add(host string, a *Agent) {
	handler := a.TransferHandler(func(r *http.Request) (string, bool) {
		caller, known := r.Context().Value(callerKey{}).(string)
		return caller, known
	})
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.hosts == nil {
		e.hosts = map[string]http.Handler{}
	}
	e.hosts[host+exchangeSuffix] = handler
}

// Client is the Config.Transfers of a host.
func (e *Exchange) Client(host string) *http.Client {
	return &http.Client{Transport: exchangeTransport{e, host}}
}

type exchangeTransport struct {
	exchange *Exchange
	caller   string
}

// RoundTrip implements http.RoundTripper.
func (t exchangeTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	t.exchange.mu.Lock()
	handler := t.exchange.hosts[r.URL.Host]
	t.exchange.mu.Unlock()
	if handler == nil {
		return nil, fmt.Errorf("no host is at %s", r.URL.Host)
	}
	return api.Local{Handler: handler}.RoundTrip(r.WithContext(context.WithValue(r.Context(), callerKey{}, t.caller)))
}
