package app

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"virga/core/clock"
	"virga/core/pki"
	"virga/service/fleet"
)

// controllerRig is a node's ways to two controllers.
type controllerRig struct {
	dir         string
	authority   *pki.Authority
	credentials *pki.Credentials
	ways        *controllers
	log         bytes.Buffer
	first       *httptest.Server
	second      *httptest.Server
	asked       [2]atomic.Int32
	answer      [2]http.HandlerFunc
}

func enterBy(t *testing.T, a *pki.Authority, c *pki.Credentials, subject pki.Subject) {
	t.Helper()
	text, err := c.Request(subject, pki.Names{})
	if err != nil {
		t.Fatal(err)
	}
	request, err := pki.ParseRequest(text)
	if err != nil {
		t.Fatal(err)
	}
	issued, err := a.Issue(request, subject, pki.Names{}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Accept(issued.Chain, subject); err != nil {
		t.Fatal(err)
	}
}

func newControllerRig(t *testing.T) *controllerRig {
	t.Helper()
	r := &controllerRig{dir: t.TempDir()}
	var err error
	if r.authority, err = pki.NewAuthority(clock.System{}, "test"); err != nil {
		t.Fatal(err)
	}
	open := func(subject pki.Subject) *pki.Credentials {
		c, err := pki.OpenCredentials(t.TempDir(), clock.System{})
		if err != nil {
			t.Fatal(err)
		}
		enterBy(t, r.authority, c, subject)
		return c
	}
	serve := func(i int) *httptest.Server {
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, hr *http.Request) {
			r.asked[i].Add(1)
			if peer, ok := pki.Peer(hr.TLS); !ok || peer.Name != "n1" {
				t.Errorf("the node does not show who it is: %v", peer)
			}
			r.answer[i](w, hr)
		}))
		server.TLS = open(pki.Subject{Kind: pki.Controller, Name: "c"}).Server()
		server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
		server.StartTLS()
		t.Cleanup(server.Close)
		return server
	}
	r.first, r.second = serve(0), serve(1)
	echo := func(w http.ResponseWriter, hr *http.Request) { _, _ = io.Copy(w, hr.Body) }
	r.answer = [2]http.HandlerFunc{echo, echo}
	r.credentials = open(pki.Subject{Kind: pki.Node, Name: "n1"})
	known := membership{Settings: fleet.Settings{Controllers: []string{r.first.URL, r.second.URL}}, JoinedAt: r.first.URL}
	if err := writeMembership(r.dir, known); err != nil {
		t.Fatal(err)
	}
	if r.ways, err = openControllers(r.dir, r.credentials, slog.New(slog.NewTextHandler(&r.log, nil))); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.ways.transport.CloseIdleConnections() })
	return r
}

func (r *controllerRig) put(t *testing.T, body io.Reader) (string, error) {
	t.Helper()
	client := r.ways.client("compute")
	resp, err := client.Open(t.Context(), http.MethodPut, "/x", body)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	return string(text), err
}

func TestNextControllerIsAskedWhenOneFails(t *testing.T) {
	r := newControllerRig(t)
	for round := range 3 {
		if got, err := r.put(t, strings.NewReader("body")); got != "body" || err != nil {
			t.Fatalf("round %d: %q, %v", round, got, err)
		}
		if round == 0 {
			r.first.CloseClientConnections() // an old connection is no reason to fail
		}
		if round == 1 {
			r.first.Close()
		}
	}
	if r.asked[1].Load() == 0 {
		t.Error("the second controller was not asked")
	}
	before := r.asked[1].Load()
	if _, err := r.put(t, strings.NewReader("body")); err != nil || r.asked[1].Load() != before+1 {
		t.Errorf("the node does not stay with the one that works: %v", err)
	}
	r.second.Close()
	if _, err := r.put(t, strings.NewReader("body")); err == nil || !strings.Contains(err.Error(), r.first.URL) || !strings.Contains(err.Error(), r.second.URL) {
		t.Errorf("with none: %v", err)
	}
}

