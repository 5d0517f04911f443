package fleet_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"virga/core/bus"
	"virga/core/clock"
	"virga/core/db"
	"virga/core/db/dbtest"
	"virga/core/pki"
	"virga/core/token"
	"virga/service/fleet"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

// nobody refuses every token; tests call with an identity in the context.
type nobody struct{}

func (nobody) Authenticate(context.Context, string) (*token.Identity, error) {
	return nil, token.ErrInvalid
}

func identity(user string, roles ...string) *token.Identity {
	id := &token.Identity{UserID: user, Project: token.Project{ID: "p-" + user}}
	for _, role := range roles {
		id.Roles = append(id.Roles, token.Role{Name: role})
	}
	return id
}

// rig is a fleet service under test, with a clock that the test moves.
type rig struct {
	*testing.T
	clock     *clock.Seeded
	db        *db.DB
	authority *pki.Authority
	service   *fleet.Service
	admin     *token.Identity
	folders   map[*pki.Credentials]string
}

const life = 10 * time.Minute

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{T: t, db: dbtest.Open(t), folders: map[*pki.Credentials]string{}, clock: clock.NewSeeded(1, time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)), admin: identity("root", "admin", "member", "reader")}
	var err error
	if r.authority, err = pki.NewAuthority(r.clock, "test"); err != nil {
		t.Fatal(err)
	}
	r.service, err = fleet.New(t.Context(), fleet.Deps{
		DB: r.db, Bus: bus.NewLocal(), Clock: r.clock, Log: slog.New(slog.DiscardHandler), Auth: nobody{},
		Endpoint: "https://cloud/fleet", Authority: r.authority, Life: life, Grace: time.Hour, Own: []pki.Subject{{Kind: pki.Controller, Name: "c1"}},
		CloudID: "the-cloud", Region: "R", Address: "https://c1:1", Secure: true,
		Handover: func(context.Context) (any, error) { return map[string]string{"key": "the cluster key"}, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// send makes a request as somebody (nil: a stranger) over a connection that a certificate
// authenticates (nil: none).
func (r *rig) send(as *token.Identity, peer *pki.Credentials, method, path string, body any) *httptest.ResponseRecorder {
	r.Helper()
	var text []byte
	switch b := body.(type) {
	case nil:
	case string:
		text = []byte(b)
	default:
		var err error
		if text, err = json.Marshal(b); err != nil {
			r.Fatal(err)
		}
	}
	ctx := r.Context()
	if as != nil {
		ctx = token.WithIdentity(ctx, as)
	}
	request := httptest.NewRequestWithContext(ctx, method, path, bytes.NewReader(text))
	if peer != nil {
		chain := []*x509.Certificate{peer.Certificate()}
		request.TLS = &tls.ConnectionState{HandshakeComplete: true, PeerCertificates: chain, VerifiedChains: [][]*x509.Certificate{chain}}
	}
	w := httptest.NewRecorder()
	r.service.Handler().ServeHTTP(w, request)
	return w
}

// want decodes an answer of the status into out (nil: not read).
func (r *rig) want(status int, w *httptest.ResponseRecorder, out any) {
	r.Helper()
	if w.Code != status {
		r.Fatalf("status %d, want %d: %s", w.Code, status, w.Body)
	}
	if out != nil {
		if err := json.Unmarshal(w.Body.Bytes(), out); err != nil {
			r.Fatal(err)
		}
	}
}

// newToken creates a join token and returns its text and id.
func (r *rig) newToken(request map[string]any) (text, id string) {
	r.Helper()
	var answer struct {
		Token struct{ ID, Token string } `json:"join_token"`
	}
	r.want(http.StatusCreated, r.send(r.admin, nil, "POST", "/v1/join-tokens", request), &answer)
	return answer.Token.Token, answer.Token.ID
}

func node(host string) pki.Subject { return pki.Subject{Kind: pki.Node, Name: host} }

// copyOf is what a thief of a folder has.
func (r *rig) copyOf(c *pki.Credentials) *pki.Credentials {
	r.Helper()
	dir := r.TempDir()
	if err := os.CopyFS(dir, os.DirFS(r.folders[c])); err != nil {
		r.Fatal(err)
	}
	stolen, err := pki.OpenCredentials(dir, r.clock)
	if err != nil {
		r.Fatal(err)
	}
	return stolen
}

// machine is a newcomer with a folder of its own.
func (r *rig) machine() *pki.Credentials {
	r.Helper()
	dir := r.TempDir()
	c, err := pki.OpenCredentials(dir, r.clock)
	if err != nil {
		r.Fatal(err)
	}
	r.folders[c] = dir
	return c
}

func (r *rig) request(c *pki.Credentials, subject pki.Subject) string {
	r.Helper()
	text, err := c.Request(subject, pki.Names{})
	if err != nil {
		r.Fatal(err)
	}
	return string(text)
}

// accept has a machine use the certificate of an answer.
func (r *rig) accept(c *pki.Credentials, subject pki.Subject, w *httptest.ResponseRecorder) {
	r.Helper()
	var answer fleet.Membership
	r.want(http.StatusOK, w, &answer)
	if answer.Settings.CloudID != "the-cloud" || len(answer.Settings.Controllers) != 1 {
		r.Fatalf("settings %+v", answer.Settings)
	}
	if err := c.Accept([]byte(answer.Certificate), subject); err != nil {
		r.Fatal(err)
	}
}

// join makes a machine a member and has it come once.
func (r *rig) join(subject pki.Subject) *pki.Credentials {
	r.Helper()
	text, _ := r.newToken(map[string]any{"kind": string(subject.Kind)})
	c := r.machine()
	r.accept(c, subject, r.send(nil, nil, "POST", "/v1/join", map[string]any{"token": text, "request": r.request(c, subject)}))
	r.admit(c, true)
	return c
}

// admit checks whether a member is let in.
func (r *rig) admit(c *pki.Credentials, want bool) {
	r.Helper()
	err := r.service.Admit(r.Context(), c.Subject(), pki.PinOf(c.Certificate()))
	if (err == nil) != want {
		r.Errorf("admit %s: %v, want %v", c.Subject(), err, want)
	}
}

func (r *rig) renew(c *pki.Credentials) *httptest.ResponseRecorder {
	r.Helper()
	return r.send(identity("node:"+c.Subject().Name, "node"), c, "POST", "/v1/renew", map[string]any{"request": r.request(c, c.Subject())})
}

func (r *rig) recover(c *pki.Credentials) *httptest.ResponseRecorder {
	r.Helper()
	text := r.request(c, c.Subject())
	signature, key, err := c.Sign(fleet.RecoverMessage(text))
	if err != nil {
		r.Fatal(err)
	}
	return r.send(nil, nil, "POST", "/v1/recover", map[string]any{"request": text, "key": key, "signature": signature})
}

// leaf reads the certificate of an answer.
func (r *rig) leaf(w *httptest.ResponseRecorder) *x509.Certificate {
	r.Helper()
	var answer fleet.Membership
	r.want(http.StatusOK, w, &answer)
	block, _ := pem.Decode([]byte(answer.Certificate))
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		r.Fatal(err)
	}
	return certificate
}
