package app

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"virga/core/bus/stream"
	"virga/core/pki"
	"virga/core/token"
	"virga/service/compute/orders"
	"virga/service/fleet"
	networkagent "virga/service/network/agent"
)

// memberHeader tells a member whose request is refused at the door why: "removed" or
// "expired". It is never set by anybody else.
const (
	memberHeader  = "X-Virga-Member"
	memberRemoved = "removed"
	memberExpired = "expired"
)

// nodePaths are what nodes may ask for. A node's certificate is worth nothing anywhere else.
func nodePaths() []string {
	return []string{"/bus", "/compute/internal/", "/network/internal/", "/image/v2/images/", "/fleet/v1/renew", "/fleet/v1/settings"}
}

// members stands before everything that clients talk to: a request over a connection that a
// node's certificate authenticates has the node's identity for what nodes may ask for.
// Whether the node is still a member is asked each time.
func (cl *cloud) members(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, ok := pki.Peer(r.TLS)
		if !ok || peer.Kind != pki.Node || !forNodes(r.URL.Path) {
			next.ServeHTTP(w, r)
			return
		}
		m := memberOf(r, peer)
		switch err := cl.admit(r.Context(), m); {
		case errors.Is(err, errExpired):
			refuseMember(w, http.StatusUnauthorized, memberExpired, "The certificate of this connection has expired.")
		case errors.Is(err, fleet.ErrRemoved):
			refuseMember(w, http.StatusForbidden, memberRemoved, "This node is not a member of the cloud; a new join token is needed.")
		case err != nil:
			if r.Context().Err() == nil {
				cl.log.WarnContext(r.Context(), "look whether a node is a member", "node", peer.Name, "error", err)
			}
			w.Header().Set("Retry-After", "2")
			refuseMember(w, http.StatusServiceUnavailable, "", "Whether this node is a member cannot be found out now.")
		default:
			ctx := context.WithValue(r.Context(), memberKey{}, m)
			next.ServeHTTP(w, r.WithContext(token.WithIdentity(ctx, nodeIdentity(peer.Name))))
		}
	})
}

func forNodes(path string) bool {
	for _, prefix := range nodePaths() {
		if path == prefix || strings.HasSuffix(prefix, "/") && strings.HasPrefix(path, prefix) {
			return true
		}
	}
	return false
}

// connectedMember is who has opened a connection.
type connectedMember struct {
	subject pki.Subject
	key     pki.Pin
	expires time.Time
}

type memberKey struct{}

func memberOf(r *http.Request, subject pki.Subject) connectedMember {
	key, expires := pki.PeerKey(r.TLS)
	return connectedMember{subject, key, expires}
}

// errExpired says that a connection is older than its certificate.
var errExpired = errors.New("the certificate has expired")

func (cl *cloud) admit(ctx context.Context, m connectedMember) error {
	if !cl.clock.Now().Before(m.expires) {
		return errExpired
	}
	return cl.fleet.Admit(ctx, m.subject, m.key)
}

// refuseMember answers and has the connection closed: the next one shows another certificate.
func refuseMember(w http.ResponseWriter, status int, why, message string) {
	if why != "" {
		w.Header().Set(memberHeader, why)
	}
	w.Header().Set("Connection", "close")
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{ // who asked may have gone
		"code": status, "title": http.StatusText(status), "message": message}})
}

// addNodeBus gives nodes in other processes the bus of this one.
func (cl *cloud) addNodeBus(context.Context) error {
	if !cl.admits() {
		return nil
	}
	server := stream.NewServer(stream.Config{Bus: cl.bus, Clock: cl.clock, Log: cl.log, Metrics: cl.metrics, Allowed: ownTopics})
	cl.edge.Services["/bus"] = onlyMembers(server)
	cl.onRun(func(ctx context.Context) error { return cl.watchMembers(ctx, server) })
	return nil
}

// onlyMembers lets nobody through who is not a node of the cloud.
func onlyMembers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := r.Context().Value(memberKey{}).(connectedMember); !ok {
			refuseMember(w, http.StatusForbidden, "", "The bus is for nodes of the cloud.")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// ownTopics lets a node hear and serve what is its own.
func ownTopics(ctx context.Context, topic string) error {
	m, ok := ctx.Value(memberKey{}).(connectedMember)
	if ok && (topic == orders.Topic(m.subject.Name) || topic == networkagent.Topic(m.subject.Name)) {
		return nil
	}
	return errors.New("the topic is not the node's own")
}

// watchMembers ends connections to the bus whose node was removed or whose certificate has
// expired; a node that is still a member comes back at once.
func (cl *cloud) watchMembers(ctx context.Context, server *stream.Server) error {
	bell := cl.bus.Listen(fleet.TopicMembers)
	defer bell.Close()
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return server.Close()
		case <-bell.C:
			cl.fleet.LookAgain()
		case <-ticker.C:
		}
		server.Disconnect(func(session context.Context) bool {
			m, ok := session.Value(memberKey{}).(connectedMember)
			if !ok {
				return true
			}
			err := cl.admit(ctx, m)
			return errors.Is(err, fleet.ErrRemoved) || errors.Is(err, errExpired)
		})
	}
}

// watchEvery is how long a removal can go unnoticed by an open connection when the bell is lost.
const watchEvery = 30 * time.Second
