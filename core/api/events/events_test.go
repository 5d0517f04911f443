package events_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"virga/core/api"
	"virga/core/api/apitest"
	"virga/core/api/events"
	"virga/core/authz"
	"virga/core/bus"
	"virga/core/clock"
	"virga/core/db"
	"virga/core/db/dbtest"
	"virga/core/feed"
	"virga/core/token"
)

// gate knows callers by their names, which are their tokens.
type gate struct {
	mu    sync.Mutex
	known map[string]*token.Identity
}

func (g *gate) Authenticate(_ context.Context, text string) (*token.Identity, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if id := g.known[text]; id != nil {
		return id, nil
	}
	return nil, token.ErrInvalid
}

func (g *gate) revoke(text string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.known, text)
}

func who(name, project string, roles ...string) *token.Identity {
	id := &token.Identity{UserID: name, Project: token.Project{ID: project}, ExpiresAt: time.Now().Add(time.Hour)}
	for _, role := range roles {
		id.Roles = append(id.Roles, token.Role{Name: role})
	}
	return id
}

// office is a service whose desks and lamps change.
type office struct {
	t       *testing.T
	db      *db.DB
	log     *feed.Log
	gate    *gate
	desk    *events.Desk
	table   *api.Table
	handler http.Handler
	server  *httptest.Server
}

func newOffice(t *testing.T, change func(*events.Config)) *office {
	t.Helper()
	o := &office{t: t, db: dbtest.Open(t), log: feed.NewLog("office", bus.NewLocal()), gate: &gate{known: map[string]*token.Identity{
		"root":  who("root", "ops", "admin", "member", "reader"),
		"alice": who("alice", "a", "member", "reader"),
		"bob":   who("bob", "b", "reader"),
		"none":  who("none", "a"),
	}}}
	if err := o.db.Migrate(t.Context(), "feed", feed.Migrations()); err != nil {
		t.Fatal(err)
	}
	policy, err := authz.NewEnforcer(append(append(authz.BaseRules(), events.Rules("office")...),
		authz.Rule{Name: "desk:show", Check: "rule:project_reader_or_admin", Description: "x"},
		authz.Rule{Name: "desk:room", Check: "rule:context_is_admin", Description: "x"}), nil)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	config := events.Config{DB: o.db, Feed: o.log, Clock: clock.System{}, Auth: o.gate, Log: log,
		Kinds: map[string]events.Kind{"desk": {Rule: "desk:show", Fields: map[string]string{"room": "desk:room"}}}}
	if change != nil {
		change(&config)
	}
	if o.desk, err = events.New(config); err != nil {
		t.Fatal(err)
	}
	o.table = &api.Table{Service: "office", Type: "office", Endpoint: "http://x/office", Policy: policy, Auth: o.gate, Log: log, Routes: o.desk.Routes(),
		Errors: func(e *api.Error, _ *api.Request) (string, []byte) {
			body, _ := json.Marshal(map[string]string{"message": e.Message})
			return "application/json", body
		}}
	if o.handler, err = api.NewHandler(o.table); err != nil {
		t.Fatal(err)
	}
	o.server = httptest.NewServer(o.handler)
	t.Cleanup(func() {
		o.desk.Close()
		o.server.Close()
	})
	return o
}

// change records a change of a desk (or another kind) of a project.
func (o *office) change(kind, id, project, action string) {
	o.t.Helper()
	o.record(feed.Change{Kind: kind, ID: id, Action: action, OwnerProjectID: project, UserID: "node:attic",
		Before: map[string]any{"id": id, "room": "attic"}, After: map[string]any{"id": id, "room": "cellar"}, Detail: map[string]any{"lift": 1}})
}

func (o *office) record(c feed.Change) {
	o.t.Helper()
	c.At = time.Now()
	if err := o.db.Write(o.t.Context(), func(tx *db.Tx) error { return o.log.Record(tx, c) }); err != nil {
		o.t.Fatal(err)
	}
}

// listener is one open stream.
type listener struct {
	t      *testing.T
	body   io.ReadCloser
	reader *events.Reader
}

