package compute_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"virga/core/api"
	"virga/core/bus"
	"virga/core/clock"
	"virga/core/db"
	"virga/core/db/dbtest"
	"virga/core/token"
	"virga/core/vault"
	"virga/core/work"
	"virga/service/compute"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

const (
	imageID    = "11111111-1111-4111-8111-111111111111"
	networkID  = "22222222-2222-4222-8222-222222222222"
	subnetID   = "33333333-3333-4333-8333-333333333333"
	groupID    = "44444444-4444-4444-8444-444444444444"
	webGroupID = "55555555-5555-4555-8555-555555555555"
	projectID  = "0123456789abcdef0123456789abcdef"
	otherID    = "fedcba9876543210fedcba9876543210"
	latest     = "2.104"
)

// rig is a compute service over a fresh database, with its neighbours in memory.
type rig struct {
	scheduler compute.SchedulerSettings
	t         testing.TB
	db        *db.DB
	bus       *bus.Local
	world     *world
	service   *compute.Service
	badges    badges
	mu        sync.Mutex
	nodes     map[string]*node
	// reclaim is for how long deleted servers can be restored.
	reclaim time.Duration
	hook    func(o work.Operation, undo, after bool) error
	// offloadAfter is the service's setting from its next life on.
	offloadAfter time.Duration
	halt         func()
	// confirmWindow is after how long moves are confirmed by themselves.
	confirmWindow time.Duration
	vault         compute.Vault
}

func member(project string) *token.Identity {
	return &token.Identity{UserID: "user-" + project[:4], UserName: "alice", Project: token.Project{ID: project, Name: "p"},
		Roles: []token.Role{{Name: "member"}, {Name: "reader"}}}
}

func admin() *token.Identity {
	return &token.Identity{UserID: "root", UserName: "admin", Project: token.Project{ID: "admin-project", Name: "admin"},
		Roles: []token.Role{{Name: "admin"}, {Name: "member"}, {Name: "reader"}}}
}

// badges knows the tokens that do makes for the callers of the test.
type badges struct{ byToken sync.Map }

func (b *badges) Authenticate(_ context.Context, text string) (*token.Identity, error) {
	if id, known := b.byToken.Load(text); known {
		return id.(*token.Identity), nil
	}
	return nil, token.ErrInvalid
}

// issue returns a token for an identity, empty for nobody.
func (b *badges) issue(who *token.Identity) string {
	if who == nil {
		return ""
	}
	text := who.UserID + "/" + who.Project.ID
	b.byToken.Store(text, who)
	return text
}

// newVault is what all lives of a process seal passwords with.
func newVault(t testing.TB) *vault.Vault {
	t.Helper()
	v, err := vault.New(vault.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func newRig(t testing.TB) *rig {
	t.Helper()
	r := &rig{t: t, db: dbtest.Open(t), bus: bus.NewLocal(), world: newWorld(), vault: newVault(t)}
	r.begin()
	t.Cleanup(func() { r.halt() })
	if err := r.service.Seed(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}

// begin starts the service; after halt it is the next life of the process.
func (r *rig) begin() {
	r.t.Helper()
	log := slog.New(slog.DiscardHandler)
	if os.Getenv("VERBOSE") != "" {
		log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelInfo}))
	}
	service, err := compute.New(context.Background(), compute.Deps{DB: r.db, Bus: r.bus, Clock: clock.System{}, Log: log, Vault: r.vault,
		Auth: &r.badges, Endpoint: "http://cloud/compute", ConsoleEndpoint: "http://console.test", ReclaimAfter: r.reclaim, Owner: "test", Scheduler: r.scheduler, OffloadAfter: r.offloadAfter, Images: images{r.world}, Networks: networks{r.world},
		Placement: placement{r.world}, ResizeConfirmWindow: r.confirmWindow, Hook: func(o work.Operation, undo, after bool) error {
			r.mu.Lock()
			hook := r.hook
			r.mu.Unlock()
			if hook == nil {
				return nil
			}
			return hook(o, undo, after)
		}})
	if err != nil {
		r.t.Fatal(err)
	}
	r.service = service
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- service.Run(ctx) }()
	r.halt = func() { cancel(); <-done }
}

