package operations_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"virga/core/api"
	"virga/core/api/apitest"
	"virga/core/api/operations"
	"virga/core/authz"
	"virga/core/bus"
	"virga/core/clock"
	"virga/core/db"
	"virga/core/db/dbtest"
	"virga/core/feed"
	"virga/core/token"
	"virga/core/work"
)

type params struct {
	Name     string
	Password string
}

type frame struct{ Rooms []map[string]string }

// office is a service with one kind of operation, whose second step fails for ever.
type office struct {
	t       *testing.T
	db      *db.DB
	engine  *work.Engine
	table   *api.Table
	handler http.Handler
	tried   chan struct{}
}

type nobody struct{}

func (nobody) Authenticate(context.Context, string) (*token.Identity, error) {
	return nil, token.ErrInvalid
}

func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{t: t, db: dbtest.Open(t), tried: make(chan struct{}, 100)}
	for owner, files := range map[string]fs.FS{"work": work.Migrations(), "feed": feed.Migrations()} {
		if err := o.db.Migrate(t.Context(), owner, files); err != nil {
			t.Fatal(err)
		}
	}
	log := slog.New(slog.DiscardHandler)
	o.engine = work.New(work.Config{Service: "office", Owner: "me", DB: o.db, Bus: bus.NewLocal(), Clock: clock.System{}, Log: log})
	kind := work.Kind[params, frame]{Name: "move", Deadline: time.Hour, Steps: []work.Step[params, frame]{
		{Name: "pack", Do: func(_ context.Context, run *work.Run[params, frame]) error {
			run.Frame.Rooms = []map[string]string{{"door": "open", "access_token": "s3cret"}}
			return nil
		}},
		{Name: "carry", Do: func(context.Context, *work.Run[params, frame]) error {
			o.tried <- struct{}{}
			return work.Retry(time.Hour, errors.New("the lift is broken"))
		}},
	}}
	if err := o.engine.Register(kind); err != nil {
		t.Fatal(err)
	}
	policy, err := authz.NewEnforcer(append(authz.BaseRules(), operations.Rules("office")...), nil)
	if err != nil {
		t.Fatal(err)
	}
	desk := operations.Desk{Service: "office", DB: o.db, Clock: clock.System{}, Engine: o.engine}
	o.table = &api.Table{Service: "office", Type: "office", Endpoint: "http://x/office", Policy: policy, Auth: nobody{}, Log: log,
		Schemas: os.DirFS("../../../service/compute/schema"), Routes: desk.Routes(),
		Errors: func(e *api.Error, _ *api.Request) (string, []byte) {
			body, _ := json.Marshal(map[string]string{"message": e.Message})
			return "application/json", body
		}}
	if o.handler, err = api.NewHandler(o.table); err != nil {
		t.Fatal(err)
	}
	return o
}

// run has the engine work until the test ends.
func (o *office) run() {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- o.engine.Run(ctx) }()
	o.t.Cleanup(func() { stop(); <-done })
}

