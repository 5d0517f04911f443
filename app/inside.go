package app

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"regexp"
	"time"

	"virga/core/api"
	"virga/core/pki"
	"virga/core/token"
)

// authenticatePath is where processes ask each other who the bearer of a token is.
const authenticatePath = "/authenticate"

// authenticated is the answer; no identity stands for a token that is not accepted.
type authenticated struct {
	Identity *token.Identity `json:"identity,omitempty"`
	Expired  bool            `json:"expired,omitempty"`
}

// listenInside opens the address for other processes of the cloud. Whoever has no
// certificate of a controller does not get past the handshake.
func (cl *cloud) listenInside(ctx context.Context) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", cl.conf.Internal)
	if err != nil {
		return fmt.Errorf("listen to other processes: %w", err)
	}
	cl.onClose(func() error { _ = listener.Close(); return nil })
	cl.process.Address = listener.Addr().String()
	settings := cl.credentials.ServerOf(pki.Controller)
	settings.NextProtos = []string{"h2", "http/1.1"}
	cl.internal = tls.NewListener(listener, settings)
	return nil
}

// requestID is what a request id of ours looks like.
var requestID = regexp.MustCompile(`^req-[0-9a-f-]{36}$`)

// inside is what other processes of the cloud talk to. They say for whom they call. Whether
// a process's host is still a member is asked of admit each time.
func (cl *cloud) inside(admit func(context.Context, connectedMember) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, ok := pki.Peer(r.TLS)
		if !ok || peer.Kind != pki.Controller {
			http.Error(w, "only for controllers of this cloud", http.StatusForbidden)
			return
		}
		if err := admit(r.Context(), memberOf(r, peer)); err != nil {
			cl.log.WarnContext(r.Context(), "refuse a controller", "controller", peer.Name, "error", err)
			w.Header().Set("Connection", "close")
			w.Header().Set("Retry-After", "2")
			http.Error(w, "this controller is not admitted now", http.StatusServiceUnavailable)
			return
		}
		ctx, subject, late := r.Context(), r.Header.Get(subjectHeader), r.Header.Get(lateHeader) != ""
		if id := r.Header.Get(requestIDHeader); requestID.MatchString(id) {
			ctx = api.WithRequestID(ctx, id)
		}
		identity, err := identityIn(r.Header)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if identity != nil {
			ctx = token.WithIdentity(ctx, identity)
		}
		for _, name := range insideHeaders() {
			r.Header.Del(name)
		}
		if r.URL.Path == authenticatePath {
			cl.answerWhoBears(ctx, w, subject, late)
			return
		}
		cl.edge.ServeHTTP(w, r.WithContext(ctx))
	})
}

// identityIn reads for whom another process calls; nil when it passes on a token instead.
func identityIn(header http.Header) (*token.Identity, error) {
	text := header.Get(identityHeader)
	if text == "" {
		return nil, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("%s is not base64url", identityHeader)
	}
	identity := new(token.Identity)
	if err := json.Unmarshal(raw, identity); err != nil {
		return nil, fmt.Errorf("%s is not an identity", identityHeader)
	}
	return identity, nil
}

// answerWhoBears tells another process who the bearer of a token is, or, late, was.
func (cl *cloud) answerWhoBears(ctx context.Context, w http.ResponseWriter, text string, late bool) {
	authenticate := cl.auth.Authenticate
	if asked, can := cl.auth.(token.LateAuthenticator); can && late {
		authenticate = asked.AuthenticateLate
	}
	identity, err := authenticate(ctx, text)
	answer := authenticated{Identity: identity}
	switch {
	case !cl.serves("identity"):
		http.Error(w, "this process does not have identity", http.StatusNotFound)
		return
	case errors.Is(err, token.ErrExpired):
		answer = authenticated{Expired: true}
	case errors.Is(err, token.ErrInvalid):
		answer = authenticated{}
	case err != nil:
		cl.log.WarnContext(ctx, "check a token for another process", "error", err)
		w.Header().Set("Retry-After", "1")
		http.Error(w, "the token cannot be checked now", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer) // who asked may have gone
}

// relays tells whether a request is for a service that other processes may serve.
func (cl *cloud) relays(r *http.Request) bool {
	if cl.others == nil || len(cl.conf.Roles.API) == 0 || r.TLS != nil && cl.isInside(r) {
		return false
	}
	return serviceOf(r.URL.Path) != ""
}

// isInside tells whether a request came from another process: such a one looked for the
// service before it asked, and passing it on could go in circles.
func (cl *cloud) isInside(r *http.Request) bool {
	peer, ok := pki.Peer(r.TLS)
	return ok && peer.Kind == pki.Controller
}

// relay passes a client's request on to a process that serves what it is for, with the
// client's own headers, as a stream in both directions. So every process that serves an API
// is a way to all of them.
func (cl *cloud) relay(w http.ResponseWriter, r *http.Request) {
	proxy := &httputil.ReverseProxy{
		Transport:     cl.others.to(serviceOf(r.URL.Path)),
		FlushInterval: -1,
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetXForwarded()
			p.Out.Host = ""
		},
		ModifyResponse: func(resp *http.Response) error {
			w.Header().Del("X-Openstack-Request-Id") // the other process gives the same
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if r.Context().Err() != nil {
				return
			}
			cl.log.WarnContext(r.Context(), "pass a request on", "path", r.URL.Path, "error", err)
			w.Header().Set("Retry-After", "1")
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprintln(w, `{"error": {"code": 503, "title": "Service Unavailable", "message": "The service is not reached now."}}`)
		},
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // the process that serves has its own
	proxy.ServeHTTP(w, r)
}