func (o *office) open(as, query, last string) *http.Response {
	o.t.Helper()
	request, err := http.NewRequestWithContext(o.t.Context(), http.MethodGet, o.server.URL+"/events?"+query, nil)
	if err != nil {
		o.t.Fatal(err)
	}
	request.Header.Set("X-Auth-Token", as)
	if last != "" {
		request.Header.Set("Last-Event-ID", last)
	}
	answer, err := o.server.Client().Do(request)
	if err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(func() { _ = answer.Body.Close() })
	return answer
}

// listen opens a stream and waits until it has begun.
func (o *office) listen(as, query, last string) *listener {
	o.t.Helper()
	answer := o.open(as, query, last)
	if answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Type") != "text/event-stream" {
		text, _ := io.ReadAll(answer.Body)
		o.t.Fatalf("%s %s: %d %s", as, query, answer.StatusCode, text)
	}
	l := &listener{o.t, answer.Body, events.NewReader(answer.Body)}
	if m, err := l.reader.Next(); err != nil || m.ID == "" || m.Data != nil {
		o.t.Fatalf("a stream begins with %+v, %v", m, err)
	}
	return l
}

// next is the next event; blocks without one are skipped.
func (l *listener) next() (events.Message, events.Event) {
	l.t.Helper()
	for {
		m, err := l.reader.Next()
		if err != nil {
			l.t.Fatal(err)
		}
		if m.Data == nil {
			continue
		}
		var e events.Event
		if err := json.Unmarshal(m.Data, &e); err != nil {
			l.t.Fatal(err)
		}
		return m, e
	}
}

// ids reads events until one of the end.
func (l *listener) ids() (ids []string, end string) {
	l.t.Helper()
	for {
		m, e := l.next()
		if m.Name == "end" {
			var why struct{ Reason string }
			if err := json.Unmarshal(m.Data, &why); err != nil {
				l.t.Fatal(err)
			}
			return ids, why.Reason
		}
		ids = append(ids, e.ID)
	}
}

func TestEventsComeAsTheyAreMade(t *testing.T) {
	o := newOffice(t, nil)
	o.change("desk", "before", "a", "create")
	l := o.listen("root", "", "")
	o.record(feed.Change{RequestID: "req-1", UserID: "u", ProjectID: "p", OperationID: "op", Kind: "desk", ID: "d", Action: "move", OwnerProjectID: "a",
		Before: map[string]string{"room": "attic"}, After: map[string]string{"room": "cellar"}, Detail: map[string]any{"lift": "slow"}})
	m, e := l.next()
	if m.ID != "2" || m.Name != "desk.move" || e.Sequence != 2 || e.Service != "office" || e.RequestID != "req-1" || e.UserID != "u" || e.ProjectID != "p" ||
		e.OperationID != "op" || e.Kind != "desk" || e.ID != "d" || e.Action != "move" || e.OwnerProjectID != "a" ||
		string(e.Before) != `{"room":"attic"}` || string(e.After) != `{"room":"cellar"}` || e.Detail["lift"] != "slow" {
		t.Errorf("got %+v, %s", m, m.Data)
	}
	if at, err := e.At(); err != nil || time.Since(at) > time.Minute {
		t.Errorf("time %q, %v", e.Time, err)
	}
}

func TestAStreamIsResumed(t *testing.T) {
	o := newOffice(t, nil)
	const total = 1500 // more than the process remembers
	first := o.listen("root", "", "")
	for i := range total {
		o.change("desk", fmt.Sprint(i), "a", "create")
	}
	var last string
	for i := range 5 {
		m, e := first.next()
		if e.ID != fmt.Sprint(i) {
			t.Fatalf("event %d is %s", i, e.ID)
		}
		last = m.ID
	}
	_ = first.body.Close()
	for name, l := range map[string]*listener{"header": o.listen("root", "follow=false&after=1", last), "query": o.listen("root", "follow=false&after="+last, "")} {
		ids, end := l.ids()
		if len(ids) != total-5 || ids[0] != "5" || ids[len(ids)-1] != fmt.Sprint(total-1) || end != "there is no more" {
			t.Errorf("by %s: %d events, end %q", name, len(ids), end)
		}
	}
	if ids, _ := o.listen("root", "follow=false&after=oldest", "").ids(); len(ids) != total {
		t.Errorf("from the oldest on: %d events", len(ids))
	}
}