func (o *office) start(name string) (id string) {
	o.t.Helper()
	err := o.db.Write(o.t.Context(), func(tx *db.Tx) (err error) {
		id, err = o.engine.Start(tx, work.Order{Kind: "move", ResourceKind: "desk", ResourceID: name, Params: params{name, "s3cret"}})
		return err
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return id
}

func who(role string) *token.Identity {
	return &token.Identity{UserID: "user-" + role, Project: token.Project{ID: "p"}, Roles: []token.Role{{Name: role}}}
}

// call returns the status and the body.
func (o *office) call(as *token.Identity, method, address, body string) (int, string) {
	o.t.Helper()
	r := httptest.NewRequestWithContext(token.WithIdentity(o.t.Context(), as), method, address, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	o.handler.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// read decodes a good answer.
func (o *office) read(method, address, body string, into any) string {
	o.t.Helper()
	status, text := o.call(who("admin"), method, address, body)
	if status != http.StatusOK {
		o.t.Fatalf("%s %s: %d %s", method, address, status, text)
	}
	if err := json.Unmarshal([]byte(text), into); err != nil {
		o.t.Fatal(err)
	}
	return text
}

type shown struct {
	Operation struct {
		ID, State, Step, Error, Worker string
		Steps                          []string
		LastError                      string `json:"last_error"`
		Tries                          int
		WakeAt                         *string `json:"wake_at"`
		FinishedAt                     *string `json:"finished_at"`
		Events                         []struct{ Step string }
		Params                         params
		Frame                          frame
	}
}

// await looks until the operation is as wanted; its engine is another goroutine.
func (o *office) await(id string, wanted func(*shown) bool) *shown {
	o.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		var now shown
		o.read("GET", "/internal/operations/"+id, "", &now)
		if wanted(&now) {
			return &now
		}
		if time.Now().After(deadline) {
			o.t.Fatalf("the operation stays %+v", now.Operation)
		}
		<-time.After(time.Millisecond)
	}
}

func TestShowTellsWhyAnOperationWaits(t *testing.T) {
	o := newOffice(t)
	id := o.start("mine")
	o.run()
	now := o.await(id, func(s *shown) bool { return s.Operation.Tries == 1 }).Operation
	if now.Step != "carry" || now.LastError != "the lift is broken" || now.State != "running" || now.WakeAt == nil || now.FinishedAt != nil {
		t.Errorf("got %+v", now)
	}
	if !slices.Equal(now.Steps, []string{"pack", "carry"}) || len(now.Events) != 1 || now.Events[0].Step != "pack" {
		t.Errorf("steps %v, events %v", now.Steps, now.Events)
	}
	if now.Params.Name != "mine" || now.Params.Password != "***" || len(now.Frame.Rooms) != 1 || now.Frame.Rooms[0]["door"] != "open" {
		t.Errorf("parameters %v, frame %v", now.Params, now.Frame)
	}
	if _, text := o.call(who("admin"), "GET", "/internal/operations/"+id, ""); strings.Contains(text, "s3cret") {
		t.Errorf("a secret is shown: %s", text)
	}
}

func TestRetryCallsTheStepAtOnce(t *testing.T) {
	o := newOffice(t)
	id := o.start("mine")
	o.run()
	o.await(id, func(s *shown) bool { return s.Operation.Tries == 1 })
	<-o.tried
	var after shown
	o.read("POST", "/internal/operations/"+id+"/action", `{"retry": {}}`, &after)
	select {
	case <-o.tried: // it would have slept for an hour
	case <-time.After(10 * time.Second):
		t.Fatal("the step is not called again")
	}
}

func TestAbandonEndsAnOperationOnce(t *testing.T) {
	o := newOffice(t)
	id := o.start("mine")
	var after shown
	o.read("POST", "/internal/operations/"+id+"/action", `{"abandon": {"because": "the house burnt"}}`, &after)
	if after.Operation.State != "abandoned" || after.Operation.FinishedAt == nil || after.Operation.WakeAt != nil ||
		after.Operation.Error != "abandoned by an operator: the house burnt (user-admin)" {
		t.Errorf("got %+v", after.Operation)
	}
	for _, body := range []string{`{"retry": {}}`, `{"abandon": {"because": "again"}}`} {
		if status, text := o.call(who("admin"), "POST", "/internal/operations/"+id+"/action", body); status != http.StatusConflict ||
			!strings.Contains(text, "abandoned") {
			t.Errorf("%s of an operation that has ended: %d %s", body, status, text)
		}
	}
	changes, err := feed.After(t.Context(), o.db, 0, 10)
	if err != nil || len(changes) != 1 || changes[0].ID != id || changes[0].Action != "abandon" || changes[0].UserID != "user-admin" {
		t.Errorf("the feed has %+v, %v", changes, err)
	}
}

func TestListIsPagedAndFiltered(t *testing.T) {
	o := newOffice(t)
	var started []string
	for i := range 5 {
		started = append([]string{o.start(fmt.Sprintf("desk%d", i))}, started...)
	}
	o.read("POST", "/internal/operations/"+started[1]+"/action", `{"abandon": {"because": "x"}}`, new(shown))
	walk := func(query string) (ids []string) {
		for address := "/internal/operations?" + query; address != ""; {
			var page struct {
				Operations []struct{ ID string }
				Links      []struct{ Href string } `json:"operations_links"`
			}
			o.read("GET", address, "", &page)
			for _, one := range page.Operations {
				ids = append(ids, one.ID)
			}
			if len(page.Operations) > 2 {
				t.Errorf("a page of %d", len(page.Operations))
			}
			address = ""
			if len(page.Links) == 1 {
				next, err := url.Parse(page.Links[0].Href)
				if err != nil {
					t.Fatal(err)
				}
				address = strings.TrimPrefix(next.Path, "/office") + "?" + next.RawQuery
			}
		}
		return ids
	}
	if all := walk("limit=2"); !slices.Equal(all, started) {
		t.Errorf("all: %v, want %v", all, started)
	}
	if live := walk("limit=2&unfinished=true"); !slices.Equal(live, slices.Delete(slices.Clone(started), 1, 2)) {
		t.Errorf("unfinished: %v", live)
	}
}

func TestRefusals(t *testing.T) {
	o := newOffice(t)
	id := o.start("mine")
	const nowhere = "/internal/operations/5f1e3e0a-2b1c-4f6e-9a55-0d6a3c1f9b42"
	action := "/internal/operations/" + id + "/action"
	for _, c := range []struct {
		role, method, address, body string
		want                        int
	}{
		{"member", "GET", "/internal/operations", "", 403},
		{"reader", "GET", "/internal/operations/" + id, "", 403},
		{"member", "POST", action, `{"abandon": {"because": "mine"}}`, 403},
		{"admin", "GET", "/internal/operations?limit=-1", "", 400},
		{"admin", "GET", "/internal/operations?unfinished=perhaps", "", 400},
		{"admin", "GET", "/internal/operations?marker=nobody", "", 400},
		{"admin", "GET", nowhere, "", 404},
		{"admin", "POST", nowhere + "/action", `{"retry": {}}`, 404},
		{"admin", "POST", nowhere + "/action", `{"abandon": {"because": "x"}}`, 404},
		{"admin", "POST", action, `{}`, 400},
		{"admin", "POST", action, `{"retry": null}`, 400},
		{"admin", "POST", action, `{"retry": {}, "abandon": {"because": "x"}}`, 400},
		{"admin", "POST", action, `{"abandon": {}}`, 400},
		{"admin", "POST", action, `{"abandon": {"because": "  "}}`, 400},
		{"admin", "POST", action, `{"abandon": {"because": "two\nlines"}}`, 400},
		{"admin", "POST", action, `{"abandon": {"because": "` + strings.Repeat("x", 501) + `"}}`, 400},
		{"admin", "POST", action, `{"forget": {}}`, 400},
	} {
		if status, text := o.call(who(c.role), c.method, c.address, c.body); status != c.want {
			t.Errorf("%s %s %s by %s: %d %s, want %d", c.method, c.address, c.body, c.role, status, text, c.want)
		}
	}
	var now shown
	if o.read("GET", "/internal/operations/"+id, "", &now); now.Operation.State != "running" {
		t.Errorf("a refused request changed the operation: %+v", now.Operation)
	}
}

// TestWhoeverMayLookMayNotAbandon gives a role the right to see operations and no other.
func TestWhoeverMayLookMayNotAbandon(t *testing.T) {
	o := newOffice(t)
	policy, err := authz.NewEnforcer(append(authz.BaseRules(), operations.Rules("office")...), map[string]string{"office:operations:show": "role:auditor"})
	if err != nil {
		t.Fatal(err)
	}
	o.table.Policy = policy
	if o.handler, err = api.NewHandler(o.table); err != nil {
		t.Fatal(err)
	}
	id := o.start("mine")
	for body, want := range map[string]int{"": 200, `{"retry": {}}`: 403, `{"abandon": {"because": "x"}}`: 403} {
		method, address := "GET", "/internal/operations/"+id
		if body != "" {
			method, address = "POST", address+"/action"
		}
		if status, text := o.call(who("auditor"), method, address, body); status != want {
			t.Errorf("%s %s: %d %s, want %d", method, body, status, text, want)
		}
	}
}

func TestDerived(t *testing.T) {
	o := newOffice(t)
	id := o.start("mine")
	subject := apitest.Subject{Table: o.table, Handler: o.handler, Owner: who("admin"), Stranger: who("member"),
		Params: func(api.Route) map[string]string { return map[string]string{"operation_id": id} }}
	subject.Run(t)
}