func TestBusyControllerIsLeft(t *testing.T) {
	r := newControllerRig(t)
	r.answer[0] = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }
	if _, err := r.put(t, nil); statusOf(err) != http.StatusServiceUnavailable {
		t.Errorf("%v", err)
	}
	if got, err := r.put(t, strings.NewReader("body")); got != "body" || err != nil || r.asked[1].Load() != 1 {
		t.Errorf("%q, %v", got, err)
	}
}

func TestOldConnectionIsReplaced(t *testing.T) {
	r := newControllerRig(t)
	remotes := map[string]bool{}
	r.answer[0] = func(w http.ResponseWriter, hr *http.Request) {
		remotes[hr.RemoteAddr] = true
		if len(remotes) == 1 {
			refuseMember(w, http.StatusUnauthorized, memberExpired, "x")
			return
		}
		_, _ = io.Copy(w, hr.Body)
	}
	if got, err := r.put(t, strings.NewReader("body")); got != "body" || err != nil || len(remotes) != 2 {
		t.Errorf("%q, %v, %d connections", got, err, len(remotes))
	}
}

func TestRemovalIsSaidOnce(t *testing.T) {
	r := newControllerRig(t)
	r.answer[0] = func(w http.ResponseWriter, _ *http.Request) {
		refuseMember(w, http.StatusForbidden, memberRemoved, "x")
	}
	for range 3 {
		if _, err := r.put(t, nil); statusOf(err) != http.StatusForbidden {
			t.Errorf("%v", err)
		}
	}
	if strings.Count(r.log.String(), "level=ERROR") != 1 || r.asked[1].Load() != 0 {
		t.Errorf("%s", r.log.String())
	}
}

// TestMembershipIsLearned has a controller tell of others; the one that has been reached when
// joining stays known.
func TestMembershipIsLearned(t *testing.T) {
	r := newControllerRig(t)
	if err := r.ways.learn(fleet.Settings{CloudID: "c", Controllers: []string{r.second.URL}}); err != nil {
		t.Fatal(err)
	}
	if got, err := r.put(t, strings.NewReader("body")); got != "body" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if err := r.ways.learn(fleet.Settings{}); err != nil {
		t.Fatal(err)
	}
	known, err := readMembership(r.dir)
	if err != nil || strings.Join(known.addresses(), " ") != r.second.URL+" "+r.first.URL || known.CloudID != "c" {
		t.Errorf("%+v, %v", known, err)
	}
	if err := os.WriteFile(membershipFile(r.dir), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openControllers(r.dir, r.credentials, r.ways.log); err == nil || !strings.Contains(err.Error(), "membership") {
		t.Errorf("a broken file: %v", err)
	}
	if err := os.Remove(filepath.Join(r.dir, "pki", "membership.json")); err != nil {
		t.Fatal(err)
	}
	if _, err := openControllers(r.dir, r.credentials, r.ways.log); err == nil || !strings.Contains(err.Error(), "join again") {
		t.Errorf("no file: %v", err)
	}
}

// TestAnotherCloudIsNoController dials something that has taken a controller's address.
func TestAnotherCloudIsNoController(t *testing.T) {
	r := newControllerRig(t)
	other, err := pki.NewAuthority(clock.System{}, "other")
	if err != nil {
		t.Fatal(err)
	}
	c, err := pki.OpenCredentials(t.TempDir(), clock.System{})
	if err != nil {
		t.Fatal(err)
	}
	enterBy(t, other, c, pki.Subject{Kind: pki.Controller, Name: "c"})
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.TLS = c.Server()
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	server.StartTLS()
	defer server.Close()
	r.first.Close()
	r.second.Close()
	if err := r.ways.learn(fleet.Settings{Controllers: []string{server.URL}}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.put(t, nil); err == nil || statusOf(err) != 0 || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("%v", err)
	}
}