func TestPositionMovesWithWhatIsNotShown(t *testing.T) {
	o := newOffice(t, func(c *events.Config) { c.Heartbeat = 10 * time.Millisecond })
	l := o.listen("bob", "", "")
	o.change("desk", "d", "a", "create")
	for {
		m, err := l.reader.Next()
		if err != nil || m.Data != nil {
			t.Fatalf("got %+v, %v", m, err)
		}
		if m.ID == "1" {
			return
		}
	}
}

func TestEverybodySeesTheirOwn(t *testing.T) {
	o := newOffice(t, nil)
	o.change("desk", "d1", "a", "create")
	o.change("desk", "d2", "b", "create")
	o.change("lamp", "l1", "a", "create")
	o.change("desk", "cloud", "", "create")
	for as, want := range map[string]string{"root": "[d1 d2 l1 cloud]", "alice": "[d1]", "bob": "[d2]"} {
		ids, _ := o.listen(as, "after=0&follow=false", "").ids()
		if fmt.Sprint(ids) != want {
			t.Errorf("%s sees %v, want %s", as, ids, want)
		}
	}
	m, e := o.listen("alice", "after=0", "").next()
	if strings.Contains(string(m.Data), "attic") || strings.Contains(string(m.Data), "cellar") || e.Detail != nil || string(e.After) != `{"id":"d1"}` {
		t.Errorf("a member is told %s", m.Data)
	}
	if m, _ := o.listen("root", "after=0", "").next(); !strings.Contains(string(m.Data), `"room":"cellar"`) || !strings.Contains(string(m.Data), "node:attic") {
		t.Errorf("an administrator is told %s", m.Data)
	}
}

func TestFilters(t *testing.T) {
	o := newOffice(t, nil)
	o.change("desk", "d1", "a", "create")
	o.change("desk", "d1", "a", "move")
	o.change("lamp", "l1", "b", "create")
	for query, want := range map[string]string{"kind=desk": "[d1 d1]", "action=create": "[d1 l1]", "kind=lamp&kind=desk&action=create": "[d1 l1]",
		"id=l1": "[l1]", "id=nobody": "[]", "project_id=b": "[l1]", "kind=desk&action=move": "[d1]"} {
		if ids, _ := o.listen("root", "after=0&follow=false&"+query, "").ids(); fmt.Sprint(ids) != want {
			t.Errorf("%s: %v, want %s", query, ids, want)
		}
	}
}

func TestRefusals(t *testing.T) {
	o := newOffice(t, nil)
	for range 3 {
		o.change("desk", "d", "a", "create")
	}
	if _, err := feed.After(t.Context(), o.db, 0, 10); err != nil { // numbers are given
		t.Fatal(err)
	}
	if err := feed.Prune(t.Context(), o.db, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		as, query, last string
		want            int
	}{
		{"stranger", "", "", 401}, {"none", "", "", 403}, {"root", "after=x", "", 400}, {"root", "after=-1", "", 400}, {"root", "", "two", 400},
		{"root", "after=99999999999999999999", "", 400}, {"root", "after=4", "", 400}, {"root", "after=1", "", 410}, {"root", "", "2", 410},
		{"root", "follow=perhaps", "", 400}, {"root", "kind=", "", 400}, {"root", "id=" + strings.Repeat("x", 256), "", 400},
		{"root", strings.Repeat("kind=x&", 51), "", 400}, {"root", "after=3&follow=false", "", 200}, {"root", "after=oldest&follow=false", "", 200},
	} {
		if answer := o.open(c.as, c.query, c.last); answer.StatusCode != c.want {
			t.Errorf("%s ?%.40s %s: %d, want %d", c.as, c.query, c.last, answer.StatusCode, c.want)
		}
	}
}