func (r *rig) setHook(hook func(o work.Operation, undo, after bool) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hook = hook
}

func (r *rig) local() *http.Client {
	return &http.Client{Transport: api.Local{Handler: &api.Edge{Clock: clock.System{}, Fallback: http.NotFoundHandler(),
		Services: map[string]http.Handler{"/compute": r.service.Handler()}}}}
}

// answer is what a call came to.
type answer struct {
	t      testing.TB
	status int
	header http.Header
	text   string
}

// do calls the API as somebody in a version ("" for the oldest).
func (r *rig) do(who *token.Identity, version, method, path, body string) answer {
	r.t.Helper()
	request, err := http.NewRequestWithContext(context.Background(), method, "http://cloud/compute"+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	request.Header.Set("X-Auth-Token", r.badges.issue(who))
	if version != "" {
		request.Header.Set("OpenStack-API-Version", "compute "+version)
	}
	response, err := r.local().Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return answer{r.t, response.StatusCode, response.Header, string(text)}
}

// want fails the test unless the status is the one expected and the body has the text.
func (a answer) want(status int, text string) answer {
	a.t.Helper()
	if a.status != status || !strings.Contains(a.text, text) {
		a.t.Fatalf("status %d, want %d with %q: %s", a.status, status, text, a.text)
	}
	return a
}

// at returns the value at a path of keys of the JSON body; indices are numbers.
func (a answer) at(path ...any) any {
	a.t.Helper()
	decoder := json.NewDecoder(bytes.NewReader([]byte(a.text)))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		a.t.Fatalf("body %s: %v", a.text, err)
	}
	for _, key := range path {
		switch k := key.(type) {
		case string:
			object, ok := value.(map[string]any)
			if !ok {
				a.t.Fatalf("no object at %v in %s", key, a.text)
			}
			value = object[k]
		case int:
			list, ok := value.([]any)
			if !ok || k >= len(list) {
				a.t.Fatalf("no element %v in %s", key, a.text)
			}
			value = list[k]
		}
	}
	return value
}

func (a answer) str(path ...any) string {
	a.t.Helper()
	text, ok := a.at(path...).(string)
	if !ok {
		a.t.Fatalf("no string at %v in %s", path, a.text)
	}
	return text
}

// waitFor waits until something is true; the test fails after a while.
func (r *rig) waitFor(what string, true func() bool) {
	r.t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for !true() {
		if time.Now().After(deadline) {
			r.t.Fatalf("waited in vain for %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func createBody(extra string) string {
	return `{"server":{"name":"vm","imageRef":"` + imageID + `","flavorRef":"1","networks":[{"uuid":"` + networkID + `"}]` + extra + `}}`
}

// create makes a server and returns its id.
func (r *rig) create(extra string) string {
	r.t.Helper()
	return r.do(member(projectID), latest, "POST", "/v2.1/servers", createBody(extra)).want(202, "").str("server", "id")
}

func (r *rig) show(id string) answer {
	r.t.Helper()
	return r.do(admin(), latest, "GET", "/v2.1/servers/"+id, "")
}

// waitStatus waits until a server has a status.
func (r *rig) waitStatus(id, status string) answer {
	r.t.Helper()
	var a answer
	r.waitFor("server "+id+" to be "+status, func() bool {
		a = r.show(id)
		return a.status == 200 && a.str("server", "status") == status && a.at("server", "OS-EXT-STS:task_state") == nil
	})
	return a
}

func (r *rig) waitGone(id string) {
	r.t.Helper()
	r.waitFor("server "+id+" to be gone", func() bool { return r.show(id).status == 404 })
}

func (r *rig) delete(id string) {
	r.t.Helper()
	r.do(member(projectID), latest, "DELETE", "/v2.1/servers/"+id, "").want(204, "")
}