func TestStreamsEndWithAReason(t *testing.T) {
	o := newOffice(t, func(c *events.Config) { c.Heartbeat = 10 * time.Millisecond })
	expect := func(l *listener, want string) {
		t.Helper()
		if _, end := l.ids(); end != want {
			t.Errorf("the stream ends with %q, want %q", end, want)
		}
		if _, err := l.reader.Next(); !errors.Is(err, io.EOF) {
			t.Errorf("behind the end comes %v", err)
		}
	}
	short := who("short", "a", "reader")
	short.ExpiresAt = time.Now().Add(50 * time.Millisecond)
	o.gate.known["short"] = short
	expect(o.listen("short", "", ""), "the token has expired")
	l := o.listen("alice", "", "")
	o.gate.revoke("alice")
	expect(l, "the token is no longer valid")
	l = o.listen("bob", "", "")
	o.gate.mu.Lock()
	o.gate.known["bob"] = who("bob", "b", "reader", "member")
	o.gate.mu.Unlock()
	expect(l, "the token is no longer valid")
	l = o.listen("root", "", "")
	o.desk.Close()
	expect(l, "the service is ending")
	if answer := o.open("root", "", ""); answer.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a closed desk answers %d", answer.StatusCode)
	}
}

func TestStreamsOfAUserAreBounded(t *testing.T) {
	o := newOffice(t, nil)
	var open []*listener
	for range 16 {
		open = append(open, o.listen("alice", "", ""))
	}
	if answer := o.open("alice", "", ""); answer.StatusCode != http.StatusTooManyRequests || answer.Header.Get("Retry-After") == "" {
		t.Errorf("one stream too many: %d", answer.StatusCode)
	}
	o.listen("bob", "", "") // others are not concerned
	_ = open[0].body.Close()
	deadline := time.Now().Add(10 * time.Second)
	for { // the server notices when it writes
		o.change("desk", "d", "a", "create")
		if answer := o.open("alice", "", ""); answer.StatusCode == http.StatusOK {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("a closed stream still counts")
		}
	}
}

// dropped is how many streams were cut.
func dropped(t *testing.T, metrics *prometheus.Registry) (n float64) {
	t.Helper()
	families, err := metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == "virga_event_streams_dropped_total" {
			n = family.GetMetric()[0].GetCounter().GetValue()
		}
	}
	return n
}

// TestASlowReaderIsCut has a reader that does not read, while others go on.
func TestASlowReaderIsCut(t *testing.T) {
	metrics := prometheus.NewRegistry()
	o := newOffice(t, func(c *events.Config) { c.SlowAfter, c.Metrics = 2*time.Second, metrics })
	slow, quick := o.open("root", "", ""), o.listen("root", "", "")
	heavy := strings.Repeat("x", 100_000)
	const total = 140
	read := make(chan error, 1)
	go func() {
		for n := 0; n < total; {
			m, err := quick.reader.Next()
			if err != nil {
				read <- fmt.Errorf("event %d: %w", n, err)
				return
			}
			if m.Data != nil {
				n++
			}
		}
		read <- nil
	}()
	for i := range total {
		o.record(feed.Change{Kind: "desk", ID: fmt.Sprint(i), Action: "create", After: map[string]string{"text": heavy}})
	}
	if err := <-read; err != nil {
		t.Fatalf("the quick reader: %v", err)
	}
	// Sockets hold some megabytes; more than that never came, and the rest is cut off.
	for deadline := time.Now().Add(time.Minute); dropped(t, metrics) == 0; {
		if time.Now().After(deadline) {
			t.Fatal("the slow reader is not cut")
		}
		<-time.After(time.Millisecond)
	}
	reader, got, last := events.NewReader(slow.Body), 0, ""
	for {
		m, err := reader.Next()
		if err != nil {
			break
		}
		if m.Data != nil {
			got++
		}
		last = m.ID
	}
	if got == total {
		t.Fatal("the reader was not slow enough for this test")
	}
	ids, _ := o.listen("root", "follow=false", last).ids()
	if len(ids) != total-got || ids[0] != fmt.Sprint(got) {
		t.Errorf("the slow reader resumes with %d events behind %d", len(ids), got)
	}
}

func TestDerived(t *testing.T) {
	o := newOffice(t, nil)
	subject := apitest.Subject{Table: o.table, Handler: o.handler, Owner: who("alice", "a", "reader"), Stranger: who("none", "b")}
	subject.Run(t)
}
